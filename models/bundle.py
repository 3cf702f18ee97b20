"""The model as a plain folder: LightGBM text, JSON, and a manifest with the SHA-256 of each. No pickle, no code.

serving/published.py reads it; its evaluation twin (learnt only from what precedes the test period) lies in `evaluation/`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.feature import Feature
from models.forecast import Fitted

MANIFEST = "manifest.json"


def usual_values(
    table: pd.DataFrame, features: Sequence[str], group: str | None, weight: np.ndarray | None = None
) -> dict[str, dict[str, float]]:
    """The median of each feature: "" over all rows, and for each value of `group` with 20 rows or more; unknown ones left out.

    weight: of each row (n,), where rows with a ban were kept and others thinned out.
    """
    counts = None if weight is None or (weight == weight[:1]).all() else weight
    values = table[list(features)]

    def medians(rows: np.ndarray) -> dict[str, float]:
        own = values.iloc[rows]
        middle = own.median() if counts is None else own.apply(lambda column: _median(column.to_numpy(float), counts[rows]))
        return {str(name): float(value) for name, value in middle.items() if np.isfinite(value)}

    found = {"": medians(np.arange(len(table)))}
    if group is not None:
        for value, rows in table.groupby(group, observed=True).indices.items():
            if len(rows) >= 20:
                found[str(value)] = medians(np.asarray(rows))
    return found


def _median(values: np.ndarray, weight: np.ndarray) -> float:
    known = np.isfinite(values)
    if not known.any():
        return np.nan
    return float(np.quantile(values[known], 0.5, weights=weight[known], method="inverted_cdf"))


def describe(features: Sequence[Feature]) -> list[dict[str, Any]]:
    """The features as model.json lists them."""
    kept = ("name", "family", "doc", "unit", "direction")
    return [{key: entry[key] for key in kept} for entry in (feature.describe() for feature in features)]


def write_model(folder: Path, fitted: Fitted, meta: dict[str, Any]) -> None:
    """Write boosters and model.json below `folder`; `meta` is everything of model.json that is not `fitted`."""
    (folder / "boosters").mkdir(parents=True)
    names = [f"boosters/{number}.txt" for number in range(len(fitted.boosters))]
    for name, text in zip(names, fitted.boosters, strict=True):
        (folder / name).write_text(text, encoding="utf-8")
    model = {
        **meta,
        "degree": fitted.degree,
        "horizons": list(fitted.horizons),
        "headline": fitted.headline,
        "boosters": names,
        "offsets": [float(value) for value in fitted.offsets],
        "linear": {"share": fitted.chosen["share"], **fitted.linear.plain()},
        "calibration": {str(horizon): curve.plain() for horizon, curve in fitted.curves.items()},
        "notes": [*meta["notes"], *fitted.notes],
    }
    write_json(folder / "model.json", model)


def write_json(path: Path, value: Any) -> None:
    """JSON with sorted keys: equal values, equal bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n", encoding="utf-8")


def seal(folder: Path) -> str:
    """Write the manifest over all files of a finished bundle; its own SHA-256."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    listed = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    write_json(folder / MANIFEST, {"format": "bancast-model", "version": 2, "files": listed})
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()
