"""The contracts as pandera schemas, made from the one declaration: the second judge of rows, before they are committed.

The scan that reads a source judges each row in SQL (checks.py). What it accepted is judged once more here, by other
code: small tables row by row, big ones by their witnesses (the extremes of each column, which break a range or an
emptiness rule whenever any row does).
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pandera.pandas as pa

from data_schemas.sources import file_list, quoted
from data_schemas.tables import Column, NotBefore, Table

_DTYPES = {"string": "string", "timestamp": "datetime64[us]", "number": "float64", "boolean": "boolean", "clock": "string"}
_HASH = "Int64"


class ContractBroken(RuntimeError):
    """Rows that the scan accepted break their contract: a defect of bancast, not of the input."""


def schema(table: Table, now: datetime | None = None, types: bool = True) -> pa.DataFrameSchema:
    """The pandera schema of a table's typed rows (personal columns hashed, times UTC without zone).

    now: events after it are refused; not judged when None. types: judge those too, half of the time that it takes.
    Keys are not judged here: duplicates are counted by ingest.
    """
    checks = [_not_before(rule) for rule in table.rules]
    columns = {column.name: _column(column, types) for column in table.columns}
    if now and table.event_time not in table.key:  # a policy may be announced ahead of its day
        moment = pd.Timestamp(now).tz_convert("UTC").tz_localize(None)
        columns[table.event_time].checks.append(pa.Check.le(moment, name="not in the future", error="is in the future"))
    return pa.DataFrameSchema(columns, checks=checks, name=table.name, description=table.doc, strict=True)


def failures(table: Table, frame: pd.DataFrame, now: datetime | None = None) -> pd.DataFrame:
    """Every rule that every row breaks: index (of the frame), column, check. Empty when all is well."""
    try:
        schema(table, now, types=False).validate(typed(table, frame), lazy=True)
    except pa.errors.SchemaErrors as error:
        return error.failure_cases[["index", "column", "check"]]
    return pd.DataFrame(columns=["index", "column", "check"])


def typed(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """The contract columns of a frame of the engine, with pandas types that tell an empty cell from a value."""
    return frame[list(table.names)].astype({column.name: _dtype(column) for column in table.columns})


def judge(con: duckdb.DuckDBPyConnection, table: Table, files: list[Path], now: datetime) -> None:
    """Judge staged rows again; ContractBroken when one breaks a rule."""
    if not files:
        return
    rows = f"read_parquet({file_list(files)}, hive_partitioning = false)"
    found = failures(table, con.execute(_witnesses(table, rows) if table.big else f"SELECT * FROM {rows}").df(), now)
    if len(found):
        worst = found.iloc[0]
        raise ContractBroken(
            f"{table.name}: accepted rows break their contract: {worst['column']}: {worst['check']}; report this"
        )


def _witnesses(table: Table, rows: str) -> str:
    """SQL of three rows: the least and the greatest of each column, and nothing where a column lacks a value.

    Of texts and hashes, which rules know no range of, the least where it must not be empty, and any one otherwise.
    """
    assert not table.rules and not any(column.allowed for column in table.columns), "such rules need whole rows"

    def ends(column: Column) -> tuple[str, str]:
        if column.kind == "string" or column.personal:
            return ("min", "min") if column.required and not column.personal else ("any_value", "any_value")
        return "min", "max"

    found = [(quoted(column.name), column.name, *ends(column)) for column in table.columns]
    low = ", ".join(f'{least}({cell}) AS "min {name}", {most}({cell}) AS "max {name}"' for cell, name, least, most in found)
    gaps = ", ".join(f'count(*) > count({cell}) AS "gap {name}"' for cell, name, *_ in found)
    picks = [", ".join(f'"{end} {name}" AS {cell}' for cell, name, *_ in found) for end in ("min", "max")] + [
        ", ".join(f'CASE WHEN NOT "gap {name}" THEN "min {name}" END AS {cell}' for cell, name, *_ in found)
    ]
    return f"WITH extremes AS (SELECT {low}, {gaps} FROM {rows}) " + " UNION ALL ".join(
        f"SELECT {p} FROM extremes" for p in picks
    )


def _dtype(column: Column) -> str:
    return _HASH if column.personal else _DTYPES[column.kind]


def _column(column: Column, types: bool) -> pa.Column:
    checks = []
    if column.low is not None:
        checks.append(pa.Check.ge(column.low))
    if column.high is not None:
        checks.append(pa.Check.le(column.high))
    if column.allowed:
        checks.append(pa.Check.isin(column.allowed))
    if column.kind == "clock":
        checks.append(pa.Check.str_matches(r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"))
    if column.kind == "string" and column.required and not column.personal:
        checks.append(pa.Check.str_length(min_value=1))
    return pa.Column(_dtype(column) if types else None, checks, nullable=column.nullable, description=column.doc)


def _not_before(rule: NotBefore) -> pa.Check:
    def holds(frame: pd.DataFrame) -> pd.Series:
        return ~(frame[rule.later] < frame[rule.earlier])

    return pa.Check(holds, name=rule.name, error=rule.name)
