"""Alerts: each morning, the lines that have become red, to the channels that ops read, through Apprise.

`choice` says which lines, `message` in which words, `sending` sends, `log` remembers, `acks` are what ops have acknowledged.
Nothing but the scores of the day and of earlier days decides, beside what was sent and acknowledged by then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import AlertSettings, Settings
from serving.actions import load_playbook
from serving.alerts.acks import holding, read_acks
from serving.alerts.channels import Channel, channels_of
from serving.alerts.choice import Choice, choose
from serving.alerts.log import AlertLog, ChannelState
from serving.alerts.message import Message, compose
from serving.alerts.reds import RedDays, headline_at, read_reds
from serving.alerts.sending import room, send
from serving.report.texts import texts

Progress = Callable[[str, float], None]


class Undelivered(Exception):
    """Some channels did not take their message; the others were sent theirs. `report` is what `alert` gives."""

    def __init__(self, report: dict[str, Any]) -> None:
        failed = [entry for entry in report["channels"] if entry["status"] == "failed"]
        told = ", ".join(f"{entry['channel']} ({entry['why']})" for entry in failed)
        super().__init__(
            f"{len(failed)} of {len(report['channels'])} channels failed: {told}; the next run sends what they were due,"
            " check their URLs in the settings"
        )
        self.report = report


def alert(
    home: Home, settings: Settings, as_of: date, lake: Lake, *, dry_run: bool = False, progress: Progress | None = None
) -> dict[str, Any]:
    """Tell every channel of the settings what is due on a scored day, and remember it; `dry_run` sends and remembers nothing.

    Returns {"as_of", "dry_run", "red", "failed": names of channels, "channels": [{"channel", "service", "status", "lines",
    "named", "new", "silenced", "why", "title", "text"}]}; status: "sent", "nothing" (is due), "limit" (of messages a day),
    "failed" (why says why) or "due" (of a dry run). BadInput when no channel is set, the day has no scores, or a later day was
    alerted of already.
    """
    tell = progress or (lambda what, share: None)
    log = AlertLog(home.alert_log)
    channels = channels_of(settings)
    if not channels and not dry_run:
        raise BadInput("no channel to alert: set `alerts.urls` in bancast.toml or BANCAST_ALERTS__URLS; docs/alerts.md shows how")
    last = log.last_day()
    if not dry_run and last is not None and as_of < last:
        raise BadInput(f"as_of {as_of}: alerts have run for {last} already; give --dry-run to see what this day's would say")
    tell("scores", 0.0)
    morning = _Morning(home, settings, as_of, lake)
    entries = []
    for place, channel in enumerate(channels or [Channel("no channel set", "", (), settings.language, "")]):
        tell(channel.name, 0.2 + 0.8 * place / max(len(channels), 1))
        entries.append(morning.dry(channel) if dry_run else morning.tell(channel))
    tell("done", 1.0)
    failed = [entry["channel"] for entry in entries if entry["status"] == "failed"]
    return {"as_of": as_of.isoformat(), "dry_run": dry_run, "red": len(morning.reds), "failed": failed, "channels": entries}


class _Morning:
    """The red lines of a day, and what each channel is to be told of them."""

    def __init__(self, home: Home, settings: Settings, as_of: date, lake: Lake) -> None:
        self.as_of = as_of
        self.rules: AlertSettings = settings.alerts
        self.log = AlertLog(home.alert_log)
        self.headline = headline_at(home, settings, as_of)
        self.actions = {action.name: action for action in load_playbook(settings.actions.playbook)}
        self.reds = read_reds(home, settings, as_of, lake)
        self.days = RedDays(home)
        self.before = max((day for day in self.days.scored if day < as_of), default=None)
        self.acks = read_acks(home, as_of)

    def tell(self, channel: Channel) -> dict[str, Any]:
        """Send what is due, with a note in the log before and after."""
        state, choice = self._due(channel)
        if not state.began:
            self.log.begin(channel.name, self.as_of, self.before)
        if not choice.alerts:
            return _entry(channel, "nothing", choice)
        if state.messages[self.as_of] >= self.rules.messages_per_day:
            return _entry(channel, "limit", choice)
        message = self._message(channel, state, choice)
        lines = [(alert.red.line_id, alert.red.risk, alert.red.family) for alert in choice.alerts]
        id_ = self.log.sending(channel.name, self.as_of, lines)
        why = send(channel, message, self.rules)
        if why is not None:
            self.log.failed(id_, why)
            return _entry(channel, "failed", choice, message, why)
        self.log.sent(id_)
        return _entry(channel, "sent", choice, message)

    def dry(self, channel: Channel) -> dict[str, Any]:
        """What would be sent, and nothing else."""
        state, choice = self._due(channel)
        if not choice.alerts:
            return _entry(channel, "nothing", choice)
        message = self._message(channel, state, choice)
        limit = state.messages[self.as_of] >= self.rules.messages_per_day
        return {**_entry(channel, "limit" if limit else "due", choice, message), "title": message.title, "text": message.text}

    def _due(self, channel: Channel) -> tuple[ChannelState, Choice]:
        state = self.log.state(channel.name, self.as_of)
        if not state.began:
            state.before = self.before
        since = self.days.since({red.line_id: self._back_to(red.line_id, state) for red in self.reds}, self.as_of)
        acknowledged = holding(self.acks, since, self.as_of)
        return state, choose(self.reds, since, state, acknowledged, self.rules, self.as_of, channel.teams)

    def _back_to(self, line: str, state: ChannelState) -> date:
        """The earliest day on which it matters whether a line was red."""
        told, ack = state.told.get(line), self.acks.get(line)
        begun = told.day if told else state.before or date.min
        return min(begun, ack.day) if ack else begun

    def _message(self, channel: Channel, state: ChannelState, choice: Choice) -> Message:
        lines = {alert.red.line_id: alert.since for alert in choice.alerts}
        return compose(
            choice.alerts,
            self.rules,
            texts(channel.language),
            self.actions,
            as_of=self.as_of,
            headline=self.headline,
            service=channel.service,
            again=any(line in lines and day >= lines[line] for line, day in state.doubtful.items()),
            fits=room(channel),
        )


def _entry(
    channel: Channel, status: str, choice: Choice, message: Message | None = None, why: str | None = None
) -> dict[str, Any]:
    return {
        "channel": channel.name,
        "service": channel.service,
        "status": status,
        "lines": len(choice.alerts),
        "named": message.named if message else 0,
        "new": sum(alert.why == "new" for alert in choice.alerts),
        "silenced": choice.silenced,
        "why": why,
    }
