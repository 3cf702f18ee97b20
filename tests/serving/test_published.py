"""The published model: what its scores promise, whatever the lines and whatever the calibrators."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.published import Forecast, days_until, levels_by_cost
from tests.serving.bundles import ACTIONS, FEATURES, HORIZONS, as_table, lines, rule_bundle, sealed, table_bundle, time_bundle

NAMES = [name for name, _, _ in FEATURES]
LINE = {
    "share": 0.5,
    "fill": [0.0] * 7,
    "mean": [1.0] * 7,
    "scale": [2.0] * 7,
    "weight": [0.1, -0.2, 0.3, 0.4, -0.1, 0.2, 0.1],
    "intercept": 0.7,
    "reach": 5.0,
}


@pytest.fixture(scope="module")
def forecasts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Forecast]:
    folder = tmp_path_factory.mktemp("bundles")
    return {
        "time": Forecast.read(time_bundle(folder / "time")),
        "rule": Forecast.read(rule_bundle(folder / "rule")),
        "table": Forecast.read(table_bundle(folder / "table")),
    }


cells = st.one_of(st.just(np.nan), st.floats(-1e9, 1e9), st.sampled_from([0.0, -0.0, 1e-40, 1e300, np.inf, -np.inf]))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.lists(cells, min_size=len(NAMES), max_size=len(NAMES)), max_size=12), kind=st.sampled_from(["time", "rule"])
)
def test_risks_are_probabilities_that_never_fall_with_the_horizon_and_ranks_are_a_total_order(forecasts, rows, kind):
    frame = pd.DataFrame(np.array(rows, dtype=float).reshape(len(rows), len(NAMES)), columns=NAMES)
    frame.insert(0, "line_id", [f"L{9 - number % 10}{number}" for number in range(len(rows))])
    forecast = forecasts[kind]
    risks = forecast.risks(frame)
    assert risks.shape == (len(rows), 4)
    assert ((risks >= 0) & (risks <= 1)).all()
    assert (np.diff(risks, axis=1) >= 0).all()
    scores = forecast.score(frame)
    assert sorted(scores["rank"]) == list(range(1, len(rows) + 1))
    margin = forecast.margins(frame)[:, : forecast.headline + 1].mean(axis=1)
    keys = sorted(zip(-risks[:, forecast.headline], -margin, frame["line_id"], scores["rank"], strict=True))
    assert [key[-1] for key in keys] == list(range(1, len(rows) + 1))
    for reasons in scores["reasons"]:
        given_ = [reason["contribution"] for reason in reasons]
        assert len(given_) <= 3 and given_ == sorted(given_, reverse=True) and all(value > 0 for value in given_)
    json.dumps(scores.drop(columns=["as_of", "days_to_red"]).to_dict("records"), allow_nan=False)
    days = scores["days_to_red"]
    assert (days.isna() | days.between(0, 365)).all()


def with_interval(frame: pd.DataFrame, interval: int) -> np.ndarray:
    """Features and, as the last column, the interval, as boosters take them."""
    return np.column_stack([frame[NAMES].to_numpy(float), np.full(len(frame), interval)])


def test_margins_are_offset_and_mean_raw_score_and_risks_what_the_hazards_leave(forecasts):
    forecast, frame = forecasts["time"], lines(200, seed=1)
    margins = forecast.margins(frame)
    assert len(forecast._boosters) == 2
    expected = np.empty_like(margins)
    for place, offset in enumerate(forecast.meta["offsets"]):
        raw = [booster.predict(with_interval(frame, place), raw_score=True) for booster in forecast._boosters]
        expected[:, place] = offset + np.mean(raw, axis=0)
    assert margins == pytest.approx(expected, abs=1e-12)
    trees = expected - forecast.meta["offsets"]
    assert np.ptp(trees, axis=1).max() > 0.01, "the fixture's trees tell the intervals apart"
    hazards = np.column_stack(
        [
            np.interp(expected[:, p], *(forecast.meta["calibration"][str(h)][axis] for axis in "xy"))
            for p, h in enumerate(HORIZONS)
        ]
    )
    assert (np.diff(hazards, axis=1) < 0).any(), "the fixture's curves disagree on purpose"
    risks = forecast.risks(frame)
    for place in range(len(HORIZONS)):
        left = np.ones(len(frame))
        for hazard in hazards.T[: place + 1]:
            left *= 1 - hazard
        assert risks[:, place] == pytest.approx(1 - left, abs=1e-12)


def test_the_straight_part_counts_by_its_share(tmp_path):
    rng = np.random.default_rng(0)
    line = {**LINE, **{part: rng.normal(1, 0.3, 7).tolist() for part in ("fill", "mean", "scale", "weight")}, "share": 0.25}
    frame = lines(100, seed=14)
    trees = Forecast.read(time_bundle(tmp_path / "trees"))
    both = Forecast.read(time_bundle(tmp_path / "both", linear=line))
    alone = Forecast.read(time_bundle(tmp_path / "alone", boosters=[], linear={**line, "share": 1.0}))
    logs = np.log1p(frame[NAMES].to_numpy(float))  # all of them are 0 or more
    scaled = np.clip((np.where(np.isnan(logs), line["fill"], logs) - line["mean"]) / line["scale"], -5, 5)
    straight = (scaled @ line["weight"] + line["intercept"])[:, None]
    offsets = np.array(both.meta["offsets"])
    assert alone.margins(frame) == pytest.approx(straight + offsets)
    assert both.margins(frame) == pytest.approx(0.25 * straight + 0.75 * (trees.margins(frame) - offsets) + offsets)


def test_a_line_scores_the_same_alone_as_among_others_and_in_any_order(forecasts):
    forecast, frame = forecasts["time"], lines(300, seed=2)
    together = forecast.score(frame)
    shuffled = forecast.score(frame.sample(frac=1, random_state=1)).loc[frame.index]
    pd.testing.assert_frame_equal(together, shuffled)
    alone = forecast.score(frame.iloc[[17]])
    columns = ["line_id", "risk_1d", "risk_3d", "risk_7d", "risk_14d", "days_to_red", "level", "reasons", "actions"]
    pd.testing.assert_frame_equal(alone[columns], together.iloc[[17]][columns])
    assert alone["rank"].tolist() == [1]


def test_ranks_count_within_each_as_of(forecasts):
    frame = pd.concat([lines(30, seed=3), lines(40, seed=3).assign(as_of=pd.Timestamp("2026-03-09"))], ignore_index=True)
    scores = forecasts["time"].score(frame)
    for _, day in scores.groupby("as_of"):
        assert sorted(day["rank"]) == list(range(1, len(day) + 1))
        assert day.sort_values("rank")["risk_7d"].is_monotonic_decreasing


def test_no_lines_give_a_frame_of_the_same_columns_and_types(forecasts):
    for kind, frame in (("time", lines(5)), ("rule", lines(5)), ("table", as_table(lines(5)))):
        full, empty = forecasts[kind].score(frame), forecasts[kind].score(frame.head(0))
        assert len(empty) == 0 and empty.dtypes.to_dict() == full.dtypes.to_dict()


def test_the_columns_are_those_of_the_contract(forecasts):
    assert list(forecasts["time"].score(lines(3)).columns) == [
        "as_of", "line_id", "risk_1d", "risk_3d", "risk_7d", "risk_14d", "days_to_red", "rank", "level", "reasons",
        "actions", "model_version", "data_fingerprint",
    ]  # fmt: skip
    assert list(forecasts["table"].score(as_table(lines(3))).columns) == ["phone", "risk", "rank", "level", "reasons"]


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("horizon", HORIZONS)
def test_contributions_add_up_to_the_mean_margin_of_the_days_until_the_horizon(tmp_path, horizon, share):
    """Intervals count by their length; what the interval itself adds is no feature's, and the offsets are no part of it."""
    forecast = Forecast.read(time_bundle(tmp_path / "b", linear={**LINE, "share": share}))
    frame = lines(100, seed=4)
    days = {interval: np.diff([0, *HORIZONS])[interval] for interval in range(HORIZONS.index(horizon) + 1)}
    assert sum(days.values()) == horizon
    expected, base = np.zeros(100), np.zeros(100)
    for interval, length in days.items():
        shap = [booster.predict(with_interval(frame, interval), pred_contrib=True) for booster in forecast._boosters]
        base += length / horizon * (1 - share) * np.mean(shap, axis=0)[:, -2:].sum(axis=1)  # the interval's own, and the bias
        base += length / horizon * share * LINE["intercept"]
        expected += length / horizon * (forecast.margins(frame)[:, interval] - forecast.meta["offsets"][interval])
    given_ = forecast.contributions(frame, horizon=horizon)
    assert given_.shape == (100, len(NAMES))
    assert given_.sum(axis=1) + base == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(given_, forecast.contributions(frame)) == (horizon == 7 or share == 1), "7 days are the headline"


