"""Splits in time: nobody's label reaches from what is learnt into what is judged."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from models.pipeline import _folds_in_time
from models.split import cut_last

SNAPSHOTS = st.lists(st.tuples(st.integers(100, 260), st.sampled_from([np.nan, 0.0, 1.0])), min_size=1, max_size=120)
GAP = st.integers(1, 21)
LENGTH = st.integers(1, 60)


@how(deadline=None)
@given(SNAPSHOTS, LENGTH, GAP)
def test_the_gap_between_rows_before_and_after_a_cut_is_never_smaller_than_the_longest_horizon(rows, length, gap):
    days, outcome = np.array([day for day, _ in rows]), np.array([label for _, label in rows])
    usable = ~np.isnan(outcome)
    try:
        cut = cut_last(days, usable, length, gap)
    except ValueError:
        return
    assert (cut.before & usable).any() and cut.after.any()
    assert not (cut.after & ~usable).any(), "a row without a label judges nothing"
    first = days[cut.after].min()
    assert (days[cut.before] + gap <= first).all()
    assert days[usable].max() - first < length
    assert cut.after.sum() == (usable & (days >= first)).sum(), "all of the period judges"
    assert cut.before.sum() == (days + gap <= first).sum(), "nothing before the gap is wasted"


@how(deadline=None)
@given(SNAPSHOTS, LENGTH, GAP, st.randoms(use_true_random=False))
def test_train_checked_and_test_rows_each_lie_a_gap_apart(rows, length, gap, chance):
    chance.shuffle(rows)
    days, outcome = np.array([day for day, _ in rows]), np.array([label for _, label in rows])
    try:
        cut = cut_last(days, ~np.isnan(outcome), length, gap)
    except ValueError:
        return
    train = np.flatnonzero(cut.before)
    folds = _folds_in_time(train, days, outcome, length, gap)
    assert len(folds) <= 3
    for learn, check in folds:
        assert len(learn) and len(check)
        assert days[train[learn]].max() + gap <= days[train[check]].min()
        assert days[train[check]].max() + gap <= days[cut.after].min()
    for later, earlier in pairwise(folds):
        assert days[train[earlier[1]]].max() < days[train[later[1]]].min(), "no row is checked twice"


def test_a_short_history_shortens_the_period_that_judges_to_a_quarter():
    days = np.arange(40)
    cut = cut_last(days, np.ones(40, dtype=bool), length=28, gap=5)
    assert days[cut.after].tolist() == list(range(30, 40))
    assert days[cut.before].tolist() == list(range(26))


def test_a_long_history_is_judged_on_the_period_asked_for():
    days = np.repeat(np.arange(200), 2)
    cut = cut_last(days, np.ones(400, dtype=bool), length=28, gap=14)
    assert (days[cut.after].min(), days[cut.after].max()) == (172, 199)
    assert days[cut.before].max() == 158


def test_rows_that_are_not_mature_move_the_period_back():
    days = np.arange(100)
    cut = cut_last(days, days < 93, length=10, gap=14)
    assert (days[cut.after].min(), days[cut.after].max()) == (83, 92)


def test_nothing_mature_and_nothing_before_the_gap_are_errors_that_say_so():
    with pytest.raises(ValueError, match="no row has a mature label"):
        cut_last(np.arange(10), np.zeros(10, dtype=bool), 28, 14)
    with pytest.raises(ValueError, match="no row is left before the gap"):
        cut_last(np.arange(14), np.ones(14, dtype=bool), 28, 14)
