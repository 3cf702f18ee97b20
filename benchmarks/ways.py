"""The same window features as people write them by hand: in DuckDB, in pandas and in Polars.

Straight on a folder of Parquet tables with all columns of the contracts, as the simulator writes them, without bancast's code.
A record counts in [as_of - w, as_of) when it was also known before as_of. Each way gives one row a line and as_of day, 0 where
nothing happened. What they make is said in `subset`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

WINDOWS = (1, 3, 7, 14, 28)
Way = Callable[[Path, Sequence[date], str, Path, float], pd.DataFrame]
_TIMES = {
    "calls": ("started_at", "recorded_at"),
    "complaints": ("occurred_at", "received_at"),
    "messages": ("sent_at", "recorded_at"),
}
"""When a record of a table happened and when it was known."""


def duckdb_way(folder: Path, days: Sequence[date], zone: str, spill: Path, memory_gb: float) -> pd.DataFrame:
    """One query a window, which joins the records to the as_of days and counts; then the windows side by side."""
    counts = {
        "calls": {
            "calls": "count(*)",
            "answered": "count(*) filter (answered)",
            "talk": "sum(duration_s)",
            "short_calls": "count(*) filter (answered and duration_s <= 5)",
            "callees": "count(distinct callee_id)",
        },
        "complaints": {"complaints": "count(*)"},
        "messages": {"messages": "count(*)"},
    }
    with duckdb.connect(config={"memory_limit": f"{memory_gb}GB", "temp_directory": str(spill)}) as con:
        con.execute(f"set TimeZone = '{zone}'; set preserve_insertion_order = false; set enable_progress_bar = false")
        con.execute("create table snapshots (as_of date)")
        con.executemany("insert into snapshots values (?)", [[day] for day in days])
        con.execute(f"create table lines as select line_id from read_parquet('{_files(folder, 'lines')}')")
        for window in WINDOWS:
            parts, names = [], []
            for table, values in counts.items():
                time, known = _TIMES[table]
                rows = ", ".join(f"{value} as {name}" for name, value in values.items())
                parts.append(
                    f"""{table} as (
                    select as_of, line_id, {rows}
                    from read_parquet('{_files(folder, table)}', hive_partitioning = false) join snapshots
                    on {time} >= (as_of - {window})::timestamptz and {time} < as_of::timestamptz
                    and coalesce({known}, {time}) < as_of::timestamptz
                    group by all)"""
                )
                names += [f"coalesce({name}, 0) as {name}_{window}d" for name in values]
            con.execute(
                f"""create table window_{window} as with {", ".join(parts)}
                select as_of, line_id, {", ".join(names)} from snapshots cross join lines
                left join calls using (as_of, line_id) left join complaints using (as_of, line_id)
                left join messages using (as_of, line_id)"""
            )
        beside = " ".join(f"join window_{window} using (as_of, line_id)" for window in WINDOWS[1:])
        return con.execute(f"from window_{WINDOWS[0]} {beside}").df()


def pandas_way(folder: Path, days: Sequence[date], zone: str, spill: Path, memory_gb: float) -> pd.DataFrame:
    """For each as_of day: read the longest window, then a groupby a window. memory_gb cannot be told to pandas."""
    values: dict[str, dict[str, tuple[str, Any]]] = {
        "calls": {
            "calls": ("line_id", "size"),
            "answered": ("answered", "sum"),
            "talk": ("duration_s", "sum"),
            "short_calls": ("short", "sum"),
            "callees": ("callee_id", "nunique"),
        },
        "complaints": {"complaints": ("line_id", "size")},
        "messages": {"messages": ("line_id", "size")},
    }
    columns = {"calls": ["answered", "duration_s", "callee_id"], "complaints": [], "messages": []}
    lines = pd.Index(pd.read_parquet(_root(folder, "lines"), columns=["line_id"])["line_id"], name="line_id")
    found = []
    for day in days:
        until = pd.Timestamp(day, tz=zone)
        parts = []
        for table, (time, known) in _TIMES.items():
            since = pd.Timestamp(day - timedelta(days=max(WINDOWS)), tz=zone)
            rows = pd.read_parquet(
                _root(folder, table),
                columns=["line_id", time, known, *columns[table]],
                filters=[(time, ">=", since), (time, "<", until)],
            )
            rows = rows[rows[known].fillna(rows[time]) < until]
            if table == "calls":
                rows = rows.assign(short=rows["answered"] & (rows["duration_s"] <= 5))
            for window in WINDOWS:
                recent = rows[rows[time] >= pd.Timestamp(day - timedelta(days=window), tz=zone)]
                part = recent.groupby("line_id").agg(**values[table])
                parts.append(part.add_suffix(f"_{window}d").reindex(lines, fill_value=0))
        table_of_day = pd.concat(parts, axis=1).reset_index()
        table_of_day.insert(0, "as_of", pd.Timestamp(day))
        found.append(table_of_day)
    return pd.concat(found, ignore_index=True)


def polars_way(folder: Path, days: Sequence[date], zone: str, spill: Path, memory_gb: float) -> pd.DataFrame:
    """For each as_of day: lazily scan and filter the longest window, one group_by for all windows, streamed.

    A query a window takes half as long again. memory_gb cannot be told to Polars.
    """
    import polars as pl

    def midnight(day: date) -> datetime:
        return pd.Timestamp(day, tz=zone).tz_convert("UTC").to_pydatetime()  # Polars compares times of one zone only

    lines = pl.scan_parquet(_files(folder, "lines")).select("line_id")
    found = []
    for day in days:
        until = midnight(day)
        table_of_day = lines.with_columns(as_of=pl.lit(day))
        for table, (time, known) in _TIMES.items():
            values = {}
            for window in WINDOWS:
                since = midnight(day - timedelta(days=window))
                recent = pl.col(time) >= since
                if table == "calls":
                    answered = recent & pl.col("answered")
                    values[f"answered_{window}d"] = answered.sum()
                    values[f"talk_{window}d"] = pl.col("duration_s").filter(recent).sum()
                    values[f"short_calls_{window}d"] = (answered & (pl.col("duration_s") <= 5)).sum()
                    values[f"callees_{window}d"] = pl.col("callee_id").filter(recent).n_unique()
                values[f"{table}_{window}d"] = recent.sum()
            rows = pl.scan_parquet(_files(folder, table))
            rows = rows.filter(pl.col(time) >= since, pl.col(time) < until, pl.coalesce(known, time) < until)
            counts = rows.group_by("line_id").agg(**values)
            table_of_day = table_of_day.join(counts, on="line_id", how="left")
        found.append(table_of_day.fill_null(0).collect(engine="streaming"))
    return pl.concat(found).to_pandas()


WAYS: dict[str, Way] = {"plain": duckdb_way, "pandas": pandas_way, "polars": polars_way}


def _root(folder: Path, table: str) -> Path:
    file = folder / f"{table}.parquet"
    return file if file.exists() else folder / table


def _files(folder: Path, table: str) -> str:
    root = _root(folder, table)
    return str(root if root.suffix else root / "**" / "*.parquet")
