"""Intervals for numbers of bans: exact where they can be, never narrower than they should be, and right as often as they say."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.counts import MOST, PRIOR, _below, coverage, estimate_dispersion, expected_bans, interval, measure

RISKS = st.lists(st.floats(0, 1), min_size=1, max_size=40)


def brute(risks: list[float]) -> np.ndarray:
    """P(N <= k) by going through all that can happen."""
    chance = np.zeros(len(risks) + 1)
    for outcome in product((0, 1), repeat=len(risks)):
        chance[sum(outcome)] += np.prod([p if banned else 1 - p for p, banned in zip(risks, outcome, strict=True)])
    return np.cumsum(chance)


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
@settings(max_examples=100, deadline=None)
def test_of_three_lines_every_number_has_its_exact_probability(risks):
    found = _below(np.array(risks), np.ones(3), 0.0)
    np.testing.assert_allclose(found, brute(risks)[: len(found)], atol=1e-8)


def test_lines_as_likely_as_not_are_exact_too():
    np.testing.assert_allclose(_below(np.full(3, 0.5), np.ones(3), 0.0), [1 / 8, 4 / 8, 7 / 8, 1], atol=1e-12)


@given(RISKS, st.floats(0, 1), st.floats(0.5, 0.99), st.floats(0.5, 0.99))
@settings(max_examples=100, deadline=None)
def test_bounds_are_possible_numbers_around_the_middle_and_a_wider_level_holds_a_narrower(risks, phi, one, other):
    risk, group = np.array(risks), np.zeros(len(risks))
    narrow, wide = (interval(risk, group, level, phi).iloc[0] for level in sorted((one, other)))
    for found in (narrow, wide):
        assert found["lines"] == len(risks) and found["expected"] == pytest.approx(sum(risks))
        assert 0 <= found["low"] <= found["high"] <= len(risks)
        assert found["low"] == int(found["low"]) and found["low"] <= np.ceil(found["expected"] + 1e-6)
        assert found["high"] >= np.floor(found["expected"] - 1e-6) - (phi > 0) * found["expected"]
    assert wide["low"] <= narrow["low"] and narrow["high"] <= wide["high"]


@given(RISKS, st.floats(0, 0.5))
@settings(max_examples=50, deadline=None)
def test_clustering_never_moves_the_expected_number_and_adds_the_variance_it_says(risks, phi):
    risk = np.clip(np.array(risks) / 20, 1e-6, 1)
    below = _below(risk, np.ones(len(risk)), phi)
    number, chance = np.arange(len(below)), np.diff(below, prepend=0)
    mean = number @ chance
    assert mean == pytest.approx(risk.sum(), rel=0.01, abs=1e-4)
    wanted = (risk * (1 - risk)).sum() + phi * (risk.sum() ** 2 - (risk**2).sum())
    assert number**2 @ chance - mean**2 == pytest.approx(wanted, rel=0.06, abs=1e-4)


def test_an_expected_number_below_one_has_an_interval_from_none():
    for lines in (1, 10, 1000):
        found = interval(np.full(lines, 0.05 / lines), np.zeros(lines), 0.8, 0.1).iloc[0]
        assert (found["low"], found["high"]) == (0, 0), "19 weeks in 20 bring no ban"
        assert interval(np.full(lines, 0.05 / lines), np.zeros(lines), 0.95, 0.1).iloc[0]["high"] == 1


def test_many_lines_get_the_bounds_of_the_exact_sum():
    """Risks are gathered and normal distributions used; the bounds of the whole computation lie within a line."""
    rng = np.random.default_rng(1)
    for lines, scale in ((900, 0.01), (900, 0.3), (3000, 0.05)):
        risk = np.clip(rng.gamma(0.5, 2 * scale, lines), 0, 0.99)
        exact = np.ones(1)
        for one in risk:
            exact = np.append(exact, 0) * (1 - one) + np.append(0, exact) * one
        below = np.cumsum(exact)
        found = interval(risk, np.zeros(lines), 0.8).iloc[0]
        low, high = np.searchsorted(below, (0.1, 0.9))
        assert abs(found["low"] - low) <= 1 and abs(found["high"] - high) <= 1, (lines, scale)


def weeks(phi: float, seed: int, every: int = 7, count: int = 60, thin: float = 1.0, size: float = 0.03):
    """Clustered bans of four groups of 40 to 400 lines: risk, label, weight, snapshot, group; levels are lognormal."""
    rng = np.random.default_rng(seed)
    parts = []
    for group, lines in enumerate((40, 100, 200, 400)):
        for week in range(count):
            risk = np.clip(rng.gamma(1.0, size, lines), 1e-4, 0.9)
            level = rng.lognormal(-0.5 * np.log1p(phi), np.sqrt(np.log1p(phi)))
            label = (rng.random(lines) < 1 - (1 - risk) ** level).astype(float)
            kept = (label == 1) | (rng.random(lines) < thin)
            weight = np.where(label == 1, 1.0, 1 / thin)
            parts.append([a[kept] for a in (risk, label, weight, np.full(lines, every * week), np.full(lines, group))])
    return [np.concatenate(column) for column in zip(*parts, strict=True)]


@pytest.mark.parametrize("phi", [0.0, 0.1, 0.4])
def test_the_dispersion_of_simulated_bans_is_found(phi):
    found = np.mean([estimate_dispersion(*weeks(phi, seed)) for seed in range(4)])
    assert found == pytest.approx(phi, abs=0.03 + 0.3 * phi)


def test_thinned_rows_say_the_same_as_all():
    whole, thinned = (np.mean([estimate_dispersion(*weeks(0.2, seed, thin=thin)) for seed in range(6)]) for thin in (1.0, 0.3))
    assert thinned == pytest.approx(whole, abs=0.1)


@pytest.mark.parametrize("phi", [0.0, 0.1, 0.4])
@pytest.mark.parametrize("size", [0.002, 0.03])
def test_intervals_hold_as_often_as_they_say_on_weeks_that_came_later(phi, size):
    """The dispersion is learnt from twelve weeks, the intervals are judged on forty others: at least 75 of 100 at level 0.8."""
    held = []
    for seed in range(2):
        learnt = estimate_dispersion(*weeks(phi, 100 + seed, count=12, size=size))
        held.append(coverage(*weeks(phi, seed, count=40, size=size), 0.8, learnt))
    assert 0.75 <= np.mean(held) <= 1.0


def test_without_dispersion_clustered_bans_leave_their_intervals():
    """The test above can fail."""
    assert coverage(*weeks(0.4, 1), 0.8, 0.0) < 0.75


def test_few_cells_leave_the_dispersion_near_what_is_usual_and_many_do_not():
    few = estimate_dispersion(*weeks(0.0, 3, count=1))
    assert 0.3 * PRIOR < few < 2 * PRIOR
    assert estimate_dispersion(*weeks(0.0, 3, count=200)) < 0.5 * PRIOR
    nobody = [np.zeros(0)] * 5
    assert estimate_dispersion(*nobody) == PRIOR and np.isnan(coverage(*nobody))
    once = estimate_dispersion(*weeks(0.4, 5, every=1, count=20)), estimate_dispersion(*weeks(0.4, 5, every=7, count=20))
    assert once[0] < once[1] <= MOST, "snapshots a day apart see the same bans"


def test_what_is_measured_comes_from_later_weeks_than_the_dispersion_it_was_measured_with():
    columns = weeks(0.4, 2, every=3, count=30)
    found = measure(*columns, 0.8)
    assert found["dispersion"] == estimate_dispersion(*columns) and 0.6 < found["coverage"] <= 1
    assert found["cells"] == 4 * 13, "snapshots 0 to 42 teach, those from day 49 on judge"
    rows = columns[3] <= 42
    wild = [columns[0], np.where(rows, columns[1], 1.0), *columns[2:]]
    assert measure(*wild)["coverage"] == 0.0, "everybody banned: the earlier half could not know"
    alone = measure(*(column[columns[3] == 0] for column in columns))
    assert np.isnan(alone["coverage"]) and alone["cells"] == 0


def test_expected_bans_are_plain_data_by_carrier_and_by_team():
    scores = pd.DataFrame(
        {
            "carrier": ["CM"] * 60 + ["CU"] * 40,
            "team": ["east", None] * 50,
            "risk": [0.1] * 60 + [0.01] * 40,
        }
    )
    found = expected_bans(scores, {"carrier": 0.1, "team": 0.05})
    assert [(row["by"], row["group"], row["lines"]) for row in found] == [
        ("carrier", "CM", 60),
        ("carrier", "CU", 40),
        ("team", "east", 50),
        ("team", None, 50),
    ]
    assert found[0]["expected"] == 6.0 and found[0]["low"] < 6 < found[0]["high"] and found[0]["level"] == 0.8
    assert all(type(value) in (str, int, float, type(None)) for row in found for value in row.values())
    assert expected_bans(scores.assign(team=None), {"team": 0.1}) == [] == expected_bans(scores, {"region": 0.1})
    assert expected_bans(scores.iloc[:0], {"carrier": 0.1}) == []
