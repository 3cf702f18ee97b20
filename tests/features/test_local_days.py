"""Days are local days: counted by hand at midnights, clock changes, month ends and the turn of a year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from data_schemas.clock import day_number
from data_schemas.settings import Settings
from features.build import build_features
from features.catalogue import CATALOGUE
from tests.features.worlds import MemoryLake, stamp

TICK = timedelta(microseconds=1)
BASES = ("calls", "calls_busiest_hour", "calls_busiest_minute", "night_calls", "active_days", "callees", "active_hours_per_day")
FEW = [feature for feature in CATALOGUE if feature.base in BASES]


def local(zone: str, text: str, fold: int = 0) -> datetime:
    """A wall-clock time as an instant; `fold` 1: the second time it shows."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


def at(zone: str, day: str, moments: list[datetime]) -> pd.Series:
    """The features of a line, with one call to a number of its own at each moment, at the midnight that begins `day`."""
    line = {"line_id": "a", "carrier": "CM", "number_pool": "P", "activated_at": min(moments) - timedelta(days=90)}
    calls = [
        {"call_id": f"c{n}", "line_id": "a", "started_at": when, "callee_id": n, "answered": True, "duration_s": 9.0}
        for n, when in enumerate(moments)
    ]
    tables = {"lines": [stamp(line, "lines", zone)], "calls": [stamp(call, "calls", zone) for call in calls]}
    as_of = day_number(date.fromisoformat(day))
    built = build_features(MemoryLake(tables), Settings(zone=zone, threads=2), [as_of], catalogue=FEW)
    assert built["as_of"].tolist() == [pd.Timestamp(day)]
    return built.iloc[0]


@pytest.mark.parametrize(
    ("zone", "day", "following", "hours"),
    [
        ("America/New_York", "2026-03-08", "2026-03-09", 23),
        ("America/New_York", "2026-11-01", "2026-11-02", 25),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-06", 24.5),
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-05", 23.5),
        ("Asia/Shanghai", "2026-03-08", "2026-03-09", 24),
    ],
)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, day: str, following: str, hours: float):
    begins, ends = local(zone, f"{day}T00:00"), local(zone, f"{following}T00:00")
    assert ends - begins == timedelta(hours=hours)
    row = at(zone, following, [begins - TICK, begins, begins + (ends - begins) / 2, ends - TICK, ends, ends + TICK])
    assert (row["calls_1d"], row["calls_3d"], row["callees_1d"], row["active_days_7d"]) == (3, 4, 3, 2)
    assert row["night_calls_1d"] == 2  # the first and the last moment, by the wall clock


def test_the_hour_that_shows_twice_is_one_clock_hour():
    zone = "America/New_York"
    moments = [local(zone, "2026-11-01T01:30:10"), local(zone, "2026-11-01T01:30:20", fold=1), local(zone, "2026-11-01T02:30")]
    assert moments[1] - moments[0] == timedelta(hours=1, seconds=10)
    row = at(zone, "2026-11-02", moments)
    assert (row["calls_1d"], row["calls_busiest_hour_1d"], row["calls_busiest_minute_1d"]) == (3, 2, 2)
    assert row["active_hours_per_day_1d"] == 2


def test_the_hour_that_is_skipped_leaves_no_gap():
    zone = "America/New_York"
    last = local(zone, "2026-03-08T01:59:59")
    first = last + timedelta(seconds=1)
    assert first.astimezone(ZoneInfo(zone)).hour == 3
    row = at(zone, "2026-03-09", [last, first])
    assert (row["calls_1d"], row["calls_busiest_hour_1d"], row["active_hours_per_day_1d"]) == (2, 1, 2)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize(
    ("as_of", "week_begins", "month_begins"),
    [
        ("2026-03-03", "2026-02-24", "2026-02-03"),
        ("2024-03-03", "2024-02-25", "2024-02-04"),
        ("2026-01-04", "2025-12-28", "2025-12-07"),
        ("2026-03-12", "2026-03-05", "2026-02-12"),
        ("2026-11-05", "2026-10-29", "2026-10-08"),
    ],
)
def test_windows_go_by_the_calendar_over_month_ends_leap_days_and_clock_changes(
    zone: str, as_of: str, week_begins: str, month_begins: str
):
    edges = [local(zone, f"{day}T00:00") for day in (as_of, week_begins, month_begins)]
    row = at(zone, as_of, [moment for edge in edges for moment in (edge - TICK, edge)])
    # Inside: the tick before as_of and the first of each window, and the tick before the week, too, in the month.
    assert (row["calls_7d"], row["calls_28d"]) == (2, 4)
    assert (row["callees_7d"], row["callees_28d"]) == (2, 4)
