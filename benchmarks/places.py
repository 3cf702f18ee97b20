"""A simulated world of some size and the homes made from it, on disk: made when first asked for, kept between runs when told to.

Kept ones are used again only as long as the code that made them is the same.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.processes import Tell, work
from data_schemas.clock import Clock, day_number
from data_schemas.tables import TABLES
from features.programs import code_of

_ROOT = Path(__file__).parents[1]
_EVENTS = ("calls", "complaints", "messages")


@dataclass(frozen=True)
class Size:
    """What the simulator is asked for."""

    lines: int
    days: int
    calls: float
    seed: int = 3

    def times(self, factor: int) -> Size:
        """As many times the lines, each with as many calls."""
        return replace(self, lines=self.lines * factor)

    def __str__(self) -> str:
        return f"{self.lines} lines, {self.days} days, {self.calls} calls a line and day, seed {self.seed}"


class Place:
    """The world of one size below `root`, its homes, and a folder `temporary` for what no later run needs."""

    def __init__(self, size: Size, root: Path, temporary: Path, zone: str, tell: Tell) -> None:
        self.size, self.zone, self.tell, self.temporary = size, zone, tell, temporary
        self.root = root / f"world-{size.lines}x{size.days}x{size.calls:g}-seed{size.seed}"
        self._made: dict[str, Any] = {}

    @property
    def world(self) -> Path:
        """The folder of its tables."""
        return self.root / "tables"

    def made(self) -> dict[str, Any]:
        """What the simulator says of the world, which is made first if need be."""
        if not self._made:
            note, wanted = self.root / "made.json", {"code": _code("simulator", "data_schemas"), "zone": self.zone}
            kept = json.loads(note.read_text(encoding="utf-8")) if note.exists() else {}
            if {name: kept.get(name) for name in wanted} != wanted:
                shutil.rmtree(self.root, ignore_errors=True)
                self.root.mkdir(parents=True)
                self.tell(f"simulate {self.size}")
                size = self.size
                spec = {"lines": size.lines, "days": size.days, "calls": size.calls, "seed": size.seed, "zone": self.zone}
                kept = {**wanted, **work("world", self.tell, folder=str(self.world), **spec)["made"]}
                note.write_text(json.dumps(kept) + "\n", encoding="utf-8")
            self._made = kept
        return self._made

    @property
    def first(self) -> int:
        """The first local day."""
        return day_number(date.fromisoformat(self.made()["first"]))

    def snapshots(self, wanted: int) -> list[int]:
        """The as_of days of weekly snapshots up to the end of the world, at most `wanted`."""
        end = self.first + self.size.days
        return [day for day in range(end - 7 * (wanted - 1), end + 1, 7) if day > self.first]

    def tables(self) -> dict[str, str]:
        """The files of each table, as DuckDB reads them."""
        self.made()
        roots = {name: _root(self.world, name) for name in TABLES}
        return {name: str(root if root.suffix else root / "**" / "*.parquet") for name, root in roots.items() if root.exists()}

    def home(self, until: int | None = None) -> Path:
        """A home that has ingested what was known at local midnight `until`, or everything.

        Nothing may write to it: see `copied`.
        """
        name = "all" if until is None else f"until-{until - self.first}-days"
        kept = self.root / f"home-{name}-{_code('data_schemas')}"
        self.made()
        if not kept.exists():
            for old in self.root.glob(f"home-{name}-*"):
                shutil.rmtree(old)
            self.tell(f"ingest {name.replace('-', ' ')}, once")
            with self.folder() as fresh:
                tables = self.world if until is None else self.delivery(fresh / "tables", None, until)
                work("ingest", self.tell, folder=str(tables), home=str(fresh / "home"))
                (fresh / "home").replace(kept)
        return kept

    def adopt(self, home: Path) -> None:
        """Keep a home into which the whole world was ingested, if there is none yet."""
        kept = self.root / f"home-all-{_code('data_schemas')}"
        if not kept.exists():
            home.replace(kept)

    @contextmanager
    def copied(self, home: Path) -> Iterator[Path]:
        """A copy of a home that may be written to: ingest never changes a Parquet file, so these are linked."""

        def link(source: str, target: str) -> str:
            if source.endswith(".parquet"):
                os.link(source, target)
            else:
                shutil.copy2(source, target)
            return target

        with self.folder() as fresh:
            yield Path(shutil.copytree(home, fresh / "home", copy_function=link))

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for the length of a measurement."""
        with tempfile.TemporaryDirectory(dir=self.temporary) as fresh:
            yield Path(fresh)

    def delivery(self, folder: Path, since: int | None, until: int) -> Path:
        """What a company exports at local midnight `until`: events of the days from `since` on, lines and bans as known then."""
        folder.mkdir(parents=True)
        clock = Clock(self.zone)
        end = clock.midnight(until)
        start = clock.midnight(since) if since is not None else None
        for name in TABLES:
            source = _root(self.world, name)
            if not source.exists():
                continue
            if name in _EVENTS:
                _events(source, folder / name, TABLES[name].event_time, start, end)
            elif name == "policies":
                shutil.copyfile(source, folder / source.name)
            else:
                _as_known(name, source, folder / source.name, end)
        return folder


def _root(folder: Path, table: str) -> Path:
    file = folder / f"{table}.parquet"
    return file if file.exists() else folder / table


def _events(source: Path, folder: Path, time: str, start: datetime | None, end: datetime) -> None:
    """Rows of a stretch of time: files within it are linked, those at its ends are cut."""
    folder.mkdir(parents=True)
    low, high = (int(moment.timestamp()) * 1_000_000 if moment else 0 for moment in (start, end))
    within = f"epoch_us({time}) >= {low} and epoch_us({time}) < {high}"
    for file in [source] if source.is_file() else sorted(source.rglob("*.parquet")):
        rows = f"read_parquet('{file}', hive_partitioning = false)"
        with duckdb.connect() as con:
            found = con.execute(f"select count(*) filter ({within}), count(*) from {rows}").fetchone() or (0, 0)
        if found[0] == found[1]:
            os.link(file, folder / file.name)
        elif found[0] or source.is_file():
            _copy(f"from {rows} where {within}", folder / file.name)


def _as_known(table: str, source: Path, target: Path, end: datetime) -> None:
    """Lines or bans as they were known at a moment: no later rows, and what came later not filled in."""
    moment = f"'{end.isoformat()}'::timestamptz"
    known = "activated_at" if table == "lines" else "coalesce(reported_at, banned_at)"
    later = {"deactivated_at": "deactivated_at"}
    if table == "bans":
        later = {"lifted_at": "lifted_at", "appeal_won": "appealed_at", "appealed_at": "appealed_at"}
    blank = [f"case when {when} < {moment} then {name} end as {name}" for name, when in later.items()]
    _copy(f"select * replace ({', '.join(blank)}) from read_parquet('{source}') where {known} < {moment}", target)


def _copy(rows: str, target: Path) -> None:
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute(f"copy ({rows}) to '{target}' (format parquet, compression zstd)")


def _code(*packages: str) -> str:
    """A short hash of the code of these packages."""
    return code_of(*[_ROOT / name for name in packages])[:8]
