"""One scan of a source: typed, checked rows on disk by local day, and what is set aside of the others.

Ids are hashed in that scan; staged files hold no raw one.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from data_schemas import checks
from data_schemas.checks import Plan, Rule, WallClock
from data_schemas.errors import BadInput, disk_full
from data_schemas.hashing import CalleeKey, hashed_view, mask_sql, passing_view
from data_schemas.manifest import WHOLE
from data_schemas.merge import row_hash
from data_schemas.sources import FILE, REJECT_ERRORS, FileTable, RawTable, file_list, first_line, memory_gb, quoted, text
from data_schemas.tables import Table
from data_schemas.watching import watched

_BAD = str(-(2**31))
"""The partition of rows that broke a rule: no local day has that number."""
BROKEN_LINE = Rule("", "is a broken line (too many or too few fields, or a stray quote)")
_BROKEN = "broken_lines"
_IDS_A_GB = 5_000_000
"""Different ids that each GB of memory holds."""
_WHOLE: list[list[str]] = [[]]
"""A source in one part, which names no files."""
_IDS_SHARE = 0.4
"""Part of a scan's time that goes into the ids before it."""


@dataclass
class Staged:
    """A table after its scan.

    rows_in: all rows of the source, broken lines too. quarantined: rule -> rows.
    scopes: scope -> staged files of its good rows, ascending.
    naive: time columns that had cells without zone.
    """

    raw: RawTable
    plan: Plan
    view: str
    rows_in: int = 0
    quarantined: Counter[Rule] = field(default_factory=Counter)
    scopes: dict[str, list[Path]] = field(default_factory=dict)
    naive: list[str] = field(default_factory=list)

    @property
    def table(self) -> Table:
        """The contract."""
        return self.plan.table

    @property
    def bad(self) -> int:
        """Rows that broke a rule."""
        return sum(self.quarantined.values())


def stage(
    con: duckdb.DuckDBPyConnection,
    raw: RawTable,
    table: Table,
    wall: WallClock,
    key: CalleeKey,
    folder: Path,
    tell: Callable[[float], None],
) -> Staged:
    """Scan a source once into `folder`; `tell` hears which part of that is done.

    Raises BadInput when it cannot be read, lacks a required column or has a type that cannot fit.
    """
    con.execute(f"DROP TABLE IF EXISTS {REJECT_ERRORS}")
    con.execute("DROP TABLE IF EXISTS reject_scans")
    view = raw.relation(con)
    columns = {name: kind for name, kind, *_ in con.execute(f"DESCRIBE {view}").fetchall()}

    def blank(name: str) -> bool:
        cell = f"nullif(CAST({quoted(name)} AS VARCHAR), 'nan')"
        return con.execute(f"SELECT count({cell}) FROM {view}").fetchone() == (0,)

    made = checks.plan(table, columns, wall, raw.describe(), blank)
    personal = tuple(name for name in made.present if table.column(name).personal)
    block, first = checks.has_block(table), _IDS_SHARE if personal else 0.0

    def scanned(hashed: Callable[..., str], parts: list[list[str]], number: int) -> Staged:
        """One of the parts: the rows of its files, or of all where it names none."""

        def told(done: float) -> None:
            tell((number + done) / len(parts))

        rows = _only(con, view, parts[number]) if parts[number] else view
        with watched(con, lambda done: told(first * done)):
            staged = Staged(raw, made, hashed(con, key, rows, columns, personal, block))
        con.execute(f"DROP TABLE IF EXISTS {REJECT_ERRORS}")  # broken lines are met again in the scan that counts
        con.execute("DROP TABLE IF EXISTS reject_scans")
        with watched(con, lambda done: told(first + (1 - first) * done)):
            _scan(con, staged, folder, number)
        return staged

    with _unreadable_named(raw):
        for hashed, parts in _ways(con, raw, view, personal) if personal else [(lambda *_: view, _WHOLE)]:
            try:
                for number in range(len(parts)):
                    staged = scanned(hashed, parts, number)
                if len(parts) > 1:
                    staged.view = passing_view(con, key, view, columns, personal, block)  # for the few rows to show
            except duckdb.OutOfMemoryException:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                break
        else:
            raise BadInput(f"{raw.describe()}: does not fit into memory; set memory_gb higher, or deliver it in parts")
    _count(con, staged, folder)
    return staged


@contextmanager
def _unreadable_named(raw: RawTable) -> Iterator[None]:
    """What the engine says of a source that it cannot read, in one line."""
    try:
        yield
    except duckdb.Error as error:
        if disk_full(error):  # of what is written, not of what is read
            raise
        raise BadInput(f"{raw.describe()}: not readable to its end ({first_line(error)}); write it anew") from None


def _ways(
    con: duckdb.DuckDBPyConnection, raw: RawTable, view: str, personal: Iterable[str]
) -> Iterator[tuple[Callable[..., str], list[list[str]]]]:
    """One way after the other, for where memory does not hold the ids: those of all files, of some at a time, of none."""
    room = _IDS_A_GB * memory_gb(con)
    parts = _parts(con, raw, room)
    if len(parts) < 2 or _different(con, view, personal) < room:
        yield hashed_view, _WHOLE
    if len(parts) > 1:
        yield hashed_view, parts
    yield passing_view, _WHOLE


