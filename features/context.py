"""What is known of each line, its neighbours and its carrier's rules at as_of, beside its own calls.

All from the small tables (lines, bans, policies), joined with the as_of days in the engine. Neighbours count as long as the
lines table knows them: a line that was banned and then given up still tells how its pool fares.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir

from data_schemas.clock import Clock
from data_schemas.lake import Lake
from features.engine import Engine
from features.feature import WINDOWS
from features.localtime import local_day
from features.windows import beside

QUARTER = 90
"""Days over which the standing of a pool or a carrier shows, rather than its present state."""
BAN_WINDOWS = (*WINDOWS, QUARTER)
"""Days back over which bans are counted."""
GROUPS = ("number_pool", "carrier", "number_segment", "team", "home_region")
"""What makes two lines neighbours."""
PASSING = ("bans_at", "members", "rules", "appeals", "group_records")
"""The tables stored for `context`."""
_AT = ("line_id", "as_of_day")
_KEPT = ("line_id", "as_of_day", "line", *GROUPS)


def _visible(rows: ir.Table, snapshots: ir.Table) -> ir.Table:
    """Rows of a lake table, each at every as_of at which it had happened, was known and was not yet corrected."""
    return rows.join(
        snapshots,
        [
            rows.day < snapshots.as_of_day,
            rows.known_day < snapshots.as_of_day,
            rows.gone_day.isnull() | (rows.gone_day >= snapshots.as_of_day),
        ],
    )


@dataclass(frozen=True)
class Standing:
    """The small tables of a lake, under names of the engine's."""

    lines: ir.Table
    bans: ir.Table
    policies: ir.Table


def standing(engine: Engine, lake: Lake) -> Standing:
    """Takes the small tables of a lake into the engine."""
    tables = ("lines", "bans", "policies")
    return Standing(*[engine.known(lake, table) for table in tables])


def members(lines: ir.Table, snapshots: ir.Table, clock: Clock) -> ir.Table:
    """Every line known at each as_of: line_id, as_of_day, what is known of it, `here` and line_days_{w}.

    here: 1 while the company has it, banned or not; 0 once it was given up. line_days_{w}: days of the window it was there.
    """
    rows = lines.mutate(left_day=local_day(lines.deactivated_at, clock))
    seen = _visible(rows, snapshots)
    gone = seen.left_day.notnull() & (seen.left_day < seen.as_of_day)
    until = ibis.cases((gone, seen.left_day), else_=seen.as_of_day)
    return seen.select(
        *_AT,
        *GROUPS,
        verified=seen.registrant_verified.cast("int32"),
        age_days=(seen.as_of_day - seen.day).cast("int32"),
        here=ibis.cases((gone, 0), else_=1).cast("int32"),
        **{
            f"line_days_{days}": ibis.greatest(until - ibis.greatest(seen.day, seen.as_of_day - days), 0).cast("int32")
            for days in BAN_WINDOWS
        },
    )


def bans_at(bans: ir.Table, snapshots: ir.Table, clock: Clock) -> ir.Table:
    """Every ban known at each as_of: line_id, as_of_day, banned_day, lifted_day (null while it lasts), won."""
    rows = bans.mutate(end_day=local_day(bans.lifted_at, clock))
    seen = _visible(rows, snapshots)
    lifted = ibis.cases((seen.end_day < seen.as_of_day, seen.end_day))
    return seen.select(
        *_AT,
        banned_day=seen.day,
        lifted_day=lifted.cast("int32"),
        # An appeal's outcome has no time of its own: it shows when the ban is lifted.
        won=ibis.cases((lifted.notnull(), seen.appeal_won)).cast("int32"),
    )


def _within(bans: ir.Table, prefix: str) -> dict[str, ir.Value]:
    """Counts of bans by window."""
    age = bans.as_of_day - bans.banned_day
    return {f"{prefix}bans_{days}": (age <= days).cast("int64").sum().cast("int32") for days in BAN_WINDOWS}


def own_record(bans: ir.Table) -> ir.Table:
    """Each line's own bans at each as_of: counts by window, the last one, whether one lasts."""
    return bans.group_by(*_AT).aggregate(
        bans_before=bans.count().cast("int32"),
        days_since_ban=(bans.as_of_day - bans.banned_day).min().cast("int32"),
        days_since_lift=(bans.as_of_day - bans.lifted_day).min().cast("int32"),
        days_banned=(bans.lifted_day - bans.banned_day).sum().cast("int32"),
        appeals_won=bans.won.sum().cast("int32"),
        banned_now=bans.lifted_day.isnull().cast("int32").max().cast("int32"),
        last_banned_day=bans.banned_day.max(),
        **_within(bans, "own_"),
    )


