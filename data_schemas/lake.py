"""The lake as everything after ingest reads it: versioned rows by local day, each with when it was known."""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from itertools import accumulate
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import ibis
import ibis.expr.datatypes as dt

from data_schemas import manifest
from data_schemas.checks import has_block
from data_schemas.clock import Clock, day_date, day_number
from data_schemas.home import Home
from data_schemas.manifest import WHOLE
from data_schemas.parquet import parquet_view
from data_schemas.settings import Settings
from data_schemas.tables import TABLES, Column

SYSTEM = {
    "day": dt.int32,
    "known_day": dt.int32,
    "gone_day": dt.int32,
    "known_at": dt.Timestamp(scale=6),
    "local_second": dt.int32,
}
"""Columns that ingest adds: local days on which the row happened, became known, and was replaced or retracted (null
while it stands); when it became known (UTC); second of its local day, by the wall clock."""
_TYPES = {
    "string": dt.string,
    "timestamp": dt.Timestamp(scale=6),
    "number": dt.float64,
    "boolean": dt.boolean,
    "clock": dt.string,
}


class Lake:
    """The lake at `root` (home/"lake") as it stands now: later ingests need a new Lake. An absent one is empty.

    A row is visible at local midnight t when `day < t`, `known_day < t` and `gone_day` is null or >= t.
    """

    def __init__(self, root: Path, state: manifest.Manifest | None = None) -> None:
        """state: the manifest, where it has been read already."""
        self.root = root
        self._manifest = state or manifest.load(root) or manifest.Manifest(Clock().zone, "")

    @property
    def zone(self) -> str:
        """The IANA zone whose local days the lake is kept by."""
        return self._manifest.zone

    def has(self, table: str) -> bool:
        """Whether the table was ever ingested, be it without rows."""
        return table in self._manifest.tables

    def present_columns(self, table: str) -> frozenset[str]:
        """Contract columns seen in any accepted input."""
        return frozenset(self._manifest.tables[table].columns if self.has(table) else ())

    def days(self, table: str, until: int | None = None) -> list[int]:
        """Local days with rows, ascending; given `until`, with rows visible at that local midnight."""
        if not self.has(table):
            return []
        cells = self._manifest.tables[table].cells
        return sorted(day for day in cells if until is None or any(cell.visible(day, until) for cell in cells[day]))

    def rows(self, table: str, until: int | None = None) -> dict[int, int]:
        """Day -> rows that stand now (neither replaced nor retracted); given `until`, that are visible at that local midnight."""
        if not self.has(table):
            return {}
        cells = self._manifest.tables[table].cells

        def counts(day: int, cell: manifest.Cell) -> bool:
            return cell.gone_day is None if until is None else cell.visible(day, until)

        return {day: sum(cell.rows for cell in cells[day] if counts(day, cell)) for day in sorted(cells)}

    @property
    def derived(self) -> Path | None:
        """The folder for what is worked out of this lake and can be worked out again; None where nothing is kept."""
        return Home(self.root.parent).derived

    def day_state(self, table: str, day: int) -> list[str]:
        """What changes whenever the rows of a day change: the names of their files, which tell their content."""
        return self._manifest.tables[table].files.get(str(day), []) if self.has(table) else []

    def known_state(self, table: str) -> Callable[[int], int]:
        """A number for each local day, which changes whenever the rows of the table that were known by the end of it change."""
        steps: dict[int, int] = defaultdict(int)
        for cells in self._manifest.tables[table].cells.values() if self.has(table) else ():
            for cell in cells:
                steps[cell.known_day] += _number("known", cell.known_day, cell.rows, cell.content)
                if cell.gone_day is not None:
                    steps[cell.gone_day] += _number("gone", cell.known_day, cell.gone_day, cell.rows, cell.content)
        days = sorted(steps)
        sums = [0, *accumulate(steps[day] for day in days)]
        return lambda day: sums[bisect_right(days, day)] % 2**64

    def files(self, table: str, first_day: int | None = None, last_day: int | None = None) -> list[Path]:
        """The Parquet files that hold the rows of these days (inclusive), earliest first."""
        if not self.has(table):
            return []
        by_scope = self._manifest.tables[table].files
        if WHOLE in by_scope:
            return [table_path(self.root, table, WHOLE) / name for name in by_scope[WHOLE]]
        wanted = sorted(
            day for day in map(int, by_scope) if (first_day is None or day >= first_day) and (last_day is None or day <= last_day)
        )
        return [table_path(self.root, table, str(day)) / name for day in wanted for name in by_scope[str(day)]]

    def read(self, con: ibis.BaseBackend, table: str, first_day: int | None = None, last_day: int | None = None) -> ibis.Table:
        """The rows of these days (inclusive), all versions: contract columns and SYSTEM, typed even when there is none."""
        rows = self.read_files(con, table, self.files(table, first_day, last_day))
        if not TABLES[table].big:
            if first_day is not None:
                rows = rows.filter(rows.day >= first_day)
            if last_day is not None:
                rows = rows.filter(rows.day <= last_day)
        return rows

    def read_files(self, con: ibis.BaseBackend, table: str, files: list[Path]) -> ibis.Table:
        """The rows of some files of a table, in its columns and types."""
        shape = schema(table)
        if not files:
            return ibis.memtable([], schema=shape)
        rows = _scan(con, files, f"lake_{table}_{uuid4().hex}", list(shape))
        if rows.schema() == shape:
            return rows
        typed = {name: rows[name].cast(kind) if rows[name].type() != kind else rows[name] for name, kind in shape.items()}
        return rows.select(**typed)

    def ahead(self, table: str, first_day: int, last_day: int) -> None:
        """A hint that the rows of these days (inclusive) are read next: the disk fetches them while others are worked on."""
        if hasattr(os, "posix_fadvise"):
            for path in self.files(table, first_day, last_day):
                with suppress(OSError), open(path, "rb") as file:  # whoever reads it says what is wrong
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)

    def fingerprint(self, until: int) -> str:
        """SHA-256 over the content visible at local midnight `until` alone: no later data, chunking or order changes it."""
        return self._manifest.fingerprint(until)


