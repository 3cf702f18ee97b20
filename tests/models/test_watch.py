"""The policy watch: the frame it reads, by hand; its promises, on histories drawn by another recipe than its own simulation."""

from __future__ import annotations

import json
import math
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from benchmarks.watching import FIRST, Case, delays, false_alarms, histories
from data_schemas.clock import day_date
from data_schemas.settings import WatchSettings
from models.watch import daily_expected, policy_alarms, watch

S = 20_500
"""The as_of day of the cases by hand."""
SETTINGS = WatchSettings()


def scores(*lines: tuple[str, str | None, float, float, float]) -> pd.DataFrame:
    return pd.DataFrame(list(lines), columns=["line_id", "carrier", "risk_1d", "risk_3d", "risk_14d"])


def events(name: str, *pairs: tuple[str, int]) -> pd.DataFrame:
    return pd.DataFrame(list(pairs), columns=["line_id", name])


NOBODY = events("left_day")
A = scores(("A", "CM", 0.1, 0.3, 0.5))


def test_risk_is_spread_over_its_days_by_a_constant_hazard_and_none_is_lost():
    told = daily_expected([(S, A)], events("day"), NOBODY, S + 30)
    assert told["day"].tolist() == list(range(S, S + 14)) and set(told["carrier"]) == {"CM"}
    expected = told["expected"].to_numpy()
    assert expected[0] == pytest.approx(0.1)
    hazard = math.log(0.9 / 0.7) / 2
    assert expected[1] == pytest.approx(0.9 * (1 - math.exp(-hazard)))
    assert expected[:3].sum() == pytest.approx(0.3) and expected.sum() == pytest.approx(0.5)
    assert expected[2] < expected[1] and np.allclose(expected[4:] / expected[3:-1], (0.5 / 0.7) ** (1 / 11))


def test_the_latest_scores_tell_a_day_weekly_or_daily_and_none_that_they_do_not_reach():
    higher = A.assign(risk_1d=0.2, risk_3d=0.4)
    weekly = daily_expected([(S, A), (S + 7, higher)], events("day"), NOBODY, S + 40)
    assert weekly["day"].tolist() == list(range(S, S + 21))
    assert weekly["expected"][7] == pytest.approx(0.2)
    daily = daily_expected(iter([(S + day, A) for day in range(5)]), events("day"), NOBODY, S + 4)
    assert daily["day"].tolist() == list(range(S, S + 4)) and np.allclose(daily["expected"], 0.1)
    gap = daily_expected([(S, A), (S + 20, A)], events("day"), NOBODY, S + 21)
    assert gap["day"].tolist() == [*range(S, S + 14), S + 20]


def test_with_a_lead_a_day_is_told_by_scores_that_are_so_much_older():
    weekly = daily_expected([(S, A), (S + 3, A.assign(risk_1d=0.25))], events("day", ("A", S + 1)), NOBODY, S + 40, lead=2)
    plain = daily_expected([(S, A)], events("day"), NOBODY, S + 40)["expected"].to_numpy()
    assert weekly["day"].tolist() == list(range(S + 2, S + 17)) and weekly["observed"].sum() == 0
    assert np.allclose(weekly["expected"][:3], plain[2:5])
    assert daily_expected([(S, A)], events("day"), NOBODY, S + 40, lead=14).empty


def test_bans_count_by_carrier_once_a_line_since_it_was_scored():
    two = pd.concat([A, scores(("B", "CU", 0.2, 0.2, 0.2), ("C", None, 0.9, 0.9, 0.9))])
    came = events("day", ("A", S - 1), ("A", S + 2), ("A", S + 5), ("B", S), ("C", S), ("Z", S))
    told = daily_expected([(S, two)], came, NOBODY, S + 7).set_index(["carrier", "day"])["observed"]
    assert told[told > 0].to_dict() == {("CM", S + 2): 1, ("CU", S): 1}


def test_a_line_given_up_counts_until_that_day_and_on_if_it_was_banned():
    plain = daily_expected([(S, A)], events("day"), NOBODY, S + 7)["expected"].to_numpy()
    gone = daily_expected([(S, A)], events("day"), events("left_day", ("A", S + 2)), S + 7)["expected"].to_numpy()
    assert np.array_equal(gone, np.where(np.arange(7) <= 2, plain, 0))
    banned = daily_expected([(S, A)], events("day", ("A", S + 1)), events("left_day", ("A", S + 2)), S + 7)
    assert np.array_equal(banned["expected"], plain) and banned["observed"].sum() == 1


def test_no_scores_give_an_empty_frame_that_can_be_watched():
    told = daily_expected([], events("day"), NOBODY, S)
    assert list(told) == ["carrier", "day", "expected", "observed"] and told.empty
    assert watch(told, SETTINGS) == [] and policy_alarms(told, SETTINGS) == []


