"""The straight part: scikit-learn's logistic regression, with signs kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from models import linear
from models.linear import REACH, STRENGTHS, Linear, fit_linear, signed_log


def rows(n: int = 800, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Values in long tails and labels that hang on them: the first up, the second down, the third not at all."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.0, 20.0, (n, 4))
    values[:, 3] = rng.normal(0, 5, n)
    drive = signed_log(values)
    return values, (rng.random(n) < expit(drive[:, 0] - drive[:, 1] + 0.5 * drive[:, 3] - 1)).astype(float)


def straight(
    values: np.ndarray,
    label: np.ndarray,
    weight: np.ndarray,
    directions: Sequence[int],
    strengths: Sequence[float],
    offset: np.ndarray | None = None,
) -> list[Linear]:
    """Each row once, and no log-odds to start from unless given."""
    offset = np.zeros(len(label)) if offset is None else offset
    return fit_linear(values, np.arange(len(label)), label, weight, offset, directions, strengths, seed=1)


@pytest.mark.parametrize("strength", STRENGTHS)
def test_without_signs_it_is_scikit_learns_logistic_regression(strength):
    values, label = rows()
    values = values[:, :3]  # gammas: none of them reaches as far as the clip
    weight = np.random.default_rng(5).uniform(0.5, 3, len(label))
    scaler = StandardScaler().fit(signed_log(values), sample_weight=weight)
    scaled = scaler.transform(signed_log(values))
    assert np.abs(scaled).max() < REACH
    theirs = LogisticRegression(C=strength, tol=1e-10, max_iter=5000).fit(scaled, label, sample_weight=weight)
    ours = straight(values, label, weight, [0, 0, 0], [strength])[0]
    np.testing.assert_allclose(ours.margin(values), theirs.decision_function(scaled), atol=2e-3)


def test_the_line_is_what_features_add_to_the_log_odds_that_examples_start_from():
    """Two kinds of examples of the same rows, one far oftener banned: as scikit-learn finds with a free column for the kind."""
    values, _ = rows()
    values = values[:, :3]
    drive = signed_log(values)[:, 0] - signed_log(values)[:, 1]
    row, often = np.tile(np.arange(800), 2), np.repeat([0.0, 1.0], 800)
    label = (np.random.default_rng(2).random(1600) < expit(drive[row] - 3 + 3 * often)).astype(float)
    scaled = StandardScaler().fit_transform(signed_log(values))[row]
    theirs = LogisticRegression(C=0.1, tol=1e-10, max_iter=5000)
    theirs.fit(np.column_stack([scaled, 1000 * often]), label)  # so large a column hardly feels the ridge
    offset = often * theirs.coef_[0, -1] * 1000
    given_, none = (fit_linear(values, row, label, np.ones(1600), o, [0] * 3, [0.1], 1)[0] for o in (offset, 0 * offset))
    np.testing.assert_allclose(given_.weight, theirs.coef_[0, :3], atol=2e-3)
    assert given_.intercept == pytest.approx(theirs.intercept_[0], abs=5e-3)
    assert np.abs(given_.weight - none.weight).max() > 0.05 and none.intercept > given_.intercept + 0.5
    constant = fit_linear(values, row, label, np.ones(1600), offset + 2, [0] * 3, [0.1], 1)[0]
    np.testing.assert_allclose(constant.margin(values) + 2, given_.margin(values), atol=5e-3)


def test_an_example_stands_for_its_row_and_counts_by_its_weight():
    values, label = rows(300)
    row = np.random.default_rng(3).integers(0, 300, 900)
    twice = fit_linear(values, row, label[row], np.ones(900), np.zeros(900), [0] * 4, [0.1], 1)[0]
    count = np.bincount(row, minlength=300).astype(float)
    seen = np.flatnonzero(count)
    weighed = straight(values[seen], label[seen], count[seen], [0] * 4, [0.1])[0]
    np.testing.assert_allclose(twice.margin(values), weighed.margin(values), atol=5e-3)


@how(deadline=None, max_examples=25)
@given(st.lists(st.sampled_from([-1, 0, 1]), min_size=4, max_size=4), st.integers(0, 1000))
def test_no_weight_goes_against_its_declared_direction(directions, seed):
    values, label = rows(200, seed)
    for line in straight(values, label, np.ones(200), directions, (0.01, 10.0)):
        for weight, direction in zip(line.weight, directions, strict=True):
            assert weight * direction >= 0


def test_a_direction_that_the_data_contradict_gives_no_weight_at_all():
    values, label = rows()
    free, bound = (straight(values, label, np.ones(800), d, [1.0])[0] for d in ([0] * 4, [-1, 1, 0, 0]))
    assert free.weight[0] > 0.1 and free.weight[1] < -0.1
    assert bound.weight[0] == 0 and bound.weight[1] == 0 and bound.weight[3] > 0.1


def test_stronger_fits_come_later_and_weigh_more():
    values, label = rows()
    lines = straight(values, label, np.ones(800), [0] * 4, STRENGTHS)
    sizes = [np.linalg.norm(line.weight) for line in lines]
    assert list(STRENGTHS) == sorted(STRENGTHS) and sizes == sorted(sizes) and sizes[0] < sizes[-1] / 3


def test_a_missing_value_counts_as_the_median_and_a_column_without_any_or_without_change_as_nothing():
    values, label = rows()
    values[:, 2] = 7.0
    holes = np.column_stack([values, np.full(800, np.nan)])
    holes[::3, 0] = np.nan
    line = straight(holes, label, np.ones(800), [0] * 5, [1.0])[0]
    assert np.isfinite([*line.weight, *line.mean, *line.scale, *line.fill, line.intercept]).all()
    assert line.weight[2] == pytest.approx(0, abs=1e-9) and line.weight[4] == pytest.approx(0, abs=1e-9)
    middle = np.nanmedian(holes[:, 0])
    filled = np.where(np.isnan(holes), [middle, 0, 0, 0, 0], holes)
    np.testing.assert_allclose(line.margin(holes), line.margin(filled), atol=1e-9)


def test_one_odd_cell_moves_a_margin_no_further_than_its_reach():
    values, label = rows()
    line = straight(values, label, np.ones(800), [0] * 4, [1.0])[0]
    usual = values[:1].copy()
    odd = usual.copy()
    odd[0, 0] = 1e300
    most = line.intercept + REACH * abs(line.weight[0])
    rest = line.margin(usual)[0] - line.intercept - line.weight[0] * (signed_log(usual[0, 0]) - line.mean[0]) / line.scale[0]
    assert line.margin(odd)[0] == pytest.approx(most + rest)


def test_leaving_out_rows_without_a_ban_keeps_level_and_slope(monkeypatch):
    values, label = rows(20_000, 3)
    label[np.random.default_rng(1).random(20_000) < 0.9] = 0
    whole = straight(values, label, np.ones(20_000), [0] * 4, [1.0])[0]
    monkeypatch.setattr(linear, "LEAST_NEGATIVES", 4000)
    monkeypatch.setattr(linear, "NEGATIVES", 3)
    few = straight(values, label, np.ones(20_000), [0] * 4, [1.0])[0]
    same = straight(values, label, np.ones(20_000), [0] * 4, [1.0])[0]
    assert few.plain() == same.plain() and few.plain() != whole.plain()
    risks = expit(whole.margin(values)), expit(few.margin(values))
    assert risks[1].mean() == pytest.approx(risks[0].mean(), rel=0.05)
    assert np.corrcoef(*risks)[0, 1] > 0.98
