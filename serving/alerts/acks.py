"""Acknowledgements: lines of which somebody has said that they are being looked after, so that no alert repeats them.

An acknowledgement ends on a day that was given, or as soon as its line has left red and come back. It is written to a file
of its own, which needs no hold of the home: ops acknowledge while a model is being trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from data_schemas.errors import BadInput
from data_schemas.home import Home
from serving.alerts.journal import append, read_events
from serving.alerts.message import WORD_JOINER
from serving.alerts.reds import RedDays


@dataclass(frozen=True)
class Ack:
    """One acknowledgement. day: the newest scored day as it was made. until: its last day, None where none was given."""

    line_id: str
    day: date
    until: date | None
    note: str | None

    def holds(self, as_of: date, since: date) -> bool:
        """Whether it silences its line on a scored day, when the line has been red since `since`."""
        return since <= self.day and (self.until is None or as_of <= self.until)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        until = self.until.isoformat() if self.until else None
        return {**asdict(self), "day": self.day.isoformat(), "until": until}


def read_acks(home: Home, as_of: date) -> dict[str, Ack]:
    """The latest acknowledgement of each line that was made by a scored day and not taken back, whether it still holds or not."""
    found: dict[str, Ack] = {}
    for event in read_events(home.alert_acks):
        day = date.fromisoformat(event["as_of"])
        if day > as_of:
            continue
        if event["event"] == "ack":
            until = date.fromisoformat(event["until"]) if event["until"] else None
            found[event["line"]] = Ack(event["line"], day, until, event["note"])
        else:
            found.pop(event["line"], None)
    return found


def holding(acks: Mapping[str, Ack], since: Mapping[str, date], as_of: date) -> dict[str, Ack]:
    """Those of the acknowledgements that silence their line; `since`: since when each red line has been red."""
    return {line: ack for line, ack in acks.items() if line in since and ack.holds(as_of, since[line])}


def held(days: RedDays, as_of: date) -> dict[str, Ack]:
    """The acknowledgements that hold on a day, by line; none on a day that was not scored."""
    acks = read_acks(days.home, as_of)
    if not acks or as_of not in days.scored:
        return {}
    since = days.since({line: acks[line].day for line in days.lines(as_of) if line in acks}, as_of)
    return holding(acks, since, as_of)


def standing(home: Home) -> list[Ack]:
    """The acknowledgements that hold on the newest scored day, earliest first."""
    days = RedDays(home)
    return sorted(held(days, _newest(days)).values(), key=lambda ack: (ack.day, ack.line_id))


def acknowledge(home: Home, lines: Iterable[str], days: int | None = None, note: str | None = None) -> list[Ack]:
    """Silence red lines for `days` days, or until they have left red and come back; what was written, by line.

    BadInput, with nothing written, when one of them is not red on the newest scored day.
    """
    days_ = RedDays(home)
    as_of = _newest(days_)
    wanted = _ids(lines, days_.lines(as_of))
    for line in wanted:
        if line not in days_.lines(as_of):
            raise BadInput(f"line {line!r}: not among the red lines of {as_of}; only these are alerted of, check the id")
    until = as_of + timedelta(days=days) if days else None
    acks = [Ack(line, as_of, until, note) for line in wanted]
    at = datetime.now(UTC).isoformat(timespec="seconds")
    append(
        home.alert_acks,
        *({"event": "ack", "at": at, "line": ack.line_id, "as_of": ack.to_dict()["day"], **_end(ack)} for ack in acks),
    )
    return acks


def take_back(home: Home, lines: Iterable[str]) -> list[str]:
    """End the acknowledgement of lines; BadInput, with nothing written, when one of them has none that holds."""
    as_of = _newest(RedDays(home))
    acked = {ack.line_id for ack in standing(home)}
    wanted = _ids(lines, acked)
    for line in wanted:
        if line not in acked:
            raise BadInput(f"line {line!r}: not acknowledged on {as_of}; `bancast ack --list` shows those that are")
    at = datetime.now(UTC).isoformat(timespec="seconds")
    append(home.alert_acks, *({"event": "undo", "at": at, "line": line, "as_of": as_of.isoformat()} for line in wanted))
    return wanted


def _end(ack: Ack) -> dict[str, Any]:
    return {"until": ack.to_dict()["until"], "note": ack.note}


def _ids(lines: Iterable[str], known: set[str]) -> list[str]:
    """Each line once, as it is called in the data: copied from a message it may hold signs without width."""
    return list(dict.fromkeys(line if line in known else line.replace(WORD_JOINER, "") for line in lines))


def _newest(days: RedDays) -> date:
    if not days.scored:
        where = days.home.root
        raise BadInput(f"home {where}: no scores in it yet; run `bancast score --home {where}` first")
    return days.scored[-1]
