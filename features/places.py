"""Where windows that are added up in memory go: lines at as_of days, some of the rows of a part of the feature table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.carried import Block
from features.feature import LONGEST


class Places:
    """Where windows go: the rows of a frame, each of a line at an as_of day, for the lines from `low` to `high` (exclusive).

    line: the small number of each row's line; negative: it has none, and no windows. as_of_day: of the days given. asked: the
    as_of days of all parts of the table, these among them; None: there are no others.
    """

    def __init__(
        self,
        line: np.ndarray,
        as_of_day: np.ndarray,
        days: Sequence[int],
        low: int,
        high: int,
        asked: Sequence[int] | None = None,
    ):
        self.days = np.array(sorted(days), dtype="int32")
        self.asked = np.array(sorted(asked), dtype="int32") if asked is not None else self.days
        self.from_place = int(np.searchsorted(self.asked, self.days[0]))
        """Of the first of these days among all that are asked for."""
        self.low, self.high = low, high
        self.lines = high - low
        self.rows = np.flatnonzero((line >= low) & (line < high))
        """Which rows of the frame these are: a column of windows has a value for each of them."""
        self._at = np.searchsorted(self.days, as_of_day[self.rows]) * self.lines + (line[self.rows] - low)
        self._within = int((np.searchsorted(self.asked, self.asked + LONGEST) - np.arange(len(self.asked))).max(initial=0))

    @property
    def size(self) -> int:
        """as_of days times lines: the length of an array with a value for each."""
        return len(self.days) * self.lines

    @property
    def last(self) -> int:
        """The last as_of day that looks back on what these days look back on."""
        return int(self.asked[np.searchsorted(self.asked, self.days[-1] + LONGEST) - 1])

    def known(self, facts: pa.Table) -> pa.Table:
        """Facts of these lines."""
        ends = pc.min_max(facts["line"]).as_py()
        if ends["min"] is None or (ends["min"] >= self.low and ends["max"] < self.high):
            return facts
        return facts.filter(pc.and_(pc.greater_equal(facts["line"], self.low), pc.less(facts["line"], self.high)))

    def rows_of(self, values: np.ndarray) -> np.ndarray:
        """The values of as_of days and lines as rows."""
        return values[self._at]

    def reached(self, day: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The as_of days, from these on, that look back on each of some days: the place of the first, and (second axis) which.

        The last says which of them there are.
        """
        first = np.maximum(np.searchsorted(self.asked, day, side="right"), self.from_place)
        at = first[:, None] + np.arange(self._within)
        days = self.asked[np.minimum(at, len(self.asked) - 1)]
        return first, days, (at < len(self.asked)) & (days <= day[:, None] + LONGEST)

    def here(self, at: np.ndarray, further: int) -> tuple[np.ndarray, np.ndarray]:
        """The place among these days of the as_of days so many places after some of all, and which of them are among these."""
        place = at + further - self.from_place
        return place, (place >= 0) & (place < len(self.days))

    def later(self, block: Block, counts: np.ndarray) -> np.ndarray:
        """Which classes of a block as_of days after these look back on. counts: of each class, whether it does on its days."""
        after = block.at[:, None] + np.arange(counts.shape[1]) >= self.from_place + len(self.days)
        return np.asarray((counts & after).any(axis=1))
