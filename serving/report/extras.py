"""The sections beside the ranking, each from the module that knows it: gathered once, in one engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from data_schemas.home import Home
from data_schemas.settings import Settings
from serving import appeals
from serving.alerts.acks import Ack, held
from serving.alerts.reds import RedDays
from serving.appeals import documents
from serving.coaching import coaching
from serving.continuity import continuity
from serving.grades import grades
from serving.known import Known
from serving.scorecard import scorecard


@dataclass(frozen=True)
class Extras:
    """Plain values of each section; None where there is no such section.

    grades: as `serving.grades.grades` gives them. acks: acknowledgements that hold, by line. write_documents: writes the appeals'
    documents into a folder; None where there are none.
    """

    grades: pd.DataFrame | None = None
    scorecard: dict[str, Any] | None = None
    continuity: dict[str, Any] | None = None
    coaching: dict[str, Any] | None = None
    appeals: dict[str, Any] | None = None
    acks: dict[str, Ack] = field(default_factory=dict)
    write_documents: Callable[[Path], object] | None = None


def gather(home: Home, known: Known, settings: Settings, lines: pd.DataFrame, as_of: date) -> Extras:
    """What each section shows of one day. lines: line_id, risk_{h}d, level, team, carrier."""
    candidates = appeals.candidates_at(home, known, settings, as_of)
    shown = candidates[: settings.appeals.shown]
    return Extras(
        grades=grades(known),
        scorecard=scorecard(home, known, settings, as_of),
        continuity=continuity(home, known, settings, lines, as_of),
        coaching=coaching(known, settings),
        appeals=appeals.overview(home, known, settings, as_of, found=candidates),
        acks=held(RedDays(home), as_of),
        write_documents=partial(appeals.write_documents, shown, documents.source_of(known, settings, as_of)) if shown else None,
    )
