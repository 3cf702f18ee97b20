"""Discrete-time survival: the horizons cut time into intervals, and each has a hazard of its own.

Horizons 1, 3, 7 and 14 days make the intervals [0, 1), [1, 3), [3, 7) and [7, 14). A row that is still free of a ban when an
interval begins, and of which is known how the interval ended, is one example of it (Cox 1972; Singer and Willett 1993). So a line
that was given up after five days still teaches the first two intervals, and a row whose 14 days are not over teaches those that
are. The risk of a horizon is one less the product of what is left after each interval: it cannot fall as the horizon grows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Examples:
    """Examples (m,): row of the sample, interval (position among the horizons), banned 0 or 1, weight."""

    row: np.ndarray
    interval: np.ndarray
    banned: np.ndarray
    weight: np.ndarray

    def take(self, which: np.ndarray) -> Examples:
        """Some of them, by index or mask."""
        return Examples(self.row[which], self.interval[which], self.banned[which], self.weight[which])


FIELDS = ("row", "interval", "banned", "weight")


def examples(labels: Mapping[int, np.ndarray], weight: np.ndarray, rows: np.ndarray) -> Examples:
    """The examples of some rows; labels: horizon -> (n,) 0, 1 or NaN where unknown, weight (n,), rows: indices into them.

    Rows come interval by interval, in their order.
    """
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    free = np.ones(len(rows), dtype=bool)
    for position, horizon in enumerate(sorted(labels)):
        label = labels[horizon][rows]
        known = free & ~np.isnan(label)
        found.append((rows[known], np.full(int(known.sum()), position), label[known]))
        free = known & (label == 0)
    row, interval, banned = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Examples(row, interval, banned.astype("float64"), weight[row])


def lengths(horizons: Sequence[int]) -> np.ndarray:
    """Days of each interval (K,); 1 for a horizon of 0, which has no length."""
    return np.maximum(np.diff([0, *sorted(horizons)]), 1).astype("float64")


def base_odds(sample: Examples, count: int) -> np.ndarray:
    """Log-odds of the mean hazard of each interval (K,), half a ban and half a row without one added to each."""
    found = []
    for position in range(count):
        own = sample.interval == position
        struck = float((sample.weight[own] * sample.banned[own]).sum()) + 0.5
        found.append(np.log(struck / (float((sample.weight[own] * (1 - sample.banned[own])).sum()) + 0.5)))
    return np.array(found)


def cumulative(hazards: np.ndarray) -> np.ndarray:
    """Risks by the end of each interval (n, K) from hazards (n, K) in [0, 1]."""
    return 1.0 - np.cumprod(1.0 - hazards, axis=1)
