"""Earlier scored days of a home beside the lines of one day: since when, what changed, and the risk through time.

Only scores of days before as_of are read, and of these only the columns in use.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_schemas.clock import day_number
from data_schemas.home import Home
from serving.scored import FLAGGED, LEVELS, among_listed, earlier_days, forecasts, read_columns

WEEKS_SHOWN = 26
"""Weeks that trends go back; one scored day of each is shown."""
DAYS_SHOWN = 14
"""Days before as_of of which every scored one is shown."""
_WEEK = 7
_GREEN = LEVELS.index("green")


@dataclass(frozen=True)
class DayTotals:
    """One scored day in a few numbers: lines by level, and bans expected within the headline horizon (None: not forecast)."""

    as_of: date
    lines: int
    levels: dict[str, int]
    expected: float | None


@dataclass(frozen=True)
class History:
    """What earlier scored days say of the lines of this one, in their order.

    since: day number from which a line has been on the list on every scored day (as_of's own for lines that are newly on it).
    previous: the scored day nearest to a week before, against which changes are told, if there is any earlier day.
    level, risk: then, of each line; -1 and NaN where it was not scored. gone: lines on that list that are not scored now
    -> level then, worst first. days: scored days shown, earliest first, as_of not among them. levels, risks:
    (days, lines), as level and risk.
    """

    since: np.ndarray
    previous: DayTotals | None
    level: np.ndarray
    risk: np.ndarray
    gone: dict[str, str] = field(default_factory=dict)
    days: list[DayTotals] = field(default_factory=list)
    levels: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=np.int8))
    risks: np.ndarray = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))


def read_history(home: Home, as_of: date, lines: pd.DataFrame, headline: int) -> History:
    """Read the earlier days that this home has scored. lines: line_id and level of the day itself, by rank."""
    ids = pa.array(lines["line_id"].astype(object), pa.string())
    count, end = len(lines), day_number(as_of)
    days = earlier_days(home, as_of)
    compared = min(days, key=lambda day: (abs((as_of - day).days - _WEEK), (as_of - day).days)) if days else None
    shown = shown_days(days, as_of)
    running = lines["level"].isin(FLAGGED).to_numpy(copy=True)
    since = np.full(count, end, dtype=np.int32)
    previous, gone = None, {}
    level, risk = np.full(count, -1, dtype=np.int8), np.full(count, np.nan, dtype=np.float32)
    kept: list[tuple[DayTotals, np.ndarray, np.ndarray]] = []
    unbroken = True
    for day in days:
        unbroken = unbroken and bool(running.any())
        wanted = day in shown or day == compared
        if unbroken:
            running &= among_listed(home.scores_file(day), ids)
            since[running] = day_number(day)
        if not wanted:
            continue
        seen = _Day(home, day, ids, f"risk_{headline}d")
        if day == compared:
            previous, gone = seen.totals(), seen.gone()
            level, risk = seen.of_lines(count)
        if day in shown:
            kept.append((seen.totals(), *seen.of_lines(count)))
    kept.reverse()
    return History(
        since=since,
        previous=previous,
        level=level,
        risk=risk,
        gone=gone,
        days=[totals for totals, _, _ in kept],
        levels=np.array([then for _, then, _ in kept], dtype=np.int8).reshape(len(kept), count),
        risks=np.array([then for _, _, then in kept], dtype=np.float32).reshape(len(kept), count),
    )


def shown_days(days: list[date], as_of: date) -> set[date]:
    """Of earlier scored days those that trends show: every one of the last two weeks, then the latest of each week."""
    shown = {day for day in days if day >= as_of - timedelta(days=DAYS_SHOWN)}
    weeks: dict[int, date] = {}
    for day in days:
        week = -(-(as_of - day).days // _WEEK)
        weeks[week] = max(day, weeks.get(week, day))
    return shown | {day for week, day in weeks.items() if week < WEEKS_SHOWN}


def totals_of(as_of: date, level: np.ndarray, risk: np.ndarray, model_version: str) -> DayTotals:
    """One day in numbers. level: places in LEVELS (lines,); risk: within the headline horizon, by this version."""
    counts = np.bincount(level[level >= 0], minlength=len(LEVELS))
    expected = float(np.nansum(risk)) if forecasts(model_version) else None
    return DayTotals(as_of, len(level), {name: int(counts[place]) for place, name in enumerate(LEVELS)}, expected)


def level_places(levels: pa.ChunkedArray | pd.Series) -> np.ndarray:
    """Levels as places in LEVELS; -1 for a word that is none."""
    if isinstance(levels, pd.Series):
        levels = pa.chunked_array([pa.array(levels.astype(object), pa.string())])
    places = pc.fill_null(pc.index_in(levels, value_set=pa.array(LEVELS)), -1)
    return places.to_numpy().astype(np.int8)


class _Day:
    """An earlier scored day, seen from the lines of today."""

    def __init__(self, home: Home, day: date, ids: pa.Array, risk: str) -> None:
        table = read_columns(home.scores_file(day), ["line_id", "level", "model_version", risk])
        self.day, self.names = day, table["line_id"].cast(pa.string())
        self.level = level_places(table["level"].cast(pa.string()))
        self.version = str(table["model_version"][0]) if len(table) else ""
        # Another model may have had other horizons.
        known = risk in table.column_names
        self.risk = table[risk].to_numpy() if known else np.full(len(table), np.nan)
        self.place = pc.fill_null(pc.index_in(self.names, value_set=ids), -1).to_numpy()

    def of_lines(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Level and risk of each of today's lines."""
        level, risk = np.full(count, -1, dtype=np.int8), np.full(count, np.nan, dtype=np.float32)
        own = self.place >= 0
        level[self.place[own]], risk[self.place[own]] = self.level[own], self.risk[own]
        return level, risk

    def gone(self) -> dict[str, str]:
        """Lines on the list that are not scored today -> their levels then, worst first."""
        own = np.flatnonzero((self.place < 0) & (self.level >= 0) & (self.level < _GREEN))
        own = own[np.argsort(self.level[own], kind="stable")]
        names = self.names.take(pa.array(own)).to_pylist()
        return {name: LEVELS[level] for name, level in zip(names, self.level[own].tolist(), strict=True)}

    def totals(self) -> DayTotals:
        """The day in numbers."""
        return totals_of(self.day, self.level, self.risk, self.version)
