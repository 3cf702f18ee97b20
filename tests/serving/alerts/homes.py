"""Homes with scores of a few lines, a day at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.settings import AlertSettings, Settings, load_settings
from serving.alerts import alert
from serving.alerts.acks import holding, read_acks
from serving.alerts.choice import Alert, choose
from serving.alerts.log import AlertLog
from serving.alerts.reds import NAMES, Red, RedDays
from tests.serving.report.worlds import SCORES, TableLake, save_scores, table

MONDAY = date(2026, 11, 23)
RED = 0.3
_CHANNEL = "json-1"


@dataclass(frozen=True)
class Line:
    """A line's risk on a day, the family of its first reason, and what it should do."""

    risk: float
    family: str | None = "complaints"
    action: str | None = "handle_complaints"


FEATURES = {"complaints": "complaints_7d", "frequency": "calls_7d"}


def scores(day: date, lines: Mapping[str, Line]) -> pa.Table:
    """Scores of a day in their real schema."""
    rows = []
    for rank, (line_id, line) in enumerate(sorted(lines.items(), key=lambda item: (-item[1].risk, item[0])), 1):
        reason = {
            "family": line.family,
            "feature": FEATURES.get(line.family or ""),
            "value": 4.0,
            "usual": 1.0,
            "contribution": 1.0,
        }
        rows.append(
            {
                "as_of": day,
                "line_id": line_id,
                **{f"risk_{horizon}d": line.risk for horizon in (1, 3, 7, 14)},
                "rank": rank,
                "level": "red" if line.risk >= RED else "green",
                "reasons": [reason] if line.family else [],
                "actions": [{"action": line.action, "risk_after": 0.1}] if line.action else [],
                "model_version": "bancast/3",
                "data_fingerprint": "f",
            }
        )
    return pa.Table.from_pylist(rows, schema=SCORES)


@dataclass
class World:
    """A home, its settings (as bancast.toml and more), and who has which line."""

    home: Home
    teams: dict[str, str | None] = field(default_factory=dict)
    rules: dict[str, object] = field(default_factory=dict)
    language: str = "en"

    def day(self, offset: int, **lines: float | Line) -> date:
        """Score Monday + offset: risk (or all of a line) by line id."""
        return self.score(offset, {name: line if isinstance(line, Line) else Line(line) for name, line in lines.items()})

    def score(self, offset: int, lines: Mapping[str, Line]) -> date:
        day = MONDAY + timedelta(days=offset)
        save_scores(self.home, day, scores(day, lines))
        for name in lines:
            self.teams.setdefault(name, "Renewals")
        return day

    @property
    def settings(self) -> Settings:
        alerts = {"wait_s": 0, "tries": 2, "timeout_s": 5, **self.rules}
        return load_settings(self.home.root, threads=1, language=self.language, alerts=alerts)

    @property
    def lake(self) -> TableLake:
        ids = list(self.teams)
        rows = {
            "line_id": ids,
            "team": list(self.teams.values()),
            "carrier": ["North"] * len(ids),
            "number_pool": ["P1"] * len(ids),
        }
        return TableLake({"lines": table("lines", rows, [day_number(MONDAY) - 100] * len(ids))})

    def alert(self, day: date, dry_run: bool = False) -> dict:
        return alert(self.home, self.settings, day, self.lake, dry_run=dry_run)


def world(folder: Path, *urls: str, **rules: object) -> World:
    return World(Home(folder), rules={"urls": list(urls), **rules})


class Mornings:
    """A home that is scored and alerted of a day at a time, by the rules given; no engine runs and nothing is sent."""

    def __init__(self, folder: Path, **rules: object) -> None:
        self.home, self.rules = Home(folder), AlertSettings(**rules)
        self.log = AlertLog(self.home.alert_log)

    def score(self, day: date, lines: Mapping[str, Line]) -> None:
        save_scores(self.home, day, scores(day, lines))

    def day(self, offset: int, **lines: float | Line) -> list[str]:
        """Score Monday + offset and tell what is due: the lines that were told."""
        day = MONDAY + timedelta(days=offset)
        given = {name: line if isinstance(line, Line) else Line(line) for name, line in lines.items()}
        self.score(day, given)
        return [alert.red.line_id for alert in self.tell(day, given)]

    def tell(self, day: date, lines: Mapping[str, Line]) -> list[Alert]:
        """What is due on a scored day; noted as sent."""
        names = dict.fromkeys(NAMES)
        reds = [
            Red(name, rank, line.risk, {"family": line.family}, None, names)
            for rank, (name, line) in enumerate(sorted(lines.items()), 1)
            if line.risk >= RED
        ]
        days, state = RedDays(self.home), self.log.state(_CHANNEL, day)
        if not state.began:
            state.before = max((one for one in days.scored if one < day), default=None)
            self.log.begin(_CHANNEL, day, state.before)
        since = days.since({red.line_id: MONDAY - timedelta(days=100) for red in reds}, day)
        held = holding(read_acks(self.home, day), since, day)
        alerts = choose(reds, since, state, held, self.rules, day).alerts
        if alerts:
            self.log.sent(self.log.sending(_CHANNEL, day, [(a.red.line_id, a.red.risk, a.red.family) for a in alerts]))
        return alerts
