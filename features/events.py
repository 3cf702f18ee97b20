"""Events as the features read them: each call beside what its line, its carrier and its callee were at that time.

A call is judged by what was known on its own day (the line's home region, the carrier's permitted hours) or before it
was placed (the callee's complaint), so nothing that is learned later changes how an old call counts.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.engine import Engine
from features.localtime import clock_seconds, second_of_clock
from features.windows import NEVER

_BASE = ("day", "known_day", "gone_day", "local_second")


def line_numbers(engine: Engine, lake: Lake) -> ir.Table:
    """line_id and `line`, a small integer that stands for it inside the engine: short keys make fast groups."""
    lines = lake.read(engine.con, "lines").select("line_id").distinct()
    numbered = lines.mutate(line=ibis.row_number().over(order_by=lines.line_id).cast("int32"))
    return engine.store("line_numbers", numbered)


def of_known_lines(rows: ir.Table, numbers: ir.Table) -> ir.Table:
    """Rows of lines that the `lines` table knows, with `line` for their line_id."""
    joined = rows.join(numbers, rows.line_id == numbers.line_id)
    return joined.select(*[rows[name] for name in rows.columns if name != "line_id"], numbers.line)


def line_versions(engine: Engine, lake: Lake, numbers: ir.Table) -> ir.Table:
    """What was known of each line on each day: line, carrier, home_region, from_day and to_day (exclusive)."""
    lines = of_known_lines(lake.read(engine.con, "lines"), numbers)
    first = lines.known_day == lines.known_day.min().over(ibis.window(group_by="line"))
    return lines.select(
        lines.line,
        lines.carrier,
        lines.home_region,
        from_day=ibis.cases((first, -NEVER), else_=lines.known_day).cast("int32"),
        to_day=lines.gone_day.fill_null(NEVER).cast("int32"),
    ).filter(lambda t: t.from_day < t.to_day)


def permitted_hours(engine: Engine, lake: Lake, settings: Settings, first_day: int, last_day: int) -> ir.Table:
    """carrier, day, opens, closes: the permitted hours of each carrier on each day, seconds after midnight.

    The newest policy in force and known on that day; the setting where there is none or it names no hours.
    """
    lines, policies = lake.read(engine.con, "lines"), lake.read(engine.con, "policies")
    days = ibis.range(first_day, last_day + 1).unnest().name("day").as_table().mutate(day=lambda t: t.day.cast("int32"))
    carriers = lines.select("carrier").distinct().cross_join(days)
    ruled = policies.select("carrier", "effective_at", "permitted_from", "permitted_to", "known_day", "gone_day", start="day")
    in_force = (
        carriers.join(ruled, "carrier")
        .filter(lambda t: (t.start <= t.day) & (t.known_day <= t.day) & (t.gone_day.isnull() | (t.gone_day > t.day)))
        .mutate(
            newest=lambda t: ibis.row_number().over(
                ibis.window(group_by=["carrier", "day"], order_by=[ibis.desc("effective_at"), ibis.desc("known_day")])
            )
        )
        .filter(lambda t: t.newest == 0)
        .select("carrier", "day", "permitted_from", "permitted_to")
    )
    hours = settings.features
    return carriers.left_join(in_force, ["carrier", "day"]).select(
        "carrier",
        "day",
        opens=lambda t: second_of_clock(t.permitted_from).fill_null(clock_seconds(hours.permitted_from)),
        closes=lambda t: second_of_clock(t.permitted_to).fill_null(clock_seconds(hours.permitted_to)),
    )


def complainers(engine: Engine, lake: Lake, last_day: int) -> ir.Table:
    """complainer, complained_at: the moment from which it was known that this callee had complained."""
    complaints = lake.read(engine.con, "complaints", None, last_day)
    known = complaints.filter(complaints.callee_id.notnull())
    return known.group_by(complainer=known.callee_id).aggregate(complained_at=known.known_at.min())


def calls(engine: Engine, lake: Lake, numbers: ir.Table, first_day: int, last_day: int) -> ir.Table:
    """Calls of known lines that began on local days first_day to last_day (inclusive)."""
    raw = lake.read(engine.con, "calls", first_day, last_day)
    placed = raw.select(
        *_BASE,
        "line_id",
        "call_id",
        "started_at",
        "callee_id",
        "callee_block",
        "answered",
        "region",
        "device_id",
        duration_ms=(raw.duration_s * 1000).round().cast("int64"),
        ring_ms=(raw.ring_s * 1000).round().cast("int64"),
        disposition=raw.disposition.lower(),
    )
    return of_known_lines(placed, numbers)


class Surroundings:
    """What stood around a call: the line's home region, the carrier's permitted hours, whether the callee had complained."""

    def __init__(self, engine: Engine, lake: Lake, settings: Settings, numbers: ir.Table, first_day: int, last_day: int):
        self._lines = engine.store("line_versions", line_versions(engine, lake, numbers))
        self._hours = engine.store("permitted_hours", permitted_hours(engine, lake, settings, first_day, last_day))
        self._complained = engine.store("complainers", complainers(engine, lake, last_day))

    def around(self, placed: ir.Table) -> ir.Table:
        """Adds home_region, off_hours and to_complainer to calls."""
        lines, hours, complained = self._lines, self._hours, self._complained
        seen = placed.join(lines, [placed.line == lines.line, lines.from_day <= placed.day, placed.day < lines.to_day]).select(
            placed, lines.carrier, lines.home_region
        )
        seen = seen.left_join(hours, ["carrier", "day"]).select(seen, hours.opens, hours.closes)
        within = ibis.cases(
            (seen.opens <= seen.closes, (seen.local_second >= seen.opens) & (seen.local_second < seen.closes)),
            else_=(seen.local_second >= seen.opens) | (seen.local_second < seen.closes),
        )
        seen = seen.mutate(off_hours=~within).drop("opens", "closes", "carrier")
        return seen.left_join(complained, seen.callee_id == complained.complainer).select(
            seen, to_complainer=(complained.complained_at < seen.started_at).fill_null(False)
        )


def complaints(engine: Engine, lake: Lake, numbers: ir.Table, first_day: int, last_day: int) -> ir.Table:
    """Complaints that occurred on local days first_day to last_day (inclusive)."""
    raw = lake.read(engine.con, "complaints", first_day, last_day)
    return of_known_lines(raw.select(*_BASE, "line_id", "channel"), numbers)


def messages(engine: Engine, lake: Lake, numbers: ir.Table, first_day: int, last_day: int) -> ir.Table:
    """Messages sent on local days first_day to last_day (inclusive)."""
    raw = lake.read(engine.con, "messages", first_day, last_day)
    return of_known_lines(raw.select(*_BASE, "line_id"), numbers)
