"""Which red lines a channel is told of on a scored day.

A line is told when it has become red, and again only after a change: it left red and came back, its risk has risen by a
step, or another family has become its first reason. It is told once a day at the most, not within some days of its last
alert, and not while it is acknowledged. What could not be sent stays due for as long as the line is red.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from data_schemas.settings import AlertSettings
from serving.alerts.log import ChannelState
from serving.alerts.reds import Red


@dataclass(frozen=True)
class Alert:
    """A line to tell of: `why`, since which scored day it has been red, and the risk that was told last (for "risk")."""

    red: Red
    why: Literal["new", "risk", "reason"]
    since: date
    before: float | None = None


@dataclass(frozen=True)
class Choice:
    """Alerts by rank, and how many more lines would be due but are silenced by their last alert or an acknowledgement."""

    alerts: list[Alert]
    silenced: int


def choose(
    reds: Sequence[Red],
    since: Mapping[str, date],
    state: ChannelState,
    acknowledged: Container[str],
    rules: AlertSettings,
    as_of: date,
    teams: Sequence[str] = (),
) -> Choice:
    """What is due on a channel that has been told what `state` says; `since`: since when each line has been red."""
    alerts, silenced = [], 0
    for red in reds:
        if teams and red.names["team"] not in teams:
            continue
        alert = _due(red, since[red.line_id], state, rules)
        if alert is None:
            continue
        told = state.told.get(red.line_id)
        quiet = told is not None and as_of <= told.day + timedelta(days=rules.silence_days)
        if quiet or red.line_id in acknowledged:
            silenced += told is None or told.day < as_of  # what was told this very day is no news held back
        else:
            alerts.append(alert)
    return Choice(alerts, silenced)


def _due(red: Red, since: date, state: ChannelState, rules: AlertSettings) -> Alert | None:
    told = state.told.get(red.line_id)
    if told is None or told.day < since:
        known = told is None and state.before is not None and since <= state.before
        return None if known else Alert(red, "new", since)
    if red.risk >= told.risk + rules.rise:
        return Alert(red, "risk", since, told.risk)
    if red.family != told.family:
        return Alert(red, "reason", since)
    return None
