"""What a person does with appeals: draft one, say what became of it, ask why a line is no candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.appeals import cases, documents
from serving.appeals.cases import Case
from serving.appeals.content import HINDRANCES, sentence
from serving.appeals.files import fingerprint
from serving.appeals.judging import Judged, judge
from serving.appeals.outcomes import record
from serving.known import Known
from serving.report.texts import LANGUAGES, texts


def draft(
    home: Home, known: Known, settings: Settings, as_of: date, name: str, consent: Sequence[Path], now: datetime
) -> tuple[Case, list[Path]]:
    """Open the case of a candidate, given by ban or line, with its documents; the case and the documents' paths.

    A case that is drafted or was withdrawn is drafted anew, keeping its attachments. consent: files whose names and sums go
    into the documents; they stay where they are. BadInput when the ban is no candidate: why is in it.
    """
    held = {case.ban_id: case for case in cases.load(home)}
    taken = [ban for ban, case in held.items() if case.state not in ("drafted", "withdrawn")]
    one = _candidate(judge(home, known, settings, name, taken), home, name)
    attachments = [fingerprint(path) for path in consent]
    case = held.get(one.ban_id)
    if case is None:
        case = cases.opened(one.ban_id, one.line_id, one.carrier, one.banned_at.replace(tzinfo=UTC), as_of, now)
    elif case.state == "withdrawn":
        case = case.moved("drafted", now)
    kept = {file["sha256"]: file for file in (*case.attachments, *attachments)}
    case = replace(case, as_of=as_of, attachments=tuple(kept.values()))
    source = documents.source_of(known, settings, as_of)
    written = documents.write(one, source, home.appeals / case.id, case.attachments)
    cases.save(home, case)
    return case, written


def move(
    home: Home, settings: Settings, name: str, state: str, now: datetime, lifted_at: datetime | None = None
) -> tuple[Case, dict[str, Any]]:
    """Bring a case, given by its id, ban or line, into a state; the case, and what that changed in the lake.

    An outcome (won, lost) goes into the lake before the case is closed, so that a crash in between is mended by the same
    command; of a case that has that outcome already it is written again, with `lifted_at` where that is given.
    lifted_at: when the ban ended; without zone: of the settings' zone.
    """
    case = cases.find(cases.load(home), name)
    if case is None:
        raise BadInput(f"{name}: no appeal of such a ban or line in {home.appeals}; `bancast appeals list` names them all")
    if not (case.state == state and state in ("won", "lost")):
        case = case.moved(state, now)
    if lifted_at is not None:
        case = replace(case, lifted_at=_lift(case, settings, lifted_at, now))
    told: dict[str, Any] = {}
    if state in ("won", "lost"):
        report, lifted = record(home, settings, case)
        told = {"lake_changed": report.changed, "lift_known": lifted}
    cases.save(home, case)
    return case, told


def why(home: Home, known: Known, settings: Settings, name: str) -> list[dict[str, Any]]:
    """What speaks for and against an appeal, for each known ban of a line (or one ban), as plain values, newest first.

    points: what is said in each language, and whether it `holds` (None where not known). BadInput when no ban is known.
    """
    found = judge(home, known, settings, name, [case.ban_id for case in cases.load(home)])
    if not found:
        raise BadInput(f"{name}: no ban of such a line, and none of such an id, was known then; check the name")
    said = {language: texts(language) for language in LANGUAGES}
    return [
        {
            "ban_id": one.ban_id,
            "line_id": one.line_id,
            "banned": one.banned.isoformat(),
            "candidate": one.candidate,
            "hindrances": [{language: say(HINDRANCES[name]) for language, say in said.items()} for name in one.hindrances],
            "points": [
                {"name": point.name, "holds": point.holds, **{key: sentence(point, one, say) for key, say in said.items()}}
                for point in one.points
            ],
        }
        for one in reversed(found)
    ]


def _candidate(found: list[Judged], home: Home, name: str) -> Judged:
    """The one ban to appeal against among those of a line."""
    if not found:
        raise BadInput(f"{name}: no ban of such a line, and none of such an id, was known then; check the name")
    good = [one for one in found if one.candidate]
    if len(good) > 1:
        raise BadInput(f"line {name} has {len(good)} bans to appeal against; name one: {', '.join(one.ban_id for one in good)}")
    if good:
        return good[0]
    last, say = found[-1], texts("en")
    against = [say(HINDRANCES[one]) for one in last.hindrances]
    against += [f"{sentence(point, last, say)}." for point in last.points if point.holds is False]
    raise BadInput(
        f"ban {last.ban_id} of line {last.line_id} is no candidate for an appeal: {' '.join(against)} See `bancast appeals why`,"
        " and settings [appeals]"
    )


def _lift(case: Case, settings: Settings, lifted_at: datetime, now: datetime) -> datetime:
    moment = lifted_at if lifted_at.tzinfo else lifted_at.replace(tzinfo=ZoneInfo(settings.zone))
    if not case.banned_at <= moment <= now:
        raise BadInput(f"--lifted {lifted_at.isoformat()}: must lie between the ban ({case.banned_at.isoformat()}) and now")
    return moment.astimezone(UTC)