def _different(con: duckdb.DuckDBPyConnection, view: str, columns: Iterable[str]) -> int:
    """How many different values some columns have, about."""
    counts = " + ".join(f"approx_count_distinct({quoted(name)})" for name in columns)
    found = con.execute(f"SELECT {counts} FROM {view}").fetchone()
    return int(found[0]) if found else 0


def _parts(con: duckdb.DuckDBPyConnection, raw: RawTable, room: float) -> list[list[str]]:
    """Names of files, some at a time, that have at most so many rows (or are one); none where broken lines are to be counted."""
    if not isinstance(raw, FileTable) or raw.format != "parquet":
        return []
    # As the scan names them, and in order: neighbours share ids.
    rows = f"SELECT parse_filename(file_name), num_rows FROM parquet_file_metadata({file_list(raw.files)}) ORDER BY file_name"
    counts: Counter[str] = Counter()
    for name, count in con.execute(rows).fetchall():
        counts[name] += count
    parts: list[list[str]] = []
    left = 0.0
    for name, count in counts.items():
        if not parts or count > left:
            parts.append([])
            left = room
        parts[-1].append(name)
        left -= count
    return parts


def _only(con: duckdb.DuckDBPyConnection, view: str, files: list[str]) -> str:
    """A view of the rows of some files; the others are not read."""
    some = quoted("some_" + view.strip('"'))
    names = ", ".join(map(text, files))
    con.execute(f"CREATE OR REPLACE TEMP VIEW {some} AS SELECT * FROM {view} WHERE {FILE} IN ({names})")
    return some


def _scan(con: duckdb.DuckDBPyConnection, staged: Staged, folder: Path, number: int) -> None:
    """Write every row of a part, typed and with the rule it breaks, below `folder`, by day, beside those of earlier parts."""
    scope = "day" if staged.table.big else "0"
    content = f"{row_hash(staged.table)} AS content"  # what merge tells rows apart by
    part = f"CASE WHEN rule > 0 THEN {_BAD} ELSE {scope} END AS part"
    rows = f"SELECT *, {content}, {part} FROM ({staged.plan.select(staged.view)})"
    folder.mkdir(parents=True, exist_ok=bool(number))
    how = f"FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v2, PARTITION_BY (part), FILENAME_PATTERN '{number}_{{i}}'"
    con.execute(f"COPY ({rows}) TO {text(folder)} ({how}, OVERWRITE_OR_IGNORE)")


def _count(con: duckdb.DuckDBPyConnection, staged: Staged, folder: Path) -> None:
    parts = {path.name.removeprefix("part="): sorted(path.glob("*.parquet")) for path in folder.iterdir()}
    naive = 0
    if parts:
        files = file_list(path for paths in parts.values() for path in paths)
        counts = con.execute(
            f"SELECT rule, count(*), bit_or(naive) FROM read_parquet({files}, hive_partitioning = false) GROUP BY rule"
        ).fetchall()
        for rule, rows, bits in counts:
            staged.rows_in += rows
            naive |= bits
            if rule:
                staged.quarantined[staged.plan.rules[rule - 1]] += rows
    staged.naive = [name for place, name in enumerate(staged.plan.naive) if naive >> place & 1]
    parts.pop(_BAD, None)
    if staged.table.big:
        staged.scopes = {day: parts[day] for day in sorted(parts, key=int)}
    elif parts:
        staged.scopes = {WHOLE: parts["0"]}
    con.execute(f"DROP TABLE IF EXISTS {_BROKEN}")
    if con.execute(f"SELECT count(*) FROM duckdb_tables() WHERE table_name = '{REJECT_ERRORS}'").fetchone() != (0,):
        con.execute(
            f"CREATE TEMP TABLE {_BROKEN} AS SELECT parse_filename(any_value(file_path)) AS source, line, "
            f"{_kept_of_line(staged.table)} AS kept "
            f"FROM {REJECT_ERRORS} JOIN reject_scans USING (scan_id, file_id) GROUP BY scan_id, file_id, line"
        )
        row = con.execute(f"SELECT count(*) FROM {_BROKEN}").fetchone()
        broken = row[0] if row else 0
        if broken:
            staged.rows_in += broken
            staged.quarantined[BROKEN_LINE] += broken
        con.execute(f"DROP TABLE {REJECT_ERRORS}")
        con.execute("DROP TABLE reject_scans")


def spans(con: duckdb.DuckDBPyConnection, staged: Staged) -> dict[str, tuple[int, int]]:
    """Each source of a table kept by day -> the first and the last local day of its good rows."""
    files = file_list(path for paths in staged.scopes.values() for path in paths)
    rows = f"SELECT source, min(day), max(day) FROM read_parquet({files}, hive_partitioning = false) GROUP BY source"
    return {source: (first, last) for source, first, last in con.execute(rows).fetchall()}


