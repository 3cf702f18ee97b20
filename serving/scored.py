"""The scored days of a home: which they are, how their files are read, and who was on their lists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
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
from data_schemas.settings import Settings

LEVELS = ("red", "orange", "yellow", "green")
FLAGGED = LEVELS[:3]
"""Levels that put a line on the list."""
EARLIER_DAYS = 400
"""Earlier scored days that are looked through at most, for since when a line is on the list."""
NO_FORECAST = "rule/"
"""Model versions whose risks rank lines and forecast no number of bans."""
_NEEDED = ("line_id", "rank", "level", "reasons", "actions", "model_version", "data_fingerprint")
_RISK = re.compile(r"risk_(\d+)d")


def scored_days(home: Home) -> list[date]:
    """Days that this home has scored, earliest first."""
    days = []
    for path in home.scores.glob("as_of=*/scores.parquet"):
        try:
            days.append(date.fromisoformat(path.parent.name.removeprefix("as_of=")))
        except ValueError:
            continue
    return sorted(days)


def earlier_days(home: Home, as_of: date) -> list[date]:
    """The newest EARLIER_DAYS days before as_of that this home has scored, latest first."""
    return [day for day in reversed(scored_days(home)) if day < as_of][:EARLIER_DAYS]


def horizons_of(names: Iterable[str]) -> tuple[int, ...]:
    """The horizons, days, that the risk columns among these names have, ascending."""
    return tuple(sorted(int(found[1]) for name in names if (found := _RISK.fullmatch(name))))


def headline_of(horizons: Sequence[int], settings: Settings) -> int:
    """The horizon, days, whose risk ranks scores of these: the settings' headline, or the longest where that was not scored."""
    return settings.train.headline if settings.train.headline in horizons else max(horizons)


def read_scores(path: Path, columns: Iterable[str] | None = None, risks: bool = False) -> pd.DataFrame:
    """A scores file, or those of `columns` that it has, and all of its risks where `risks`; BadInput when it is not one."""
    table = read_columns(path, columns, risks)
    if columns is None and "as_of" in table.column_names:
        table = table.drop_columns(["as_of"])
    lists = {name: table[name].to_pylist() for name in ("reasons", "actions") if name in table.column_names}
    frame = table.drop_columns(list(lists)).to_pandas()
    for name, values in lists.items():
        frame[name] = pd.Series([value or [] for value in values], dtype=object, index=frame.index)
    return frame


def read_columns(path: Path, columns: Iterable[str] | None = None, risks: bool = False) -> pa.Table:
    """The same as Arrow keeps it, for files of many lines; columns in the order of the file."""
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
    table = read_columns(path, ("line_id", "level"))
    listed = table.filter(pc.is_in(table["level"], pa.array(FLAGGED)))["line_id"]
    return np.asarray(pc.is_in(lines, listed.combine_chunks()).to_numpy(zero_copy_only=False))


def read_summary(path: Path) -> dict[str, Any]:
    """What scoring said beside a scores file; empty where it left nothing that can be read."""
    try:
        summary = json.loads((path.parent / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def forecasts(model_version: str) -> bool:
    """Whether scores of this version forecast bans: the rule of thumb's rank the lines, and were learnt from nothing."""
    return not model_version.startswith(NO_FORECAST)


def trained_until(summary: Mapping[str, Any]) -> str | None:
    """The day before which the model of some scores knew everything that it learnt from; None when their summary says nothing."""
    value = summary.get("trained_until")
    return str(value) if value else None


def made_later(home: Home, day: date) -> bool:
    """Whether the model that scored a day has learnt from days after it: nobody had these scores then."""
    until = trained_until(read_summary(home.scores_file(day)))
    return until is not None and until > day.isoformat()
