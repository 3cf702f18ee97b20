"""Windows added up in memory: what the joins of `windows` and `presence` say, by numpy.

Facts of days that count in exactly the same windows are one class and are added up first. A window of a line at an as_of day is
then the sum, or the largest, of some classes; its place in an array is the day's place times the number of lines, and the line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.feature import LONGEST, WINDOWS, Need, Presence

_LEAST_ROWS = 2_500
"""Rows from which a chunk is worth a thread."""
_TABLED = 2**25
"""Codes that are looked up in a table; more are put in order."""
_FEW = 8
"""A class with rows for fewer than a line in so many is added row by row."""
_LEAST = np.iinfo("int64").min


class Places:
    """Where windows go: the rows of a frame, each of a line at an as_of day.

    line: the small number of each row's line, from 0 on; null: it has none, and no windows. as_of_day: of the days given.
    """

    def __init__(self, line: pa.ChunkedArray, as_of_day: pa.ChunkedArray, days: Sequence[int]):
        self.days = np.array(sorted(days), dtype="int32")
        numbers, at = _plain(line.fill_null(-1)), _plain(as_of_day)
        self.rows = len(numbers)
        self.lines = 1 + int(numbers.max(initial=-1))
        own = [np.flatnonzero((at == day) & (numbers >= 0)) for day in self.days]
        self._own = [(rows, numbers[rows]) for rows in own]

    def known(self, facts: pa.Table) -> pa.Table:
        """Facts of the lines that the frame may have."""
        within = pc.less(facts["line"], self.lines)
        return facts if pc.all(within).as_py() is not False else facts.filter(within)

    def put(self, out: np.ndarray, at: int, by_line: np.ndarray) -> None:
        """Fill the rows of an as_of day, by its place, with the values of their lines."""
        rows, lines = self._own[at]
        out[rows] = by_line[lines]


Column = tuple[str, np.ndarray, np.ndarray]
"""A name, a value (int64) for each row of a frame, and which rows have one."""


def sums(facts: pa.Table, never: int, needs: Sequence[Need], places: Places, threads: int) -> Iterator[Column]:
    """The sum or the largest value of each measure over each window before each as_of day; see `windows.window_sums`.

    facts: line, day, since, until (`never`: nothing made it void) and an int64 column a measure.
    """
    facts = places.known(facts)
    line, day, since, until = (_plain(facts[name]) for name in ("line", "day", "since", "until"))
    kinds, found = _combinations(day, since - day, np.where(until == never, -1, until - since))
    first, lag, rest = kinds
    known = first + lag
    segments = _segments(places.days, first, known, np.where(rest < 0, never, known + rest))
    one, of = _alike(segments)
    groups = _Groups(of[found] * np.int64(places.lines) + line, segments[one], places)

    def worked_out(peak: bool, names: Sequence[str]) -> list[Column]:
        made: list[Column] = []
        adder = groups.adder(np.maximum, _LEAST) if peak else groups.adder(np.add, 0)
        for name in names:
            own = {need.days: need for need in needs if need.what.name == name and (need.how == "peak") == peak}
            values = adder.windows(_plain(facts[name].fill_null(adder.none)), own)
            seen = groups.seen if not facts[name].null_count else groups.met(_plain(facts[name].is_valid()), own)
            made += [(need.column, values[days], seen[days]) for days, need in own.items()]
        return made

    work = []
    for peak in (False, True):
        names = sorted({need.what.name for need in needs if (need.how == "peak") == peak})
        work += [(peak, names[number::threads]) for number in range(threads) if names[number::threads]]
    yield from _each(lambda part: worked_out(*part), work, threads)


class _Groups:
    """Facts in the order of their class and line: those of one class and line are a group.

    key: the class and the line of each fact, as one number. classes: for each class and as_of day the segment in which its facts
    count there, -1 where they don't.
    """

    def __init__(self, key: np.ndarray, classes: np.ndarray, places: Places):
        self.places, self.classes = places, classes
        self.order = np.argsort(key, kind="stable")
        key = key[self.order]
        self.starts = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, "int64")
        where, self.lines = np.divmod(key[self.starts], np.int64(max(1, places.lines)))
        self.bounds = np.searchsorted(where, np.arange(len(classes) + 1))
        self.seen = self.met(np.ones(len(key), dtype=bool), WINDOWS)

    def adder(self, add: np.ufunc, none: int) -> _Adder:
        """What adds columns of facts up, one after the other."""
        return _Adder(self, add, none, "int64")

    def met(self, there: np.ndarray, windows: Iterable[int]) -> dict[int, np.ndarray]:
        """Whether a line has any value in each window."""
        return _Adder(self, np.logical_or, 0, "bool").windows(there, windows)


class _Adder:
    """Adds columns of facts up over windows, in memory of its own that all of them share."""

    def __init__(self, groups: _Groups, add: np.ufunc, none: int, dtype: str):
        self.none = none
        self._groups, self._add, self._dtype = groups, add, dtype
        self._sorted = np.empty(len(groups.order), dtype=dtype)
        self._held = np.empty(len(groups.starts), dtype=dtype)
        parts = [slice(*ends) for ends in zip(groups.bounds[:-1], groups.bounds[1:], strict=True)]
        lines = groups.places.lines
        # A class of most lines is added as a whole.
        self._parts = [
            (part, groups.lines[part], np.full(lines, none, dtype) if (part.stop - part.start) * _FEW > lines else None)
            for part in parts
        ]

    def windows(self, values: np.ndarray, windows: Iterable[int]) -> dict[int, np.ndarray]:
        """By length of window, the value of each row."""
        groups, places, add = self._groups, self._groups.places, self._add
        made = {days: np.full(places.rows, self.none, self._dtype) for days in windows}
        if not len(groups.starts):
            return made
        values.take(groups.order, out=self._sorted, mode="clip")  # "raise" would copy it once more
        add.reduceat(self._sorted, groups.starts, out=self._held)
        for part, lines, whole in self._parts:
            if whole is not None:
                whole[lines] = self._held[part]
        now = np.empty(places.lines, self._dtype)
        for at in range(len(places.days)):
            now.fill(self.none)
            for number, days in enumerate(WINDOWS):
                for one in np.flatnonzero(groups.classes[:, at] == number):
                    part, lines, whole = self._parts[one]
                    if whole is not None:
                        add(now, whole, out=now)
                    else:
                        now[lines] = add(now[lines], self._held[part])
                if days in made:
                    places.put(made[days], at, now)
        return made


def _segments(days: np.ndarray, day: np.ndarray, since: np.ndarray, until: np.ndarray) -> np.ndarray:
    """The number of the shortest window in which facts count at each as_of day (second axis); -1 where they don't count."""
    age = days - day[:, None]
    counts = (age > 0) & (age <= LONGEST) & (since[:, None] < days) & (days <= until[:, None])
    return np.where(counts, np.searchsorted(WINDOWS, age), -1).astype("int8")


