"""Spark and DuckDB make the same table of the same declarations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.settings import Settings
from features.build import build_features
from features.catalogue import CATALOGUE
from tests.data_schemas import disk
from tests.features.worlds import instant, merged, random_world, stamp
from tests.spark import local_spark, spark_or_skip

sql = spark_or_skip()
FIRST = 20_500
NAMES = [feature.name for feature in CATALOGUE]


@pytest.fixture(scope="module", autouse=True)
def session():
    """One Spark for all tests here, in a zone of its own that must not matter; the engine leaves it running."""
    yield from local_spark(sql, {"spark.sql.session.timeZone": "Australia/Lord_Howe"})


def assert_equal(duckdb: pd.DataFrame, spark: pd.DataFrame) -> None:
    """The same rows and types; each float32 the same or its neighbour (an average in another order of adding)."""
    assert len(duckdb)
    assert spark.dtypes.equals(duckdb.dtypes)
    ids, names = [[name for name in duckdb.columns if (name in NAMES) == own] for own in (False, True)]
    pd.testing.assert_frame_equal(spark[ids], duckdb[ids])
    wrong = {}
    for name in names:
        got, want = spark[name].to_numpy(), duckdb[name].to_numpy()
        whole = np.equal(np.mod(want, 1), 0)
        near = (got == want) | (~whole & (np.abs(got - want) <= np.spacing(np.abs(want)))) | (np.isnan(got) & np.isnan(want))
        if not near.all():
            wrong[name] = list(zip(got[~near], want[~near], strict=True))[:3]
    assert not wrong, wrong


def test_every_feature_is_the_same_on_random_worlds(tmp_path: Path):
    """Clocks change on one of the days; Shanghai's are in the test below."""
    zone = "America/New_York"
    lake = merged(*[random_world(seed, zone, optional=seed % 4 != 3) for seed in range(160, 168)])
    for carrier in ("CM", "CU"):
        rule = {"carrier": carrier, "effective_at": instant(zone, FIRST - 30, 5), "daily_call_limit": 9.0}
        lake.tables["policies"].append(stamp(rule | {"hourly_call_limit": 3.0}, "policies", zone))
    days = [FIRST + day for day in (14, 20, 33, 40)]
    settings = Settings(zone=zone, country="US", threads=2)
    duckdb = build_features(lake, settings, days)
    values = duckdb[NAMES].notna().any()
    assert values.all(), f"never tried: {list(values[~values].index)}"
    assert_equal(duckdb, build_features(lake, settings.model_copy(update={"engine": "spark"}), days, scratch=tmp_path))
    assert not list(tmp_path.iterdir()), "the engine left files behind"


def test_a_lake_on_disk_without_optional_tables_is_the_same(tmp_path: Path):
    home, scratch = tmp_path / "a 家%20", tmp_path / "b [1] {x,y} *"  # no name of a folder is a pattern
    disk.load(disk.write(tmp_path / "input", disk.small(days=12, calls=7)), home)
    days = [disk.FIRST + day for day in (1, 5, 12)]
    some = [feature for n, feature in enumerate(CATALOGUE) if n % 8 == 0 or feature.name == "calls_7d"]  # all are above
    duckdb = build_features(disk.lake_of(home), disk.settings(home), days, catalogue=some)
    assert duckdb["calls_7d"].sum() > 0
    spark = build_features(disk.lake_of(home), disk.settings(home, engine="spark"), days, catalogue=some, scratch=scratch)
    assert_equal(duckdb, spark)
