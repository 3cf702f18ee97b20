"""What a red list promises: the confidence holds, and nothing but the checked rows decides."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.promise import FIRST, promises, spaced, threshold


def drawn(seed: int, rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Risks as a carrier's lines have them, and bans by exactly these odds."""
    rng = np.random.default_rng(seed)
    risk = rng.beta(0.4, 5.0, rows)
    return risk, (rng.random(rows) < risk).astype(float)


def test_the_promise_is_kept_as_often_as_its_confidence_says() -> None:
    """Over many draws, lists that truly hold less than they promise are rarer than one in ten."""
    truth = np.random.default_rng(0).beta(0.4, 5.0, 400_000)
    broken, made = 0, 0
    for seed in range(400):
        at = threshold(*drawn(seed), precision=0.35, confidence=0.9)
        if at is not None:
            made += 1
            broken += truth[truth >= at].mean() < 0.35
    assert made > 200  # a promise that is hardly ever made would be kept for nothing
    assert broken / 400 <= 0.1


@given(st.integers(0, 10_000), st.floats(0.1, 0.6), st.floats(0.5, 0.98))
def test_more_confidence_or_precision_never_lowers_the_threshold(seed: int, precision: float, confidence: float) -> None:
    risk, banned = drawn(seed, 600)
    found = threshold(risk, banned, precision, confidence)
    surer = threshold(risk, banned, precision, (1 + confidence) / 2)
    finer = threshold(risk, banned, precision + 0.1, confidence)
    for stricter in (surer, finer):
        assert stricter is None or (found is not None and stricter >= found)


def test_too_few_rows_promise_nothing_and_all_banned_promises_everything() -> None:
    risk = np.linspace(0.9, 0.1, FIRST - 1)
    assert threshold(risk, np.ones(len(risk)), 0.3, 0.9) is None
    risk = np.linspace(0.9, 0.1, 500)
    low = threshold(risk, np.ones(500), 0.3, 0.9)
    assert low is not None and (risk >= low).mean() > 0.8
    assert threshold(risk, np.zeros(500), 0.3, 0.9) is None


def test_equal_risks_are_in_or_out_together() -> None:
    risk = np.repeat([0.8, 0.1], [30, 400])
    banned = np.concatenate([np.ones(30), np.zeros(400)])
    assert threshold(risk, banned, 0.5, 0.9) == 0.8


@given(st.lists(st.integers(0, 60), min_size=1, max_size=30), st.integers(1, 14))
def test_days_that_count_share_no_day_of_their_horizon_and_the_newest_counts(days: list[int], horizon: int) -> None:
    kept = np.unique(np.array(days)[spaced(np.array(days), horizon)])
    assert kept[-1] == max(days) and (np.diff(kept) >= horizon).all()
    left = set(days) - set(kept.tolist())
    assert all(min(abs(day - other) for other in kept) < horizon for day in left)


def test_a_group_promises_by_its_own_rows() -> None:
    risk, _ = drawn(1, 2000)
    group = np.where(np.arange(2000) % 2 == 0, "A", "B")
    banned = np.where(group == "A", 1.0, 0.0)  # A's lines are all banned, B's never
    found = promises(risk, banned, np.zeros(2000), group, 7, 0.6, 0.9)
    assert set(found["from"]) == {"A"} and found["rows"] == 2000
