"""Is a unit's count out of the ordinary? Each unit against comparable others, by a method that allows for how counts scatter.

What would be usual for a unit is worked out by indirect standardisation: its own exposure in each stratum at the rate of all
others there. Counts scatter more than a Poisson distribution says, for the calls of one unit are alike: a count is Poisson with
a mean of usual x ratio x a draw of a gamma distribution of mean 1, whose variance is the dispersion. What the other units say
of the dispersion is a distribution over it (Bayes), so few units leave it open and nobody stands out easily among them; a few
true outliers among many do not hide each other, for each unit may be one (a small share of wide scatter in the likelihood).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import betainc, gammaln

LEVEL = 0.95
"""Level of the intervals."""
THIN = 200.0
"""Exposure of others in a stratum, as though at their rate over all strata, that is added to what they have there."""
_DISPERSION = np.geomspace(0.03, 3.0, 16) ** 2
"""What the dispersion may be, as squared standard deviations of units' ratios."""
_PRIOR = 0.4
"""Standard deviation of units' ratios that is as likely as not, before anything was seen (half-Cauchy; Gelman, 2006)."""
_OUTLIERS, _WIDE = 0.02, 4.0
"""Share of units that may be outliers, and the dispersion that those have beside the others'."""
_FOLDS = 50
"""Parts of the units that are left out in turn for the dispersion; with fewer units each is alone."""
_NARROWER = 8
"""Lesser variances than a unit's own at which its count is looked at."""
_FARTHEST, _STEPS = 1e6, 26
"""Bounds of ratios are looked for from its inverse to this, by halvings of the logarithm: to 1e-6."""


@dataclass(frozen=True)
class Comparison:
    """Of each unit (n,): events expected were it as the others, ratio = own / expected, its interval, and the one-sided p.

    p: the probability of so many events or more, were the unit as the others. NaN (p: 1) where there is nothing to compare with.
    """

    expected: np.ndarray
    ratio: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def compare(events: np.ndarray, exposure: np.ndarray) -> Comparison:
    """Compare units; events, exposure: (units, strata), exposure in the unit that rates are of (calls)."""
    observed, expected = events.sum(axis=1).astype(float), _usual(events, exposure)
    good = expected > 0
    mean = np.where(good, expected, 1.0)
    likely = _dispersion(events, exposure)
    chance, common = _unsure(events, exposure, mean)
    variance = _DISPERSION * (1 + common[:, None]) + chance[:, None]
    narrower = np.geomspace(_DISPERSION[0], variance[:, 0], _NARROWER, endpoint=False, axis=1)
    every = np.hstack([narrower, variance])

    def tail(count: np.ndarray, ratio: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """P(N >= count) at ratios and variances: of a negative binomial of mean m and shape k, I(count, k) at m / (m + k)."""
        due, shape = (ratio * mean)[:, None], 1 / variance
        return np.asarray(betainc(np.maximum(count, 1.0)[:, None], shape, due / (due + shape)))

    def reach(count: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        """P(N >= count), a variance taken as a lesser one where that makes the count likelier: who knows less finds less odd.

        For the wider a gamma distribution is, the more of its weight is near 0, where hardly any count is reached.
        """
        most = np.maximum.accumulate(tail(count, ratio, every), axis=1)[:, _NARROWER:]
        return np.where(count > 0, (likely * most).sum(axis=1), 1.0)

    def missed(count: np.ndarray, ratio: np.ndarray) -> np.ndarray:
        """P(N > count) at the variances as they are."""
        return np.asarray((likely * tail(count + 1, ratio, variance)).sum(axis=1))

    def bound(chance: Callable[[np.ndarray, np.ndarray], np.ndarray], count: np.ndarray, wanted: float) -> np.ndarray:
        """The ratio at which this chance is as wanted."""
        low, high = np.full(len(mean), -np.log(_FARTHEST)), np.full(len(mean), np.log(_FARTHEST))
        for _ in range(_STEPS):
            middle = (low + high) / 2
            below = chance(count, np.exp(middle)) < wanted
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.exp((low + high) / 2)

    rest = (1 - LEVEL) / 2
    some = np.maximum(observed, 1.0)
    low = bound(reach, some, rest)
    # With a wide distribution almost any ratio might have given few events: in factors, the upper bound of a count is no farther
    # than the lower one.
    high = np.minimum(bound(missed, observed, 1 - rest), (some / mean) ** 2 / low)
    return Comparison(
        expected=np.where(good, expected, np.nan),
        ratio=np.where(good, observed / mean, np.nan),
        low=np.where(good, np.where(observed > 0, low, 0.0), np.nan),
        high=np.where(good, high, np.nan),
        p=np.where(good, reach(observed, np.ones(len(mean))), 1.0),
    )


def discoveries(p: np.ndarray, false_share: float) -> np.ndarray:
    """Which of these (n,) may be called so, that at most `false_share` of them are by chance (Benjamini and Hochberg, 1995)."""
    order = np.argsort(p, kind="stable")
    within = p[order] <= false_share * np.arange(1, len(p) + 1) / max(len(p), 1)
    found = np.zeros(len(p), dtype=bool)
    if within.any():
        found[order[: np.flatnonzero(within)[-1] + 1]] = True
    return found


def _rates(events: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """The rate (n, strata) of the others of each unit, NaN where there are none."""
    others, of = events.sum(axis=0) - events, exposure.sum(axis=0) - exposure
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = others.sum(axis=1) / of.sum(axis=1)
    return np.asarray((others + THIN * whole[:, None]) / (of + THIN))


def _usual(events: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """Events (n,) to expect of each unit at the rates of the others."""
    return np.asarray((exposure * _rates(events, exposure)).sum(axis=1))


def _unsure(events: np.ndarray, exposure: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The relative variance of `expected` (n,), for few others give no sure rate: by chance, and for each of dispersion."""
    due = np.nan_to_num(exposure * _rates(events, exposure))
    weight = (exposure / (exposure.sum(axis=0) - exposure + THIN)) ** 2
    chance = weight * (due.sum(axis=0) - due)
    common = weight * ((due**2).sum(axis=0) - due**2)
    return chance.sum(axis=1) / expected**2, common.sum(axis=1) / expected**2


def _dispersion(events: np.ndarray, exposure: np.ndarray) -> np.ndarray:
    """How likely each value of _DISPERSION is (n, values), by what the others of each unit say."""
    prior = np.sqrt(_DISPERSION) / (_PRIOR**2 + _DISPERSION)  # of a deviation, on a scale of factors
    fold = np.arange(len(events)) % max(min(len(events), _FOLDS), 1)
    found = np.empty((len(events), len(_DISPERSION)))
    for part in range(fold.max(initial=-1) + 1):
        others = fold != part
        logs = np.log(prior) + _says(events[others].sum(axis=1), _usual(events[others], exposure[others]))
        weights = np.exp(logs - logs.max())
        found[~others] = weights / weights.sum()
    return found


def _says(observed: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The log-likelihood of each value of _DISPERSION, units that expect nothing left out."""
    known = expected > 0
    seen, mean = observed[known][:, None], expected[known][:, None]

    def logs(dispersion: np.ndarray) -> np.ndarray:
        shape = 1 / dispersion
        return np.asarray(
            gammaln(seen + shape)
            - gammaln(shape)
            + shape * np.log(shape)
            + seen * np.log(mean)
            - (seen + shape) * np.log(shape + mean)
        )

    usual, wide = logs(_DISPERSION), logs(_DISPERSION + _WIDE)
    return np.asarray(np.logaddexp(np.log1p(-_OUTLIERS) + usual, np.log(_OUTLIERS) + wide).sum(axis=0))
