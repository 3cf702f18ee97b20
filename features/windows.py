"""The one place that applies windows and the knowledge time.

Everything a line did is kept as facts with three local days: `day` (it happened), `since` (it was known on this
day) and `until` (on this day something that became known made the fact void; NEVER when nothing did). A fact counts at
as_of day t in a window of w days when

    t - w <= day < t   and   since < t <= until.

The age t - day of a fact falls into one segment (1, 2-3, 4-7, 8-14, 15-28 days), and each window is some segments. Windows, of
one length or several, share their work: facts that count in exactly the same ones are added up once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from features.feature import LONGEST, WINDOWS, Need, Presence

if TYPE_CHECKING:
    from features.engine import Engine

NEVER = 2**30
"""A day after all days."""
_DAYS = ("day", "since", "until")


def segment_of(age: ir.IntegerValue) -> ir.IntegerValue:
    """The index of the shortest window that an event `age` = as_of - day days old falls into."""
    return ibis.cases(*[(age <= days, index) for index, days in enumerate(WINDOWS)], else_=len(WINDOWS)).cast("int32")


def spread(facts: ir.Table, snapshots: ir.Table) -> ir.Table:
    """Facts, each once for every as_of day at which it counts, with its segment.

    facts: day, since, until and anything else. snapshots: as_of_day. Adds as_of_day and segment, takes the three days away.
    """
    return facts.join(_when(facts, snapshots), list(_DAYS)).drop(*_DAYS)


def _when(facts: ir.Table, snapshots: ir.Table) -> ir.Table:
    """At which as_of days, and in which segment, facts of some days count: the three days, as_of_day and segment."""
    days = facts.select(*_DAYS).distinct()
    counts = [
        days.day < snapshots.as_of_day,
        snapshots.as_of_day <= days.day + LONGEST,
        days.since < snapshots.as_of_day,
        snapshots.as_of_day <= days.until,
    ]
    joined = days.join(snapshots, counts)
    return joined.select(*[days[name] for name in _DAYS], snapshots.as_of_day, segment=segment_of(snapshots.as_of_day - days.day))


def window_sums(engine: Engine, label: str, facts: ir.Table, snapshots: ir.Table, needs: Sequence[Need]) -> ir.Table:
    """The sum or the largest value of each measure needed, over each window before each as_of.

    facts: line, the three days and a column a measure. Returns line, as_of_day and a column a need (null: no event), worked out
    when it is read; then `passing` may go. Facts of days that count in the same windows are added up first, once for all windows.
    """
    when = engine.store(f"{label}_when", _when(facts, snapshots))
    place = when.as_of_day.cast("int64") * len(WINDOWS) + when.segment
    places = when.group_by(*_DAYS).aggregate(places=place.collect().sort())
    alike = places.select(*_DAYS, alike=ibis.dense_rank().over(order_by=places.places).cast("int32"))
    alike = engine.store(f"{label}_alike", alike)
    columns = {(need.what.name, need.how == "peak") for need in needs}
    together = facts.join(alike, list(_DAYS))
    sums = engine.store(
        f"{label}_together",
        together.group_by("line", "alike").aggregate(
            **{_held(name, peak): _added(engine, together[name], peak) for name, peak in sorted(columns)}
        ),
    )
    counted = when.join(alike, list(_DAYS)).select("alike", when.as_of_day, when.segment).distinct()
    placed = sums.join(counted, "alike")

    def window(need: Need) -> ir.IntegerValue:
        peak = need.how == "peak"
        inside = placed.segment <= WINDOWS.index(need.days)
        return _added(engine, ibis.cases((inside, placed[_held(need.what.name, peak)])), peak)

    windows = placed.group_by("line", "as_of_day").aggregate(**{need.column: window(need) for need in needs})
    return engine.view(f"{label}_windows", windows)


def passing(label: str) -> list[str]:
    """The tables that `window_sums` stores for its result."""
    return [f"{label}_{part}" for part in ("together", "when", "alike")]


def _held(name: str, peak: bool) -> str:
    return f"{name}__{'max' if peak else 'sum'}"


def _added(engine: Engine, values: ir.IntegerValue, peak: bool) -> ir.IntegerValue:
    return values.max().cast("int64") if peak else engine.total(values)


def beside(frame: ir.Table, *parts: tuple[ir.Table, Sequence[str]]) -> ir.Table:
    """A frame with the columns of tables that have at most one row for its keys, null where they have none.

    parts: each table with the columns it shares with the frame.
    """
    frame = frame.view()  # a frame that is itself a join would be joined as one chain, without its computed columns
    joined = frame
    for index, (part, keys) in enumerate(parts):
        joined = joined.left_join(part, [frame[key] == part[key] for key in keys], rname=f"{{name}}__{index}")
    return joined.select(frame, *[part[column] for part, keys in parts for column in part.columns if column not in keys])


def fill(engine: Engine, frame: ir.Table, needs: Sequence[Need]) -> ir.Table:
    """Makes 0 of "no event" and keeps "not known" missing.

    frame: one row an eligible line and as_of day, stored, a column a need; where there is none, there was no event at all. A
    measure from an optional table or column is 0 for a line without events only when some line has a value in the 28 days before
    as_of; else nobody records it, and it is missing for all.
    """
    proofs = sorted({proof(need).column for need in needs if need.what.optional and need.what.zero})
    absent = {need.column: ibis.null("int64") for need in needs if need.column not in frame.columns}
    frame = frame.mutate(**absent) if absent else frame
    joined = frame
    if proofs:
        counts = frame.group_by("as_of_day").aggregate(**{f"{name}__rows": frame[name].count() for name in proofs})
        joined = beside(frame, (counts, ["as_of_day"]))
    columns: dict[str, ir.Value] = {}
    for need in needs:
        if not need.what.zero:
            continue
        value = joined[need.column]
        if need.what.optional:
            recorded = joined[f"{proof(need).column}__rows"] > 0
            columns[need.column] = ibis.cases((recorded, value.fill_null(0)), else_=value)
        else:
            columns[need.column] = value.fill_null(0)
    filled = joined.mutate(**columns).select(*frame.columns)
    return engine.view("filled", filled)


def proof(need: Need) -> Need:
    """What shows that an optional table or column is recorded: any value in the longest window, new to the line or not."""
    what = need.what
    if isinstance(what, Presence) and what.fresh_of is not None:
        what = what.fresh_of
    return Need(what, need.how, LONGEST)


def with_longest(needs: set[Need]) -> list[Need]:
    """The needs in a fixed order, and what `fill` reads beside each optional one."""
    return sorted(needs | {proof(need) for need in needs if need.what.optional}, key=lambda need: need.column)
