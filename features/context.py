"""What is known of each line, its neighbours and its carrier's rules at as_of, beside its own calls.

All from the small tables (lines, bans, policies), joined with the as_of days in the engine.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from data_schemas.clock import Clock
from data_schemas.lake import Lake
from features.engine import Engine
from features.feature import WINDOWS
from features.localtime import local_day

BAN_WINDOWS = WINDOWS
"""Days back over which neighbours' bans are counted."""
GROUPS = ("number_pool", "carrier", "number_segment", "team")
"""What makes two lines neighbours."""
_AT = ("line_id", "as_of_day")


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


def members(lake: Lake, engine: Engine, snapshots: ir.Table, clock: Clock) -> ir.Table:
    """Lines in the company's hands at each as_of, banned ones too: line_id, as_of_day and what is known of them."""
    lines = lake.read(engine.con, "lines")
    rows = lines.mutate(left_day=local_day(lines.deactivated_at, clock))
    seen = _visible(rows, snapshots)
    seen = seen.filter(seen.left_day.isnull() | (seen.left_day >= seen.as_of_day))
    return seen.select(
        *_AT,
        *GROUPS,
        "home_region",
        verified=seen.registrant_verified.cast("int64"),
        age_days=(seen.as_of_day - seen.day).cast("int64"),
    )


def bans_at(lake: Lake, engine: Engine, snapshots: ir.Table, clock: Clock) -> ir.Table:
    """Every ban known at each as_of: line_id, as_of_day, banned_day, lifted_day (null while it lasts), won."""
    bans = lake.read(engine.con, "bans")
    rows = bans.mutate(end_day=local_day(bans.lifted_at, clock))
    seen = _visible(rows, snapshots)
    lifted = ibis.cases((seen.end_day < seen.as_of_day, seen.end_day))
    return seen.select(
        *_AT,
        banned_day=seen.day,
        lifted_day=lifted.cast("int32"),
        # An appeal's outcome has no time of its own: it shows when the ban is lifted.
        won=(lifted.notnull() & seen.appeal_won.fill_null(False)).cast("int64"),
    )


def own_record(bans: ir.Table) -> ir.Table:
    """Each line's own bans at each as_of: counts by window, the last one, whether one lasts."""
    recent = {
        f"own_bans_{days}": (bans.as_of_day - bans.banned_day <= days).cast("int64").sum().cast("int64") for days in BAN_WINDOWS
    }
    return bans.group_by(*_AT).aggregate(
        bans_before=bans.count().cast("int64"),
        days_since_ban=(bans.as_of_day - bans.banned_day).min().cast("int64"),
        days_since_lift=(bans.as_of_day - bans.lifted_day).min().cast("int64"),
        appeals_won=bans.won.sum().cast("int64"),
        banned_now=bans.lifted_day.isnull().cast("int64").max().cast("int64"),
        **recent,
    )


def group_record(known: ir.Table, bans: ir.Table, group: str) -> ir.Table:
    """Bans and lines of each group at each as_of: `group`, as_of_day, {group}_lines, {group}_age, {group}_bans_{days}."""
    size = known.filter(known[group].notnull())
    size = size.group_by(group, "as_of_day").aggregate(
        **{f"{group}_lines": size.count().cast("int64"), f"{group}_age": size.age_days.max().cast("int64")}
    )
    struck = bans.join(known.select(*_AT, group), list(_AT)).filter(lambda t: t[group].notnull())
    counts = struck.group_by(group, "as_of_day").aggregate(
        **{
            f"{group}_bans_{days}": (struck.as_of_day - struck.banned_day <= days).cast("int64").sum().cast("int64")
            for days in BAN_WINDOWS
        }
    )
    joined = size.left_join(counts, [group, "as_of_day"])
    return joined.select(size, **{f"{group}_bans_{days}": joined[f"{group}_bans_{days}"].fill_null(0) for days in BAN_WINDOWS})


def rules(lake: Lake, engine: Engine, snapshots: ir.Table) -> ir.Table:
    """The policy in force for each carrier at each as_of: limits, and days since it came."""
    seen = _visible(lake.read(engine.con, "policies"), snapshots)
    newest = ibis.window(group_by=["carrier", "as_of_day"], order_by=[ibis.desc("effective_at"), ibis.desc("known_day")])
    ranked = seen.mutate(place=ibis.row_number().over(newest))
    return ranked.filter(ranked.place == 0).select(
        "carrier",
        "as_of_day",
        "daily_call_limit",
        "hourly_call_limit",
        policy_age=(ranked.as_of_day - ranked.day).cast("int64"),
    )


def context(engine: Engine, lake: Lake, clock: Clock, snapshots: ir.Table, numbers: ir.Table) -> ir.Table:
    """One row an eligible line and as_of day, with every column that formulas reach through `Window.at`."""
    known = engine.store("members", members(lake, engine, snapshots, clock))
    bans = engine.store("bans_at", bans_at(lake, engine, snapshots, clock))
    own = engine.store("own_record", own_record(bans))
    joined = known.left_join(own, list(_AT)).select(known, *[own[c] for c in own.columns if c not in _AT])
    counts = ["bans_before", "appeals_won", "banned_now", *[f"own_bans_{days}" for days in BAN_WINDOWS]]
    table = joined.mutate(**{name: joined[name].fill_null(0) for name in counts})
    table = table.filter(table.banned_now == 0).drop("banned_now")
    for group in GROUPS:
        record = engine.store(f"{group}_record", group_record(known, bans, group))
        table = table.left_join(record, [group, "as_of_day"]).select(
            table, *[record[c] for c in record.columns if c not in (group, "as_of_day")]
        )
    table = table.left_join(numbers, "line_id").select(table, numbers.line)
    policy = engine.store("rules", rules(lake, engine, snapshots))
    table = table.left_join(policy, ["carrier", "as_of_day"]).select(
        table, *[policy[c] for c in policy.columns if c not in ("carrier", "as_of_day")]
    )
    return engine.store("context", table)
