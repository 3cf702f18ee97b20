"""How good a forecast is, on rows it did not learn from.

Ranking is judged a snapshot at a time, as ops see it (each week's list on its own), after the protocol of the Fraud Detection
Handbook: precision among the k lines one can look at, beside the highest that any list could reach with that week's bans.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, log_loss, roc_auc_score

TOP_SHARES = (0.01, 0.05)
BINS = 10
"""Bands of risk in the calibration table, with equally many bans expected in each."""


@dataclass(frozen=True)
class Judged:
    """Rows to judge: label (n,) 0 or 1, weight (n,), group (n,) the snapshot of each row, days until the next ban (n,)."""

    label: np.ndarray
    weight: np.ndarray
    group: np.ndarray
    days_to_ban: np.ndarray
    lines: np.ndarray


def evaluate(judged: Judged, score: np.ndarray, flags: int, horizon: int, probability: bool = True) -> dict[str, float]:
    """Metrics of one score (n,), higher is riskier.

    average_precision, roc_auc over all rows; precision, recall, lift at the top 1 %, 5 % and at `flags` lines and the attainable
    precision, means over snapshots weighted by rows (recall: over those with a ban); days of warning: the median over banned
    lines of the days between the first snapshot at which the line was among the top `flags` within `horizon` days of the ban,
    and the ban; where `probability`, brier, log_loss, calibration_error and expected_over_observed too.
    """
    label, weight = judged.label, judged.weight
    found: dict[str, float] = {
        "rows": float(len(label)),
        "bans": float((label == 1).sum()),
        "ban_rate": float(np.average(label, weights=weight)),
    }
    if 0 < (label == 1).sum() < len(label):
        found["average_precision"] = float(average_precision_score(label, score, sample_weight=weight))
        found["roc_auc"] = float(roc_auc_score(label, score, sample_weight=weight))
        for name, size in [*((f"top_{share:.0%}".replace("%", "pct"), share) for share in TOP_SHARES), (f"top_{flags}", flags)]:
            found |= {f"{key}_{name}": value for key, value in _at(judged, score, size).items()}
        found |= _warning(judged, score, flags, horizon)
    if probability:
        clipped = np.clip(score, 1e-7, 1 - 1e-7)
        found["brier"] = float(brier_score_loss(label, clipped, sample_weight=weight))
        found["log_loss"] = float(log_loss(label, clipped, sample_weight=weight, labels=[0, 1]))
        table = calibration_table(judged, score)
        found["calibration_error"] = float(np.average((table["expected"] - table["observed"]).abs(), weights=table["weight"]))
        observed = float((weight * label).sum())
        if observed > 0:
            found["expected_over_observed"] = float((weight * score).sum() / observed)
        found["macro_f1"] = float(f1_score(label, score >= 0.5, average="macro", sample_weight=weight, zero_division=0))
    return found


def _at(judged: Judged, score: np.ndarray, size: float) -> dict[str, float]:
    """Precision, recall, lift and attainable precision among the top rows of each snapshot: a share (< 1) or a number."""
    precision, recall, best, rows = [], [], [], []
    if not (judged.label == 1).any():
        return {}
    for group in np.unique(judged.group):
        own = judged.group == group
        label, weight = judged.label[own], judged.weight[own]
        order = np.argsort(-score[own], kind="stable")
        place = np.cumsum(weight[order])
        limit = size * weight.sum() if size < 1 else size
        taken = order[: max(1, int((place <= limit + 1e-9).sum()))]
        bans = float((label * weight).sum())
        hits, looked = float((label[taken] * weight[taken]).sum()), float(weight[taken].sum())
        precision.append(hits / looked)
        recall.append(hits / bans if bans else np.nan)
        best.append(min(1.0, bans / looked))
        rows.append(weight.sum())
    struck = ~np.isnan(recall)
    mean = [float(np.average(values, weights=rows)) for values in (precision, best)]
    found = float(np.average(np.array(recall)[struck], weights=np.array(rows)[struck]))
    rate = float(np.average(judged.label, weights=judged.weight))
    return {"precision": mean[0], "recall": found, "attainable_precision": mean[1], "lift": mean[0] / rate}


def warned(judged: Judged, score: np.ndarray, size: float, horizon: int) -> pd.DataFrame:
    """One row a ban that comes within `horizon` days of a snapshot with its line: line, ban (day), days of warning.

    days: from the first such snapshot that has the line among its top rows to the ban; NaN where none has. size: rows that are
    flagged a snapshot, or their share (< 1).
    """
    frame = pd.DataFrame({"group": judged.group, "line": judged.lines, "days": judged.days_to_ban, "weight": judged.weight})
    order = np.argsort(-score, kind="stable")
    place = frame.iloc[order].groupby("group")["weight"].cumsum().sort_index()
    limit = frame.groupby("group")["weight"].transform("sum") * size if size < 1 else size
    within = frame["days"] < horizon
    frame["ban"] = frame["group"] + np.where(np.isfinite(frame["days"]), frame["days"], 0)
    frame["days"] = frame["days"].where(place <= np.maximum(limit, 1) + 1e-9)
    return frame[within].groupby(["line", "ban"], as_index=False)["days"].max()


def _warning(judged: Judged, score: np.ndarray, flags: int, horizon: int) -> dict[str, float]:
    """Days of warning (where any) and the share of banned lines that were flagged at all, flagging `flags` lines a snapshot."""
    bans = warned(judged, score, flags, horizon)
    if bans.empty:
        return {}
    found = {"bans_warned_share": float(bans["days"].notna().mean())}
    if bans["days"].notna().any():
        found["days_of_warning_median"] = float(bans["days"].median())
    return found


def calibration_table(judged: Judged, score: np.ndarray) -> pd.DataFrame:
    """Bands of risk: low, high, rows, weight, expected (mean risk), observed (share banned)."""
    order = np.argsort(score, kind="stable")
    mass = np.cumsum(judged.weight[order] * score[order])
    edges = np.searchsorted(mass, mass[-1] * np.arange(1, BINS) / BINS) if mass[-1] > 0 else np.array([], dtype=int)
    parts = [part for part in np.split(order, np.unique(edges)) if len(part)]
    return pd.DataFrame(
        {
            "low": [float(score[part].min()) for part in parts],
            "high": [float(score[part].max()) for part in parts],
            "rows": [len(part) for part in parts],
            "weight": [float(judged.weight[part].sum()) for part in parts],
            "expected": [float(np.average(score[part], weights=judged.weight[part])) for part in parts],
            "observed": [float(np.average(judged.label[part], weights=judged.weight[part])) for part in parts],
        }
    )


def comparison(results: dict[str, dict[str, float]]) -> list[dict[str, Any]]:
    """The metrics of several scores side by side, one row a metric, for a table a person reads."""
    names = list(dict.fromkeys(name for metrics in results.values() for name in metrics))
    return [{"metric": name, **{who: metrics.get(name) for who, metrics in results.items()}} for name in names]
