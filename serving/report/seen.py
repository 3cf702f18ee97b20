"""What the ranking reads of the lake, as it was known at as_of: who the lines are, and their last weeks."""

from __future__ import annotations

import numpy as np
import pandas as pd

from serving.known import Known

WEEKS = 8
"""Weeks of daily calls that a line shows."""
DAYS = 7 * WEEKS
_MOST_CALLS = np.iinfo(np.uint16).max


class Seen:
    """Counts of lines and days, worked out in the engine."""

    def __init__(self, known: Known) -> None:
        self.known, self.first = known, known.day - DAYS

    def lines(self) -> pd.DataFrame:
        """line_id, team, carrier, number_pool: one row a line, as last known."""
        return self.known.engine.frame(self.known.lines().select("line_id", "team", "carrier", "number_pool"))

    def recent(self) -> pd.DataFrame:
        """line_id, calls_7d, talk_7d (s), complaints_28d, bans."""
        day = self.known.day
        calls = self.known.rows("calls", day - 7)
        talk = calls.duration_s.sum().round().cast("int64")
        frame = self.known.engine.frame(calls.group_by("line_id").aggregate(calls_7d=calls.count(), talk_7d=talk))
        for table, name, first in (("complaints", "complaints_28d", day - 28), ("bans", "bans", None)):
            rows = self.known.rows(table, first)
            part = self.known.engine.frame(rows.group_by("line_id").aggregate(**{name: rows.count()}))
            frame = frame.merge(part, on="line_id", how="outer")
        return frame

    def daily(self, lines: pd.Series) -> np.ndarray:
        """Calls of these lines (in their order) on each of the last 8 weeks' days, earliest first: (lines, 56) uint16."""
        found = np.zeros((len(lines), DAYS), dtype=np.uint16)
        place, day, count = self._counts("calls", lines)
        found[place, day] = np.minimum(count, _MOST_CALLS)
        return found

    def counts(self, table: str, lines: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Place of the line, day (0 to 55, earliest first) and rows, by place and day; days without rows are left out."""
        place, day, count = self._counts(table, lines)
        order = np.lexsort((day, place))
        return place[order], day[order], count[order]

    def _counts(self, table: str, lines: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if lines.empty:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
        shown = pd.DataFrame({"line_id": lines.astype(str).array, "place": np.arange(len(lines), dtype=np.int32)})
        wanted = self.known.engine.rows(f"shown_{table}", shown)
        rows = self.known.rows(table, self.first)
        by_day = rows.group_by("line_id", "day").aggregate(rows=rows.count())
        # Names stay in the engine: a large company has millions of lines and days.
        joined = by_day.inner_join(wanted, "line_id")
        found = self.known.engine.arrow(joined.select("place", "day", rows=joined.rows.cast("int32")))
        place, day, count = (found[name].to_numpy() for name in ("place", "day", "rows"))
        return place, day - self.first, count

    def banned_since(self, first: int) -> set[str]:
        """Lines of which a ban began on day number `first` or later."""
        rows = self.known.rows("bans", first)
        return set(self.known.engine.frame(rows.select("line_id").distinct())["line_id"])
