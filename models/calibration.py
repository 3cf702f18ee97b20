"""Margins to probabilities, kept as plain data: knots of a rising, piecewise-linear curve.

A sigmoid (Platt 1999) needs few bans and keeps every difference in rank, so it is the rule; with many bans, isotonic regression
(Zadrozny and Elkan 2002) is mixed in half and half, which mends what a sigmoid cannot bend to and still rises everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

MANY_BANS = 400
"""Bans in the calibration rows from which isotonic regression has its say."""
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


def calibrate(margin: np.ndarray, banned: np.ndarray, weight: np.ndarray) -> Curve:
    """The curve from rows that the margins' model did not learn from.

    margin: raw scores (n,). banned: 0 or 1 (n,). weight: (n,). With one class alone, the rate itself (add one half to each
    class, as Jeffreys would) for every margin.
    """
    positives = float(weight[banned == 1].sum())
    total = float(weight.sum())
    if positives == 0 or positives == total:
        rate = (positives + 0.5) / (total + 1.0)
        return Curve(np.array([-1.0, 1.0]), np.array([rate, rate]))
    sigmoid = LogisticRegression(C=1e6).fit(margin[:, None], banned, sample_weight=weight)
    slope, offset = max(float(sigmoid.coef_[0, 0]), 1e-3), float(sigmoid.intercept_[0])
    low, high = min(margin.min(), -_REACH), max(margin.max(), _REACH)
    x = np.unique(np.concatenate([np.linspace(low, high, 257), np.quantile(margin, np.linspace(0, 1, 129))]))
    y = expit(slope * x + offset)
    if (banned == 1).sum() >= MANY_BANS:
        steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(margin, banned, sample_weight=weight)
        y = 0.5 * y + 0.5 * steps.predict(x)
    return Curve(x, np.maximum.accumulate(np.clip(y, 0.0, 1.0)))
