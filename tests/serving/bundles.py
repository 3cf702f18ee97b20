"""Small real bundles: LightGBM boosters trained on random lines, written as the contract says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd

from features.feature import Feature
from serving.actions import for_model, load_playbook

FEATURES = [
    ("calls_1d", "frequency", 0),
    ("calls_7d", "frequency", 0),
    ("complaints_7d", "complaints", 1),
    ("complaints_28d", "complaints", 1),
    ("days_since_complaint", "complaints", -1),
    ("pool_ban_rate_7d", "number_pool", 1),
    ("answer_rate_7d", "quality", 0),
]
HORIZONS = (1, 3, 7, 14)
ACTIONS = [
    {"name": "pace_calls", "families": ["frequency"], "features": ["calls"]},
    {"name": "handle_complaints", "families": ["complaints"], "features": ["complaints", "days_since_complaint"]},
    {"name": "talk_to_carrier", "families": ["number_pool"], "features": []},
    {"name": "train_team", "families": ["quality", "complaints"], "features": ["answer_rate", "complaints"]},
]
LEVELS = {
    "mode": "threshold",
    "red": 0.3,
    "orange": 0.15,
    "yellow": 0.05,
    "red_lines": 2,
    "orange_lines": 3,
    "yellow_lines": 4,
}


def lines(n: int, seed: int = 0, missing: float = 0.15) -> pd.DataFrame:
    """Random lines of two carriers, some values missing."""
    rng = np.random.default_rng(seed)
    table = {
        "calls_1d": rng.poisson(80, n).astype("float32"),
        "calls_7d": rng.poisson(500, n).astype("float32"),
        "complaints_7d": rng.poisson(0.7, n).astype("float32"),
        "complaints_28d": rng.poisson(2, n).astype("float32"),
        "days_since_complaint": rng.integers(0, 28, n).astype("float32"),
        "pool_ban_rate_7d": rng.gamma(1, 0.03, n).astype("float32"),
        "answer_rate_7d": rng.beta(3, 5, n).astype("float32"),
    }
    frame = pd.DataFrame(table)
    frame = frame.mask(rng.random(frame.shape) < missing).astype("float32")
    frame.insert(0, "as_of", pd.Series([pd.Timestamp("2026-03-02")] * n, dtype="datetime64[s]"))
    frame.insert(1, "line_id", [f"L{number:06d}" for number in rng.permutation(n)])
    frame.insert(2, "carrier", rng.choice(["A", "B"], n) if n else pd.Series([], dtype=object))
    return frame


def sealed(folder: Path) -> Path:
    """Write the manifest over what is in the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names if name != "manifest.json"}
    (folder / "manifest.json").write_text(json.dumps({"format": "bancast-model", "version": 2, "files": digests}))
    return folder


def features() -> list[dict[str, Any]]:
    return [
        {"name": name, "family": family, "doc": name, "unit": "", "direction": direction} for name, family, direction in FEATURES
    ]


def usual(frame: pd.DataFrame) -> dict[str, dict[str, float]]:
    names = [name for name, _, _ in FEATURES]
    groups = {"": frame, **dict(list(frame.groupby("carrier")))}
    return {name: {k: float(v) for k, v in rows[names].median().items()} for name, rows in groups.items()}


