"""The feature table as a file or a dataset: whole or not at all, and read alike by everybody."""

from __future__ import annotations

import json
from collections.abc import Iterator

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from data_schemas.errors import BadInput
from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from models.dataset import column_docs
from pipelines.files import COLUMNS, check_out, write_batches
from tests.spark import local_spark, spark_or_skip

DAYS = pd.date_range("2026-02-27", periods=4)
DOCS = column_docs(Settings())


def parts(seed: int = 1) -> Iterator[pd.DataFrame]:
    """Two parts of two days, every column of the labelled table; no line of the first part has a team."""
    rng = np.random.default_rng(seed)
    for days in (DAYS[:2], DAYS[2:]):
        rows = [(day, f"L{line}") for day in days for line in range(3)]
        table = pd.DataFrame(rows, columns=["as_of", "line_id"]).astype({"as_of": "datetime64[s]"})
        table = table.assign(carrier="移动", number_pool="P1", team=None if days[0] == DAYS[0] else "T,1")
        values = {doc["name"]: rng.random(len(rows)).astype("float32") for doc in DOCS[5:]}
        yield pd.concat([table, pd.DataFrame(values)], axis=1)


def alike(found: pd.DataFrame) -> pd.DataFrame:
    """Rows in one order, days as text."""
    found = found.assign(as_of=pd.to_datetime(found["as_of"].astype(str)).dt.strftime("%Y-%m-%d"))
    found = found[[doc["name"] for doc in DOCS]].sort_values(["as_of", "line_id"], ignore_index=True)
    return found.astype(dict.fromkeys(["as_of", "line_id", "carrier", "number_pool", "team"], object)).replace({None: np.nan})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("exchange") / "table"
    assert write_batches(parts(), out, DOCS) == {"rows": 12, "columns": len(DOCS), "days": 4}
    return out


def test_a_dataset_reads_alike_in_pandas_polars_and_duckdb(dataset):
    want = alike(pd.concat(parts()))
    files = f"{dataset}/*/*.parquet"
    found = {
        "pandas": pd.read_parquet(dataset),
        "polars": pl.scan_parquet(files, hive_partitioning=True).collect().to_pandas(),
        "duckdb": duckdb.sql(f"from read_parquet('{files}', hive_partitioning = true)").df(),
    }
    for reader, table in found.items():
        pd.testing.assert_frame_equal(alike(table), want, obj=reader)


def test_a_dataset_and_a_file_read_alike_in_spark(dataset, tmp_path):
    spark = next(session := local_spark(spark_or_skip(module=False), {"spark.sql.session.timeZone": "America/Los_Angeles"}))
    try:
        write_batches(parts(), tmp_path / "table.parquet", DOCS)
        for place in (dataset, tmp_path / "table.parquet"):
            found = spark.read.parquet(str(place))
            kinds = {column.name: column.dataType.typeName() for column in found.schema}
            assert kinds.pop("as_of") == ("date" if place == dataset else "timestamp_ntz")
            assert {kinds.pop(name) for name in ("line_id", "carrier", "number_pool", "team")} == {"string"}
            assert set(kinds.values()) == {"float"}
            pd.testing.assert_frame_equal(alike(found.toArrow().to_pandas()), alike(pd.concat(parts())), obj=place.name)
    finally:
        next(session, None)


def test_every_column_says_what_it_means(dataset):
    listed = json.loads((dataset / COLUMNS).read_text(encoding="utf-8"))
    assert [entry["name"] for entry in listed] == list(next(parts()))
    schema = pq.read_schema(dataset / "as_of=2026-02-27" / "part-0.parquet")
    for feature in CATALOGUE:
        meant = schema.field(feature.name).metadata
        assert (meant[b"doc"].decode(), meant[b"unit"].decode(), meant[b"family"].decode()) == (
            feature.doc,
            feature.unit,
            feature.family,
        )
    assert schema.field("ban_7d").metadata[b"doc"].startswith(b"1 when a ban begins in [as_of, as_of + 7 days)")


def test_one_file_holds_the_same(tmp_path):
    for name, read in (("table.parquet", pd.read_parquet), ("table.csv", pd.read_csv)):
        write_batches(parts(), tmp_path / name, DOCS)
        pd.testing.assert_frame_equal(alike(read(tmp_path / name)), alike(pd.concat(parts())), check_dtype=False, rtol=1e-6)
    assert pq.read_schema(tmp_path / "table.parquet").field("calls_7d").metadata[b"unit"] == b"calls"


@pytest.mark.parametrize("name", ["table", "table.parquet", "table.csv"])
def test_a_failure_half_way_leaves_what_was_there_and_a_rerun_replaces_it(tmp_path, name):
    out = tmp_path / name

    def broken() -> Iterator[pd.DataFrame]:
        yield next(parts(2))
        raise RuntimeError("power cut")

    def content() -> dict[str, bytes]:
        return {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    write_batches(parts(), out, DOCS)
    before = content()
    with pytest.raises(RuntimeError, match="power cut"):
        write_batches(broken(), out, DOCS)
    assert content() == before
    write_batches(parts(2), out, DOCS)
    after = content()
    assert after.keys() == before.keys() and after != before


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "photos").mkdir()
    check_out(tmp_path / "photos", folder=True)  # an empty one will do
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"")
    (tmp_path / "notes").write_text("")
    for name in ("photos", "notes"):
        with pytest.raises(BadInput, match="something else than a feature table"):
            check_out(tmp_path / name, folder=True)
    with pytest.raises(BadInput, match="or a folder"):
        check_out(tmp_path / "table.xlsx", folder=True)
    with pytest.raises(BadInput, match="name it"):
        check_out(tmp_path / "scores")
