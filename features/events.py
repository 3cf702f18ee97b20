"""Events as the features read them: each call beside what its line, its carrier and its callee were at that time.

A call is judged by what was known on its own day (the line's home region, the carrier's permitted hours) or before it
was placed (the callee's complaint), so nothing that is learned later changes how an old call counts.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pandas as pd

from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.engine import Engine, Work
from features.localtime import clock_seconds, second_of_clock
from features.programs import Place
from features.windows import NEVER

_BASE = ("day", "known_day", "gone_day", "local_second")


def numbered(rows: ir.Table, numbers: ir.Table) -> ir.Table:
    """Rows with `line`, the small number of their line_id in `numbers`, in its place: short keys make fast groups."""
    joined = rows.join(numbers, rows.line_id == numbers.line_id)
    return joined.select(*[rows[name] for name in rows.columns if name != "line_id"], numbers.line)


def line_versions(engine: Engine, lake: Lake, numbers: ir.Table) -> ir.Table:
    """What was known of each line on each day, stored: line, carrier, home_region, from_day and to_day (exclusive).

    The first version also stands for the days before it was known. Versions of a line do not overlap.
    """
    rows = numbered(engine.known(lake, "lines"), numbers)
    return engine.store("line_versions", versions(rows, "line", "carrier", "home_region"))


def versions(lines: ir.Table, key: str, *columns: str) -> ir.Table:
    """The versions of rows of lines, named by `key`: key, columns, to_day and from_day, as line_versions has them."""
    held = lines.mutate(to_day=lines.gone_day.fill_null(NEVER).cast("int32"))
    held = held.filter(held.known_day < held.to_day)  # one replaced on its own day never stood
    order = ibis.row_number().over(ibis.window(group_by=key, order_by=["known_day", "to_day"]))
    return held.select(key, *columns, "to_day", from_day=ibis.cases((order == 0, -NEVER), else_=held.known_day).cast("int32"))


def beside_versions(facts: ir.Table, standing: ir.Table, key: str, *columns: str) -> ir.Table:
    """Adds columns of the version (see `versions`) that stood of each fact's line on its `day`; null for an unknown line."""
    at_the_time = [facts[key] == standing[key], standing.from_day <= facts.day, facts.day < standing.to_day]
    return facts.left_join(standing, at_the_time).select(facts, *[standing[name] for name in columns])


def permitted_hours(engine: Engine, lake: Lake, settings: Settings, first_day: int, last_day: int) -> ir.Table:
    """carrier, day, opens, closes: the permitted hours of each carrier on each day, seconds after midnight.

    The newest policy in force and known on that day; the setting where there is none or it names no hours.
    """
    days = ibis.range(first_day, last_day + 1).unnest().name("day").as_table().mutate(day=lambda t: t.day.cast("int32"))
    return _hours(engine.known(lake, "lines"), engine.known(lake, "policies"), days, settings)


def _hours(lines: ir.Table, policies: ir.Table, days: ir.Table, settings: Settings) -> ir.Table:
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


def outside(second: ir.NumericValue, opens: ir.NumericValue, closes: ir.NumericValue) -> ir.BooleanValue:
    """Whether a second of the day is outside hours, which may run past midnight; all day is permitted where both ends are one."""
    within = ibis.cases(
        (opens == closes, True),
        (opens < closes, (second >= opens) & (second < closes)),
        else_=(second >= opens) | (second < closes),
    )
    return ~within


def complainers(complaints: ir.Table) -> ir.Table:
    """Who had complained, as it was known at the time: complainer, complained_at, until_day (exclusive).

    One row while some complaint of the callee stands, corrected ones included; several only where all of them were taken back for
    more than the rest of a day.
    """
    known = complaints.filter(complaints.callee_id.notnull()).select(
        "known_at", "known_day", complainer="callee_id", until=lambda t: t.gone_day.fill_null(NEVER).cast("int32")
    )
    order = {"group_by": "complainer", "order_by": ["known_at", "until"]}
    marked = known.mutate(reached=known.until.max().over(ibis.window(**order, rows=(None, -1))))
    marked = marked.mutate(opens=ibis.cases((marked.reached.isnull() | (marked.known_day > marked.reached), 1), else_=0))
    spells = marked.mutate(spell=marked.opens.sum().over(ibis.window(**order, rows=(None, 0))))
    return spells.group_by("complainer", "spell").aggregate(complained_at=spells.known_at.min(), until_day=spells.until.max())


