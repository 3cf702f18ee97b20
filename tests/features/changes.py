"""What may become known at or after a midnight, done to a world at random: nothing of it may move a feature at that midnight."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from tests.features.reference import local_day
from tests.features.worlds import MemoryLake, instant, stamp

FILLED_LATER = {"lines": "deactivated_at", "bans": "lifted_at"}


def known_before(lake: MemoryLake, t: int, zone: str) -> MemoryLake:
    """The world as its lake stood at midnight `t`."""
    tables: dict[str, list[dict]] = {}
    for table, rows in lake.tables.items():
        tables[table] = []
        for row in rows:
            if row["known_day"] >= t:
                continue
            row = row | ({"gone_day": None} if row["gone_day"] is not None and row["gone_day"] >= t else {})
            later = FILLED_LATER.get(table)
            if later and row.get(later) is not None and local_day(row[later], zone) >= t:
                row = row | {later: None} | ({"appeal_won": None} if table == "bans" else {})
            tables[table].append(row)
    return MemoryLake(tables)


def changed_from(lake: MemoryLake, t: int, zone: str, seed: int) -> MemoryLake:
    """The world with everything changed that was not known before midnight `t`, and much more that became known since."""
    rng = np.random.default_rng(seed)
    past = known_before(lake, t, zone)

    def after(low: int = 0, high: int = 40) -> datetime:
        """A moment at or after t, often t itself."""
        return (
            instant(zone, t, 0)
            if rng.random() < 0.2
            else instant(zone, t + int(rng.integers(low, high)), float(rng.integers(86_400)))
        )

    tables: dict[str, list[dict]] = {}
    for table, rows in past.tables.items():
        others = past.tables[table]
        tables[table] = kept = []
        for row in rows:
            made = dict(row)
            later = FILLED_LATER.get(table)
            if later and made.get(later) is None and rng.random() < 0.5:
                made[later] = after()
                if table == "bans":
                    made["appeal_won"] = bool(rng.random() < 0.5)
            if made["gone_day"] is None and rng.random() < 0.4:  # corrected or taken back, at t at the earliest
                known = after()
                made["gone_day"] = local_day(known, zone)
                if rng.random() < 0.7:
                    kept.append(stamp(_other(row, others, rng), table, zone, known))
            kept.append(made)
        for number in range(len(rows) // 2 + 2 if rows else 0):  # what came late, or happened since
            source = rows[int(rng.integers(len(rows)))]
            fresh = _other(source, others, rng) | _new_key(table, number, rng)
            event = {"lines": "activated_at", "calls": "started_at", "complaints": "occurred_at", "bans": "banned_at"}.get(table)
            event = event or {"messages": "sent_at", "policies": "effective_at"}[table]
            if rng.random() < 0.5 or table in ("lines", "policies"):
                fresh[event] = after()
                if later := FILLED_LATER.get(table):
                    fresh[later] = None
            kept.append(stamp(fresh, table, zone, after()))
    return MemoryLake(tables)


def shuffled(lake: MemoryLake, seed: int) -> MemoryLake:
    """The same rows in another order."""
    rng = np.random.default_rng(seed)
    return MemoryLake({table: [rows[i] for i in rng.permutation(len(rows))] for table, rows in lake.tables.items()})


def _other(row: dict, rows: list[dict], rng: np.random.Generator) -> dict:
    """A row with the same key whose other values come from other rows."""
    keep = {"day", "known_day", "gone_day", "known_at", "local_second", "line_id"}
    keep |= {
        name for name in row if name.endswith("_at") or name in ("call_id", "complaint_id", "ban_id", "message_id", "carrier")
    }
    values = {name: rows[int(rng.integers(len(rows)))].get(name) for name in row if name not in keep}
    times = {name: row[name] + timedelta(0) for name in row if name.endswith("_at") and row[name] is not None}
    return {name: value for name, value in row.items() if name not in ("gone_day",)} | values | times


def _new_key(table: str, number: int, rng: np.random.Generator) -> dict:
    keys = {"lines": "line_id", "calls": "call_id", "complaints": "complaint_id", "bans": "ban_id", "messages": "message_id"}
    return {keys[table]: f"new{number}-{rng.integers(10**9)}"} if table in keys else {}
