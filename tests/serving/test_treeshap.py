"""Quick SHAP against LightGBM's own walk, an independent implementation."""

from __future__ import annotations

import lightgbm
import numpy as np
import pytest

from serving.treeshap import FEW, TreeShap


def _booster(leaves: int, seed: int, **more: object) -> tuple[lightgbm.Booster, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(1200, 14)).round(1)
    if more.pop("missing", True):
        values[rng.random(values.shape) < 0.2] = np.nan
    values[rng.random(values.shape) < 0.1] = 0.0
    label = (np.nansum(values[:, :9], axis=1) + rng.normal(size=len(values)) > 1).astype(int)
    parameters = {"objective": "binary", "num_leaves": leaves, "min_data_in_leaf": 3, "verbose": -1, "num_threads": 1, **more}
    return lightgbm.train(parameters, lightgbm.Dataset(values, label, params={"verbose": -1}), num_boost_round=8), values


@pytest.mark.parametrize(
    ("leaves", "more"),
    [
        (7, {}),
        (63, {}),  # paths of more features than a table of patterns is made for
        (31, {"missing": False}),
        (31, {"zero_as_missing": True}),
        (31, {"use_missing": False}),
        (15, {"bagging_fraction": 0.5, "bagging_freq": 1, "feature_fraction": 0.5}),
    ],
)
@pytest.mark.parametrize(("rows", "threads"), [(FEW + 1, 1), (1200, 1), (1200, 3)])
def test_contributions_are_those_of_lightgbm(leaves: int, more: dict, rows: int, threads: int):
    booster, values = _booster(leaves, seed=leaves, **more)
    values = values[:rows]
    expected = booster.predict(values, pred_contrib=True)[:, :-1]
    assert np.abs(expected).max() > 0.05
    assert TreeShap()(booster, values, threads) == pytest.approx(expected, abs=1e-10)


def test_few_rows_and_trees_without_a_split_are_explained_too():
    booster, values = _booster(7, seed=1)
    assert TreeShap()(booster, values[:3]) == pytest.approx(booster.predict(values[:3], pred_contrib=True)[:, :-1])
    flat, values = _booster(7, seed=1, min_data_in_leaf=5000)
    assert not TreeShap()(flat, values).any()


def test_two_boosters_are_not_mixed_up():
    shap = TreeShap()
    (one, values), (other, _) = _booster(7, seed=1), _booster(15, seed=2)
    first = shap(one, values)
    assert not np.allclose(shap(other, values), first)
    assert (shap(one, values) == first).all()
