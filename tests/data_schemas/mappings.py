"""Mapping files and their exports in a line, for tests."""

from __future__ import annotations

from pathlib import Path

import duckdb

from data_schemas.mapping import load_mapping
from data_schemas.settings import Settings
from data_schemas.sources import RawTable

SETTINGS = Settings(threads=1, ingest={"max_bad_share": 0.9})
REST = """
[complaints]
empty = true
[bans]
empty = true
"""
LINES = """
[lines]
from = "calls"
[lines.columns]
carrier = { value = "CMCC" }
number_pool = { value = "P1" }
"""
CALLS = """
[calls]
files = "calls.csv"
{keys}
[calls.columns]
call_id = "id"
line_id = "line"
started_at = {started}
callee_id = "to"
duration_s = {duration}
answered = {answered}
{more}
"""


def calls(keys: str = "", started: str = '"at"', duration: str = '"talk"', answered: str = '"ok"', more: str = "") -> str:
    return CALLS.format(keys=keys, started=started, duration=duration, answered=answered, more=more)


def mapped(folder: Path, toml: str, **files: str | bytes) -> dict[str, RawTable]:
    """The tables of a mapping in `folder`; `files`: name with __ for the dot -> content."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path = folder / "mapping.toml"
    path.write_text(toml, encoding="utf-8")
    return load_mapping(path, SETTINGS)


def rows(table: RawTable) -> list[dict]:
    con = duckdb.connect()
    found = con.execute(f"SELECT * FROM {table.relation(con)}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one(folder: Path, toml: str, content: str) -> dict:
    """The one row of `calls`, whose file has this content."""
    (row,) = rows(mapped(folder, toml, calls__csv=content)["calls"])
    return row


HEADER = "id,line,at,to,talk,ok,x\n"
