"""The one place that applies windows and the knowledge time.

Everything a line did is kept as facts with three local days: `day` (it happened), `since` (it was known on this
day) and `until` (on this day something that became known made the fact void; NEVER when nothing did). A fact counts at
as_of day t in a window of w days when

    t - w <= day < t   and   since < t <= until.

Windows of different length share their work: the age t - day of a fact falls into one segment (1, 2-3, 4-7, 8-14,
15-28 days), facts are added up by segment once, and each window is the sum of its segments.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.feature import LONGEST, WINDOWS, Need, Presence

NEVER = 2**30
"""A day after all days."""


def segment_of(age: ir.IntegerValue) -> ir.IntegerValue:
    """The index of the shortest window that an event `age` = as_of - day days old falls into."""
    return ibis.cases(*[(age <= days, index) for index, days in enumerate(WINDOWS)], else_=len(WINDOWS)).cast("int32")


def spread(facts: ir.Table, snapshots: ir.Table) -> ir.Table:
    """Facts, each once for every as_of day at which it counts, with its segment.

    facts: day, since, until and anything else. snapshots: as_of_day. Adds as_of_day and segment, takes the three days away.
    """
    days = facts.select("day", "since", "until").distinct()
    age = snapshots.as_of_day - days.day
    when = days.join(
        snapshots,
        [
            days.day < snapshots.as_of_day,
            snapshots.as_of_day <= days.day + LONGEST,
            days.since < snapshots.as_of_day,
            snapshots.as_of_day <= days.until,
        ],
    ).select(days.day, days.since, days.until, snapshots.as_of_day, segment=segment_of(age))
    return facts.join(when, ["day", "since", "until"]).drop("day", "since", "until")


def by_segment(spread_facts: ir.Table, needs: list[Need]) -> ir.Table:
    """Adds facts up: one row a line, as_of day and segment; a sum or a maximum for each measure needed."""
    sums = sorted({need.what.name for need in needs if need.how != "peak"})
    peaks = sorted({need.what.name for need in needs if need.how == "peak"})
    return spread_facts.group_by("line", "as_of_day", "segment").aggregate(
        **{f"{name}__sum": spread_facts[name].sum().cast("int64") for name in sums},
        **{f"{name}__max": spread_facts[name].max().cast("int64") for name in peaks},
    )


def by_window(segments: ir.Table, needs: list[Need]) -> ir.Table:
    """Turns segments into windows: one row a line and as_of day, a column for each need (null: no event)."""
    columns = {}
    for need in needs:
        inside = segments.segment <= WINDOWS.index(need.days)
        if need.how == "peak":
            columns[need.column] = segments[f"{need.what.name}__max"].max(where=inside)
        else:
            columns[need.column] = segments[f"{need.what.name}__sum"].sum(where=inside).cast("int64")
    return segments.group_by("line", "as_of_day").aggregate(**columns)


def beside(frame: ir.Table, *parts: tuple[ir.Table, Sequence[str]]) -> ir.Table:
    """A frame with the columns of tables that have at most one row for its keys, null where they have none.

    parts: each table with the columns it shares with the frame.
    """
    frame = frame.view()  # a frame that is itself a join would be joined as one chain, without its computed columns
    joined = frame
    for index, (part, keys) in enumerate(parts):
        joined = joined.left_join(part, [frame[key] == part[key] for key in keys], rname=f"{{name}}__{index}")
    return joined.select(frame, *[part[column] for part, keys in parts for column in part.columns if column not in keys])


def fill(frame: ir.Table, needs: list[Need]) -> ir.Table:
    """Makes 0 of "no event" and keeps "not known" missing.

    frame: one row an eligible line and as_of day. A measure from an optional table or column is 0 for a line without events
    only when some line has a value in the 28 days before as_of; else nobody records it, and it is missing for all.
    """
    proofs = sorted({_proof(need).column for need in needs if need.what.optional and need.what.zero})
    counts = (
        frame.group_by("as_of_day").aggregate(**{f"{name}__rows": frame[name].count() for name in proofs}) if proofs else None
    )
    joined = frame if counts is None else beside(frame, (counts, ["as_of_day"]))
    columns: dict[str, ir.Value] = {}
    for need in needs:
        if not need.what.zero:
            continue
        value = joined[need.column]
        if need.what.optional:
            recorded = joined[f"{_proof(need).column}__rows"] > 0
            columns[need.column] = ibis.cases((recorded, value.fill_null(0)), else_=value)
        else:
            columns[need.column] = value.fill_null(0)
    return joined.mutate(**columns)


def _proof(need: Need) -> Need:
    """What shows that an optional table or column is recorded: any value in the longest window, new to the line or not."""
    what = need.what
    if isinstance(what, Presence) and what.fresh_of is not None:
        what = what.fresh_of
    return Need(what, need.how, LONGEST)


def with_longest(needs: set[Need]) -> list[Need]:
    """The needs in a fixed order, and what `fill` reads beside each optional one."""
    return sorted(needs | {_proof(need) for need in needs if need.what.optional}, key=lambda need: need.column)
