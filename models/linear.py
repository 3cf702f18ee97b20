"""The straight part of the forecast: a logistic regression with a ridge, whose weights keep to the declared directions.

Bans are few, and where trees have too little to split on, many weak signs added up say more. Weights are bounded by sign, so that
the forecast as a whole never moves against a declaration. All of it is plain numbers, kept as JSON in the bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

STRENGTHS = (0.0003, 0.002, 0.015, 0.1)
"""Inverse ridge strengths to choose from, weakest weights first (scikit-learn's C)."""
REACH = 6.0
"""Standard deviations beyond which a value counts as this far: one odd cell must not decide a risk."""
NEGATIVES = 8
"""Rows without a ban a row with one; more teach a straight line nothing."""
LEAST_NEGATIVES = 10_000


@dataclass(frozen=True)
class Linear:
    """A straight line on scaled values: margin = intercept + sum of weight * clip((slog(x) - mean) / scale).

    slog is the signed logarithm sign(x) log(1 + |x|). fill: the slog that stands for a missing value; all arrays are (F,).
    """

    fill: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    weight: np.ndarray
    intercept: float

    def margin(self, values: np.ndarray) -> np.ndarray:
        """Raw margins (n,) of values (n, F)."""
        return _scaled(values, self.fill, self.mean, self.scale) @ self.weight + self.intercept

    def plain(self) -> dict[str, object]:
        """The numbers as plain lists, for JSON."""
        parts = {name: [float(v) for v in getattr(self, name)] for name in ("fill", "mean", "scale", "weight")}
        return {**parts, "intercept": float(self.intercept), "reach": REACH}


def signed_log(values: np.ndarray) -> np.ndarray:
    """sign(x) log(1 + |x|): draws in long tails and keeps the order."""
    return np.sign(values) * np.log1p(np.abs(values))


def fit_linear(
    values: np.ndarray,
    rows: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    offset: np.ndarray,
    directions: Sequence[int],
    strengths: Sequence[float],
    seed: int,
) -> list[Linear]:
    """One line for each strength, ascending, from examples: row of values (n, F), label 0 or 1, weight, all (m,).

    offset: (m,) log-odds that an example starts from; the line is what its features add to them.
    """
    kept, weight = _fewer(label, weight, seed)
    values, label, offset = signed_log(values[rows[kept]].astype("float64")), label[kept], offset[kept]
    with np.errstate(all="ignore"):
        known = ~np.isnan(values)
        fill = np.array([np.median(column[ok]) if ok.any() else 0.0 for column, ok in zip(values.T, known.T, strict=True)])
    values = np.where(known, values, fill)
    total = weight.sum()
    mean = weight @ values / total
    scale = np.sqrt(np.maximum(weight @ (values - mean) ** 2 / total, 0.0))
    scale[scale < 1e-9] = 1.0
    scaled = np.clip((values - mean) / scale, -REACH, REACH).astype("float32")  # half the memory to read at each step
    bounds = [(0.0 if d > 0 else None, 0.0 if d < 0 else None) for d in directions] + [(None, None)]
    start = np.zeros(scaled.shape[1] + 1)
    found = []
    for strength in strengths:

        def loss(point: np.ndarray, ridge: float = 1.0 / strength) -> tuple[float, np.ndarray]:
            margin = scaled @ point[:-1].astype("float32") + point[-1] + offset
            value = weight @ (np.logaddexp(0.0, margin) - label * margin) + 0.5 * ridge * point[:-1] @ point[:-1]
            slope = weight * (expit(margin) - label)
            return float(value), np.append(slope.astype("float32") @ scaled + ridge * point[:-1], slope.sum())

        start = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 100, "ftol": 1e-6}).x
        found.append(Linear(fill, mean, scale, start[:-1].copy(), float(start[-1])))
    return found


def _scaled(values: np.ndarray, fill: np.ndarray, mean: np.ndarray, scale: np.ndarray) -> np.ndarray:
    logs = signed_log(values.astype("float64"))
    return np.clip((np.where(np.isnan(logs), fill, logs) - mean) / scale, -REACH, REACH)


def _fewer(label: np.ndarray, weight: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """All rows with a ban and a random part of the others, which weigh more; (rows, weights)."""
    banned, others = np.flatnonzero(label == 1), np.flatnonzero(label != 1)
    most = max(LEAST_NEGATIVES, NEGATIVES * len(banned))
    if len(others) <= most:
        return np.arange(len(label)), weight
    kept = np.sort(np.random.default_rng(seed).choice(others, most, replace=False))
    factor = weight[others].sum() / weight[kept].sum()
    rows = np.concatenate([banned, kept])
    return rows, np.concatenate([weight[banned], weight[kept] * factor])
