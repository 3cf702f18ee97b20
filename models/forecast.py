"""The forecast: LightGBM for each horizon, with monotone constraints, averaged over seeds, and calibrated out of time.

One procedure for the whole history and for the evaluation twin, for snapshots in time and for a finished table: what differs is
only the folds on which the number of trees is chosen and the probabilities are calibrated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np

from data_schemas.settings import Settings
from models.calibration import Curve, calibrate

Progress = Callable[[str, float], None]
PATIENCE = 50
"""Trees without a better fold before growing stops."""


@dataclass
class Sample:
    """What is learnt from: values (n, F) float32 with NaN, labels by horizon (n,) with NaN where unknown, weight (n,)."""

    values: np.ndarray
    labels: dict[int, np.ndarray]
    weight: np.ndarray


@dataclass
class Fitted:
    """A forecast: LightGBM text and a calibration curve a horizon. importance: gain by feature at the headline, summing to 1."""

    horizons: tuple[int, ...]
    headline: int
    boosters: dict[int, list[str]]
    curves: dict[int, Curve]
    rounds: dict[int, int]
    importance: np.ndarray
    notes: list[str] = field(default_factory=list)


def parameters(settings: Settings, directions: Sequence[int], positives: int, seed: int) -> dict[str, object]:
    """LightGBM's parameters: slow steps and small trees, for bans are few and most differences between lines are chance."""
    return {
        "objective": "binary",
        "learning_rate": settings.train.learning_rate,
        "num_leaves": settings.train.leaves,
        "min_data_in_leaf": int(np.clip(positives // 10, 10, 60)),
        "feature_fraction": 0.3,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 127,
        "monotone_constraints": list(directions) if any(directions) else None,
        "num_threads": settings.threads,
        "seed": seed,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbosity": -1,
    }


def fit(
    sample: Sample,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    directions: Sequence[int],
    settings: Settings,
    headline: int,
    progress: Progress | None = None,
) -> Fitted:
    """Learn from a sample.

    folds: (learn, check) row indices, never overlapping in time; the checked rows choose the number of trees and calibrate.
    directions: +1, -1 or 0 a feature. Deterministic: same sample, folds, settings and seed give the same text.
    """
    tell = progress or (lambda step, share: None)
    boosters: dict[int, list[str]] = {}
    curves: dict[int, Curve] = {}
    rounds: dict[int, int] = {}
    importance = np.zeros(sample.values.shape[1])
    notes: list[str] = []
    for position, (horizon, label) in enumerate(sorted(sample.labels.items())):
        tell(f"train {horizon}-day model" if horizon else "train model", position / len(sample.labels))
        known = ~np.isnan(label)
        positives = int((label[known] == 1).sum())
        best, margins = _choose(sample, label, known, folds, directions, settings)
        if margins is None:
            notes.append(f"horizon {horizon}: no ban in the checked rows; calibrated on the rows learnt from")
        rounds[horizon] = best
        bags = settings.train.bags if horizon == headline else max(1, settings.train.bags // 2)
        data = _data(sample, label, known)
        grown = []
        for bag in range(bags):
            seed = settings.train.seed + 1000 * bag + horizon
            grown.append(lgb.train(parameters(settings, directions, positives, seed), data, num_boost_round=best))
        if margins is None:
            raw = np.mean([booster.predict(sample.values[known], raw_score=True) for booster in grown], axis=0)
            margins = (raw, label[known], sample.weight[known])
        curves[horizon] = calibrate(*margins)
        boosters[horizon] = [booster.model_to_string() for booster in grown]
        if horizon == headline:
            importance = np.mean([booster.feature_importance("gain") for booster in grown], axis=0)
    total = importance.sum()
    return Fitted(
        tuple(sorted(sample.labels)), headline, boosters, curves, rounds, importance / total if total > 0 else importance, notes
    )


def _data(sample: Sample, label: np.ndarray, rows: np.ndarray) -> lgb.Dataset:
    return lgb.Dataset(sample.values[rows], label[rows], weight=sample.weight[rows], params={"max_bin": 127, "verbosity": -1})


def _choose(
    sample: Sample,
    label: np.ndarray,
    known: np.ndarray,
    folds: Sequence[tuple[np.ndarray, np.ndarray]],
    directions: Sequence[int],
    settings: Settings,
) -> tuple[int, tuple[np.ndarray, np.ndarray, np.ndarray] | None]:
    """The number of trees (mean over folds), and margins, labels and weights of all checked rows."""
    best: list[int] = []
    checked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for learn, check in folds:
        learn, check = learn[known[learn]], check[known[check]]
        few = {0.0, 1.0} - set(np.unique(label[learn])), {0.0, 1.0} - set(np.unique(label[check]))
        if few[0] or few[1]:
            continue
        data = _data(sample, label, learn)
        positives = int((label[learn] == 1).sum())
        booster = lgb.train(
            parameters(settings, directions, positives, settings.train.seed),
            data,
            num_boost_round=settings.train.rounds,
            valid_sets=[lgb.Dataset(sample.values[check], label[check], weight=sample.weight[check], reference=data)],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )
        best.append(max(20, booster.best_iteration))
        raw = booster.predict(sample.values[check], raw_score=True, num_iteration=best[-1])
        checked.append((np.asarray(raw), label[check], sample.weight[check]))
    if not checked:
        return min(100, settings.train.rounds), None
    merged = tuple(np.concatenate([part[i] for part in checked]) for i in range(3))
    return round(float(np.mean(best))), (merged[0], merged[1], merged[2])
