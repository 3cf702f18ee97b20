"""Exact distinct counts for every window from one pass over (line, value, day).

A value met on a day counts in a window unless the line met it on an earlier day of that window, too: so the day on which it was
met before, looked up once, tells every window. A record counts from the day on which it became known. What was met before stays
what it is as long as the earlier record was known no later and none was taken back, which is nearly always; the few values of
which that is not true are worked out anew at each as_of.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.engine import Engine
from features.feature import LONGEST, WINDOWS, Need, Presence
from features.windows import NEVER, segment_of, spread

_KEYS = ("line", "value")
_PLACED = ("line", "as_of_day", "segment", "before", "n")


def distinct_windows(engine: Engine, met: ir.Table, needs: list[Need], snapshots: ir.Table) -> ir.Table:
    """How many values each line met, or freshly met, in each window before each as_of.

    met: line, day, known_day, gone_day, value; one row an event, from 28 days before the longest window where a presence is
    fresh. needs: of presences of one source and column. Returns line, as_of_day and a column a need.
    """
    presences = [need.what for need in needs if isinstance(need.what, Presence)]
    label = f"{presences[0].source}_{presences[0].column}"
    met = met.filter(met.value.notnull())
    if all(presence.few for presence in presences):
        met = _once_a_day(engine, label, met)
    odd = engine.store(f"{label}_odd", _odd(met))
    slow = None
    if engine.scalar(odd.count()):
        met, slow = met.anti_join(odd, list(_KEYS)), met.semi_join(odd, list(_KEYS))
    placed = spread(engine.store(f"{label}_facts", _facts(met)), snapshots).select(*_PLACED)
    if slow is not None:
        placed = ibis.union(placed, _by_snapshot(slow, snapshots).select(*_PLACED))
    counts = {need.column: _count(placed, need) for need in needs}
    table = engine.store(f"{label}_windows", placed.group_by("line", "as_of_day").aggregate(**counts))
    engine.drop(f"{label}_odd", f"{label}_facts", f"{label}_values")
    return table


def _count(placed: ir.Table, need: Need) -> ir.IntegerValue:
    """Values met in the window and not on an earlier day of it; fresh ones: on no day of the 28 before."""
    inside = placed.segment <= WINDOWS.index(need.days)
    first = placed.before.isnull()
    if isinstance(need.what, Presence) and not need.what.fresh:
        first = first | (placed.before < placed.as_of_day - need.days)
    return placed.n.sum(where=inside & first).cast("int64")


def _once_a_day(engine: Engine, label: str, met: ir.Table) -> ir.Table:
    """Few values, met over and over: small numbers in their place, and of a day's records that stand the one known first."""
    values = met.select("value").distinct()
    coded = engine.store(f"{label}_values", values.mutate(code=ibis.row_number().over(order_by=values.value).cast("int32")))
    met = met.join(coded, "value").select("line", "day", "known_day", "gone_day", value=coded.code)
    met = met.group_by("line", "day", "gone_day", "value").aggregate(known_day=met.known_day.min())
    return met.select("line", "day", "known_day", "gone_day", "value")


def _odd(met: ir.Table) -> ir.Table:
    """Values with a record that was taken back, or that became known after a later day's record had."""
    # Only a record known two days late or more can be overtaken by one of a later day.
    late = met.semi_join(met.filter(met.known_day > met.day + 1).select(*_KEYS).distinct(), list(_KEYS))
    along = ibis.window(group_by=list(_KEYS), order_by=["day", "known_day"])
    steps = late.mutate(earlier=late.day.lag().over(along), heard=late.known_day.lag().over(along))
    overtaken = steps.filter((steps.earlier < steps.day) & (steps.heard > steps.known_day)).select(*_KEYS)
    return ibis.union(met.filter(met.gone_day.notnull()).select(*_KEYS), overtaken, distinct=True)


def _facts(met: ir.Table) -> ir.Table:
    """Values met by a line on a day and known from one day on, counted by `before`, the day on which they were met before.

    before: null where that is more than 28 days earlier, or never: no window reaches both.
    """
    along = ibis.window(group_by=list(_KEYS), order_by=["day", "known_day"])
    steps = met.select("line", "day", since="known_day", earlier=met.day.lag().over(along))
    steps = steps.filter(steps.earlier.isnull() | (steps.earlier < steps.day))  # of one day's records the one known first
    before = ibis.cases((steps.day - steps.earlier <= LONGEST, steps.earlier)).cast("int32")
    steps = steps.select("line", "day", "since", before=before)
    facts = steps.group_by("line", "day", "since", "before").aggregate(n=steps.count())
    return facts.mutate(until=ibis.literal(NEVER, type="int32"))


def _by_snapshot(met: ir.Table, snapshots: ir.Table) -> ir.Table:
    """The same at each as_of, one by one, from what was visible there."""
    seen = met.join(
        snapshots,
        [
            met.day < snapshots.as_of_day,
            snapshots.as_of_day <= met.day + 2 * LONGEST,
            met.known_day < snapshots.as_of_day,
            met.gone_day.isnull() | (met.gone_day >= snapshots.as_of_day),
        ],
    )
    days = seen.select("line", "as_of_day", "value", "day").distinct()
    along = ibis.window(group_by=["line", "as_of_day", "value"], order_by="day")
    days = days.mutate(earlier=days.day.lag().over(along))
    days = days.filter(days.as_of_day <= days.day + LONGEST)
    before = ibis.cases((days.day - days.earlier <= LONGEST, days.earlier)).cast("int32")
    days = days.select("line", "as_of_day", segment=segment_of(days.as_of_day - days.day), before=before)
    return days.group_by("line", "as_of_day", "segment", "before").aggregate(n=days.count())
