"""What a mapping file may say: its keys, their meaning and the rules that hold between them.

One TOML table for each of our tables (an array of them when rows come from several sources), each with its files and
`columns`: our field -> where its cells come from. Unknown keys are errors. docs/own-data.md is the reference.
"""

from __future__ import annotations

import codecs
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from data_schemas.clock import known_zone

Scalar = bool | int | float | str | datetime | date
Unit = Literal["s", "ms", "us", "min", "h", "HH:MM:SS", "MM:SS"]
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats that are counts since 1970-01-01 UTC, each with its microseconds."""


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=False)


def _listed(value: Any) -> Any:
    """One value or a list of them, as a list."""
    return value if isinstance(value, list | tuple) or value is None else [value]


def _as_strings(value: Any) -> Any:
    """One code or a list of them (numbers too), as strings."""
    return [str(item).lower() if isinstance(item, bool) else str(item) for item in _listed(value)] if value is not None else None


def _known_zone(zone: str | None) -> str | None:
    return None if zone is None else known_zone(zone)


class FieldRule(_Keys):
    """Where the cells of one field come from, and how they are read. A bare string means `column`."""

    column: str | None = Field(default=None, description="The source column.")
    columns: tuple[str, ...] | None = Field(
        default=None, description="Several source columns, joined in this order: a key, or a date and a time."
    )
    join: str = Field(default="", description="What stands between the joined `columns`.")
    value: Scalar | None = Field(default=None, description="A constant, instead of a column.")
    default: Scalar | None = Field(default=None, description="What an empty cell means.")
    strip_prefix: tuple[str, ...] = Field(
        default=(), description="Prefixes to take off, e.g. `+86`: of those that fit, the first in the list, once."
    )
    extract: str | None = Field(
        default=None,
        description="A regular expression (RE2) with one group, or none: what it finds is the cell; a cell in which it finds "
        "nothing does not convert.",
    )
    codes: dict[str, Scalar] | None = Field(
        default=None,
        description="Code -> our value; letter case does not matter. A code that is not listed stays as it is in free text, "
        "and does not convert elsewhere.",
    )
    others: Scalar | None = Field(default=None, description="Our value for every code that `codes` does not list.")
    is_: tuple[str, ...] | None = Field(
        default=None, alias="is", description="For true-or-false fields: the code or codes that mean true; any other means false."
    )
    over: float | None = Field(default=None, description="For true-or-false fields: true when the number is greater than this.")
    minus: str | None = Field(
        default=None,
        description="For number fields: a second column that is subtracted. With `format` both are times, the result seconds.",
    )
    unit: Unit | None = Field(
        default=None, description="For durations: `s` (default), `ms`, `us`, `min`, `h`, `HH:MM:SS` or `MM:SS`."
    )
    format: tuple[str, ...] | None = Field(
        default=None,
        description="For times: strptime patterns (one, or a list to try in turn), `iso`, `epoch_s`, `epoch_ms` or `epoch_us`.",
    )
    zone: str | None = Field(default=None, description="For times without a zone: theirs, instead of the file's `zone`.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        if isinstance(given, str):
            return {"column": given}
        if not isinstance(given, dict):
            raise ValueError('give a column name in quotes, or a table such as { column = "name" } or { value = 1 }')
        return given

    _lists = field_validator("columns", "strip_prefix", "format", mode="before")(_listed)
    _codes = field_validator("is_", mode="before")(_as_strings)
    _zone = field_validator("zone")(_known_zone)

    @model_validator(mode="after")
    def _fits_together(self) -> FieldRule:
        sources = [key for key in ("column", "columns", "value") if getattr(self, key) is not None]
        if len(sources) != 1:
            raise ValueError(f"give one of `column`, `columns` and `value` ({' and '.join(sources) or 'none'} given)")
        reading = [key for key, value in (("codes", self.codes), ("is", self.is_), ("over", self.over)) if value is not None]
        if len(reading) > 1:
            raise ValueError(f"`{reading[0]}` and `{reading[1]}` exclude each other; keep one")
        if self.others is not None and self.codes is None:
            raise ValueError("`others` needs `codes` beside it")
        beyond = self.model_fields_set - {"value"}
        if self.value is not None and beyond:
            raise ValueError(f"`value` is a constant; take out `{sorted(beyond)[0]}`")
        if self.join and self.columns is None:
            raise ValueError("`join` needs `columns` beside it")
        return self

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source column it reads."""
        own = (self.column,) if self.column is not None else self.columns or ()
        return own if self.minus is None else (*own, self.minus)