def counts(
    facts: pa.Table, odd: pa.Table, needs: Sequence[Need], columns: Sequence[str], places: Places, threads: int
) -> Iterator[Column]:
    """How many values each line met, or freshly met, in windows before each as_of day; see `presence.window_counts`.

    facts: what, line, day, since, before (null: not in the 28 days before), n. odd: what, line, as_of_day, segment, before, n,
    of what can only be judged there. columns: in the order of their numbers `what`.
    """
    facts, odd = places.known(facts), places.known(odd)
    what, line, day, since = (_plain(facts[name]) for name in ("what", "line", "day", "since"))
    age = np.where(_plain(facts["before"].is_valid()), day - _plain(facts["before"].fill_null(0)), 0)
    kinds, found = _combinations(what, day, since - day, age)
    asked = [(need, columns.index(need.what.column)) for need in needs if isinstance(need.what, Presence)]
    inside = np.stack([_inside(kinds, number, need, places.days) for need, number in asked], axis=1)
    one, of = _alike(inside)
    classes = inside[one]
    mine = of.astype("uint16" if len(classes) <= 2**16 else "int64")[found]
    order = np.argsort(mine, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(np.bincount(mine, minlength=len(classes)))])
    line, n = line[order], _plain(facts["n"])[order]

    def counted(number: int) -> list[Column]:
        """The needs of one column."""
        own = [place for place, (_, column) in enumerate(asked) if column == number]
        made = np.zeros((len(own), len(places.days), places.lines), dtype="int64")
        for kind in np.flatnonzero(classes[:, own].any(axis=(1, 2))):
            part = slice(bounds[kind], bounds[kind + 1])
            wide = (part.stop - part.start) * _FEW > places.lines
            # Counts are far below what a float holds exactly.
            total = np.bincount(line[part], weights=n[part], minlength=places.lines).astype("int64") if wide else None
            for place, at in np.argwhere(classes[kind, own]):
                if total is None:
                    np.add.at(made[place, at], line[part], n[part])
                else:
                    made[place, at] += total
        few = odd.filter(pc.equal(odd["what"], number))
        for by_line, place in zip(made, own, strict=True):
            _add_odd(by_line, few, asked[place][0], places.days)
        return [_filled(asked[place][0].column, by_line, places) for by_line, place in zip(made, own, strict=True)]

    yield from _each(counted, sorted({number for _, number in asked}), threads)


