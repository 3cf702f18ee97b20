"""Where raw rows come from: Parquet and CSV files, single or in folders, as relations of the engine.

Nothing is converted here: CSV cells stay text, Parquet columns keep their type. What the rows must be is said in
`tables`, and checked in `checks`.
"""

from __future__ import annotations

import codecs
import csv
import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.errors import BadInput
from data_schemas.tables import TABLES

FILE = "__file"
"""The provenance column of every relation: the name of the source file, without its folder."""
REJECT_ERRORS = "reject_errors"
"""The temporary table in which the engine keeps the broken lines of the CSV files it read on a connection."""
_CHUNK = 1 << 24
_DELIMITERS = (",", "\t", ";", "|")


@runtime_checkable
class RawTable(Protocol):
    """The raw rows of one table: files as they are, or a mapping over them."""

    @property
    def name(self) -> str:
        """The contract the rows are meant for."""
        ...

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        ...

    def relation(self, con: duckdb.DuckDBPyConnection) -> str:
        """Make a view on `con` and give its (quoted) name.

        Its columns are the raw ones (any type; CSV all text) and provenance, whose names begin with two
        underscores: `__file` always; ingest treats no such column as data. Broken CSV lines land in
        `reject_errors` on `con` as the view is read. Raises BadInput when a file cannot be read.
        """
        ...

    def describe(self) -> str:
        """The source as a message names it: a file, or a folder and the number of its files."""
        ...