def calls(raw: ir.Table, numbers: ir.Table) -> ir.Table:
    """What measures read of calls as the lake gives them, in the units and with the keys of the engine."""
    placed = raw.select(
        *_BASE,
        "line_id",
        "started_at",
        "callee_id",
        "callee_block",
        "answered",
        "region",
        duration_ms=(raw.duration_s * 1000).round().cast("int64"),
        ring_ms=(raw.ring_s * 1000).round().cast("int64"),
        disposition=raw.disposition.lower(),
    )
    return numbered(placed, numbers)


def of_lines(facts: ir.Table, lines: ir.Table) -> ir.Table:
    """Adds carrier and home_region, as they were known of the line on `day`, to facts; null for an unknown line."""
    return beside_versions(facts, lines, "line", "carrier", "home_region")


class Surroundings:
    """What stood around a call: the line's home region, the carrier's permitted hours, whether the callee had complained.

    lines: from `line_versions`. place: where the statements are kept.
    """

    def __init__(
        self,
        engine: Engine,
        lake: Lake,
        settings: Settings,
        lines: ir.Table,
        first_day: int,
        last_day: int,
        place: Place | None = None,
    ):
        self._lines = lines
        known, policies = engine.known(lake, "lines"), engine.known(lake, "policies")
        span = pd.array(list(range(first_day, last_day + 1)), dtype="int32")
        days = engine.rows("days_around", pd.DataFrame({"day": span}))  # a table: kept statements name no day
        told = lake.read(engine.con, "complaints", None, last_day)
        heard = engine.store("complaints_around", told.select("callee_id", "known_at", "known_day", "gone_day"))

        def work() -> Work:
            hours = engine.store("permitted_hours", _hours(known, policies, days, settings))
            return {"hours": hours, "complained": engine.store("complainers", complainers(heard))}

        hours = settings.features
        made = engine.again(("around", hours.permitted_from, hours.permitted_to), work, place)
        engine.drop("complaints_around")
        self._hours, self._complained = made["hours"], made["complained"]
        self._default = clock_seconds(hours.permitted_from), clock_seconds(hours.permitted_to)

    def of_lines(self, facts: ir.Table) -> ir.Table:
        """As the function `of_lines`, by these lines."""
        return of_lines(facts, self._lines)

    def of_calls(self, placed: ir.Table) -> ir.Table:
        """Adds home_region, off_hours and to_complainer to calls."""
        hours, complained = self._hours, self._complained
        seen = self.of_lines(placed)
        seen = seen.left_join(hours, ["carrier", "day"]).select(seen, hours.opens, hours.closes)
        opens = seen.opens.fill_null(self._default[0])
        closes = seen.closes.fill_null(self._default[1])
        seen = seen.mutate(opens=opens, closes=closes)
        seen = seen.mutate(off_hours=outside(seen.local_second, seen.opens, seen.closes)).drop("opens", "closes", "carrier")
        known = [
            seen.callee_id == complained.complainer,
            complained.complained_at < seen.started_at,
            seen.day < complained.until_day,
        ]
        # Until some complaint named its callee, nobody knows whether a callee had complained.
        first = complained.complained_at.min().as_scalar()
        found = ibis.cases((first < seen.started_at, complained.complainer.notnull()))
        return seen.left_join(complained, known).select(seen, to_complainer=found)


def complaints(raw: ir.Table, numbers: ir.Table) -> ir.Table:
    """Complaints as the lake gives them, with the keys of the engine."""
    return numbered(raw.select(*_BASE, "line_id", "channel"), numbers)


def messages(raw: ir.Table, numbers: ir.Table) -> ir.Table:
    """Messages as the lake gives them, with the keys of the engine."""
    return numbered(raw.select(*_BASE, "line_id", "recipient_id"), numbers)
