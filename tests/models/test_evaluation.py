"""Metrics, by hand and against scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, log_loss, roc_auc_score

from models.evaluation import BINS, Judged, calibration_table, comparison, evaluate
from models.plots import calibration_plot, importance_plot, precision_recall_plot


def judged(
    label: list[float], weight: list[float] | None = None, group: list[int] | None = None, days=None, lines=None
) -> Judged:
    n = len(label)
    return Judged(
        np.array(label, dtype=float),
        np.ones(n) if weight is None else np.array(weight, dtype=float),
        np.zeros(n, dtype=int) if group is None else np.array(group),
        np.full(n, np.inf) if days is None else np.array(days, dtype=float),
        np.arange(n) if lines is None else np.array(lines),
    )


def test_precision_recall_and_lift_of_the_top_lines_by_hand():
    """Ten lines, four banned; the first three of the list hold two of them."""
    label = [1, 0, 1, 0, 1, 0, 0, 1, 0, 0]
    found = evaluate(judged(label), np.linspace(0.9, 0.1, 10), flags=3, horizon=7)
    assert found["precision_top_3"] == pytest.approx(2 / 3)
    assert found["recall_top_3"] == pytest.approx(2 / 4)
    assert found["lift_top_3"] == pytest.approx((2 / 3) / 0.4)
    assert found["attainable_precision_top_3"] == 1.0
    assert found["rows"] == 10 and found["bans"] == 4 and found["ban_rate"] == pytest.approx(0.4)


def test_a_list_longer_than_the_bans_cannot_reach_1_and_says_so():
    found = evaluate(judged([1, 0, 0, 0, 0, 0, 0, 1, 0, 0]), np.linspace(0.9, 0.1, 10), flags=5, horizon=7)
    assert found["attainable_precision_top_5"] == pytest.approx(2 / 5)
    assert found["precision_top_5"] == pytest.approx(1 / 5) and found["recall_top_5"] == 0.5


def test_the_top_5_percent_of_each_snapshot_is_its_own_list():
    """Two snapshots of forty lines: two flags each, however high the other snapshot's scores are."""
    label, score = np.zeros(80), np.linspace(0.1, 0.2, 80)
    label[[38, 39, 40]] = 1
    score[40:] += 0.5
    found = evaluate(judged(label.tolist(), group=[0] * 40 + [1] * 40), score, flags=100, horizon=7)
    assert found["precision_top_5pct"] == pytest.approx((2 / 2 + 0 / 2) / 2)
    assert found["recall_top_5pct"] == pytest.approx((1 + 0) / 2)
    assert found["attainable_precision_top_5pct"] == pytest.approx((1 + 0.5) / 2)
    assert found["precision_top_1pct"] == 0.5, "at least one line is looked at"
    assert found["recall_top_100"] == 1 and found["lift_top_100"] == pytest.approx(1)


def test_a_snapshot_without_bans_counts_for_precision_so_that_chance_has_a_lift_of_1():
    """Looking at everybody finds each ban and is no better than chance, though nobody was banned in the first week."""
    found = evaluate(judged([0] * 10 + [1, 1] + [0] * 8, group=[0] * 10 + [1] * 10), np.linspace(0, 1, 20), flags=10, horizon=7)
    assert found["lift_top_10"] == pytest.approx(1)
    assert found["precision_top_10"] == pytest.approx(0.1) == found["attainable_precision_top_10"]
    assert found["recall_top_10"] == 1


def test_a_weight_stands_for_rows_that_were_left_out():
    """Ninety rows without a ban, thinned to nine of weight ten: the same metrics as all of them."""
    label = np.array([1, 1, 0, 1] + [0] * 89)
    whole_score = np.array([0.9, 0.8, 0.7, 0.2] + [0.5] * 40 + [0.1] * 49)
    whole = evaluate(judged(label.tolist()), whole_score, flags=3, horizon=7)
    thin_label, thin_score = [1, 1, 0, 1] + [0] * 9, np.array([0.9, 0.8, 0.7, 0.2] + [0.5] * 4 + [0.1] * 5)
    thin = evaluate(judged(thin_label, [1, 1, 1, 1] + [10] * 4 + [9.8] * 5), thin_score, flags=3, horizon=7)
    for name in (
        "average_precision",
        "roc_auc",
        "brier",
        "log_loss",
        "precision_top_3",
        "recall_top_3",
        "lift_top_3",
        "ban_rate",
    ):
        assert thin[name] == pytest.approx(whole[name]), name


def test_days_of_warning_are_counted_from_the_first_snapshot_that_flagged_the_line():
    """Line 1 is banned on day 10, line 2 on day 9, line 3 never; one flag a snapshot, horizon 7.

    Day 4: line 1 flagged (6 days ahead). Day 7: line 2 flagged (2 ahead). Day 1: line 1 flagged too soon (9 days ahead).
    """
    days = {1: 10, 2: 9, 3: np.inf}
    rows = [(day, line, days[line] - day) for day in (1, 4, 7) for line in (1, 2, 3)]
    top = {(1, 1), (4, 1), (7, 2)}
    score = np.array([0.9 if (day, line) in top else 0.1 * line / 10 for day, line, _ in rows])
    group, lines, ahead = zip(*rows, strict=True)
    found = evaluate(judged([float(a < 7) for a in ahead], None, group, ahead, lines), score, flags=1, horizon=7)
    assert found["bans_warned_share"] == 1.0
    assert found["days_of_warning_median"] == pytest.approx((6 + 2) / 2)
    safe = np.array([float(line == 3) for line in lines])
    never = evaluate(judged([float(a < 7) for a in ahead], None, group, ahead, lines), safe, flags=1, horizon=7)
    assert never["bans_warned_share"] == 0.0 and "days_of_warning_median" not in never
    json.dumps(never, allow_nan=False)


