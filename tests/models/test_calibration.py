"""Margins to probabilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from scipy.special import expit

from models.calibration import MANY_BANS, calibrate

ROWS = st.lists(st.tuples(st.floats(-40, 40, allow_subnormal=False), st.booleans(), st.floats(0.1, 50)), min_size=1, max_size=60)


@how(deadline=None, max_examples=60)
@given(ROWS)
def test_a_curve_rises_and_stays_within_0_and_1_whatever_it_learns_from(rows):
    margin, banned, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    curve = calibrate(margin, banned, weight)
    assert np.isfinite(curve.x).all() and np.isfinite(curve.y).all()
    assert (np.diff(curve.x) > 0).all() and (np.diff(curve.y) >= 0).all()
    asked = np.concatenate([np.linspace(-100, 100, 501), margin])
    risk = curve(np.sort(asked))
    assert (np.diff(risk) >= 0).all() and risk.min() >= 0 and risk.max() <= 1


@pytest.mark.parametrize(("banned", "rate"), [(0, 0.5 / 21), (1, 20.5 / 21)])
def test_one_class_alone_gives_its_rate_to_every_margin_and_never_certainty(banned, rate):
    curve = calibrate(np.linspace(-3, 3, 20), np.full(20, banned), np.ones(20))
    assert curve(np.array([-9.0, 0.0, 9.0])) == pytest.approx([rate] * 3)


def test_margins_beyond_all_that_was_seen_take_the_value_of_the_nearest_end():
    rng = np.random.default_rng(1)
    margin = rng.normal(size=500)
    curve = calibrate(margin, (rng.random(500) < expit(margin)).astype(float), np.ones(500))
    assert curve(np.array([-1e6])) == curve.y[0] and curve(np.array([1e6])) == curve.y[-1]
    assert curve(np.array([-1e6]))[0] < 0.001 and curve(np.array([1e6]))[0] > 0.999


def test_a_weight_stands_for_as_many_rows():
    rng = np.random.default_rng(2)
    margin = rng.normal(size=300)
    banned = (rng.random(300) < expit(margin - 1)).astype(float)
    weight = rng.integers(1, 5, 300)
    once = calibrate(margin, banned, weight.astype(float))
    again = calibrate(np.repeat(margin, weight), np.repeat(banned, weight), np.ones(weight.sum()))
    asked = np.linspace(-4, 4, 50)
    np.testing.assert_allclose(once(asked), again(asked), atol=1e-3)


@pytest.mark.parametrize("rows", [1500, 40_000])
def test_calibrated_risks_are_true_within_what_chance_allows(rows):
    """Margins that are off by scale and level are mended; with many bans (isotonic) as with few (sigmoid)."""
    rng = np.random.default_rng(3)
    truth = expit(rng.normal(-3, 1.2, 2 * rows))
    margin = 0.4 * np.log(truth / (1 - truth)) + 2
    banned = (rng.random(2 * rows) < truth).astype(float)
    learn, check = slice(0, rows), slice(rows, None)
    curve = calibrate(margin[learn], banned[learn], np.ones(rows))
    assert (banned[learn].sum() >= MANY_BANS) == (rows == 40_000)
    risk = curve(margin[check])
    for band in np.array_split(np.argsort(risk), 5):
        expected, variance = risk[band].sum(), (risk[band] * (1 - risk[band])).sum()
        # Four standard errors of the checked rows, and as much again for those learnt from.
        assert abs(banned[check][band].sum() - expected) < 4 * np.sqrt(2 * variance)
    assert np.abs(expit(margin[check]) - truth[check]).mean() > 10 * np.abs(risk - truth[check]).mean()


def test_only_with_many_bans_does_the_curve_bend_as_the_data_do():
    """A step that no sigmoid follows: seen with many bans, smoothed over with few."""
    rng = np.random.default_rng(4)
    margin = rng.uniform(-2, 2, 20_000)
    banned = (rng.random(20_000) < np.where(margin > 0, 0.3, 0.05)).astype(float)
    few, asked = slice(0, 1000), np.array([-1.8, -0.2, 0.2, 1.8])
    step = [np.ptp(calibrate(margin[part], banned[part], np.ones(len(margin[part])))(asked[1:3])) for part in (few, slice(None))]
    assert banned[few].sum() < MANY_BANS <= banned.sum()
    assert step[0] < 0.09 < 0.13 < step[1]