@dataclass(frozen=True)
class FileTable:
    """Rows as they stand in files of one format.

    root: the file, or the folder that holds `files`; folders `key=value` between the two are columns (text):
        under their name when the contract has it, else as provenance `__key`.
    delimiter: of CSV; seen from the header line when None.
    header: the column names of CSV files that have no header line.
    """

    name: str
    root: Path
    files: tuple[Path, ...]
    format: Literal["parquet", "csv"]
    delimiter: str | None = None
    header: tuple[str, ...] | None = None

    def describe(self) -> str:
        """`root`, with the number of files when it is a folder."""
        return str(self.root) if self.files == (self.root,) else f"{self.root} ({len(self.files)} files)"

    def relation(self, con: duckdb.DuckDBPyConnection) -> str:
        """See RawTable."""
        view = quoted(f"raw_{self.name}")
        parts = self._parquet(con) if self.format == "parquet" else self._csv()
        try:
            con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS " + " UNION ALL BY NAME ".join(parts))
        except duckdb.Error as error:
            raise BadInput(f"{self.describe()}: not readable ({first_line(error)}); write it anew") from None
        return view

    def _folder_keys(self) -> list[str]:
        """Hive keys that every file has."""
        keys: list[str] | None = None
        for path in self.files:
            folders = path.relative_to(self.root).parts[:-1] if path != self.root else ()
            mine = [folder.split("=", 1)[0] for folder in folders if "=" in folder]
            if keys is not None and mine != keys:
                raise BadInput(f"{path}: folders `key=value` differ from those of {self.files[0]}; lay all files out alike")
            keys = mine
        return keys or []

    def _select(self, scan: str, columns: Iterable[str], blank: Iterable[str] = ()) -> str:
        """A scan with its folder keys renamed and the file name cut to its last part."""
        keys = self._folder_keys()
        contract = TABLES[self.name].names
        own = [f"NULL AS {quoted(name)}" if name in blank else quoted(name) for name in columns if name not in keys]
        named = [f"{quoted(key)} AS {quoted(key if key in contract else '__' + key)}" for key in keys]
        return f"SELECT {', '.join([*own, *named])}, parse_filename({FILE}) AS {FILE} FROM {scan}"

    def _parquet(self, con: duckdb.DuckDBPyConnection) -> list[str]:
        groups: dict[tuple[tuple[str, str], ...], list[Path]] = {}
        for path in self.files:
            try:
                blank = {field.name for field in pq.read_schema(path) if pa.types.is_null(field.type)}
                rows = con.execute(
                    f"DESCRIBE SELECT * FROM read_parquet({file_list([path])}, hive_partitioning = false)"
                ).fetchall()
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                why = first_line(error)
                raise BadInput(f"{path}: not a readable Parquet file, perhaps cut short ({why}); write it anew") from None
            groups.setdefault(tuple((name, "" if name in blank else kind) for name, kind, *_ in rows), []).append(path)
        parts = []
        for schema, paths in groups.items():
            scan = f"read_parquet({file_list(paths)}, filename = '{FILE}', {self._hive()})"
            blank = {name for name, kind in schema if not kind}  # the engine takes a column of nulls for integers
            parts.append(self._select(scan, (name for name, _ in schema), blank))
        return parts

    def _csv(self) -> list[str]:
        groups: dict[tuple[str, tuple[str, ...]], list[Path]] = {}
        for path in self.files:
            check_utf8(path)
            groups.setdefault(self._header(path), []).append(path)
        parts = []
        for (delimiter, names), paths in groups.items():
            columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in names)
            scan = (
                f"read_csv({file_list(paths)}, auto_detect = false, header = {self.header is None}, "
                f"delim = {text(delimiter)}, quote = '\"', escape = '\"', new_line = {text(_line_end(paths[0]))}, "
                f"columns = {{{columns}}}, nullstr = '', filename = '{FILE}', store_rejects = true, {self._hive()})"
            )
            parts.append(self._select(scan, names))
        return parts

    def _hive(self) -> str:
        return f"hive_partitioning = {bool(self._folder_keys())}, hive_types_autocast = false"

    def _header(self, path: Path) -> tuple[str, tuple[str, ...]]:
        """Delimiter and column names of a CSV file."""
        with path.open(encoding="utf-8-sig", newline="") as handle:
            start = handle.read(1 << 16)
        if not start.strip():
            raise BadInput(f"{path}: empty, without a header line; a table without rows still needs its header")
        line = start.splitlines()[0]
        delimiter = self.delimiter or max(_DELIMITERS, key=line.count)
        names = self.header or tuple(name.strip() for name in next(csv.reader([line], delimiter=delimiter)))
        twice = sorted({name for name in names if names.count(name) > 1})
        if self.header is None and not set(names) & set(TABLES[self.name].names) and any(re.search(r"\d{3}", n) for n in names):
            raise BadInput(f"{path}: no header line (the first line names no column of `{self.name}`); add one, or use --mapping")
        if twice or "" in names:
            what = f"column `{twice[0]}` twice" if twice and twice[0] else "a column without a name"
            raise BadInput(f"{path}: the header has {what}; rename it")
        return delimiter, names


