"""Every feature agrees with a reference written by somebody who reads rows and nothing else."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data_schemas.clock import day_number
from data_schemas.settings import Settings
from features.build import build_features
from features.catalogue import CATALOGUE
from tests.features.reference_features import REFERENCE, reference_table
from tests.features.worlds import MemoryLake, random_world

FIRST = 20_500


def both(lake: MemoryLake, settings: Settings, days: list[int]) -> tuple[pd.DataFrame, pd.DataFrame]:
    built = build_features(lake, settings, days)
    expected = reference_table(lake.tables, settings, days, [(f.name, f.base, f.window) for f in CATALOGUE])
    return built, expected


def assert_agree(built: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert [day_number(moment.date()) for moment in built["as_of"]] == expected["day"].tolist()
    assert built["line_id"].tolist() == expected["line_id"].tolist()
    wrong = {}
    for feature in CATALOGUE:
        got, want = built[feature.name].to_numpy("float64"), expected[feature.name].to_numpy("float64")
        bad = ~np.isclose(got, want, rtol=1e-6, atol=1e-7, equal_nan=True)
        if bad.any():
            wrong[feature.name] = list(zip(built["as_of"].dt.date[bad], built["line_id"][bad], got[bad], want[bad], strict=True))[
                :2
            ]
    assert not wrong, wrong


def test_every_feature_has_a_reference_and_no_reference_is_left_over():
    assert set(REFERENCE) == {feature.base for feature in CATALOGUE}


@pytest.mark.parametrize(
    ("zone", "country"), [("Asia/Shanghai", "CN"), ("America/New_York", "US"), ("Australia/Lord_Howe", "AU")]
)
@pytest.mark.parametrize("seed", range(4))
def test_features_agree_with_the_reference_on_random_worlds(seed: int, zone: str, country: str):
    settings = Settings(zone=zone, country=country, threads=2)
    rng = np.random.default_rng(seed)
    lake = random_world(seed * 3 + len(zone), zone, optional=seed % 4 != 3)
    days = [FIRST + int(day) for day in rng.choice(np.arange(3, 60), 4, replace=False)]
    assert_agree(*both(lake, settings, days))
