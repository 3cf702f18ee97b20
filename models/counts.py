"""How many lines of a group (a carrier, a team) will be banned: an interval for the number, and how often it holds.

Bans come in clusters: a carrier tightens its rules and all of its lines suffer together, so the number scatters more than
independent risks say. All risks of a group share a level that nobody knows beforehand: the hazard of each line is multiplied by
a draw of a gamma distribution of mean 1 and variance phi, the dispersion (the shared frailty of survival analysis; Vaupel,
Manton and Stallard, 1979). Hazards are set so that each line's risk stays what it was; given the level, lines are independent and
the number is Poisson-binomial. For small risks its variance is sum p(1 - p) + phi (sum p)^2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import gamma, norm

LEVEL = 0.8
"""Share of the weeks in which the number should lie within its interval: four in five."""
PRIOR = 0.04
"""Dispersion before anything was seen: a level that is off by a fifth."""
PRIOR_CELLS = 8
"""Large groups in one week that it counts for."""
MOST = 2.0
"""Dispersion at the most: beyond it the usual number is none, and an interval says little."""
_NODES = 48
_RISKS = 64
"""Distinct risks of a group up to which the number is exact; more are gathered into so many on a scale of factors."""
_NORMAL = 12.0
"""Variance given the level from which a normal distribution, refined for its skew, is close enough (to a thousandth)."""


def estimate_dispersion(
    risk: np.ndarray, label: np.ndarray, weight: np.ndarray, snapshot: np.ndarray, group: np.ndarray, horizon: int = 7
) -> float:
    """The dispersion phi (0 to MOST) of the numbers of bans, from rows that the risks were not learnt from.

    risk, label (0 or 1), weight (rows that a row stands for, when those without a ban were thinned): (n,). snapshot: as_of day
    number (n,); group: (n,). A cell is a group at a snapshot. Each says ((N - E)^2 - V) / E^2, with N bans, E expected and V the
    variance of independent lines; cells count by how well they can tell (the inverse of the variance of what they say), and
    snapshots closer than `horizon` days, which see the same bans, for less. PRIOR counts beside them, so that few cells
    cannot say that nothing clusters.
    """
    cells = _cells(risk, label, weight, snapshot, group)
    cells = cells[cells["expected"] > 0]
    days = np.unique(snapshot)
    overlap = max(1.0, horizon / np.median(np.diff(days))) if len(days) > 1 else 1.0
    expected, variance = cells["expected"].to_numpy(), cells["variance"].to_numpy()
    excess = (cells["bans"].to_numpy() - expected) ** 2 - variance - cells["thinning"].to_numpy()
    phi = PRIOR
    for _ in range(50):
        total = variance + phi * expected**2
        says = 1 / (2 * total**2 + total) / overlap
        prior = PRIOR_CELLS / (2 * max(phi, PRIOR) ** 2)
        phi = float(np.clip((says @ (excess * expected**2) + prior * PRIOR) / (says @ expected**4 + prior), 0.0, MOST))
    return phi


def interval(risk: np.ndarray, group: np.ndarray, level: float = LEVEL, dispersion: float = 0.0) -> pd.DataFrame:
    """The interval of each group: group, lines, expected (float), low, high (int), both possible and within 0 to lines.

    risk: (n,) within the horizon. level: the least share of weeks with the number in it; the rest is cut equally on both sides.
    """
    rows = []
    for name, own in _groups(group):
        low, high = _bounds(risk[own], np.ones(len(own)), level, dispersion)
        rows.append((name, len(own), float(risk[own].sum()), low, high))
    return pd.DataFrame(rows, columns=["group", "lines", "expected", "low", "high"])


def coverage(
    risk: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    snapshot: np.ndarray,
    group: np.ndarray,
    level: float = LEVEL,
    dispersion: float = 0.0,
) -> float:
    """The share of cells (a group at a snapshot) whose bans were as many as their interval says; NaN without rows.

    Arguments as of the functions above.
    """
    held = []
    for own in _places(snapshot, group):
        low, high = _bounds(risk[own], weight[own], level, dispersion)
        held.append(low <= round(float(weight[own] @ label[own])) <= high)
    return float(np.mean(held)) if held else float("nan")


def measure(
    risk: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    snapshot: np.ndarray,
    group: np.ndarray,
    level: float = LEVEL,
    horizon: int = 7,
) -> dict[str, float]:
    """The dispersion to use from now on, and the coverage that was measured; arguments as above.

    coverage: of the later half of the snapshots, from `horizon` days after the earlier half on, which alone gave its dispersion;
    NaN where no snapshot is left. cells: how many it was measured on. dispersion: from all snapshots.
    """
    days = np.unique(snapshot)
    cut = days[(len(days) - 1) // 2] if len(days) else 0
    early, late = snapshot <= cut, snapshot >= cut + horizon

    def dispersion(own: np.ndarray) -> float:
        return estimate_dispersion(risk[own], label[own], weight[own], snapshot[own], group[own], horizon)

    held = coverage(risk[late], label[late], weight[late], snapshot[late], group[late], level, dispersion(early))
    every = np.ones(len(risk), dtype=bool)
    return {"dispersion": dispersion(every), "coverage": held, "cells": len(_places(snapshot[late], group[late]))}


def expected_bans(scores: pd.DataFrame, dispersion: dict[str, float], level: float = LEVEL) -> list[dict[str, Any]]:
    """Bans to expect within the horizon, by what `dispersion` has a phi for: "carrier" and "team", columns of `scores` beside `risk`.

    One entry a group, most bans first: by, group (None: not said), lines, expected, low, high, level. A column that is empty or
    absent gives none.
    """
    found: list[dict[str, Any]] = []
    for by, phi in dispersion.items():
        if by not in scores or scores[by].isna().all():
            continue
        table = interval(scores["risk"].to_numpy(float), scores[by].to_numpy(object), level, phi)
        for row in table.sort_values("expected", ascending=False, kind="stable").to_dict("records"):
            name = None if pd.isna(row["group"]) else str(row["group"])
            numbers = {"lines": row["lines"], "expected": round(row["expected"], 2), "low": row["low"], "high": row["high"]}
            found.append({"by": by, "group": name, **numbers, "level": level})
    return found


def _groups(group: np.ndarray) -> list[tuple[Any, np.ndarray]]:
    """Each group and its rows; those without a group are one."""
    codes, names = pd.factorize(pd.Series(group, dtype=object), sort=False, use_na_sentinel=False)
    return [(name, np.flatnonzero(codes == place)) for place, name in enumerate(names)]


def _places(snapshot: np.ndarray, group: np.ndarray) -> list[np.ndarray]:
    """The rows of each group at each snapshot."""
    codes = pd.factorize(pd.Series(group, dtype=object), use_na_sentinel=False)[0]
    cells = pd.DataFrame({"snapshot": snapshot, "group": codes}).groupby(["snapshot", "group"])
    return [np.asarray(own) for own in cells.indices.values()]


def _cells(risk: np.ndarray, label: np.ndarray, weight: np.ndarray, snapshot: np.ndarray, group: np.ndarray) -> pd.DataFrame:
    """Of each cell: bans, expected, the variance of independent lines, and what thinning adds to the error of `expected`."""
    values = {
        "bans": weight * label,
        "expected": weight * risk,
        "variance": weight * risk * (1 - risk),
        "thinning": weight * (weight - 1) * risk**2,
    }
    places = _places(snapshot, group)
    return pd.DataFrame({name: [float(column[own].sum()) for own in places] for name, column in values.items()})


def _bounds(risk: np.ndarray, weight: np.ndarray, level: float, dispersion: float) -> tuple[int, int]:
    """The least and the greatest number that leave at most (1 - level) / 2 on their side."""
    below = _below(risk, weight, dispersion)
    rest = (1 - level) / 2
    # Sums of probabilities end a hair below what they stand for.
    low, high = np.searchsorted(below, (rest - 1e-9, 1 - rest - 1e-9))
    return int(min(low, len(below) - 1)), int(min(high, len(below) - 1))


def _below(risk: np.ndarray, weight: np.ndarray, dispersion: float) -> np.ndarray:
    """P(N <= k) of the number N of banned lines for k = 0, 1, ... as far as it is worth telling."""
    risk, many = _gathered(risk, weight)
    levels, shares = _levels(dispersion)
    risks = -np.expm1(np.multiply.outer(levels, -_hazard(risk, dispersion)))
    mean, variance = risks @ many, (risks * (1 - risks)) @ many
    skew = (risks * (1 - risks) * (1 - 2 * risks)) @ many / np.maximum(variance, 1e-12) ** 1.5
    top = int(min(many.sum(), np.ceil((mean + 8 * np.sqrt(variance)).max()) + 20))
    below = np.zeros(top + 1)
    for place, share in enumerate(shares):
        if variance[place] >= _NORMAL:
            away = (np.arange(top + 1) + 0.5 - mean[place]) / np.sqrt(variance[place])
            own = norm.cdf(away) + skew[place] * (1 - away**2) * np.exp(-(away**2) / 2) / (6 * np.sqrt(2 * np.pi))
            below += share * np.clip(own, 0.0, 1.0)
        else:
            below += share * np.cumsum(_poisson_binomial(risks[place], many, top))
    return np.maximum.accumulate(below)


def _poisson_binomial(risk: np.ndarray, many: np.ndarray, top: int) -> np.ndarray:
    """P(N = k), k = 0 to top, of independent lines: `many` of each risk. From the characteristic function (Hong, 2013)."""
    angle = 2 * np.pi * np.arange(top // 2 + 1 + top % 2) / (top + 1)
    with np.errstate(divide="ignore"):  # a line that is as likely as not has a zero at half a turn
        each = np.log1p(np.multiply.outer(risk, np.expm1(1j * angle)))
    return np.clip(np.fft.irfft(np.conj(np.exp(many @ each)), top + 1), 0.0, 1.0)


def _gathered(risk: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distinct risks and how many lines (whole numbers) have each; beyond _RISKS near ones are one, at their mean."""
    risk = np.clip(risk, 1e-9, 1 - 1e-9)
    _, place = np.unique(risk, return_inverse=True)
    if place.max(initial=0) >= _RISKS:
        scale = np.log(risk)
        place = ((scale - scale.min()) / (np.ptp(scale) + 1e-12) * _RISKS).astype(int)
        _, place = np.unique(place, return_inverse=True)
    lines = np.bincount(place, weight)
    many = np.maximum(1.0, np.rint(lines))
    return np.bincount(place, weight * risk) / np.maximum(lines, many), many


def _hazard(risk: np.ndarray, dispersion: float) -> np.ndarray:
    """The hazard at level 1 with which a line's risk, over all levels, is what it is."""
    if dispersion < 1e-6:
        return -np.log1p(-risk)
    return np.expm1(-dispersion * np.log1p(-risk)) / dispersion


def _levels(dispersion: float) -> tuple[np.ndarray, np.ndarray]:
    """Levels and the probability of each: Gauss-Legendre over the quantiles of the gamma distribution."""
    if dispersion < 1e-6:
        return np.ones(1), np.ones(1)
    place, share = np.polynomial.legendre.leggauss(_NODES)
    return gamma.ppf((place + 1) / 2, 1 / dispersion, scale=dispersion), share / 2
