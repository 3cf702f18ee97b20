"""What `kernels`, `tallies`, `inmemory` and `counted` share: columns as arrays, and rows put into groups."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
import pyarrow as pa

_CELLS = 2
"""Numbers, a row, up to which there is a cell for each of them."""


def plain(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The values of a column without nulls."""
    return column.to_numpy(zero_copy_only=False)


def integers(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """The integers of a column (int64), 0 where there is none, and where there are any."""
    return plain(column.cast("int64").fill_null(0)), plain(column.is_valid())


def begins(key: np.ndarray) -> np.ndarray:
    """Where each run of equal values begins."""
    return np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])


def packed(columns: Sequence[np.ndarray]) -> np.ndarray:
    """One number from 0 on for the values that each row has in several columns of integers; it orders rows as they do."""
    if not len(columns[0]):
        return np.zeros(0, dtype="int64")
    lows = [int(values.min()) for values in columns]
    widths = [int(values.max()) - low + 1 for values, low in zip(columns, lows, strict=True)]
    code = np.zeros(len(columns[0]), dtype="int32" if prod(widths) < 2**31 else "int64")
    if prod(widths) < 2**63:
        for values, low, width in zip(columns, lows, widths, strict=True):
            code *= code.dtype.type(width)
            code += values - values.dtype.type(low) if width < 2**31 else np.subtract(values, low, dtype="int64")
        return code
    for values in columns:  # they lie too far apart: numbered one after the other, there are no more numbers than rows
        kinds, found = np.unique(values, return_inverse=True)
        code = np.unique(code * len(kinds) + found, return_inverse=True)[1]
    return code


def numbered(key: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The place of each row's key, from 0 on, among all keys, and these, ascending; keys are not negative."""
    if (size := int(key.max(initial=-1)) + 1) > _CELLS * len(key):
        kinds, number = np.unique(key, return_inverse=True)
        return number, kinds
    there = np.zeros(size, dtype=bool)
    there[key] = True
    return (np.cumsum(there) - 1)[key], np.flatnonzero(there)


def combinations(*columns: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """The combinations of integers that rows have, a column each, and which of them each row has."""
    found, kinds = numbered(packed(columns))
    rows = np.empty(len(kinds), dtype="int64")
    rows[found] = np.arange(len(found))
    return [values[rows] for values in columns], found
