"""Windows added up in memory: what the joins of `windows` and `presence` say, by numpy.

Facts of days that count in exactly the same windows are one class and are added up first. A window of a line at an as_of day is
then the sum, or the largest, of some classes. A class of many lines is added as a whole, to an array by line; others one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, pairwise

import numpy as np
import pyarrow as pa

from features.arrays import combinations, numbered, plain
from features.carried import Block, Held
from features.classes import Classes, Column, alike, each
from features.feature import WINDOWS, Need
from features.places import Places
from features.windows import proof

ROW = "row"
"""The column that numbers the rows of a frame: what is worked out of them is put beside them by it."""
_LEAST_ROWS = 2_500
"""Rows from which a chunk is worth a thread."""
_LEAST = np.iinfo("int64").min


def sums(facts: pa.Table, needs: Sequence[Need], places: Places, threads: int, held: Held | None = None) -> Iterator[Column]:
    """The sum or the largest value of each measure over each window before each as_of day; see `windows.window_sums`.

    facts: line, day, since, until, a column of integers a measure. held: what earlier parts read; it takes what later ones need.
    """
    facts = places.known(facts)
    line, day, since, until = (plain(facts[name]) for name in ("line", "day", "since", "until"))
    since, until = np.minimum(since, places.last), np.minimum(until, places.last)  # whatever comes after it is all the same
    (first, lag, rest), found = combinations(day, since - day, until - since)
    at, segments = _segments(places, first, first + lag, first + lag + rest)
    one, of = alike(at, segments)
    columns = {(need.what.name, need.how == "peak") for need in needs}
    groups = _Groups(line, of[found], at[one], segments[one], places, held, len(columns))

    def worked_out(peak: bool, names: Sequence[str]) -> list[Column]:
        made: list[Column] = []
        adder = groups.adder(np.maximum, _LEAST) if peak else groups.adder(np.add, 0)
        for name in names:
            own = {need.days: need for need in needs if need.what.name == name and (need.how == "peak") == peak}
            values = adder.windows(f"{name} {peak}", facts[name], own)
            seen = groups.met(f"{name} {peak} met", facts[name], own)
            made += [(need.column, values[days], seen[days]) for days, need in own.items()]
        return made

    work = []
    for peak in (False, True):
        names = sorted({need.what.name for need in needs if (need.how == "peak") == peak})
        work += [(peak, names[number::threads]) for number in range(threads) if names[number::threads]]
    yield from chain.from_iterable(each(lambda part: worked_out(*part), work, threads))
    if held is not None:
        groups.hand_on(held)


class _Placed(Classes):
    """Where the facts of a block are added up: those of one class and line stand for themselves.

    whole: classes that are added as a whole: the place of the as_of day, the segment, and the class. ones: by segment, the places
    of as_of days and lines, and the facts that are added there one by one.
    """

    def __init__(self, block: Block, places: Places):
        super().__init__(block, places)
        self.whole: list[tuple[int, int, int]] = []
        self.ones: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in WINDOWS]
        for further in range(block.counts.shape[1]):
            place, here = places.here(block.at, further)
            segment = block.counts[:, further]
            for one in np.flatnonzero(here & self.wide & (segment >= 0)):
                self.whole.append((int(place[one]), int(segment[one]), int(one)))
            for number in range(len(WINDOWS)) if len(self.rest) else ():
                own = (here & (segment == number))[self.rest_of]
                if own.any():
                    at = place[self.rest_of[own]] * places.lines + self.line[self.rest[own]]
                    self.ones[number].append((at, self.rest[own]))
        self.whole.sort()


class _Groups:
    """Facts of one class and line are a group; groups are in the order of their class and line. Beside them those held before.

    line, of: of each fact the line and the class. at, segments: of each class the place of the first as_of day that looks back on
    it, and (second axis) in which segment its facts are there and on those after it, -1 where they don't count. columns: of which
    there are sums.
    """

    def __init__(
        self,
        line: np.ndarray,
        of: np.ndarray,
        at: np.ndarray,
        segments: np.ndarray,
        places: Places,
        held: Held | None,
        columns: int,
    ):
        self.places = places
        self.group, key = numbered(of * np.int64(places.lines) + line - places.low)
        """Which group each fact is of."""
        self.size = len(key)
        group_of, lines = np.divmod(key, np.int64(max(1, places.lines)))
        own = Block(places.low, places.high, (lines + places.low).astype("int32"), group_of.astype("int32"), at, segments)
        self.earlier = held.of_lines(places.low, places.high) if held is not None else []
        self.placed = [_Placed(block, places) for block in (*self.earlier, own)]
        later = places.later(own, segments >= 0)
        if held is None or not held.fits(int(later[own.of].sum()) * (own.line.itemsize + own.of.itemsize + 8 * columns)):
            later[:] = False
        self._rows = np.flatnonzero(later[own.of])
        self._next = own.after(later)
        """What is handed on of the facts that were read now: its columns come as they are added up."""
        self._all = [np.ones(len(placed.line), dtype=bool) for placed in self.placed]
        self._met = _Adder(self, np.logical_or, 0, "bool").windows_of(self._all, WINDOWS)

    def adder(self, add: np.ufunc, none: int) -> _Adder:
        """What adds columns of facts up, one after the other."""
        return _Adder(self, add, none, "int64")

    def met(self, name: str, column: pa.ChunkedArray, windows: Iterable[int]) -> dict[int, np.ndarray]:
        """Whether a line has any value of a column in each window. name: by which that is held, where some have none."""
        if not column.null_count and not any(name in block.values for block in self.earlier):
            return self._met
        adder = _Adder(self, np.logical_or, 0, "bool")
        earlier = [block.values.get(name, every) for block, every in zip(self.earlier, self._all, strict=False)]
        return adder.windows_of([*earlier, self.keep(name, adder.added(column))], windows)

    def keep(self, name: str, values: np.ndarray) -> np.ndarray:
        """The values of a column, which later parts look back on, too."""
        if len(self._rows):
            self._next.values[name] = values[self._rows]
        return values

    def hand_on(self, held: Held) -> None:
        """Leave what later parts look back on."""
        for block in self.earlier:
            held.keep(block.after(self.places.later(block, block.counts >= 0)))
        held.keep(self._next)


class _Adder:
    """Adds columns of facts up over windows, in memory of its own that all of them share."""

    def __init__(self, groups: _Groups, add: np.ufunc, none: int, dtype: str):
        self.none = none
        self._groups, self._add, self._dtype = groups, add, dtype
        lines = groups.places.lines
        self._whole = [{one: np.full(lines, none, dtype) for one in placed.parts} for placed in groups.placed]

    def windows(self, name: str, column: pa.ChunkedArray, windows: Iterable[int]) -> dict[int, np.ndarray]:
        """By length of window, the value of each row. name: by which the column is held."""
        earlier = [block.values[name] for block in self._groups.earlier]
        return self.windows_of([*earlier, self._groups.keep(name, self.added(column))], windows)

    def windows_of(self, every: Sequence[np.ndarray], windows: Iterable[int]) -> dict[int, np.ndarray]:
        """The same of the values of each block's groups."""
        placed, places, add = self._groups.placed, self._groups.places, self._add
        parts = list(zip(placed, self._whole, every, strict=True))
        for block, whole, held in parts:
            for one, part in block.parts.items():
                whole[one][block.line[part]] = held[part]
        made, wanted = {}, set(windows)
        now = np.full(places.size, self.none, self._dtype)
        by_day = now.reshape(len(places.days), places.lines)
        for number, days in enumerate(WINDOWS):
            for block, whole, held in parts:
                for at, segment, one in block.whole:
                    if segment == number:
                        add(by_day[at], whole[one], out=by_day[at])
                for where, own in block.ones[number]:
                    add.at(now, where, held[own])
            if days in wanted:
                made[days] = places.rows_of(now)
        return made

    def added(self, column: pa.ChunkedArray) -> np.ndarray:
        """The value of each group of the facts that were read now; of booleans, whether any of its facts has a value."""
        made = np.full(self._groups.size, self.none, self._dtype)
        first = 0
        for chunk in column.chunks:
            group = self._groups.group[first : first + len(chunk)]
            if self._dtype == "bool":
                made[group[plain(chunk.is_valid())]] = True
            else:
                # Of one type: values of another one would each be converted by themselves.
                values = chunk.cast(self._dtype)
                self._add.at(made, group, plain(values.fill_null(self.none) if chunk.null_count else values))
            first += len(chunk)
        return made


