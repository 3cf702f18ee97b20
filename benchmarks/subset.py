"""The features that bancast, DuckDB, pandas and Polars all make, so that they can be checked and timed against each other."""

from __future__ import annotations

import ibis.expr.types as ir

from features.catalogue import CATALOGUE
from features.feature import WINDOWS, Feature, Window, declare
from features.measures import ANSWERED, CALLEES, CALLS, COMPLAINTS, SHORT, TALK
from features.behaviour import MESSAGES

NAMES = ("calls", "answered", "talk", "short_calls", "callees", "complaints", "messages")
"""Talk in seconds, callees different ones and counted exactly; each over every window."""
COLUMNS = tuple(f"{name}_{days}d" for name in NAMES for days in WINDOWS)
_SUMS = {"calls": CALLS, "answered": ANSWERED, "short_calls": SHORT, "complaints": COMPLAINTS, "messages": MESSAGES}


def _value(name: str, window: Window) -> ir.NumericValue:
    if name == "callees":
        return window.count(CALLEES)
    if name == "talk":
        return window.total(TALK).cast("float64") / 1000.0
    return window.total(_SUMS[name])


def features() -> list[Feature]:
    """bancast's own features of these columns, and declarations like them for windows that the catalogue leaves out."""
    own = {feature.name: feature for feature in CATALOGUE}
    found = [
        feature
        for name in NAMES
        for feature in declare("subset", name, name, "", lambda window, name=name: _value(name, window), windows=WINDOWS)
    ]
    return [own.get(feature.name, feature) for feature in found]
