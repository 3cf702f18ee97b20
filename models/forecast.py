"""The forecast: one hazard model of all horizons, LightGBM (monotone, averaged over seeds) beside a straight part, calibrated.

The margin is a weighted mean of the trees' and of a ridge regression's (models.linear); the weight is what out-of-time rows say:
trees where there are limits and combinations to find, the line where bans are few. Where they are so few that nothing can be
checked, or hardly anything, the forecast falls back by degrees: see DEGREES.

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
from models.hazard import FIELDS, Examples, base_odds, cumulative, examples, lengths
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
    """Rows that were forecast by a model that had not learnt from them, and lay later in time.

    row: index into the sample (r,). risks: by horizon (r, K), calibrated by what the other checked periods say where there are
    several. blind: the model had learnt from them after all, for want of others.
    """

    row: np.ndarray
    risks: np.ndarray
    blind: bool


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
    checked: Checked
    notes: list[str] = field(default_factory=list)


def parameters(settings: Settings, directions: Sequence[int], banned: np.ndarray, seed: int) -> dict[str, object]:
    """LightGBM's parameters: slow steps and small trees, for bans are few and most differences between lines are chance."""
    bans = int((banned == 1).sum())
    often = bans > MANY_BANNED * len(banned)
    return {
        "objective": "binary",
        "learning_rate": settings.train.learning_rate,
        "num_leaves": 5 * settings.train.leaves + 1 if often else settings.train.leaves,
        # Where bans are few, the best of all thresholds is mostly luck: one drawn at random for each feature ranks better.
        "extra_trees": not often,
        "min_data_in_leaf": settings.train.min_data or int(np.clip(bans // 10, 10, 20 if often else 60)),
        "feature_fraction": settings.train.feature_fraction,
        "bagging_fraction": settings.train.bagging_fraction,
        "bagging_freq": 1,
        "lambda_l2": settings.train.lambda_l2,
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


def fold_loss(sample: Sample, fold: Fold, directions: Sequence[int], settings: Settings) -> float | None:
    """Out-of-time log loss of what one part of a fold teaches; None where either part lacks a class."""
    learner = _Learner(sample, directions, settings)
    learner.strengths = STRENGTHS[:1]
    found = learner.check(fold)
    if found is None:
        return None
    at = found.place, found.examples.interval
    return min(_loss(_blend(share, found.straight[0], found.trees)[at], found.examples, learner.count) for share in SHARES)


@dataclass
class _Check:
    """Checked rows: row (r,), margins of the trees (r, K) and of the straight part at each strength (S, r, K).

    examples: of these rows (m,), and the place of each among them.
    """

    rounds: int
    row: np.ndarray
    trees: np.ndarray
    straight: np.ndarray
    examples: Examples
    place: np.ndarray


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

    def check(self, fold: Fold) -> _Check | None:
        """Learn on one part of a fold and look at the other; None where either lacks a class."""
        learn, check = (self._examples(rows) for rows in fold)
        if any(len(np.unique(part.banned)) < 2 for part in (learn, check)):
            return None
        offsets = base_odds(learn, self.count)
        rows = fold[1]
        rounds, trees = 0, np.zeros((len(rows), self.count))
        if self.degree == FULL:
            booster = self._grow(learn, offsets, self.settings.train.rounds, self.seed, check)
            rounds = max(LEAST_ROUNDS, booster.best_iteration)
            trees = self._trees([booster], rows, rounds) + offsets
        lines = self._lines(learn, offsets, self.strengths)
        margins = [line.margin(self.sample.values[rows])[:, None] + offsets for line in lines]
        return _Check(rounds, rows, trees, np.stack(margins), check, _places(rows, check.row))

    def finish(self, checks: list[_Check], headline: int) -> Fitted:
        """The forecast from all rows, with what the checks chose."""
        everything = self._examples(np.arange(len(self.sample.values)))
        offsets = base_odds(everything, self.count)
        rounds, strength, share, row, margin, seen = self._chosen(checks)
        boosters = []
        for bag in range(self.settings.train.bags if share < 1 else 0):
            boosters.append(self._grow(everything, offsets, rounds, self.seed + 1000 * bag))
        linear = self._lines(everything, offsets, [strength])[0]
        curves, notes, learnt = {}, [], None
        bare = [not (seen.banned[seen.interval == interval] == 1).any() for interval in range(self.count)]
        if any(bare):  # then what was learnt from has to serve; it is many rows
            every = np.arange(len(self.sample.values))
            trees = self._trees(boosters, every, rounds) if boosters else np.zeros((len(every), self.count))
            learnt = _blend(share, linear.margin(self.sample.values)[:, None], trees) + offsets
        for interval, horizon in enumerate(self.horizons):
            if learnt is None or not bare[interval]:
                curves[horizon] = self._curve(interval, margin[_places(row, seen.row), interval], seen)
                continue
            # Checked rows without a ban in an interval do not say who is at risk in it; without any row, not even how much.
            curves[horizon] = self._curve(interval, learnt[everything.row, interval], everything)
            if checks:
                notes.append(f"horizon {horizon}: no ban in the checked rows; calibrated on the rows learnt from")
        if not checks and learnt is not None:
            notes.append("no ban in the checked rows; calibrated on the rows learnt from")
            row, margin = np.arange(len(learnt)), learnt
        if self.degree == REGULARISED:
            notes.append(
                f"{self.bans} bans to learn from: a regularised model alone, trees are grown from {FEW_BANS} bans on "
                f"(degree: {REGULARISED})"
            )
        gain = np.mean([b.feature_importance("gain")[:-1] for b in boosters], axis=0) if boosters else np.zeros(1)
        hazards = np.column_stack([curves[horizon](margin[:, place]) for place, horizon in enumerate(self.horizons)])
        if len(checks) > 1:
            hazards = self._crossed(checks, row, margin, seen, hazards)
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
            checked=Checked(row, cumulative(hazards), not checks),
            notes=notes,
        )

    def _crossed(
        self, checks: list[_Check], row: np.ndarray, margin: np.ndarray, seen: Examples, hazards: np.ndarray
    ) -> np.ndarray:
        """Hazards (r, K) of the checked rows, those of each period by curves that know only the other periods.

        hazards: by the curves that know them all, for intervals in which the other periods have no ban.
        """
        found = hazards.copy()
        periods = np.repeat(np.arange(len(checks)), [len(check.row) for check in checks])
        examples_of = np.repeat(np.arange(len(checks)), [len(check.examples.row) for check in checks])
        for period in range(len(checks)):
            others = Examples(*(getattr(seen, name)[examples_of != period] for name in FIELDS))
            own, places = periods == period, _places(row, others.row)
            for interval in range(self.count):
                if (others.banned[others.interval == interval] == 1).any():
                    found[own, interval] = self._curve(interval, margin[places, interval], others)(margin[own, interval])
        return found

    def _chosen(self, checks: list[_Check]) -> tuple[int, float, float, np.ndarray, np.ndarray, Examples]:
        """Rounds, strength of the ridge, share of the straight part; then the checked rows, their margins, their examples."""
        alone = self.degree == REGULARISED
        if not checks:
            nothing = Examples(*(np.empty(0, dtype=int) for _ in range(4)))
            share = 1.0 if alone else 0.5
            middle = self.strengths[len(self.strengths) // 2]
            rounds = 0 if alone else min(100, self.settings.train.rounds)
            return rounds, middle, share, np.empty(0, dtype=int), np.empty((0, self.count)), nothing
        rounds = round(float(np.mean([check.rounds for check in checks])))
        row, trees = (np.concatenate([getattr(check, name) for check in checks]) for name in ("row", "trees"))
        straight = np.concatenate([check.straight for check in checks], axis=1)
        parts = [check.examples for check in checks]
        seen = Examples(*(np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS))
        at = _places(row, seen.row), seen.interval
        best = int(np.argmin([_loss(line[at], seen, self.count) for line in straight]))
        share = 1.0
        if not alone:
            share = SHARES[int(np.argmin([_loss(_blend(s, straight[best], trees)[at], seen, self.count) for s in SHARES]))]
        return rounds, self.strengths[best], share, row, _blend(share, straight[best], trees), seen

    def _curve(self, interval: int, margin: np.ndarray, seen: Examples) -> Curve:
        """The curve for the hazard of an interval, from examples (of any interval) and their margins (m,)."""
        weight = seen.weight
        half = self.settings.train.calibration_half_life
        if self.sample.days is not None and half:
            # The level of bans drifts; what was seen last says most about what comes.
            age = self.sample.days.max() - self.sample.days[seen.row]
            weight = weight * 0.5 ** (age / half)
        # A ban stands in an interval of every snapshot that lies so many days before it.
        evidence = min(1.0, self.settings.train.every_days / lengths(self.horizons)[interval])
        own = seen.interval == interval
        return calibrate(margin[own], seen.banned[own], weight[own], float(evidence))

    def _trees(self, boosters: Sequence[lgb.Booster], rows: np.ndarray, rounds: int) -> np.ndarray:
        """Mean raw scores of the trees in each interval (r, K), without the offsets."""
        values = self.sample.values[rows]
        found = []
        for interval in range(self.count):
            columns = np.column_stack([values, np.full(len(rows), interval, dtype="float32")])
            found.append(np.mean([b.predict(columns, raw_score=True, num_iteration=rounds) for b in boosters], axis=0))
        return np.column_stack(found)

    def _examples(self, rows: np.ndarray) -> Examples:
        return examples(self.sample.labels, self.sample.weight, rows)

    def _columns(self, which: Examples) -> np.ndarray:
        """The features of examples, and their interval as the last column: (m, F + 1)."""
        return np.column_stack([self.sample.values[which.row], which.interval.astype("float32")])

    def _grow(self, learn: Examples, offsets: np.ndarray, rounds: int, seed: int, check: Examples | None = None) -> lgb.Booster:
        data = self._data(learn, offsets)
        own = parameters(self.settings, self.directions, learn.banned, seed)
        if check is None:
            return lgb.train(own, data, num_boost_round=rounds)
        return lgb.train(
            own,
            data,
            num_boost_round=rounds,
            valid_sets=[self._data(check, offsets, data)],
            callbacks=[lgb.early_stopping(PATIENCE, verbose=False)],
        )

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


def _places(rows: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where among `rows` (each there once) the wanted ones are."""
    order = np.argsort(rows, kind="stable")
    return order[np.searchsorted(rows[order], wanted)]


def _blend(share: float, straight: np.ndarray, trees: np.ndarray) -> np.ndarray:
    return share * straight + (1 - share) * trees


def _loss(margin: np.ndarray, seen: Examples, count: int) -> float:
    """Log loss of a margin once its scale and each interval's level have been fitted to the rows: those are no merit."""
    columns = np.column_stack([margin, *(seen.interval == place for place in range(1, count))])
    line = LogisticRegression(C=1e6, max_iter=200).fit(columns, seen.banned, sample_weight=seen.weight)
    return float(log_loss(seen.banned, line.predict_proba(columns)[:, 1], sample_weight=seen.weight))


def _unit(values: np.ndarray) -> np.ndarray:
    return values / values.sum() if values.sum() > 0 else values
