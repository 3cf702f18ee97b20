"""Too few bans, no bans, too little history: one line with the numbers, and nothing registered; the rule then ranks."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import RuleSettings
from models import tracking
from models.baselines import PUBLISHED, logistic_scores, rule_limits, rule_scores
from models.dataset import Dataset
from models.pipeline import rule_bundle, snapshot_task, train_lake
from models.table import train_table
from serving.published import Forecast
from tests.models import worlds
from tests.models.worlds import UNTIL


def said(caught: pytest.ExceptionInfo[BadInput]) -> str:
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def without_bans(data: Dataset, kept: int = 0) -> Dataset:
    """The dataset as if only the first bans had been."""
    bans = data.outcomes.bans.iloc[:kept]
    labels = data.labels.where(data.labels != 1, 0.0)
    for ban in bans.itertuples():
        own = (data.table["line_id"] == ban.line_id).to_numpy()
        day = (data.table["as_of"] - pd.Timestamp(day_date(0))).dt.days.to_numpy()
        for name in labels:
            horizon = int(name.removeprefix("ban_").removesuffix("d"))
            labels.loc[own & (day <= ban.day) & (ban.day < day + horizon), name] = 1.0
    outcomes = type(data.outcomes)(bans, data.outcomes.left, data.outcomes.until, data.outcomes.delay)
    return Dataset(data.table, labels, data.weight, data.features, outcomes, data.fingerprint, data.missing)


def test_too_few_bans_are_counted_and_so_are_those_needed(few, tmp_path):
    settings = worlds.settings(tmp_path, min_bans=500)
    with pytest.raises(BadInput) as caught:
        snapshot_task(few, settings)
    bans = few.outcomes.bans
    number = int(said(caught).split("bans: ")[1].split()[0])
    assert 10 < number <= len(bans.drop_duplicates(["line_id", "day"]))
    assert "at least 500 are needed" in said(caught) and "the rule baseline ranks the lines" in said(caught)


def test_no_bans_at_all_are_called_none(few, tmp_path):
    with pytest.raises(BadInput) as caught:
        snapshot_task(without_bans(few), worlds.settings(tmp_path))
    assert said(caught).startswith("bans: no bans") and "at least 10 are needed" in said(caught)


def test_bans_in_the_test_period_alone_are_too_few(few, tmp_path):
    late = few.outcomes.bans[few.outcomes.bans["day"] > UNTIL - 22]
    assert len(late) > 5
    shown = Dataset(
        few.table,
        few.labels,
        few.weight,
        few.features,
        type(few.outcomes)(late, few.outcomes.left, UNTIL, few.outcomes.delay),
        "",
    )
    with pytest.raises(BadInput) as caught:
        snapshot_task(without_bans(shown, len(late)), worlds.settings(tmp_path, min_bans=3))
    assert "none among the snapshots before the test period" in said(caught)


def test_a_history_shorter_than_gap_and_test_period_says_how_long_it_must_be(few, tmp_path):
    days = few.table["as_of"]
    short = few.take((days > days.max() - pd.Timedelta(days=20)).to_numpy())
    with pytest.raises(BadInput) as caught:
        snapshot_task(short, worlds.settings(tmp_path, min_bans=1))
    assert "too little history" in said(caught) and "it takes about 70 days" in said(caught)


@pytest.mark.parametrize(
    ("until", "train", "says"),
    [
        (day_date(UNTIL - 84 + 10), {}, "too little history before 2026-01-15 to learn from; it takes 14 days of calls"),
        (date(2025, 12, 1), {}, "no calls known before 2025-12-01"),
        (day_date(UNTIL - 84), {}, "no calls known before 2026-01-05"),
    ],
)
def test_a_refused_training_registers_nothing_and_leaves_no_run(home: Home, lake: Lake, tmp_path, until, train, says):
    own = Home(tmp_path / "home")
    own.root.mkdir()
    own.lake.symlink_to(home.lake)
    with pytest.raises(BadInput, match=says) as caught:
        train_lake(own, worlds.settings(own.root, **train), until=until)
    said(caught)
    assert not own.mlflow_db.exists() and not own.mlflow_artifacts.exists()


def test_an_empty_home_says_what_to_do_first(tmp_path):
    with pytest.raises(BadInput, match="no calls in the lake; run `bancast ingest` first") as caught:
        train_lake(Home(tmp_path / "home"), worlds.settings(tmp_path / "home"))
    said(caught)


def test_a_training_that_breaks_midway_is_marked_as_failed_and_registers_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"id": range(200), "x": rng.normal(size=200), "y": rng.integers(0, 2, 200)})
    frame.to_parquet(tmp_path / "in.parquet")
    home, settings = Home(tmp_path / "home"), worlds.settings(tmp_path / "home")

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("models.bundle.seal", full)
    with pytest.raises(OSError, match="no space left"):
        train_table(home, settings, file=tmp_path / "in.parquet", label="y", id="id")
    client = tracking.connect(home, settings)._client
    experiment = client.get_experiment_by_name("bancast")
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FAILED"]
    assert list(client.search_registered_models()) == []


# --- the rule ------------------------------------------------------------------------------------------------------------


def rule(folder: Path, usual: dict | None = None, **more: object) -> Forecast:
    settings = worlds.settings(folder)
    settings = settings.model_copy(update={"levels": settings.levels.model_copy(update=more)}) if more else settings
    return Forecast.read(rule_bundle(folder / "bundle", settings, date(2026, 3, 1), "ab" * 32, usual))


def limits(n: int = 50, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame({"calls_1d": rng.gamma(2, 80, n), "calls_busiest_hour_1d": rng.gamma(2, 20, n)})
    table["complaints_7d"] = rng.poisson(1, n).astype(float)
    for name in PUBLISHED:
        table[name] = rng.gamma(2, 0.4, n)
    return table.mask(rng.random(table.shape) < 0.2)


def test_the_rule_is_a_bundle_that_scoring_reads(tmp_path):
    forecast = rule(tmp_path)
    assert forecast.meta["kind"] == "rule" and forecast.meta["trained_until"] == "2026-03-01"
    assert set(forecast.names) == set(limits().columns) == set(rule_limits(worlds.settings(tmp_path).rule))
    table = limits()
    risks = forecast.risks(table)
    assert risks.min() >= 0 and risks.max() <= 1 and (np.diff(risks, axis=1) >= 0).all()
    assert (np.diff(risks[risks[:, 0] > 0], axis=1) > 0).any(axis=1).all()
    np.testing.assert_allclose(forecast.margins(table)[:, 0], rule_scores(table, worlds.settings(tmp_path).rule))
    at_limit = pd.DataFrame({name: [0.0] for name in table.columns}).assign(calls_1d=150.0)
    assert forecast.risks(at_limit)[0, forecast.headline] == pytest.approx(0.15), "at a limit: the orange level, in a week"
    assert forecast.risks(at_limit * 0).max() == 0 and forecast.risks(at_limit * np.nan).max() == 0


def test_the_rule_says_what_is_usual_when_told(tmp_path):
    usual = {"": {"calls_1d": 70.0}, "CM": {"calls_1d": 90.0}}
    table = pd.DataFrame({name: [0.0, 0.0] for name in limits().columns}).assign(calls_1d=[300.0, 300.0])
    table = table.assign(line_id=["a", "b"], carrier=["CM", "other"], as_of=pd.Timestamp("2026-03-01"))
    reasons = rule(tmp_path, usual).score(table)["reasons"]
    assert [row[0]["usual"] for row in reasons] == [90.0, 70.0] and reasons[0][0]["feature"] == "calls_1d"
    model = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert model["usual"] == usual


@pytest.mark.parametrize("orange", [0.0, 1.0])
def test_a_level_at_the_end_of_its_range_still_makes_a_rule_that_ranks(tmp_path, orange):
    risk = rule(tmp_path, orange=orange).risks(limits())[:, 2]
    assert risk.max() <= 1 and len(np.unique(risk)) > 10


def test_rule_scores_by_hand():
    settings = RuleSettings()
    table = pd.DataFrame(
        {"calls_1d": [150.0, 75.0, np.nan, 0], "complaints_7d": [0, 3.0, np.nan, 0], PUBLISHED[0]: [0.5, 1.2, np.nan, 0]}
    )
    assert rule_scores(table, settings).tolist() == [1.0, 1.5, 0.0, 0.0]
    assert rule_scores(table[[]].assign(other=1.0), settings).tolist() == [0.0] * 4


def test_the_logistic_baseline_learns_from_weights_and_gives_probabilities_or_nothing():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 2))
    label = (rng.random(500) < 1 / (1 + np.exp(-2 * values[:, 0]))).astype(float)
    values[::7, 1] = np.nan
    risk, weight = logistic_scores(values, label, np.ones(500), values)
    assert ((risk > 0) & (risk < 1)).all() and weight[0] > 5 * abs(weight[1])
    heavier, _ = logistic_scores(values, label, np.where(label == 1, 5.0, 1.0), values)
    assert heavier.mean() > risk.mean() + 0.1
    assert logistic_scores(values, np.zeros(500), np.ones(500), values) is None
