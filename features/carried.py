"""What one part of a feature table hands on to the next: facts that both look back on, added up when they are first read.

A part is some as_of days, and the next part's windows reach back over most of the days that this one's did. Facts are held by
class (those that count in the same windows of the same as_of days) and line, a small part of their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import inf

import numpy as np


@dataclass(frozen=True)
class Block:
    """Facts of the lines from `low` to `high` (exclusive) that were read together, in the order of their class.

    line, of: of each fact the line and the class. at, counts: of each class the place, among all as_of days, of the first that
    looks back on it, and how it counts there and on those after it (second axis); see `classes`. values: columns of facts.
    """

    low: int
    high: int
    line: np.ndarray
    of: np.ndarray
    at: np.ndarray
    counts: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)

    def of_lines(self, low: int, high: int) -> Block:
        """What it says of some lines."""
        if low <= self.low and self.high <= high:
            return self
        return replace(self.rows((self.line >= low) & (self.line < high)), low=max(low, self.low), high=min(high, self.high))

    def after(self, reached: np.ndarray) -> Block:
        """What it says of the classes chosen."""
        chosen = self.rows(reached[self.of])
        renumbered = np.cumsum(reached) - 1
        return replace(chosen, of=renumbered[chosen.of].astype(self.of.dtype), at=self.at[reached], counts=self.counts[reached])

    def rows(self, rows: np.ndarray) -> Block:
        """What it says of the facts chosen."""
        values = {name: column[rows] for name, column in self.values.items()}
        return replace(self, line=self.line[rows], of=self.of[rows], values=values)

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(array.nbytes for array in (self.line, self.of, self.counts, *self.values.values()))


class Held:
    """The blocks of one kind of facts. most: bytes that may be held; where there are more, none are, and facts are read anew."""

    def __init__(self, most: float):
        self._most = most
        self.forget()

    def forget(self) -> None:
        """Hold nothing: facts are read from the first day on."""
        self._blocks: list[Block] = []
        self._next: list[Block] = []
        self._size = 0.0
        self._until: int | None = None

    def since(self, first: int) -> int:
        """The first of the days from `first` on whose facts are not held."""
        return first if self._until is None else max(first, self._until)

    def of_lines(self, low: int, high: int) -> list[Block]:
        """What is held of some lines."""
        return [block.of_lines(low, high) for block in self._blocks if block.low < high and low < block.high]

    def fits(self, size: int) -> bool:
        """Whether so many bytes more may be held for the next part; if not, nothing is held for it."""
        if self._size + size > self._most:
            self._size = inf
            self._next.clear()
        return self._size < inf

    def keep(self, block: Block) -> None:
        """Hold a block for the next part, if it fits."""
        if len(block.line) and self.fits(block.size):
            self._size += block.size
            self._next.append(block)

    def turn(self, until: int) -> None:
        """A part is done that read all facts before the day `until`."""
        blocks, fits = self._next, self._size < inf
        self.forget()
        if fits:
            self._blocks, self._until = blocks, until


class Carried:
    """What parts of one table hand on, by kind of facts. days: the as_of days of all parts; lines: how many have a number."""

    def __init__(self, days: Sequence[int], lines: int, most: float):
        self.days, self.lines, self._most = sorted(days), lines, most
        self._held: dict[tuple[str, str], Held] = {}

    def of(self, source: str, part: str) -> Held:
        """What is held of a part of an event table: see `Lookback.rows`."""
        return self._held.setdefault((source, part), Held(self._most))

    def turn(self, until: int) -> None:
        """A part is done that read all facts before the day `until`."""
        for held in self._held.values():
            held.turn(until)
