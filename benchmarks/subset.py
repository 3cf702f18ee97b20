"""The features that bancast, DuckDB, pandas and Polars all make, so that they can be checked and timed against each other."""

from __future__ import annotations

from features.behaviour import MESSAGES
from features.catalogue import CATALOGUE
from features.feature import WINDOWS, Feature, Formula, declare
from features.measures import ANSWERED, CALLEES, CALLS, COMPLAINTS, SHORT, TALK

NAMES = ("calls", "answered", "talk", "short_calls", "callees", "complaints", "messages")
"""Talk in seconds, callees different ones and counted exactly; each over every window."""
COLUMNS = tuple(f"{name}_{days}d" for name in NAMES for days in WINDOWS)
_SUMS = {"calls": CALLS, "answered": ANSWERED, "short_calls": SHORT, "complaints": COMPLAINTS, "messages": MESSAGES}


def _formula(name: str) -> Formula:
    if name == "callees":
        return lambda window: window.count(CALLEES)
    if name == "talk":
        return lambda window: window.total(TALK).cast("float64") / 1000.0
    return lambda window: window.total(_SUMS[name])


def features() -> list[Feature]:
    """Bancast's own features of these columns, and declarations like them for windows that the catalogue leaves out."""
    own = {feature.name: feature for feature in CATALOGUE}
    alike = [one for name in NAMES for one in declare("subset", name, name, "", _formula(name), windows=WINDOWS)]
    return [own.get(feature.name, feature) for feature in alike]