def test_a_forecast_that_is_right_expects_what_comes():
    rng = np.random.default_rng(1)
    hazard = rng.uniform(0.001, 0.05, 8000)
    lines = pd.DataFrame({"line_id": np.arange(8000).astype(str), "carrier": "CM"})
    for horizon in (1, 3, 7, 14):
        lines[f"risk_{horizon}d"] = 1 - np.exp(-hazard * horizon)
    came = pd.DataFrame({"line_id": lines["line_id"], "day": S + np.floor(rng.exponential(1 / hazard)).astype("int64")})
    told = daily_expected([(S, lines)], came, NOBODY, S + 14)
    assert (np.abs(told["observed"] - told["expected"]) < 4 * np.sqrt(told["expected"])).all()


def frame(expected: float, observed: list[int], carrier: str = "CM") -> pd.DataFrame:
    days = FIRST + np.arange(len(observed))
    return pd.DataFrame({"carrier": carrier, "day": days, "expected": expected, "observed": observed})


def height(observed: list[int], expected: float) -> tuple[float, float]:
    """How far the watch has come: the day of its first alarm, earlier being further, then the statistic where there is none."""
    (entry,) = watch(frame(expected, observed), SETTINGS)
    alarms = [date.fromisoformat(alarm["to"]).toordinal() for alarm in entry["alarms"]]
    return (-min(alarms), 0.0) if alarms else (-math.inf, entry["statistic"])


counts = st.lists(st.integers(0, 4), min_size=1, max_size=80)


@how(max_examples=100, deadline=None)
@given(counts, st.sampled_from([0.2, 1.0, 3.0]), st.data())
def test_more_bans_never_lower_the_statistic_nor_delay_an_alarm(observed, expected, data):
    """More bans of the newest days, that is: those of before the settling days say what is usual for the carrier."""
    newest = min(len(observed), SETTINGS.settle_days)
    more = observed.copy()
    more[data.draw(st.integers(len(observed) - newest, len(observed) - 1))] += data.draw(st.integers(1, 50))
    assert height(more, expected) >= height(observed, expected)


@how(max_examples=60, deadline=None)
@given(counts.filter(lambda observed: len(observed) % 28), st.sampled_from([0.2, 1.0, 3.0]))
def test_a_day_without_bans_never_raises_the_statistic(observed, expected):
    """Between two reviews: a review judges all bans by another dispersion."""
    assert height([*observed, 0], expected) <= height(observed, expected)


@how(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=30, max_size=120), st.integers(0, 4), st.integers(1, 60), st.integers(0, 99))
def test_nothing_that_is_not_known_by_the_day_of_judgement_matters(observed, delay, back, seed):
    daily = frame(1.0, observed)
    until = FIRST + len(observed) - min(back, len(observed) - 6)
    other = daily.copy()
    late = other["day"] + 1 + delay > until
    rng = np.random.default_rng(seed)
    other.loc[late, "observed"] = rng.integers(0, 40, late.sum())
    other.loc[late, "expected"] = rng.uniform(0, 5, late.sum())
    assert watch(daily, SETTINGS, delay, until) == watch(other, SETTINGS, delay, until)
    assert watch(daily, SETTINGS, delay, until) == watch(daily[~late], SETTINGS, delay, until)
    then = [alarm for alarm in policy_alarms(daily, SETTINGS, delay) if alarm["day"] <= day_date(until).isoformat()]
    assert then == [{"carrier": "CM", **alarm} for entry in watch(daily, SETTINGS, delay, until) for alarm in entry["alarms"]]


def test_an_alarm_says_when_it_could_be_raised_since_when_and_how_much():
    change, delay = 90, 3
    daily = frame(2.0, [2] * change + [4] * 30)
    first = policy_alarms(daily, SETTINGS, delay)[0]
    changed = day_date(FIRST + change)
    assert first["carrier"] == "CM" and first["since"] == changed.isoformat()
    assert changed < date.fromisoformat(first["day"]) <= changed + timedelta(days=14)
    assert date.fromisoformat(first["day"]) == date.fromisoformat(first["to"]) + timedelta(days=1 + delay)
    assert first["ratio"] == pytest.approx(2, abs=0.01) and 1 < first["low"] < 2 < first["high"]
    days = (date.fromisoformat(first["to"]) - changed).days + 1
    assert first["observed"] == 4 * days and first["expected"] == pytest.approx(2 * days)


