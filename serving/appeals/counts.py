"""What the lines of some bans did in the weeks before them, counted in the engine: one pass over the calls for all bans.

A ban's window is the 28 local days before its own and the hours of its own day until it began, so that a burst just before
the ban is seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import ibis.expr.types as ir
import pandas as pd

from data_schemas.settings import Settings
from features.events import complainers, outside
from serving.appeals.limits import limits
from serving.known import Known

DAYS = 28
"""Full days before the ban that are looked at."""


@dataclass(frozen=True)
class Counts:
    """Per ban_id; bans without any such event have no row.

    daily: day, calls, busiest_hour (calls in the fullest clock hour), off_hours (calls outside permitted hours).
    hourly: hour (0 to 23), calls, off_hours. channels: channel (None where not said), complaints.
    to_complainers: calls to somebody who had complained; None where no complaint names its callee.
    medians: carrier, banned_day, median (of complaints per 1,000 calls of the carrier's lines that called, full days alone).
    limits: as serving.appeals.limits gives them, for every carrier ("" where not known) and day of the windows.
    """

    daily: pd.DataFrame
    hourly: pd.DataFrame
    channels: pd.DataFrame
    to_complainers: pd.Series | None
    medians: pd.DataFrame
    limits: pd.DataFrame


def count(known: Known, settings: Settings, bans: pd.DataFrame) -> Counts:
    """The counts of these bans (columns ban_id, line_id, carrier, banned_day; at least one row)."""
    engine = known.engine
    bans = bans.assign(carrier=bans["carrier"].fillna(""))
    windows = {
        (str(carrier), day)
        for carrier, banned in bans[["carrier", "banned_day"]].itertuples(index=False)
        for day in range(int(banned) - DAYS, int(banned) + 1)
    }
    held = limits(known, settings, windows)
    first = int(bans["banned_day"].min()) - DAYS
    keys = bans[["ban_id", "carrier", "banned_day"]].astype({"ban_id": "str", "carrier": "str", "banned_day": "int32"})
    begun = known.rows("bans").select("ban_id", "line_id", "banned_at")
    own = engine.store("appeal_bans", begun.join(engine.rows("appeal_keys", keys), "ban_id"))
    hours = held[["carrier", "day", "opens_s", "closes_s"]].astype({"carrier": "str", "day": "int32"})
    calls = _calls(known, own, engine.rows("appeal_hours", hours), first)
    by_hour = engine.store(
        "appeal_hourly",
        calls.group_by("ban_id", "day", "hour").aggregate(calls=calls.count(), off_hours=calls.off.cast("int64").sum()),
    )
    daily = by_hour.group_by("ban_id", "day").aggregate(
        calls=by_hour.calls.sum(), busiest_hour=by_hour.calls.max(), off_hours=by_hour.off_hours.sum()
    )
    hourly = by_hour.group_by("ban_id", "hour").aggregate(calls=by_hour.calls.sum(), off_hours=by_hour.off_hours.sum())
    complaints = _before(known.rows("complaints", first), own, "occurred_at")
    channels = complaints.group_by("ban_id", "channel").aggregate(complaints=complaints.count())
    made = Counts(
        daily=engine.frame(daily).sort_values(["ban_id", "day"], ignore_index=True),
        hourly=engine.frame(hourly).sort_values(["ban_id", "hour"], ignore_index=True),
        channels=_named(engine.frame(channels)),
        to_complainers=_to_complainers(known, calls),
        medians=engine.frame(_medians(known, own, first)),
        limits=held,
    )
    engine.drop("appeal_bans", "appeal_calls", "appeal_hourly")
    return made


def _before(rows: ir.Table, own: ir.Table, moment: str) -> ir.Table:
    """Rows of the bans' lines within their windows, with ban_id, carrier and banned_day."""
    joined = rows.join(
        own,
        [
            rows.line_id == own.line_id,
            rows.day >= own.banned_day - DAYS,
            rows.day <= own.banned_day,
            rows[moment] < own.banned_at,
        ],
    )
    return joined.select(rows, own.ban_id, own.carrier, own.banned_day)


def _calls(known: Known, own: ir.Table, hours: ir.Table, first: int) -> ir.Table:
    """The calls of the windows: ban_id, day, hour, off (outside permitted hours), callee_id, started_at."""
    rows = known.rows("calls", first).select("line_id", "day", "local_second", "callee_id", "started_at")
    placed = _before(rows, own, "started_at")
    seen = placed.join(hours, ["carrier", "day"])
    off = outside(seen.local_second, seen.opens_s, seen.closes_s)
    return known.engine.store(
        "appeal_calls",
        seen.select("ban_id", "day", "callee_id", "started_at", hour=(seen.local_second // 3600).cast("int32"), off=off),
    )


def _to_complainers(known: Known, calls: ir.Table) -> pd.Series | None:
    """ban_id -> calls to a callee of whose complaint the company already knew; None where nothing can be known."""
    rows = known.versions("complaints")
    if not known.engine.scalar(rows.callee_id.count()):
        return None
    who = complainers(rows)
    stood = [calls.callee_id == who.complainer, who.complained_at < calls.started_at, calls.day < who.until_day]
    met = calls.join(who, stood)
    return known.engine.frame(met.group_by("ban_id").aggregate(calls=met.count())).set_index("ban_id")["calls"]


def _medians(known: Known, own: ir.Table, first: int) -> ir.Table:
    """carrier, banned_day, median: see Counts."""
    wanted = own.select("carrier", "banned_day").distinct()
    lines = known.lines().select("line_id", "carrier")
    lines = lines.semi_join(wanted, "carrier")

    def a_line(table: str) -> ir.Table:
        rows = known.rows(table, first).join(lines, "line_id")
        days = rows.group_by("carrier", "line_id", "day").aggregate(n=rows.count())
        spread = days.join(
            wanted,
            [
                days.carrier == wanted.carrier,
                days.day >= wanted.banned_day - DAYS,
                days.day < wanted.banned_day,
            ],
        ).select(days, wanted.banned_day)
        return spread.group_by("carrier", "banned_day", "line_id").aggregate(n=spread.n.sum())

    calls, complaints = a_line("calls"), a_line("complaints")
    joined = calls.left_join(complaints, ["carrier", "banned_day", "line_id"])
    rates = joined.select(
        calls.carrier, calls.banned_day, rate=complaints.n.fill_null(0).cast("float64") * 1000.0 / calls.n.cast("float64")
    )
    return rates.group_by("carrier", "banned_day").aggregate(median=rates.rate.median())


def _named(channels: pd.DataFrame) -> pd.DataFrame:
    channels["channel"] = channels["channel"].astype(object).where(channels["channel"].notna(), None)
    return channels.sort_values(["ban_id", "complaints"], ascending=[True, False], ignore_index=True)
