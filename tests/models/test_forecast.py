"""Learning, the bundle it leaves, and the risks that are published from it (invariants 1, 5 and 6 for models)."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from models import bundle as bundles
from models.dataset import Dataset
from models.forecast import FEW_BANS, FULL, REGULARISED, SHARES, Fitted, Sample, _Learner, fit, fold_loss
from models.hazard import cumulative
from models.linear import REACH, STRENGTHS
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
    risk = forecast.risks(frame(fresh.values))
    assert roc_auc_score(fresh.labels[7][known], risk[known, 1]) > 0.75
    for horizon, place in ((1, 0), (7, 1)):
        label = fresh.labels[horizon]
        known = ~np.isnan(label)
        expected, spread = risk[known, place].sum(), np.sqrt((risk[known, place] * (1 - risk[known, place])).sum())
        assert abs(label[known].sum() - expected) < 5 * math.sqrt(2) * spread, horizon


def margins_of(fitted: Fitted, values: np.ndarray) -> np.ndarray:
    """Margins (n, K) of a fit, put together from its parts by hand."""
    line, share = fitted.linear, fitted.chosen["share"]
    logs = np.sign(values) * np.log1p(np.abs(values.astype("float64")))
    logs = np.where(np.isnan(logs), line.fill, logs)
    straight = np.clip((logs - line.mean) / line.scale, -REACH, REACH) @ line.weight + line.intercept
    columns = []
    for interval, offset in enumerate(fitted.offsets):
        rows = np.column_stack([values, np.full(len(values), interval)])
        trees = [lightgbm.Booster(model_str=text).predict(rows, raw_score=True) for text in fitted.boosters]
        columns.append(offset + share * straight + (1 - share) * (np.mean(trees, axis=0) if trees else 0.0))
    return np.column_stack(columns)


def test_the_published_margins_and_risks_are_those_of_the_parts_that_were_fitted(forecast, fitted):
    values = sample(seed=6).values
    margins = margins_of(fitted, values)
    np.testing.assert_allclose(forecast.margins(frame(values)), margins, atol=1e-9)
    hazards = np.column_stack([fitted.curves[horizon](margins[:, place]) for place, horizon in enumerate(fitted.horizons)])
    np.testing.assert_allclose(forecast.risks(frame(values)), cumulative(hazards), atol=1e-12)


def test_what_was_chosen_is_recorded_and_among_the_choices(fitted):
    assert fitted.horizons == (1, 7) and fitted.headline == 7 and fitted.degree == FULL
    assert len(fitted.boosters) == 2 and len(fitted.offsets) == 2 and set(fitted.curves) == {1, 7}
    assert set(fitted.chosen) == {"rounds", "strength", "share"}
    assert fitted.chosen["share"] in SHARES and fitted.chosen["strength"] in STRENGTHS and fitted.chosen["rounds"] >= 1
    for text in fitted.boosters:  # LightGBM leaves out a tree that found nothing to split
        booster = lightgbm.Booster(model_str=text)
        assert 0.8 * fitted.chosen["rounds"] <= booster.num_trees() <= fitted.chosen["rounds"]
        assert booster.num_feature() == 5, "the features and the interval"
    assert fitted.importance.shape == (4,) and fitted.importance.sum() == pytest.approx(1) and (fitted.importance >= 0).all()
    assert fitted.notes == []


def test_intervals_start_from_their_own_mean_hazard(fitted):
    own = sample()
    day, week = own.labels[1], own.labels[7]
    later = (day == 0) & ~np.isnan(week)
    expected = [day.mean(), week[later].mean()]
    np.testing.assert_allclose(expit(fitted.offsets), expected, rtol=0.02)


# --- degrees ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regularised(tmp_path_factory: pytest.TempPathFactory) -> Fitted:
    own = sample()
    own.bans = FEW_BANS - 1
    return fit(own, FOLDS, DIRECTIONS, worlds.settings(tmp_path_factory.mktemp("few"), rounds=60, bags=2), headline=7)


def test_below_few_bans_a_regularised_model_stands_alone_and_says_so(regularised, tmp_path):
    assert regularised.degree == REGULARISED and regularised.boosters == []
    assert regularised.chosen == {"rounds": 0, "strength": min(STRENGTHS), "share": 1.0}
    assert len(regularised.notes) == 1
    assert f"{FEW_BANS - 1} bans to learn from" in regularised.notes[0] and f"from {FEW_BANS} bans on" in regularised.notes[0]
    assert regularised.importance.sum() == pytest.approx(1)
    own = sample()
    own.bans = FEW_BANS
    assert fit(own, FOLDS, DIRECTIONS, worlds.settings(tmp_path), headline=7).degree == FULL


def test_bans_are_counted_as_rows_where_nobody_counts_them(tmp_path):
    own = sample(400)
    banned = np.flatnonzero((own.labels[1] == 1) | (own.labels[7] == 1))
    for bans, degree in ((FEW_BANS - 1, REGULARISED), (FEW_BANS, FULL)):
        kept = np.setdiff1d(np.arange(400), banned[bans:])
        part = Sample(own.values[kept], {h: label[kept] for h, label in own.labels.items()}, own.weight[kept])
        folds = [(np.arange(0, 150), np.arange(150, len(kept)))]
        assert fit(part, folds, DIRECTIONS, worlds.settings(tmp_path), headline=7).degree == degree


def test_without_any_checked_ban_the_regularised_model_says_both(tmp_path):
    own = sample(600)
    own.bans = 5
    found = fit(own, [], DIRECTIONS, worlds.settings(tmp_path), headline=7)
    assert found.notes[0] == "no ban in the checked rows; calibrated on the rows learnt from" and len(found.notes) == 2
    assert found.boosters == [] and found.chosen["share"] == 1 and found.chosen["rounds"] == 0


def test_a_bundle_without_a_booster_scores_and_is_explained_exactly(regularised, tmp_path):
    forecast = published(tmp_path / "bundle", regularised)
    meta = json.loads((tmp_path / "bundle" / "model.json").read_text())
    assert meta["degree"] == REGULARISED and meta["boosters"] == [] and meta["notes"] == regularised.notes
    assert not list((tmp_path / "bundle").rglob("*.txt"))
    values = sample(seed=6).values
    margins = margins_of(regularised, values)
    np.testing.assert_allclose(forecast.margins(frame(values)), margins, atol=1e-9)
    for horizon in (1, 7):
        explained = forecast.contributions(frame(values), horizon=horizon).sum(axis=1) + regularised.linear.intercept
        np.testing.assert_allclose(explained, margins[:, 0] - regularised.offsets[0], atol=1e-9)
    # A line has no combinations: one feature's contribution hangs on nothing but that feature.
    given = forecast.contributions(frame(values))
    alone = forecast.contributions(frame(np.where(np.arange(4) == 2, values, 0.0)))
    np.testing.assert_allclose(given[:, 2], alone[:, 2], atol=1e-12)
    lines = frame(values).assign(line_id=[f"L{number}" for number in range(len(values))])
    scores = forecast.score(lines)
    # All features here are of one family, and so one reason.
    assert sorted(scores["rank"]) == list(range(1, len(values) + 1)) and scores["reasons"].map(len).max() == 1
    fresh = sample(seed=6).labels[7]
    known = ~np.isnan(fresh)
    assert roc_auc_score(fresh[known], scores["risk_7d"][known]) > 0.65


@pytest.mark.parametrize("seed", range(3))
def test_the_regularised_risk_moves_against_no_declaration_either(regularised, tmp_path, seed):
    assert moved_against(published(tmp_path / "bundle", regularised), frame(sample(seed=seed).values), seed) == []


# --- calibration and tuning ------------------------------------------------------------------------------------------------


def drifting(days: np.ndarray | None) -> Sample:
    """In the newer of the checked rows nearly nobody is banned any more."""
    own = sample()
    own.days = days
    for label in own.labels.values():
        label[2500:] = np.where(np.random.default_rng(1).random(500) < 0.9, np.minimum(label[2500:], 0), label[2500:])
    return own


def test_newer_checked_rows_weigh_more_in_the_calibration_by_the_half_life_and_0_makes_all_equal(tmp_path):
    days = np.arange(3000) // 25
    folds = [(np.arange(0, 1500), np.arange(2000, 3000))]

    def learnt(days: np.ndarray | None, half_life: float) -> Fitted:
        own = worlds.settings(tmp_path, calibration_half_life=half_life)
        return fit(drifting(days), folds, DIRECTIONS, own, headline=7)

    def curves(found: Fitted) -> dict[int, dict[str, list[float]]]:
        return {horizon: curve.plain() for horizon, curve in found.curves.items()}

    timeless, equal, slow, quick = learnt(None, 14), learnt(days, 0), learnt(days, 60), learnt(days, 7)
    assert curves(timeless) == curves(equal)
    for other in (equal, slow, quick):  # the calibration and nothing else
        assert other.boosters == timeless.boosters and other.linear.plain() == timeless.linear.plain()
    values = sample(seed=6).values
    margins = margins_of(equal, values)
    for place, horizon in enumerate(equal.horizons):
        levels = [found.curves[horizon](margins[:, place]).mean() for found in (equal, slow, quick)]
        assert levels[0] > 1.05 * levels[1] > 1.05**2 * levels[2], horizon
    assert curves(learnt(days + 1000, 7)) == curves(quick), "days count from the newest"


def test_the_loss_of_a_fold_is_that_of_its_best_blend_and_none_where_a_class_lacks(tmp_path):
    settings = worlds.settings(tmp_path, rounds=30)
    found = [fold_loss(sample(), fold, DIRECTIONS, settings) for fold in FOLDS]
    assert found == [fold_loss(sample(), fold, DIRECTIONS, settings) for fold in FOLDS] and found[0] != found[1]
    chance = sample()
    mixed = np.random.default_rng(3).permutation(3000)
    chance.labels = {horizon: label[mixed] for horizon, label in chance.labels.items()}
    for loss, fold in zip(found, FOLDS, strict=True):
        assert 0 < loss < 0.97 * fold_loss(chance, fold, DIRECTIONS, settings)
    nobody = np.flatnonzero(sample().labels[7] == 0)
    assert fold_loss(sample(), (np.arange(0, 1000), nobody[-50:]), DIRECTIONS, settings) is None
    assert fold_loss(sample(), (nobody[:500], np.arange(2000, 3000)), DIRECTIONS, settings) is None


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
        assert finite(model) and set(model["calibration"]) == {"1", "3", "7", "14"} and model["horizons"] == [1, 3, 7, 14]
        assert len(model["offsets"]) == 4 and model["boosters"] == ["boosters/0.txt"] and model["degree"] == FULL
        assert {len(model["linear"][part]) for part in ("fill", "mean", "scale", "weight")} == {len(model["features"])}
        assert set(model["usual"]) == {"", "CM", "CU"}
        assert model["trained_until"] == "2026-03-30" and model["headline"] == 7
        assert model["levels"]["mode"] == "threshold" and model["actions"] and model["levels"]["costs"]["effect"] == 0.5
        assert set(model["spread"]) == {"carrier", "team", "all"}
        assert [feature["name"] for feature in model["features"]] == Forecast.read(bundle, part=part).names
    assert (bundle / "model.json").read_bytes() != (bundle / "evaluation" / "model.json").read_bytes()


def test_an_interval_without_checked_bans_is_calibrated_on_what_was_learnt_and_a_note_says_so(tmp_path):
    own = sample(600)
    own.labels[1] = np.where(np.arange(600) < 300, own.labels[1], 0.0)
    folds = [(np.arange(0, 300), np.arange(400, 600))]
    settings = worlds.settings(tmp_path)
    found = fit(own, folds, DIRECTIONS, settings, headline=7)
    assert found.notes == ["horizon 1: no ban in the checked rows; calibrated on the rows learnt from"]
    assert set(found.curves) == {1, 7}
    hazard = found.curves[1](margins_of(found, own.values)[:, 0])
    assert hazard.mean() == pytest.approx(own.labels[1].mean(), rel=0.3)
    assert np.ptp(hazard) > 0.01, "and it still tells one row from another"
    nobody = Sample(own.values, {7: own.labels[7], 1: np.zeros(600)}, own.weight)
    risk = published(tmp_path / "b", fit(nobody, folds, DIRECTIONS, settings, headline=7)).risks(frame(own.values))
    assert (risk[:, 0] < 0.01).all(), "nobody was banned within a day"


def test_an_interval_that_no_checked_row_has_lived_through_is_no_coin_toss(tmp_path):
    """The newest rows are known for a week and not for two."""
    own = sample()
    own.labels[14] = np.where(np.arange(3000) < 1500, own.labels[7], np.nan)
    fresh = np.random.default_rng(2).random(3000) < 0.1
    own.labels[14] = np.where((own.labels[14] == 0) & fresh, 1.0, own.labels[14])
    found = fit(own, FOLDS[:1], DIRECTIONS, worlds.settings(tmp_path), headline=7)
    assert found.notes == ["horizon 14: no ban in the checked rows; calibrated on the rows learnt from"]
    hazard = found.curves[14](margins_of(found, own.values)[:, 2])
    assert hazard.mean() == pytest.approx(0.1, abs=0.03)


def test_the_same_data_settings_and_seed_give_the_same_bytes_and_another_seed_others(few: Dataset, tmp_path):
    shas = {}
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        settings = worlds.settings(tmp_path, seed=seed)
        _, shas[name] = write_bundle(snapshot_task(few, settings), tmp_path / name, settings)
    assert shas["one"] == shas["two"] != shas["other"]
    one, other = (json.loads((tmp_path / name / "manifest.json").read_text())["files"] for name in ("one", "other"))
    assert one["boosters/0.txt"] != other["boosters/0.txt"]


def test_usual_values_are_medians_of_the_group_and_of_all_where_it_is_small():
    rows = pd.DataFrame({"carrier": ["A"] * 25 + ["B"] * 19, "x": [1.0] * 25 + [9.0] * 19, "y": np.nan})
    assert bundles.usual_values(rows, ["x", "y"], "carrier") == {"": {"x": 1.0}, "A": {"x": 1.0}}
    assert bundles.usual_values(rows, ["x"], None) == {"": {"x": 1.0}}


def test_usual_values_count_rows_as_often_as_they_stand_for():
    """Rows with a ban are all kept where others are thinned out: they are no more usual for that."""
    rows = pd.DataFrame({"carrier": ["A"] * 40, "x": [1.0, 2.0, 3.0, 4.0] * 5 + [50.0] * 20, "y": [np.nan] * 39 + [1.0]})
    weight = np.where(rows["x"] < 50, 10.0, 1.0)
    found = bundles.usual_values(rows, ["x", "y"], "carrier", weight)
    assert found == {"": {"x": 3.0, "y": 1.0}, "A": {"x": 3.0, "y": 1.0}}
    assert bundles.usual_values(rows, ["x"], None, np.full(40, 2.0)) == {"": {"x": 27.0}}


def test_what_changed_in_the_test_period_does_not_weigh_on_the_twin(few: Dataset, tmp_path):
    """The watch is asked what it knew at the end, and what it knew before the test rows."""
    asked = []

    def stricter(known_until: int) -> dict[str, int]:
        asked.append(known_until)
        return {"CM": known_until - 20}

    settings = worlds.settings(tmp_path)
    task, plain = snapshot_task(few, settings, stricter=stricter), snapshot_task(few, settings)
    days = task.sample.days
    assert asked == [few.outcomes.until, int(days[task.test].min())]
    cm, stale = (few.table["carrier"] == "CM").to_numpy(), settings.train.stale_weight
    for sample, until in zip((task.sample, task.before), asked, strict=True):
        light = cm & (days < until - 20)
        assert light.any() and np.array_equal(sample.weight, plain.sample.weight * np.where(light, stale, 1.0))
    assert task.parameters["stricter"] and plain.parameters["stricter"] == ""
    twins = [write_bundle(own, tmp_path / name, settings)[1] for name, own in (("a", task), ("b", plain))]
    assert twins[0] != twins[1]


def test_checked_rows_are_calibrated_by_the_other_periods(tmp_path):
    """What came of a checked period changes the risks of the other periods' rows, and not those of its own."""
    learner = _Learner(sample(), DIRECTIONS, worlds.settings(tmp_path, rounds=40))
    checks = [learner.check(fold) for fold in FOLDS]
    _, _, _, row, margin, seen = learner._chosen(checks)
    first = np.isin(row, FOLDS[0][1])
    worse = replace(seen, banned=np.where(np.isin(seen.row, FOLDS[0][1]), 1 - seen.banned, seen.banned))
    one, other = (learner._crossed(checks, row, margin, known, np.full(margin.shape, np.nan)) for known in (seen, worse))
    assert np.array_equal(one[first], other[first]) and not np.isclose(one[~first], other[~first]).any()
    found = learner.finish(checks, headline=7)
    assert np.array_equal(found.checked.risks, cumulative(one)), "what promises and spread are worked out of"