def test_reasons_are_the_strongest_families_each_by_its_strongest_feature_with_what_is_usual_for_the_carrier(forecasts):
    forecast, frame = forecasts["time"], lines(400, seed=5)
    given_, scores = forecast.contributions(frame), forecast.score(frame)
    for row, reasons in enumerate(scores["reasons"]):
        families: dict[str, dict[str, float]] = {}
        for feature, value in zip(forecast.meta["features"], given_[row].round(6), strict=True):
            families.setdefault(feature["family"], {})[feature["name"]] = value
        whole = {family: round(sum(values.values()), 6) for family, values in families.items()}
        expected = sorted((family for family in whole if whole[family] > 0), key=lambda family: -whole[family])[:3]
        assert [reason["family"] for reason in reasons] == expected
        assert [reason["contribution"] for reason in reasons] == pytest.approx([whole[family] for family in expected])
        for reason in reasons:
            assert reason["feature"] == max(families[reason["family"]], key=lambda name: families[reason["family"]][name])
            value = frame[reason["feature"]].iloc[row]
            assert reason["value"] == (None if np.isnan(value) else value)
            assert reason["usual"] == forecast.meta["usual"][frame["carrier"].iloc[row]][reason["feature"]]
    assert any(reason["value"] is None for reasons in scores["reasons"] for reason in reasons)


