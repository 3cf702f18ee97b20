"""The engine that runs the expressions: DuckDB, embedded, or Spark. Only this module and `spark` know which one it is."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from data_schemas.settings import Settings


class Engine:
    """A place to run table expressions and keep their results for the length of one build."""

    def __init__(self, con: ibis.BaseBackend):
        self.con = con

    def store(self, name: str, expr: ir.Table) -> ir.Table:
        """Runs an expression once and returns the table of its rows."""
        return self.con.create_table(name, expr, temp=True, overwrite=True)

    def drop(self, *names: str) -> None:
        """Frees stored tables that are no longer read."""
        for name in names:
            self.con.drop_table(name, force=True)

    def rows(self, name: str, frame: pd.DataFrame) -> ir.Table:
        """A small pandas frame as a table of the engine."""
        return self.con.create_table(name, frame, temp=True, overwrite=True)

    def frame(self, expr: ir.Table) -> pd.DataFrame:
        """The rows of an expression as a pandas frame."""
        return expr.to_pandas()

    def scalar(self, expr: ir.Scalar) -> object:
        """The value of a scalar expression; None when it is null."""
        value = expr.to_pyarrow().as_py()
        return value


@contextmanager
def open_engine(settings: Settings, scratch: Path | None = None) -> Iterator[Engine]:
    """A fresh engine that spills to a folder of its own (below `scratch`, or the system's) and removes it at the end."""
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    if settings.engine == "spark":
        from features.spark import open_spark

        with open_spark(settings, scratch) as engine:
            yield engine
        return
    spill = Path(tempfile.mkdtemp(prefix="bancast-spill-", dir=scratch))
    con = ibis.duckdb.connect(
        threads=settings.threads or os.cpu_count() or 1,
        memory_limit=f"{settings.memory_gb}GB",
        temp_directory=str(spill),
        preserve_insertion_order=False,
    )
    try:
        yield Engine(con)
    finally:
        con.disconnect()
        shutil.rmtree(spill, ignore_errors=True)
