"""Ingest: raw tables in, the next state of the lake out, in one step or not at all."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import Queue
from typing import Any

import duckdb

from data_schemas import manifest, merge, staging
from data_schemas.atomic import sync
from data_schemas.checks import WallClock
from data_schemas.clock import Clock, day_date
from data_schemas.errors import BadInput
from data_schemas.hashing import CalleeKey, forget, keep_key, load_key
from data_schemas.lake import table_path
from data_schemas.manifest import WHOLE, Manifest, TableState
from data_schemas.settings import Settings
from data_schemas.sources import RawTable, file_list, text, threads
from data_schemas.staging import Staged
from data_schemas.tables import TABLES

Progress = Callable[[str, float], None]
_WORK = ".tmp"
_NEVER_EMPTY = ("lines", "calls")


@dataclass
class TableReport:
    """What became of the rows of one table: rows_in = accepted + duplicates + quarantined.

    quarantined: "column rule" -> rows. Of the accepted ones, `unchanged` were there already, `added` are new,
    `replaced` came with other values. retracted: rows of the lake that a corrected day no longer has.
    days: local days that changed, ISO dates. unknown, missing: columns beyond the contract, and optional ones not given.
    """

    rows_in: int = 0
    accepted: int = 0
    duplicates: int = 0
    quarantined: dict[str, int] = field(default_factory=dict)
    unchanged: int = 0
    added: int = 0
    replaced: int = 0
    retracted: int = 0
    days: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass
class IngestReport:
    """What an ingest did, by table; `changed` is false when the lake is as it was. notes: lines for a person."""

    tables: dict[str, TableReport] = field(default_factory=dict)
    changed: bool = False
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values, for JSON."""
        return asdict(self)


def ingest(
    sources: Mapping[str, RawTable],
    home: Path,
    settings: Settings,
    *,
    known_at: datetime | None = None,
    part: bool = False,
    progress: Progress | None = None,
) -> IngestReport:
    """Bring the lake of a home (home/"lake") up to date with these tables.

    known_at: when a correction became known, for rows that do not say so themselves; now when None.
    part: the tables may be some of those that the contracts require, where there is a lake that has the others.
    progress: called with what is being done and the share of the whole that is done.
    Raises BadInput, with the lake as it was, for input that a person has to change.
    """
    return _Ingest(home, settings, known_at, progress or (lambda what, share: None)).run(sources, part)


