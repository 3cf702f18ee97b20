"""Exact distinct counts for every window from one pass over (line, value, day).

A value met on day d counts at as_of t in each window that reaches back to d, until a later day on which the line met it
again is known: from then on that later day counts in its stead. So each (line, value, day) is one fact of `windows`, known
from `since` to `until`, and facts add up: no window needs a count of its own.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.engine import Engine
from features.feature import LONGEST, Presence
from features.windows import NEVER, segment_of, spread


def distinct_segments(engine: Engine, events: ir.Table, presence: Presence, snapshots: ir.Table) -> ir.Table:
    """line_id, as_of_day, segment and `presence.name`: how many values the line last met (or freshly met) in that segment.

    events: line_id, day, known_day, gone_day and the presence's column; for a fresh presence they reach 28 days further back.
    """
    met = events.filter(events[presence.column].notnull()).select(
        "line_id", "day", "known_day", "gone_day", value=events[presence.column]
    )
    corrected = engine.store(f"{presence.name}_corrected", met.filter(met.gone_day.notnull()).select("line_id").distinct())
    facts = met
    slow = None
    if engine.scalar(corrected.count()):
        slow = _by_snapshot(met.semi_join(corrected, "line_id"), presence, snapshots)
        facts = met.anti_join(corrected, "line_id")
    fast = _by_gap(engine, facts, presence, snapshots)
    return fast if slow is None else ibis.union(fast, slow)


def _by_gap(engine: Engine, met: ir.Table, presence: Presence, snapshots: ir.Table) -> ir.Table:
    """For records that were never corrected: the next (or previous) day of the same value decides."""
    days = engine.store(f"{presence.name}_days", met.group_by("line_id", "value", "day").aggregate(since=met.known_day.min()))
    late = engine.scalar((days.since > days.day).any())
    per_value = {"group_by": ["line_id", "value"], "order_by": "day"}
    if presence.fresh:
        if late:
            before = days.since.min().over(ibis.window(**per_value, range=(-LONGEST, -1)))
            facts = days.mutate(until=before.fill_null(NEVER))
            facts = facts.filter(facts.until > facts.since)
        else:
            previous = days.day.lag().over(ibis.window(**per_value))
            facts = days.mutate(gap=days.day - previous)
            facts = facts.filter(facts.gap.isnull() | (facts.gap > LONGEST)).mutate(until=ibis.literal(NEVER, type="int32"))
    elif late:
        facts = days.mutate(until=days.since.min().over(ibis.window(**per_value, rows=(1, None))).fill_null(NEVER))
    else:
        facts = days.mutate(until=days.day.lead().over(ibis.window(**per_value)).fill_null(NEVER))
    # Past the longest window every gap is alike: fewer kinds of facts to spread.
    facts = facts.mutate(until=ibis.cases((facts.until > facts.day + LONGEST, NEVER), else_=facts.until).cast("int32"))
    counts = engine.store(
        f"{presence.name}_facts",
        facts.group_by("line_id", "day", "since", "until").aggregate(**{presence.name: facts.count()}),
    )
    engine.drop(f"{presence.name}_days")
    placed = spread(counts, snapshots)
    return placed.group_by("line_id", "as_of_day", "segment").aggregate(
        **{presence.name: placed[presence.name].sum().cast("int64")}
    )


def _by_snapshot(met: ir.Table, presence: Presence, snapshots: ir.Table) -> ir.Table:
    """For the few lines with corrected records: what was visible is worked out anew at each as_of."""
    reach = 2 * LONGEST if presence.fresh else LONGEST
    seen = met.join(
        snapshots,
        [
            met.day < snapshots.as_of_day,
            snapshots.as_of_day <= met.day + reach,
            met.known_day < snapshots.as_of_day,
            met.gone_day.isnull() | (met.gone_day >= snapshots.as_of_day),
        ],
    )
    days = seen.select("line_id", "as_of_day", "value", "day").distinct()
    key = ["line_id", "as_of_day", "value"]
    if presence.fresh:
        gap = days.day - days.day.lag().over(ibis.window(group_by=key, order_by="day"))
        kept = days.mutate(gap=gap)
        kept = kept.filter((kept.gap.isnull() | (kept.gap > LONGEST)) & (kept.as_of_day <= kept.day + LONGEST))
    else:
        kept = days.group_by(*key).aggregate(day=days.day.max())
    kept = kept.mutate(segment=segment_of(kept.as_of_day - kept.day))
    return kept.group_by("line_id", "as_of_day", "segment").aggregate(**{presence.name: kept.count().cast("int64")})
