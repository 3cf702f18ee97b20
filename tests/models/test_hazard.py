"""The horizons as intervals of discrete-time survival, and the days until a level that follow from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.special import expit

from models.hazard import Examples, base_odds, cumulative, examples, lengths
from serving.published import days_until

HORIZONS = (1, 3, 7, 14)
YEAR = 365
never = 1000
outcomes = st.lists(
    st.tuples(
        st.one_of(st.just(never), st.integers(0, 20)),  # the day of the ban
        st.one_of(st.just(never), st.integers(0, 20)),  # the day on which the line left
        st.integers(0, 20),  # the days that are known
    ),
    min_size=1,
    max_size=40,
)


def labels(rows: list[tuple[int, int, int]], horizons: tuple[int, ...] = HORIZONS) -> dict[int, np.ndarray]:
    """As models.labels has them: unknown where not mature, or where the line left within the horizon without a ban before."""
    found = {}
    for horizon in horizons:
        column = []
        for banned, left, known in rows:
            banned_within = banned < horizon
            censored = left < horizon and not banned_within
            column.append(np.nan if horizon > known or censored else float(banned_within))
        found[horizon] = np.array(column)
    return found


def by_hand(row: tuple[int, int, int], horizons: tuple[int, ...] = HORIZONS) -> list[tuple[int, float]]:
    """What a row teaches: (interval, banned) for each interval that it entered and of which is known how it ended."""
    banned, left, known = row
    taught, begin = [], 0
    for interval, end in enumerate(horizons):
        entered = banned >= begin
        ended = end <= known and (left >= end or banned < end)
        if not (entered and ended):
            break
        taught.append((interval, float(banned < end)))
        begin = end
    return taught


def taught(found: Examples, row: int) -> list[tuple[int, float]]:
    own = found.row == row
    return list(zip(found.interval[own].tolist(), found.banned[own].tolist(), strict=True))


@given(outcomes)
def test_each_row_teaches_exactly_the_intervals_known_of_it_each_once(rows):
    found = examples(labels(rows), np.ones(len(rows)), np.arange(len(rows)))
    assert len(set(zip(found.row, found.interval, strict=True))) == len(found.row)
    for place, row in enumerate(rows):
        assert taught(found, place) == by_hand(row), row
    assert len(found.row) == sum(len(by_hand(row)) for row in rows)


@given(outcomes)
def test_a_ban_is_one_example_at_the_longest_horizon_known(rows):
    rows = [(banned, left if left >= banned else never, known) for banned, left, known in rows]
    label = labels(rows)
    found = examples(label, np.ones(len(rows)), np.arange(len(rows)))
    longest = np.full(len(rows), np.nan)
    for horizon in HORIZONS:  # what is known of a longer horizon goes over what is known of a shorter one
        longest = np.where(np.isnan(label[horizon]), longest, label[horizon])
    assert found.banned.sum() == (longest == 1).sum()
    assert all((found.banned[found.row == row]).sum() <= 1 for row in range(len(rows)))


def test_a_line_given_up_after_five_days_and_one_known_for_three_teach_until_then():
    rows = [(never, 5, 20), (never, never, 4), (4, 6, 20), (2, never, 2), (8, 2, 20)]
    found = examples(labels(rows), np.ones(5), np.arange(5))
    assert taught(found, 0) == [(0, 0.0), (1, 0.0)]
    assert taught(found, 1) == [(0, 0.0), (1, 0.0)]
    assert taught(found, 2) == [(0, 0.0), (1, 0.0), (2, 1.0)], "it left after its ban"
    assert taught(found, 3) == [(0, 0.0)], "a ban that is known before its horizon is mature teaches nothing yet"
    assert taught(found, 4) == [(0, 0.0)], "nor does one of a line that was given up in an earlier interval"


@given(outcomes, st.randoms(use_true_random=False))
def test_some_rows_in_any_order_teach_what_they_teach_among_all_with_their_own_weight(rows, random):
    weight = np.arange(1.0, len(rows) + 1)
    chosen = np.array(random.sample(range(len(rows)), random.randint(0, len(rows))), dtype=int)
    label = labels(rows)
    part, whole = examples(label, weight, chosen), examples(label, weight, np.arange(len(rows)))
    for row in range(len(rows)):
        assert taught(part, row) == (taught(whole, row) if row in chosen else [])
    np.testing.assert_array_equal(part.weight, weight[part.row])
    assert (np.diff(part.interval) >= 0).all(), "interval by interval"
    again = whole.take(whole.banned == 1)
    assert (again.banned == 1).all() and len(again.row) == whole.banned.sum() == len(again.weight) == len(again.interval)


def test_a_finished_table_has_one_interval():
    found = examples({0: np.array([0.0, 1.0, np.nan])}, np.array([1.0, 2.0, 3.0]), np.arange(3))
    assert found.row.tolist() == [0, 1] and found.interval.tolist() == [0, 0] and found.banned.tolist() == [0.0, 1.0]
    assert found.weight.tolist() == [1.0, 2.0]
    assert lengths((0,)).tolist() == [1.0] and lengths((14, 1, 7, 3)).tolist() == [1.0, 2.0, 4.0, 7.0]


@given(outcomes)
def test_base_odds_are_the_weighted_mean_hazard_half_a_row_added_to_each_side(rows):
    weight = 1.0 + np.arange(len(rows)) % 3
    odds = base_odds(examples(labels(rows), weight, np.arange(len(rows))), len(HORIZONS))
    assert np.isfinite(odds).all() and odds.shape == (4,)
    for interval in range(4):
        sides = [0.5, 0.5]
        for row, own in zip(rows, weight, strict=True):
            for place, banned in by_hand(row):
                if place == interval:
                    sides[int(banned)] += own
        assert expit(odds[interval]) == pytest.approx(sides[1] / sum(sides))


hazards = st.lists(
    st.lists(st.floats(0, 1), min_size=len(HORIZONS), max_size=len(HORIZONS)),
    min_size=1,
    max_size=20,
).map(np.array)


@given(hazards)
def test_risks_never_fall_and_stay_probabilities(found):
    risks = cumulative(found)
    assert risks.shape == found.shape
    assert (risks >= 0).all() and (risks <= 1).all() and (np.diff(risks, axis=1) >= 0).all()
    np.testing.assert_allclose(risks[:, 0], found[:, 0], atol=1e-15)
    assert (risks >= found - 1e-15).all(), "no interval's hazard is above the risk at its end"
    left = 1 - np.column_stack([np.zeros(len(found)), risks])
    np.testing.assert_allclose(left[:, 1:], left[:, :-1] * (1 - found), atol=1e-15)


@given(st.floats(0, 0.9), st.lists(st.integers(1, 60), min_size=1, max_size=6, unique=True).map(sorted))
def test_a_constant_daily_hazard_gives_the_risk_of_as_many_days(daily, horizons):
    risks = cumulative(1 - (1 - daily) ** lengths(horizons)[None, :])
    np.testing.assert_allclose(risks[0], 1 - (1 - daily) ** np.array(horizons), atol=1e-12)


def test_the_risks_of_a_population_come_back_from_its_examples():
    """With everything known, the hazards that examples teach multiply to the share banned within each horizon."""
    rng = np.random.default_rng(0)
    rows = [(int(day), never, never) for day in rng.geometric(0.08, 3000) - 1]
    label = labels(rows)
    found = examples(label, np.ones(3000), np.arange(3000))
    hazard = [found.banned[found.interval == interval].mean() for interval in range(4)]
    shares = [label[horizon].mean() for horizon in HORIZONS]
    np.testing.assert_allclose(cumulative(np.array([hazard]))[0], shares, atol=1e-12)
    # Censoring that has nothing to do with bans takes away rows, and leaves the risks.
    left = [(banned, int(day), never) for (banned, _, _), day in zip(rows, rng.integers(0, 30, 3000), strict=True)]
    fewer = examples(labels(left), np.ones(3000), np.arange(3000))
    assert len(fewer.row) < 0.9 * len(found.row)
    hazard = [fewer.banned[fewer.interval == interval].mean() for interval in range(4)]
    # Within an interval a line that leaves is lost and one that is banned is not: a little too many bans, never a lot.
    np.testing.assert_allclose(cumulative(np.array([hazard]))[0], shares, rtol=0.12)


# --- days until a level ----------------------------------------------------------------------------------------------------

levels = st.floats(1e-6, 0.999)
positive = st.lists(
    st.lists(st.floats(1e-4, 0.5), min_size=len(HORIZONS), max_size=len(HORIZONS)),
    min_size=1,
    max_size=10,
).map(np.array)


@given(hazards, levels, levels)
def test_a_higher_level_is_reached_no_sooner(found, one, other):
    low, high = sorted((one, other))
    risks = cumulative(found)
    first, then = days_until(risks, HORIZONS, low), days_until(risks, HORIZONS, high)
    assert first.shape == (len(found),)
    assert not (np.isnan(first) & ~np.isnan(then)).any(), "what is not reached within a year, nothing above it is"
    both = ~np.isnan(then)
    assert (then[both] >= first[both] - 1e-9).all()
    for days in (first, then):
        known = days[~np.isnan(days)]
        assert ((known >= 0) & (known <= YEAR)).all()


@given(positive)
def test_the_risk_of_a_horizon_is_reached_on_its_day(found):
    risks = cumulative(found)
    for place, horizon in enumerate(HORIZONS):
        for row in range(len(found)):
            days = days_until(risks[[row]], HORIZONS, float(risks[row, place]))
            assert days[0] == pytest.approx(horizon, rel=1e-6)


@given(hazards, levels)
def test_a_level_above_the_risk_of_a_horizon_takes_longer_and_one_below_no_longer(found, level):
    risks = cumulative(found)
    days = days_until(risks, HORIZONS, level)
    for place, horizon in enumerate(HORIZONS):
        above = risks[:, place] > level * (1 + 1e-9)
        assert (days[above] <= horizon).all()
        below = (risks[:, place] < level * (1 - 1e-9)) & ~np.isnan(days)
        assert (days[below] >= horizon).all()


@given(st.floats(1e-5, 0.5), levels)
def test_under_a_constant_daily_hazard_it_is_the_days_that_the_level_takes(daily, level):
    risks = 1 - (1 - daily) ** np.array([HORIZONS], dtype=float)
    assume(risks.max() < 1 - 1e-9)
    expected = np.log1p(-level) / np.log1p(-daily)
    assume(abs(expected - YEAR) > 1e-3)
    days = days_until(risks, HORIZONS, level)[0]
    assert np.isnan(days) if expected > YEAR else days == pytest.approx(expected, rel=1e-5)


def test_ends_of_the_range():
    risks = np.array([[0.0, 0.0, 0.0, 0.0], [0.1, 0.1, 0.1, 0.1], [0.0, 0.0, 0.3, 0.3], [0.2, 0.5, 1.0, 1.0]])
    assert days_until(risks, HORIZONS, 0.0).tolist() == [0.0] * 4, "at a level of 0 every line is red already"
    assert np.isnan(days_until(risks, HORIZONS, 1.0)).all()
    np.testing.assert_array_equal(np.isnan(days_until(risks, HORIZONS, 0.2)), [True, True, False, False])
    assert 3 < days_until(risks, HORIZONS, 0.2)[2] < 7 and days_until(risks, HORIZONS, 0.2)[3] == pytest.approx(1)
    assert days_until(risks[:0], HORIZONS, 0.2).shape == (0,)
    slow = 1 - 0.999 ** np.array([HORIZONS], dtype=float)  # one in a thousand a day
    assert days_until(slow, HORIZONS, 0.3)[0] == pytest.approx(np.log(0.7) / np.log(0.999)) and np.isnan(
        days_until(slow, HORIZONS, 0.31)[0]
    )
