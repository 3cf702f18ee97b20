"""Every way in which the gate decides."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.gate import METRIC, decide


def ap(value: float | None) -> dict[str, float]:
    return {} if value is None else {METRIC: value}


BASELINES = {"rule": ap(0.2), "logistic": ap(0.3)}


@pytest.mark.parametrize(
    ("own", "baselines", "champion", "promoted", "says"),
    [
        (0.31, BASELINES, None, True, "above the best baseline's (logistic: 0.300); there was no champion yet"),
        (0.31, BASELINES, 0.31, True, "not below the champion's (0.310)"),
        (0.35, BASELINES, 0.31, True, "not below the champion's (0.310)"),
        (0.35, BASELINES, 0.36, False, "average precision 0.350 is below the champion's 0.360 on the same rows; champion stays"),
        (0.30, BASELINES, None, False, "not above the logistic baseline's 0.300; there is no champion yet"),
        (0.30, BASELINES, 0.1, False, "not above the logistic baseline's 0.300; champion stays"),
        (0.25, BASELINES, 0.1, False, "not above the logistic baseline's 0.300"),
        (0.15, BASELINES, 0.1, False, "not above the rule baseline's 0.200"),
        (0.15, {}, None, True, "no champion yet"),
        (None, BASELINES, 0.1, False, "the test period has no ban (or nothing but bans)"),
        (None, BASELINES, 0.1, False, "so nothing can be compared; champion stays"),
        (None, {}, None, False, "so nothing can be compared; there is no champion yet"),
    ],
)
def test_the_gate_decides_and_says_why(own, baselines, champion, promoted, says):
    verdict = decide(ap(own), baselines, None if champion is None else ap(champion))
    assert verdict.promoted is promoted
    assert says in verdict.why and "\n" not in verdict.why


def test_a_champion_that_cannot_be_compared_stays():
    verdict = decide(ap(0.9), BASELINES, None, lost="champion bancast/3 could not be compared: model.json differs")
    assert not verdict.promoted
    assert "bancast/3 could not be compared" in verdict.why and "champion stays" in verdict.why


def test_a_champion_that_could_not_be_compared_is_one():
    verdict = decide(ap(0.1), BASELINES, None, lost="champion bancast/3 could not be compared: model.json differs")
    assert not verdict.promoted and "champion stays" in verdict.why


CHANCE = st.floats(0, 1)


@given(CHANCE, CHANCE, CHANCE, st.one_of(st.none(), CHANCE))
def test_no_champion_moves_for_a_model_that_is_worse_than_anything(own, rule, logistic, champion):
    verdict = decide(ap(own), {"rule": ap(rule), "logistic": ap(logistic)}, None if champion is None else ap(champion))
    assert verdict.promoted == (own > rule and own > logistic and (champion is None or own >= champion))
