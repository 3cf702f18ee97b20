"""Appeals: bans of lines whose behaviour and risk were low, a document of evidence for each, and the case that it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from data_schemas.clock import Clock, day_date, day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.appeals import cases, documents
from serving.appeals.content import sentence
from serving.appeals.judging import Judged, candidates
from serving.known import Known
from serving.report.texts import LANGUAGES, texts


def overview(
    home: Home,
    known: Known,
    settings: Settings,
    as_of: date,
    *,
    found: Sequence[Judged] | None = None,
    now: datetime | None = None,
) -> dict[str, Any]:
    """Candidates and cases as they were known at local midnight `as_of` (that of `known`), as plain values.

    found: what `candidates_at` gave, so that it is counted once. now: cases are those of this moment instead.
    candidates: lowest risk first, at most `appeals.shown`; `more` says how many there are beyond. points: [Chinese, English]
    each. document: names that `write_documents` gives. cases: those whose answer is late first, then open ones, then closed
    ones, newest first.
    """
    found = candidates_at(home, known, settings, as_of, now) if found is None else found
    shown = found[: settings.appeals.shown]
    more = len(found) - len(shown)
    say = texts(settings.language)
    note = say("Not shown: {n} further candidates (setting appeals.shown).", n=say.number(more))
    return {
        "candidates": [_row(one) for one in shown],
        "more": more,
        "cases": case_rows(home, settings, as_of, now),
        "note": note if more else None,
    }


def candidates_at(home: Home, known: Known, settings: Settings, as_of: date, now: datetime | None = None) -> list[Judged]:
    """The candidates without a case, lowest risk first; `as_of` and `now` as in `overview`."""
    taken = [case.ban_id for case in cases.load_before(home, _moment(settings, as_of, now))]
    return candidates(home, known, settings, taken)


def write_documents(
    shown: Sequence[Judged], source: documents.Source, folder: Path, suffixes: Sequence[str] = ("html",)
) -> list[Path]:
    """Write the documents of candidates into a folder, each file in one step; their paths. suffixes: html, docx.

    source: `documents.source_of`, which needs what was known; writing does not.
    """
    return [path for one in shown for path in documents.write(one, source, folder, suffixes=suffixes)]


def case_rows(home: Home, settings: Settings, as_of: date, now: datetime | None = None) -> list[dict[str, Any]]:
    """The cases as `overview` shows them. Days of the clock are counted to `as_of`, or to the local day of `now`."""
    day = Clock(settings.zone).local_day(now) if now else day_number(as_of)
    then = cases.load_before(home, _moment(settings, as_of, now))
    rows = []
    for case in then:
        told = case.clock(day_date(day), settings.zone, settings.appeals.answer_days)
        rows.append(
            {
                "id": case.id,
                "line_id": case.line_id,
                "ban_id": case.ban_id,
                "carrier": case.carrier,
                "state": case.state,
                "since": told["since"].isoformat(),
                "due": told["due"].isoformat() if told["due"] else None,
                "late": told["late"],
            }
        )
    newest = sorted(rows, key=lambda row: row["since"], reverse=True)
    return sorted(newest, key=lambda row: (not row["late"], row["state"] in cases.CLOSED))


def _moment(settings: Settings, as_of: date, now: datetime | None) -> datetime:
    return now or Clock(settings.zone).midnight(day_number(as_of))


def _row(one: Judged) -> dict[str, Any]:
    said = [texts(language) for language in LANGUAGES]
    return {
        "ban_id": one.ban_id,
        "line_id": one.line_id,
        "carrier": one.carrier,
        "team": one.team,
        "banned": one.banned.isoformat(),
        "level": one.level,
        "risk": one.estimate,
        "rank": one.rank,
        "scored": one.scored.isoformat() if one.scored else None,
        "points": [
            [sentence(point, one, say) for say in said]
            for point in one.points
            if point.name != "risk" or one.estimate is not None
        ],
        "document": {language: documents.name(one.ban_id, language) for language in LANGUAGES},
    }
