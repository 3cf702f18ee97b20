"""Tables as files: a temporary folder is filled day by day by one writing thread, then everything is put in its place."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.errors import BadInput
from data_schemas.tables import TABLES

TRUTH = "truth"
_TYPES = {
    "string": pa.string(),
    "timestamp": pa.timestamp("us", "UTC"),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "clock": pa.string(),
}
_UNIQUE = ("call_id", "message_id", "complaint_id", "ban_id", "callee_id", "recipient_id")
TRUTH_SCHEMA = pa.schema([("line_id", pa.string()), ("day", pa.date32()), ("hazard", pa.float64())])


def schema(table: str, leave_out: tuple[str, ...] = ()) -> pa.Schema:
    """The columns of a contract, without some optional ones; of the truth: line_id, day, hazard."""
    if table == TRUTH:
        return TRUTH_SCHEMA
    columns = [column for column in TABLES[table].columns if column.name not in leave_out]
    return pa.schema([(column.name, _TYPES[column.kind]) for column in columns])


def _as_given(columns: pa.Schema, rows: pa.Table) -> pa.Schema:
    """Texts that come as codes are written as they come, in the same Parquet type and much faster."""
    kinds = {field.name: field.type for field in rows.schema if pa.types.is_dictionary(field.type)}
    return pa.schema([(field.name, kinds.get(field.name, field.type)) for field in columns])


class Output:
    """Writes tables below `folder`; nothing of it is there before `finish`. Use as a context.

    by_day: write each big table as a folder with a file a day. leave_out: table -> optional columns that are not written;
    tables without a row are written all the same. Raises BadInput when the folder holds tables that no simulator wrote.
    """

    def __init__(self, folder: Path, by_day: bool, leave_out: dict[str, tuple[str, ...]] | None = None) -> None:
        taken = [name for name in TABLES if any((folder / f"{name}{end}").exists() for end in (".parquet", ".csv", ""))]
        if taken and not (folder / f"{TRUTH}.parquet").exists():
            raise BadInput(f"{folder}: holds a table `{taken[0]}` that no simulation wrote; give a new or empty folder")
        self.folder, self.by_day, self.leave_out = folder, by_day, leave_out or {}
        self.temporary = folder / f".simulate-{os.getpid()}"
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._queue: queue.Queue[tuple[str, str, Any] | None] = queue.Queue(maxsize=3)
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="simulator-writer", daemon=True)

    def __enter__(self) -> Output:
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self.temporary, ignore_errors=True)

    def write(self, table: str, rows: pa.Table, day: str) -> None:
        """Append rows of a table, of a day (ISO date); waits while the writer is behind."""
        if self._failure:
            raise self._failure
        self._queue.put((table, day, rows))

    def finish(self) -> None:
        """Wait for the writer, then replace what the folder held by what was written."""
        self._queue.put(None)
        self._thread.join()
        if self._failure:
            raise self._failure
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
        written = sorted(self.temporary.iterdir())
        for name in (*TABLES, TRUTH):
            for old in (self.folder / f"{name}.parquet", self.folder / f"{name}.csv", self.folder / name):
                shutil.rmtree(old) if old.is_dir() else old.unlink(missing_ok=True)
        for path in written:
            path.replace(self.folder / path.name)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._failure:
                continue  # keep taking, so that nobody waits for room
            try:
                self._append(*item)
            except BaseException as error:
                self._failure = error

    def _append(self, table: str, day: str, rows: pa.Table) -> None:
        split = self.by_day and table in TABLES and TABLES[table].big
        name = f"{table}/{day}.parquet" if split else f"{table}.parquet"
        writer = self._writers.get(name)
        if writer is None:
            for other in [key for key in self._writers if split and key.startswith(f"{table}/")]:
                self._writers.pop(other).close()
            path = self.temporary / name
            path.parent.mkdir(exist_ok=True)
            columns = _as_given(schema(table, self.leave_out.get(table, ())), rows)
            writer = self._writers[name] = pq.ParquetWriter(
                path,
                columns,
                compression="zstd",
                compression_level=1,
                use_dictionary=[field.name for field in columns if field.name not in _UNIQUE],
                write_statistics=True,
                store_schema=False,
            )
        writer.write_table(rows.select(writer.schema.names).cast(writer.schema))
