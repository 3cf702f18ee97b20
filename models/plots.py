"""Pictures of an evaluation, for MLflow."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import average_precision_score, precision_recall_curve

from models.evaluation import Judged

matplotlib.use("Agg")


def calibration_plot(table: pd.DataFrame, title: str) -> Figure:
    """Expected against observed share of bans by band of risk, on logarithmic axes; a dot's size tells its rows."""
    figure, axes = _blank(title, "expected (mean risk)", "observed (share banned)")
    floor = max(1e-5, float(table["expected"].min()) / 2)
    top = max(float(table[["expected", "observed"]].to_numpy().max()) * 1.5, floor * 10)
    axes.plot([floor, top], [floor, top], color="0.6", linestyle="--", label="as it should be")
    size = 20 + 180 * table["rows"] / table["rows"].max()
    axes.scatter(table["expected"].clip(floor), table["observed"].clip(floor), s=size, label="bands of risk")
    axes.set(xscale="log", yscale="log", xlim=(floor, top), ylim=(floor, top))
    axes.legend(loc="upper left")
    return figure


def precision_recall_plot(judged: Judged, scores: dict[str, np.ndarray], title: str) -> Figure:
    """Precision against recall of each score on the same rows."""
    figure, axes = _blank(title, "recall (share of bans found)", "precision (share of flags banned)")
    for name, score in scores.items():
        precision, recall, _ = precision_recall_curve(judged.label, score, sample_weight=judged.weight)
        area = average_precision_score(judged.label, score, sample_weight=judged.weight)
        axes.step(recall, precision, where="post", label=f"{name} ({area:.3f})")
    axes.axhline(float(np.average(judged.label, weights=judged.weight)), color="0.6", linestyle="--", label="by chance")
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend()
    return figure


def importance_plot(importance: pd.DataFrame, title: str, rows: int = 25) -> Figure:
    """The most telling features: `feature` and `gain` (share of all gain)."""
    top = importance.nlargest(rows, "gain").iloc[::-1]
    figure, axes = _blank(title, "share of gain", "", height=0.26 * len(top) + 1.2)
    axes.barh(top["feature"], top["gain"])
    return figure


def _blank(title: str, x: str, y: str, height: float = 5.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.0, height), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
