"""A user's own exports as our tables: a mapping file (TOML) names files, columns, units, zones, codes and constants.

Everything that can be wrong with the mapping itself is said when it is loaded, in one line; the rows are converted in the
scan in which ingest reads them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
from pydantic import BaseModel, ValidationError

from data_schemas.errors import BadInput
from data_schemas.mapping_files import (
    Layout,
    Plain,
    csv_scan,
    file_format,
    find_files,
    layout,
    parquet_columns,
    parquet_scan,
    readable,
)
from data_schemas.mapping_model import EPOCHS, FieldRule, MappingRule, Scalar, SourceRule
from data_schemas.mapping_sql import Reader, literal, pattern_error, regex_error
from data_schemas.settings import Settings
from data_schemas.sources import FILE, RawTable, first_line, quoted
from data_schemas.tables import TABLES, Column

_DERIVED = {"line_id": "VARCHAR", "first_at": "TIMESTAMP WITH TIME ZONE"}
_DERIVED_FIELDS = {"line_id": "line_id", "activated_at": "first_at"}


@dataclass(frozen=True)
class Source:
    """One source of a table, looked at and found fit.

    groups: files that are read alike, with the columns they have (name -> type) and, for CSV, their layout.
    origin: the table that rows are derived from.
    """

    rule: SourceRule
    fields: dict[str, FieldRule]
    groups: tuple[tuple[tuple[Path, ...], dict[str, str], Layout | None], ...] = ()
    origin: MappedTable | None = None


@dataclass(frozen=True)
class MappedTable:
    """The rows of one table as a mapping makes them: a RawTable.

    zone: of times without one; zoned: whether it is another than that of the settings.
    """

    name: str
    path: Path
    zone: str
    zoned: bool
    sources: tuple[Source, ...]
    plain: Plain = field(default_factory=Plain, compare=False, repr=False)

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that is read."""
        own = [path for source in self.sources for paths, *_ in source.groups for path in paths]
        derived = [path for source in self.sources if source.origin for path in source.origin.files]
        return tuple(dict.fromkeys([*own, *derived]))

    def describe(self) -> str:
        """The mapping file and the table, with the files behind it."""
        files = self.files
        what = files[0].name if len(files) == 1 else f"{len(files)} files"
        return f"{self.path} [{self.name}] ({what})" if files else f"{self.path} [{self.name}]"

    def relation(self, con: duckdb.DuckDBPyConnection) -> str:
        """See RawTable; files of another encoding are turned into UTF-8 first."""
        view = quoted(f"raw_{self.name}")
        parts = self.selects(rejects=True)
        try:
            con.execute(f"CREATE OR REPLACE TEMP VIEW {view} AS {' UNION ALL BY NAME '.join(parts)}")
        except duckdb.Error as error:
            raise BadInput(f"{self.describe()}: not readable ({first_line(error)}); write it anew") from None
        return view

    def selects(self, rejects: bool, typed_time: str | None = None) -> list[str]:
        """SQL of each part of the rows; `typed_time` names a time field that is wanted as TIMESTAMPTZ."""
        readable(self.files)
        now = datetime.now(UTC)
        many = sum(len(source.groups) or 1 for source in self.sources) > 1
        parts = []
        for source in self.sources:
            if source.rule.empty:
                none = ", ".join(f"NULL::VARCHAR AS {quoted(name)}" for name in TABLES[self.name].required_names)
                parts.append(f"SELECT {none}, ''::VARCHAR AS {FILE} WHERE false")
            for scan, kinds in self._scans(source, rejects):
                reader = Reader(kinds | {FILE: "VARCHAR"}, source.rule.nulls, self.zone, self.zoned, now)
                cells = []
                for name, rule in source.fields.items():
                    cell = reader.field(TABLES[self.name].column(name), rule)
                    if name == typed_time:
                        cell = reader.instant(TABLES[self.name].column(name), rule)
                    elif (many or typed_time) and rule.value is None and rule.column and cell == quoted(rule.column):
                        cell = reader.cell(rule.column)  # as text, so that the parts fit each other
                    cells.append(f"{cell} AS {quoted(name)}")
                tests = [f"({reader.condition(name, test)})" for name, test in source.rule.where.items()]
                where = f" WHERE {' AND '.join(tests)}" if tests else ""
                parts.append(f"SELECT {', '.join(cells)}, {FILE} FROM {scan}{where}")
        return parts

    def _scans(self, source: Source, rejects: bool) -> list[tuple[str, dict[str, str]]]:
        if source.origin:
            origin = source.origin
            first = TABLES[origin.name].event_time
            rows = " UNION ALL BY NAME ".join(origin.selects(rejects=False, typed_time=first))
            # The engine would push a WHERE on the time down and convert each cell over and over.
            scan = (
                f"(SELECT line_id, min({quoted(first)}) AS first_at, min({FILE}) AS {FILE} "
                f"FROM ({rows}) WHERE line_id IS NOT NULL GROUP BY 1 HAVING first_at IS NOT NULL)"
            )
            return [(scan, _DERIVED)]
        scans = []
        for paths, kinds, made in source.groups:
            if made is None:
                scans.append((parquet_scan(list(paths)), kinds))
            else:
                plain = [self.plain.path(path, source.rule.encoding) for path in paths]
                scans.append((csv_scan(plain, made, source.rule, rejects), kinds))
        return scans


