"""SQL of the cells of a mapping: from source columns to what ingest's checks take.

A cell that does not convert stays in sight: it becomes text that no check accepts, with the original in it, and so
lands in quarantine; a key or another free text becomes empty instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb

from data_schemas.checks import WallClock
from data_schemas.clock import Clock
from data_schemas.hashing import mask_sql
from data_schemas.mapping_model import EPOCHS, Condition, FieldRule, Scalar
from data_schemas.sources import first_line, quoted, text
from data_schemas.tables import Column

UNREAD = "unread: "
"""Stands before a cell that did not convert."""
_ZONED = r":\d\d([.,]\d+)? ?([Zz]|UTC|[+-]\d\d(:?\d\d)?)$"
_FACTORS = {"ms": "/ 1000", "us": "/ 1000000", "min": "* 60", "h": "* 3600"}
_WHOLE = ("FLOAT", "DOUBLE", "DECIMAL")
_FIRST_US, _LAST_US = -62_135_596_800_000_000, 253_402_214_400_000_000
_NAIVE_TYPES = ("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "DATE")


@dataclass(frozen=True)
class Reader:
    """Reads the rows of one source.

    kinds: source column -> type of the engine. nulls: cells that mean nothing. zone: of times without one;
    zoned: whether it is another than ingest takes by itself.
    """

    kinds: Mapping[str, str]
    nulls: tuple[str, ...]
    zone: str
    zoned: bool
    now: datetime

    def field(self, column: Column, rule: FieldRule) -> str:
        """SQL of a field's cell: a source column as it is, or VARCHAR."""
        if rule.value is not None:
            return self._constant(column, rule.value)
        if column.kind == "timestamp" and not rule.format and not rule.zone and (self.zoned or rule.default is not None):
            rule = rule.model_copy(update={"zone": self.zone})
        elif rule.model_fields_set <= {"column"} and not self.nulls:
            return quoted(rule.column or "")
        cell = self._start(rule)
        value = self._value(column, rule, cell)
        if rule.default is not None:
            value = f"(CASE WHEN {cell} IS NULL THEN {self._constant(column, rule.default)} ELSE {value} END)"
        return value

    def instant(self, column: Column, rule: FieldRule) -> str:
        """SQL of a time field as TIMESTAMPTZ, NULL when it does not convert."""
        if rule.value is not None:
            return f"TRY_CAST({self._constant(column, rule.value)} AS TIMESTAMPTZ)"
        return f"(make_timestamp({self._us(rule, self._start(rule))}) AT TIME ZONE 'UTC')"

    def condition(self, name: str, condition: Condition) -> str:
        """SQL of whether a row is read."""
        cell = f"coalesce({self.cell(name)}, '')"
        tests = []
        if condition.is_ is not None:
            tests.append(f"lower({cell}) IN ({_codes(condition.is_)})")
        if condition.not_ is not None:
            tests.append(f"lower({cell}) NOT IN ({_codes(condition.not_)})")
        if condition.matches is not None:
            tests.append(f"regexp_matches({cell}, {text(condition.matches)})")
        return " AND ".join(tests)

    def cell(self, name: str) -> str:
        """SQL of a source cell as trimmed text, NULL when empty."""
        kind = self.kinds[name]
        raw = quoted(name)
        if kind.split("(")[0] in _WHOLE:  # an id that passed through a float column has no fraction
            whole = f"{raw} = round({raw}) AND abs({raw}) < 9e15"
            raw = f"(CASE WHEN {whole} THEN CAST(CAST({raw} AS BIGINT) AS VARCHAR) ELSE CAST({raw} AS VARCHAR) END)"
        elif kind != "VARCHAR":
            raw = f"CAST({raw} AS VARCHAR)"
        trimmed = f"trim({raw}, ' ' || chr(9))"
        if self.nulls:
            return f"(CASE WHEN {trimmed} NOT IN ('', {', '.join(map(text, self.nulls))}) THEN {trimmed} END)"
        return f"nullif({trimmed}, '')"

    def _start(self, rule: FieldRule) -> str:
        """The cell before it is read: joined, prefix off, extracted."""
        if rule.columns is None:
            cell = self.cell(rule.column or "")
        else:
            parts = f" || {text(rule.join)} || ".join(f"coalesce({self.cell(name)}, '')" for name in rule.columns)
            cell = f"(CASE WHEN coalesce({', '.join(map(self.cell, rule.columns))}) IS NOT NULL THEN {parts} END)"
        if rule.strip_prefix:
            whens = " ".join(
                f"WHEN starts_with({cell}, {text(prefix)}) THEN substr({cell}, {len(prefix) + 1})" for prefix in rule.strip_prefix
            )
            cell = f"nullif(CASE {whens} ELSE {cell} END, '')"
        return cell

    def _value(self, column: Column, rule: FieldRule, start: str) -> str:
        cell = self._extracted(rule, start)
        if rule.codes is not None:
            whens = " ".join(
                f"WHEN {text(code.strip().lower())} THEN {text(literal(value))}" for code, value in rule.codes.items()
            )
            free = column.kind == "string" and not column.allowed
            other = text(literal(rule.others)) if rule.others is not None else cell if free else "NULL"
            cell = f"(CASE WHEN {cell} IS NOT NULL THEN CASE lower({cell}) {whens} ELSE {other} END END)"
        elif rule.is_ is not None:
            cell = f"CAST(lower({cell}) IN ({_codes(rule.is_)}) AS VARCHAR)"
        elif rule.over is not None:
            number = f"TRY_CAST({cell} AS DOUBLE)"
            cell = f"CASE WHEN isfinite({number}) THEN CAST({number} > {rule.over!r} AS VARCHAR) END"
        if column.kind == "timestamp" and (rule.format or rule.zone):
            cell = f"CAST(make_timestamp({self._us(rule, start)}) AS VARCHAR) || '+00'"
        elif column.kind == "number" and rule.minus is not None:
            cell = self._difference(rule, cell)
        elif column.kind == "number" and rule.unit not in (None, "s"):
            cell = f"CAST({_seconds(cell, rule.unit or 's')} AS VARCHAR)"
        if column.kind == "string" and not column.allowed:
            return cell
        if column.kind == "timestamp":  # ingest blots out long runs of digits; their shape says what the format should be
            start = f"CASE WHEN {mask_sql(start)} = {start} THEN {start} ELSE regexp_replace({start}, '[0-9]', 'd', 'g') END"
        return f"coalesce({cell}, {text(UNREAD)} || ({start}))"

    def _extracted(self, rule: FieldRule, cell: str) -> str:
        if rule.extract is None:
            return cell
        return f"nullif(regexp_extract({cell}, {text(rule.extract)}, {groups(rule.extract)}), '')"

    def _difference(self, rule: FieldRule, cell: str) -> str:
        assert rule.minus is not None
        if rule.format:
            other = FieldRule(column=rule.minus, format=rule.format, zone=rule.zone)
            first, second = self._us(rule, cell), self._us(other, self.cell(rule.minus))
            return f"CAST((({first}) - ({second})) / 1000000 AS VARCHAR)"
        unit = rule.unit or "s"
        return f"CAST({_seconds(cell, unit)} - {_seconds(self.cell(rule.minus), unit)} AS VARCHAR)"

    def _us(self, rule: FieldRule, start: str) -> str:
        """SQL of microseconds since the epoch, NULL when the cell is no time of any of the formats."""
        cell = self._extracted(rule, start)
        wall = WallClock(Clock(rule.zone or self.zone), self.now)
        kind = self.kinds[rule.column] if rule.column else "VARCHAR"
        if kind == "TIMESTAMP WITH TIME ZONE" or kind in _NAIVE_TYPES:
            name = quoted(rule.column or "")
            us = _sane(f"epoch_us(CASE WHEN isfinite({name}) THEN {name} END)")
            return wall.instant(us) if kind in _NAIVE_TYPES else us
        read = [_us_of(cell, form, wall) for form in rule.format or ("iso",)]
        return read[0] if len(read) == 1 else f"coalesce({', '.join(read)})"

    def _constant(self, column: Column, value: Scalar) -> str:
        """SQL of a constant; a time without zone is one of the mapping's zone."""
        cell = text(literal(value))
        if column.kind != "timestamp":
            return cell
        return f"CAST(make_timestamp({_us_of(cell, 'iso', WallClock(Clock(self.zone), self.now))}) AS VARCHAR) || '+00'"


