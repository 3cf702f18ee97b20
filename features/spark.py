"""The other engine: Apache Spark, on this machine or a cluster. The same expressions, the same results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.errors import BadInput
from data_schemas.settings import Settings
from features.engine import Engine, own_folder

_LOCAL_PARTITIONS = 4
"""Partitions of a shuffle on one machine; Spark's 200 are for a cluster and cost seconds a step here."""


class SparkEngine(Engine):
    """Keeps every stored table as Parquet in a folder that driver and executors share.

    Parquet, not a cache: plans stay short however many steps there were, and nothing is lost with an executor.
    """

    def __init__(self, con: ibis.BaseBackend, folder: Path):
        super().__init__(con)
        self._folder = folder
        self._held: dict[str, Path] = {}

    def store(self, name: str, expr: ir.Table) -> ir.Table:
        """Runs an expression once and returns the table of its rows."""
        path = self._place(name)
        self.con._run_pre_execute_hooks(expr)
        rows = self.con._session.sql(self.con.compile(expr))
        rows.write.parquet(_address(path))
        return self._opened(name, path, rows.schema)  # else Spark would open the files once more to find it

    def drop(self, *names: str) -> None:
        """Frees stored tables that are no longer read."""
        for name in names:
            self.con._session.catalog.dropTempView(name)
            if path := self._held.pop(name, None):
                shutil.rmtree(path, ignore_errors=True)

    def rows(self, name: str, frame: pd.DataFrame) -> ir.Table:
        """A small pandas frame as a table of the engine."""
        path = self._place(name)
        path.mkdir()
        pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path / "rows.parquet")
        return self._opened(name, path)

    def frame(self, expr: ir.Table) -> pd.DataFrame:
        """The rows of an expression as a pandas frame."""
        return expr.__pandas_result__(self.arrow(expr).to_pandas())

    def arrow(self, expr: ir.Table) -> pa.Table:
        """The rows of an expression as an Arrow table."""
        self.con._run_pre_execute_hooks(expr)
        return self.con._session.sql(self.con.compile(expr)).toArrow()

    def scalar(self, expr: ir.Scalar) -> object:
        """The value of a scalar expression; None when it is null."""
        self.con._run_pre_execute_hooks(expr)
        return self.con._session.sql(self.con.compile(expr)).first()[0]

    def _place(self, name: str) -> Path:
        # A new folder each time: a table may be made anew from the one of its name.
        return self._folder / f"{name}-{uuid4().hex}"

    def _opened(self, name: str, path: Path, schema: Any = None) -> ir.Table:
        table = self.con.read_parquet(str(path), name, schema=schema)
        if before := self._held.pop(name, None):
            shutil.rmtree(before, ignore_errors=True)
        self._held[name] = path
        return table


def _address(path: Path | str) -> str:
    """A local path as Spark takes it: not a URI with escapes, which it would not undo."""
    return f"file://{path}"


def _backend() -> ibis.BaseBackend:
    """The backend of Ibis, reading a list of Parquet files as those of DuckDB do."""
    from ibis.backends.pyspark import Backend

    class ParquetBackend(Backend):
        def read_parquet(self, paths: str | list[str], /, table_name: str, schema: Any = None) -> ir.Table:
            # Names of folders are neither patterns nor columns: a lake may lie anywhere, and keeps its days in `day=` folders.
            reader = self._session.read.option("__globPaths__", "false").option("recursiveFileLookup", "true")
            reader = reader if schema is None else reader.schema(schema)
            addresses = [_address(Path(path).absolute()) for path in ([paths] if isinstance(paths, str) else paths)]
            reader.parquet(*addresses).createOrReplaceTempView(table_name)
            return self.table(table_name)

    backend = ParquetBackend()
    backend.register_options()  # what Ibis does for the backends that it loads itself
    return backend


@contextmanager
def open_spark(settings: Settings, scratch: Path | None) -> Iterator[Engine]:
    """A Spark engine with a folder of its own below `scratch`, which executors elsewhere must see under the same path.

    A session that already runs is used and left running; one that was started here is stopped.
    """
    try:
        from pyspark.sql import SparkSession

        con = _backend()
    except ImportError:
        raise BadInput("setting `engine`: spark needs PySpark; install bancast[spark], or set it to duckdb") from None
    running = SparkSession.getActiveSession()
    folder = own_folder("bancast-spark-", scratch).resolve()
    try:
        # New sessions share the machine, not the names of views nor the settings.
        started = running or _started(SparkSession, settings, folder)
        session = started.newSession()
        session.conf.set("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
        session.conf.set("spark.sql.ansi.enabled", "true")  # an overflow or a bad cast stops the build, it makes no null
        if str(started.sparkContext.master).startswith("local"):
            session.conf.set("spark.sql.shuffle.partitions", str(_LOCAL_PARTITIONS))
        try:
            yield SparkEngine(con.connect(session), folder)
        finally:
            if running is None:
                started.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _started(session, settings: Settings, folder: Path):  # type: ignore[no-untyped-def]
    """A Spark session by the settings."""
    master = settings.spark_master
    if master == "local[*]" and settings.threads:
        master = f"local[{settings.threads}]"
    made = (
        session.builder.master(master)
        .appName("bancast")
        .config("spark.driver.memory", f"{int(settings.memory_gb * 1024)}m")
        .config("spark.local.dir", str(folder))
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    if master.startswith("local"):
        made.sparkContext.setLogLevel("ERROR")  # warnings about small tables would stand between the lines of progress
    return made