def _kept_of_line(table: Table) -> str:
    """SQL of what may be kept of a broken line: where its fields lie is unknown, so with ids about only the first one."""
    line = "trim(any_value(csv_line), chr(10) || chr(13))"
    personal = any(column.personal for column in table.columns)
    return mask_sql(f"regexp_extract({line}, '^[^,;|\\t]*')" if personal else line)


def example(con: duckdb.DuckDBPyConnection, staged: Staged, rule: Rule) -> str:
    """A value that broke a rule, masked; "" where the rule is about an empty cell, a personal one or a whole line."""
    if rule is BROKEN_LINE or rule.says == "is empty" or staged.table.column(rule.column).personal:
        return ""
    number = staged.plan.rules.index(rule) + 1
    rows = staged.plan.select(staged.view, f", {_shown(staged.plan, rule.column)} AS example")
    found = con.execute(f"SELECT example FROM ({rows}) WHERE rule = {number} LIMIT 1").fetchone()
    return str(found[0])[:40] if found else ""


def write_quarantine(con: duckdb.DuckDBPyConnection, staged: Staged, folder: Path, now: str) -> str:
    """Write the rows that broke a rule below `folder`; the name of the file, which follows from its content."""
    parts = []
    plan = staged.plan
    if staged.bad > staged.quarantined[BROKEN_LINE]:
        cells = ", ".join(f"{text(name)}, {_shown(plan, name)}" for name in plan.columns if not name.startswith("__"))
        rows = plan.select(staged.view, f", CAST(json_object({cells}) AS VARCHAR) AS row_json")
        rules = ", ".join(f"({n}, {text(rule.says)}, {text(rule.column)})" for n, rule in enumerate(plan.rules, 1))
        parts.append(
            f'SELECT {text(staged.table.name)} AS "table", r.says AS rule, r.name AS "column", b.source, b.row_json AS "row" '
            f"FROM ({rows}) b JOIN (VALUES {rules}) r(number, says, name) ON b.rule = r.number"
        )
    if staged.quarantined[BROKEN_LINE]:
        parts.append(
            f'SELECT {text(staged.table.name)} AS "table", {text(BROKEN_LINE.says)} AS rule, \'\' AS "column", source, '
            f"CAST(json_object('line', line, 'text', kept) AS VARCHAR) AS \"row\" FROM {_BROKEN}"
        )
    return _write_named(con, " UNION ALL ".join(parts), folder, f", TIMESTAMP {text(now)} AS ingested_at")


def write_aside(con: duckdb.DuckDBPyConnection, staged: Staged, folder: Path) -> str:
    """Write the columns that the contract lacks, beside the key, below `folder`; the name of the file."""
    plan = staged.plan
    keep = [quoted(name) for name in (*plan.table.key, plan.table.event_time) if name not in plan.unknown]
    extra = "".join(f", {_masked(plan.columns[name], 'raw ' + name)} AS {quoted('raw ' + name)}" for name in plan.unknown)
    chosen = ", ".join(dict.fromkeys(keep)) + "".join(f", {quoted('raw ' + name)} AS {quoted(name)}" for name in plan.unknown)
    return _write_named(con, f"SELECT {chosen} FROM ({plan.select(staged.view, extra)}) WHERE rule = 0", folder, "")


def _write_named(con: duckdb.DuckDBPyConnection, rows: str, folder: Path, extra: str) -> str:
    """Write rows; the name is a fingerprint of them without `extra`, in any order."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "part.parquet"
    con.execute(f"COPY (SELECT *{extra} FROM ({rows})) TO {text(path)} (FORMAT parquet, COMPRESSION zstd)")
    names = [name for name, *_ in con.execute(f"DESCRIBE ({rows})").fetchall()]
    content = con.execute(
        f"SELECT count(*), sum(hash({', '.join(map(quoted, names))})) FROM read_parquet({file_list([path])})"
    ).fetchone()
    name = hashlib.sha256(repr((names, content)).encode()).hexdigest()[:20] + ".parquet"
    path.replace(folder / name)
    return name


def _shown(plan: Plan, name: str) -> str:
    """SQL of a raw cell as quarantine may show it."""
    raw = f"CAST({quoted('raw ' + name)} AS VARCHAR)"
    if name not in plan.table.names:
        return mask_sql(raw)
    column = plan.table.column(name)
    if column.personal:
        return f"CAST(t.{quoted(name)} AS VARCHAR)"
    if name in plan.table.key and column.kind == "string":
        return raw
    if column.kind == "timestamp":
        return f"CASE WHEN t.{quoted(name)} IS NOT NULL THEN {raw} ELSE {mask_sql(raw)} END"
    return mask_sql(raw)


def _masked(kind: str, name: str) -> str:
    """SQL of a raw cell of a column without contract, numbers of persons blotted out and other types as they are."""
    if kind in ("BOOLEAN", "DATE", "TIME") or kind.startswith("TIMESTAMP"):
        return quoted(name)
    if kind in ("DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
        return f"CASE WHEN abs({quoted(name)}) < 1e6 THEN CAST({quoted(name)} AS VARCHAR) ELSE '#######' END"
    return mask_sql(f"CAST({quoted(name)} AS VARCHAR)")
