"""Teams, carriers and pools: what their lines come to, summed once for the page and the workbook."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from serving.report.data import FLAGGED, LEVELS, Ranking
from serving.report.history import level_places

MOST_GROUPS = 200
"""Groups of one kind that are listed, those with most expected bans."""


def groups(ranking: Ranking, kind: str) -> list[dict[str, Any]]:
    """Teams, carriers or pools by the bans expected among their lines, most first; over all lines.

    Each has name (None: not known), lines, levels (counts, worst first), expected (bans within the headline horizon, None where
    the rule ranks), range (their interval as scoring worked it out, None where it did not) and stake (calls of its lines on the
    list in 7 days).
    """
    lines = ranking.lines
    codes, names = pd.factorize(lines[kind].astype(object), use_na_sentinel=False)
    level = level_places(lines["level"])
    counts = np.zeros((len(names), len(LEVELS)), dtype=np.int64)
    np.add.at(counts, (codes[level >= 0], level[level >= 0]), 1)
    expected = np.bincount(codes, lines[ranking.risk].to_numpy(), len(names))
    size = np.bincount(codes, minlength=len(names))
    listed = (level >= 0) & (level < len(FLAGGED))
    stake = np.bincount(codes, np.where(listed, lines["calls_7d"].to_numpy(), 0), len(names))
    ranges = {
        entry.get("group"): [entry["low"], entry["high"]]
        for entry in ranking.summary.get("bans_by") or []
        if ranking.forecasts and entry.get("by") == kind
    }
    named = [str(name) if isinstance(name, str) else None for name in names]
    order = sorted(range(len(named)), key=lambda place: (-expected[place], named[place] or ""))
    return [
        {
            "name": named[place],
            "lines": int(size[place]),
            "levels": counts[place].tolist(),
            "expected": float(expected[place]) if ranking.forecasts else None,
            "range": ranges.get(named[place]),
            "stake": int(stake[place]),
        }
        for place in order[:MOST_GROUPS]
    ]
