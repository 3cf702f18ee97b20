"""How often each value occurs within a group of events: by groups of their own, as any engine can, or by DuckDB's lists.

Where events are many, `kernels.tally` counts them, without either.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from features.windows import beside

_INTEGERS = dt.Array(dt.int64)
_COUNTS = dt.Map(dt.int64, dt.int64)
_PAIRS = dt.Array(dt.Struct({"value": dt.int64, "of": dt.int64}))
_SUM = dt.Decimal(38, 0)
"""The type that DuckDB gives the sum of integers."""
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


def by_lists(
    view: Callable[[str, ir.Table], ir.Table], name: str, events: ir.Table, keys: Sequence[str], tallies: Mapping[str, Tally]
) -> ir.Table:
    """The same by DuckDB: what the events of a group have is listed, and lists are counted one by one."""
    pairs = {label: tally for label, tally in tallies.items() if tally.of is not None}
    lists = {label: (_pair(tally) if label in pairs else tally.value) for label, tally in tallies.items()}
    # Views, so that each step is worked out once.
    held = view(
        f"{name}_lists",
        events.group_by(*keys).aggregate(**{label: value.collect(include_null=True) for label, value in lists.items()}),
    )
    counts = {label: _counts(_part(held[label], "value") if label in pairs else held[label]) for label in tallies}
    each = view(f"{name}_each", held.mutate(**counts, **{f"{label}_pairs": held[label] for label in pairs}))
    apart = {label: _counts_of(each[f"{label}_pairs"], each[label]) for label in pairs}
    counted = view(f"{name}_counted", each.mutate(**apart).drop(*[f"{label}_pairs" for label in pairs]))
    told = counted.select(
        *keys,
        **{
            f"{label}_{figure}": value
            for label, tally in tallies.items()
            for figure, value in zip(FIGURES, _of_list(counted[label], tally.often), strict=True)
        },
    )
    return told.select(*keys, **_figures(told, tallies))


def _of_list(counts: ir.ArrayValue, often: int) -> tuple[ir.Value, ...]:
    """The figures of a list of counts."""
    frequent, shared = counts.filter(lambda n: n >= often), counts.filter(lambda n: n > 1)
    return counts.length(), counts.maxs(), frequent.length(), shared.sums()


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


# Those of Ibis ask first whether what they are given is null, and work it out for that, too.
@ibis.udf.scalar.builtin(name="map_values", signature=((_COUNTS,), _INTEGERS))
def _values(counts):  # type: ignore[no-untyped-def]
    """The counts of a histogram."""


@ibis.udf.scalar.builtin(name="list_histogram", signature=((_INTEGERS,), _COUNTS))
def _histogram(values):  # type: ignore[no-untyped-def]
    """How often each value of a list occurs; null is none."""


@ibis.udf.scalar.builtin(name="list_unique", signature=((_INTEGERS,), dt.int64))
def _different(values):  # type: ignore[no-untyped-def]
    """How many different values a list has; null is none."""


@ibis.udf.scalar.builtin(name="list_distinct", signature=((_PAIRS,), _PAIRS))
def _once(pairs):  # type: ignore[no-untyped-def]
    """The different pairs of a list."""


def _pair(tally: Tally) -> ir.Value:
    assert tally.of is not None
    pair = ibis.struct({"value": tally.value, "of": tally.of})
    return ibis.cases((tally.value.notnull() & tally.of.notnull(), pair))


def _part(pairs: ir.ArrayValue, name: str) -> ir.ArrayValue:
    return pairs.map(lambda pair: pair[name])


def _counts(values: ir.ArrayValue) -> ir.ArrayValue:
    return _values(_histogram(values))


def _counts_of(pairs: ir.ArrayValue, each: ir.ArrayValue) -> ir.ArrayValue:
    """How many different `of` come with each value, from how many pairs do: mostly one, and then none need be told apart."""
    alone = (each.length() == pairs.length()) | (each.length() == _different(_part(pairs, "of")))
    return ibis.cases((alone, each.map(lambda n: n * 0 + 1)), else_=_counts(_part(_once(pairs), "value")))
