"""Intervals by resampling lines: weeks of one line are alike, so it is lines that are drawn, with all their rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.stats import binomtest

from models.evaluation import Judged

DRAWS = 300
Statistic = Callable[[np.ndarray], float]


class AveragePrecision:
    """Average precision of one score under changing weights; rows are sorted once. Ties count as one threshold."""

    def __init__(self, label: np.ndarray, score: np.ndarray) -> None:
        self.order = np.argsort(-score, kind="stable")
        self.label = label[self.order]
        self.ends = np.flatnonzero(np.append(np.diff(score[self.order]) != 0, True))

    def __call__(self, weight: np.ndarray) -> float:
        """NaN where nothing banned has weight."""
        weight = weight[self.order]
        hits, looked = np.cumsum(weight * self.label)[self.ends], np.cumsum(weight)[self.ends]
        if not len(hits) or hits[-1] <= 0:
            return float("nan")
        precision = np.divide(hits, looked, out=np.zeros(len(hits)), where=looked > 0)
        return float((np.diff(hits, prepend=0.0) * precision).sum() / hits[-1])


def draws(judged: Judged, statistics: dict[str, Statistic], seed: int, count: int = DRAWS) -> dict[str, np.ndarray]:
    """The value of each statistic on each of `count` draws of lines with replacement, the same draws for all (paired)."""
    rng = np.random.default_rng(seed)
    codes = np.unique(judged.lines, return_inverse=True)[1]
    lines = int(codes.max()) + 1 if len(codes) else 0
    found = {name: np.empty(count) for name in statistics}
    for draw in range(count):
        weight = judged.weight * np.bincount(rng.integers(0, lines, lines), minlength=lines)[codes] if lines else judged.weight
        for name, statistic in statistics.items():
            found[name][draw] = statistic(weight)
    return found


def interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """The middle `level` of the drawn values; None where hardly any draw gives one."""
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2:
        return None, None
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def share_interval(hits: float, rows: float, level: float = 0.95) -> tuple[float, float] | tuple[None, None]:
    """Where the true share may lie when `hits` of `rows` were found, by Wilson's interval; None of no rows."""
    if round(rows) < 1:
        return None, None
    found = binomtest(round(hits), round(rows)).proportion_ci(level, method="wilson")
    return float(found.low), float(found.high)