def _us_of(cell: str, form: str, wall: WallClock) -> str:
    """SQL of the microseconds since the epoch that a cell of this format names."""
    if form in EPOCHS:
        return _sane(f"TRY_CAST(round(TRY_CAST({cell} AS DECIMAL(30, 6)) * {EPOCHS[form]}) AS BIGINT)")
    if form == "iso":
        plain = wall.instant(_sane(f"epoch_us({_finite(f'TRY_CAST({cell} AS TIMESTAMP)')})"))
        zoned = _sane(f"epoch_us({_finite(f'TRY_CAST({cell} AS TIMESTAMPTZ)')})")
        return f"(CASE WHEN regexp_matches({cell}, {text(_ZONED)}) THEN {zoned} ELSE {plain} END)"
    parsed = _sane(f"epoch_us(try_strptime({cell}, {text(form)}))")
    return parsed if zoned_pattern(form) else wall.instant(parsed)


def _finite(time: str) -> str:
    return f"CASE WHEN isfinite({time}) THEN {time} END"


def _sane(us: str) -> str:
    """SQL of an instant of the years 1 to 9999, else NULL: beyond them the engine's arithmetic stops the whole scan."""
    return f"(CASE WHEN {us} BETWEEN {_FIRST_US} AND {_LAST_US} THEN {us} END)"


