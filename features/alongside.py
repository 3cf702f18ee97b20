"""Columns of several tables put beside a frame by place, in memory: far cheaper than a join of so many wide tables."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LEAST_ROWS = 2_500
"""Rows from which a chunk is worth a thread."""


def alongside(frame: pa.Table, parts: Iterable[pa.Table], keys: tuple[str, str], chunks: int) -> pa.Table:
    """The frame's rows with the columns, all int64, of tables that have at most one row for its keys; null where they have none.

    keys: a number from 0 on that is nowhere large, such as a line's, and one of few values, such as an as_of day. The rows are
    returned in so many chunks, fewer if they are few.
    """
    frame = frame.combine_chunks()
    places = _Places(frame, *keys)
    columns = {name: frame[name] for name in frame.column_names}
    for part in parts:
        own = part.select([name for name in part.column_names if name not in keys])
        columns.update(_scattered(own, places.of(part), places.missing))
    table = pa.table(columns)
    size = max(_LEAST_ROWS, -(-table.num_rows // chunks))
    return pa.concat_tables([table.slice(first, size) for first in range(0, max(1, table.num_rows), size)])


class _Places:
    """At which place a frame has the keys of a row; `missing`, the place after its last, where it does not have them."""

    def __init__(self, frame: pa.Table, small: str, few: str):
        self._small, self._few = small, few
        self._values = np.unique(frame[few].to_numpy())
        self._width = 1 + (pc.max(frame[small]).as_py() or 0)
        self.missing = frame.num_rows
        self._rows = np.full(len(self._values) * self._width + 1, self.missing)
        self._rows[self._key(frame)] = np.arange(frame.num_rows)
        self._rows[-1] = self.missing

    def of(self, rows: pa.Table) -> np.ndarray:
        """The place of each row."""
        return self._rows[self._key(rows)]

    def _key(self, rows: pa.Table) -> np.ndarray:
        small = rows[self._small].fill_null(self._width).to_numpy().astype("int64")
        few = rows[self._few].to_numpy()
        at = np.searchsorted(self._values, few)
        known = (small < self._width) & (np.append(self._values, 0)[at] == few) & (at < len(self._values))
        return np.where(known, at * self._width + small, -1)


def _scattered(part: pa.Table, places: np.ndarray, rows: int) -> dict[str, pa.Array]:
    """The columns of a table with each row at its place among so many."""
    part = part.cast(pa.schema([(name, pa.int64()) for name in part.column_names]))
    # One place more, for what belongs nowhere.
    block = np.zeros((part.num_columns, rows + 1), dtype="int64")
    found = np.zeros(rows + 1, dtype=bool)
    void: dict[str, np.ndarray] = {}
    first = 0
    for batch in part.to_batches():
        at = places[first : first + batch.num_rows]
        first += batch.num_rows
        found[at] = True
        for name, column, values in zip(part.column_names, batch.columns, block, strict=True):
            values[at] = np.frombuffer(column.buffers()[1], "int64", len(column), 8 * column.offset)
            if column.null_count:
                gaps = void.setdefault(name, np.zeros(rows + 1, dtype=bool))
                gaps[at] = column.is_null().to_numpy(zero_copy_only=False)
    plain = _bits(found[:rows])
    bits = {name: _bits((found & ~gaps)[:rows]) for name, gaps in void.items()}
    return {
        name: pa.Array.from_buffers(pa.int64(), rows, [bits.get(name, plain), pa.py_buffer(values[:rows])])
        for name, values in zip(part.column_names, block, strict=True)
    }


def _bits(true: np.ndarray) -> pa.Buffer:
    return pa.py_buffer(np.packbits(true, bitorder="little"))