class _Ingest:
    """One run: every table is staged and checked, then merged, then all of it is committed."""

    def __init__(self, home: Path, settings: Settings, known_at: datetime | None, progress: Progress) -> None:
        self.root = home / "lake"
        self.home, self.settings, self._progress, self._most = home, settings, progress, 0.0
        now = datetime.now(UTC)
        self.known_at = known_at or now
        self.wall = WallClock(Clock(settings.zone), now)
        self.report = IngestReport()
        self.work = self.root / _WORK / f"{now:%Y%m%dT%H%M%S%f}-{os.getpid()}"
        self.moves: list[tuple[Path, Path]] = []
        self.beside: dict[tuple[str, str], str] = {}
        self.stale: list[Path] = []

    def progress(self, what: str, share: float) -> None:
        """Tell how far the whole is; what is read a second time takes nothing back."""
        self._most = max(self._most, share)
        self._progress(what, self._most)

    def _telling(self, steps: Sequence[tuple[str, int]], start: float, end: float) -> Iterator[Callable[[float], None]]:
        """For each of some steps and its size, what tells how far it is; together they go from `start` to `end` of the whole."""
        each = (end - start) / (sum(size for _, size in steps) or 1)
        for what, size in steps:
            yield self._step(what, start, each * size)
            start += each * size

    def _step(self, what: str, start: float, width: float) -> Callable[[float], None]:
        return lambda done: self.progress(what, start + width * done)

    def run(self, sources: Mapping[str, RawTable], part: bool) -> IngestReport:
        before = manifest.load(self.root, self.settings.zone)
        if not (part and before):
            require_tables(sources)
        key = load_key(self.settings, self.home)
        if before and before.key != key.fingerprint:
            raise BadInput(f"{self.root}: made with another callee key; set BANCAST_CALLEE_KEY or callee_key_file to that one")
        state = before or Manifest(self.settings.zone, key.fingerprint)
        old = state.dump() if before else ""
        clean(self.root, before)
        self.work.mkdir(parents=True)
        try:
            with self._engine() as con:
                staged = self._stage(con, sources, key)
                con.execute(f"SET temp_directory = {text(self.work / 'spill')}")
                steps = [(f"merge {table.table.name}", table.rows_in) for table in staged]
                for table, tell in zip(staged, self._telling(steps, 0.5, 0.95), strict=True):
                    self._merge(con, table, state, tell)
                self._notes(con, staged, state)
            if state.dump() != old:
                self.progress("commit", 0.97)
                self._commit(state, key)
        finally:
            shutil.rmtree(self.work, ignore_errors=True)
            for folder in (self.work.parent, self.root, self.home):
                with suppress(OSError):  # a failed first try leaves no empty folder
                    folder.rmdir()
        self.progress("ingest done", 1.0)
        return self.report

    def _engine(self) -> duckdb.DuckDBPyConnection:
        con = duckdb.connect()
        con.execute(f"SET memory_limit = '{self.settings.memory_gb}GB'")
        con.execute("SET temp_directory = ''")  # raw ids may not spill
        con.execute(f"SET TimeZone = {text(self.settings.zone)}")  # for files of which some give a zone and some do not
        con.execute("SET preserve_insertion_order = false")
        con.execute("SET enable_progress_bar_print = false")
        con.execute("SET enable_progress_bar = true")  # for whoever watches
        con.execute("SET autoinstall_known_extensions = false")
        if self.settings.threads:
            con.execute(f"SET threads = {self.settings.threads}")
        return con

    def _stage(self, con: duckdb.DuckDBPyConnection, sources: Mapping[str, RawTable], key: CalleeKey) -> list[Staged]:
        """Scan and check every table; BadInput before anything of the lake is touched."""
        from data_schemas import contracts  # pandera takes its time to load

        staged = []
        given = [name for name in TABLES if name in sources]
        steps = [(f"read {name}", sum(path.stat().st_size for path in sources[name].files)) for name in given]
        for name, tell in zip(given, self._telling(steps, 0.0, 0.5), strict=True):
            tell(0.0)
            table = staging.stage(con, sources[name], TABLES[name], self.wall, key, self.work / "stage" / name, tell)
            self._judge(con, table)
            files = [path for paths in table.scopes.values() for path in paths]
            contracts.judge(con, table.table, files, self.wall.now)
            kept = self.work / "beside" / name
            if table.bad:
                now = f"{self.wall.now:%Y-%m-%d %H:%M:%S}"
                self.beside[name, "quarantine"] = staging.write_quarantine(con, table, kept / "quarantine", now)
            if table.plan.unknown:
                self.beside[name, "aside"] = staging.write_aside(con, table, kept / "aside")
            forget(con)
            staged.append(table)
        return staged

    def _judge(self, con: duckdb.DuckDBPyConnection, table: Staged) -> None:
        """BadInput when too much of a table is bad."""
        name, where = table.table.name, table.raw.describe()
        if name in _NEVER_EMPTY and not table.rows_in:
            raise BadInput(f"{where}: no rows; `{name}` must have some, check the export")
        most = self.settings.ingest.max_bad_share
        if not table.bad or (table.bad <= most * table.rows_in and table.scopes):
            return
        rule, rows = table.quarantined.most_common(1)[0]
        value = staging.example(con, table, rule)
        kept = self.root / "rejected" / self.work.name
        kept.mkdir(parents=True)
        now = f"{self.wall.now:%Y-%m-%d %H:%M:%S}"
        (kept / staging.write_quarantine(con, table, kept, now)).replace(kept / f"{name}.parquet")
        column = f"column `{rule.column}` {rule.says}" if rule.column else f"the line {rule.says}"
        raise BadInput(
            f"{where}: {table.bad} of {table.rows_in} rows of `{name}` ({table.bad / table.rows_in:.1%}) break a rule, more than "
            f"max_bad_share = {most:.1%}; most often ({rows}) {column}{f', e.g. {value!r}' if value else ''}; "
            f"the rows are in {kept}"
        )

    def _merge(self, con: duckdb.DuckDBPyConnection, staged: Staged, state: Manifest, tell: Callable[[float], None]) -> None:
        """Work out and stage what changes in each scope of a table; `tell` hears which part of that is done."""
        name, table = staged.table.name, staged.table
        kept = state.tables.setdefault(name, TableState())
        kept.columns = [column for column in table.names if column in {*kept.columns, *staged.plan.present}]
        told = self.report.tables[name] = TableReport(
            rows_in=staged.rows_in,
            quarantined={f"{rule.column} {rule.says}".strip(): rows for rule, rows in staged.quarantined.most_common()},
            unknown=list(staged.plan.unknown),
            missing=list(staged.plan.missing),
        )
        for kind, names in (("quarantine", kept.quarantine), ("aside", kept.aside)):
            file = self.beside.get((name, kind))
            if file and file not in names:
                names.append(file)
                self.moves.append((self.work / "beside" / name / kind / file, self.root / kind / name / file))
        days: set[int] = set()
        spans = staging.spans(con, staged) if table.big and any(scope in kept.files for scope in staged.scopes) else {}
        scopes = {scope: self._scope(staged, kept, scope, files, spans) for scope, files in staged.scopes.items()}
        for place, (scope, changes) in enumerate(_merged(con, scopes)):
            if place % 16 == 0:
                tell(place / len(scopes))
            for count in ("duplicates", "unchanged", "added", "replaced", "retracted"):
                setattr(told, count, getattr(told, count) + getattr(changes, count))
            told.accepted += changes.rows
            days |= self._record(kept, name, scope, changes)
        told.days = [day_date(day).isoformat() for day in sorted(days)]

    def _scope(
        self, staged: Staged, kept: TableState, scope: str, files: list[Path], spans: Mapping[str, tuple[int, int]]
    ) -> merge.Scope:
        name = staged.table.name
        return merge.Scope(
            table=staged.table,
            wall=self.wall,
            staged=files,
            live=[table_path(self.root, name, scope) / file for file in kept.files.get(scope, [])],
            seen=kept.fragments.get(scope, []),
            known_us=int(self.known_at.timestamp()) * 1_000_000 + self.known_at.microsecond,
            out=self.work / "new" / name / f"{scope}.parquet",
            silent=tuple(column for column in merge.FILLED_LATER.get(name, ()) if column in staged.plan.missing),
            spans=spans,
            retract=self.settings.ingest.retract,
        )

    def _record(self, kept: TableState, name: str, scope: str, changes: merge.Changes) -> set[int]:
        """Enter the changes of one scope into the manifest; the days that changed."""
        if changes.file is None:
            return set()
        file = f"{hashlib.sha256(changes.file.read_bytes()).hexdigest()[:20]}.parquet"
        folder = table_path(self.root, name, scope)
        self.moves.append((changes.file, folder / file))
        before = dict(kept.cells) if scope == WHOLE else {int(scope): kept.cells.get(int(scope), [])}
        if changes.rewritten:
            self.stale += [folder / old for old in kept.files[scope] if old != file]
            kept.files[scope] = [file]
            for day in set(kept.cells) & set(before):
                del kept.cells[day]
        else:
            kept.files[scope] = sorted({*kept.files.get(scope, []), file})
        for day, cells in changes.cells.items():
            kept.add_cells(day, cells)
        if scope != WHOLE:  # a small table is compared row by row every time
            old = [] if changes.replaced or changes.retracted else kept.fragments.get(scope, [])
            kept.fragments[scope] = sorted({*old, *changes.fragments})
        return {day for day in {*before, *changes.cells} if before.get(day) != kept.cells.get(day)}

    def _notes(self, con: duckdb.DuckDBPyConnection, staged: list[Staged], state: Manifest) -> None:
        """One line for each thing a person should know."""
        for table in staged:
            name, told = table.table.name, self.report.tables[table.table.name]
            for column in table.naive:
                self.report.notes.append(f"{name}.{column}: times without zone, read as {self.settings.zone}")
            if told.unknown:
                self.report.notes.append(f"{name}: unknown columns kept aside: {', '.join(told.unknown)}")
            if told.quarantined:
                worst, rows = next(iter(told.quarantined.items()))
                self.report.notes.append(f"{name}: {table.bad} rows in quarantine, most often ({rows}) {worst}")
            if told.retracted:
                self.report.notes.append(f"{name}: {told.retracted} rows retracted, a corrected day no longer has them")
        targets = {target: source for source, target in self.moves}
        lines = [table_path(self.root, "lines", WHOLE) / file for file in state.tables["lines"].files.get(WHOLE, [])]
        known = file_list(targets.get(path, path) for path in lines)
        for table in staged:
            if "line_id" in table.table.names and table.table.name != "lines" and table.scopes:
                files = file_list(path for paths in table.scopes.values() for path in paths)
                strangers = con.execute(
                    f"SELECT count(*), any_value(s.line_id) FROM read_parquet({files}, hive_partitioning = false) s "
                    f"ANTI JOIN read_parquet({known}, hive_partitioning = false) l ON s.line_id = l.line_id"
                ).fetchone()
                if strangers and strangers[0]:
                    self.report.notes.append(
                        f"{table.table.name}: {strangers[0]} rows of lines that `lines` lacks, e.g. {strangers[1]}; accepted"
                    )

    def _commit(self, state: Manifest, key: CalleeKey) -> None:
        """Move new files to their place, then replace the manifest, then drop files it no longer names."""
        for source, target in self.moves:
            _settle(source, target)
        keep_key(key, self.settings, self.home)
        state.save(self.root)
        self.report.changed = True
        for path in self.stale:
            path.unlink(missing_ok=True)


