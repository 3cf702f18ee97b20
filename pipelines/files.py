"""Files that a command leaves where the user says: whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_schemas.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

_SUFFIXES = (".parquet", ".csv")
COLUMNS = "_columns.json"
"""In a dataset: what its columns mean. Readers of Parquet pass over names that begin with an underscore."""


def check_out(out: Path, *, folder: bool = False) -> None:
    """BadInput when a table cannot be written there, before any work is done for it; `folder`: may it be a dataset?"""
    if folder and not out.suffix:
        if out.exists() and not (out / COLUMNS).is_file() and (not out.is_dir() or any(out.iterdir())):
            raise BadInput(f"--out {out}: holds something else than a feature table; name a new folder")
    elif out.suffix not in _SUFFIXES:
        raise BadInput(f"--out {out}: name it .parquet or .csv{', or a folder without a dot' if folder else ''}")
    elif out.is_dir():
        raise BadInput(f"--out {out}: is a folder; name a file")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: no folder {out.parent}; make it first")
    if not os.access(out.parent, os.W_OK):
        raise BadInput(f"--out {out}: folder {out.parent} cannot be written; choose another")


def write_batches(parts: Iterable[pd.DataFrame], out: Path, columns: list[dict[str, Any]]) -> dict[str, int]:
    """Write a table that comes in parts of whole as_of days, one part in memory at a time, under a temporary name first.

    A name ending in .parquet or .csv: one file. Another: a folder as_of=DATE/part-0.parquet and COLUMNS, put in the place of an
    earlier one. columns: name, doc, unit and more of each column: they stand in the Parquet files as metadata of its field.
    Returns rows, columns and days written.
    """
    check_out(out, folder=True)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    told = {"rows": 0, "columns": 0, "days": 0}
    try:
        write = {".parquet": _one_file, ".csv": _one_csv}.get(out.suffix, _dataset)
        write(_counted(parts, told), temporary, columns)
        if out.is_dir():
            earlier = temporary.with_name(f"{temporary.name}.earlier")
            os.replace(out, earlier)  # a folder cannot be replaced in one step: a power cut here leaves both beside it
            os.replace(temporary, out)
            shutil.rmtree(earlier)
        else:
            os.replace(temporary, out)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
    return told


def _counted(parts: Iterable[pd.DataFrame], told: dict[str, int]) -> Iterator[pd.DataFrame]:
    for part in parts:
        told["rows"] += len(part)
        told["columns"] = len(part.columns)
        told["days"] += part["as_of"].nunique()
        yield part


def _one_file(parts: Iterator[pd.DataFrame], path: Path, columns: list[dict[str, Any]]) -> None:
    import pyarrow.parquet as pq

    writer = None
    try:
        for part in parts:
            table = _documented(part, columns)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
    finally:
        if writer:
            writer.close()


def _one_csv(parts: Iterator[pd.DataFrame], path: Path, columns: list[dict[str, Any]]) -> None:
    for number, part in enumerate(parts):
        part.to_csv(path, index=False, mode="a", header=number == 0)


def _dataset(parts: Iterator[pd.DataFrame], path: Path, columns: list[dict[str, Any]]) -> None:
    import pyarrow.parquet as pq

    path.mkdir()
    for part in parts:
        for day, rows in part.groupby("as_of"):
            folder = path / f"as_of={day:%Y-%m-%d}"
            folder.mkdir()
            pq.write_table(_documented(rows.drop(columns="as_of"), columns), folder / "part-0.parquet", compression="zstd")
    (path / COLUMNS).write_text(json.dumps(columns, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _documented(frame: pd.DataFrame, columns: list[dict[str, Any]]) -> pa.Table:
    """The frame as an Arrow table of nullable text, dates and numbers, each field with what it means."""
    import pyarrow as pa

    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
    meant = {column["name"]: {key: str(value) for key, value in column.items() if key != "name"} for column in columns}
    fields = [
        pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) or pa.types.is_null(f.type) else f.type)
        for f in table.schema
    ]
    return table.cast(pa.schema([field.with_metadata(meant.get(field.name, {})) for field in fields]))
