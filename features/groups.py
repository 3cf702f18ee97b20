"""Totals, counts and ranks within groups of rows in memory: what the joins of `peers` say, by numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from features.arrays import begins, integers, plain
from features.classes import each
from features.inmemory import ROW


def within(rows: pa.Table, asked: Sequence[tuple[str, str, str]], threads: int) -> dict[str, pa.Array]:
    """What is asked of the group of each row, in the order of `row`.

    rows: row (from 0 on), as_of_day, the columns by which rows are put into groups, and the values asked for. asked: of each
    value its name, how (total, count or rank) and by which column. A group is the rows of one as_of day and value of it.
    """
    row = plain(rows[ROW])
    groups = {by: _Group(rows, by) for by in sorted({by for _, _, by in asked})}

    def answered(one: tuple[str, str, str]) -> pa.Array:
        name, how, by = one
        values, void = groups[by].answer(how, rows[name])
        found, missing = np.empty_like(values), np.empty_like(void)
        found[row], missing[row] = values, void
        return pa.array(found, mask=missing)

    return dict(zip([name for name, _, _ in asked], each(answered, asked, threads), strict=True))


class _Group:
    """Rows in groups. of: the number of each row's group, the last one for those without any."""

    def __init__(self, rows: pa.Table, by: str):
        kinds = rows[by].cast("string").combine_chunks().dictionary_encode()
        _, day = np.unique(plain(rows["as_of_day"]), return_inverse=True)
        many = len(kinds.dictionary)
        self.groups = int(day.max(initial=-1) + 1) * many
        self.of = np.where(plain(kinds.is_valid()), day * many + plain(kinds.indices.fill_null(0)), self.groups)
        self.outside = self.of == self.groups

    def answer(self, how: str, column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
        """The value of each row, and which rows have none."""
        there = plain(column.is_valid())
        if how == "rank":
            return self._rank(plain(column.fill_null(0)), there & ~self.outside)
        counts = np.bincount(self.of[there], minlength=self.groups + 1)
        if how == "count":
            return counts[self.of], self.outside
        sums = np.zeros(self.groups + 1, dtype="int64")
        np.add.at(sums, self.of, integers(column)[0])
        return sums[self.of], self.outside | (counts[self.of] == 0)

    def _rank(self, value: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The share of the group's other rows that are below a row."""
        own = np.flatnonzero(there)
        order = own[np.lexsort((value[own], self.of[own]))]
        of, value = self.of[order], value[order]
        first = begins(of)
        size = np.diff(first, append=len(of))
        new = np.zeros(len(of), dtype=bool)
        new[first] = True
        new[1:] |= value[1:] != value[:-1]
        below = np.maximum.accumulate(np.where(new, np.arange(len(of)), 0)) - np.repeat(first, size)
        share = np.zeros(len(there))
        share[order] = below / np.repeat(np.maximum(size - 1, 1), size)
        return share, ~there
