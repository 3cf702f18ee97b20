"""Margins to probabilities, kept as plain data: knots of a rising, piecewise-linear curve.

A sigmoid (Platt 1999) needs few bans and keeps every difference in rank, so it is the rule; with many bans, isotonic regression
(Zadrozny and Elkan 2002) is mixed in half and half, which mends what a sigmoid cannot bend to and still rises everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

MANY_BANS = 400
"""Bans in the calibration rows from which isotonic regression has its say."""
_PRIOR = np.array([1.0, 0.0]), np.array([0.2, 0.5])
"""Mean and deviation of what a sigmoid's slope and shift are before any row has been seen."""
_REACH = 14.0
"""Margins beyond which the curve is flat: odds of one in a million."""


@dataclass(frozen=True)
class Curve:
    """Knots of the curve, ascending: margin x, probability y in [0, 1]."""

    x: np.ndarray
    y: np.ndarray

    def __call__(self, margin: np.ndarray) -> np.ndarray:
        """Probabilities of margins (any shape)."""
        return np.interp(margin, self.x, self.y)

    def plain(self) -> dict[str, list[float]]:
        """The knots as plain lists, for JSON."""
        return {"x": [float(value) for value in self.x], "y": [float(value) for value in self.y]}


def calibrate(margin: np.ndarray, banned: np.ndarray, weight: np.ndarray, evidence: float = 1.0) -> Curve:
    """The curve from rows that the margins' model did not learn from.

    margin: raw scores in log-odds (n,). banned: 0 or 1 (n,). weight: (n,). evidence: how much of a row is news, below 1 where
    labels of successive snapshots overlap. Margins are log-odds already, so the sigmoid starts from believing them and moves as
    far as the rows can carry. With one class alone, the rate itself (half a row added to each class, as Jeffreys would).
    """
    positives = float(weight[banned == 1].sum())
    total = float(weight.sum())
    if positives == 0 or positives == total:
        rate = (positives + 0.5) / (total + 1.0)
        return Curve(np.array([-1.0, 1.0]), np.array([rate, rate]))
    slope, offset = _sigmoid(margin, banned, weight * evidence)
    low, high = min(margin.min(), -_REACH), max(margin.max(), _REACH)
    x = np.unique(np.concatenate([np.linspace(low, high, 257), np.quantile(margin, np.linspace(0, 1, 129))]))
    y = expit(slope * x + offset)
    if (banned == 1).sum() * evidence >= MANY_BANS:
        steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(margin, banned, sample_weight=weight)
        y = 0.5 * y + 0.5 * steps.predict(x)
    return Curve(x, np.maximum.accumulate(np.clip(y, 0.0, 1.0)))


def _sigmoid(margin: np.ndarray, banned: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Slope and offset of the sigmoid, the most probable ones given the rows and normal priors around 1 and 0."""
    centre = float(np.average(margin, weights=np.where(banned == 1, weight / weight[banned == 1].sum(), 0.0)))

    def loss(point: np.ndarray) -> tuple[float, np.ndarray]:
        # Around the margins of banned lines, slope and offset say different things.
        odds = point[0] * (margin - centre) + centre + point[1]
        pulls = (point - _PRIOR[0]) / _PRIOR[1]
        value = weight @ (np.logaddexp(0.0, odds) - banned * odds) + 0.5 * pulls @ pulls
        error = weight * (expit(odds) - banned)
        return float(value), np.array([error @ (margin - centre), error.sum()]) + pulls / _PRIOR[1]

    found = minimize(loss, _PRIOR[0], jac=True, method="L-BFGS-B", bounds=[(0.05, None), (None, None)])
    slope, shift = found.x
    return float(slope), float(centre + shift - slope * centre)
