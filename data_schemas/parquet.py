"""Parquet files of bancast's own as tables of an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.sources import file_list


def parquet_view(con: ibis.BaseBackend, name: str, paths: Sequence[Path], columns: Sequence[str] | None = None) -> ir.Table:
    """Files of the same columns as a view of DuckDB's, which goes by a name as long as the connection lasts.

    columns: those it has, in order; None: all.
    """
    # To ask the engine for the columns takes several milliseconds, and a morning reads two dozen tables.
    shape = pq.read_schema(paths[0])
    columns = shape.names if columns is None else columns
    told = ", ".join(f'"{column}"' for column in columns)
    con.raw_sql(
        f'create or replace temp view "{name}" as select {told} from read_parquet({file_list(paths)}, hive_partitioning = false)'
    )
    held = pa.schema([shape.field(column) for column in columns])
    return passing_table(con, name, ibis.Schema.from_pyarrow(held))


def passing_table(con: ibis.BaseBackend, name: str, shape: ibis.Schema) -> ir.Table:
    """What goes by a name among DuckDB's temporary tables and views, without asking for its columns."""
    return ops.DatabaseTable(name, shape, con, ops.Namespace("temp", "main")).to_expr()
