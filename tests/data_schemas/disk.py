"""Small tables on disk, as a user would have them, and what ingest leaves behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.clock import day_date
from data_schemas.ingest import IngestReport, ingest
from data_schemas.lake import Lake
from data_schemas.settings import Settings, load_settings
from data_schemas.sources import find_sources

FIRST = 20_500
"""The local day on which the small tables begin."""
Rows = list[dict]
Tables = dict[str, Rows]


def at(day: int, hour: float = 12.0, zone: str = "Asia/Shanghai") -> datetime:
    """An hour of the wall clock of a local day, as an instant."""
    start = day_date(FIRST + day)
    local = datetime(start.year, start.month, start.day) + timedelta(hours=hour)
    return local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def number(n: int) -> str:
    """A callee's number: personal data that must never be found in a home."""
    return f"1380013{n:04d}"


def line(n: int = 1, **more: object) -> dict:
    return {"line_id": f"L{n}", "carrier": "CM", "number_pool": "P1", "activated_at": at(-30), **more}


def call(n: int = 1, day: int = 0, hour: float = 12.0, **more: object) -> dict:
    row = {
        "call_id": f"c{n}",
        "line_id": "L1",
        "started_at": at(day, hour),
        "callee_id": number(n),
        "duration_s": 12.5,
        "answered": True,
    }
    return row | more


def complaint(n: int = 1, day: int = 0, **more: object) -> dict:
    return {"complaint_id": f"k{n}", "line_id": "L1", "occurred_at": at(day), **more}


def ban(n: int = 1, day: int = 1, **more: object) -> dict:
    return {"ban_id": f"b{n}", "line_id": "L1", "banned_at": at(day), **more}


def small(days: int = 3, calls: int = 5) -> Tables:
    """Two lines, a few calls on each of some days, two complaints, a ban."""
    return {
        "lines": [line(1), line(2, team="T1")],
        "calls": [call(100 * day + n, day, 9 + n, line_id=f"L{1 + n % 2}") for day in range(days) for n in range(calls)],
        "complaints": [complaint(1, 0, callee_id=number(1)), complaint(2, 1, callee_id=number(2))],
        "bans": [ban(1, 1)],
    }


def arrow(rows: Rows, columns: tuple[str, ...] = ()) -> pa.Table:
    """Rows as Arrow; `columns` (of text) for a table without rows."""
    if not rows:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    names = list(dict.fromkeys(name for row in rows for name in row))
    return pa.table({name: [row.get(name) for row in rows] for name in names})


def write(folder: Path, tables: Tables, form: str = "parquet") -> Path:
    """One file a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        put(folder / f"{name}.{form}", rows, NEEDED[name])
    return folder


def put(path: Path, rows: Rows | pa.Table, columns: tuple[str, ...] = ()) -> Path:
    """One file; its suffix says which form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = rows if isinstance(rows, pa.Table) else arrow(rows, columns)
    if path.suffix == ".parquet":
        pq.write_table(table, path)
    else:
        frame = table.to_pandas()
        frame.to_csv(path, index=False)
    return path


NEEDED = {
    "lines": ("line_id", "carrier", "number_pool", "activated_at"),
    "calls": ("call_id", "line_id", "started_at", "callee_id", "duration_s", "answered"),
    "complaints": ("complaint_id", "line_id", "occurred_at"),
    "bans": ("ban_id", "line_id", "banned_at"),
    "messages": ("message_id", "line_id", "sent_at"),
    "policies": ("carrier", "effective_at"),
}


def settings(home: Path, **more: object) -> Settings:
    return load_settings(home, threads=1, **more)


def load(folder: Path, home: Path, *, known_at: datetime | None = None, **more: object) -> IngestReport:
    """Ingest a folder."""
    return ingest(find_sources(folder), home, settings(home, **more), known_at=known_at)


def lake_of(home: Path) -> Lake:
    return Lake(home / "lake")


def rows(home: Path, table: str, *columns: str, as_of: int | None = None) -> list[tuple]:
    """Rows of the lake, sorted; those visible at local midnight FIRST + as_of alone when it is given."""
    read = lake_of(home).read(ibis.duckdb.connect(), table)
    if as_of is not None:
        t = FIRST + as_of
        read = read.filter((read.day < t) & (read.known_day < t) & (read.gone_day.isnull() | (read.gone_day >= t)))
    found = (read.select(*columns) if columns else read).to_pyarrow().to_pylist()
    return sorted((tuple(row.values()) for row in found), key=repr)


def manifest_bytes(home: Path) -> bytes:
    return (home / "lake" / "manifest.json").read_bytes()


def files(home: Path) -> list[str]:
    """Every file below a home, but for the lock."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.name != ".lock")


def contents(home: Path) -> str:
    """All that a home says: Parquet cells as text, other files as they are."""
    said = []
    for path in home.rglob("*"):
        if path.suffix == ".parquet":
            said.append(pq.read_table(path, partitioning=None).to_pandas().to_csv())
        elif path.is_file():
            said.append(path.read_bytes().decode("latin-1"))
    return "\n".join(said)


def quarantine(home: Path, table: str = "calls", under: str = "lake/quarantine") -> pd.DataFrame:
    """The quarantined rows of a table."""
    found = sorted((home / under / table).glob("*.parquet"))
    return pd.concat([pq.read_table(path, partitioning=None).to_pandas() for path in found], ignore_index=True)


def balanced(report: IngestReport) -> bool:
    """Invariant: rows in = accepted + duplicates + quarantined, in every table."""
    return all(t.rows_in == t.accepted + t.duplicates + sum(t.quarantined.values()) for t in report.tables.values())
