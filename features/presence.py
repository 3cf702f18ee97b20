"""Exact distinct counts for every window from one pass over (line, value, day).

A value met on day d counts at as_of t in each window that reaches back to d, until a later day on which the line met it
again is known: from then on that later day counts in its stead. So each record is one fact of `windows`, known from `since`
to `until`, and facts add up: no window needs a count of its own. Of several records of one day all but one have no time to
count in, so they need not be put together first.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from features.engine import Engine
from features.feature import LONGEST, Presence
from features.windows import NEVER, segment_of, spread

_KEYS = ("line", "value")


def distinct_segments(engine: Engine, met: ir.Table, presences: list[Presence], snapshots: ir.Table) -> dict[str, ir.Table]:
    """How many values each line last met, or freshly met, in each segment of days before each as_of.

    met: line, day, known_day, gone_day, value; one row an event, from 28 days before the longest window where a presence is
    fresh. presences: all of the same source and column. Returns for each presence's name a table of line, as_of_day, segment
    and that name.
    """
    label = f"{presences[0].source}_{presences[0].column}"
    met = met.filter(met.value.notnull())
    if all(presence.few for presence in presences):
        values = met.select("value").distinct()
        coded = engine.store(f"{label}_values", values.mutate(code=ibis.row_number().over(order_by=values.value).cast("int32")))
        met = met.join(coded, "value").select("line", "day", "known_day", "gone_day", value=coded.code)
        # Of the records that stand, the one known first tells all that the others of its day could.
        met = met.group_by("line", "day", "gone_day", "value").aggregate(known_day=met.known_day.min())
        met = met.select("line", "day", "known_day", "gone_day", "value")
    corrected = engine.store(f"{label}_corrected", met.filter(met.gone_day.notnull()).select(*_KEYS).distinct())
    usual, slow = met, None
    if engine.scalar(corrected.count()):
        usual, slow = met.anti_join(corrected, list(_KEYS)), met.semi_join(corrected, list(_KEYS))
    facts = engine.store(f"{label}_facts", _facts(engine, label, usual.mutate(since=usual.known_day)))
    found = {}
    for presence in presences:
        own = facts.filter(facts.fresh_until > facts.since) if presence.fresh else facts
        own = own.mutate(until=own.fresh_until if presence.fresh else own.next_since)
        placed = spread(own.select("line", "day", "since", "until", "n"), snapshots)
        counts = placed.group_by("line", "as_of_day", "segment").aggregate(**{presence.name: placed.n.sum().cast("int64")})
        found[presence.name] = counts if slow is None else ibis.union(counts, _by_snapshot(slow, presence, snapshots))
    return found


def _facts(engine: Engine, label: str, met: ir.Table) -> ir.Table:
    """Facts of records that were never corrected, alike ones counted: line, day, since, next_since, fresh_until, n.

    next_since: the day on which the value's next meeting became known. fresh_until: the day on which a meeting in the 28 days
    before became known (not after `since`: never fresh).
    """
    late = engine.store(f"{label}_late", met.filter(met.known_day > met.day).select(*_KEYS).distinct())
    if not engine.scalar(late.count()):
        return _counted(_prompt(met))
    return _counted(ibis.union(_prompt(met.anti_join(late, list(_KEYS))), _delayed(met.semi_join(late, list(_KEYS)))))


def _prompt(met: ir.Table) -> ir.Table:
    """For values whose every record was known on its own day: only the neighbouring records matter."""
    along = ibis.window(group_by=list(_KEYS), order_by="day")
    days = met.select("line", "day", "since", following=met.day.lead().over(along), gap=met.day - met.day.lag().over(along))
    return days.select(
        "line",
        "day",
        "since",
        next_since=days.following.fill_null(NEVER).cast("int32"),
        fresh_until=ibis.cases((days.gap <= LONGEST, days.day), else_=NEVER).cast("int32"),
    )


def _delayed(met: ir.Table) -> ir.Table:
    """For values with late records: what counts changes on the day each record became known."""
    along = {"group_by": list(_KEYS), "order_by": "day"}
    following = met.since.min().over(ibis.window(**along, rows=(1, None)))
    before = met.since.min().over(ibis.window(**along, range=(-LONGEST, -1)))
    # Several records of one day: the one known first stands for the day's freshness.
    first = ibis.row_number().over(ibis.window(group_by=[*_KEYS, "day"], order_by="since")) == 0
    return met.select(
        "line",
        "day",
        "since",
        next_since=following.fill_null(NEVER).cast("int32"),
        fresh_until=ibis.cases((first, before.fill_null(NEVER)), else_=met.since).cast("int32"),
    )


def _counted(facts: ir.Table) -> ir.Table:
    """Counts alike facts. Past the longest window all gaps are alike."""

    def clipped(until: ir.IntegerValue) -> ir.IntegerValue:
        return ibis.cases((until > facts.day + LONGEST, NEVER), else_=until).cast("int32")

    facts = facts.mutate(next_since=clipped(facts.next_since), fresh_until=clipped(facts.fresh_until))
    return facts.group_by("line", "day", "since", "next_since", "fresh_until").aggregate(n=facts.count())


def _by_snapshot(met: ir.Table, presence: Presence, snapshots: ir.Table) -> ir.Table:
    """For the few values with corrected records: what was visible is worked out anew at each as_of."""
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
    days = seen.select("line", "as_of_day", "value", "day").distinct()
    key = ["line", "as_of_day", "value"]
    if presence.fresh:
        gap = days.day - days.day.lag().over(ibis.window(group_by=key, order_by="day"))
        kept = days.mutate(gap=gap)
        kept = kept.filter((kept.gap.isnull() | (kept.gap > LONGEST)) & (kept.as_of_day <= kept.day + LONGEST))
    else:
        kept = days.group_by(*key).aggregate(day=days.day.max())
    kept = kept.mutate(segment=segment_of(kept.as_of_day - kept.day))
    return kept.group_by("line", "as_of_day", "segment").aggregate(**{presence.name: kept.count().cast("int64")})
