"""Small random worlds in the form the lake gives them, with late and corrected records, for tests of the features."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import day_date

STRING, TIME = "string", "timestamp('UTC', 6)"
SYSTEM = {"day": "int32", "known_day": "int32", "gone_day": "int32", "known_at": TIME, "local_second": "int32"}
SCHEMAS = {
    "lines": {
        "line_id": STRING,
        "carrier": STRING,
        "number_pool": STRING,
        "activated_at": TIME,
        "team": STRING,
        "home_region": STRING,
        "deactivated_at": TIME,
        "registrant_verified": "boolean",
        "number_segment": STRING,
    },
    "calls": {
        "call_id": STRING,
        "line_id": STRING,
        "started_at": TIME,
        "callee_id": "int64",
        "duration_s": "float64",
        "answered": "boolean",
        "ring_s": "float64",
        "region": STRING,
        "agent_id": STRING,
        "device_id": STRING,
        "disposition": STRING,
        "recorded_at": TIME,
        "callee_block": "int64",
    },
    "complaints": {
        "complaint_id": STRING,
        "line_id": STRING,
        "occurred_at": TIME,
        "received_at": TIME,
        "channel": STRING,
        "category": STRING,
        "callee_id": "int64",
    },
    "bans": {
        "ban_id": STRING,
        "line_id": STRING,
        "banned_at": TIME,
        "lifted_at": TIME,
        "reported_at": TIME,
        "reason": STRING,
        "appealed_at": TIME,
        "appeal_won": "boolean",
    },
    "messages": {"message_id": STRING, "line_id": STRING, "sent_at": TIME, "recipient_id": "int64", "recorded_at": TIME},
    "policies": {
        "carrier": STRING,
        "effective_at": TIME,
        "daily_call_limit": "float64",
        "hourly_call_limit": "float64",
        "permitted_from": STRING,
        "permitted_to": STRING,
        "note": STRING,
    },
}
EVENT_TIME = {
    "lines": "activated_at",
    "calls": "started_at",
    "complaints": "occurred_at",
    "bans": "banned_at",
    "messages": "sent_at",
    "policies": "effective_at",
}


@dataclass
class MemoryLake:
    """The reading side of the lake over lists of rows (dicts with the columns of SCHEMAS and SYSTEM)."""

    tables: dict[str, list[dict]] = field(default_factory=dict)
    made: dict[str, tuple[list, int, pa.Table]] = field(default_factory=dict, repr=False)
    derived = None
    zone = "Asia/Shanghai"

    def days(self, table: str) -> list[int]:
        return sorted({row["day"] for row in self.tables.get(table, [])})

    def rows(self, table: str) -> dict[int, int]:
        return Counter(row["day"] for row in self.tables.get(table, []))

    def day_state(self, table: str, day: int) -> list[str]:
        return [repr(row) for row in self.tables.get(table, []) if row["day"] == day]

    def known_state(self, table: str):
        return lambda day: 0

    def ahead(self, table: str, first_day: int, last_day: int) -> None:
        """Nothing is fetched from a disk."""

    def frame(self, table: str) -> pd.DataFrame:
        schema = ibis.schema(SCHEMAS[table] | SYSTEM)
        frame = pd.DataFrame(self.tables.get(table, []), columns=list(schema.names), dtype=object)
        return schema.to_pyarrow().empty_table().to_pandas() if frame.empty else frame

    def _arrow(self, table: str) -> pa.Table:
        """The rows of a table; made once for rows that nobody has added to."""
        rows, held = self.tables.get(table, []), self.made.get(table)
        if held is None or held[0] is not rows or held[1] != len(rows):
            schema = ibis.schema(SCHEMAS[table] | SYSTEM).to_pyarrow()
            plain = [{name: row.get(name) for name in schema.names} for row in rows]
            held = self.made[table] = rows, len(rows), pa.Table.from_pylist(plain, schema=schema)
        return held[2]

    def read(self, con, table: str, first_day: int | None = None, last_day: int | None = None):
        day = (table_rows := self._arrow(table))["day"].to_numpy()
        kept = np.ones(len(day), dtype=bool)
        if first_day is not None:
            kept &= day >= first_day
        if last_day is not None:
            kept &= day <= last_day
        table_rows = table_rows.filter(pa.array(kept))
        name = f"lake_{table}_{first_day}_{last_day}".replace("-", "m")
        if con.name == "pyspark":  # its create_table goes through pandas and loses whole numbers beside nulls
            con._session.createDataFrame(table_rows).createOrReplaceTempView(name)
            return con.table(name)
        return con.create_table(name, table_rows, temp=True, overwrite=True)


def instant(zone: str, day: int, second: float) -> datetime:
    """`second` seconds after local midnight of `day`, as UTC (wall clock)."""
    start = day_date(day)
    local = datetime(start.year, start.month, start.day) + timedelta(seconds=second)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def stamp(row: dict, table: str, zone: str, known: datetime | None = None, gone_day: int | None = None) -> dict:
    """Adds the system columns, as ingest does."""
    event = row[EVENT_TIME[table]]
    known = max(event, known) if known else event
    local = event.astimezone(ZoneInfo(zone))
    number = lambda moment: (moment.astimezone(ZoneInfo(zone)).date() - day_date(0)).days  # noqa: E731
    return row | {
        "day": number(event),
        "known_day": number(known),
        "gone_day": gone_day,
        "known_at": known,
        "local_second": local.hour * 3600 + local.minute * 60 + local.second,
    }


def random_world(
    seed: int, zone: str = "Asia/Shanghai", days: int = 45, first: int = 20_500, optional: bool = True
) -> MemoryLake:
    """A few lines, some weeks, events crowded around midnights, late knowledge, corrections; `optional`: all optional columns."""
    rng = np.random.default_rng(seed)
    pick = lambda *values: values[rng.integers(len(values))]  # noqa: E731
    tables: dict[str, list[dict]] = {name: [] for name in SCHEMAS}
    lines = [f"L{i}" for i in range(int(rng.integers(2, 7)))]

    def moment(low: int = 0, high: int = days) -> datetime:
        day = first + int(rng.integers(low, max(low + 1, high)))
        edge = rng.random()
        second = 0.0 if edge < 0.1 else 86_399.5 if edge < 0.2 else 0.000001 if edge < 0.25 else float(rng.integers(0, 86_400))
        return instant(zone, day, second)

    def late(event: datetime) -> datetime | None:
        return event + timedelta(hours=float(rng.integers(1, 150))) if rng.random() < 0.25 else None

    def put(table: str, row: dict, known: datetime | None = None, corrected: dict | None = None) -> None:
        made = stamp(row, table, zone, known)
        if corrected is not None or rng.random() < 0.06:
            again = made["known_day"] + int(rng.integers(0, 12))
            made["gone_day"] = again
            if corrected is not None or rng.random() < 0.5:
                tables[table].append(stamp(row | (corrected or {}), table, zone, instant(zone, again, 3600)))
        tables[table].append(made)

    carriers = ("CM", "CU")
    for line in lines:
        start = moment(-20, days // 2) if rng.random() < 0.8 else moment()
        row = {
            "line_id": line,
            "carrier": pick(*carriers),
            "number_pool": pick("P1", "P2"),
            "activated_at": start,
            "team": pick("T1", "T2", None),
            "home_region": pick("SC", "GD", None) if optional else None,
            "deactivated_at": start + timedelta(days=float(rng.integers(5, 60))) if rng.random() < 0.25 else None,
            "registrant_verified": pick(True, False, None) if optional else None,
            "number_segment": pick("170", "171", None),
        }
        if rng.random() < 0.2:
            put("lines", row, corrected={"home_region": pick("SC", "GD"), "team": pick("T1", "T2")})
        else:
            tables["lines"].append(stamp(row, "lines", zone))
    count = int(rng.integers(0, 220))
    for i in range(count):
        event = moment()
        answered = bool(rng.random() < 0.5)
        number = int(rng.integers(0, 12)) if rng.random() < 0.7 else int(rng.integers(0, 400))
        put(
            "calls",
            {
                "call_id": f"c{i:05d}",
                "line_id": pick(*lines, "unknown"),
                "started_at": event,
                "callee_id": None if number == 5 else 7_000_000 + number,
                "agent_id": pick("a1", "a2", None) if optional else None,
                "callee_block": None if number == 3 else number // 10,
                "answered": answered,
                "duration_s": float(pick(1, 5, 5.001, 30, 60, 200.25)) if answered else 0.0,
                "ring_s": pick(3.5, 20.0, None) if optional else None,
                "region": pick("SC", "GD", "BJ", None) if optional else None,
                "device_id": pick("d1", "d2", None) if optional else None,
                "disposition": pick("answered", "busy", "Refused", "no_answer", None) if optional else None,
            },
            late(event),
        )
    for i in range(int(rng.integers(0, 25))):
        event = moment()
        put(
            "complaints",
            {
                "complaint_id": f"k{i}",
                "line_id": pick(*lines),
                "occurred_at": event,
                "channel": pick("carrier", "regulator", "app_mark", "internal", None) if optional else None,
                "callee_id": 7_000_000 + int(rng.integers(0, 12)) if optional and rng.random() < 0.7 else None,
            },
            late(event),
        )
    for i in range(int(rng.integers(0, 9))):
        event = moment(-5)
        put(
            "bans",
            {
                "ban_id": f"b{i}",
                "line_id": pick(*lines),
                "banned_at": event,
                "lifted_at": event + timedelta(hours=float(rng.integers(1, 400))) if rng.random() < 0.7 else None,
                "appeal_won": pick(True, False, None) if optional else None,
            },
            late(event),
        )
    if optional and rng.random() < 0.8:
        for i in range(int(rng.integers(0, 60))):
            event = moment()
            recipient = 9_000_000 + int(rng.integers(0, 6)) if rng.random() < 0.8 else None
            put(
                "messages",
                {"message_id": f"m{i}", "line_id": pick(*lines), "sent_at": event, "recipient_id": recipient},
                late(event),
            )
        for i in range(int(rng.integers(0, 4))):
            row = {
                "carrier": carriers[i % 2],
                "effective_at": moment(-10),
                "daily_call_limit": pick(3.0, 50.0, None),
                "hourly_call_limit": pick(2.0, 20.0, None),
                "permitted_from": pick("09:00", "22:30", None),
                "permitted_to": pick("19:30", "06:00", None),
                "note": None,
            }
            put("policies", row)
    return MemoryLake(tables)


def merged(*worlds: MemoryLake) -> MemoryLake:
    """Several worlds as one company: carriers, pools and callees are shared, lines and events are each world's own."""
    keys = {"lines": "line_id", "calls": "call_id", "complaints": "complaint_id", "bans": "ban_id", "messages": "message_id"}
    tables: dict[str, list[dict]] = {name: [] for name in SCHEMAS}
    for number, world in enumerate(worlds):
        for table, rows in world.tables.items():
            if table == "policies" and tables["policies"]:
                continue  # a carrier has one policy at a time
            own = {name for name in ("line_id", keys.get(table, "")) if name in SCHEMAS[table]}
            tables[table] += [row | {name: f"w{number}-{row[name]}" for name in own} for row in rows]
    return MemoryLake(tables)