def group_records(known: ir.Table, bans: ir.Table) -> ir.Table:
    """Bans and lines of each group of all kinds at each as_of: the `kind`, its `group`, as_of_day, and columns.

    lines, age, banned: lines the company has, age of the oldest, how many of them are under a ban. line_days_{w}, bans_{w}:
    exposure and bans, lines given up since included. last, last_line, second: day of the newest ban, its line, and of the newest
    ban of any other line.
    """
    parts = [known.mutate(kind=ibis.literal(kind), group=known[kind].cast("string")).drop(*GROUPS) for kind in GROUPS]
    inside = ibis.union(*parts).filter(lambda rows: rows.group.notnull())
    here = inside.here == 1
    keys = ["kind", "group", "as_of_day"]
    size = inside.group_by(keys).aggregate(
        lines=inside.here.sum().cast("int32"),
        age=inside.age_days.max(where=here),
        banned=inside.banned_now.sum(where=here).fill_null(0).cast("int32"),
        **{f"line_days_{days}": inside[f"line_days_{days}"].sum().cast("int32") for days in BAN_WINDOWS},
    )
    struck = bans.join(inside.select(*_AT, "kind", "group"), list(_AT))
    counts = struck.group_by(keys).aggregate(**_within(struck, ""))
    fallen = inside.filter(inside.last_banned_day.notnull())
    newest = ibis.window(group_by=keys, order_by=[ibis.desc("last_banned_day"), "line_id"])
    placed = fallen.mutate(place=ibis.row_number().over(newest))
    last = placed.group_by(keys).aggregate(
        last=placed.last_banned_day.max(where=placed.place == 0),
        last_line=placed.line_id.max(where=placed.place == 0),
        second=placed.last_banned_day.max(where=placed.place == 1),
    )
    joined = size.left_join(counts, keys).select(
        size, **{f"bans_{days}": counts[f"bans_{days}"].fill_null(0) for days in BAN_WINDOWS}
    )
    return joined.left_join(last, keys).select(joined, *[last[c] for c in last.columns if c not in keys])


def rules(policies: ir.Table, snapshots: ir.Table) -> ir.Table:
    """The policy in force for each carrier at each as_of: limits, and days since it came."""
    seen = _visible(policies, snapshots)
    newest = ibis.window(group_by=["carrier", "as_of_day"], order_by=[ibis.desc("effective_at"), ibis.desc("known_day")])
    ranked = seen.mutate(place=ibis.row_number().over(newest))
    return ranked.filter(ranked.place == 0).select(
        "carrier",
        "as_of_day",
        "daily_call_limit",
        "hourly_call_limit",
        policy_age=(ranked.as_of_day - ranked.day).cast("int32"),
    )


def _with_own_bans(known: ir.Table, own: ir.Table) -> ir.Table:
    """Lines with their own record; a line that was never banned has 0 bans."""
    joined = known.left_join(own, list(_AT)).select(known, *[own[c] for c in own.columns if c not in _AT])
    counts = ["bans_before", "days_banned", "banned_now", *[f"own_bans_{days}" for days in BAN_WINDOWS]]
    return joined.mutate(**{name: joined[name].fill_null(0).cast("int32") for name in counts})


def _last_of_others(table: ir.Table, group: str) -> ir.Value:
    """Days since the newest ban of another line of the group; missing where none is known."""
    mine = table[f"{group}_last_line"] == table.line_id
    return (table.as_of_day - ibis.cases((mine, table[f"{group}_second"]), else_=table[f"{group}_last"])).cast("int32")


def eligible(lines: ir.Table, snapshots: ir.Table, clock: Clock) -> ir.Table:
    """as_of_day and lines: about how many lines are eligible then (those under a ban count, too)."""
    known = members(lines, snapshots, clock)
    return known.group_by("as_of_day").aggregate(lines=known.here.sum().cast("int64"))


def context(
    engine: Engine, tables: Standing, clock: Clock, snapshots: ir.Table, numbers: ir.Table, reads: Collection[str]
) -> ir.Table:
    """One row an eligible line and as_of day, with the columns `reads` that formulas reach through `Window.at`.

    Worked out when it is read; then `PASSING` may go.
    """
    bans = engine.store("bans_at", bans_at(tables.bans, snapshots, clock))
    known = engine.store("members", _with_own_bans(members(tables.lines, snapshots, clock), own_record(bans)))
    table = known.filter((known.banned_now == 0) & (known.here == 1))
    records, ends = [], {}
    record = engine.store("group_records", group_records(known, bans))
    for group in GROUPS:
        own = record.filter(record.kind == group)
        found = [c for c in record.columns if f"{group}_{c}" in reads]
        if f"{group}_since_ban" in reads:
            found += ["last", "last_line", "second"]
            ends[group] = f"{group}_since_ban"
        columns = {f"{group}_{c}": own[c] for c in found}
        records.append((own.select("as_of_day", **{group: own.group}, **columns), [group, "as_of_day"]))
    policy = engine.store("rules", rules(tables.policies, snapshots))
    kept = engine.store("appeals", bans.group_by("as_of_day").aggregate(appeals=bans.won.count()))
    small = [(numbers, ["line_id"]), (policy, ["carrier", "as_of_day"]), (kept, ["as_of_day"])]
    table = beside(table, *records, *small)
    # Where no outcome of an appeal is known, nobody keeps them.
    table = table.mutate(appeals_won=ibis.cases((table.appeals > 0, table.appeals_won.fill_null(0))))
    table = table.mutate(**{name: _last_of_others(table, group) for group, name in ends.items()})
    return table.select(*[c for c in table.columns if c in reads or c in _KEPT])
