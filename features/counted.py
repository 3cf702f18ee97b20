"""Values met, counted in memory: what the joins of `presence.window_counts` say, by numpy.

Facts are told apart by the column, the day, the day they were known and the day they were met before. Those that count for the
same needs on the same as_of days are one class.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from math import prod

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from features.arrays import plain
from features.carried import Block, Held
from features.classes import Classes, Column, alike, each
from features.feature import LONGEST, WINDOWS, Need, Presence
from features.places import Places

_BATCH = 2**16
"""Facts that are worked on together, few enough for a core's cache."""
_CELLS = 1
"""Classes times lines, a fact, up to which there is a cell for each of them."""


def counts(
    facts: pa.Table,
    odd: pa.Table,
    needs: Sequence[Need],
    columns: Sequence[str],
    places: Places,
    threads: int,
    held: Held | None = None,
) -> Iterator[Column]:
    """How many values each line met, or freshly met, in windows before each as_of day; see `presence.window_counts`.

    facts: line, day, sort and n; see `presence.sorted_out`. odd: what, line, as_of_day, segment, before (null: not in the 28 days
    before) and n, of what can only be judged there. columns: in the order of their numbers `what`. held: as in `sums`.
    """
    facts, odd = places.known(facts), places.known(odd)
    asked = [(need, columns.index(need.what.column)) for need in needs if isinstance(need.what, Presence)]
    earlier = held.of_lines(places.low, places.high) if held is not None else []
    blocks = [*earlier, *_met(facts, len(columns), asked, places, threads)]
    placed = list(each(lambda block: _Counted(block, places), blocks, threads))

    def counted(number: int) -> list[Column]:
        """The needs of one column."""
        own = [place for place, (_, column) in enumerate(asked) if column == number]
        made = np.zeros((len(own), len(places.days), places.lines), dtype="int64")
        for part in placed:
            part.add(own, made)
        judged = odd.filter(pc.equal(odd["what"], number))
        for by_day, place in zip(made, own, strict=True):
            _add_odd(by_day, judged, asked[place][0], places)
        found = [places.rows_of(by_day.reshape(-1)) for by_day in made]
        return [(asked[place][0].column, values, values > 0) for place, values in zip(own, found, strict=True)]

    yield from chain.from_iterable(each(counted, sorted({number for _, number in asked}), threads))
    if held is not None:
        for part in placed:
            for block in part.handed_on():
                held.keep(block)


def _met(facts: pa.Table, columns: int, asked: Sequence[tuple[Need, int]], places: Places, threads: int) -> list[Block]:
    """Facts of values met, by class: those of one count for the same needs (second axis) on the same days."""
    if not facts.num_rows:
        return []
    days = pc.min_max(facts["day"]).as_py()
    shape = (days["max"] - days["min"] + 1, columns, LONGEST + 1, LONGEST + 1)
    there = np.zeros(prod(shape), dtype=bool)
    batches = facts.to_batches(_BATCH)
    shares = [batches[part::threads] for part in range(threads) if batches[part::threads]]

    def coded(share: list[pa.RecordBatch]) -> list[np.ndarray]:
        codes = [_code(batch, days["min"], prod(shape[1:])) for batch in share]
        for code in codes:
            there[code] = True
        return codes

    codes = list(each(coded, shares, threads))
    kinds = np.flatnonzero(there)
    day, what, lag, age = np.unravel_index(kinds, shape)
    at, inside = _inside((what, day + days["min"], lag, age), asked, places)
    one, of = alike(at, inside)
    classes = np.zeros(len(there), dtype="uint16" if len(one) <= 2**16 else "int64")
    classes[kinds] = of

    def block(share: tuple[list[pa.RecordBatch], list[np.ndarray]]) -> Block:
        line, of, n = _by_class(*share, classes, len(one), places)
        return Block(places.low, places.high, line, of, at[one], inside[one], {"n": n})

    return list(each(block, zip(shares, codes, strict=True), threads))


def _code(batch: pa.RecordBatch, first: int, sorts: int) -> np.ndarray:
    """What tells when facts count, as one number: the day, from the first on, and the sort, of which there are so many."""
    code = np.multiply(plain(batch["day"]) - first, sorts, dtype="int64")
    code += plain(batch["sort"])
    return code


def _by_class(
    batches: Sequence[pa.RecordBatch], codes: Sequence[np.ndarray], classes: np.ndarray, many: int, places: Places
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Line, class and n of facts, in the order of classes. classes: of each code; many: how many there are.

    Where these are few, facts of one class and line are added up: to put them in order takes longer.
    """
    mine = (classes[code] for code in codes)
    if many * places.lines > _CELLS * sum(map(len, codes)):
        of = np.concatenate(list(mine))
        order = np.argsort(of, kind="stable")
        line, n = (np.concatenate([plain(batch[name]) for batch in batches])[order] for name in ("line", "n"))
        return line, of[order], n
    total = np.zeros(many * places.lines, dtype="int64")
    for batch, of in zip(batches, mine, strict=True):
        np.add.at(total, of * np.int64(places.lines) + plain(batch["line"]) - places.low, plain(batch["n"]))
    there = np.flatnonzero(total)
    of, line = np.divmod(there, places.lines)
    return (line + places.low).astype("int32"), of.astype(classes.dtype), total[there]


class _Counted(Classes):
    """Facts of values met, to be counted."""

    def handed_on(self) -> list[Block]:
        """What later parts look back on: of classes of many one fact a line."""
        block, later = self.block, self.places.later(self.block, np.asarray(self.block.counts.any(axis=1)))
        rest = block.rows(self.rest).after(later)
        totals = {one: self._total(one) for one in self.parts if later[one]}
        there = {one: np.flatnonzero(total) for one, total in totals.items()}
        if not there:
            return [rest]
        line = (np.concatenate(list(there.values())) + self.places.low).astype(block.line.dtype)
        of = np.repeat(list(there), [len(lines) for lines in there.values()]).astype(block.of.dtype)
        n = np.concatenate([totals[one][lines] for one, lines in there.items()])
        return [rest, replace(block, line=line, of=of, values={"n": n}).after(later)]

    def _total(self, one: int) -> np.ndarray:
        """How many values of a class each line met."""
        part = self.parts[one]
        # Counts are far below what a float holds exactly.
        total = np.bincount(self.line[part], weights=self.block.values["n"][part], minlength=self.places.lines)
        return total.astype("int64")

    def add(self, own: Sequence[int], made: np.ndarray) -> None:
        """Adds them to the counts of some needs, as_of days and lines."""
        block, n = self.block, self.block.values["n"]
        here = [self.places.here(block.at, further) for further in range(block.counts.shape[2])]
        inside = block.counts[:, own]
        for one in self.parts:
            if not inside[one].any():
                continue
            total = self._total(one)
            for place, further in np.argwhere(inside[one]):
                day, there = here[further]
                if there[one]:
                    made[place, day[one]] += total
        for place in range(len(own)) if len(self.rest) else ():
            for further, (day, there) in enumerate(here):
                few = (inside[:, place, further] & there)[self.rest_of]
                np.add.at(made[place], (day[self.rest_of[few]], self.line[self.rest[few]]), n[self.rest[few]])


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
