"""The forecast: one hazard model of all horizons, LightGBM (monotone, averaged over seeds) beside a straight part, calibrated.

The margin is a weighted mean of the trees' and of a ridge regression's (models.linear); the weight is what out-of-time rows say:
trees where there are limits and combinations to find, the line where bans are few. Where they are so few that nothing can be
checked, or hardly anything, the forecast falls back by degrees: see DEGREES.

One procedure for the whole history and for the evaluation twin, for snapshots in time and for a finished table: what differs is
only the folds on which the number of trees is chosen and the probabilities are calibrated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import lightgbm as lgb
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from data_schemas.settings import Settings
from models.calibration import Curve, calibrate
from models.hazard import Examples, base_odds, examples, lengths
from models.linear import STRENGTHS, Linear, fit_linear

Progress = Callable[[str, float], None]
Fold = tuple[np.ndarray, np.ndarray]
PATIENCE = 30
"""Trees without a better fold before growing stops."""
LEAST_ROUNDS = 20
FEW_ROWS, MANY_FOLDS = 30_000, 2
"""Rows up to which every fold is checked, and how many are beyond."""
MANY_BANNED = 0.15
"""Share of banned rows from which trees may be larger: a small leaf then still holds some of both."""
SHARES = (0.0, 0.25, 0.5, 0.75)
"""Shares of the straight part to choose from."""
FULL, REGULARISED = "full", "regularised"
"""Degrees of a learnt forecast: trees and line; the line alone, under the strongest ridge. Below both stands the rule."""
FEW_BANS = 60
"""Examples of a ban, counted once a line and ban, below which no tree is grown."""


@dataclass
class Sample:
    """What is learnt from: values (n, F) float32 with NaN, labels by horizon (n,) with NaN where unknown, weight (n,).

    days: as_of of each row as a day number, where rows lie in time; the newest weigh most in the calibration.
    bans: distinct bans among the rows; counted as rows when not given.
    """

    values: np.ndarray
    labels: dict[int, np.ndarray]
    weight: np.ndarray
    days: np.ndarray | None = None
    bans: int | None = None


@dataclass
class Checked:
    """Examples that no part of the forecast has learnt from, by the margin of the forecast: margin (m,), examples (m,)."""

    margin: np.ndarray
    examples: Examples


@dataclass
class Fitted:
    """A forecast: LightGBM text, the straight part, and a calibration curve for the hazard of each interval.

    offsets: log-odds of each interval's mean hazard (K,), which trees and line start from. chosen: rounds, strength and share.
    importance: of each feature, summing to 1. degree: FULL or REGULARISED.
    """

    horizons: tuple[int, ...]
    headline: int
    boosters: list[str]
    linear: Linear
    offsets: np.ndarray
    curves: dict[int, Curve]
    chosen: dict[str, float]
    importance: np.ndarray
    degree: str
    notes: list[str] = field(default_factory=list)


def parameters(settings: Settings, directions: Sequence[int], banned: np.ndarray, seed: int) -> dict[str, object]:
    """LightGBM's parameters: slow steps and small trees, for bans are few and most differences between lines are chance."""
    bans = int((banned == 1).sum())
    often = bans > MANY_BANNED * len(banned)
    return {
        "objective": "binary",
        "learning_rate": settings.train.learning_rate,
        "num_leaves": 2 * settings.train.leaves + 1 if often else settings.train.leaves,
        "min_data_in_leaf": int(np.clip(bans // 10, 10, 20 if often else 60)),
        "feature_fraction": 0.3,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "monotone_constraints": [*directions, 0] if any(directions) else None,
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
    learner = _Learner(sample, directions, settings)
    several = folds if len(sample.values) < FEW_ROWS else folds[:MANY_FOLDS]
    checks = []
    for place, fold in enumerate(several):
        tell(f"check {place + 1} of {len(several)} periods", 0.6 * place / len(several))
        if check := learner.check(fold):
            checks.append(check)
    tell("train the model", 0.6)
    return learner.finish(checks, headline)


def losses(sample: Sample, folds: Sequence[Fold], directions: Sequence[int], settings: Settings) -> Iterator[float]:
    """Log loss of the trees on the checked rows of each fold, the earliest fold first: what tuning makes small."""
    learner = _Learner(sample, directions, settings)
    for fold in reversed(folds):
        if check := learner.check(fold, straight=False):
            yield _loss(check.trees, check.examples, learner.count)


@dataclass
class _Check:
    """Checked examples: margins of the trees (m,) and of the straight part at each strength (m, S)."""

    rounds: int
    trees: np.ndarray
    straight: np.ndarray
    examples: Examples


class _Learner:
    """The steps of one training."""

    def __init__(self, sample: Sample, directions: Sequence[int], settings: Settings) -> None:
        self.sample, self.directions, self.settings = sample, directions, settings
        self.horizons = tuple(sorted(sample.labels))
        self.count = len(self.horizons)
        self.seed = settings.train.seed
        known = [label == 1 for label in sample.labels.values()]
        self.bans = int(np.any(known, axis=0).sum()) if sample.bans is None else sample.bans
        self.degree = REGULARISED if self.bans < FEW_BANS else FULL
        self.strengths = STRENGTHS[:1] if self.degree == REGULARISED else STRENGTHS

    def check(self, fold: Fold, straight: bool = True) -> _Check | None:
        """Learn on one part of a fold and look at the other; None where either lacks a class."""
        learn, check = (self._examples(rows) for rows in fold)
        if any(len(np.unique(part.banned)) < 2 for part in (learn, check)):
            return None
        offsets = base_odds(learn, self.count)
        rounds, trees = 0, np.zeros(len(check.row))
        if self.degree == FULL:
            booster = self._grow(learn, offsets, self.settings.train.rounds, self.seed, check)
            rounds = max(LEAST_ROUNDS, booster.best_iteration)
            trees = np.asarray(booster.predict(self._columns(check), raw_score=True, num_iteration=rounds))
            trees = trees + offsets[check.interval]
        lines = self._lines(learn, offsets, self.strengths) if straight else []
        margins = [line.margin(self.sample.values[check.row]) + offsets[check.interval] for line in lines]
        return _Check(rounds, trees, np.column_stack(margins) if margins else np.empty((len(trees), 0)), check)

    def finish(self, checks: list[_Check], headline: int) -> Fitted:
        """The forecast from all rows, with what the checks chose."""
        everything = self._examples(np.arange(len(self.sample.values)))
        offsets = base_odds(everything, self.count)
        rounds, strength, share, merged = self._chosen(checks)
        boosters = []
        for bag in range(self.settings.train.bags if share < 1 else 0):
            boosters.append(self._grow(everything, offsets, rounds, self.seed + 1000 * bag))
        linear = self._lines(everything, offsets, [strength])[0]
        trees = [np.asarray(booster.predict(self._columns(everything), raw_score=True)) for booster in boosters]
        straight = linear.margin(self.sample.values[everything.row])
        margin = _blend(share, straight, np.mean(trees, axis=0) if trees else 0.0) + offsets[everything.interval]
        curves, notes = self._curves(merged, Checked(margin, everything))
        if self.degree == REGULARISED:
            notes.append(
                f"{self.bans} bans to learn from: a regularised model alone, trees are grown from {FEW_BANS} bans on "
                f"(degree: {REGULARISED})"
            )
        gain = np.mean([b.feature_importance("gain")[:-1] for b in boosters], axis=0) if boosters else np.zeros(1)
        return Fitted(
            horizons=self.horizons,
            headline=headline,
            boosters=[booster.model_to_string() for booster in boosters],
            linear=linear,
            offsets=offsets,
            curves=curves,
            chosen={"rounds": rounds, "strength": strength, "share": share},
            importance=(1 - share) * _unit(gain) + share * _unit(np.abs(linear.weight)),
            degree=self.degree,
            notes=notes,
        )

    def _chosen(self, checks: list[_Check]) -> tuple[int, float, float, Checked | None]:
        """Rounds, strength of the ridge, share of the straight part; and the checked examples under that choice."""
        alone = self.degree == REGULARISED
        if not checks:
            rounds = 0 if alone else min(100, self.settings.train.rounds)
            return rounds, self.strengths[len(self.strengths) // 2], 1.0 if alone else 0.5, None
        rounds = round(float(np.mean([check.rounds for check in checks])))
        trees, straight = (np.concatenate([getattr(check, name) for check in checks]) for name in ("trees", "straight"))
        parts = [check.examples for check in checks]
        seen = Examples(
            *(np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "interval", "banned", "weight"))
        )
        place = int(np.argmin([_loss(straight[:, i], seen, self.count) for i in range(len(self.strengths))]))
        share = 1.0
        if not alone:
            share = SHARES[int(np.argmin([_loss(_blend(s, straight[:, place], trees), seen, self.count) for s in SHARES]))]
        return rounds, self.strengths[place], share, Checked(_blend(share, straight[:, place], trees), seen)

    def _curves(self, checked: Checked | None, learnt: Checked) -> tuple[dict[int, Curve], list[str]]:
        """A curve for the hazard of each interval, by the horizon that ends it; and notes.

        Where the checked rows show no ban in an interval, they say nothing of who is at risk in it: the rows learnt from do.
        """
        # A ban stands in an interval of every snapshot that lies so many days before it.
        evidence = np.minimum(1.0, self.settings.train.every_days / lengths(self.horizons))
        if self.horizons == (0,):
            evidence = np.ones(1)
        curves, lacking = {}, []
        for place, horizon in enumerate(self.horizons):
            source, own = learnt, learnt.examples.interval == place
            if checked is not None:
                shown = checked.examples.interval == place
                if checked.examples.banned[shown].any():
                    source, own = checked, shown
                else:
                    lacking.append(horizon)
            seen = source.examples.take(own)
            curves[horizon] = calibrate(source.margin[own], seen.banned, self._say(seen), float(evidence[place]))
        if checked is None:
            return curves, ["no ban in the checked rows; calibrated on the rows learnt from"]
        return curves, [
            f"horizon {horizon}: no ban in the checked rows; calibrated on the rows learnt from" for horizon in lacking
        ]

    def _say(self, seen: Examples) -> np.ndarray:
        """How much each example counts in the calibration."""
        half = self.settings.train.calibration_half_life
        if self.sample.days is None or not half:
            return seen.weight
        # The level of bans drifts; what was seen last says most about what comes.
        age = self.sample.days.max() - self.sample.days[seen.row]
        return np.asarray(seen.weight * 0.5 ** (age / half))

    def _examples(self, rows: np.ndarray) -> Examples:
        return examples(self.sample.labels, self.sample.weight, rows)

    def _columns(self, which: Examples) -> np.ndarray:
        """The features of examples, and their interval as the last column: (m, F + 1)."""
        return np.column_stack([self.sample.values[which.row], which.interval.astype("float32")])

    def _grow(self, learn: Examples, offsets: np.ndarray, rounds: int, seed: int, check: Examples | None = None) -> lgb.Booster:
        data = self._data(learn, offsets)
        stop: dict[str, Any] = {}
        if check is not None:
            stop = {
                "valid_sets": [self._data(check, offsets, data)],
                "callbacks": [lgb.early_stopping(PATIENCE, verbose=False)],
            }
        own = parameters(self.settings, self.directions, learn.banned, seed)
        return lgb.train(own, data, num_boost_round=rounds, **stop)

    def _data(self, which: Examples, offsets: np.ndarray, reference: lgb.Dataset | None = None) -> lgb.Dataset:
        return lgb.Dataset(
            self._columns(which),
            which.banned,
            weight=which.weight,
            init_score=offsets[which.interval],
            reference=reference,
            params={"max_bin": 63, "verbosity": -1},
        )

    def _lines(self, learn: Examples, offsets: np.ndarray, strengths: Sequence[float]) -> list[Linear]:
        return fit_linear(
            self.sample.values,
            learn.row,
            learn.banned,
            learn.weight,
            offsets[learn.interval],
            self.directions,
            strengths,
            self.seed,
        )


def _blend(share: float, straight: np.ndarray, trees: np.ndarray | float) -> np.ndarray:
    return share * straight + (1 - share) * trees


def _loss(margin: np.ndarray, seen: Examples, count: int) -> float:
    """Log loss of a margin once its scale and each interval's level have been fitted to the rows: those are no merit."""
    columns = np.column_stack([margin, *(seen.interval == place for place in range(1, count))])
    line = LogisticRegression(C=1e6, max_iter=200).fit(columns, seen.banned, sample_weight=seen.weight)
    return float(log_loss(seen.banned, line.predict_proba(columns)[:, 1], sample_weight=seen.weight))


def _unit(values: np.ndarray) -> np.ndarray:
    return values / values.sum() if values.sum() > 0 else values
