"""Days are local days: counted by hand at midnights, clock changes, month ends and the turn of a year."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pandas as pd
import pytest

from data_schemas.clock import day_number
from data_schemas.settings import Settings
from features import localtime
from features.build import build_features
from features.catalogue import CATALOGUE
from features.localtime import calendar, kept_calendar
from tests.features.worlds import MemoryLake, stamp

TICK = timedelta(microseconds=1)
BASES = ("calls", "calls_busiest_hour", "calls_busiest_minute", "night_calls", "active_days", "callees", "active_hours_per_day")
FEW = [feature for feature in CATALOGUE if feature.base in BASES]


def local(zone: str, text: str, fold: int = 0) -> datetime:
    """A wall-clock time as an instant; `fold` 1: the second time it shows."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


LONG = [
    ("America/New_York", "2026-03-08", "2026-03-09", 23),
    ("America/New_York", "2026-11-01", "2026-11-02", 25),
    ("Australia/Lord_Howe", "2026-04-05", "2026-04-06", 24.5),
    ("Australia/Lord_Howe", "2026-10-04", "2026-10-05", 23.5),
    ("Asia/Shanghai", "2026-03-08", "2026-03-09", 24),
]
"""Zone, day, the day that follows, hours of the day."""
WINDOWS = [
    ("2026-03-03", "2026-02-24", "2026-02-03"),
    ("2024-03-03", "2024-02-25", "2024-02-04"),
    ("2026-01-04", "2025-12-28", "2025-12-07"),
    ("2026-03-12", "2026-03-05", "2026-02-12"),
    ("2026-11-05", "2026-10-29", "2026-10-08"),
]
"""The day of as_of, and the first days of its week and of its 28 days."""
TWICE = [
    local("America/New_York", "2026-11-01T01:30:10"),
    local("America/New_York", "2026-11-01T01:30:20", fold=1),
    local("America/New_York", "2026-11-01T02:30"),
]
BEFORE_THE_GAP = local("America/New_York", "2026-03-08T01:59:59")


def cases(zone: str) -> dict[str, tuple[str, list[datetime]]]:
    """Lines, each with the day at whose midnight it is looked at and the moments of its calls."""
    found = {}
    for where, day, following, _ in LONG:
        begins, ends = local(where, f"{day}T00:00"), local(where, f"{following}T00:00")
        if where == zone:
            middle = begins + (ends - begins) / 2
            found[f"all of {day}"] = following, [begins - TICK, begins, middle, ends - TICK, ends, ends + TICK]
    for days in WINDOWS:
        edges = [local(zone, f"{day}T00:00") for day in days]
        found[f"up to {days[0]}"] = days[0], [moment for edge in edges for moment in (edge - TICK, edge)]
    if zone == "America/New_York":
        found["twice"] = "2026-11-02", TWICE
        found["gap"] = "2026-03-09", [BEFORE_THE_GAP, BEFORE_THE_GAP + timedelta(seconds=1)]
    return found


@cache
def built(zone: str) -> pd.DataFrame:
    """The features of all lines of a zone, each of which calls numbers of its own, in one build."""
    lines, calls = [], []
    for place, (line, (_, moments)) in enumerate(cases(zone).items()):
        own = {"line_id": line, "carrier": "CM", "number_pool": "P", "activated_at": min(moments) - timedelta(days=90)}
        lines.append(stamp(own, "lines", zone))
        for n, when in enumerate(moments):
            call = {"call_id": f"{place} {n}", "line_id": line, "started_at": when, "callee_id": 100 * place + n}
            calls.append(stamp(call | {"answered": True, "duration_s": 9.0}, "calls", zone))
    days = {day_number(date.fromisoformat(day)) for day, _ in cases(zone).values()}
    lake = MemoryLake({"lines": lines, "calls": calls})
    return build_features(lake, Settings(zone=zone, threads=2), sorted(days), catalogue=FEW).set_index(["line_id", "as_of"])


def at(zone: str, line: str) -> pd.Series:
    """The features of a line at the midnight that it is looked at."""
    return built(zone).loc[(line, pd.Timestamp(cases(zone)[line][0]))]


@pytest.mark.parametrize(("zone", "day", "following", "hours"), LONG)
def test_a_day_is_as_long_as_the_clock_makes_it(zone: str, day: str, following: str, hours: float):
    assert local(zone, f"{following}T00:00") - local(zone, f"{day}T00:00") == timedelta(hours=hours)
    row = at(zone, f"all of {day}")
    assert (row["calls_1d"], row["calls_3d"], row["callees_1d"], row["active_days_7d"]) == (3, 4, 3, 2)
    assert row["night_calls_1d"] == 2  # the first and the last moment, by the wall clock


def test_the_hour_that_shows_twice_is_one_clock_hour():
    assert TWICE[1] - TWICE[0] == timedelta(hours=1, seconds=10)
    row = at("America/New_York", "twice")
    assert (row["calls_1d"], row["calls_busiest_hour_1d"], row["calls_busiest_minute_1d"]) == (3, 2, 2)
    assert row["active_hours_per_day_1d"] == 2


def test_the_hour_that_is_skipped_leaves_no_gap():
    assert (BEFORE_THE_GAP + timedelta(seconds=1)).astimezone(ZoneInfo("America/New_York")).hour == 3
    row = at("America/New_York", "gap")
    assert (row["calls_1d"], row["calls_busiest_hour_1d"], row["active_hours_per_day_1d"]) == (2, 1, 2)


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai"])
@pytest.mark.parametrize(("as_of", "week_begins", "month_begins"), WINDOWS)
def test_windows_go_by_the_calendar_over_month_ends_leap_days_and_clock_changes(
    zone: str, as_of: str, week_begins: str, month_begins: str
):
    assert [date.fromisoformat(as_of) - date.fromisoformat(day) for day in (week_begins, month_begins)] == [
        timedelta(days=7),
        timedelta(days=28),
    ]
    row = at(zone, f"up to {as_of}")
    # Inside: the tick before as_of and the first of each window, and the tick before the week, too, in the month.
    assert (row["calls_7d"], row["calls_28d"]) == (2, 4)
    assert (row["callees_7d"], row["callees_28d"]) == (2, 4)


@pytest.mark.parametrize("broken", ["", "[]", '{"made": ["0", "CN"], "days": {}}'])
def test_a_kept_calendar_says_what_the_calendar_says_and_is_made_anew_when_it_cannot_be_read(tmp_path, broken):
    path = tmp_path / "calendar.json"
    path.write_text(broken)
    days = [day_number(date(2026, 1, 1)), day_number(date(2026, 2, 14)), day_number(date(2026, 10, 1))]
    pd.testing.assert_frame_equal(kept_calendar(path, days, "CN"), calendar(days, "CN"))
    later = [*days, day_number(date(2027, 12, 25))]
    for country in ("CN", "DE", "CN"):
        pd.testing.assert_frame_equal(kept_calendar(path, reversed(later), country), calendar(later, country))


def test_a_kept_calendar_is_not_worked_out_again(tmp_path, monkeypatch):
    path, days = tmp_path / "calendar.json", range(day_number(date(2026, 3, 1)), day_number(date(2026, 3, 9)))
    first = kept_calendar(path, days, "CN")
    monkeypatch.setattr(localtime, "calendar", None)
    pd.testing.assert_frame_equal(kept_calendar(path, days, "CN"), first)
