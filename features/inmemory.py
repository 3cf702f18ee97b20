"""Windows added up in memory: what the joins of `windows` and `presence` say, by numpy.

Facts of days that count in exactly the same windows are one class and are added up first. A window of a line at an as_of day is
then the sum, or the largest, of some classes. A class of many lines is added as a whole, to an array by line; others one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrays import begins, packed, plain
from features.feature import LONGEST, WINDOWS, Need, Presence

_LEAST_ROWS = 2_500
"""Rows from which a chunk is worth a thread."""
_TABLED = 2**25
"""Codes that are looked up in a table; more are put in order."""
_WIDE = 1 / 8
"""Share of the lines from which a class is added as a whole."""
_LEAST = np.iinfo("int64").min


class Places:
    """Where windows go: the rows of a frame, each of a line at an as_of day, for the lines from `low` to `high` (exclusive).

    line: the small number of each row's line; negative: it has none, and no windows. as_of_day: of the days given.
    """

    def __init__(self, line: np.ndarray, as_of_day: np.ndarray, days: Sequence[int], low: int, high: int):
        self.days = np.array(sorted(days), dtype="int32")
        self.low, self.high = low, high
        self.lines = high - low
        self.rows = np.flatnonzero((line >= low) & (line < high))
        """Which rows of the frame these are: a column of windows has a value for each of them."""
        self._at = np.searchsorted(self.days, as_of_day[self.rows]) * self.lines + (line[self.rows] - low)
        self._within = int((np.searchsorted(self.days, self.days + LONGEST) - np.arange(len(self.days))).max(initial=0))

    @property
    def size(self) -> int:
        """as_of days times lines: the length of an array with a value for each."""
        return len(self.days) * self.lines

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
        """The as_of days that look back on each of some days: the place of the first, and (second axis) which they are, in order.

        The last says which of them there are.
        """
        first = np.searchsorted(self.days, day, side="right")
        at = first[:, None] + np.arange(self._within)
        days = self.days[np.minimum(at, len(self.days) - 1)]
        return first, days, (at < len(self.days)) & (days <= day[:, None] + LONGEST)


Column = tuple[str, np.ndarray, np.ndarray]
"""A name, a value (int64) for each row of some places, and which rows have one."""


def sums(facts: pa.Table, needs: Sequence[Need], places: Places, threads: int) -> Iterator[Column]:
    """The sum or the largest value of each measure over each window before each as_of day; see `windows.window_sums`.

    facts: line, day, since, until and an int64 column a measure.
    """
    facts = places.known(facts)
    line, day, since, until = (plain(facts[name]) for name in ("line", "day", "since", "until"))
    last = places.days[-1]  # whatever comes after it is all the same
    since, until = np.minimum(since, last), np.minimum(until, last)
    (first, lag, rest), found = _combinations(day, since - day, until - since)
    at, segments = _segments(places, first, first + lag, first + lag + rest)
    one, of = _alike(at, segments)
    groups = _Groups(of[found] * np.int64(places.lines) + line - places.low, at[one], segments[one], places)

    def worked_out(peak: bool, names: Sequence[str]) -> list[Column]:
        made: list[Column] = []
        adder = groups.adder(np.maximum, _LEAST) if peak else groups.adder(np.add, 0)
        for name in names:
            own = {need.days: need for need in needs if need.what.name == name and (need.how == "peak") == peak}
            values = adder.windows(plain(facts[name].fill_null(adder.none)), own)
            seen = groups.seen if not facts[name].null_count else groups.met(plain(facts[name].is_valid()), own)
            made += [(need.column, values[days], seen[days]) for days, need in own.items()]
        return made

    work = []
    for peak in (False, True):
        names = sorted({need.what.name for need in needs if (need.how == "peak") == peak})
        work += [(peak, names[number::threads]) for number in range(threads) if names[number::threads]]
    yield from _each(lambda part: worked_out(*part), work, threads)


class _Groups:
    """Facts in the order of their class and line: those of one class and line are a group.

    key: the class and the line of each fact, as one number. at, segments: of each class the place of the first as_of day that
    looks back on it, and (second axis) in which segment its facts are there and on those after it, -1 where they don't count.
    """

    def __init__(self, key: np.ndarray, at: np.ndarray, segments: np.ndarray, places: Places):
        self.places = places
        self.order = np.argsort(key, kind="stable")
        key = key[self.order]
        self.starts = begins(key)
        of, self.lines = np.divmod(key[self.starts], np.int64(max(1, places.lines)))
        sizes = np.bincount(of, minlength=len(at))
        ends = np.cumsum(sizes)
        wide = (sizes > _WIDE * places.lines) & (segments >= 0).any(axis=1)
        self.parts = {int(one): slice(ends[one] - sizes[one], ends[one]) for one in np.flatnonzero(wide)}
        self.wide: list[tuple[int, int, int]] = []
        """Classes that are added as a whole: the place of the as_of day, the segment, and the class."""
        self.ones: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in WINDOWS]
        """By segment: places of as_of days and lines, and the groups that are added there one by one."""
        rest = np.flatnonzero(~wide[of])
        for number in range(len(WINDOWS)):
            for further in range(segments.shape[1] if len(segments) else 0):
                counts = segments[:, further] == number
                self.wide += [(int(at[one]) + further, number, int(one)) for one in np.flatnonzero(counts & wide)]
                own = rest[counts[of[rest]]]
                if len(own):
                    self.ones[number].append(((at[of[own]] + further) * places.lines + self.lines[own], own))
        self.wide.sort()
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
        self._whole = {one: np.full(groups.places.lines, none, dtype) for one in groups.parts}

    def windows(self, values: np.ndarray, windows: Iterable[int]) -> dict[int, np.ndarray]:
        """By length of window, the value of each row."""
        groups, places, add = self._groups, self._groups.places, self._add
        if len(groups.starts):
            values.take(groups.order, out=self._sorted, mode="clip")  # "raise" would copy it once more
            add.reduceat(self._sorted, groups.starts, out=self._held)
        for one, part in groups.parts.items():
            self._whole[one][groups.lines[part]] = self._held[part]
        made, wanted = {}, set(windows)
        now = np.full(places.size, self.none, self._dtype)
        by_day = now.reshape(len(places.days), places.lines)
        for number, days in enumerate(WINDOWS):
            for at, segment, one in groups.wide:
                if segment == number:
                    add(by_day[at], self._whole[one], out=by_day[at])
            for where, own in groups.ones[number]:
                add.at(now, where, self._held[own])
            if days in wanted:
                made[days] = places.rows_of(now)
        return made


def _segments(places: Places, day: np.ndarray, since: np.ndarray, until: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of the first as_of day that looks back on facts, and the numbers of the shortest windows in which they count.

    The second, at that as_of day and those after it (second axis), is -1 where they don't count.
    """
    first, days, there = places.reached(day)
    counts = there & (since[:, None] < days) & (days <= until[:, None])
    return first, np.where(counts, np.searchsorted(WINDOWS, days - day[:, None]), -1).astype("int8")


