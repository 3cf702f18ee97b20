"""The sections beside the ranking, each from the module that knows it: gathered once, in one engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import pandas as pd

from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.known import Known

GRADES = ("maturity", "connection", "engagement", "sentiment")
"""The grades of a line's report card, in their order."""


@dataclass(frozen=True)
class Extras:
    """Plain values of each section; None where there is no such section.

    grades: line_id and each of GRADES ("A" to "D", None: too little is known), one row a line.
    """

    grades: pd.DataFrame | None = None
    scorecard: dict[str, Any] | None = None
    continuity: dict[str, Any] | None = None
    coaching: dict[str, Any] | None = None
    appeals: dict[str, Any] | None = None


def gather(home: Home, known: Known, settings: Settings, lines: pd.DataFrame, as_of: date) -> Extras:
    """What each section shows of one day. lines: line_id, risk_{h}d, level, team, carrier."""
    return Extras()
