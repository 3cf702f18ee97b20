"""What a training leaves in MLflow, and that the registered model is the one that was judged."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.lake import Lake
from features.catalogue import CATALOGUE
from models import tracking
from models.pipeline import flat_settings, snapshot_task
from models.training import train
from pipelines.steps import chosen_model
from serving.published import Forecast
from tests.models import worlds
from tests.models.conftest import Trained
from tests.models.worlds import UNTIL


@pytest.fixture(scope="module")
def registry(trained: Trained) -> tracking.Registry:
    return tracking.connect(trained.home, worlds.settings(trained.home.root))


@pytest.fixture(scope="module")
def run(trained: Trained, registry: tracking.Registry):
    return registry._client.get_run(trained.report.run_id)


def test_the_run_is_finished_and_says_what_the_gate_said(run, trained):
    assert run.info.status == "FINISHED" and run.info.run_name == f"train until {day_date(UNTIL)}"
    assert run.data.tags["gate"] == trained.report.why
    assert run.data.tags["promoted"] == str(trained.report.promoted).lower()
    assert run.data.tags["version"] == trained.report.version == "bancast/1"


def test_the_run_has_every_setting_and_the_fingerprint_of_the_data(run, trained, home):
    found = run.data.params
    settings = worlds.settings(home.root)
    for name, value in flat_settings(settings).items():
        assert found[name] == str(value)
    assert found["data_fingerprint"] == Lake(home.lake).fingerprint(UNTIL)
    assert found["until"] == str(day_date(UNTIL)) and found["rows"] == str(trained.report.rows)
    assert found["bans"] == str(trained.report.bans) and len(CATALOGUE) >= int(found["features"]) > len(CATALOGUE) / 2
    gap = pd.Timestamp(found["test_from"]) - pd.Timestamp(found["train_until"])
    assert gap >= pd.Timedelta(days=max(settings.train.horizons))
    assert pd.Timestamp(found["test_to"]) < pd.Timestamp(day_date(UNTIL))


def test_the_run_has_the_metrics_of_model_and_baselines_on_the_same_rows(run, trained):
    found = run.data.metrics
    names = ("average_precision", "roc_auc", "precision_top_1pct", "recall_top_5pct", "lift_top_5", "attainable_precision_top_5")
    for who in ("model", "rule", "logistic"):
        for name in (*names, "days_of_warning_median", "bans_warned_share"):
            assert f"{who}/{name}" in found or name == "days_of_warning_median", (who, name)
        assert found[f"{who}/rows"] == found["model/rows"] and found[f"{who}/bans"] == found["model/bans"] > 0
    assert {"model/brier", "model/log_loss", "model/calibration_error"} <= set(found)
    assert "rule/brier" not in found, "the rule is no probability"
    assert set(trained.report.horizons) == {"1", "3", "7", "14"}
    for horizon, metrics in trained.report.horizons.items():
        assert found[f"model_{horizon}d/rows"] == metrics["rows"]
    assert trained.report.horizons["7"] == trained.report.metrics["model"]
    shares = [trained.report.horizons[h]["ban_rate"] for h in ("1", "3", "7")]
    assert shares == sorted(shares)


def test_the_run_has_plots_tables_and_importance_of_every_feature(registry, trained, bundle, tmp_path):
    listed = {item.path for item in registry._client.list_artifacts(trained.report.run_id, "evaluation")}
    tables = {"comparison.csv", "calibration.csv", "importance.csv", "notes.json"}
    plots = {"calibration.png", "precision_recall.png", "importance.png"}
    assert {f"evaluation/{name}" for name in tables | plots} <= listed
    with registry._global_uri():
        folder = Path(registry._client.download_artifacts(trained.report.run_id, "evaluation", str(tmp_path)))
    for name in plots:
        assert (folder / name).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    importance = pd.read_csv(folder / "importance.csv")
    assert set(importance["feature"]) == set(Forecast.read(bundle).names)
    assert importance["gain"].sum() == pytest.approx(1) and importance["gain"].is_monotonic_decreasing
    comparison = pd.read_csv(folder / "comparison.csv").set_index("metric")
    for who in ("model", "rule", "logistic"):
        assert comparison.loc["average_precision", who] == pytest.approx(trained.report.metrics[who]["average_precision"])
    bands = pd.read_csv(folder / "calibration.csv")
    assert bands["rows"].sum() == trained.report.metrics["model"]["rows"]


def test_the_registered_version_has_signature_input_example_and_tags(registry, trained, bundle):
    version = registry._client.get_model_version("bancast", "1")
    manifest = hashlib.sha256((bundle / "manifest.json").read_bytes()).hexdigest()
    assert version.tags["manifest_sha256"] == manifest
    assert version.tags["trained_until"] == str(day_date(UNTIL)) and version.tags["kind"] == "time"
    assert version.tags["data_fingerprint"] == Forecast.read(bundle).meta["data_fingerprint"]
    assert version.run_id == trained.report.run_id
    with registry._global_uri():
        info = registry._mlflow.models.get_model_info("models:/bancast/1")
    inputs = info.signature.inputs.input_names()
    assert inputs[:3] == ["as_of", "line_id", "carrier"] and inputs[3:] == Forecast.read(bundle).names
    outputs = info.signature.outputs.input_names()
    assert {"risk_1d", "risk_3d", "risk_7d", "risk_14d", "rank", "level", "reasons", "actions"} <= set(outputs)
    assert info.saved_input_example_info is not None


def test_aliases_stand_where_the_report_says(registry, trained):
    assert registry.resolve("bancast", "challenger").label == trained.report.version
    assert (registry.find("bancast", "champion") is not None) == trained.report.promoted
    assert registry.find("bancast", "7") is None and registry.find("nobody", "champion") is None


def test_the_twin_in_the_registry_gives_the_metrics_that_were_reported(bundle, run, trained, past):
    """The same rows, from a home that has not seen the future, through the published bundle: what was judged is what is kept."""
    twin, model = Forecast.read(bundle, part="evaluation", threads=1), Forecast.read(bundle, threads=1)
    first = pd.Timestamp(run.data.params["test_from"])
    rows = (past.table["as_of"] >= first).to_numpy() & past.labels["ban_7d"].notna().to_numpy()
    tested, label = past.table[rows], past.labels["ban_7d"].to_numpy()[rows]
    risk = twin.risks(tested)[:, twin.headline]
    reported = trained.report.metrics["model"]
    assert len(label) == reported["rows"]
    found = average_precision_score(label, risk, sample_weight=past.weight[rows])
    assert found == pytest.approx(reported["average_precision"], abs=1e-12)
    assert np.abs(model.risks(tested) - twin.risks(tested)).max() > 0.01, "the twin has learnt from less"


def test_a_model_that_ends_before_the_champions_last_day_does_not_replace_it(few, tmp_path, monkeypatch):
    """Its test rows may be among those that the champion has learnt from, and nobody would go back to an older model."""
    settings = worlds.settings(tmp_path / "home", min_bans=5)
    own = Home(tmp_path / "home")
    monkeypatch.setattr("models.training.logistic_scores", lambda *arrays: None)  # whatever the baselines are worth
    task = replace(snapshot_task(few, settings), with_rule=False)
    assert train(task, own, settings).version == "bancast/1"
    registry = tracking.connect(own, settings)
    registry.point(registry.resolve("bancast", "1"), "champion")
    older = replace(task, meta={**task.meta, "trained_until": str(day_date(UNTIL - 1))}, notes=[])
    report = train(older, own, settings)
    assert not report.promoted and "champion" not in report.metrics
    assert report.why.startswith(f"champion bancast/1 has learnt until {day_date(UNTIL)}, this one until {day_date(UNTIL - 1)}")
    assert registry.resolve("bancast", "champion").label == "bancast/1"
    assert registry.resolve("bancast", "challenger").label == "bancast/2"
    assert "champion" in train(task, own, settings).metrics, "of the same day they are compared"
    day = day_date(UNTIL - 1)
    assert chosen_model(own, {"version": "bancast/2"}, day) == "2" and chosen_model(own, None, day) == "champion"
    assert chosen_model(own, {"version": "bancast/2"}, day_date(UNTIL)) == "champion"
