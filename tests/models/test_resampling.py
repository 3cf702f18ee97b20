"""Average precision under weights is scikit-learn's; intervals draw lines with all their rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from models.evaluation import Judged
from models.resampling import AveragePrecision, draws, interval


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 8))
def test_average_precision_is_scikit_learns_with_ties_and_weights(seed: int, rows: int, values: int) -> None:
    rng = np.random.default_rng(seed)
    label = (rng.random(rows) < 0.4).astype(float)
    label[0] = 1.0
    score = rng.integers(0, values, rows) / values
    weight = rng.integers(1, 4, rows).astype(float)
    wanted = average_precision_score(label, score, sample_weight=weight)
    assert AveragePrecision(label, score)(weight) == pytest.approx(wanted, abs=1e-12)


def test_without_a_ban_there_is_no_average_precision() -> None:
    assert np.isnan(AveragePrecision(np.zeros(3), np.arange(3.0))(np.ones(3)))
    assert interval(np.full(10, np.nan)) == (None, None)


def test_a_line_is_drawn_with_all_its_rows_and_everybody_sees_the_same_draw() -> None:
    lines = np.repeat(np.arange(20), 5)
    judged = Judged(np.zeros(100), np.ones(100), np.zeros(100), np.full(100, np.inf), lines)
    first, last = (lambda weight, place=place: float(weight[place::5].sum()) for place in (0, 4))
    drawn = draws(judged, {"first": first, "last": last, "one": lambda weight: float(weight[0])}, seed=3, count=50)
    assert (drawn["first"] == 20).all() and (drawn["last"] == 20).all()
    assert drawn["one"].std() > 0
    again = draws(judged, {"one": lambda weight: float(weight[0])}, seed=3, count=50)
    assert (again["one"] == drawn["one"]).all()


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says() -> None:
    rng, held = np.random.default_rng(5), 0
    for seed in range(100):
        value = rng.normal(size=60)
        judged = Judged(value, np.ones(60), np.zeros(60), np.full(60, np.inf), np.arange(60))
        low, high = interval(draws(judged, {"mean": lambda w, v=value: float(w @ v / w.sum())}, seed, 200)["mean"])
        assert low is not None and high is not None
        held += low <= 0 <= high
    assert 85 <= held <= 100