def test_what_is_usual_for_an_unknown_carrier_is_that_of_all_lines(forecasts):
    forecast, frame = forecasts["time"], lines(50, seed=6)
    for other in (frame.assign(carrier="elsewhere"), frame.assign(carrier=None), frame.drop(columns="carrier")):
        for reasons in forecast.score(other)["reasons"]:
            assert all(reason["usual"] == forecast.meta["usual"][""][reason["feature"]] for reason in reasons)


def test_levels_follow_thresholds_or_the_lines_that_ops_can_handle(forecasts):
    forecast, frame = forecasts["time"], lines(300, seed=7)
    scores = forecast.score(frame)
    floor = {"red": 0.3, "orange": 0.15, "yellow": 0.05, "green": 0.0}
    ceiling = {"red": 1.1, "orange": 0.3, "yellow": 0.15, "green": 0.05}
    assert set(scores["level"]) == set(floor)
    assert all(floor[level] <= risk < ceiling[level] for level, risk in zip(scores["level"], scores["risk_7d"], strict=True))
    by_rank = forecast.score(frame, levels={"mode": "capacity"}).sort_values("rank")["level"].tolist()
    assert by_rank == ["red"] * 2 + ["orange"] * 3 + ["yellow"] * 4 + ["green"] * 291
    assert set(forecast.score(frame, levels={"red": 0.0})["level"]) == {"red"}


COSTS = {"ban": 1000.0, "action": 60.0, "effect": 0.5, "orange": 0.5, "yellow": 0.25}


def test_by_cost_a_line_is_red_from_where_acting_costs_what_it_saves(forecasts):
    forecast, frame = forecasts["time"], lines(300, seed=7)
    scores = forecast.score(frame, levels={"mode": "cost", "costs": COSTS})
    risk = scores["risk_7d"].to_numpy()
    pays = risk * COSTS["effect"] * COSTS["ban"] >= COSTS["action"]
    assert 0 < pays.sum() < 300
    np.testing.assert_array_equal(scores["level"] == "red", pays)
    np.testing.assert_array_equal(scores["level"].isin(["red", "orange"]), risk >= 0.06)
    np.testing.assert_array_equal(scores["level"] == "green", risk < 0.03)
    np.testing.assert_array_equal(scores["days_to_red"], days_until(forecast.risks(frame), HORIZONS, 0.12))
    never = forecast.score(frame, levels={"mode": "cost", "costs": COSTS | {"action": 9000.0}})
    assert "red" not in set(never["level"]) and never["days_to_red"].isna().all()


