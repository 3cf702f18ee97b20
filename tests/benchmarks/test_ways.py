"""DuckDB, pandas and Polars, written by hand, make the features that bancast makes: else their times say nothing."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pandas as pd
import pytest

from benchmarks.subset import COLUMNS, features
from benchmarks.ways import WAYS, WINDOWS
from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from features import feature
from features.build import build_features
from features.catalogue import CATALOGUE

ZONE = "Asia/Shanghai"


def by_hand(way: str, folder: Path, days: list[date], spill: Path) -> pd.DataFrame:
    table = WAYS[way](folder, days, ZONE, spill, 2.0)
    table["as_of"] = pd.to_datetime(table["as_of"]).astype("datetime64[s]")
    table = table.set_index(["as_of", "line_id"]).sort_index()
    return table[list(COLUMNS)].astype("float64")


def test_all_ways_agree_with_each_other_and_with_bancast(world: Path, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.root.mkdir()
    settings = load_settings(home.root)
    ingest(find_sources(world), home.root, settings)
    lake = Lake(home.lake)
    first, end = lake.days("calls")[0], lake.days("calls")[-1] + 1
    at = list(range(end - 7 * 13, end + 1, 7))
    assert first < at[0] < first + 28  # one with a short history among them
    mine = build_features(lake, settings, at, catalogue=features(), scratch=home.scratch).set_index(["as_of", "line_id"])
    assert len(mine) > 1000 and (mine[list(COLUMNS)].sum() > 0).all()
    for way in WAYS:
        other = by_hand(way, world, [day_date(day) for day in at], tmp_path)
        assert other.index.is_unique and set(mine.index) <= set(other.index)
        # bancast's tables keep float32.
        pd.testing.assert_frame_equal(
            other.loc[mine.index], mine[list(COLUMNS)].astype("float64"), rtol=1e-6, check_index_type=False, obj=way
        )


def test_bancast_counts_the_columns_of_its_own_catalogue() -> None:
    subset = {one.name: one for one in features()}
    assert tuple(subset) == COLUMNS and WINDOWS == feature.WINDOWS
    own = [one for one in CATALOGUE if one.name in subset]
    assert len(own) >= 20 and all(subset[one.name] is one for one in own)


@pytest.fixture
def boundaries(tmp_path: Path) -> Path:
    """One line's calls about the midnight at which 2026-03-10 begins, the late and the doubled among them; a line without any."""
    night = datetime(2026, 3, 10, tzinfo=ZoneInfo(ZONE))
    second, minute, day = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
    calls = [
        (night, None, "a", 9.0, True),  # as the window has ended
        (night - second, night - second, "a", 5.0, True),  # its last second; short
        (night - 2 * second, night, "b", 9.0, True),  # known as the window has ended
        (night - day, None, "a", 9.0, True),  # the first moment of a day's window; a callee met again
        (night - day - second, None, "c", 6.5, True),  # just before it
        (night - 3 * day, night - minute, "d", 0.0, False),  # known late, yet in time
        (night - 28 * day, None, "e", 0.0, False),  # the first moment of the longest window
        (night - 28 * day - second, None, "f", 0.0, False),  # just before it
    ]
    folder = tmp_path / "edges"
    folder.mkdir()
    with duckdb.connect() as con:
        con.execute(
            "create table calls (started_at timestamptz, recorded_at timestamptz, callee_id text, duration_s real, answered bool)"
        )
        con.executemany("insert into calls values (?, ?, ?, ?, ?)", calls)
        con.execute(f"copy (select 'x' as line_id, * from calls) to '{folder}/calls.parquet'")
        con.execute(f"copy (select unnest(['x', 'y']) as line_id) to '{folder}/lines.parquet'")
        for table, time, known in (("complaints", "occurred_at", "received_at"), ("messages", "sent_at", "recorded_at")):
            columns = f"'x' as line_id, started_at as {time}, recorded_at as {known}"
            con.execute(f"copy (select {columns} from calls) to '{folder}/{table}.parquet'")
    return folder


@pytest.mark.parametrize("way", WAYS)
def test_windows_begin_and_end_at_midnight_and_nothing_counts_before_it_is_known(
    way: str, boundaries: Path, tmp_path: Path
) -> None:
    table = by_hand(way, boundaries, [date(2026, 3, 10)], tmp_path)
    assert list(table.index.get_level_values("line_id")) == ["x", "y"]
    line, idle = table.iloc[0], table.iloc[1]
    events = {1: 2, 3: 4, 7: 4, 14: 4, 28: 5}
    for name in ("calls", "complaints", "messages"):
        assert [line[f"{name}_{w}d"] for w in WINDOWS] == [events[w] for w in WINDOWS], name
    assert [line[f"callees_{w}d"] for w in WINDOWS] == [1, 3, 3, 3, 4]
    assert [line[f"talk_{w}d"] for w in WINDOWS] == [14.0, 20.5, 20.5, 20.5, 20.5]
    assert [line[f"answered_{w}d"] for w in WINDOWS] == [2, 3, 3, 3, 3]
    assert [line[f"short_calls_{w}d"] for w in WINDOWS] == [1, 1, 1, 1, 1]
    assert (idle == 0).all()
