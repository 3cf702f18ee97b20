"""Line-days: every event table boiled down to one row a line and local day, in versions as facts became known.

A line-day whose records all became known on one day has one version. One with late or corrected records has a version from
each day on which what was known of it changed, so that a feature at any as_of reads the line-day as it was known then.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from features.engine import Engine
from features.events import Surroundings
from features.feature import Measure
from features.windows import NEVER, beside

BURST_CALLS = 3
"""Calls within one clock minute from which the minute is a burst."""
PESTERED_CALLS = 3
"""Calls to one callee on a day from which the callee is pestered."""
SEVERE_CHANNELS = ("carrier", "regulator")
"""Channels of complaints that a carrier acts on by itself."""
TRAVEL_S = 1800
"""Seconds within which nobody travels from one region to another."""
_KEYS = ("line", "day", "since")


@dataclass(frozen=True)
class Layers:
    """Events of one table with the version of the line-day they belong to (`since`), and how long each version holds."""

    events: ir.Table
    until: ir.Table

    def dated(self, facts: ir.Table) -> ir.Table:
        """Adds `until` to facts that have line, day, since."""
        joined = facts.left_join(self.until, list(_KEYS))
        return joined.select(facts, until=joined.until.fill_null(NEVER).cast("int32"))


def layer(engine: Engine, name: str, events: ir.Table) -> Layers:
    """Splits events into versions of their line-days; the usual line-day, known at once, has one."""
    spans = events.group_by("line", "day").aggregate(
        lo=events.known_day.min(), hi=events.known_day.max(), gone=events.gone_day.count()
    )
    mixed = engine.store(f"{name}_mixed", spans.filter((spans.lo != spans.hi) | (spans.gone > 0)).select("line", "day"))
    parts = events.semi_join(mixed, ["line", "day"])
    cuts = ibis.union(
        parts.select("line", "day", since=parts.known_day),
        parts.filter(parts.gone_day.notnull()).select("line", "day", since=parts.gone_day),
        distinct=True,
    )
    following = cuts.since.lead().over(ibis.window(group_by=["line", "day"], order_by="since"))
    until = engine.store(f"{name}_until", cuts.mutate(until=following))
    # An event of a mixed line-day belongs to each version it stood in; one of another line-day meets no cut.
    versions = events.left_join(until, ["line", "day"]).select(events, cut=until.since)
    seen = (versions.known_day <= versions.cut) & (versions.gone_day.isnull() | (versions.gone_day > versions.cut))
    versions = versions.filter(versions.cut.isnull() | seen)
    return Layers(versions.mutate(since=versions.cut.fill_null(versions.known_day).cast("int32")).drop("cut"), until)


def line_days(events: ir.Table, measures: list[Measure], **more: ir.Value) -> ir.Table:
    """Adds up each measure that has a `row` over the events of each line-day version; `more`: other aggregates of them."""
    sums = {m.name: m.row(events).cast("int64").sum().cast("int64") for m in measures if m.row is not None}
    return events.group_by(*_KEYS).aggregate(**{**more, **sums})


def calendar_measures(tiles: ir.Table, calendar: ir.Table) -> ir.Table:
    """Calls on weekends and public holidays, and the day itself (for "days since")."""
    joined = tiles.left_join(calendar, "day")
    return joined.select(
        tiles,
        weekend_calls=joined.calls * joined.weekend,
        holiday_calls=joined.calls * joined.holiday,
        call_day=joined.day.cast("int64"),
        active_days=ibis.literal(1, type="int64"),
        calls_squared=joined.calls * joined.calls,
    )


def pace_measures(events: ir.Table) -> ir.Table:
    """How densely a line called: its busiest clock hour and minute, bursts, and hours with calls."""
    minutes = events.group_by(*_KEYS, minute=(events.local_second // 60).cast("int32")).aggregate(n=events.count())
    hours = minutes.group_by(*_KEYS, hour=minutes.minute // 60).aggregate(
        n=minutes.n.sum(), most=minutes.n.max(), minutes=minutes.count(), bursts=(minutes.n >= BURST_CALLS).cast("int64").sum()
    )
    return hours.group_by(*_KEYS).aggregate(
        busiest_hour=hours.n.max().cast("int64"),
        busiest_minute=hours.most.max().cast("int64"),
        burst_minutes=hours.bursts.sum().cast("int64"),
        active_minutes=hours.minutes.sum().cast("int64"),
        active_hours=hours.count().cast("int64"),
    )


def callee_measures(events: ir.Table) -> ir.Table:
    """Whom a line called on a day.

    Different callees, most calls to one, callees called three times or more, callees that share their block of 100 numbers
    with another, and the most callees of one block.
    """
    pairs = events.filter(events.callee_id.notnull())
    pairs = pairs.group_by(*_KEYS, "callee_block", "callee_id").aggregate(n=pairs.count())
    blocks = pairs.group_by(*_KEYS, "callee_block").aggregate(
        callees=pairs.count(), most=pairs.n.max(), pestered=(pairs.n >= PESTERED_CALLS).cast("int64").sum()
    )
    blocked = blocks.callee_block.notnull()
    return blocks.group_by(*_KEYS).aggregate(
        day_callees=blocks.callees.sum().cast("int64"),
        most_to_one=blocks.most.max().cast("int64"),
        pestered_callees=blocks.pestered.sum().cast("int64"),
        block_callees=ibis.cases((blocked & (blocks.callees > 1), blocks.callees), else_=0).sum().cast("int64"),
        largest_block=ibis.cases((blocked, blocks.callees), else_=1).max().cast("int64"),
    )


def travel_measures(engine: Engine, events: ir.Table) -> ir.Table:
    """Changes of region from one call to the next of the same day, and those too fast to be travelled.

    Only line-days that saw two regions are put in order; a line-day with one region has 0, one with none is missing.
    """
    placed = events.filter(events.region.notnull())
    range_ = placed.group_by(*_KEYS).aggregate(low=placed.region.min(), high=placed.region.max())
    days = engine.store("region_days", range_)
    several = placed.semi_join(days.filter(days.low != days.high), list(_KEYS))
    order = ibis.window(group_by=list(_KEYS), order_by=["started_s", "region"])
    steps = several.mutate(
        moved=several.region != several.region.lag().over(order),
        pause=several.started_s - several.started_s.lag().over(order),
    )
    counts = steps.group_by(*_KEYS).aggregate(
        region_switches=steps.moved.cast("int64").sum().cast("int64"),
        fast_switches=(steps.moved & (steps.pause < TRAVEL_S)).cast("int64").sum().cast("int64"),
    )
    joined = days.left_join(counts, list(_KEYS))
    return joined.select(
        *[days[key] for key in _KEYS],
        region_switches=joined.region_switches.fill_null(0),
        fast_switches=joined.fast_switches.fill_null(0),
    )


def narrow(engine: Engine, events: ir.Table) -> ir.Table:
    """What the measures of pace, callees and travel read of calls, kept once: regions as small integers, whole seconds."""
    regions = events.filter(events.region.notnull()).select("region").distinct()
    coded = engine.store("call_regions", regions.mutate(code=ibis.row_number().over(order_by=regions.region).cast("int32")))
    joined = events.left_join(coded, "region")
    return engine.store(
        "call_layers",
        joined.select(
            *[events[name] for name in (*_KEYS, "local_second", "callee_id", "callee_block")],
            started_s=events.started_at.epoch_seconds().cast("int64"),
            region=coded.code,
        ),
    )


def call_tiles(engine: Engine, events: ir.Table, measures: list[Measure], around: Surroundings, calendar: ir.Table) -> ir.Table:
    """The line-days of calls: line, day, since, until, a column a measure, and the carrier and home_region behind them."""
    layers = layer(engine, "calls", events)
    placed = around.of_calls(layers.events)
    base = engine.store("call_sums", line_days(placed, measures, calls=placed.count().cast("int64")))
    table = calendar_measures(base, calendar)
    few = narrow(engine, layers.events)
    parts = {
        "call_pace": pace_measures(few),
        "call_callees": callee_measures(few),
        "call_travel": travel_measures(engine, few),
    }
    table = beside(table, *[(engine.store(name, part), _KEYS) for name, part in parts.items()])
    dated = engine.store("call_dated", layers.dated(table))
    tiles = engine.store("call_tiles", around.of_lines(dated))
    engine.drop("call_sums", "call_layers", "call_regions", *parts, "region_days", "calls_mixed", "calls_until", "call_dated")
    return tiles


def message_tiles(engine: Engine, events: ir.Table, measures: list[Measure]) -> ir.Table:
    """The line-days of messages: counts and the busiest clock hour."""
    layers = layer(engine, "messages", events)
    base = line_days(layers.events, measures)
    seen = layers.events
    hours = seen.group_by(*_KEYS, hour=(seen.local_second // 3600).cast("int32")).aggregate(n=seen.count())
    busiest = hours.group_by(*_KEYS).aggregate(message_hour=hours.n.max().cast("int64"))
    table = base.left_join(busiest, list(_KEYS)).select(base, busiest.message_hour)
    return engine.store("message_tiles", layers.dated(table))


def complaint_tiles(engine: Engine, events: ir.Table, measures: list[Measure]) -> ir.Table:
    """The line-days of complaints: counts, and the day itself, of severe ones too (for "days since")."""
    layers = layer(engine, "complaints", events)
    seen = layers.events
    severe = seen.day.max(where=seen.channel.isin(SEVERE_CHANNELS)).cast("int64")
    base = line_days(seen, measures, severe_day=severe)
    return engine.store("complaint_tiles", layers.dated(base.mutate(complaint_day=base.day.cast("int64"))))
