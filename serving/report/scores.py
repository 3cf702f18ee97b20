"""Scores of one day as the ranking reads them: a frame of lines, and what each line has several of, flat."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from serving.scored import read_columns

LISTS = ("reasons", "actions")


@dataclass(frozen=True)
class PerLine:
    """What a line has several of, flat: `counts` (lines,) of each line, and `values` of all, line by line."""

    counts: np.ndarray
    values: pa.StructArray

    def field(self, *path: str) -> pa.Array | None:
        """One field of all values; None where these have no such field. A second name is a field of the first."""
        shape = self.values.type
        for name in path:
            if not pa.types.is_struct(shape) or shape.get_field_index(name) < 0:
                return None
            shape = shape.field(shape.get_field_index(name)).type
        return pc.struct_field(self.values, list(path))

    def lists(self) -> list[list[dict[str, Any]]]:
        """The values as a list of dicts a line."""
        names = [field.name for field in self.values.type]
        columns = [pc.struct_field(self.values, name).to_pylist() for name in names]
        flat = [dict(zip(names, value, strict=True)) for value in zip(*columns, strict=True)]
        ends = np.cumsum(self.counts)
        return [flat[end - count : end] for count, end in zip(self.counts.tolist(), ends.tolist(), strict=True)]

    def head(self, lines: int) -> PerLine:
        """Those of the first lines."""
        counts = self.counts[:lines]
        return PerLine(counts, self.values.slice(0, int(counts.sum())))


def read_lines(path: Path) -> tuple[pd.DataFrame, dict[str, PerLine]]:
    """Lines by rank, without reasons and actions, and these; BadInput when the file is not one of scores."""
    table = read_columns(path)
    if "as_of" in table.column_names:
        table = table.drop_columns(["as_of"])
    table = table.take(pc.sort_indices(table, [("rank", "ascending")]))
    lists = {name: _flat(table[name].combine_chunks()) for name in LISTS}
    return table.drop_columns(list(LISTS)).to_pandas(), lists


def _flat(column: pa.Array) -> PerLine:
    counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    values = pc.list_flatten(column)
    return PerLine(counts, values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values)