def load_mapping(path: Path, settings: Settings) -> dict[str, RawTable]:
    """The tables that a mapping file describes, ready for ingest.

    Raises BadInput, in one line with the table, the field and the rule, for a file that is no TOML, an unknown table, field
    or key, a required field without a source, a file or source column that is not there, a bad unit, zone, encoding or pattern.
    """
    return dict(_Loader(path, settings).load())


class _Loader:
    def __init__(self, path: Path, settings: Settings) -> None:
        self.path, self.settings = path, settings

    def load(self) -> dict[str, MappedTable]:
        mapping = self._parse()
        self.folder = self.path.parent / mapping.folder
        if not self.folder.is_dir():
            raise BadInput(f"{self.path}: folder = {mapping.folder!r}: no such folder; it is relative to the mapping file")
        zone = mapping.zone or self.settings.zone
        made: dict[str, MappedTable] = {}
        for name in sorted(mapping.tables, key=lambda n: (any(s.from_ for s in mapping.tables[n]), list(TABLES).index(n))):
            sources = tuple(self._source(name, rule, made) for rule in mapping.tables[name])
            made[name] = MappedTable(name, self.path, zone, zone != self.settings.zone, sources)
        return {name: made[name] for name in TABLES if name in made}

    def _parse(self) -> MappingRule:
        try:
            given = tomllib.loads(self.path.read_text(encoding="utf-8-sig"))
        except FileNotFoundError:
            raise BadInput(f"{self.path}: no such mapping file; check the path") from None
        except OSError as error:
            raise BadInput(f"{self.path}: not readable ({error.strerror}); check the path") from None
        except UnicodeDecodeError:
            raise BadInput(f"{self.path}: not UTF-8; save the mapping file as UTF-8") from None
        except tomllib.TOMLDecodeError as error:
            hint = "; a name of other letters than a-z needs quotes" if "key part" in str(error) else ""
            raise BadInput(f"{self.path}: not TOML ({error}); correct that place{hint}") from None
        own = {key: given.pop(key) for key in ("zone", "folder") if key in given}
        strange = [name for name in given if name not in TABLES]
        if strange:
            raise BadInput(
                f"{self.path}: unknown table `{strange[0]}`; the tables are {', '.join(TABLES)} (and keys zone, folder)"
            )
        if not given:
            raise BadInput(f"{self.path}: names no table; add [lines], [calls], [complaints] and [bans]")
        for name, sources in given.items():
            if not isinstance(sources, dict | list) or not sources:
                raise BadInput(f"{self.path}: `{name}` is no table; write [{name}] and its keys below it")
        tables = {name: [value] if isinstance(value, dict) else value for name, value in given.items()}
        try:
            return MappingRule.model_validate({**own, "tables": tables})
        except ValidationError as error:
            raise BadInput(self._told(error.errors()[0], tables)) from None

    def _told(self, error: Any, tables: dict[str, list[Any]]) -> str:
        """The first thing that pydantic found, in one line."""
        loc = [str(part) for part in error["loc"]]
        model: type[BaseModel] = MappingRule
        if loc[0] == "tables":
            name, place, *rest = loc[1:]
            number = f" (source {int(place) + 1})" if len(tables[name]) > 1 else ""
            head = f"[{name}]{number}"
            model = SourceRule
            if rest[:1] == ["columns"] and len(rest) > 1:
                head, rest, model = f"{head} {rest[1]}", rest[2:], FieldRule
            elif rest[:1] == ["where"] and len(rest) > 1:
                head, rest = f"{head} where {rest[1]}", rest[2:]
        else:
            head, rest = "", loc
        key = f"{'.'.join(rest[:1])}" if rest else ""
        if error["type"] == "extra_forbidden":
            known = ", ".join(info.alias or key for key, info in model.model_fields.items())
            return f"{self.path}: {head}: unknown key `{key}`; the keys here are {known}"
        says = str(error["msg"]).removeprefix("Value error, ").splitlines()[0]
        where = f"{head} `{key}`".strip() if key else head
        return f"{self.path}: {where}: {says}"

    def _source(self, name: str, rule: SourceRule, made: dict[str, MappedTable]) -> Source:
        where = f"{self.path}: [{name}]"
        fields = dict(rule.columns)
        if rule.empty:
            return Source(rule, {})
        if rule.from_:
            if name != "lines":
                raise BadInput(f"{where}: `from` makes `lines` alone; give `files`")
            if rule.from_ not in made:
                raise BadInput(f"{where}: from = {rule.from_!r}, but the mapping has no [{rule.from_}]; add it, or give `files`")
            fields = {ours: FieldRule(column=theirs) for ours, theirs in _DERIVED_FIELDS.items()} | fields
        self._check_fields(name, fields, where)
        if rule.from_:
            self._check_columns(rule, fields, _DERIVED, where, f"the rows made from `{rule.from_}`")
            return Source(rule, fields, origin=made[rule.from_])
        files = find_files(rule, self.folder, where)
        groups: dict[Any, tuple[list[Path], dict[str, str], Layout | None]] = {}
        parquet = file_format(rule, files, where) == "parquet"
        for path in files:
            made_of = None if parquet else layout(path, rule, where)
            kinds = dict.fromkeys(made_of.names, "VARCHAR") if made_of else parquet_columns(path, where)
            key = made_of or tuple(kinds.items())
            if key not in groups:
                self._check_columns(rule, fields, kinds, where, path.name)
            groups.setdefault(key, ([], kinds, made_of))[0].append(path)
        return Source(rule, fields, tuple((tuple(paths), kinds, made_of) for paths, kinds, made_of in groups.values()))

    def _check_fields(self, name: str, fields: dict[str, FieldRule], where: str) -> None:
        table = TABLES[name]
        for ours in fields:
            if ours not in table.names:
                raise BadInput(f"{where}: unknown field `{ours}`; `{name}` has {', '.join(table.names)}")
        lacking = [ours for ours in table.required_names if ours not in fields]
        if lacking:
            raise BadInput(
                f'{where}: the required field `{lacking[0]}` has no column; add {lacking[0]} = "..." to [{name}.columns]'
            )
        for ours, rule in fields.items():
            trouble = _trouble(table.column(ours), rule)
            if trouble:
                raise BadInput(f"{where} {ours}: {trouble}")
        personal = {source: ours for ours, rule in fields.items() if table.column(ours).personal for source in rule.sources}
        for ours, rule in fields.items():
            shared = [source for source in rule.sources if source in personal]
            if shared and not table.column(ours).personal:
                raise BadInput(
                    f"{where} {ours}: column `{shared[0]}` holds the number of a person ({personal[shared[0]]}) and would be "
                    "kept as it is; make the field from other columns"
                )

    def _check_columns(
        self, rule: SourceRule, fields: dict[str, FieldRule], kinds: dict[str, str], where: str, file: str
    ) -> None:
        wanted = [(f"{where} {ours}", source) for ours, made in fields.items() for source in made.sources]
        wanted += [(f"{where} where", source) for source in rule.where]
        for place, source in wanted:
            if source not in kinds and source != FILE:
                raise BadInput(f"{place}: {file} has no column `{source}`; it has {', '.join(kinds)}")
        for source, test in rule.where.items():
            wrong = regex_error(test.matches) if test.matches is not None else ""
            if wrong:
                raise BadInput(f"{where} where {source}: `matches` is no regular expression ({wrong}); correct it")


