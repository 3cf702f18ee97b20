"""Facts that count in the same windows of the same as_of days: a class. What `inmemory` and `counted` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from features.carried import Block
from features.places import Places

_WIDE = 1 / 8
"""Share of the lines from which a class is added as a whole."""

Column = tuple[str, np.ndarray, np.ndarray]
"""A name, a value (int64) for each row of some places, and which rows have one."""


class Classes:
    """The classes of a block, of which those of many lines are added as a whole.

    line: of each fact, from the first line of these places on. wide: whether each class is of many lines; parts: the facts of
    those that are. rest, rest_of: the other facts and their classes.
    """

    def __init__(self, block: Block, places: Places):
        self.block, self.places = block, places
        self.line = block.line - places.low
        sizes = np.bincount(block.of, minlength=len(block.at))
        ends = np.cumsum(sizes)
        self.wide = sizes > _WIDE * places.lines
        self.parts = {int(one): slice(ends[one] - sizes[one], ends[one]) for one in np.flatnonzero(self.wide)}
        self.rest = np.flatnonzero(~np.repeat(self.wide, sizes))
        self.rest_of = block.of[self.rest]


def alike(at: np.ndarray, told: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of one row of each sort, and of which sort each row is, by a number and what is told of some places after it."""
    if not told.size:
        return np.zeros(0, dtype="int64"), np.zeros(len(at), dtype="int64")
    rows = told.reshape(len(told), -1)
    rows = np.packbits(rows, axis=1) if rows.dtype == bool else rows.view("uint8")
    rows = np.concatenate([at.astype("int32")[:, None].view("uint8"), rows], axis=1)
    _, first, of = np.unique(rows.view(f"V{rows.shape[1]}").reshape(-1), return_index=True, return_inverse=True)
    return first, of.reshape(-1)


def each(work: Callable, items: Iterable, threads: int) -> Iterator:
    """What `work` makes of each item, in order, by several threads."""
    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(work, items)
