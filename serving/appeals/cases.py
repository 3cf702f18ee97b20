"""An appeal as a case: its states, its clock, and its file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from data_schemas.errors import BadInput
from data_schemas.home import Home
from serving.appeals.files import case_id, put

NEXT = {
    "drafted": ("sent", "withdrawn"),
    "sent": ("answered", "won", "lost", "withdrawn"),
    "answered": ("won", "lost", "withdrawn"),
    "won": (),
    "lost": (),
    "withdrawn": ("drafted",),
}
"""Each state with those that may follow it."""
OPEN = ("drafted", "sent", "answered")
CLOSED = ("won", "lost", "withdrawn")


@dataclass(frozen=True)
class Change:
    """A state, and since when (UTC)."""

    state: str
    at: datetime


@dataclass(frozen=True)
class Case:
    """One appeal.

    as_of: the midnight of which its documents tell. changes: earliest first, at least one. attachments: name, sha256 and bytes
    of each file that the company sends along. lifted_at: when the ban ended, as it was told with the outcome.
    """

    id: str
    ban_id: str
    line_id: str
    carrier: str | None
    banned_at: datetime
    as_of: date
    changes: tuple[Change, ...]
    attachments: tuple[dict[str, Any], ...] = ()
    lifted_at: datetime | None = None

    @property
    def state(self) -> str:
        """The state it is in now."""
        return self.changes[-1].state

    def before(self, moment: datetime) -> Case | None:
        """The case as it was known strictly before a moment; None when it was not there yet."""
        kept = tuple(change for change in self.changes if change.at < moment)
        return replace(self, changes=kept) if kept else None

    def sent_at(self) -> datetime | None:
        """When it was sent, since it was last drafted."""
        for change in reversed(self.changes):
            if change.state == "drafted":
                return None
            if change.state == "sent":
                return change.at
        return None

    def moved(self, state: str, now: datetime, **more: Any) -> Case:
        """The case with one more change; BadInput when that may not follow."""
        if state not in NEXT[self.state]:
            allowed = ", ".join(NEXT[self.state]) or "nothing: it is closed"
            raise BadInput(f"appeal {self.id}: {self.state} cannot become {state}; what may follow is {allowed}")
        if now < self.changes[-1].at:
            raise BadInput(f"appeal {self.id}: {state} before it was {self.state}; is the clock of this machine right?")
        return replace(self, changes=(*self.changes, Change(state, now)), **more)

    def clock(self, day: date, zone: str, answer_days: int) -> dict[str, Any]:
        """since, due (None unless an answer is awaited), late: at local midnight `day`."""
        since = _local(self.changes[-1].at, zone)
        due = since + timedelta(days=answer_days) if self.state == "sent" else None
        return {"since": since, "due": due, "late": due is not None and day > due}


def opened(ban_id: str, line_id: str, carrier: str | None, banned_at: datetime, as_of: date, now: datetime) -> Case:
    """A new case, drafted now. banned_at: UTC."""
    return Case(case_id(ban_id), ban_id, line_id, carrier, banned_at, as_of, (Change("drafted", now),))


def save(home: Home, case: Case) -> Path:
    """Write the case's file in one step: a crash leaves the old one."""
    path = _folder(home) / f"{case.id}.json"
    text = json.dumps(asdict(case), ensure_ascii=False, indent=1, default=lambda moment: moment.isoformat())
    put(path, f"{text}\n".encode("utf-8", "surrogatepass"))
    return path


def load(home: Home) -> list[Case]:
    """All cases of a home, by id; BadInput when a file is none."""
    return [_read(path) for path in sorted(_folder(home).glob("*.json"))]


def load_before(home: Home, moment: datetime) -> list[Case]:
    """All cases as they were strictly before a moment."""
    return [then for case in load(home) if (then := case.before(moment)) is not None]


def find(cases: Iterable[Case], name: str) -> Case | None:
    """The case with this id or of this ban, else the one of this line (its open one); BadInput when that could be several."""
    own = list(cases)
    for case in own:
        if name in (case.id, case.ban_id):
            return case
    of_line = [case for case in own if case.line_id == name]
    of_line = [case for case in of_line if case.state in OPEN] or of_line
    if len(of_line) > 1:
        ids = ", ".join(case.ban_id for case in of_line)
        raise BadInput(f"line {name} has {len(of_line)} appeals; name the ban: {ids}")
    return of_line[0] if of_line else None


def _folder(home: Home) -> Path:
    return home.appeals / "cases"


def _read(path: Path) -> Case:
    try:
        data = json.loads(path.read_text(encoding="utf-8", errors="surrogatepass"))
        changes = tuple(Change(change["state"], _moment(change["at"])) for change in data.pop("changes"))
        if not changes or any(change.state not in NEXT for change in changes):
            raise ValueError("its changes name no state")
        banned_at, lifted_at = _moment(data.pop("banned_at")), data.pop("lifted_at")
        return Case(
            changes=changes,
            banned_at=banned_at,
            lifted_at=_moment(lifted_at) if lifted_at else None,
            as_of=date.fromisoformat(data.pop("as_of")),
            attachments=tuple(data.pop("attachments")),
            **data,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path}: not the file of an appeal ({error}); restore it, or move it away and draft again") from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment.astimezone(UTC)


def _local(moment: datetime, zone: str) -> date:
    return moment.astimezone(ZoneInfo(zone)).date()