def _merged(con: duckdb.DuckDBPyConnection, scopes: Mapping[str, merge.Scope]) -> Iterator[tuple[str, merge.Changes]]:
    """Each scope with its changes, in order. A day alone keeps one core busy, so as many run at a time as there are threads."""
    cursors: Queue[duckdb.DuckDBPyConnection] = Queue()
    workers = min(threads(con), len(scopes)) or 1
    for _ in range(workers):
        cursors.put(con.cursor())

    def work(scope: merge.Scope) -> merge.Changes:
        cursor = cursors.get()
        try:
            return scope.merge(cursor)
        finally:
            cursors.put(cursor)

    pool = ThreadPoolExecutor(workers)
    try:
        yield from zip(scopes, pool.map(work, scopes.values()), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)
        while not cursors.empty():
            cursors.get().close()


def clean(root: Path, state: Manifest | None) -> None:
    """Remove what a crashed ingest left: its work folder, and files that the manifest does not name."""
    shutil.rmtree(root / _WORK, ignore_errors=True)
    live = set()
    for name, kept in (state.tables if state else {}).items():
        live |= {table_path(root, name, scope) / file for scope, files in kept.files.items() for file in files}
        live |= {root / "quarantine" / name / file for file in kept.quarantine}
        live |= {root / "aside" / name / file for file in kept.aside}
    for name in (*TABLES, "quarantine", "aside"):
        for path in (root / name).rglob("*.parquet"):
            if path not in live:
                path.unlink()


def require_tables(sources: Mapping[str, RawTable]) -> None:
    """BadInput when a table that the contracts require is not among the sources."""
    beside = next(iter(sources.values())).describe() if sources else "the input"
    for name, table in TABLES.items():
        if not table.optional and name not in sources:
            raise BadInput(
                f"{beside}: the required table `{name}` is missing beside it; add {name}.parquet, {name}.csv or a folder {name}/ "
                "(one without rows needs its header)"
            )


def _settle(source: Path, target: Path) -> None:
    """Move a finished file to its place, durably."""
    target.parent.mkdir(parents=True, exist_ok=True)
    sync(source)
    os.replace(source, target)
    sync(target.parent)