class EditedLake(Lake):
    """A lake of which some days' calls stand in other files. Nothing is written to the lake or copied from it.

    derived: the folder for what is worked out of it, never the lake's own; None: nothing is kept. days: local day -> what gives
    the files that hold all of its calls instead, when they are read. mark: what `day_state` says of the calls of `marked` days.
    """

    def __init__(
        self, lake: Lake, derived: Path | None, days: Mapping[int, Callable[[], Sequence[Path]]], mark: str, marked: range
    ) -> None:
        super().__init__(lake.root, lake._manifest)
        self._derived, self._days, self._mark, self._marked = derived, days, mark, marked

    @property
    def derived(self) -> Path | None:
        """The folder given."""
        return self._derived

    def day_state(self, table: str, day: int) -> list[str]:
        """The mark of the edit for an edited day's calls."""
        return [self._mark] if table == "calls" and day in self._marked else super().day_state(table, day)

    def files(self, table: str, first_day: int | None = None, last_day: int | None = None) -> list[Path]:
        """The files of these days, the edited ones in the place of the lake's."""
        if table != "calls":
            return super().files(table, first_day, last_day)
        wanted = [
            day for day in self.days(table) if (first_day is None or day >= first_day) and (last_day is None or day <= last_day)
        ]
        found = [self._days[day]() if day in self._days else super(EditedLake, self).files(table, day, day) for day in wanted]
        return [path for paths in found for path in paths]


def lake_of(home: Home, settings: Settings) -> Lake:
    """The lake of a home as it stands; BadInput when it is kept by days of another zone than the settings say."""
    return Lake(home.lake, manifest.load(home.lake, settings.zone))


def local_today(lake: Lake) -> date:
    """The calendar day it is now in the lake's zone."""
    return datetime.now(ZoneInfo(lake.zone)).date()


def finished_days(lake: Lake, today: date | None = None) -> list[int]:
    """Local days with calls that stand, ascending, before `today` (now in the lake's zone when None), whose calls go on."""
    end = day_number(today or local_today(lake))
    return [day for day, rows in lake.rows("calls").items() if rows and day < end]


def schema(table: str) -> ibis.Schema:
    """The columns that Lake.read gives, in order."""
    contract = TABLES[table]
    columns = {column.name: _type(column) for column in contract.columns}
    block = {"callee_block": dt.int64} if has_block(contract) else {}
    return ibis.schema({**columns, **block, **SYSTEM})


def table_path(root: Path, table: str, scope: str) -> Path:
    """The folder of a table's files, of one day when it is kept by day."""
    return root / table if scope == WHOLE else root / table / f"day={day_date(int(scope))}"


def _type(column: Column) -> dt.DataType:
    return dt.int64 if column.personal else _TYPES[column.kind]


def _number(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8])


def _scan(con: ibis.BaseBackend, files: list[Path], name: str, columns: list[str]) -> ibis.Table:
    if con.name == "duckdb":
        return parquet_view(con, name, files, columns)
    return con.read_parquet([str(path) for path in files], table_name=name)