def test_two_bans_of_one_line_are_two_warnings():
    ahead = [2.0, 5.0]
    found = evaluate(judged([1, 1, 0], None, [0, 20, 20], [*ahead, np.inf], [1, 1, 2]), np.array([0.9, 0.8, 0.1]), 1, 7)
    assert found["bans_warned_share"] == 1 and found["days_of_warning_median"] == 3.5


def test_warnings_take_thinned_rows_for_as_many_as_they_stand_for():
    """The line is third in the thinned list, and behind some twenty lines in truth: five flags do not reach it."""
    weight, ahead = [10, 10, 1, 10], [np.inf, np.inf, 3.0, np.inf]
    found = evaluate(judged([0, 0, 1, 0], weight, days=ahead), np.array([0.9, 0.8, 0.7, 0.1]), flags=5, horizon=7)
    assert found["bans_warned_share"] == 0.0
    more = evaluate(judged([0, 0, 1, 0], weight, days=ahead), np.array([0.9, 0.8, 0.7, 0.1]), flags=21, horizon=7)
    assert more["bans_warned_share"] == 1.0 and more["recall_top_21"] == 1.0


@how(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.1, 20), st.integers(0, 3)), min_size=2, max_size=80))
def test_metrics_are_those_of_scikit_learn_and_within_their_bounds(rows):
    label, score, weight, group = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    found = evaluate(judged(label, weight, group.astype(int)), score, flags=3, horizon=7)
    clipped = np.clip(score, 1e-7, 1 - 1e-7)
    assert found["brier"] == pytest.approx(brier_score_loss(label, clipped, sample_weight=weight))
    assert found["log_loss"] == pytest.approx(log_loss(label, clipped, sample_weight=weight, labels=[0, 1]))
    if 0 < label.sum() < len(label):
        assert found["average_precision"] == pytest.approx(average_precision_score(label, score, sample_weight=weight))
        assert found["roc_auc"] == pytest.approx(roc_auc_score(label, score, sample_weight=weight))
        for size in ("1pct", "5pct", "3"):
            assert 0 <= found[f"precision_top_{size}"] <= found[f"attainable_precision_top_{size}"] + 1e-12 <= 1 + 1e-9
            assert 0 <= found[f"recall_top_{size}"] <= 1 + 1e-12
    else:
        assert "average_precision" not in found and "precision_top_3" not in found


@how(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(0.1, 20)), min_size=1, max_size=80))
def test_bands_of_risk_hold_every_row_once_and_keep_the_sums(rows):
    label, score, weight = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    table = calibration_table(judged(label, weight), score)
    assert 1 <= len(table) <= BINS and table["rows"].sum() == len(rows)
    assert table["weight"].sum() == pytest.approx(weight.sum())
    assert (table["weight"] * table["expected"]).sum() == pytest.approx((weight * score).sum())
    assert (table["weight"] * table["observed"]).sum() == pytest.approx((weight * label).sum())
    assert (table["low"].to_numpy()[1:] >= table["high"].to_numpy()[:-1]).all()


def test_calibration_error_is_the_mean_gap_between_what_was_expected_and_what_came():
    label, score = [1, 0, 0, 0, 0, 1], np.array([0.1] * 3 + [0.4] * 3)
    found = evaluate(judged(label), score, flags=2, horizon=7)
    table = calibration_table(judged(label), score)
    gap = sum(r.weight * abs(r.expected - r.observed) for r in table.itertuples()) / 6
    assert found["calibration_error"] == pytest.approx(gap) and gap > 0.05
    assert found["expected_over_observed"] == pytest.approx(1.5 / 2)


def test_a_score_that_is_no_probability_is_judged_by_rank_alone():
    found = evaluate(judged([0, 1, 0]), np.array([0.0, 40.0, 3.0]), flags=1, horizon=7, probability=False)
    assert found["average_precision"] == 1 and not {"brier", "log_loss", "calibration_error"} & set(found)


def test_the_comparison_has_every_metric_of_anybody_once():
    rows = comparison({"model": {"a": 1.0, "b": 2.0}, "rule": {"a": 3.0}})
    assert rows == [{"metric": "a", "model": 1.0, "rule": 3.0}, {"metric": "b", "model": 2.0, "rule": None}]


def test_plots_show_what_they_were_given():
    label, score = [0, 0, 1, 0, 1, 1], np.array([0.01, 0.05, 0.1, 0.2, 0.6, 0.9])
    own = judged(label)
    bands = calibration_table(own, score)
    dots = calibration_plot(bands, "c").axes[0].collections[0].get_offsets()
    np.testing.assert_allclose(dots[:, 0], bands["expected"])
    curves = precision_recall_plot(own, {"model": score, "rule": -score}, "pr").axes[0]
    assert [line.get_label().split(" (")[0] for line in curves.lines] == ["model", "rule", "by chance"]
    assert f"({average_precision_score(label, score):.3f})" in curves.lines[0].get_label()
    bars = importance_plot(pd.DataFrame({"feature": list("abc"), "gain": [0.2, 0.5, 0.3]}), "i", rows=2).axes[0]
    assert [bar.get_width() for bar in bars.patches] == [0.3, 0.5]