def test_acting_for_two_weeks_costs_twice_what_it_does_for_one():
    assert [levels_by_cost(COSTS, days)["red"] for days in (7, 14, 0)] == pytest.approx([0.12, 0.24, 0.12])


def test_a_line_is_red_when_the_days_until_red_are_within_the_headline(forecasts):
    frame = lines(300, seed=13)
    for kind, level in (("time", 0.2), ("rule", 0.06)):
        forecast = forecasts[kind]
        scores = forecast.score(frame, levels={"red": level})
        days = scores["days_to_red"].to_numpy()
        red = (scores["level"] == "red").to_numpy()
        assert 0 < red.sum() < 300 and np.isnan(days[~red]).sum() < (~red).sum()
        assert (days[red] <= 7 * (1 + 1e-12)).all() and not (days[~red] < 7).any()
        np.testing.assert_array_equal(days, days_until(forecast.risks(frame), HORIZONS, level))
    assert (forecasts["time"].score(frame, levels={"red": 0.0})["days_to_red"] == 0).all()
    assert forecasts["time"].score(frame, levels={"red": 1.0})["days_to_red"].isna().all()


def test_an_action_moves_what_is_worse_than_usual_and_the_model_scores_again(forecasts):
    forecast, frame = forecasts["time"], lines(400, seed=8)
    scores, given_ = forecast.score(frame), forecast.contributions(frame).round(6)
    playbook = {action["name"]: action for action in ACTIONS}
    seen = 0
    for row in range(len(frame)):
        found, risk = scores["actions"].iloc[row], scores["risk_7d"].iloc[row]
        if scores["level"].iloc[row] == "green":
            assert found == []
            continue
        expected = {}
        families = {reason["family"] for reason in scores["reasons"].iloc[row]}
        for action in ACTIONS:
            if not families.intersection(action["families"]):
                continue
            line = frame.iloc[[row]].copy()
            for position, (name, _, direction) in enumerate(FEATURES):
                stem = name.rsplit("_", 1)[0] if name.endswith("d") and name[-2].isdigit() else name
                norm, value = forecast.meta["usual"][line["carrier"].iloc[0]][name], line[name].iloc[0]
                worse = {1: value > norm, -1: value < norm, 0: given_[row, position] > 0}[direction]
                if stem in action["features"] and worse and not np.isnan(value):
                    line[name] = norm
            after = forecast.risks(line)[0, 2]
            if after <= risk:
                expected[action["name"]] = after
        names = sorted(expected, key=lambda name: (expected[name], list(playbook).index(name)))[:3]
        assert [action["action"] for action in found] == names
        assert [action["risk_after"] for action in found] == pytest.approx([expected[name] for name in names])
        seen += len(found)
    assert seen > 50


def test_a_single_reason_can_call_for_an_action(tmp_path):
    narrow = [{"name": "verify", "families": [], "reasons": ["pool_ban_rate_7d"], "features": []}]
    scores = Forecast.read(time_bundle(tmp_path / "b", actions=narrow)).score(lines(200, seed=9))
    for row in scores[scores["level"] != "green"].itertuples():
        called = any(reason["feature"] == "pool_ban_rate_7d" for reason in row.reasons)
        assert row.actions == ([{"action": "verify", "risk_after": row.risk_7d}] if called else [])


