"""The forecast: for each horizon LightGBM (monotone, averaged over seeds) beside a straight part, calibrated out of time.

The margin is a weighted mean of the trees' and of a ridge regression's (models.linear); the weight is what out-of-time rows say:
trees where there are limits and combinations to find, the line where bans are few.

One procedure for the whole history and for the evaluation twin, for snapshots in time and for a finished table: what differs is
only the folds on which the number of trees is chosen and the probabilities are calibrated.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from data_schemas.settings import Settings
from models.calibration import Curve, calibrate
from models.linear import STRENGTHS, Linear, fit_linear

Progress = Callable[[str, float], None]
Fold = tuple[np.ndarray, np.ndarray]
PATIENCE = 30
"""Trees without a better fold before growing stops."""
LEAST_ROUNDS = 20
FEW_ROWS, MANY_FOLDS = 30_000, 2
"""Rows up to which every horizon is checked on every fold, and the folds of the headline beyond; the others then take one."""
HASTE = 2.0
"""How much larger the steps are at the other horizons: half the trees."""
MANY_BANNED = 0.15
"""Share of banned rows from which trees may be larger: a small leaf then still holds some of both."""
SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares of the straight part to choose from."""


@dataclass
class Sample:
    """What is learnt from: values (n, F) float32 with NaN, labels by horizon (n,) with NaN where unknown, weight (n,)."""

    values: np.ndarray
    labels: dict[int, np.ndarray]
    weight: np.ndarray


@dataclass
class Fitted:
    """A forecast: LightGBM text, the straight part and a calibration curve a horizon.

    chosen: rounds, strength and share by horizon. importance: of each feature at the headline, summing to 1.
    """

    horizons: tuple[int, ...]
    headline: int
    boosters: dict[int, list[str]]
    linear: dict[int, dict[str, object]]
    curves: dict[int, Curve]
    chosen: dict[int, dict[str, float]]
    importance: np.ndarray
    notes: list[str] = field(default_factory=list)


