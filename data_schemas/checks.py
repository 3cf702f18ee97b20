"""SQL made from a contract: typed columns, the rule a row breaks, and the days it belongs to.

Everything runs in the engine, in the scan that reads the source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import pairwise

from data_schemas.clock import TIME_OF_DAY, Clock
from data_schemas.errors import BadInput
from data_schemas.hashing import BLOCK
from data_schemas.sources import FILE, as_text, quoted, text, trimmed
from data_schemas.tables import Column, Table

US_PER_DAY = 86_400_000_000
_YEAR_ZERO = 719_528
"""Days from year 0 to 1970: keeps the integer division positive."""
_TRUE = "('true', '1', 't', 'yes', 'y', '1.0')"
_FALSE = "('false', '0', 'f', 'no', 'n', '0.0')"
_ZONED = r":\d\d([.,]\d+)? ?([Zz]|UTC|[+-]\d\d(:?\d\d)?)$"
_NAIVE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}([T ]+\d{1,2}:\d\d(:\d\d([.,]\d+)?)?)?"
_KINDS = {
    "string": "a text",
    "timestamp": "a time",
    "number": "a number",
    "boolean": "true or false",
    "clock": "a time of day (HH:MM)",
}
SQL_TYPES = {"string": "VARCHAR", "timestamp": "TIMESTAMP", "number": "DOUBLE", "boolean": "BOOLEAN", "clock": "VARCHAR"}
_NUMERIC = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT")
_FRACTIONAL = ("FLOAT", "DOUBLE", "DECIMAL")
_NAIVE_TYPES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE")


@dataclass(frozen=True)
class Rule:
    """What a row can break: the column, and the rule in words that follow its name."""

    column: str
    says: str
    conversion: bool = False


@dataclass(frozen=True)
class WallClock:
    """SQL of local days: microseconds since the epoch in, days and seconds of the wall clock out."""

    clock: Clock
    now: datetime

    @cached_property
    def _pairs(self) -> list[tuple[int, int]]:
        return self.clock.offsets(datetime(1970, 1, 1, tzinfo=UTC), self.now + timedelta(days=800))

    def _case(self, us: str, pairs: list[tuple[int, int]]) -> str:
        if len({offset for _, offset in pairs}) == 1:
            return str(pairs[0][1])
        whens = " ".join(f"WHEN {us} >= {start} THEN {offset}" for start, offset in reversed(pairs[1:]))
        return f"(CASE {whens} ELSE {pairs[0][1]} END)"

    def local(self, us: str) -> str:
        """Wall clock of an instant, both in microseconds."""
        return f"({us} + {self._case(us, self._pairs)})"

    def instant(self, wall: str) -> str:
        """Instant of a wall clock; of two readings the earlier one, as Python's fold=0."""
        pairs = self._pairs
        shifted = [pairs[0]] + [(now[0] + max(was[1], now[1]), now[1]) for was, now in pairwise(pairs)]
        return f"({wall} - {self._case(wall, shifted)})"

    def day(self, us: str) -> str:
        """Local day number of an instant."""
        return f"CAST(({self.local(us)} + {_YEAR_ZERO * US_PER_DAY}) // {US_PER_DAY} - {_YEAR_ZERO} AS INTEGER)"

    def second(self, us: str) -> str:
        """Second of the local day, 0..86399."""
        return f"CAST((({self.local(us)} + {_YEAR_ZERO * US_PER_DAY}) % {US_PER_DAY}) // 1000000 AS INTEGER)"