def find_sources(folder: Path) -> dict[str, RawTable]:
    """The tables of a folder: `NAME.parquet`, `NAME.csv`, or a folder NAME of such files (nested ones too).

    Files and folders whose names begin with "." or "_" are no data. Raises BadInput for a missing folder, one
    without any table, a table given twice, a table folder that is empty or mixes the formats.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: no such folder; give one that holds {', '.join(TABLES)} as .parquet, .csv or folders")
    found: dict[str, RawTable] = {}
    for name in TABLES:
        given = [path for path in (folder / f"{name}.parquet", folder / f"{name}.csv", folder / name) if path.exists()]
        if len(given) > 1:
            raise BadInput(f"{folder}: `{name}` is there as {' and '.join(p.name for p in given)}; keep one")
        if given:
            found[name] = file_table(name, given[0])
    if not found:
        raise BadInput(f"{folder}: holds none of the tables {', '.join(TABLES)}; name them so, or map your files with --mapping")
    return found


def file_table(name: str, root: Path) -> FileTable:
    """The rows of one file, or of all files under a folder, for contract `name`; BadInput when there is none."""
    if root.is_dir():
        files = tuple(sorted(path for path in root.rglob("*") if path.is_file() and not _hidden(path.relative_to(root))))
        files = tuple(path for path in files if path.suffix in (".parquet", ".csv"))
        if not files:
            raise BadInput(f"{root}: no .parquet or .csv file in it; put the rows of `{name}` there")
    else:
        files = (root,)
    formats = {path.suffix for path in files}
    if len(formats) > 1:
        raise BadInput(f"{root}: mixes .parquet and .csv files; keep one format a table")
    kind: Literal["parquet", "csv"] = "parquet" if formats == {".parquet"} else "csv"
    return FileTable(name, root, files, kind)


def check_utf8(path: Path) -> None:
    """Raise BadInput with the byte offset when a file is not UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with path.open("rb") as handle:
        while block := handle.read(_CHUNK):
            kept = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=len(block) < _CHUNK)
            except UnicodeDecodeError as error:
                at = offset - kept + error.start
                raise BadInput(
                    f"{path}: not UTF-8 at byte {at}; save it as UTF-8, or set its encoding in a mapping file (--mapping)"
                ) from None
            offset += len(block)


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def text(value: object) -> str:
    """A value as an SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def file_list(paths: Iterable[Path]) -> str:
    """An SQL list of just these files: the engine would take `[`, `*` and `?` in their names for a pattern."""
    return f"[{', '.join(text(exactly(path)) for path in paths)}]"


def exactly(path: Path) -> str:
    """A path as the engine's readers take it; its writers take it as it is."""
    return glob.escape(str(path))


def as_text(name: str, kind: str, prefix: str = "") -> str:
    """SQL of a cell as text, NULL when empty: a whole number without fraction, as ids that went through a float column need."""
    cell = prefix + quoted(name)
    if kind.split("(")[0] in ("FLOAT", "DOUBLE", "DECIMAL"):
        whole = f"{cell} = round({cell}) AND abs({cell}) < 9e15"
        return (
            f"(CASE WHEN isnan({cell}::DOUBLE) THEN NULL WHEN {whole} THEN CAST(CAST({cell} AS BIGINT) AS VARCHAR) "
            f"ELSE CAST({cell} AS VARCHAR) END)"
        )
    return f"nullif({trimmed(cell, kind)}, '')"


def trimmed(cell: str, kind: str = "VARCHAR") -> str:
    """SQL of a cell as text without spaces around it.

    The engine's trim takes every text apart into characters, several times as long as it takes to see that there is no space at
    either end: the first character says so, the last, and whether there are others than ASCII.
    """
    if kind != "VARCHAR":
        return f"trim(CAST({cell} AS VARCHAR))"
    return (
        f"(CASE WHEN {cell} < '!' OR suffix({cell}, ' ') OR strlen({cell}) <> length({cell}) THEN trim({cell}) ELSE {cell} END)"
    )


def threads(con: duckdb.DuckDBPyConnection) -> int:
    """How many threads the engine works with."""
    found = con.execute("SELECT current_setting('threads')").fetchone()
    return int(found[0]) if found else 1


def memory_gb(con: duckdb.DuckDBPyConnection) -> float:
    """How much memory the engine may take, GB of 2**30 bytes."""
    found = con.execute("SELECT value FROM duckdb_settings() WHERE name = 'memory_limit'").fetchone()
    number, unit = str(found[0] if found else "0 bytes").split()
    return float(number) * 1024.0 ** (["bytes", "KiB", "MiB", "GiB", "TiB"].index(unit) - 3)


def first_line(error: Exception) -> str:
    """What an error of the engine says, on one line and short."""
    return str(error).strip().splitlines()[0][:200]


def _line_end(path: Path) -> str:
    with path.open("rb") as handle:
        start = handle.read(1 << 16)
    return "\\r\\n" if b"\r\n" in start else "\\n" if b"\n" in start or b"\r" not in start else "\\r"


def _hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)
