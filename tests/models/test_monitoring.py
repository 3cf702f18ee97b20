from __future__ import annotations

import json
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from models.monitoring import changes_of_policy, monitor, outcomes, policy_notes, stability_index, verdict
from pipelines.artifacts import policy_rows
from tests.models import worlds

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


START = pd.Timestamp("2026-01-05", tz="Asia/Shanghai")
DAYS, CHANGE, DELAY = 84, 56, 2
"""Days of the company below, the one on which CU becomes stricter, and days until a ban is reported."""
LEAD = Settings().watch.lead_days
"""Days before the first that scores can be held against."""


def company(root: Path) -> Home:
    """Two carriers with 200 lines and 2 bans a day each; CU bans 5 a day from the change on. Scored every week by a forecast."""
    lines = pd.DataFrame({"line_id": [f"{c}{n}" for c in ("CM", "CU") for n in range(200)]})
    lines["carrier"], lines["number_pool"] = lines["line_id"].str[:2], "P"
    lines["activated_at"] = START - pd.Timedelta(days=30)
    moments = pd.Series([START + pd.Timedelta(days=day, hours=9) for day in range(DAYS)])
    calls = pd.DataFrame({"call_id": [f"c{n}" for n in range(DAYS)], "line_id": "CM0", "started_at": moments})
    calls = calls.assign(callee_id="13800000000", duration_s=30, answered=True)
    banned = [
        (f"{carrier}{(day * 5 + n) % 200}", moments[day])
        for day in range(DAYS)
        for carrier, bans in (("CM", 2), ("CU", 5 if day >= CHANGE else 2))
        for n in range(bans)
    ]
    struck = pd.DataFrame(banned, columns=["line_id", "banned_at"])
    struck["ban_id"] = [f"b{n}" for n in range(len(struck))]
    struck["reported_at"] = struck["banned_at"] + pd.Timedelta(days=DELAY)
    complaints = pd.DataFrame({"complaint_id": ["k"], "line_id": ["CM0"], "occurred_at": [START]})
    worlds.lake_of(root, {"lines": lines, "calls": calls, "bans": struck, "complaints": complaints})
    home = Home(root)
    for day in range(0, DAYS, 7):
        # Each week's model is another: drift, which needs features, is not what is tried here.
        risks = {f"risk_{h}d": 1 - 0.99**h for h in (1, 3, 7, 14)}
        _write_scores(home, day, lines[["line_id"]].assign(**risks, model_version=f"bancast/{day}"))
    return home


def _write_scores(home: Home, day: int, scores: pd.DataFrame) -> None:
    path = home.scores_file((START + pd.Timedelta(days=day)).date())
    path.parent.mkdir(parents=True, exist_ok=True)
    scores.to_parquet(path, index=False)


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    home = company(tmp_path_factory.mktemp("policy") / "home")
    return home, monitor(home, worlds.settings(home.root))


def test_a_carrier_that_becomes_stricter_is_named_and_a_retrain_proposed(watched):
    _, report = watched
    still, strict = report.policy
    assert (still["carrier"], still["alarms"], still["standing"]) == ("CM", [], False)
    assert strict["carrier"] == "CU" and strict["standing"]
    changed = (START + pd.Timedelta(days=CHANGE)).date()
    first = strict["alarms"][0]
    assert first["since"] == changed.isoformat() and first["low"] > 1
    assert changed < date.fromisoformat(first["day"]) <= changed + timedelta(days=14)
    (note,) = [note for note in report.notes if note.startswith("carrier ")]
    last = strict["alarms"][-1]
    assert f"carrier CU: bans were {last['ratio']:g} times what was expected from {last['since']} to {last['to']}" in note
    assert len(strict["alarms"]) > 1 and last["since"] == first["since"] and last["ratio"] == pytest.approx(2.5, abs=0.1)
    assert f"alarm on {last['day']}" in note and note.endswith("retrain: `bancast train`")
    assert json.loads(json.dumps(report.to_dict()))["policy"] == report.policy


def test_the_watch_counts_days_whose_bans_are_surely_reported(watched):
    _, report = watched
    assert {entry["first"] for entry in report.policy} == {(START + pd.Timedelta(days=LEAD)).date().isoformat()}
    assert {entry["last"] for entry in report.policy} == {(START + pd.Timedelta(days=DAYS - 1 - DELAY)).date().isoformat()}
    assert report.policy[0]["observed"] == 2 * (DAYS - DELAY - LEAD)
    # By scores 3 to 9 days old, of lines that may have been banned since.
    assert report.policy[0]["expected"] == pytest.approx(2 * 0.99**6 * (DAYS - DELAY - LEAD), rel=0.01)