@dataclass
class Plan:
    """How one input becomes rows of one contract.

    rules: rule number n of a row is rules[n - 1]; 0 is a good row.
    columns: raw column -> its type, of personal ones the type before hashing.
    typed: contract column -> SQL of its typed cell, NULL when it does not convert.
    naive: time column -> SQL of whether its cell has no zone.
    """

    table: Table
    columns: dict[str, str]
    wall: WallClock
    rules: list[Rule] = field(default_factory=list)
    typed: dict[str, str] = field(default_factory=dict)
    naive: dict[str, str] = field(default_factory=dict)

    @property
    def present(self) -> tuple[str, ...]:
        """Contract columns that the input has."""
        return tuple(name for name in self.table.names if name in self.columns)

    @property
    def missing(self) -> tuple[str, ...]:
        """Contract columns that it has not; optional ones, or there would be no plan."""
        return tuple(name for name in self.table.names if name not in self.columns)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Columns that the contract lacks."""
        return tuple(name for name in self.columns if name not in self.table.names and not name.startswith("__"))

    def select(self, relation: str, extra: str = "") -> str:
        """SQL: the contract columns typed, system columns, `rule`, `naive` (bits of time columns without zone), `source`."""
        outer = [f't."{name}" AS "{name}"' for name in self.table.names]
        if has_block(self.table):
            outer.append("t.callee_block")
        outer += [
            "make_timestamp(t.known_us) AS known_at",
            f"{self.wall.day('t.event_us')} AS day",
            f"{self.wall.day('t.known_us')} AS known_day",
            f"{self.wall.second('t.event_us')} AS local_second",
            f"CAST({self._broken()} AS SMALLINT) AS rule",
            "t.naive",
            f't."{FILE}" AS source',
        ]
        return f"SELECT {', '.join(outer)}{extra} FROM ({self._typed(relation, bool(extra))}) t"

    def _typed(self, relation: str, raw: bool) -> str:
        inner = [f'{self.typed.get(name, f"NULL::{sql_type(self.table.column(name))}")} AS "{name}"' for name in self.table.names]
        inner += [f'{self._empty(name)} AS "empty {name}"' for name in self.present]
        if has_block(self.table):
            inner.append(f"{BLOCK} AS callee_block")
        bits = [f"CASE WHEN {test} THEN {1 << place} ELSE 0 END" for place, test in enumerate(self.naive.values())]
        inner.append(f"CAST({' + '.join(bits) or '0'} AS INTEGER) AS naive")
        inner.append(quoted(FILE))
        if raw:
            inner += [f"{quoted(name)} AS {quoted('raw ' + name)}" for name in self.columns if not name.startswith("__")]
        event = f'epoch_us("{self.table.event_time}")'
        known = f'epoch_us("{self.table.knowledge_time}")' if self.table.knowledge_time else "NULL"
        times = f"{event} AS event_us, greatest({event}, coalesce({known}, {event})) AS known_us"
        return f"SELECT *, {times} FROM (SELECT {', '.join(inner)} FROM {relation})"

    def _empty(self, name: str) -> str:
        """SQL of whether a cell says nothing; ids are hashes by now, null when empty."""
        cell, kind = quoted(name), self.columns[name]
        if self.table.column(name).personal or kind not in ("VARCHAR", "FLOAT", "DOUBLE"):
            return f"({cell} IS NULL)"
        return f"({cell} IS NULL OR {trimmed(cell)} = '')" if kind == "VARCHAR" else f"({cell} IS NULL OR isnan({cell}))"

    def _broken(self) -> str:
        whens: list[str] = []
        self.rules.clear()

        def rule(test: str, column: str, says: str, conversion: bool = False) -> None:
            self.rules.append(Rule(column, says, conversion))
            whens.append(f"WHEN {test} THEN {len(self.rules)}")

        for name in self.present:
            column, cell, empty = self.table.column(name), f't."{name}"', f't."empty {name}"'
            if column.required:
                rule(empty, name, "is empty")
            rule(f"NOT {empty} AND {cell} IS NULL", name, f"is not {_KINDS[column.kind]}", True)
            bounds = [f"{cell} {sign} {value!r}" for sign, value in (("<", column.low), (">", column.high)) if value is not None]
            if bounds:
                rule(" OR ".join(bounds), name, "is " + _range(column))
            if column.allowed:
                rule(f"{cell} NOT IN ({', '.join(map(text, column.allowed))})", name, f"is none of {', '.join(column.allowed)}")
        for times in self.table.rules:
            if times.later in self.columns:
                rule(f't."{times.later}" < t."{times.earlier}"', times.later, f"is before {times.earlier}")
        if self.table.event_time not in self.table.key:  # a policy may be announced ahead of its day
            now_us = int(self.wall.now.timestamp() * 1_000_000)
            rule(f"t.event_us > {now_us}", self.table.event_time, "is in the future")
        return f"CASE {' '.join(whens)} ELSE 0 END"


def plan(table: Table, columns: dict[str, str], wall: WallClock, where: str, blank: Callable[[str], bool]) -> Plan:
    """The plan for an input with these columns (name -> type of the engine); `where` names it in errors.

    blank: whether a column has no value at all: its type then says nothing (writers guess one).
    Raises BadInput for a required column that is missing and for a type that can never fit.
    """
    lacking = [name for name in table.required_names if name not in columns]
    if lacking:
        found = ", ".join(name for name in columns if not name.startswith("__")) or "none"
        what = f"column `{lacking[0]}`" if len(lacking) == 1 else "columns " + ", ".join(f"`{name}`" for name in lacking)
        raise BadInput(f"{where}: {what} of `{table.name}` missing (found: {found}); rename yours or map them with --mapping")
    made = Plan(table, columns, wall)
    for name in made.present:
        column, kind = table.column(name), columns[name]
        try:
            made.typed[name], naive = _convert(column, quoted(name), kind, wall, where)
        except BadInput:
            if not blank(name):
                raise
            made.typed[name], naive = _convert(column, quoted(name), '"NULL"', wall, where)
        if naive:
            made.naive[name] = naive
    return made


def has_block(table: Table) -> bool:
    """Whether the table keeps `callee_block`: calls alone, for the sake of number scanning."""
    return table.name == "calls"


def sql_type(column: Column) -> str:
    """The engine's type of a contract column in the lake."""
    return "BIGINT" if column.personal else SQL_TYPES[column.kind]