def counts(
    facts: pa.Table, odd: pa.Table, needs: Sequence[Need], columns: Sequence[str], places: Places, threads: int
) -> Iterator[Column]:
    """How many values each line met, or freshly met, in windows before each as_of day; see `presence.window_counts`.

    facts: what, line, day, since, before (null: not in the 28 days before), n. odd: what, line, as_of_day, segment, before, n,
    of what can only be judged there. columns: in the order of their numbers `what`.
    """
    facts, odd = places.known(facts), places.known(odd)
    what, line, day, since = (plain(facts[name]) for name in ("what", "line", "day", "since"))
    age = np.where(plain(facts["before"].is_valid()), day - plain(facts["before"].fill_null(0)), 0)
    kinds, found = _combinations(what, day, np.minimum(since, places.days[-1]) - day, age)
    asked = [(need, columns.index(need.what.column)) for need in needs if isinstance(need.what, Presence)]
    at, inside = _inside(kinds, asked, places)
    one, of = _alike(at, inside)
    at, inside = at[one], inside[one]
    mine = of.astype("uint16" if len(at) <= 2**16 else "int64")[found]
    order = np.argsort(mine, kind="stable")
    sizes = np.bincount(mine, minlength=len(at))
    ends = np.cumsum(sizes)
    wide = sizes > _WIDE * places.lines
    line, n = line[order] - places.low, plain(facts["n"])[order]
    rest = np.flatnonzero(~np.repeat(wide, sizes))
    rest_of = np.repeat(np.arange(len(at)), sizes)[rest]

    def counted(number: int) -> list[Column]:
        """The needs of one column."""
        own = [place for place, (_, column) in enumerate(asked) if column == number]
        made = np.zeros((len(own), len(places.days), places.lines), dtype="int64")
        for kind in np.flatnonzero(wide & inside[:, own].any(axis=(1, 2))):
            part = slice(ends[kind] - sizes[kind], ends[kind])
            # Counts are far below what a float holds exactly.
            total = np.bincount(line[part], weights=n[part], minlength=places.lines).astype("int64")
            for place, further in np.argwhere(inside[kind, own]):
                made[place, at[kind] + further] += total
        judged = odd.filter(pc.equal(odd["what"], number))
        for by_day, place in zip(made, own, strict=True):
            for further in range(inside.shape[2]):
                few = inside[rest_of, place, further]
                np.add.at(by_day, (at[rest_of[few]] + further, line[rest[few]]), n[rest[few]])
            _add_odd(by_day, judged, asked[place][0], places)
        found = [places.rows_of(by_day.reshape(-1)) for by_day in made]
        return [(asked[place][0].column, values, values > 0) for place, values in zip(own, found, strict=True)]

    yield from _each(counted, sorted({number for _, number in asked}), threads)