def _segments(places: Places, day: np.ndarray, since: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of the first as_of day that looks back on facts, and the numbers of the shortest windows in which they count.

    The second, at that as_of day and those after it (second axis), is -1 where they don't count.
    """
    first, days, there = places.reached(day)
    counts = there & (since[:, None] < days) & (days <= until[:, None])
    return first, np.where(counts, np.searchsorted(WINDOWS, days - day[:, None]), -1).astype("int8")


def beside(frame: pa.Table, parts: Iterable[tuple[Places, Iterable[Column]]], needs: Sequence[Need], chunks: int) -> pa.Table:
    """A frame's rows, numbered, with a column a need beside them, filled, in so many chunks, fewer if they are few.

    parts: columns of some of the lines each, in all of them the same.
    """
    frame = frame.combine_chunks()
    made: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def of(name: str) -> tuple[np.ndarray, np.ndarray]:
        if name not in made:
            made[name] = np.zeros(frame.num_rows, dtype="int64"), np.zeros(frame.num_rows, dtype=bool)
        return made[name]

    for places, columns in parts:
        for name, values, seen in columns:
            of(name)[0][places.rows] = np.where(seen, values, 0)
            of(name)[1][places.rows] = seen
    table = {name: frame[name] for name in frame.column_names} | {ROW: pa.array(np.arange(frame.num_rows, dtype="int32"))}
    _fill({name: of(name)[1] for need in needs for name in (need.column, proof(need).column)}, needs, plain(frame["as_of_day"]))
    for name, (values, seen) in made.items():
        bits = None if seen.all() else pa.py_buffer(np.packbits(seen, bitorder="little"))
        table[name] = pa.Array.from_buffers(pa.int64(), len(values), [bits, pa.py_buffer(values)])
    whole = pa.table(table)
    size = max(_LEAST_ROWS, -(-whole.num_rows // chunks))
    return pa.concat_tables([whole.slice(first, size) for first in range(0, max(1, whole.num_rows), size)])


def _fill(seen: dict[str, np.ndarray], needs: Sequence[Need], as_of_day: np.ndarray) -> None:
    """What `windows.fill` says. seen: of each column, the rows that have a value; the others have 0, which counts from now on."""
    days, day = np.unique(as_of_day, return_inverse=True)

    def recorded(name: str) -> np.ndarray:
        """The rows of days on which any row has a value."""
        there = np.zeros(len(days), dtype=bool)
        there[day[seen[name]]] = True
        return there[day]

    zeros = [need for need in needs if need.what.zero]
    proofs = {name: recorded(name) for name in {proof(need).column for need in zeros if need.what.optional}}
    for need in zeros:
        seen[need.column] |= proofs[proof(need).column] if need.what.optional else True


def with_columns(table: pa.Table, columns: Mapping[str, pa.Array]) -> pa.Table:
    """A table from `beside` with more columns, in the same chunks. columns: a value for each of its rows."""
    ends = np.cumsum([0, *map(len, table.column(0).chunks)]).tolist()
    for name, column in columns.items():
        table = table.append_column(name, pa.chunked_array([column[low:high] for low, high in pairwise(ends)], column.type))
    return table
