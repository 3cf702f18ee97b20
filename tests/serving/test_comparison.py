"""Comparing units: by hand, and in made worlds where it is known who differs and who only had bad luck."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from serving.comparison import THIN, compare, discoveries


def test_what_is_usual_is_the_others_rate_in_each_stratum():
    events = np.array([[4.0, 0.0], [10.0, 6.0], [20.0, 2.0]])
    exposure = np.array([[1000.0, 0.0], [1000.0, 500.0], [1500.0, 500.0]])
    whole = (30 + 8) / (2500 + 1000)  # of the others of the first unit
    assert compare(events, exposure).expected[0] == pytest.approx(1000 * (30 + THIN * whole) / (2500 + THIN))
    pair = compare(np.array([[10], [30]]), np.array([[1000], [1000]]))
    assert pair.expected == pytest.approx([30, 10]) and pair.ratio == pytest.approx([1 / 3, 3])


def test_a_unit_alone_on_its_carrier_is_compared_with_all_others_and_a_unit_alone_with_nobody():
    events, exposure = np.array([[9.0, 0.0], [0.0, 4.0], [0.0, 6.0]]), np.array([[300.0, 0.0], [0.0, 500.0], [0.0, 500.0]])
    assert compare(events, exposure).expected[0] == pytest.approx(300 * 10 / 1000)
    alone = compare(np.array([[5.0]]), np.array([[100.0]]))
    assert np.isnan([alone.expected[0], alone.ratio[0], alone.low[0], alone.high[0]]).all() and alone.p[0] == 1
    assert compare(np.zeros((3, 1)), np.full((3, 1), 100.0)).p.tolist() == [1, 1, 1], "no events at all: nothing to say"
    assert compare(np.zeros((0, 0)), np.zeros((0, 0))).p.shape == (0,)


@settings(max_examples=25, deadline=None)
@example([(0, 5), (1, 1), (7, 1)])  # the others have one event
@example([(48, 1), (2, 1), (2, 18)])  # the first with less than expected: nothing out of the ordinary
@example([(0, 16), (60, 1), (1, 1)])
@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 20)), min_size=2, max_size=12))
def test_intervals_hold_the_ratio_and_leave_one_out_where_the_count_is_unlikely(rows):
    events, exposure = np.array([[e] for e, _ in rows], dtype=float), np.array([[100.0 * x] for _, x in rows])
    found = compare(events, exposure)
    told = found.expected > 1e-2
    assert (found.low[told] <= found.ratio[told] + 1e-3).all() and (found.ratio[told] <= found.high[told] + 1e-3).all()
    assert ((found.p >= 0) & (found.p <= 1 + 1e-12)).all()
    sure = told & (np.abs(found.p - 0.025) > 1e-4)
    np.testing.assert_array_equal((found.low > 1)[sure], (found.p < 0.025)[sure])
    assert (found.p[found.ratio <= 1] > 0.025).all(), "no more than expected is never unlikely"


def test_the_more_the_others_differ_the_less_a_count_says():
    exposure = np.full((20, 1), 10_000.0)
    alike, unlike = np.full((20, 1), 100.0), np.tile([[30.0], [170.0]], (10, 1))
    alike[0] = unlike[0] = 200
    one, other = compare(alike, exposure), compare(unlike, exposure)
    assert one.p[0] < 1e-4 < 0.05 < other.p[0]
    assert other.high[0] - other.low[0] > 2 * (one.high[0] - one.low[0])
    # Two units alone: what is usual is unsure, and still the bounds say something.
    pair = compare(np.array([[10.0], [30.0]]), np.array([[1000.0], [1000.0]]))
    assert (pair.low > 0.02).all() and (pair.high < 40).all() and (pair.low < 1).all()


def test_discoveries_are_those_of_benjamini_and_hochberg():
    p = np.array([0.9, 0.001, 0.03, 0.012, 0.2])
    # Sorted: 0.001 <= 0.01, 0.012 <= 0.02, 0.03 <= 0.03, 0.2 > 0.04, 0.9 > 0.05.
    assert discoveries(p, 0.05).tolist() == [False, True, True, True, False]
    assert discoveries(np.array([0.04, 0.045]), 0.05).all(), "the greater one carries the smaller one"
    assert discoveries(np.empty(0), 0.05).shape == (0,)


def world(rng: np.random.Generator, units: int, scatter: float, worse: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Complaints and calls by carrier, of units that scatter alike; the first ones have four times the rate."""
    calls = rng.gamma(4, 1500, units)[:, None] * rng.dirichlet([2, 2, 2], units)
    own = rng.gamma(1 / scatter, scatter, units) if scatter else np.ones(units)
    own[:worse] = 4
    return rng.poisson(calls * np.array([0.004, 0.006, 0.009]) * own[:, None]).astype(float), calls


def standing_out(events: np.ndarray, calls: np.ndarray) -> np.ndarray:
    found = compare(events, calls)
    return discoveries(found.p, 0.05) & (found.ratio > 1.2)


@pytest.mark.parametrize(("units", "scatter"), [(25, 0.0), (25, 0.15), (6, 0.1)])
def test_where_nobody_differs_but_by_chance_hardly_ever_does_anybody_stand_out(units, scatter):
    rng = np.random.default_rng(3)
    runs = [standing_out(*world(rng, units, scatter)).any() for _ in range(100)]
    assert np.mean(runs) <= 0.1


@pytest.mark.parametrize(("units", "worse"), [(25, 1), (25, 2), (6, 1)])
def test_those_with_four_times_the_rate_stand_out_and_hide_each_other_not(units, worse):
    rng = np.random.default_rng(4)
    runs = np.array([standing_out(*world(rng, units, 0.05, worse)) for _ in range(30)])
    assert runs[:, :worse].mean() > 0.85 and runs[:, worse:].any(axis=1).mean() <= 0.1
