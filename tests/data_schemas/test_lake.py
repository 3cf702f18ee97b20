"""The lake as later parts read it."""

from __future__ import annotations

import os

import duckdb
import ibis
import pytest

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake, lake_of, schema
from data_schemas.settings import Settings
from data_schemas.tables import TABLES
from tests.data_schemas import disk
from tests.data_schemas.disk import FIRST, at, call, load, small, write


def test_an_absent_lake_is_an_empty_one_with_typed_tables(tmp_path):
    lake, con = Lake(tmp_path / "none"), ibis.duckdb.connect()
    for table in TABLES:
        read = lake.read(con, table)
        assert read.schema() == schema(table) and read.count().to_pyarrow().as_py() == 0
        assert not lake.has(table) and lake.days(table) == [] and lake.rows(table) == {} and lake.files(table) == []
    assert not (tmp_path / "none").exists()


def test_every_table_has_the_columns_that_are_promised(tmp_path):
    load(write(tmp_path / "in", small() | {"messages": [], "policies": []}), tmp_path / "home")
    for table in TABLES:
        assert disk.lake_of(tmp_path / "home").read(ibis.duckdb.connect(), table).schema() == schema(table)


def test_days_bound_what_is_read_of_big_and_small_tables(tmp_path):
    load(write(tmp_path / "in", small(days=5)), tmp_path / "home")
    lake, con = disk.lake_of(tmp_path / "home"), ibis.duckdb.connect()

    def days(table, *bounds):
        return sorted(set(lake.read(con, table, *bounds).day.to_pyarrow().to_pylist()))

    assert lake.days("calls") == [FIRST + n for n in range(5)]
    assert days("calls", FIRST + 1, FIRST + 3) == [FIRST + 1, FIRST + 2, FIRST + 3]
    assert days("calls", FIRST + 4) == [FIRST + 4] and days("calls", None, FIRST) == [FIRST]
    assert days("complaints", FIRST + 1) == [FIRST + 1] and days("complaints", FIRST + 2, FIRST + 9) == []
    assert len(lake.files("calls", FIRST + 1, FIRST + 3)) == 3


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system takes no hints")
def test_a_hint_asks_the_disk_for_the_files_of_these_days_and_leaves_lost_ones_to_whoever_reads(tmp_path, monkeypatch):
    load(write(tmp_path / "in", small(days=5)), tmp_path / "home")
    lake = disk.lake_of(tmp_path / "home")
    asked: list[str] = []
    monkeypatch.setattr("os.posix_fadvise", lambda file, *_: asked.append(os.readlink(f"/proc/self/fd/{file}")))
    lake.files("calls", FIRST + 2, FIRST + 2)[0].unlink()
    lake.ahead("calls", FIRST + 1, FIRST + 3)
    assert asked == [str(path.resolve()) for day in (1, 3) for path in lake.files("calls", FIRST + day, FIRST + day)]
    with pytest.raises(duckdb.IOException, match="No files found"):
        lake.read(ibis.duckdb.connect(), "calls", FIRST + 1, FIRST + 3).count().to_pyarrow()


def test_a_lake_is_read_as_it_stood_when_it_was_opened(tmp_path):
    load(write(tmp_path / "in", small()), tmp_path / "home")
    lake = disk.lake_of(tmp_path / "home")
    load(write(tmp_path / "more", small() | {"calls": [call(900, 7)]}), tmp_path / "home")
    assert lake.days("calls") == [FIRST, FIRST + 1, FIRST + 2]
    assert lake.read(ibis.duckdb.connect(), "calls").count().to_pyarrow().as_py() == 15
    assert disk.lake_of(tmp_path / "home").days("calls")[-1] == FIRST + 7


def test_the_fingerprint_of_a_day_changes_with_what_was_known_before_it_and_with_nothing_else(tmp_path):
    home = tmp_path / "home"
    load(write(tmp_path / "in", small(days=4)), home)
    before = {t: disk.lake_of(home).fingerprint(FIRST + t) for t in range(1, 9)}
    assert len({before[t] for t in (1, 2, 3, 4)}) == 4 and before[5] == before[8]
    tables = small(days=4)
    tables["calls"][0]["duration_s"] = 99.0
    load(write(tmp_path / "fix", tables), home, known_at=at(5, 8))
    after = {t: disk.lake_of(home).fingerprint(FIRST + t) for t in range(1, 9)}
    assert [t for t in before if before[t] != after[t]] == [6, 7, 8]


@pytest.mark.parametrize(("name", "other"), [("a [1]", "a 1"), ("a?b", "axb"), ("a*b", "a-b"), ("a{x,y} 家%20'", "ax 家")])
def test_a_folder_may_have_any_name_and_no_other_is_read_for_it(tmp_path, name, other):
    """Names of folders are no patterns: neither the one of the input nor the one of the home."""
    for folder, calls in ((other, 7), (name, 5)):
        home = tmp_path / folder / "home"
        for form, added in (("parquet", 3 * calls), ("csv", 0)):
            report = load(write(tmp_path / folder / form, small(calls=calls), form), home)
            assert disk.balanced(report) and report.tables["calls"].rows_in == 3 * calls
            assert report.tables["calls"].added == added
        fixed = small(calls=calls)
        fixed["calls"][0]["duration_s"] = 99.0
        assert load(write(tmp_path / folder / "fix", fixed), home).tables["calls"].replaced == 1
        assert len({id for (id,) in disk.rows(home, "calls", "call_id")}) == 3 * calls


def test_a_lake_is_not_opened_by_days_of_another_zone(tmp_path):
    home = tmp_path / "home"
    load(write(tmp_path / "world", small(calls=20)), home)
    with pytest.raises(BadInput, match="kept by days of Asia/Shanghai, the settings say zone = UTC"):
        lake_of(Home(home), Settings(zone="UTC"))
    assert lake_of(Home(home), Settings()).days("calls")
    assert lake_of(Home(tmp_path / "none"), Settings(zone="UTC")).days("calls") == []