def test_more_complaints_never_lower_a_risk_of_a_monotone_model(forecasts):
    frame = lines(200, seed=10, missing=0)
    before = forecasts["time"].risks(frame)
    after = forecasts["time"].risks(frame.assign(complaints_7d=frame["complaints_7d"] + 3))
    assert (after >= before).all() and (after > before).any()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.drop(columns="calls_7d"), "calls_7d"),
        (lambda frame: frame.assign(calls_7d="many"), "`calls_7d` is not numeric"),
        (lambda frame: frame.drop(columns="line_id"), "`line_id` is missing"),
        (lambda frame: frame.assign(line_id=["A", None, "B"]), "without an id"),
        (lambda frame: frame.assign(line_id=["A", "B", "A"]), "`A` is there twice"),
    ],
)
def test_a_frame_that_does_not_fit_is_refused_with_the_column_named(forecasts, change, words):
    with pytest.raises(ValueError, match=words) as caught:
        forecasts["time"].score(change(lines(3)))
    assert "\n" not in str(caught.value)


def test_a_rule_ranks_by_how_near_a_line_is_to_its_limits(forecasts):
    frame = lines(4, missing=0).assign(
        line_id=list("abcd"), calls_1d=[50.0, 100.0, 400.0, np.nan], complaints_7d=[0.0, 0.0, 2.0, np.nan], carrier="A"
    )
    scores = forecasts["rule"].score(frame).set_index("line_id")
    assert scores["rank"].to_dict() == {"c": 1, "b": 2, "a": 3, "d": 4}
    assert scores.loc["b", "risk_7d"] == pytest.approx(0.07)  # at a limit: the base rate
    assert scores.loc["a", "risk_7d"] == pytest.approx(1 - 0.93**0.5)
    assert scores.loc["c", "risk_7d"] == pytest.approx(1 - 0.93**4)
    assert scores.loc["d", "risk_14d"] == 0.0 and scores.loc["d", "reasons"] == []
    assert [(reason["feature"], reason["contribution"]) for reason in scores.loc["c", "reasons"]] == [
        ("calls_1d", 4.0),
        ("complaints_7d", 1.0),
    ]
    eased = {action["action"]: action["risk_after"] for action in scores.loc["c", "actions"]}
    assert eased["pace_calls"] == pytest.approx(0.07)  # complaints are still at their limit


def test_the_evaluation_twin_is_read_from_the_same_bundle(tmp_path):
    folder = time_bundle(tmp_path / "b")
    time_bundle(folder / "evaluation", seed=5)
    (folder / "evaluation" / "manifest.json").unlink()
    sealed(folder)
    twin, own = Forecast.read(folder, part="evaluation"), Forecast.read(folder)
    assert twin.meta["seed"] == 5 and own.meta["seed"] == 0 and twin.version == own.version
    with pytest.raises(ValueError, match=r"nowhere/model\.json"):
        Forecast.read(folder, part="nowhere")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "oracle"}, "kind `oracle`"),
        ({"headline": 5}, "headline 5"),
        ({"features": []}, "a booster has 8 columns, model.json 0 and one more"),
        ({"calibration": {str(h): {"x": [0.0, 1.0], "y": [0.5, 0.1]} for h in HORIZONS}}, "does not rise"),
        ({"calibration": {str(h): {"x": [0.0, 1.0], "y": [0.5, 1.1]} for h in HORIZONS}}, "does not rise"),
        ({"calibration": {}}, "malformed"),
        ({"boosters": []}, "no booster"),
        ({"boosters": [], "linear": {**LINE, "share": 0.9}}, "no booster"),
        ({"boosters": ["../../etc/passwd"]}, "not in the bundle"),
        ({"offsets": [0.0]}, "one finite number a horizon"),
        ({"offsets": [0.0, 0.0, 0.0, np.nan]}, "one finite number a horizon"),
        ({"linear": {**LINE, "share": 1.5}}, "does not fit the features"),
        ({"linear": {**LINE, "weight": [1.0]}}, "does not fit the features"),
        ({"linear": {**LINE, "weight": [np.nan] * 7}}, "must be finite numbers"),
        ({"linear": {**LINE, "intercept": np.inf}}, "must be finite numbers"),
        ({"linear": {**LINE, "scale": [0.0] * 7}}, "scale and reach above 0"),
        ({"linear": {}}, "malformed"),
    ],
)
def test_a_bundle_that_cannot_give_probabilities_is_refused(tmp_path: Path, change, words):
    with pytest.raises(ValueError, match=words) as caught:
        Forecast.read(time_bundle(tmp_path / "b", **change))
    assert "\n" not in str(caught.value)
