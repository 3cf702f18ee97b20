from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from models.monitoring import monitor, outcomes, stability_index, verdict

AS_OF = date(2026, 3, 1)
DAY = day_number(AS_OF)
SCORES = pd.DataFrame(
    {
        "line_id": ["A", "B", "C", "D"],
        "risk_1d": [0.2, 0.1, 0.0, 0.0],
        "risk_7d": [0.8, 0.5, 0.1, 0.1],
        "model_version": "bancast/3",
    }
)


def bans(**days: int) -> pd.DataFrame:
    return pd.DataFrame({"line_id": list(days), "day": [DAY + day for day in days.values()]})


NOBODY = pd.Series(dtype="float64")


def test_a_ban_counts_from_the_day_scored_to_the_last_of_the_horizon_and_no_further():
    found = outcomes(SCORES, bans(A=0, B=6, C=7, D=-1), NOBODY, AS_OF, DAY + 7)
    assert [(row["horizon"], row["observed"]) for row in found] == [(1, 1), (7, 2)]
    assert found[1]["expected"] == 1.5 and found[1]["lines"] == 4 and found[1]["hit_rate_50"] == 0.5


def test_a_horizon_that_has_not_passed_is_not_judged():
    assert [row["horizon"] for row in outcomes(SCORES, bans(), NOBODY, AS_OF, DAY + 6)] == [1]
    assert outcomes(SCORES, bans(), NOBODY, AS_OF, DAY) == []


def test_a_line_given_up_within_the_horizon_counts_on_neither_side_unless_it_was_banned():
    gone = pd.Series({"A": DAY + 3, "B": DAY + 3, "C": DAY + 7})
    (row,) = [row for row in outcomes(SCORES, bans(A=1), gone, AS_OF, DAY + 7) if row["horizon"] == 7]
    assert (row["lines"], row["observed"], row["expected"]) == (3, 1, 1.0)


def test_a_forecast_that_is_far_off_is_called_off_and_a_true_one_is_not():
    rng = np.random.default_rng(3)
    risk = rng.uniform(0.01, 0.3, 4000)
    scores = pd.DataFrame({"line_id": np.arange(4000).astype(str), "risk_7d": risk, "model_version": "bancast/1"})
    banned = scores["line_id"][rng.random(4000) < risk]
    came = pd.DataFrame({"line_id": banned, "day": DAY})
    (fair,) = outcomes(scores, came, NOBODY, AS_OF, DAY + 7)
    (low,) = outcomes(scores.assign(risk_7d=risk / 2), came, NOBODY, AS_OF, DAY + 7)
    assert not fair["off"] and low["off"] and low["z"] > 3


values = arrays(float, st.integers(20, 200), elements=st.one_of(st.floats(-1e6, 1e6), st.just(float("nan")), st.just(0.0)))


@settings(max_examples=60, deadline=None)
@given(values, values)
def test_the_stability_index_is_finite_and_never_negative_and_nothing_for_the_same(first, second):
    assert 0 <= stability_index(first, second) < 100
    assert stability_index(first, first) == 0


def test_the_stability_index_agrees_with_a_count_by_hand():
    reference = np.repeat(np.arange(10.0), 10)
    current = np.concatenate([np.repeat(np.arange(5.0), 16), np.repeat(np.arange(5.0, 10.0), 4)])
    p, q = np.full(10, 0.1), np.repeat([0.16, 0.04], 5)
    by_hand = ((p - q) * np.log(p / q)).sum()
    assert stability_index(reference, current) == pytest.approx(by_hand, rel=0.05)
    assert verdict(by_hand) == "shifted" and verdict(0.12) == "moved" and verdict(0.02) == "stable"


def test_values_that_go_missing_are_drift_too():
    known = np.linspace(0, 1, 500)
    assert stability_index(known, np.where(known < 0.3, np.nan, known)) > 0.25


def test_a_home_without_scores_is_refused_with_what_to_run(tmp_path):
    with pytest.raises(BadInput, match="run `bancast score"):
        monitor(Home(tmp_path), Settings())
