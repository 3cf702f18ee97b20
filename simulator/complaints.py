"""Complaints that calls lead to: by which channel, when, and how late the company learns of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simulator.days import MS_PER_DAY
from simulator.traffic import Calls

CHANNELS = ("app_mark", "internal", "carrier", "regulator")
CATEGORIES = ("nuisance", "refused_before", "suspected_fraud", "bad_hours", "rude", "wrong_number")
WEIGHT = np.array([1.0, 0.0, 2.0, 3.0])
"""How much a complaint of each channel weighs with the carrier."""
_SHARES = np.array([0.52, 0.20, 0.21, 0.07])
_AFTER_H = np.array([0.5, 4.0, 20.0, 60.0])
_LATE_H = np.array([18.0, 0.2, 60.0, 150.0])
_LEAST_LATE_H = np.array([0.5, 0.0, 12.0, 48.0])
_CATEGORIES = np.array([0.42, 0.2, 0.1, 0.12, 0.08, 0.08])

Rows = dict[str, NDArray[np.int64]]


def complain(calls: Calls, day: int, rng: np.random.Generator) -> Rows:
    """The complaints that the calls of a day will lead to: line, occurred, received (local ms), channel, category, callee.

    callee is -1 where the channel does not tell it (app marks do not).
    """
    at = np.flatnonzero(calls.complained)
    n = len(at)
    channel = np.searchsorted(np.cumsum(_SHARES), rng.random(n)).clip(0, 3)
    ended = day * MS_PER_DAY + calls.ms[at] + (calls.ring[at] + calls.duration[at]) * 1000
    occurred = ended + ((0.02 + rng.exponential(1.0, n) * _AFTER_H[channel]) * 3_600_000).astype(np.int64)
    late = (_LEAST_LATE_H[channel] + rng.exponential(1.0, n) * _LATE_H[channel]) * 3_600_000
    known = (channel != 0) & (rng.random(n) < 0.9)
    return {
        "line": calls.line[at],
        "occurred": occurred,
        "received": occurred + late.astype(np.int64) + 1000,
        "channel": channel,
        "category": np.searchsorted(np.cumsum(_CATEGORIES), rng.random(n)).clip(0, 5),
        "callee": np.where(known, calls.callee[at], -1),
    }


class Pending:
    """Complaints that are still to be made, by the day on which they are."""

    def __init__(self) -> None:
        self._days: dict[int, list[Rows]] = {}

    @staticmethod
    def none() -> Rows:
        """No complaint."""
        names = ("line", "occurred", "received", "channel", "category", "callee")
        return {name: np.empty(0, dtype=np.int64) for name in names}

    def add(self, rows: Rows) -> None:
        """Keep complaints until their day."""
        day = rows["occurred"] // MS_PER_DAY
        for when in np.unique(day):
            self._days.setdefault(int(when), []).append({name: values[day == when] for name, values in rows.items()})

    def due(self, day: int) -> Rows | None:
        """The complaints of a day, by time; None when there are none. Call once a day."""
        parts = self._days.pop(day, None)
        if not parts:
            return None
        rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        order = np.lexsort((rows["callee"], rows["line"], rows["occurred"]))
        return {name: values[order] for name, values in rows.items()}
