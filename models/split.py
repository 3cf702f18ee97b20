"""Splits in time: the earlier part is learnt from, the later part judges, and a gap of the longest horizon lies between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cut:
    """Rows before and after a cut, as masks; between them nobody's label reaches into the later part."""

    before: np.ndarray
    after: np.ndarray


def cut_last(days: np.ndarray, usable: np.ndarray, length: int, gap: int, share: float = 0.25) -> Cut:
    """The last `length` days of snapshots after a cut, everything up to `gap` days earlier before it.

    days: as_of of each row, local day numbers. usable: rows with a label at the headline horizon; only they count as "after".
    length: shortened to `share` of the span of usable days where the history is short. Raises ValueError when nothing is left
    on either side.
    """
    if not usable.any():
        raise ValueError("no row has a mature label")
    last, first = int(days[usable].max()), int(days[usable].min())
    length = max(1, min(length, int((last - first + 1) * share)))
    start = last - length + 1
    start = int(days[usable & (days >= start)].min())
    after = usable & (days >= start)
    before = days + gap <= start
    if not (before & usable).any():
        raise ValueError("no row is left before the gap")
    return Cut(before, after)
