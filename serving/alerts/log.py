"""The log of alerts: what was sent to which channel, told as events, so that any day can be looked back on.

A message is written down before it is sent ("sending", with its lines) and again afterwards ("sent" or "failed"). Where a
crash left only the first, nobody knows whether it went out: its lines count as not told, the next run sends them again and
says so in the message. Better told twice than not at all; only the one message that was being sent can be doubled.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from serving.alerts.journal import append, read_events


@dataclass(frozen=True)
class Told:
    """What a channel was last told of a line: on which scored day, its risk and the family of its first reason then."""

    day: date
    risk: float
    family: str | None


@dataclass
class ChannelState:
    """What a channel knows as of a day.

    began: whether alerts ever ran for it. before: the scored day before its first run (None: there was none): lines that were
    red then already and stayed so are none of its news. told: the last alert of each line. doubtful: scored days of messages
    of which nobody knows whether they went out, by line. messages: how many went out, or may have, by scored day.
    """

    began: bool = False
    before: date | None = None
    told: dict[str, Told] = field(default_factory=dict)
    doubtful: dict[str, date] = field(default_factory=dict)
    messages: Counter[date] = field(default_factory=Counter)


class AlertLog:
    """The log in one file; see serving.alerts.journal for how it lasts."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def state(self, channel: str, as_of: date) -> ChannelState:
        """What a channel knows as of a scored day: events of later days do not count."""
        state, open_, ended = ChannelState(), {}, {}
        for event in read_events(self.path):
            if event["event"] in ("sent", "failed"):
                ended[event["id"]] = event["event"]
            elif event["channel"] == channel and date.fromisoformat(event["as_of"]) <= as_of:
                if event["event"] == "began":
                    state.began = True
                    state.before = date.fromisoformat(event["before"]) if event["before"] else None
                else:
                    open_[event["id"]] = event
        for id_, event in open_.items():
            day, outcome = date.fromisoformat(event["as_of"]), ended.get(id_)
            if outcome != "failed":
                state.messages[day] += 1
            if outcome == "sent":
                state.told.update({line: Told(day, risk, family) for line, risk, family in event["lines"]})
            elif outcome is None:
                state.doubtful.update({line: day for line, _, _ in event["lines"]})
        told = state.told
        state.doubtful = {line: day for line, day in state.doubtful.items() if line not in told or told[line].day < day}
        return state

    def last_day(self) -> date | None:
        """The latest scored day of which anything was sent, or may have been."""
        return max((date.fromisoformat(event["as_of"]) for event in read_events(self.path) if "as_of" in event), default=None)

    def begin(self, channel: str, as_of: date, before: date | None) -> None:
        """Note the first run of a channel."""
        self._add("began", channel=channel, as_of=as_of.isoformat(), before=before.isoformat() if before else None)

    def sending(self, channel: str, as_of: date, lines: list[tuple[str, float, str | None]]) -> str:
        """Note a message that is about to be sent, with line, risk and family of all that it tells; the id of it."""
        id_ = uuid4().hex
        self._add("sending", id=id_, channel=channel, as_of=as_of.isoformat(), lines=lines)
        return id_

    def sent(self, id_: str) -> None:
        """Note that a message was taken by its service."""
        self._add("sent", id=id_)

    def failed(self, id_: str, why: str) -> None:
        """Note that a message was not taken, and why, in words without secrets."""
        self._add("failed", id=id_, why=why)

    def _add(self, event: str, **values: Any) -> None:
        append(self.path, {"event": event, "at": datetime.now(UTC).isoformat(timespec="seconds"), **values})
