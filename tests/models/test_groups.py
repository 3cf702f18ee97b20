"""Groups add up to the whole, a group that is flagged too often is found, and a fair one is not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from models.evaluation import Judged
from models.groups import KINDS, by_group, findings, flagged_rows, groupings, holm, poisson_interval


def company(seed: int = 1, lines: int = 400, weeks: int = 4, rate: float = 0.08, lift: float = 0.0):
    """Lines of four pools; risk is what it says except that pool P3 scores `lift` too high."""
    rng = np.random.default_rng(seed)
    line = np.repeat(np.arange(lines), weeks)
    week = np.tile(np.arange(weeks) * 7, lines)
    risk = np.clip(np.repeat(rng.gamma(1.0, rate, lines), weeks), 0.001, 0.6)
    label = (rng.random(len(line)) < risk).astype(float)
    days = np.where(label == 1, rng.integers(0, 7, len(line)), np.inf)
    pool = np.array([f"P{number % 4}" for number in line], dtype=object)
    table = pd.DataFrame(
        {
            "line_id": [f"L{number}" for number in line],
            "carrier": np.where(line % 8 < 4, "CM", "CU"),
            "number_pool": pool,
            "team": None,
            "age_days": (line % 500).astype("float32"),
            "pool_lines": np.where(line % 3 == 0, 12.0, 300.0),
        }
    )
    score = np.clip(risk + np.where(pool == "P3", lift, 0.0), 0, 1)
    return table, Judged(label, np.ones(len(line)), week, days, line), score


def test_groups_of_each_kind_add_up_to_the_whole():
    table, judged, score = company()
    found = by_group(groupings(table), judged, score, 40)
    whole = found[found["kind"] == "all"].iloc[0]
    assert whole["rows"] == len(table) and whole["banned_rows"] == judged.label.sum() == whole["observed"]
    assert whole["expected"] == pytest.approx(score.sum()) and whole["flagged"] == 160
    assert set(found["kind"]) == {"all", *KINDS} - {"team"}, "nobody has named a team"
    for _, part in found.groupby("kind"):
        for name in ("rows", "weight", "bans", "banned_rows", "expected", "observed", "flagged"):
            assert part[name].sum() == pytest.approx(whole[name]), name
    own = (table["carrier"] == "CM").to_numpy()
    row = found[found["group"] == "CM"].iloc[0]
    assert row["average_precision"] == pytest.approx(average_precision_score(judged.label[own], score[own]))
    flagged = flagged_rows(judged, score, 40)
    assert row["precision"] == pytest.approx(judged.label[own & flagged].mean())
    assert row["true_positive_rate"] == pytest.approx(flagged[own & (judged.label == 1)].mean())
    assert row["false_positive_rate"] == pytest.approx(flagged[own & (judged.label == 0)].mean())
    assert row["rest_false_positive_rate"] == pytest.approx(flagged[~own & (judged.label == 0)].mean())


def test_a_pool_that_is_flagged_without_cause_is_found_and_the_others_are_not():
    table, judged, score = company(lift=0.15)
    found = by_group(groupings(table), judged, score, 40)
    assert [(one["kind"], one["group"]) for one in findings(found)["over_flagged"]] == [("number_pool", "P3")]
    assert ("number_pool", "P3") in {(one["kind"], one["group"]) for one in findings(found)["over_expected"]}
    row = found[found["group"] == "P3"].iloc[0]
    assert row["false_positive_ratio"] > 1.5 and row["expected_over_observed_low"] > 1 and row["p_flags"] < 0.05


def test_where_risks_are_true_hardly_any_world_has_a_verdict():
    """One in twenty by design, and lines keep their risk from week to week, which a test by rows would take for evidence."""
    called = 0
    for seed in range(12):
        table, judged, score = company(seed=seed, lines=200)
        found = findings(by_group(groupings(table), judged, score, 20))
        called += bool(found["over_flagged"] or found["over_expected"] or found["under_expected"])
    assert called <= 2


def test_weights_count_as_so_many_rows():
    table, judged, score = company(lines=100)
    clear = judged.label == 0
    thinned = Judged(judged.label, np.where(clear, 2.0, 1.0), judged.group, judged.days_to_ban, judged.lines)
    twice = np.concatenate([np.arange(len(score)), np.flatnonzero(clear)])
    whole = Judged(*(part[twice] for part in (judged.label, judged.weight, judged.group, judged.days_to_ban, judged.lines)))
    names = ["weight", "bans", "expected", "observed", "average_precision", "expected_over_observed_low"]
    got = by_group(groupings(table), thinned, score, 10)[names]
    wanted = by_group(groupings(table.iloc[twice]), whole, score[twice], 10)[names]
    pd.testing.assert_frame_equal(got, wanted, check_dtype=False)


def test_small_groups_are_put_together_and_named_so_even_where_a_group_is_called_others():
    _, judged, score = company(lines=100)
    names = np.where(judged.lines < 60, "others", [f"tiny {number}" for number in judged.lines]).astype(object)
    names[judged.lines == 99] = None
    found = by_group(pd.DataFrame({"team": names}), judged, score, 10)
    part = found[found["kind"] == "team"].set_index(["entry", "group"])["lines"].to_dict()
    assert part == {("named", "others"): 60, ("others", ""): 39, ("unknown", ""): 1}


def test_what_is_too_little_to_judge_gets_no_verdict():
    table, judged, score = company(lines=100, rate=0.001)
    nobody = Judged(np.zeros(len(score)), judged.weight, judged.group, np.full(len(score), np.inf), judged.lines)
    found = by_group(groupings(table), nobody, score, 1)
    assert not found[["over_flagged", "over_expected", "under_expected"]].to_numpy().any()
    assert len(findings(found)["too_few"]) == (found["kind"] != "all").sum() > 0
    assert found["average_precision"].isna().all() and found["true_positive_rate"].isna().all()


def test_no_kind_of_group_leaves_the_whole_alone():
    _, judged, score = company(lines=50)
    found = by_group(groupings(pd.DataFrame({"line_id": judged.lines})), judged, score, 5)
    assert list(found["kind"]) == ["all"] and not found["over_flagged"].any()


def test_bands_are_in_order_and_hold_their_ends():
    table = pd.DataFrame({"age_days": [0.0, 29.0, 30.0, 89.9, 90.0, 365.0, 9999.0, np.nan], "pool_lines": np.nan})
    assert list(groupings(table)["line_age"]) == ["0-29", "0-29", "30-89", "30-89", "90-179", "365+", "365+", None]
    assert "pool_size" not in groupings(table)


def test_holm_and_the_interval_agree_with_their_tables():
    got = holm(np.array([0.01, np.nan, 0.04, 0.03]))
    assert np.isnan(got[1]) and got[[0, 2, 3]] == pytest.approx([0.03, 0.06, 0.06])
    assert poisson_interval(0) == pytest.approx((0, 3.689), abs=1e-3)
    assert poisson_interval(10) == pytest.approx((4.795, 18.390), abs=1e-3)


def test_a_handful_of_flags_is_no_verdict_even_where_the_others_have_none():
    lines = np.arange(42)
    judged = Judged(np.zeros(42), np.ones(42), np.zeros(42, dtype=int), np.full(42, np.inf), lines)
    carrier = np.where(lines % 2 == 0, "CM", "CU").astype(object)
    score = np.where((carrier == "CM") & (lines < 10), 0.9, 0.1)
    found = by_group(pd.DataFrame({"carrier": carrier, "team": carrier}), judged, score, 5)
    row = found[found["group"] == "CM"].iloc[0]
    assert row["flagged"] == 5 and row["rest_false_positive_rate"] == 0 and np.isinf(row["false_positive_ratio"])
    assert row["p_flags"] > 0.05 and not found["over_flagged"].any()
