"""What a list can promise: the lowest risk from which at least such a share of the lines is banned, with such a confidence.

Learn then test (Angelopoulos et al. 2021) with a fixed sequence: the riskiest rows first, then more and more; each list is
held against the promise by an exact binomial test, and the first that does not pass ends it. The order is fixed by the risks
alone, so the confidence holds for whatever list is last. Rows are snapshots that share no day of their horizon, for a ban that is
counted in three of them is one ban.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import binom

FIRST, GROWTH = 20, 1.25
"""Rows of the first list, which could hardly pass with fewer; and how much longer each next list is."""


def threshold(risk: np.ndarray, banned: np.ndarray, precision: float, confidence: float) -> float | None:
    """The lowest risk from which a share `precision` of rows (n,) is banned with this confidence; None: nothing can be promised.

    banned: 0 or 1 (n,). The rows must be such that neither their margins nor their calibration were learnt from them.
    """
    order = np.argsort(-risk, kind="stable")
    hits = np.cumsum(banned[order])
    ends = np.append(np.diff(risk[order]) != 0, True)  # a list ends where the risk falls: equal risks are in or out together
    best, size = None, float(FIRST)
    while size <= len(risk):
        last = int(size) - 1 + int(np.argmax(ends[int(size) - 1 :]))
        if binom.sf(hits[last] - 1, last + 1, precision) > 1 - confidence:
            break
        best = float(risk[order][last])
        size = max(size * GROWTH, last + 2)
    return best


def promises(
    risk: np.ndarray, banned: np.ndarray, day: np.ndarray, group: np.ndarray, horizon: int, precision: float, confidence: float
) -> dict[str, Any]:
    """precision, confidence, rows, and `from`: the threshold of all rows ("") and of each group whose own rows carry one.

    day: as_of of each row, of which only every `horizon` days' are used, counted back from the newest.
    """
    own = spaced(day, horizon)
    risk, banned, group = risk[own], banned[own], group[own]
    found = {"": threshold(risk, banned, precision, confidence)}
    for name in np.unique(group):
        found[str(name)] = threshold(risk[group == name], banned[group == name], precision, confidence)
    return {
        "precision": precision,
        "confidence": confidence,
        "rows": len(risk),
        "from": {name: value for name, value in found.items() if value is not None},
    }


def spaced(day: np.ndarray, horizon: int) -> np.ndarray:
    """Which rows (n,) lie on days at least `horizon` apart, the newest first."""
    kept: list[int] = []
    for one in sorted(set(day.tolist()), reverse=True):
        if not kept or kept[-1] - one >= horizon:
            kept.append(one)
    return np.isin(day, kept)
