"""How often each value occurs within a group of events: by groups of their own, as any engine can, or by putting them in order.

Where events are many, `kernels.tally` counts them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from features.arrays import combinations, integers, plain
from features.classes import each
from features.windows import beside

_SUM = dt.Decimal(38, 0)
"""The type that DuckDB gives the sum of integers."""
_MIXER = np.uint64(0x9E3779B97F4A7C15)
"""Multiplied by it, numbers differ in their first bits (Fibonacci hashing; Knuth, The Art of Computer Programming, 6.4)."""
FIGURES = ("different", "most", "often", "shared")
"""What a tally tells of a group: see `Tally`."""


@dataclass(frozen=True)
class Tally:
    """How often each value of `value`, an integer, occurs among the events of a group; null is no value.

    Of a tally named `x`: `x_different`, how many values there are; `x_most`, how often the most frequent one occurs (null: none
    does); `x_often`, how many occur `often` times or more; `x_shared`, how many events have a value that occurs more than once.
    of: an integer that goes with one value only; then its different values are counted instead of events.
    """

    value: ir.IntegerValue
    of: ir.IntegerValue | None = None
    often: int = 3


def by_groups(events: ir.Table, keys: Sequence[str], tallies: Mapping[str, Tally]) -> ir.Table:
    """See `Engine.tallied`."""
    parts = []
    for label, tally in tallies.items():
        of = ibis.literal(0) if tally.of is None else tally.of
        met = events.select(*keys, value=tally.value, of=of).dropna(["value", "of"])
        met = met if tally.of is None else met.distinct()
        each = met.group_by(*keys, "value").aggregate(n=met.count().cast("int64"))
        told = {
            f"{label}_different": each.count(),
            f"{label}_most": each.n.max(),
            f"{label}_often": (each.n >= tally.often).cast("int64").sum(),
            f"{label}_shared": ibis.cases((each.n > 1, each.n), else_=0).sum(),
        }
        parts.append((each.group_by(*keys).aggregate(**told), keys))
    whole = beside(events.select(*keys).distinct(), *parts)
    return whole.select(*keys, **_figures(whole, tallies))


def by_sorting(events: pa.Table, threads: int, keys: Sequence[str], tallies: Sequence[tuple[str, bool, int]]) -> list[pa.Table]:
    """The same in memory, for events that are not many; see `kernels.tally`."""
    kinds, group = combinations(*[plain(events[key]) for key in keys])
    groups = len(kinds[0])

    def told(tally: tuple[str, bool, int]) -> dict[str, pa.Array]:
        name, paired, often = tally
        value, valid = integers(events[f"{name}_value"])
        own, of = group, value
        if paired:
            of, known = integers(events[f"{name}_of"])
            valid = valid & known
        if not valid.all():
            own, value, of = group[valid], value[valid], of[valid]
        if paired:
            own, rows, _ = _different(own, of)
            value = value[rows]
        found, _, times = _different(own, value)
        count = partial(np.bincount, minlength=groups)
        most = np.zeros(groups, dtype="int64")
        np.maximum.at(most, found, times)
        figures = count(found), most, count(found[times >= often]), count(found, np.where(times > 1, times, 0)).astype("int64")
        return figured(name, figures)

    table = {key: pa.array(column) for key, column in zip(keys, kinds, strict=True)}
    for columns in each(told, tallies, threads):
        table |= columns
    return [pa.table(table)]


def figured(name: str, figures: Sequence[np.ndarray]) -> dict[str, pa.Array]:
    """The figures of a tally, in the order of FIGURES, as columns; none is the most frequent where there are none."""
    void = figures[0] == 0
    return {
        f"{name}_{figure}": pa.array(counts, mask=void if figure == "most" else None)
        for figure, counts in zip(FIGURES, figures, strict=True)
    }


def _different(group: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different values of each group, ascending by group: the group, a row that has the value, and how many do.

    group: from 0 on. Rows are put in order by one number that holds the group, what is left of the value, and the row.
    """
    bits = len(group).bit_length()
    room = 63 - bits - int(group.max(initial=0)).bit_length()
    low, exact = int(value.min(initial=0)), int(value.max(initial=0)) - int(value.min(initial=0)) < 2**room
    left = value - low if exact else (value.view("uint64") * _MIXER >> np.uint64(64 - room)).view("int64")
    code = group << room
    code |= left
    code <<= bits
    code |= np.arange(len(group))
    code.sort()
    rows = code & (2**bits - 1)
    code >>= bits
    changes = code[1:] != code[:-1]
    if not exact:
        other = np.diff(value[rows]) != 0
        if (other & ~changes).any():  # two values of a group of which the same is left
            rows = np.lexsort((value, group))
            code = group[rows] << room
            changes, other = np.diff(code) != 0, np.diff(value[rows]) != 0
        changes |= other
    starts = np.flatnonzero(np.append(True, changes)[: len(rows)])
    return code[starts] >> room, rows[starts], np.diff(starts, append=len(rows))


def _figures(told: ir.Table, tallies: Mapping[str, Tally]) -> dict[str, ir.Value]:
    """All figures as integers, 0 where nothing was counted, but for the most frequent."""
    found = {}
    for label in tallies:
        for figure in FIGURES:
            value = told[f"{label}_{figure}"]
            found[f"{label}_{figure}"] = (value if figure == "most" else value.fill_null(0)).cast("int64")
    return found


def summed(values: ir.Value) -> ir.IntegerValue:
    """The sum of integers or of what is true, by DuckDB: it takes them as they are and gives a wider type."""
    return (_trues if values.type().is_boolean() else _sum)(values).cast("int64")


@ibis.udf.agg.builtin(name="sum", signature=((dt.int64,), _SUM))
def _sum(values):  # type: ignore[no-untyped-def]
    """The sum of integers."""


@ibis.udf.agg.builtin(name="sum", signature=((dt.boolean,), _SUM))
def _trues(values):  # type: ignore[no-untyped-def]
    """How often a value is true."""
