"""The red lines of a scored day, and since when each has been red, from the scores of that day and of earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.local import open_local
from serving.known import Known
from serving.scored import EARLIER_DAYS, headline_of, horizons_of, scored_days

NAMES = ("team", "carrier", "number_pool")


@dataclass(frozen=True)
class Red:
    """A red line on one scored day.

    rank: 1 is the highest risk. risk: of a ban within the headline horizon. reason: the first one (family, feature, value),
    action: the first one's name, None where the scores give none. names: its team, carrier and number_pool, None where not
    known.
    """

    line_id: str
    rank: int
    risk: float
    reason: dict[str, Any] | None
    action: str | None
    names: dict[str, str | None]

    @property
    def family(self) -> str | None:
        """The family of the first reason."""
        return self.reason["family"] if self.reason else None


def headline_at(home: Home, settings: Settings, as_of: date) -> int:
    """The horizon, in days, whose risk the scores of a day are ranked by; BadInput when they are no scores."""
    path = home.scores_file(as_of)
    if not path.exists():
        raise BadInput(f"{path}: no scores of {as_of}; run `bancast score --as-of {as_of} --home {home.root}` first")
    try:
        names = pq.read_schema(path).names
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    horizons = horizons_of(names)
    if not horizons:
        raise BadInput(f"{path}: column `risk_7d` is missing, not a file of scores; score that day again")
    return headline_of(horizons, settings)


def read_reds(home: Home, settings: Settings, as_of: date, lake: Lake) -> list[Red]:
    """The red lines of a scored day, by rank, with what was known of them at that midnight."""
    risk = f"risk_{headline_at(home, settings, as_of)}d"
    rows = _red_rows(home.scores_file(as_of), ["line_id", "rank", risk, "reasons", "actions"]).to_pylist()
    names = _names(home, settings, as_of, lake, [row["line_id"] for row in rows])
    return sorted(
        (
            Red(
                line_id=row["line_id"],
                rank=row["rank"],
                risk=row[risk],
                reason=row["reasons"][0] if row["reasons"] else None,
                action=row["actions"][0]["action"] if row["actions"] else None,
                names=names.get(row["line_id"], dict.fromkeys(NAMES)),
            )
            for row in rows
        ),
        key=lambda red: red.rank,
    )


class RedDays:
    """Which lines were red on the scored days of a home; each day is read once.

    scored: the days, earliest first.
    """

    def __init__(self, home: Home) -> None:
        self.home, self.scored = home, scored_days(home)
        self._lines: dict[date, set[str]] = {}

    def lines(self, day: date) -> set[str]:
        """The ids of the red lines of a scored day."""
        if day not in self._lines:
            self._lines[day] = set(_red_rows(self.home.scores_file(day), ["line_id"])["line_id"].to_pylist())
        return self._lines[day]

    def since(self, back_to: Mapping[str, date], as_of: date) -> dict[str, date]:
        """Since which scored day each line has been red on every scored day, for lines that are red on `as_of`.

        back_to: by line, the day before which it is not looked at: one that has been red for longer has that day, or an
        earlier one.
        """
        since = dict.fromkeys(back_to, as_of)
        running = set(since)
        for day in [day for day in reversed(self.scored) if day < as_of][:EARLIER_DAYS]:
            running = {line for line in running if back_to[line] <= day}
            if not running:
                break
            running &= self.lines(day)
            since.update(dict.fromkeys(running, day))
        return since


def _red_rows(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns, filters=[("level", "==", "red")], partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Path, error: Exception) -> BadInput:
    return BadInput(f"{path}: not readable as scores ({(str(error).splitlines() or [''])[0]}); score that day again")


def _names(home: Home, settings: Settings, as_of: date, lake: Lake, lines: list[str]) -> dict[str, dict[str, str | None]]:
    """Team, carrier and number pool of these lines, as they were known last."""
    if not lines:
        return {}
    with open_local(settings, home.scratch) as engine:
        wanted = engine.rows("alerted", pd.DataFrame({"line_id": lines}))
        known = Known(engine, lake, day_number(as_of)).lines().semi_join(wanted, "line_id")
        frame = engine.frame(known.select("line_id", *NAMES)).astype(object)
    rows = frame.where(frame.notna(), None).to_dict("records")
    return {row["line_id"]: {name: row[name] for name in NAMES} for row in rows}
