"""Judging of quality: each figure against one computed by hand, no row of the future in training, and the command end to end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import benchmarks.quality as quality
from benchmarks.quality import PLAIN, Field, compared, early_share, weekly_precision
from data_schemas.clock import day_date
from data_schemas.settings import Settings, load_settings
from models.evaluation import Judged

ROOT = Path(__file__).parents[2]


def judged(label: list[int], group: list[int], days: list[float]) -> Judged:
    n = len(label)
    return Judged(np.array(label, float), np.ones(n), np.array(group), np.array(days, float), np.arange(n))


def test_a_warning_is_early_from_two_days_ahead_and_only_in_the_latest_list_before() -> None:
    rows = judged([0] * 40, [0] * 20 + [7] * 20, [1, 2, 8, 9] + [np.inf] * 16 + [5] + [np.inf] * 19)
    flags_third = np.zeros(40)
    flags_third[2], flags_third[30] = 1, 1  # one line of twenty a list
    assert early_share(rows, flags_third) == pytest.approx(1 / 3)  # due: 2 and 8 days in the first list, 5 in the second
    flags_late = np.zeros(40)
    flags_late[0], flags_late[20] = 1, 1
    assert early_share(rows, flags_late) == pytest.approx(1 / 3)  # a ban tomorrow is warned of too late
    assert early_share(judged([0, 0], [0, 0], [np.inf, 0]), np.array([0.0, 1.0])) is None


def test_the_weekly_mean_leaves_out_weeks_without_a_ban() -> None:
    rows = judged([1, 0, 0, 0, 0, 1], [0, 0, 7, 7, 14, 14], [0, np.inf] + [np.inf] * 2 + [np.inf, 0])
    assert weekly_precision(rows, np.array([2.0, 1, 1, 2, 2, 1])) == pytest.approx((1 + 0.5) / 2)


def test_ratios_are_against_the_plain_model_and_only_probabilities_are_expected_to_add_up() -> None:
    rows = judged([1, 0, 0, 0], [0] * 4, [3] + [np.inf] * 3)
    all_of = Field(
        {"bancast": np.array([0.5, 0.1, 0.1, 0.1]), "rule": np.array([9.0, 1, 2, 3]), PLAIN: np.array([0.2, 0.4, 0.1, 0.1])}
    )
    all_of.probable, all_of.seconds = {"bancast", PLAIN}, {"bancast": 4.0}
    found = {row["who"]: row for row in compared(rows, all_of)}
    assert found[PLAIN]["ratio"] == 1 and found["bancast"]["ratio"] == pytest.approx(2)
    assert found["bancast"]["expected"] == pytest.approx(0.8) and found["rule"]["expected"] is None
    assert found["bancast"]["seconds"] == 4 and found["bancast"]["bans"] == 1 and found["bancast"]["rows"] == 4


def test_the_plain_model_learns_from_nothing_whose_week_reaches_the_cut(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first, cut = 20_000, 20_090
    seen: dict[str, pd.DataFrame] = {}

    def frame(folder: Path, days: list[object], horizon: int, zone: str) -> pd.DataFrame:
        return pd.DataFrame({"as_of": days, "line_id": 5, "label": 0})

    def scores(train: pd.DataFrame, test: pd.DataFrame, seed: int) -> np.ndarray:
        seen.update(train=train, test=test)
        return np.full(len(test), 0.25)

    monkeypatch.setattr(quality, "plain_frame", frame)
    monkeypatch.setattr(quality, "plain_scores", scores)
    as_of = pd.to_datetime([day_date(cut), day_date(cut), day_date(cut + 7)]).astype("datetime64[s]")
    table = pd.DataFrame({"as_of": as_of, "line_id": ["5", "unknown", "5"]})
    told: list[str] = []
    settings: Settings = load_settings(tmp_path)
    assert quality._plain(tmp_path, table, first, cut, settings, told.append).tolist() == [0.25, 0.0, 0.25]
    learnt = (seen["train"]["as_of"] - pd.Timestamp("1970-01-01")).dt.days
    assert learnt.max() == cut - 7 and learnt.min() >= first + 28 and (np.diff(learnt) == 7).all()
    assert seen["test"]["as_of"].min() == pd.Timestamp(day_date(cut)) and "1 of 3" in told[0]


def test_the_command_judges_a_made_world_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks", "quality", "--kinds", "complaints", "--lines", "250", "--days", "100"]
    command += ["--calls", "10", "--out", str(tmp_path / "found")]
    homes = tmp_path / "temporary"
    homes.mkdir()
    environment = {
        "TMPDIR": str(homes),
        "PATH": "",
        "HOME": str(tmp_path),
        "BANCAST_TRAIN__ROUNDS": "20",
        "BANCAST_TRAIN__EVERY_DAYS": "7",
    }
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    rows = {row["who"]: row for row in json.loads((tmp_path / "found.json").read_text())["quality"]}
    assert list(rows) == ["bancast", "rule", "logistic regression", "plain LightGBM", quality.TRUTH, quality.WEEK]
    for row in rows.values():
        assert row["rows"] == rows["rule"]["rows"] > 0 and row["bans"] == rows["rule"]["bans"] > 0
        assert 0 < row["ap"] <= 1 and 0 <= row["p50"] <= row["best_p50"] <= 1
    assert rows[quality.TRUTH]["roc_auc"] > 0.5 and rows["bancast"]["seconds"] > 0
    assert (tmp_path / "found.md").read_text() == done.stdout
    assert list(homes.iterdir()) == []
    assert "complaints: train until" in done.stderr