def literal(value: Scalar) -> str:
    """A constant of the mapping as the text of a cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).isoformat(sep=" ")
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def zoned_pattern(pattern: str) -> bool:
    """Whether a strptime pattern reads a zone too."""
    return "%z" in pattern or "%Z" in pattern


def groups(pattern: str) -> int:
    """The group that `extract` takes: 1 when the pattern has one, else the whole."""
    with duckdb.connect() as con:  # the engine replaces nothing when the replacement names a group that is not there
        row = con.execute(
            f"SELECT regexp_replace('~', {text(f'(?:{pattern})|~')}, {text('[' + chr(92) + '1]')}) <> '~'"
        ).fetchone()
    return int(bool(row and row[0]))


def pattern_error(form: str) -> str:
    """What is wrong with a strptime pattern; "" when nothing is."""
    return _error(f"SELECT try_strptime('2026', {text(form)})")


def regex_error(pattern: str) -> str:
    """What is wrong with a regular expression; "" when nothing is."""
    return _error(f"SELECT regexp_matches('a', {text(pattern)})")


def _error(query: str) -> str:
    with duckdb.connect() as con:
        try:
            con.execute(query).fetchone()
        except duckdb.Error as error:
            return first_line(error)
    return ""


def _codes(values: tuple[str, ...]) -> str:
    return ", ".join(text(value.strip().lower()) for value in values)


def _seconds(cell: str, unit: str) -> str:
    """SQL of a duration in seconds (DOUBLE), NULL when the cell is none."""
    if unit in _FACTORS:
        return f"TRY_CAST({cell} AS DOUBLE) {_FACTORS[unit]}"
    if unit == "s":
        return f"TRY_CAST({cell} AS DOUBLE)"
    part = [f"TRY_CAST(split_part({cell}, ':', {n}) AS DOUBLE)" for n in (1, 2, 3)]
    if unit == "MM:SS":
        return rf"(CASE WHEN regexp_full_match({cell}, '\d+:[0-5]?\d(\.\d+)?') THEN {part[0]} * 60 + {part[1]} END)"
    total = f"{part[0]} * 3600 + {part[1]} * 60 + {part[2]}"
    return rf"(CASE WHEN regexp_full_match({cell}, '\d+:[0-5]?\d:[0-5]?\d(\.\d+)?') THEN {total} END)"