def test_days_ranked_by_the_rule_are_no_forecast_to_watch(watched):
    home, report = watched
    kept = pd.read_parquet(home.scores_file(START.date()))
    try:
        _write_scores(home, 0, kept.assign(model_version="rule/1"))
        again = monitor(home, worlds.settings(home.root))
        assert {entry["first"] for entry in again.policy} == {(START + pd.Timedelta(days=7 + LEAD)).date().isoformat()}
    finally:
        _write_scores(home, 0, kept)
    assert {entry["first"] for entry in report.policy} == {(START + pd.Timedelta(days=LEAD)).date().isoformat()}


def test_carriers_with_too_few_bans_to_judge_are_named():
    entry = {"standing": False, "alarms": []}
    several = [("A", 9), ("B", 60), ("C", None)]
    (note,) = policy_notes([{**entry, "carrier": carrier, "days_to_detect": days} for carrier, days in several])
    assert "within 14 days" in note and "B after about 60 days, C after more than a year" in note and "A" not in note
    assert policy_notes([]) == []


def test_the_monitor_artifact_has_a_row_a_carrier(watched):
    rows = policy_rows(watched[1].policy)
    assert [(row["carrier"], row["seems stricter"]) for row in rows] == [("CM", ""), ("CU", "yes")]
    assert rows[1]["alarms"].startswith(watched[1].policy[1]["alarms"][0]["day"])


def test_no_forecast_is_judged_while_its_bans_may_still_be_reported(watched):
    _, report = watched
    end = day_number(date.fromisoformat(report.known_until))
    for entry in report.outcomes:
        assert day_number(date.fromisoformat(entry["as_of"])) + entry["horizon"] + DELAY <= end, entry
    assert {entry["horizon"] for entry in report.outcomes} == {1, 3, 7, 14}


def test_days_scored_later_are_marked_and_judge_nothing(watched, tmp_path):
    before, report = watched
    home = Home(tmp_path / "home")
    shutil.copytree(before.root, home.root)
    for day in range(0, DAYS, 7):
        made = home.scores_file((START + pd.Timedelta(days=day)).date())
        made.with_name("summary.json").write_text(json.dumps({"trained_until": "2026-04-01"}), encoding="utf-8")
    later = monitor(home, worlds.settings(home.root))
    assert later.outcomes == [{**entry, "hindsight": True} for entry in report.outcomes]
    assert not any(entry["hindsight"] for entry in report.outcomes) and any(entry["off"] for entry in report.outcomes)
    assert any("12 of 12 days were scored later" in note for note in later.notes)
    assert report.policy[1]["standing"] and not later.policy
    assert not any("matured forecasts are off" in note or "stricter" in note for note in later.notes)
    end = day_number(date.fromisoformat(report.known_until))
    lake, settings = Lake(home.lake), worlds.settings(home.root)
    assert changes_of_policy(before, lake, settings, end) and not changes_of_policy(home, lake, settings, end)


def test_calls_of_today_do_not_end_a_day(tmp_path, monkeypatch):
    home = company(tmp_path / "home")
    today = (START + pd.Timedelta(days=DAYS - 1)).date()
    monkeypatch.setattr("data_schemas.lake.local_today", lambda lake: today)
    assert monitor(home, worlds.settings(home.root)).known_until == today.isoformat()


def test_drift_is_told_against_the_oldest_day_of_the_same_weekday_a_week_before_or_more(watched, tmp_path, monkeypatch):
    home = Home(tmp_path / "home")
    shutil.copytree(watched[0].root, home.root)
    settings = worlds.settings(home.root)
    lines = [f"{carrier}{n}" for carrier in ("CM", "CU") for n in range(200)]
    scores = pd.DataFrame({"line_id": lines, "risk_7d": np.linspace(0, 0.1, 400), "model_version": "bancast/9"})
    monkeypatch.setattr("features.build.build_features", lambda *args, **more: pd.DataFrame({"as_of": [], "line_id": []}))
    newest = (START + pd.Timedelta(days=70)).date()

    def told(*back: int) -> str:
        shutil.rmtree(home.scores)
        for days in (0, *back):
            _write_scores(home, 70 - days, scores)
        report = monitor(home, settings)
        assert bool(report.drift) == report.drift_says.startswith("Population")
        return report.drift_says

    assert told(1, 2, 6) == (
        "Drift needs two days scored by the same model, a week or more apart; bancast/9 has scored no day that is a week before "
        f"{newest}."
    )
    assert f"{newest} against {newest - timedelta(days=9)}," in told(8, 9)
    assert f"{newest} against {newest - timedelta(days=14)}," in told(7, 14, 16)