class Condition(_Keys):
    """What a cell must be for its row to be read. A bare value, or a list, means `is`."""

    is_: tuple[str, ...] | None = Field(default=None, alias="is", description='The cell is one of these; "" is an empty cell.')
    not_: tuple[str, ...] | None = Field(default=None, alias="not", description="The cell is none of these.")
    matches: str | None = Field(default=None, description="A regular expression (RE2) finds something in the cell.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return given if isinstance(given, dict) else {"is": given}

    _codes = field_validator("is_", "not_", mode="before")(_as_strings)

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if self.is_ is None and self.not_ is None and self.matches is None:
            raise ValueError("give a value, a list of values, or `is`, `not` or `matches`")
        return self


class SourceRule(_Keys):
    """One source of rows of a table."""

    files: tuple[str, ...] = Field(
        default=(), description="A file, a folder, a pattern such as `cdr/*.csv`, or a list of them, relative to `folder`."
    )
    format: Literal["csv", "parquet"] | None = Field(
        default=None, description="`csv` or `parquet`; by default parquet for files ending in .parquet, else csv."
    )
    delimiter: str | None = Field(default=None, description="What separates cells; by default seen from the first line.")
    quote: str = Field(default='"', description='What encloses cells; "" when nothing does.')
    header: tuple[str, ...] | None = Field(default=None, description="Column names, in order, of files without a header line.")
    skip: int = Field(default=0, ge=0, description="Lines before the header, or before the first row, to pass over.")
    encoding: str = Field(default="utf-8", description="Of CSV files: `gb18030`, `gbk`, `utf-16`, ...")
    nulls: tuple[str, ...] = Field(default=(), description="Cells that mean nothing, e.g. `\\N`, `NULL`, `-`.")
    where: dict[str, Condition] = Field(
        default={}, description="Source column -> what its cell must be; rows that differ are not read."
    )
    from_: Literal["calls", "messages"] | None = Field(
        default=None,
        alias="from",
        description="For `lines` without a file: one row for each line that placed a call (or sent a message); its columns are "
        "`line_id` and `first_at`.",
    )
    empty: bool = Field(default=False, description="true: there are no such rows.")
    columns: dict[str, FieldRule] = Field(default={}, description="Our field -> the column it comes from, or how it is made.")

    _lists = field_validator("files", "nulls", mode="before")(_listed)

    @field_validator("delimiter", "quote")
    @classmethod
    def _one_character(cls, value: str | None, info: Any) -> str | None:
        if value is not None and len(value) != 1 and (value or info.field_name == "delimiter"):
            raise ValueError(f"give one character, not {value!r}")
        return value

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            return codecs.lookup(value).name
        except LookupError:
            raise ValueError(f"no encoding is called {value!r}; try gb18030, gbk, big5, utf-16 or utf-8") from None

    @model_validator(mode="after")
    def _one_origin(self) -> SourceRule:
        given = [key for key, value in (("files", self.files), ("from", self.from_), ("empty", self.empty)) if value]
        if len(given) != 1:
            raise ValueError(
                f"say where its rows are: one of `files`, `from` and `empty` ({' and '.join(given) or 'none'} given)"
            )
        if self.empty and self.columns:
            raise ValueError("a table that is `empty` has no `columns`; take one out")
        return self


class MappingRule(_Keys):
    """A whole mapping file; each of our tables stands at the top level beside these keys."""

    zone: str | None = Field(
        default=None, description="IANA zone of times that carry none; the zone of the settings when not given."
    )
    folder: str = Field(default=".", description="Where the files are, relative to the mapping file.")
    tables: dict[str, tuple[SourceRule, ...]] = Field(
        description="One TOML table for each of ours, e.g. `[lines]`; `[[calls]]` once for each of several sources."
    )

    _zone = field_validator("zone")(_known_zone)