def time_bundle(folder: Path, seed: int = 0, **changes: Any) -> Path:
    """A time bundle: two boosters, each interval's hazard calibrated by three knots."""
    train = lines(1500, seed=seed + 100)
    names = [name for name, _, _ in FEATURES]
    known = train[names].fillna({"calls_7d": 500}).fillna(0)
    drive = known["complaints_7d"] * 0.9 + known["calls_7d"] / 100 + known["pool_ban_rate_7d"] * 20
    rng = np.random.default_rng(seed)
    (folder / "boosters").mkdir(parents=True)
    # A hazard for each interval between horizons; which one, the boosters read from their last column.
    interval = np.repeat(np.arange(len(HORIZONS)), len(train))
    columns = np.column_stack([np.tile(train[names].to_numpy(), (len(HORIZONS), 1)), interval])
    chance = 1 / (1 + np.exp(9 - np.tile(drive, len(HORIZONS)) - interval / 3))
    label = (rng.random(len(chance)) < chance).astype(int)
    boosters = []
    for member in range(2):
        parameters = {
            "objective": "binary",
            "num_leaves": 7,
            "verbose": -1,
            "seed": member,
            "num_threads": 1,
            "deterministic": True,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "monotone_constraints": [*(direction for _, _, direction in FEATURES), 0],
        }
        booster = lightgbm.train(parameters, lightgbm.Dataset(columns, label), num_boost_round=15)
        boosters.append(f"boosters/{member}.txt")
        (folder / boosters[-1]).write_text(booster.model_to_string())
    calibration = {
        str(horizon): {"x": [-4.0, -1.0, 2.0], "y": [0.0, 0.03 if horizon != 7 else 0.015, 0.8]} for horizon in HORIZONS
    }
    meta = {
        "kind": "time",
        "id": "line_id",
        "group": "carrier",
        "features": features(),
        "horizons": list(HORIZONS),
        "headline": 7,
        "degree": "full",
        "boosters": boosters,
        "offsets": [0.0, 0.1, 0.2, 0.3],
        "linear": {"share": 0.0},
        "calibration": calibration,
        "usual": usual(train),
        "levels": LEVELS,
        "actions": ACTIONS,
        "trained_until": "2026-03-01",
        "data_fingerprint": "ab" * 32,
        "seed": seed,
        "notes": [],
        **changes,
    }
    (folder / "model.json").write_text(json.dumps(meta))
    return sealed(folder)


def catalogue_bundle(folder: Path, chosen: Sequence[Feature], **meta: Any) -> Path:
    """A time bundle of features of the catalogue, with the shipped playbook; `meta` says the rest, and its boosters are there."""
    kept = ("name", "family", "doc", "unit", "direction")
    described = [{key: feature.describe()[key] for key in kept} for feature in chosen]
    known = {
        "kind": "time",
        "id": "line_id",
        "group": "carrier",
        "features": described,
        "headline": 7,
        "actions": for_model(load_playbook(), described),
        "trained_until": "2026-02-01",
        "data_fingerprint": "ab" * 32,
        "seed": 1,
        "notes": [],
    }
    (folder / "model.json").write_text(json.dumps({**known, **meta}))
    return sealed(folder)


def table_bundle(folder: Path) -> Path:
    """A table bundle, from one horizon of a time bundle."""
    time_bundle(folder)
    meta = json.loads((folder / "model.json").read_text())
    meta |= {"kind": "table", "id": "phone", "group": None, "horizons": [0], "headline": 0, "actions": []}
    meta |= {"offsets": [0.2], "calibration": {"0": meta["calibration"]["7"]}}
    meta["features"] = [{**feature, "family": "table"} for feature in meta["features"]]
    meta["usual"] = {"": meta["usual"][""]}
    (folder / "model.json").write_text(json.dumps(meta))
    return sealed(folder)


def rule_bundle(folder: Path) -> Path:
    """A rule bundle: no booster at all."""
    folder.mkdir(parents=True)
    meta = {
        "kind": "rule",
        "id": "line_id",
        "group": "carrier",
        "features": features(),
        "horizons": list(HORIZONS),
        "headline": 7,
        "rule": {
            "limits": {"calls_1d": 100.0, "complaints_7d": 2.0},
            "base_rate": {"1": 0.01, "3": 0.03, "7": 0.07, "14": 0.13},
        },
        "usual": usual(lines(500, seed=9)),
        "levels": LEVELS,
        "actions": ACTIONS,
        "trained_until": None,
        "data_fingerprint": "cd" * 32,
        "seed": 0,
        "notes": [],
    }
    (folder / "model.json").write_text(json.dumps(meta))
    return sealed(folder)


def as_table(frame: pd.DataFrame) -> pd.DataFrame:
    """Lines as a finished table of the user's."""
    return frame.drop(columns=["as_of", "carrier"]).rename(columns={"line_id": "phone"})
