"""Simulated events as rows of the contracts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from simulator.bans import Bans
from simulator.carriers import NAMES, Carriers
from simulator.complaints import CATEGORIES, CHANNELS, Rows
from simulator.days import MS_PER_DAY, Days
from simulator.fleet import NEVER, REGIONS, Fleet, Pools
from simulator.risk import REASONS
from simulator.traffic import DISPOSITIONS, Calls

BLOCK_ROWS = 10**9
"""Ids of a day are the day times this, plus a running number."""


def line_ids(lines: NDArray[Any]) -> pa.Array:
    """The ids of lines."""
    return pa.array([f"L{line:06d}" for line in lines.tolist()])


def coded(codes: NDArray[Any], names: pa.Array, missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Codes as the names they stand for; only the stretch of names in use goes along."""
    if len(codes):
        first = int(codes.min())
        codes, names = codes - first, names.slice(first, int(codes.max()) - first + 1)
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=missing), names)


def numbered(prefix: str, count: int) -> pa.Array:
    """Names prefix000, prefix001, ..."""
    return pa.array([f"{prefix}{n:03d}" for n in range(count)])


def digits(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> pa.Array:
    """Whole numbers, which the writing thread makes text."""
    return pa.array(values, mask=missing)


def event_ids(day: int, first: int, count: int) -> pa.Array:
    """`count` ids of a day from its running number `first` on."""
    return digits(np.arange(first, first + count, dtype=np.int64) + (day + 1) * BLOCK_ROWS)


def call_rows(
    calls: Calls, day: int, first: int, calendar: Days, names: dict[str, pa.Array], recorded: NDArray[np.int64],
    agent: NDArray[Any], device: NDArray[Any],
) -> pa.Table:  # fmt: skip
    """Calls of a day; `names` holds the ids of lines, agents and devices; recorded in local ms of the world."""
    return pa.table(
        {
            "call_id": event_ids(day, first, len(calls.line)),
            "line_id": coded(calls.line, names["lines"]),
            "started_at": calendar.instants(day * MS_PER_DAY + calls.ms),
            "callee_id": digits(calls.callee),
            "duration_s": calls.duration.astype(np.float64),
            "answered": calls.answered,
            "ring_s": calls.ring.astype(np.float64),
            "region": coded(calls.region, pa.array(REGIONS)),
            "agent_id": coded(agent, names["agents"]),
            "device_id": coded(device, names["devices"]),
            "disposition": coded(calls.disposition, pa.array(DISPOSITIONS)),
            "recorded_at": calendar.instants(recorded),
        }
    )


def complaint_rows(rows: Rows, day: int, calendar: Days, lines: pa.Array) -> pa.Table:
    """Complaints made on a day."""
    return pa.table(
        {
            "complaint_id": event_ids(day, 0, len(rows["line"])),
            "line_id": coded(rows["line"], lines),
            "occurred_at": calendar.instants(rows["occurred"]),
            "received_at": calendar.instants(rows["received"]),
            "channel": coded(rows["channel"], pa.array(CHANNELS)),
            "category": coded(rows["category"], pa.array(CATEGORIES)),
            "callee_id": digits(rows["callee"], rows["callee"] < 0),
        }
    )


def message_rows(
    line: NDArray[Any], sent: NDArray[Any], to: NDArray[Any], recorded: NDArray[Any], day: int, calendar: Days, lines: pa.Array
) -> pa.Table:
    """Messages of a day; times in local ms of the world."""
    return pa.table(
        {
            "message_id": event_ids(day, 0, len(line)),
            "line_id": coded(line, lines),
            "sent_at": calendar.instants(sent),
            "recipient_id": digits(to),
            "recorded_at": calendar.instants(recorded),
        }
    )


def ban_rows(bans: Bans, end: int, calendar: Days) -> pa.Table:
    """The bans that the company knows at `end` (local ms), and what it knows of them then."""
    rows: dict[str, Any] = bans.gathered()
    known = rows["reported"] < end
    rows = {name: values[known] for name, values in rows.items()}
    lifted, appealed = rows["lifted"] >= end, rows["appealed"] >= end
    open_appeal = appealed | lifted & rows["won"].astype(bool)
    return pa.table(
        {
            "ban_id": pa.array([f"B{n:06d}" for n in range(len(lifted))], pa.string()),
            "line_id": line_ids(rows["line"]).cast(pa.string()),
            "banned_at": calendar.instants(rows["banned"]),
            "lifted_at": calendar.instants(rows["lifted"], lifted),
            "reported_at": calendar.instants(rows["reported"]),
            "reason": coded(np.maximum(rows["reason"], 0), pa.array(REASONS), rows["reason"] < 0),
            "appealed_at": calendar.instants(rows["appealed"], appealed),
            "appeal_won": pa.array(rows["won"].astype(bool), mask=open_appeal),
        }
    )


def line_rows(fleet: Fleet, pools: Pools, end: int, calendar: Days) -> pa.Table:
    """Every line that was ever leased, as known at `end`."""
    return pa.table(
        {
            "line_id": line_ids(np.arange(len(fleet))),
            "carrier": coded(fleet.carrier, pa.array(NAMES)),
            "number_pool": coded(fleet.pool, numbered("pool-", len(pools.carrier))),
            "activated_at": calendar.instants(fleet.activated),
            "team": coded(fleet.team, numbered("team-", int(fleet.team.max()) + 1)),
            "home_region": coded(fleet.region, pa.array(REGIONS)),
            "deactivated_at": calendar.instants(fleet.deactivated, fleet.deactivated >= min(end, NEVER)),
            "registrant_verified": fleet.verified,
            "number_segment": coded(fleet.segment, pa.array(pools.prefixes)),
        }
    )


def policy_rows(carriers: Carriers, calendar: Days) -> pa.Table:
    """Published rules."""
    notices = sorted(carriers.notices, key=lambda notice: (notice.carrier, notice.day))

    def number(name: str) -> pa.Array:
        values = np.array([getattr(notice, name) for notice in notices], dtype=float)
        return pa.array(values, mask=np.isnan(values))

    def words(name: str) -> pa.Array:
        return pa.array([getattr(notice, name) or None for notice in notices], pa.string())

    return pa.table(
        {
            "carrier": pa.array([NAMES[notice.carrier] for notice in notices], pa.string()),
            "effective_at": calendar.instants(np.array([notice.day for notice in notices], dtype=np.int64) * MS_PER_DAY),
            "daily_call_limit": number("daily"),
            "hourly_call_limit": number("hourly"),
            "permitted_from": words("permitted_from"),
            "permitted_to": words("permitted_to"),
            "note": words("note"),
        }
    )