def parameters(settings: Settings, directions: Sequence[int], label: np.ndarray, seed: int, pace: float) -> dict[str, object]:
    """LightGBM's parameters: slow steps and small trees, for bans are few and most differences between lines are chance."""
    bans = int((label == 1).sum())
    often = bans > MANY_BANNED * len(label)
    return {
        "objective": "binary",
        "learning_rate": settings.train.learning_rate * pace,
        "num_leaves": 2 * settings.train.leaves + 1 if often else settings.train.leaves,
        "min_data_in_leaf": settings.train.min_data or int(np.clip(bans // 10, 10, 20 if often else 60)),
        "feature_fraction": settings.train.feature_fraction,
        "bagging_fraction": settings.train.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": settings.train.lambda_l2,
        "max_bin": 63,
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
    folds: Sequence[Fold],
    directions: Sequence[int],
    settings: Settings,
    headline: int,
    progress: Progress | None = None,
) -> Fitted:
    """Learn from a sample.

    folds: (learn, check) row indices, never overlapping in time; the checked rows choose the number of trees, the ridge and the
    share of the straight part, and calibrate. directions: +1, -1 or 0 a feature. Same input, same numbers.
    """
    tell = progress or (lambda step, share: None)
    parts: dict[int, Part] = {}
    strengths: Sequence[float] = STRENGTHS
    # The headline goes first: it chooses the ridge for all.
    order = sorted(sample.labels, key=lambda horizon: (horizon != headline, horizon))
    for position, horizon in enumerate(order):
        tell(f"train {horizon}-day model" if horizon else "train model", position / len(order))
        bags = settings.train.bags if horizon == headline else 1
        several = MANY_FOLDS if horizon == headline else 1
        own = folds if len(sample.values) < FEW_ROWS else folds[:several]
        parts[horizon] = _part(sample, horizon, own, directions, settings, bags, strengths)
        strengths = (parts[horizon].strength,)
    gain = np.mean([b.feature_importance("gain") for b in parts[headline].boosters], axis=0)
    weight = np.abs(parts[headline].linear.weight)
    share = parts[headline].share
    return Fitted(
        horizons=tuple(sorted(parts)),
        headline=headline,
        boosters={h: [booster.model_to_string() for booster in part.boosters] for h, part in parts.items()},
        linear={h: {"share": part.share, **part.linear.plain()} for h, part in parts.items()},
        curves={h: part.curve for h, part in parts.items()},
        chosen={h: {"rounds": part.rounds, "strength": part.strength, "share": part.share} for h, part in parts.items()},
        importance=(1 - share) * _unit(gain) + share * _unit(weight),
        notes=[
            f"horizon {h}: no ban in the checked rows; calibrated on the rows learnt from" for h, p in parts.items() if p.blind
        ],
    )


@dataclass
class Part:
    """One horizon's forecast. share: of the straight part in the margin. blind: nothing could be checked out of time."""

    boosters: list[lgb.Booster]
    linear: Linear
    share: float
    strength: float
    rounds: int
    curve: Curve
    blind: bool


def _part(
    sample: Sample,
    horizon: int,
    folds: Sequence[Fold],
    directions: Sequence[int],
    settings: Settings,
    bags: int,
    strengths: Sequence[float],
) -> Part:
    label, seed = sample.labels[horizon], settings.train.seed
    # A ban stands in the labels of every snapshot within the horizon before it.
    evidence = min(1.0, settings.train.every_days / horizon) if horizon else 1.0
    pace = HASTE if horizon not in (0, settings.train.headline) else 1.0
    known = np.flatnonzero(~np.isnan(label))
    checks = [check for fold in folds if (check := _check(sample, label, fold, directions, settings, strengths, pace))]
    rounds, strength, share, blind = min(100, settings.train.rounds), strengths[len(strengths) // 2], 0.5, not checks
    if checks:
        rounds = round(float(np.mean([check.rounds for check in checks])))
        merged = Check(rounds, *(np.concatenate([getattr(check, name) for check in checks]) for name in CHECKED))
        place = int(np.argmin([_loss(merged.straight[:, i], merged) for i in range(len(strengths))]))
        strength = strengths[place]
        share = SHARES[int(np.argmin([_loss(_blend(s, merged.straight[:, place], merged.trees), merged) for s in SHARES]))]
    grown = []
    data = _data(sample, label, known)
    for bag in range(bags):
        own = parameters(settings, directions, label[known], seed + 1000 * bag + horizon, pace)
        grown.append(lgb.train(own, data, num_boost_round=rounds))
    linear = fit_linear(sample.values[known], label[known], sample.weight[known], directions, [strength], seed)[0]
    if checks:
        curve = calibrate(_blend(share, merged.straight[:, place], merged.trees), merged.label, merged.weight, evidence)
    else:
        trees = np.mean([booster.predict(sample.values[known], raw_score=True) for booster in grown], axis=0)
        margin = _blend(share, linear.margin(sample.values[known]), trees)
        curve = calibrate(margin, label[known], sample.weight[known], evidence)
    return Part(grown, linear, share, strength, rounds, curve, blind)


CHECKED = ("trees", "straight", "label", "weight")


@dataclass
class Check:
    """Checked rows: margins of the trees (n,) and of the straight part at each strength (n, S), labels and weights (n,)."""

    rounds: int
    trees: np.ndarray
    straight: np.ndarray
    label: np.ndarray
    weight: np.ndarray


def _check(
    sample: Sample,
    label: np.ndarray,
    fold: Fold,
    directions: Sequence[int],
    settings: Settings,
    strengths: Sequence[float],
    pace: float,
) -> Check | None:
    """Learn on one part of a fold and look at the other; None where either lacks a class."""
    learn, check = (rows[~np.isnan(label[rows])] for rows in fold)
    if any(len(np.unique(label[rows])) < 2 for rows in (learn, check)):
        return None
    data = _data(sample, label, learn)
    booster = lgb.train(
        parameters(settings, directions, label[learn], settings.train.seed, pace),
        data,
        num_boost_round=settings.train.rounds,
        valid_sets=[lgb.Dataset(sample.values[check], label[check], weight=sample.weight[check], reference=data)],
        callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
    )
    rounds = max(LEAST_ROUNDS, booster.best_iteration)
    trees = np.asarray(booster.predict(sample.values[check], raw_score=True, num_iteration=rounds))
    lines = fit_linear(sample.values[learn], label[learn], sample.weight[learn], directions, strengths, settings.train.seed)
    straight = np.column_stack([line.margin(sample.values[check]) for line in lines])
    return Check(rounds, trees, straight, label[check], sample.weight[check])


def _blend(share: float, straight: np.ndarray, trees: np.ndarray) -> np.ndarray:
    return share * straight + (1 - share) * trees


def _loss(margin: np.ndarray, rows: Check) -> float:
    """Log loss of a margin once a sigmoid has been fitted to it: its scale and level are no merit."""
    line = LogisticRegression(C=1e6).fit(margin[:, None], rows.label, sample_weight=rows.weight)
    return float(log_loss(rows.label, line.predict_proba(margin[:, None])[:, 1], sample_weight=rows.weight))


def _data(sample: Sample, label: np.ndarray, rows: np.ndarray) -> lgb.Dataset:
    return lgb.Dataset(sample.values[rows], label[rows], weight=sample.weight[rows], params={"max_bin": 63, "verbosity": -1})


def fold_loss(sample: Sample, fold: Fold, directions: Sequence[int], settings: Settings, headline: int) -> float | None:
    """Out-of-time log loss at the headline of what one part of a fold teaches; None where either part lacks a class."""
    strength = STRENGTHS[len(STRENGTHS) // 2]
    found = _check(sample, sample.labels[headline], fold, directions, settings, (strength,), 1.0)
    return None if found is None else min(_loss(_blend(share, found.straight[:, 0], found.trees), found) for share in SHARES)


def _unit(values: np.ndarray) -> np.ndarray:
    return values / values.sum() if values.sum() > 0 else values
