"""Learning, the bundle it leaves, and the risks that are published from it (invariants 1, 5 and 6 for models)."""

from __future__ import annotations

import json
import math
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from models import bundle as bundles
from models.dataset import Dataset
from models.forecast import SHARES, Fitted, Sample, fit
from models.linear import STRENGTHS
from models.pipeline import snapshot_task
from models.training import write_bundle
from serving.published import Forecast
from tests.models import worlds

DIRECTIONS = [1, -1, 0, 1]
NAMES = ["more", "less", "free", "against"]


def sample(n: int = 3000, seed: int = 0) -> Sample:
    """Two horizons; the last feature moves risk against what is declared of it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 2, (n, 4)).astype("float32")
    drive = 0.6 * values[:, 0] - 0.6 * values[:, 1] + np.abs(values[:, 2]) - 0.8 * values[:, 3]
    values[rng.random(values.shape) < 0.1] = np.nan
    week = (rng.random(n) < expit(drive - 3)).astype(float)
    day = week * (rng.random(n) < 0.4)
    week[rng.random(n) < 0.05] = np.nan
    return Sample(values, {1: day, 7: week}, np.ones(n))


FOLDS = [(np.arange(0, 1500), np.arange(2000, 3000)), (np.arange(0, 1000), np.arange(1300, 2000))]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    settings = worlds.settings(tmp_path_factory.mktemp("fit"), rounds=60, bags=2)
    return fit(sample(), FOLDS, DIRECTIONS, settings, headline=7)


def published(folder: Path, fitted: Fitted, seed: int = 7) -> Forecast:
    features = [{"name": n, "family": "x", "doc": n, "unit": "", "direction": d} for n, d in zip(NAMES, DIRECTIONS, strict=True)]
    meta = {"kind": "time", "id": "line_id", "group": None, "features": features, "usual": {}, "actions": [], "seed": seed}
    meta |= {"levels": {"mode": "threshold", "red": 0.3, "orange": 0.2, "yellow": 0.1}, "trained_until": None, "notes": []}
    bundles.write_model(folder, fitted, meta)
    bundles.seal(folder)
    return Forecast.read(folder, threads=1)


@pytest.fixture(scope="module")
def forecast(fitted: Fitted, tmp_path_factory: pytest.TempPathFactory) -> Forecast:
    return published(tmp_path_factory.mktemp("published") / "bundle", fitted)


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(values, columns=NAMES)


def test_it_finds_what_is_there_to_find(forecast):
    fresh = sample(seed=5)
    known = ~np.isnan(fresh.labels[7])
    from sklearn.metrics import roc_auc_score

    risk = forecast.risks(frame(fresh.values))
    assert roc_auc_score(fresh.labels[7][known], risk[known, 1]) > 0.75
    for horizon, place in ((1, 0), (7, 1)):
        label = fresh.labels[horizon]
        known = ~np.isnan(label)
        expected, spread = risk[known, place].sum(), np.sqrt((risk[known, place] * (1 - risk[known, place])).sum())
        assert abs(label[known].sum() - expected) < 5 * math.sqrt(2) * spread, horizon


def test_the_published_margins_are_those_of_the_parts_that_were_fitted(forecast, fitted):
    values = sample(seed=6).values
    for place, horizon in enumerate(fitted.horizons):
        trees = [lightgbm.Booster(model_str=text).predict(values, raw_score=True) for text in fitted.boosters[horizon]]
        line = fitted.linear[horizon]
        logs = np.sign(values) * np.log1p(np.abs(values.astype("float64")))
        logs = np.where(np.isnan(logs), line["fill"], logs)
        scaled = np.clip((logs - line["mean"]) / line["scale"], -line["reach"], line["reach"])
        straight = scaled @ np.array(line["weight"]) + line["intercept"]
        margin = line["share"] * straight + (1 - line["share"]) * np.mean(trees, axis=0)
        np.testing.assert_allclose(forecast.margins(frame(values))[:, place], margin, atol=1e-9)
        risk = fitted.curves[horizon](margin)
        assert (forecast.risks(frame(values))[:, place] >= risk - 1e-9).all()


def test_what_was_chosen_is_recorded_and_among_the_choices(fitted):
    assert fitted.horizons == (1, 7) and fitted.headline == 7
    assert len(fitted.boosters[7]) == 2 and len(fitted.boosters[1]) == 1
    for horizon in fitted.horizons:
        chosen = fitted.chosen[horizon]
        assert set(chosen) == {"rounds", "strength", "share"}
        assert chosen["share"] in SHARES and chosen["share"] == fitted.linear[horizon]["share"]
        assert chosen["strength"] in STRENGTHS and chosen["rounds"] >= 1
        for text in fitted.boosters[horizon]:  # LightGBM leaves out a tree that found nothing to split
            assert 0.8 * chosen["rounds"] <= lightgbm.Booster(model_str=text).num_trees() <= chosen["rounds"]
    assert fitted.importance.shape == (4,) and fitted.importance.sum() == pytest.approx(1) and (fitted.importance >= 0).all()
    assert fitted.notes == []


def moved_against(forecast: Forecast, table: pd.DataFrame, seed: int) -> list[str]:
    """Features whose risk, at any horizon, moves against their declaration when they alone are raised in random rows."""
    rng = np.random.default_rng(seed)
    declared = [feature for feature in forecast.meta["features"] if feature["direction"]]
    base = table.sample(12 * len(declared), replace=True, random_state=seed).reset_index(drop=True)[forecast.names]
    low, high = base.copy(), base.copy()
    for place, feature in enumerate(declared):
        rows = range(12 * place, 12 * place + 12)
        seen = table[feature["name"]].dropna().to_numpy(dtype=float)
        pairs = np.sort(rng.choice(np.concatenate([seen, [0, 1, 1e3, -5, seen.max() * 3]]), (12, 2)), axis=1)
        low.loc[rows, feature["name"]], high.loc[rows, feature["name"]] = pairs.T
    change = forecast.risks(high.astype("float64")) - forecast.risks(low.astype("float64"))
    signs = np.repeat([feature["direction"] for feature in declared], 12)
    against = (signs[:, None] * change < -1e-12).any(axis=1)
    return sorted({declared[row // 12]["name"] for row in np.flatnonzero(against)})


@pytest.mark.parametrize("seed", range(5))
def test_risk_never_moves_against_a_declaration_though_the_data_say_so(forecast, seed):
    assert moved_against(forecast, frame(sample(seed=seed).values), seed) == []


def test_without_declarations_the_same_data_do_move_risk_the_other_way(tmp_path):
    """The test above can fail."""
    settings = worlds.settings(tmp_path, rounds=60)
    free = published(tmp_path / "bundle", fit(sample(), FOLDS, [0, 0, 0, 0], settings, headline=7))
    assert "against" in moved_against(free, frame(sample().values), 1)


@pytest.mark.parametrize("seed", range(3))
def test_no_feature_of_the_catalogue_moves_the_published_risk_against_its_declaration(bundle, few, seed):
    """The whole model, in the registry, at all horizons: trees, straight part, calibration, and risks in order."""
    forecast = Forecast.read(bundle, threads=1)
    usual = forecast.meta["usual"][""]
    rng = np.random.default_rng(seed)
    rows = {name: rng.gamma(1.0, abs(usual.get(name, 1.0)) + 0.5, 300) for name in forecast.names}
    table = pd.DataFrame(rows).mask(rng.random((300, len(forecast.names))) < 0.1)
    assert moved_against(forecast, table, seed) == []


def test_risks_are_probabilities_that_never_fall_with_the_horizon(bundle):
    forecast = Forecast.read(bundle, threads=1)
    rng = np.random.default_rng(3)
    table = pd.DataFrame(
        rng.normal(0, 1, (500, len(forecast.names))) * 10.0 ** rng.integers(-3, 7, (500, 1)), columns=forecast.names
    )
    table = table.mask(rng.random(table.shape) < 0.3)
    table.iloc[0], table.iloc[1], table.iloc[2] = np.nan, np.inf, -np.inf
    risks = forecast.risks(table)
    assert risks.shape == (500, 4) and np.isfinite(risks).all()
    assert risks.min() >= 0 and risks.max() <= 1 and (np.diff(risks, axis=1) >= 0).all()


def finite(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    if isinstance(value, list):
        return all(map(finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def test_a_bundle_is_plain_text_and_strict_json_with_a_twin_inside(bundle):
    files = sorted(path for path in bundle.rglob("*") if path.is_file())
    assert {path.suffix for path in files} == {".txt", ".json"}

    def strange(word: str) -> float:
        raise AssertionError(word)

    for part in ("", "evaluation"):
        model = json.loads((bundle / part / "model.json").read_text(), parse_constant=strange)
        assert finite(model) and set(model["boosters"]) == set(model["linear"]) == set(model["calibration"]) == {
            "1",
            "3",
            "7",
            "14",
        }
        assert set(model["usual"]) == {"", "CM", "CU"}
        assert model["trained_until"] == "2026-03-30" and model["headline"] == 7
        assert model["levels"]["mode"] == "threshold" and model["actions"]
        assert [feature["name"] for feature in model["features"]] == Forecast.read(bundle, part=part).names
    assert (bundle / "model.json").read_bytes() != (bundle / "evaluation" / "model.json").read_bytes()


def test_folds_without_bans_are_calibrated_on_what_was_learnt_and_a_note_says_so(tmp_path):
    own = sample(600)
    own.labels[1] = np.where(np.arange(600) < 300, own.labels[1], 0.0)
    folds = [(np.arange(0, 300), np.arange(400, 600))]
    settings = worlds.settings(tmp_path)
    found = fit(own, folds, DIRECTIONS, settings, headline=7)
    assert found.notes == ["horizon 1: no ban in the checked rows; calibrated on the rows learnt from"]
    assert set(found.curves) == {1, 7} and 0 < found.curves[1](np.array([0.0]))[0] < 1
    nobody = Sample(own.values, {7: own.labels[7], 1: np.zeros(600)}, own.weight)
    risk = published(tmp_path / "b", fit(nobody, folds, DIRECTIONS, settings, headline=7)).risks(frame(own.values))
    assert (risk[:, 0] < 0.01).all(), "nobody was banned within a day"


def test_the_same_data_settings_and_seed_give_the_same_bytes_and_another_seed_others(few: Dataset, tmp_path):
    shas = {}
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        settings = worlds.settings(tmp_path, seed=seed)
        _, shas[name] = write_bundle(snapshot_task(few, settings), tmp_path / name, settings)
    assert shas["one"] == shas["two"] != shas["other"]
    one, other = (json.loads((tmp_path / name / "manifest.json").read_text())["files"] for name in ("one", "other"))
    assert one["boosters/7d-0.txt"] != other["boosters/7d-0.txt"]


def test_usual_values_are_medians_of_the_group_and_of_all_where_it_is_small():
    rows = pd.DataFrame({"carrier": ["A"] * 25 + ["B"] * 19, "x": [1.0] * 25 + [9.0] * 19, "y": np.nan})
    assert bundles.usual_values(rows, ["x", "y"], "carrier") == {"": {"x": 1.0}, "A": {"x": 1.0}}
    assert bundles.usual_values(rows, ["x"], None) == {"": {"x": 1.0}}