def test_alarms_that_follow_each_other_tell_of_one_change():
    alarms = policy_alarms(frame(2.0, [2] * 90 + [5] * 20 + [2] * 60 + [6] * 10), SETTINGS)
    first, second = day_date(FIRST + 90).isoformat(), day_date(FIRST + 170).isoformat()
    assert list(dict.fromkeys(alarm["since"] for alarm in alarms)) == [first, second]
    assert alarms[1]["ratio"] == pytest.approx(2.5, abs=0.05)
    assert alarms[1]["high"] - alarms[1]["low"] < alarms[0]["high"] - alarms[0]["low"]


def test_the_statistic_restarts_after_an_alarm_and_a_standing_one_fades_after_four_weeks():
    daily = frame(2.0, [2] * 90 + [5] * 12 + [2] * 60)
    entry = watch(daily, SETTINGS)[0]
    raised = date.fromisoformat(entry["alarms"][-1]["day"])
    assert entry["standing"] is False and raised < day_date(FIRST + 104)
    number = (raised - day_date(0)).days
    assert watch(daily, SETTINGS, until=number)[0]["statistic"] == 0
    assert watch(daily, SETTINGS, until=number)[0]["standing"] and watch(daily, SETTINGS, until=number + 27)[0]["standing"]
    assert not watch(daily, SETTINGS, until=number + 28)[0]["standing"]


def test_carriers_are_judged_one_by_one_and_the_answer_is_plain():
    quiet, strict = frame(3.0, [3] * 120, "CT"), frame(3.0, [3] * 100 + [8] * 20, "CU")
    entries = watch(pd.concat([strict, quiet]), SETTINGS, delay=2)
    assert [entry["carrier"] for entry in entries] == ["CT", "CU"]
    assert [entry["standing"] for entry in entries] == [False, True]
    assert entries == watch(pd.concat([quiet, strict]).sample(frac=1, random_state=1), SETTINGS, delay=2)
    assert json.loads(json.dumps(entries)) == entries
    assert entries[0] == watch(quiet, SETTINGS, delay=2)[0]


def test_where_too_few_bans_are_expected_it_says_how_long_a_change_may_stay_unseen():
    slow, soon = (watch(frame(expected, [round(expected)] * 60), SETTINGS)[0] for expected in (0.1, 5.0))
    assert soon["days_to_detect"] <= 14 < (slow["days_to_detect"] or 999)
    assert soon["days_to_detect"] <= soon["days_to_detect_90"]
    assert watch(frame(0.001, [0] * 60), SETTINGS)[0]["days_to_detect"] is None
    assert watch(frame(5.0, [5] * 60), SETTINGS, delay=4)[0]["days_to_detect"] == soon["days_to_detect"] + 4


def test_one_sweep_of_a_pool_is_no_change_of_policy():
    usual = np.random.default_rng(8).poisson(2.0, 150).tolist()
    assert not watch(frame(2.0, usual), SETTINGS)[0]["alarms"]
    swept = [*usual[:100], 40, *usual[101:]]
    assert not watch(frame(2.0, swept), SETTINGS)[0]["alarms"]


@pytest.mark.parametrize(
    "case", [Case(1.0, 1.5, 0.0, 1.15), Case(3.0, 1.5, 0.5, 1.15), Case(3.0, 2.5, 0.0, 0.85), Case(0.3, 1.5, 0.0, 1.15)]
)
def test_false_alarms_are_as_rare_as_stated_though_bans_cluster_and_the_level_is_off(case):
    assert false_alarms(case, SETTINGS, carriers=120, rng=np.random.default_rng(11)) <= 1.5


def test_fewer_false_alarms_can_be_asked_for_and_cost_delay():
    case, rare = Case(2.0, 1.5, 0.0, 1.0), WatchSettings(false_alarms_per_year=0.2)
    assert false_alarms(case, rare, carriers=120, rng=np.random.default_rng(12)) <= 0.35
    daily = histories(case, 1, 200, np.random.default_rng(13))
    assert watch(daily, rare)[0]["limit"] > watch(daily, SETTINGS)[0]["limit"]
    assert watch(daily, rare)[0]["days_to_detect"] >= watch(daily, SETTINGS)[0]["days_to_detect"]


@pytest.mark.parametrize("case", [Case(1.0, 1.0, 0.0, 1.0), Case(2.0, 1.5, 0.0, 1.0), Case(3.0, 1.5, 0.5, 0.85)])
def test_a_doubling_is_seen_within_fourteen_days_and_as_soon_as_the_watch_says(case):
    found = delays(case, SETTINGS, carriers=120, rng=np.random.default_rng(14))
    half = float(np.median(found))
    assert half <= 14
    said = watch(histories(case, 1, 120, np.random.default_rng(15)), SETTINGS)[0]["days_to_detect"]
    assert said / 2 <= half <= said * 2
