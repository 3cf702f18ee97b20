"""What is worked out of each local day's events once, and read by every as_of day after it.

tiles: the line-days (`tiles`), one row a line and version of a day. values: few values met over and over (regions, devices), one
row a line, day and value. facts, odd: when the values met on a day were met before (`presence`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from features import events, presence, tiles
from features.engine import Engine
from features.events import Surroundings
from features.feature import Measure, Need, Presence


@dataclass(frozen=True)
class Kinds:
    """What the needs ask of one event table: measures, and columns whose values count; of those, which have few values."""

    source: str
    measures: list[Measure]
    columns: list[str]
    few: list[str]

    @property
    def many(self) -> list[str]:
        """Columns in which most values are met once."""
        return [name for name in self.columns if name not in self.few]

    def number(self, column: str) -> int:
        """The number by which a column goes."""
        return self.columns.index(column)


def kinds_of(source: str, needs: Collection[Need]) -> Kinds:
    """What the needs ask of an event table, in a fixed order."""
    own = [need.what for need in needs if need.what.source == source]
    measures = {what.name: what for what in own if isinstance(what, Measure)}
    presences = [what for what in own if isinstance(what, Presence)]
    columns = sorted({what.column for what in presences})
    many = {what.column for what in presences if not what.few}
    return Kinds(source, [measures[name] for name in sorted(measures)], columns, [name for name in columns if name not in many])


def read_events(engine: Engine, source: str, raw: ir.Table, numbers: ir.Table) -> ir.Table:
    """The events of some days, worked on several times."""
    make = {"calls": events.calls, "messages": events.messages, "complaints": events.complaints}[source]
    return engine.store(f"{source}_events", make(raw, numbers))


def line_days(engine: Engine, kinds: Kinds, placed: ir.Table, around: Surroundings | None, calendar: ir.Table | None) -> ir.Table:
    """The line-days of some days' events, worked out when they are read; then `passing` may go."""
    if kinds.source == "messages":
        return tiles.message_tiles(engine, placed, kinds.measures)
    if kinds.source == "complaints":
        return tiles.complaint_tiles(engine, placed, kinds.measures)
    assert around is not None and calendar is not None
    return tiles.call_tiles(engine, placed, kinds.measures, around, calendar)


def passing(source: str) -> list[str]:
    """The tables stored for the days of an event table."""
    return [f"{source}_events", f"{source}_together", *tiles.passing(source)]


def day_values(engine: Engine, kinds: Kinds, raw: ir.Table, numbers: ir.Table) -> ir.Table:
    """The few values that lines met on some days, from raw events; texts, beside the numbers of their columns."""
    # The values of a call seldom change from one call of a line to the next: what is left is a small part of the calls.
    kept = raw.select("line_id", "day", "known_day", "gone_day", *kinds.few).distinct()
    together = engine.store(f"{kinds.source}_together", events.numbered(kept, numbers))
    parts = []
    for name in kinds.few:
        met = presence.once_a_day(presence.records(together, name))
        parts.append(met.mutate(what=ibis.literal(kinds.number(name), type="int32"), value=met.value.cast("string")))
    return _together(parts)


def codes(engine: Engine, kinds: Kinds, met: ir.Table) -> ir.Table:
    """Numbers of the few values met on some days, see `presence.codes`: what else was met before them, nobody asks."""
    return presence.codes(engine, f"{kinds.source}_met", len(kinds.columns), met)


def met_before(
    engine: Engine, kinds: Kinds, met: ir.Table, past: ir.Table, numbers: ir.Table, few: Sequence[ir.Table]
) -> tuple[ir.Table, ir.Table]:
    """Facts, as they are kept, and odd records of consecutive days. met, past: raw events of these days and of the 28 before.

    few: their few values as numbers (`presence.coded`); none where no column has few.
    """
    label = f"{kinds.source}_met"
    found = []
    if few:
        now, then = few
        found.append(presence.met_before(engine, label, now, then, columns=len(kinds.columns)))
    for column in kinds.many:
        now, then = (_records(raw, column, numbers) for raw in (met, past))
        # Most values of a day were not met before: those that were are few, and only their lines need numbers.
        near = _records(past.semi_join(met, column), column, numbers)
        found.append(presence.met_before(engine, label, now, then, near, what=kinds.number(column)))
    facts, odd = zip(*found, strict=True)
    return presence.sorted_out(_together(facts)), _together(odd)


def _records(raw: ir.Table, column: str, numbers: ir.Table) -> ir.Table:
    kept = raw.select("line_id", "day", "known_day", "gone_day", column)
    return presence.records(events.numbered(kept, numbers), column)


def _together(parts: Sequence[ir.Table]) -> ir.Table:
    return parts[0] if len(parts) == 1 else ibis.union(*parts)
