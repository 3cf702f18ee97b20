"""The plain reference of forecast quality: LightGBM with its defaults on 1, 3, 7 and 28-day window counts.

What a data scientist writes on the first afternoon, straight on a folder in the contracts, sharing no code with bancast:
how many calls, answered and short calls, seconds of talk, complaints and messages a line had in each window.
Labels and eligibility are DESIGN.md's (section 4), on event times alone.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import lightgbm as lgb
import numpy as np
import pandas as pd

WINDOWS = (1, 3, 7, 28)
_EVENTS = {
    "calls": (
        "started_at",
        {"calls": "1", "answered": "answered::int", "talk": "duration_s", "short": "(answered and duration_s <= 5)::int"},
    ),
    "complaints": ("occurred_at", {"complaints": "1"}),
    "messages": ("sent_at", {"messages": "1"}),
}


def _source(folder: Path, table: str) -> str | None:
    for pattern in (f"{table}.parquet", f"{table}/**/*.parquet"):
        if next(folder.glob(pattern), None):
            return f"read_parquet('{folder / pattern}', hive_partitioning=false, union_by_name=true)"
    for pattern in (f"{table}.csv", f"{table}/**/*.csv"):
        if next(folder.glob(pattern), None):
            return f"read_csv('{folder / pattern}', union_by_name=true)"
    return None


def plain_frame(folder: Path, days: list[date], horizon: int = 7, zone: str = "Asia/Shanghai") -> pd.DataFrame:
    """as_of, line_id, window counts and `label` (a ban begins within `horizon` days) for each line eligible at each day."""
    con = duckdb.connect(config={"threads": 2})
    con.execute(f"set TimeZone = '{zone}'; set memory_limit = '6GB'; set preserve_insertion_order = false")
    con.register("wanted", pd.DataFrame({"day": pd.to_datetime(days)}))
    con.execute("create table moments as select day::date::timestamptz as t, day::date as as_of from wanted")
    con.execute(f"create table lines as select * from {_source(folder, 'lines')}")
    con.execute(f"create table bans as select * from {_source(folder, 'bans')}")
    gone = "and (deactivated_at is null or deactivated_at >= t)" if "deactivated_at" in _columns(con, "lines") else ""
    lifted = "and (lifted_at is null or lifted_at >= t)" if "lifted_at" in _columns(con, "bans") else ""
    con.execute(
        f"""create table frame as select as_of, t, line_id from lines, moments where activated_at < t {gone} and not exists (
        select 1 from bans where bans.line_id = lines.line_id and banned_at < t {lifted})"""
    )
    parts = []
    for table, (time, counts) in _EVENTS.items():
        source = _source(folder, table)
        if source is None:
            continue
        daily = ", ".join(f"sum({value}) as {name}" for name, value in counts.items())
        con.execute(f"create table {table}_daily as select line_id, {time}::date as day, {daily} from {source} group by all")
        sums = ", ".join(
            f"coalesce(sum({name}) filter (where day >= as_of - {w}), 0) as {name}_{w}d" for name in counts for w in WINDOWS
        )
        con.execute(
            f"""create table {table}_part as select line_id, as_of, {sums} from moments join {table}_daily
            on day < as_of and day >= as_of - {max(WINDOWS)} group by all"""
        )
        parts.append(f"left join {table}_part using (line_id, as_of)")
    label = f"""exists (select 1 from bans where bans.line_id = frame.line_id and banned_at >= t
        and banned_at < (as_of + {horizon})::timestamptz)::int as label"""
    frame = con.execute(f"select *, {label} from frame {' '.join(parts)} order by as_of, line_id").df()
    con.close()
    return frame.drop(columns="t").fillna(0)


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return {row[0] for row in con.execute(f"describe {table}").fetchall()}


def plain_scores(train: pd.DataFrame, test: pd.DataFrame, seed: int = 7) -> np.ndarray:
    """Probabilities of a LightGBM classifier with its defaults, fitted on `train`, for the rows of `test`."""
    features = [name for name in train if name not in ("as_of", "line_id", "label")]
    model = lgb.LGBMClassifier(random_state=seed, verbose=-1, n_jobs=2)
    model.fit(train[features], train["label"])
    return np.asarray(model.predict_proba(test[features]))[:, 1]