def _trouble(column: Column, rule: FieldRule) -> str:
    """Why a rule cannot serve a field; "" when it can."""
    kind = column.kind
    if rule.unit and (kind != "number" or column.unit != "s"):
        return "`unit` is for durations; take it out"
    if rule.minus is not None and kind != "number":
        return "`minus` is for numbers; take it out"
    if (rule.is_ is not None or rule.over is not None) and kind != "boolean":
        return f"`{'is' if rule.is_ is not None else 'over'}` is for true-or-false fields; use `codes`"
    if rule.codes is not None and kind in ("timestamp", "clock"):
        return "`codes` is not for times; take it out"
    if (rule.format or rule.zone) and kind != "timestamp" and not (kind == "number" and rule.minus is not None):
        return f"`{'format' if rule.format else 'zone'}` is for times; take it out"
    for form in rule.format or ():
        wrong = "" if form in EPOCHS or form == "iso" else pattern_error(form)
        if not wrong and form not in EPOCHS and form != "iso" and "%" not in form:
            wrong = "it has no %"
        if wrong:
            return f"format {form!r} is no strptime pattern ({wrong}); see docs/own-data.md"
    if rule.extract is not None and (wrong := regex_error(rule.extract)):
        return f"`extract` is no regular expression ({wrong}); correct it"
    values = [value for value in (rule.value, rule.default, rule.others) if value is not None] + list((rule.codes or {}).values())
    for value in values:
        if column.allowed and literal(value) not in column.allowed:
            return f"{literal(value)!r} is none of {', '.join(column.allowed)}"
        if kind == "boolean" and not isinstance(value, bool):
            return f"{literal(value)!r} is not true or false (without quotes)"
        if kind == "number" and (isinstance(value, bool) or not isinstance(value, int | float)):
            return f"{literal(value)!r} is not a number (without quotes)"
        if kind == "timestamp" and not _is_time(value):
            return f"{literal(value)!r} is no time; write it as 2026-01-05 or 2026-01-05T09:00:00+08:00"
    return ""


def _is_time(value: Scalar) -> bool:
    try:
        return not isinstance(value, bool | int | float) and bool(datetime.fromisoformat(literal(value)))
    except ValueError:
        return False