def _range(column: Column) -> str:
    if column.high is None:
        return f"less than {column.low:g} {column.unit}"
    if column.low is None:
        return f"more than {column.high:g} {column.unit}"
    return f"not between {column.low:g} and {column.high:g} {column.unit}"


def _base(kind: str) -> str:
    return kind.split("(")[0]


def _convert(column: Column, name: str, kind: str, wall: WallClock, where: str) -> tuple[str, str]:
    """SQL of the typed cell (NULL when it does not convert), and of the test for a time without zone ("" when none)."""
    base = _base(kind)
    is_text, is_int, is_float = kind == "VARCHAR" or base == "ENUM", base in _NUMERIC, base in _FRACTIONAL
    cell = trimmed(name, kind)
    if kind == '"NULL"':
        return f"CAST(NULL AS {sql_type(column)})", ""
    if column.kind == "string" and (is_text or is_int or is_float or base in ("BOOLEAN", "UUID", "DATE")):
        return (name if column.personal else as_text(column.name, kind)), ""  # the hash, see hashed_view
    if column.kind == "number" and (is_text or is_int or is_float):
        value = f"TRY_CAST({cell if is_text else name} AS DOUBLE)"
        return f"(CASE WHEN isfinite({value}) THEN {value} END)", ""
    if column.kind == "boolean" and (is_text or is_int or is_float or kind == "BOOLEAN"):
        if kind == "BOOLEAN":
            return name, ""
        lower = f"lower({cell})"
        return f"(CASE WHEN {lower} IN {_TRUE} THEN true WHEN {lower} IN {_FALSE} THEN false END)", ""
    if column.kind == "clock" and (is_text or base == "TIME"):
        padded = f"lpad(split_part({cell}, ':', 1), 2, '0') || ':' || split_part({cell}, ':', 2)"
        return f"(CASE WHEN regexp_full_match({cell}, '{TIME_OF_DAY}') THEN {padded} END)", ""
    if column.kind == "timestamp":
        if kind == "TIMESTAMP WITH TIME ZONE":
            return f"(CASE WHEN isfinite({name}) THEN make_timestamp(epoch_us({name})) END)", ""
        if kind in _NAIVE_TYPES:
            us = wall.instant(f"epoch_us({name})")
            return f"(CASE WHEN isfinite({name}) THEN make_timestamp({us}) END)", f"{name} IS NOT NULL"
        if is_text:
            zoned, plain = f"regexp_matches({cell}, '{_ZONED}')", f"regexp_full_match({cell}, '{_NAIVE}')"
            us = wall.instant(f"epoch_us(TRY_CAST({cell} AS TIMESTAMP))")
            value = (
                f"(CASE WHEN {zoned} THEN make_timestamp(epoch_us(TRY_CAST({cell} AS TIMESTAMPTZ))) "
                f"WHEN {plain} THEN make_timestamp({us}) END)"
            )
            return value, f"coalesce({plain}, false)"
    raise BadInput(
        f"{where}: column `{column.name}` is {kind}, not {_KINDS[column.kind]}; convert it, or say how to read it with --mapping"
    )