def _filled(name: str, by_line: np.ndarray, places: Places) -> Column:
    values = np.zeros(places.rows, dtype="int64")
    for at, found in enumerate(by_line):
        places.put(values, at, found)
    return name, values, values > 0


def _inside(kinds: Sequence[np.ndarray], number: int, need: Need, days: np.ndarray) -> np.ndarray:
    """At which as_of days (second axis) facts count for a need: met in its window, and on no earlier day of it."""
    what, day, lag, age = (kind[:, None] for kind in kinds)
    inside = (what == number) & (day < days) & (days <= day + need.days) & (day + lag < days)
    return inside & _first(age == 0, day - age, days, need)


def _first(new: np.ndarray, before: np.ndarray, days: np.ndarray, need: Need) -> np.ndarray:
    fresh = isinstance(need.what, Presence) and need.what.fresh
    return new if fresh else new | (before < days - need.days)


def _add_odd(made: np.ndarray, odd: pa.Table, need: Need, days: np.ndarray) -> None:
    """Add what can only be judged at an as_of day to the counts of as_of days and lines."""
    there, before = _plain(odd["as_of_day"]), _plain(odd["before"].fill_null(0))
    counts = _plain(odd["segment"]) <= WINDOWS.index(need.days)
    counts &= _first(_plain(odd["before"].is_null()), before, there, need)
    at = np.searchsorted(days, there[counts])
    np.add.at(made, (at, _plain(odd["line"])[counts]), _plain(odd["n"])[counts])


def _combinations(*columns: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The combinations of values that rows have, a column each, and which of them each row has."""
    lows = [int(values.min()) if len(values) else 0 for values in columns]
    widths = [int(values.max()) - low + 1 if len(values) else 1 for values, low in zip(columns, lows, strict=True)]
    size = prod(widths)
    if size >= 2**62:
        raise OverflowError("days that lie too far apart")
    code = np.zeros(len(columns[0]), dtype="int32" if size < 2**31 else "int64")
    for values, low, width in zip(columns, lows, widths, strict=True):
        code *= code.dtype.type(width)
        code += values if not low else values - values.dtype.type(low)
    if size <= _TABLED:
        there = np.zeros(size, dtype=bool)
        there[code] = True
        kinds = np.flatnonzero(there)
        number = np.zeros(size, dtype="int32")
        number[kinds] = np.arange(len(kinds))
        found = number[code]
    else:
        kinds, found = np.unique(code, return_inverse=True)
    parts = []
    for low, width in zip(reversed(lows), reversed(widths), strict=True):
        parts.append(kinds % width + low)
        kinds = kinds // width
    return parts[::-1], found


def _alike(kinds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rows of small numbers: the place of one row of each sort, and of which sort each row is."""
    if not kinds.size:
        return np.zeros(0, dtype="int64"), np.zeros(len(kinds), dtype="int64")
    rows = kinds.reshape(len(kinds), -1)
    rows = np.packbits(rows, axis=1) if rows.dtype == bool else rows
    whole = np.ascontiguousarray(rows).view(f"V{rows.shape[1] * rows.itemsize}").reshape(-1)
    _, first, of = np.unique(whole, return_index=True, return_inverse=True)
    return first, of.reshape(-1)


def _each(work: Callable, items: Iterable, threads: int) -> Iterator:
    """What `work` makes of each item, in order, by several threads."""
    with ThreadPoolExecutor(threads) as pool:
        for made in pool.map(work, items):
            yield from made


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """The values of a column without nulls."""
    return column.to_numpy()


def beside(frame: pa.Table, columns: Iterable[Column], chunks: int) -> pa.Table:
    """A frame's rows with columns beside them, null where a row has no value, in so many chunks, fewer if they are few."""
    frame = frame.combine_chunks()
    table = {name: frame[name] for name in frame.column_names}
    for name, values, seen in columns:
        values[~seen] = 0
        bits = pa.py_buffer(np.packbits(seen, bitorder="little"))
        table[name] = pa.Array.from_buffers(pa.int64(), len(values), [bits, pa.py_buffer(values)])
    whole = pa.table(table)
    size = max(_LEAST_ROWS, -(-whole.num_rows // chunks))
    return pa.concat_tables([whole.slice(first, size) for first in range(0, max(1, whole.num_rows), size)])
