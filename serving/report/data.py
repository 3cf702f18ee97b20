"""What the ranking shows: the scores of one day beside what the lake and earlier days of this home know of the lines.

Nothing known at or after as_of is read: rows of the lake are taken as they were visible at that midnight, and only
scores of earlier days count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.engine import open_engine
from serving.known import Known
from serving.scored import FLAGGED, LEVELS, earlier_days, horizons_of, on_list, read_scores, trained_until

WEEKS = 8
"""Weeks of daily calls that a line shows."""
TREND_DAYS = 26
"""Scored days that the trend shows at most."""


@dataclass(frozen=True)
class DayTotals:
    """One scored day in a few numbers: lines by level, and bans expected within the headline horizon."""

    as_of: date
    lines: int
    levels: dict[str, int]
    expected: float


@dataclass(frozen=True)
class Ranking:
    """All that the page and the files show.

    lines: one row a scored line, by rank: line_id, rank, level, risk_{h}d, reasons and actions (lists of dicts), team,
    carrier, number_pool (None where not known), since (the day from which the line has been at yellow or worse on every
    scored day, None for green), new (on the list, and not on that of the previous scored day), calls_7d, talk_7d (s),
    complaints_28d and bans (ever before).
    shown: how many of them, from the top, the page holds. daily, complaints, bans: for shown lines, by line_id: calls on
    each of the last 8 weeks' days, earliest first; (day of these, complaints); (day of these) of each ban.
    previous: the scored day before, if any; cleared: lines that were on its list and are scored green now.
    gone: lines that were on its list and are not scored any more (banned or given up). trend: scored days, earliest first.
    """

    as_of: date
    zone: str
    horizons: tuple[int, ...]
    headline: int
    lines: pd.DataFrame
    shown: int
    totals: DayTotals
    previous: DayTotals | None
    new: int
    cleared: list[str]
    gone: list[str]
    trend: list[DayTotals]
    model_version: str
    data_fingerprint: str
    trained_until: str | None
    daily: dict[str, np.ndarray] = field(default_factory=dict)
    complaints: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    bans: dict[str, list[int]] = field(default_factory=dict)

    @property
    def risk(self) -> str:
        """The column of the headline risk."""
        return f"risk_{self.headline}d"


def read_ranking(
    home: Home, settings: Settings, as_of: date, lake: Lake, scores: Path | None = None, most_shown: int = 5000, top: int = 1000
) -> Ranking:
    """Gather everything the ranking of one day shows.

    The page holds all lines up to `most_shown`; past it the flagged ones, at least `top` and at most `most_shown`.
    Raises BadInput when the day has no scores or the file is not one of scores.
    """
    path = scores or home.scores_file(as_of)
    if not path.exists():
        raise BadInput(f"{path}: no scores of {as_of}; run `bancast score --as-of {as_of} --home {home.root}` first")
    lines = read_scores(path).sort_values("rank", ignore_index=True)
    horizons = horizons_of(lines.columns)
    headline = settings.train.headline if settings.train.headline in horizons else horizons[-1]
    totals = _totals(as_of, lines, headline)
    flagged = int(lines["level"].isin(FLAGGED).sum())
    shown = len(lines) if len(lines) <= most_shown else min(most_shown, max(top, flagged))
    days = earlier_days(home, as_of)
    since, before, trend = _history(home, days, lines, headline)
    listed = on_list(lines)
    starts = [since.get(line, as_of) if line in listed else None for line in lines["line_id"]]
    lines["since"] = pd.Series(starts, dtype=object, index=lines.index)
    lines["new"] = lines["line_id"].isin(listed - before) if days else False
    scored = set(lines["line_id"])
    with open_engine(settings, home.scratch) as engine:
        seen = _Seen(engine, lake, day_number(as_of))
        lines = lines.merge(seen.lines(), on="line_id", how="left")
        for name in ("team", "carrier", "number_pool"):
            lines[name] = lines[name].astype(object).where(lines[name].notna(), None)
        lines = lines.merge(seen.recent(), on="line_id", how="left")
        for name in ("calls_7d", "talk_7d", "complaints_28d", "bans"):
            lines[name] = lines[name].fillna(0).astype("int64")
        top_lines = lines["line_id"].head(shown)
        daily, complaints, bans = seen.daily(top_lines), seen.complaint_days(top_lines), seen.ban_days(top_lines)
    return Ranking(
        as_of=as_of,
        zone=settings.zone,
        horizons=horizons,
        headline=headline,
        lines=lines,
        shown=shown,
        totals=totals,
        previous=trend[-1] if trend else None,
        new=int(lines["new"].sum()),
        cleared=sorted((before - listed) & scored),
        gone=sorted(before - scored),
        trend=[*trend, totals],
        model_version=str(lines["model_version"].iloc[0]) if len(lines) else "",
        data_fingerprint=str(lines["data_fingerprint"].iloc[0]) if len(lines) else "",
        trained_until=trained_until(path),
        daily=daily,
        complaints=complaints,
        bans=bans,
    )


def _totals(as_of: date, lines: pd.DataFrame, headline: int) -> DayTotals:
    counts = lines["level"].value_counts()
    risk = lines.get(f"risk_{headline}d")
    return DayTotals(
        as_of, len(lines), {level: int(counts.get(level, 0)) for level in LEVELS}, float(risk.sum()) if risk is not None else 0.0
    )


def _history(
    home: Home, days: list[date], lines: pd.DataFrame, headline: int
) -> tuple[dict[str, date], set[str], list[DayTotals]]:
    """Since when each line that was on the list before has been on it, who was on it the scored day before, the trend."""
    running = on_list(lines)
    since: dict[str, date] = {}
    before: set[str] = set()
    trend: list[DayTotals] = []
    for place, day in enumerate(days):
        if not running and place >= TREND_DAYS:
            break
        wanted = ["line_id", "level", f"risk_{headline}d"]
        frame = read_scores(home.scores_file(day), wanted)
        listed = on_list(frame)
        if place == 0:
            before = listed
        if place < TREND_DAYS:
            trend.append(_totals(day, frame, headline))
        running &= listed
        since.update(dict.fromkeys(running, day))
    return since, before, trend[::-1]


class _Seen(Known):
    """What the ranking reads of the lake."""

    @property
    def first(self) -> int:
        """The first day of those that are shown."""
        return self.day - 7 * WEEKS

    def lines(self) -> pd.DataFrame:
        """line_id, team, carrier, number_pool: one row a line."""
        rows = self.rows("lines").select("line_id", "team", "carrier", "number_pool", "known_day")
        frame = self.engine.frame(rows).sort_values(["line_id", "known_day"])
        return frame.drop_duplicates("line_id", keep="last").drop(columns="known_day")

    def recent(self) -> pd.DataFrame:
        """line_id, calls_7d, talk_7d (s), complaints_28d, bans."""
        calls = self.rows("calls", self.day - 7)
        parts = [
            self.engine.frame(
                calls.group_by("line_id").aggregate(calls_7d=calls.count(), talk_7d=calls.duration_s.sum().round().cast("int64"))
            )
        ]
        for table, name, first in (("complaints", "complaints_28d", self.day - 28), ("bans", "bans", None)):
            rows = self.rows(table, first)
            parts.append(self.engine.frame(rows.group_by("line_id").aggregate(**{name: rows.count()})))
        frame = parts[0]
        for part in parts[1:]:
            frame = frame.merge(part, on="line_id", how="outer")
        return frame

    def daily(self, lines: pd.Series) -> dict[str, np.ndarray]:
        """Calls on each of the last 8 weeks' days, for these lines."""
        found = {line: np.zeros(7 * WEEKS, dtype=np.int64) for line in lines}
        for line, day, count in self._counts("calls", lines).itertuples(index=False):
            found[line][day - self.first] = count
        return found

    def complaint_days(self, lines: pd.Series) -> dict[str, list[tuple[int, int]]]:
        """(day, complaints) within the last 8 weeks, for these lines that had any."""
        found: dict[str, list[tuple[int, int]]] = {}
        for line, day, count in self._counts("complaints", lines).sort_values(["line_id", "day"]).itertuples(index=False):
            found.setdefault(line, []).append((int(day - self.first), int(count)))
        return found

    def ban_days(self, lines: pd.Series) -> dict[str, list[int]]:
        """Days within the last 8 weeks on which a ban of these lines began."""
        found: dict[str, list[int]] = {}
        for line, day, _ in self._counts("bans", lines).sort_values(["line_id", "day"]).itertuples(index=False):
            found.setdefault(line, []).append(int(day - self.first))
        return found

    def _counts(self, table: str, lines: pd.Series) -> pd.DataFrame:
        """line_id, day, rows, for these lines and the last 8 weeks."""
        if lines.empty:
            return pd.DataFrame({"line_id": [], "day": [], "rows": []})
        wanted = self.engine.rows(f"shown_{table}", pd.DataFrame({"line_id": lines.astype(str).array}))
        rows = self.rows(table, self.first).semi_join(wanted, "line_id")
        return self.engine.frame(rows.group_by("line_id", "day").aggregate(rows=rows.count()))
