"""The scored days of a home: which they are, how their files are read, and who was on their lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data_schemas.errors import BadInput
from data_schemas.home import Home

LEVELS = ("red", "orange", "yellow", "green")
FLAGGED = LEVELS[:3]
"""Levels that put a line on the list."""
EARLIER_DAYS = 400
"""Earlier scored days that are looked through at most, for since when a line is on the list."""
_NEEDED = ("line_id", "rank", "level", "reasons", "actions", "model_version", "data_fingerprint")
_RISK = re.compile(r"risk_(\d+)d")


def earlier_days(home: Home, as_of: date) -> list[date]:
    """Days before as_of that this home has scored, latest first."""
    days = []
    for folder in home.scores.glob("as_of=*"):
        try:
            day = date.fromisoformat(folder.name.removeprefix("as_of="))
        except ValueError:
            continue
        if day < as_of and home.scores_file(day).exists():
            days.append(day)
    return sorted(days, reverse=True)[:EARLIER_DAYS]


def horizons_of(names: Iterable[str]) -> tuple[int, ...]:
    """The horizons, days, that the risk columns among these names have, ascending."""
    return tuple(sorted(int(found[1]) for name in names if (found := _RISK.fullmatch(name))))


def read_scores(path: Path, columns: Iterable[str] | None = None, risks: bool = False) -> pd.DataFrame:
    """A scores file, or those of `columns` that it has, and all of its risks where `risks`; BadInput when it is not one."""
    table = _table(path, columns, risks)
    if columns is None and "as_of" in table.column_names:
        table = table.drop_columns(["as_of"])
    lists = {name: table[name].to_pylist() for name in ("reasons", "actions") if name in table.column_names}
    frame = table.drop_columns(list(lists)).to_pandas()
    for name, values in lists.items():
        frame[name] = pd.Series([value or [] for value in values], dtype=object, index=frame.index)
    return frame


def _table(path: Path, columns: Iterable[str] | None, risks: bool = False) -> pa.Table:
    try:
        schema = pq.read_schema(path)
        lacking = [name for name in _NEEDED if name not in schema.names]
        if not lacking and not horizons_of(schema.names):
            lacking = ["risk_7d"]
        if lacking:
            raise BadInput(f"{path}: column `{lacking[0]}` is missing, not a file of scores; score that day again")
        wanted = None if columns is None else [name for name in columns if name in schema.names]
        if wanted is not None and risks:
            wanted += [f"risk_{horizon}d" for horizon in horizons_of(schema.names)]
        return pq.read_table(path, columns=wanted, partitioning=None)
    except (OSError, pa.ArrowInvalid) as error:
        raise BadInput(f"{path}: not readable as Parquet ({str(error).splitlines()[0]}); score that day again") from None


def on_list(scores: pd.DataFrame) -> set[str]:
    """The lines of these scores (line_id, level) that are on the list."""
    return set(scores.loc[scores["level"].isin(FLAGGED), "line_id"])


def among_listed(path: Path, lines: pa.Array) -> np.ndarray:
    """Which of these lines (n,) are on the list of a scores file. In Arrow, so that hundreds of days take seconds."""
    table = _table(path, ("line_id", "level"))
    listed = table.filter(pc.is_in(table["level"], pa.array(FLAGGED)))["line_id"]
    return np.asarray(pc.is_in(lines, listed.combine_chunks()).to_numpy(zero_copy_only=False))


def summary_of(path: Path) -> dict[str, Any]:
    """The summary that scoring leaves beside a scores file; empty where it cannot be read."""
    try:
        found = json.loads((path.parent / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def trained_until(path: Path) -> str | None:
    """The day before which everything was known that the model of a scores file has learnt from; None when nothing says so."""
    value = summary_of(path).get("trained_until")
    return str(value) if value else None
