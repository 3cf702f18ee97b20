"""Files as other tools write them: types, codecs, zones, separators, folders."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tests.data_schemas import disk
from tests.data_schemas.disk import FIRST, at, call, load, rows, small, write

SHANGHAI = ZoneInfo("Asia/Shanghai")


def usual(tmp_path):
    """The lake that the rows give as they stand in plain Parquet."""
    load(write(tmp_path / "plain", small()), tmp_path / "usual", callee_key="k")
    return rows(tmp_path / "usual", "calls")


def given(tmp_path, calls, **more):
    """The lake that the same calls give in another form."""
    folder = write(tmp_path / "in", {name: table for name, table in small().items() if name != "calls"})
    calls(folder)
    report = load(folder, tmp_path / "home", callee_key="k", **more)
    assert disk.balanced(report)
    return rows(tmp_path / "home", "calls")


def column(table: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def instants(kind: pa.DataType, zone=UTC) -> pa.Array:
    moments = [row["started_at"].astimezone(zone) for row in small()["calls"]]
    if kind.tz:  # by way of UTC: pyarrow misreads other zones of Python once pandera is loaded
        return pa.array([moment.astimezone(UTC) for moment in moments], pa.timestamp("us", "UTC")).cast(kind)
    return pa.array([moment.replace(tzinfo=None) for moment in moments], kind)


CALLS = disk.arrow(small()["calls"])
VARIANTS = {
    "dictionary": lambda t: column(t, "line_id", t["line_id"].combine_chunks().dictionary_encode()),
    "large_string": lambda t: t.cast(
        pa.schema([(f.name, pa.large_string() if f.type == pa.string() else f.type) for f in t.schema])
    ),
    "seconds": lambda t: column(t, "started_at", instants(pa.timestamp("s", "UTC"))),
    "milliseconds": lambda t: column(t, "started_at", instants(pa.timestamp("ms", "UTC"))),
    "nanoseconds": lambda t: column(t, "started_at", instants(pa.timestamp("ns", "UTC"))),
    "other zone": lambda t: column(t, "started_at", t["started_at"].cast(pa.timestamp("us", "America/New_York"))),
    "no zone": lambda t: column(t, "started_at", instants(pa.timestamp("us"), SHANGHAI)),
    "no zone, ns": lambda t: column(t, "started_at", instants(pa.timestamp("ns"), SHANGHAI)),
    "integer ids": lambda t: column(t, "callee_id", pa.array([int(v) for v in t["callee_id"].to_pylist()])),
    "answered 0/1": lambda t: column(t, "answered", pa.array([int(v) for v in t["answered"].to_pylist()], pa.int8())),
    "answered text": lambda t: column(t, "answered", pa.array(["True"] * len(t))),
    "answered 1.0": lambda t: column(t, "answered", pa.array([1.0] * len(t))),
    "decimal": lambda t: column(t, "duration_s", pa.array([Decimal("12.50")] * len(t), pa.decimal128(10, 2))),
    "float32": lambda t: column(t, "duration_s", t["duration_s"].cast(pa.float32())),
    "number as text": lambda t: column(t, "duration_s", pa.array([" 12.5 "] * len(t))),
    "blank optional": lambda t: t.append_column("recorded_at", pa.nulls(len(t))).append_column("ring_s", pa.nulls(len(t))),
    "blank of another type": lambda t: t.append_column("recorded_at", pa.array([np.nan] * len(t))),
    "other order": lambda t: t.select(t.column_names[::-1]),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_parquet_of_other_types_gives_the_same_lake(tmp_path, variant):
    got = given(tmp_path, lambda folder: pq.write_table(VARIANTS[variant](CALLS), folder / "calls.parquet"))
    assert got == usual(tmp_path)


@pytest.mark.parametrize("codec", ["zstd", "gzip", "snappy", "none", "lz4", "brotli"])
def test_parquet_of_any_codec_is_read(tmp_path, codec):
    got = given(tmp_path, lambda folder: pq.write_table(CALLS, folder / "calls.parquet", compression=codec))
    assert got == usual(tmp_path)


def test_parquet_of_pandas_with_categories_and_nullable_integers(tmp_path):
    frame = pd.DataFrame(small()["calls"])
    frame["line_id"] = frame["line_id"].astype("category")
    frame["callee_id"] = frame["callee_id"].astype("Int64")
    frame["answered"] = frame["answered"].astype("boolean")
    frame["started_at"] = frame["started_at"].astype("datetime64[ns, UTC]")
    assert given(tmp_path, lambda folder: frame.to_parquet(folder / "calls.parquet")) == usual(tmp_path)


def test_parquet_of_polars(tmp_path):
    frame = pl.DataFrame(small()["calls"]).with_columns(pl.col("line_id").cast(pl.Categorical))
    assert given(tmp_path, lambda folder: frame.write_parquet(folder / "calls.parquet")) == usual(tmp_path)


def test_integer_line_ids_meet_those_of_text(tmp_path):
    tables = small()
    for table, key in (("lines", int), ("calls", str)):
        tables[table] = [row | {"line_id": key(row["line_id"][1:])} for row in tables[table]]
    tables["bans"] = [row | {"line_id": 1.0} for row in tables["bans"]]
    report = load(write(tmp_path / "in", tables), tmp_path / "home")
    assert {row[0] for row in rows(tmp_path / "home", "lines", "line_id")} == {"1", "2"}
    assert rows(tmp_path / "home", "bans", "line_id") == [("1",)]
    assert not [note for note in report.notes if "calls: " in note or "bans: " in note]


TIMES = {
    "offset": lambda m: m.astimezone(SHANGHAI).isoformat(),
    "Z": lambda m: m.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "space and offset": lambda m: m.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S+08:00"),
    "short offset": lambda m: m.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S+08"),
    "fraction": lambda m: m.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
    "plain": lambda m: m.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M:%S"),
    "plain with T": lambda m: m.astimezone(SHANGHAI).strftime("%Y-%m-%dT%H:%M:%S"),
    "slashes": lambda m: m.astimezone(SHANGHAI).strftime("%Y/%m/%d %H:%M:%S"),
    "without seconds": lambda m: m.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M"),
}


@pytest.mark.parametrize("form", TIMES)
def test_csv_times_of_other_forms_give_the_same_lake(tmp_path, form):
    calls = [row | {"started_at": TIMES[form](row["started_at"])} for row in small()["calls"]]
    assert given(tmp_path, lambda folder: disk.put(folder / "calls.csv", calls)) == usual(tmp_path)


@pytest.mark.parametrize(
    "written",
    [
        {"encoding": "utf-8-sig"},
        {"lineterminator": "\r\n"},
        {"sep": ";"},
        {"sep": "\t"},
        {"quoting": 1},
        {"encoding": "utf-8-sig", "sep": ";", "lineterminator": "\r\n", "quoting": 1},
    ],
    ids=str,
)
def test_csv_of_other_dialects_gives_the_same_lake(tmp_path, written):
    frame = CALLS.to_pandas()
    assert given(tmp_path, lambda folder: frame.to_csv(folder / "calls.csv", index=False, **written)) == usual(tmp_path)


def test_quoted_separators_and_empty_cells_in_csv(tmp_path):
    calls = [call(1, region='say "SC", or, GD', ring_s=None), call(2, region="", ring_s=2.5)]
    given(tmp_path, lambda folder: disk.put(folder / "calls.csv", calls))
    got = rows(tmp_path / "home", "calls", "call_id", "region", "ring_s")
    assert got == [("c1", 'say "SC", or, GD', None), ("c2", None, 2.5)]


def test_a_broken_csv_line_is_quarantined_and_the_others_kept(tmp_path):
    folder = write(tmp_path / "in", small(calls=30), "csv")
    with (folder / "calls.csv").open("a") as handle:
        handle.write("c999,L1,2026-02-17 09:00:00+00:00,13800139999,1.0,True,too,many\n")
    report = load(folder, tmp_path / "home")
    told = report.tables["calls"]
    assert told.rows_in == 91 and told.accepted == 90 and disk.balanced(report)
    kept = disk.quarantine(tmp_path / "home")
    assert "broken line" in kept["rule"][0] and "c999" in kept["row"][0] and "13800139999" not in kept["row"][0]


@pytest.mark.parametrize("key", ["day", "line_id"])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_hive_partitioned_folders(tmp_path, form, key):
    table = CALLS.append_column("day", pa.array([f"2026-02-{16 + n // 5}" for n in range(15)]))
    if key != "day":
        table = table.drop_columns("day")
    schema = pa.schema([table.schema.field(key)])
    partitions = ds.partitioning(schema, flavor="hive")
    got = given(tmp_path, lambda folder: ds.write_dataset(table, folder / "calls", format=form, partitioning=partitions))
    assert got == usual(tmp_path)


def test_files_of_a_folder_may_differ_in_columns_and_types(tmp_path):
    calls = small()["calls"]

    def put(folder):
        disk.put(folder / "calls" / "1.parquet", disk.arrow(calls[:5]).append_column("recorded_at", pa.nulls(5)))
        second = [row | {"recorded_at": row["started_at"], "callee_id": int(row["callee_id"])} for row in calls[5:10]]
        disk.put(folder / "calls" / "2.parquet", second)
        third = [row | {"started_at": row["started_at"].astimezone(SHANGHAI).replace(tzinfo=None)} for row in calls[10:]]
        disk.put(folder / "calls" / "3.parquet", third)

    got = {(row[0], row[2], row[3]) for row in given(tmp_path, put)}
    assert got == {(row[0], row[2], row[3]) for row in usual(tmp_path)}
    assert set(disk.lake_of(tmp_path / "home").days("calls")) == {FIRST, FIRST + 1, FIRST + 2}


def test_files_of_a_csv_folder_may_differ_in_dialect_and_columns(tmp_path):
    frame = CALLS.to_pandas()

    def put(folder):
        (folder / "calls").mkdir()
        frame[:7].to_csv(folder / "calls" / "a.csv", index=False, sep=";")
        frame[7:].assign(region="SC")[["region", *frame.columns[::-1]]].to_csv(folder / "calls" / "b.csv", index=False)

    got = {row[:4] for row in given(tmp_path, put)}
    assert got == {row[:4] for row in usual(tmp_path)}


def test_hidden_files_and_success_marks_are_no_data(tmp_path):
    def put(folder):
        disk.put(folder / "calls" / "a.parquet", small()["calls"])
        (folder / "calls" / "_SUCCESS").touch()
        (folder / "calls" / ".a.parquet.crc").write_bytes(b"x")
        disk.put(folder / "calls" / "_tmp" / "b.parquet", [call(900)])

    assert given(tmp_path, put) == usual(tmp_path)


def test_names_with_quotes_and_spaces_are_read(tmp_path):
    folder = write(tmp_path / "it's a 'folder'", small())
    assert load(folder, tmp_path / "ho'me", callee_key="k").changed
    assert rows(tmp_path / "ho'me", "calls") == usual(tmp_path)


def test_clock_cells_of_policies(tmp_path):
    made = [
        {"carrier": f"C{n}", "effective_at": at(0), "permitted_from": text, "daily_call_limit": 5}
        for n, text in enumerate(["8:00", "08:30:00", "24:00", "", None])
    ]
    load(write(tmp_path / "in", small() | {"policies": made}), tmp_path / "home")
    assert [row[1] for row in rows(tmp_path / "home", "policies", "carrier", "permitted_from")] == [
        "08:00",
        "08:30",
        "24:00",
        None,
        None,
    ]
