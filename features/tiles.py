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
from features.tallies import Tally
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


def line_day_sums(engine: Engine, events: ir.Table, measures: list[Measure], **more: ir.Value) -> dict[str, ir.Value]:
    """The sum of each measure that has a `row` over the events of a line-day version; `more`: other aggregates of them."""
    sums = {measure.name: _summed(engine, measure.row(events)) for measure in measures if measure.row is not None}
    return {**more, **sums}


def _summed(engine: Engine, value: ir.Value) -> ir.IntegerValue:
    """Counts are narrow: a line has far fewer than two billion events on a day, and windows read millions of line-days."""
    total = engine.total(value)
    return total.cast("int32") if value.type().is_boolean() else total


def _begun(second: ir.IntegerValue, seconds: int) -> ir.IntegerValue:
    """When the clock minute or hour of a second began."""
    return second - second % seconds


def calendar_measures(tiles: ir.Table, calendar: ir.Table) -> ir.Table:
    """Calls on weekends and public holidays, and the day itself (for "days since")."""
    joined = tiles.left_join(calendar, "day")
    return joined.select(
        tiles,
        weekend_calls=(joined.calls * joined.weekend).cast("int32"),
        holiday_calls=(joined.calls * joined.holiday).cast("int32"),
        call_day=joined.day,
        active_days=ibis.literal(1, type="int32"),
        calls_squared=joined.calls.cast("int64") * joined.calls.cast("int64"),
    )


def pace_measures(told: ir.Table) -> dict[str, ir.IntegerValue]:
    """How densely a line called: its busiest clock hour and minute, bursts, and hours and minutes with calls.

    told: the tallies of calls by clock minute and by clock hour, as `minutes` and `hours`.
    """
    return {
        "busiest_hour": told.hours_most,
        "busiest_minute": told.minutes_most,
        "burst_minutes": told.minutes_often,
        "active_minutes": told.minutes_different,
        "active_hours": told.hours_different,
    }


def callee_measures(told: ir.Table) -> dict[str, ir.IntegerValue]:
    """Whom a line called on a day; missing where no callee is known.

    Different callees, most calls to one, callees called three times or more, callees that share their block of 100 numbers
    with another, and the most callees of one block. told: the tallies of calls by callee, `callees`, and of callees by block,
    `blocks`.
    """
    known = told.callees_different > 0
    return {
        "day_callees": told.callees_different.nullif(0),
        "most_to_one": told.callees_most,
        "pestered_callees": ibis.cases((known, told.callees_often)),
        "block_callees": ibis.cases((known, told.blocks_shared)),
        "largest_block": ibis.cases((known, told.blocks_most.fill_null(1))),
    }


def travel(engine: Engine, events: ir.Table, counted: ir.Table) -> ir.Table:
    """Changes of region from one call to the next of the same day, and those too fast to be travelled, by line-day version.

    Only those that saw two regions are put in order. counted: the first and last region by name, `low_region` and `high_region`.
    """
    several = engine.store("call_roaming", counted.filter(counted.low_region != counted.high_region).select(*_KEYS))
    placed = events.filter(events.region.notnull()).semi_join(several, list(_KEYS))
    placed = placed.select(*_KEYS, "region", started_s=placed.started_at.epoch_seconds().cast("int64"))
    order = ibis.window(group_by=list(_KEYS), order_by=["started_s", "region"])
    steps = placed.mutate(
        moved=placed.region != placed.region.lag().over(order),
        pause=placed.started_s - placed.started_s.lag().over(order),
    )
    return steps.group_by(*_KEYS).aggregate(
        region_switches=_summed(engine, steps.moved),
        fast_switches=_summed(engine, steps.moved & (steps.pause < TRAVEL_S)),
    )


def travel_measures(counted: ir.Table) -> dict[str, ir.IntegerValue]:
    """As `travel` counts; 0 for a line-day with one region, missing for one with none."""
    placed = counted.low_region.notnull()
    return {name: ibis.cases((placed, counted[name].fill_null(0))) for name in ("region_switches", "fast_switches")}


def call_tiles(engine: Engine, events: ir.Table, measures: list[Measure], around: Surroundings, calendar: ir.Table) -> ir.Table:
    """The line-days of calls: line, day, since, until, integers a measure, and the carrier and home_region behind them."""
    layers = layer(engine, "calls", events)
    placed = layers.events
    tallies = {
        "minutes": Tally(_begun(placed.local_second, 60), often=BURST_CALLS),
        "hours": Tally(_begun(placed.local_second, 3600)),
        "callees": Tally(placed.callee_id, often=PESTERED_CALLS),
        "blocks": Tally(placed.callee_block, of=placed.callee_id),
    }
    told = engine.tallied("call", placed, _KEYS, tallies)
    seen = around.of_calls(placed)
    regions = {"low_region": seen.region.min(), "high_region": seen.region.max()}
    sums = line_day_sums(engine, seen, measures, calls=seen.count().cast("int32"))
    counted = engine.store("call_sums", seen.group_by(*_KEYS).aggregate(**sums, **regions))
    moves = engine.store("call_travel", travel(engine, layers.events, counted))
    whole = layers.dated(beside(calendar_measures(counted, calendar), (moves, _KEYS), (told, _KEYS)))
    found = {**pace_measures(whole), **callee_measures(whole), **travel_measures(whole)}
    spent = [*regions, *[column for column in told.columns if column not in _KEYS]]
    table = whole.mutate(**{name: value.cast("int32") for name, value in found.items()}).drop(*spent)
    return around.of_lines(table)


def message_tiles(engine: Engine, events: ir.Table, measures: list[Measure]) -> ir.Table:
    """The line-days of messages: counts and the busiest clock hour."""
    layers = layer(engine, "messages", events)
    seen = layers.events
    told = engine.tallied("message", seen, _KEYS, {"hours": Tally(_begun(seen.local_second, 3600))})
    counted = seen.group_by(*_KEYS).aggregate(**line_day_sums(engine, seen, measures))
    busiest = told.select(*_KEYS, message_hour=told.hours_most.cast("int32"))
    return layers.dated(beside(counted, (busiest, _KEYS)))


def complaint_tiles(engine: Engine, events: ir.Table, measures: list[Measure]) -> ir.Table:
    """The line-days of complaints: counts, and the day itself, of severe ones too (for "days since")."""
    layers = layer(engine, "complaints", events)
    seen = layers.events
    severe = seen.day.max(where=seen.channel.isin(SEVERE_CHANNELS))
    base = seen.group_by(*_KEYS).aggregate(**line_day_sums(engine, seen, measures, severe_day=severe))
    return layers.dated(base.mutate(complaint_day=base.day))


def passing(source: str) -> list[str]:
    """The tables stored for the line-days of an event table."""
    own = {"calls": ("call_sums", "call_tallied", "call_roaming", "call_travel"), "messages": ("message_tallied",)}
    return [f"{source}_mixed", f"{source}_until", *own.get(source, ())]