def _inside(kinds: Sequence[np.ndarray], asked: Sequence[tuple[Need, int]], places: Places) -> tuple[np.ndarray, np.ndarray]:
    """The place of the first as_of day that looks back on facts, and whether they count for needs (second axis) from there on.

    They do where they are met in the window of the need, and on no earlier day of it.
    """
    what, day, lag, age = kinds
    first, days, there = places.reached(day)
    what, day, lag, age = (kind[:, None] for kind in kinds)
    there &= day + lag < days
    inside = [
        there & (what == number) & (days <= day + need.days) & _first(age == 0, day - age, days, need) for need, number in asked
    ]
    return first, np.stack(inside, axis=1)


def _first(new: np.ndarray, before: np.ndarray, days: np.ndarray, need: Need) -> np.ndarray:
    fresh = isinstance(need.what, Presence) and need.what.fresh
    return new if fresh else new | (before < days - need.days)


def _add_odd(made: np.ndarray, odd: pa.Table, need: Need, places: Places) -> None:
    """Add what can only be judged at an as_of day to the counts of as_of days and lines."""
    there, before = plain(odd["as_of_day"]), plain(odd["before"].fill_null(0))
    counts = plain(odd["segment"]) <= WINDOWS.index(need.days)
    counts &= _first(plain(odd["before"].is_null()), before, there, need)
    at = np.searchsorted(places.days, there[counts])
    np.add.at(made, (at, plain(odd["line"])[counts] - places.low), plain(odd["n"])[counts])


def _combinations(*columns: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The combinations of values that rows have, a column each, and which of them each row has."""
    code = packed(columns)
    if (size := int(code.max(initial=-1)) + 1) <= _TABLED:
        table = np.full(size, -1, dtype="int32")
        table[code] = np.arange(len(code), dtype="int32")
        rows = table[table >= 0]
        table[code[rows]] = np.arange(len(rows), dtype="int32")
        found = table[code]
    else:
        _, rows, found = np.unique(code, return_index=True, return_inverse=True)
    return [values[rows] for values in columns], found


def _alike(at: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of one row of each sort, and of which sort each row is, by a number and what is told of some places after it."""
    if not told.size:
        return np.zeros(0, dtype="int64"), np.zeros(len(at), dtype="int64")
    rows = told.reshape(len(told), -1)
    rows = np.packbits(rows, axis=1) if rows.dtype == bool else rows.view("uint8")
    rows = np.concatenate([at.astype("int32")[:, None].view("uint8"), rows], axis=1)
    _, first, of = np.unique(rows.view(f"V{rows.shape[1]}").reshape(-1), return_index=True, return_inverse=True)
    return first, of.reshape(-1)


def _each(work: Callable, items: Iterable, threads: int) -> Iterator:
    """What `work` makes of each item, in order, by several threads."""
    with ThreadPoolExecutor(threads) as pool:
        for made in pool.map(work, items):
            yield from made


def beside(frame: pa.Table, parts: Iterable[tuple[Places, Iterable[Column]]], chunks: int) -> pa.Table:
    """A frame's rows with columns beside them, null where a row has no value, in so many chunks, fewer if they are few.

    parts: of some of the lines each, all with the same columns.
    """
    frame = frame.combine_chunks()
    made: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for places, columns in parts:
        for name, values, seen in columns:
            if name not in made:
                made[name] = np.zeros(frame.num_rows, dtype="int64"), np.zeros(frame.num_rows, dtype=bool)
            made[name][0][places.rows] = np.where(seen, values, 0)
            made[name][1][places.rows] = seen
    table = {name: frame[name] for name in frame.column_names}
    for name, (values, seen) in made.items():
        bits = pa.py_buffer(np.packbits(seen, bitorder="little"))
        table[name] = pa.Array.from_buffers(pa.int64(), len(values), [bits, pa.py_buffer(values)])
    whole = pa.table(table)
    size = max(_LEAST_ROWS, -(-whole.num_rows // chunks))
    return pa.concat_tables([whole.slice(first, size) for first in range(0, max(1, whole.num_rows), size)])
