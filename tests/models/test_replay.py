"""History replayed: nobody knew more than was known, and the report says what the rows say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.build import build_features
from models.backtest import BacktestReport, measure
from models.backtest_run import backtest
from models.dataset import build_dataset
from models.pipeline import snapshot_task
from models.replay import Replay, replay
from models.training import write_bundle
from serving.published import Forecast
from tests.models import worlds

DAYS = (worlds.UNTIL - 14, worlds.UNTIL - 7, worlds.UNTIL)


def replayed(lake: Lake, home: Home, settings: Settings, folder: Path, days: Sequence[int] = DAYS) -> Replay:
    """A replay trained at the first day and every fortnight, with a few features; the backtest below has them all."""
    return replay(lake, home, settings, days, 14, folder, catalogue=worlds.FEW)


@pytest.fixture(scope="module")
def found(home: Home, lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Replay:
    """A replay of three weeks, trained at the first and the last."""
    return replayed(lake, home, worlds.settings(home.root), tmp_path_factory.mktemp("replay"))


@pytest.fixture(scope="module")
def report(found: Replay, home: Home) -> BacktestReport:
    return measure(found, worlds.settings(home.root), 7, 14)


def _scores(rows: pd.DataFrame) -> pd.DataFrame:
    kept = ["day", "line_id", *(name for name in rows if name.startswith("risk_")), "champion", "rule", "logistic", "frozen"]
    return rows[kept].sort_values(["day", "line_id"], ignore_index=True)


def test_another_future_changes_no_score_of_the_past_by_a_bit(found: Replay, tables: worlds.Tables, tmp_path: Path) -> None:
    """Invariant 1, through trainings, gate and watch: the home never saw what became known later, or saw something else."""
    lake = worlds.lake_of(tmp_path / "home", worlds.other_future(tables, seed=8))
    other = replayed(lake, Home(tmp_path / "home"), worlds.settings(tmp_path / "home"), tmp_path)
    pd.testing.assert_frame_equal(_scores(other.rows), _scores(found.rows), check_exact=True)
    assert [one.promoted for one in other.trainings] == [one.promoted for one in found.trainings]


def test_a_day_is_scored_as_train_until_and_score_would_have(found: Replay, home: Home, lake: Lake, tmp_path: Path) -> None:
    settings = worlds.settings(home.root)
    task = snapshot_task(build_dataset(lake, settings, DAYS[0], catalogue=worlds.FEW), settings)
    write_bundle(task, tmp_path / "bundle", settings)
    forecast = Forecast.read(tmp_path / "bundle", threads=1)
    for day in DAYS[:2]:  # the second day is scored by the model of the first
        table = build_features(lake, settings, [day], catalogue=worlds.FEW)
        wanted = forecast.risks(table.assign(**{name: np.nan for name in forecast.names if name not in table}))
        own = found.rows[found.rows["day"] == day].set_index("line_id").loc[table["line_id"]]
        assert (own[[f"risk_{h}d" for h in forecast.horizons]].to_numpy() == wanted).all()


def test_trainings_come_when_they_are_due_and_the_frozen_model_is_the_first(found: Replay) -> None:
    assert [one.day for one in found.trainings] == [DAYS[0], DAYS[2]]
    first = found.rows["day"] < DAYS[2]
    assert (found.rows["frozen"][first] == found.rows["risk_7d"][first]).all()
    assert not (found.rows["frozen"][~first] == found.rows["risk_7d"][~first]).all()


def test_the_report_counts_what_the_rows_say(found: Replay, report: BacktestReport) -> None:
    known = found.rows[found.rows["ban_7d"].notna()]
    assert report.rows == len(known) and report.bans == int(known["ban_7d"].sum())
    for entries in (report.weeks, report.months, report.carriers):
        assert sum(entry["rows"] for entry in entries) == report.rows
        assert sum(entry["bans"] for entry in entries) == report.bans
        assert sum(entry["model_expected"] for entry in entries) == pytest.approx(known["risk_7d"].sum())
        # Flags are given a week over all lines.
        assert sum(entry["model_flags"] for entry in entries) == 5 * known["day"].nunique()
    for entry in report.warning:
        assert 0 <= entry["early"] <= entry["warned"] <= 1
    whole = report.overall["model"]["average_precision"]
    stated = {entry["name"]: entry for entry in report.intervals}
    assert stated["average_precision model"]["value"] == pytest.approx(whole)
    difference = stated["average_precision model - rule"]
    assert difference["value"] == pytest.approx(whole - report.overall["rule"]["average_precision"])
    assert difference["low"] <= difference["value"] <= difference["high"]


def test_a_backtest_leaves_a_page_its_numbers_and_a_run_with_a_child_a_date(home: Home) -> None:
    from models.tracking import mlflow_module, store_uri

    settings = worlds.settings(home.root)
    first, last = day_date(DAYS[1]), day_date(DAYS[2])
    told: list[float] = []
    report, folder, run = backtest(
        home, settings, first=first, last=last, ablation=True, progress=lambda step, share: told.append(share)
    )
    assert sorted(path.name for path in folder.iterdir()) == ["backtest.html", "backtest.json", "scored.parquet"]
    assert told == sorted(told) and told[-1] == 1.0
    assert {entry["family"] for entry in report.ablation} >= {"all", "frequency", "complaints"}
    assert report.learning and report.learning[-1]["rows"] >= report.learning[0]["rows"]
    client = mlflow_module().MlflowClient(tracking_uri=store_uri(home, settings))
    parent = client.get_run(run)
    assert parent.data.metrics["model/average_precision"] == pytest.approx(report.overall["model"]["average_precision"])
    children = client.search_runs([parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run}'")
    assert {child.data.tags["as_of"] for child in children} == {week["name"] for week in report.weeks}
    assert not list(home.scratch.glob("backtest-*"))


def test_days_that_the_lake_does_not_know_are_refused_in_one_line(home: Home) -> None:
    settings = worlds.settings(home.root)
    with pytest.raises(BadInput, match="the lake knows"):
        backtest(home, settings, first=day_date(DAYS[0] - 400), last=day_date(DAYS[0]))
    with pytest.raises(BadInput, match="before --from"):
        backtest(home, settings, first=day_date(DAYS[1]), last=day_date(DAYS[0]))
    assert not (home.root / "backtests" / "x").exists()


def test_a_folder_that_refuses_is_found_before_the_replay(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.backtest_run.replay", lambda *given: pytest.fail("worked for nothing"))
    monkeypatch.setattr(Home, "backtest_folder", lambda own, first, last: own.lake / "manifest.json" / "x")
    assert (home.lake / "manifest.json").is_file()
    with pytest.raises(NotADirectoryError):
        backtest(home, worlds.settings(home.root), first=day_date(DAYS[1]), last=day_date(DAYS[2]))


def test_before_there_are_bans_the_rule_stands_and_a_note_says_why(home: Home, lake: Lake, tmp_path: Path) -> None:
    settings = worlds.settings(home.root, min_bans=10_000)
    none = replayed(lake, home, settings, tmp_path, DAYS[:1])
    report = measure(none, settings, 7, 14)
    assert set(report.overall) == {"rule"}
    assert any("nothing could be learnt" in note for note in report.notes)
