"""Pictures of an evaluation, for MLflow."""

from __future__ import annotations

import io
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


def family_plot(shares: dict[str, float], title: str) -> Figure:
    """The share of all mean |SHAP| that each family has, largest first."""
    figure, axes = _blank(title, "share of mean |SHAP|", "", height=0.3 * len(shares) + 1.2)
    places = range(len(shares))
    axes.barh(places, list(shares.values())[::-1])
    axes.set_yticks(places, list(shares)[::-1], parse_math=False)
    return figure


def dependence_plot(curves: list[dict[str, Any]]) -> Figure:
    """What each feature adds to the log-odds against its value: a dot a row, and a smoothed line.

    curves: of each feature its name, values and shap (both (n,), finite), smooth_x and smooth_y. Says no words but names, so that
    it can stand in a text of any language.
    """
    across = min(3, max(1, len(curves)))
    down = max(1, -(-len(curves) // across))
    figure = Figure(figsize=(3.4 * across, 2.6 * down), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, curve in zip(panels, curves, strict=False):
        axes.axhline(0.0, color="0.7", linewidth=0.8)
        axes.scatter(curve["values"], curve["shap"], s=5, alpha=0.35, linewidths=0)
        axes.plot(curve["smooth_x"], curve["smooth_y"], color="C1")
        # A long tail would squeeze everything else together.
        tail = max(curve["values"], default=0.0) > 50 * (1 + float(np.median(curve["values"] or [0.0])))
        if tail and min(curve["values"]) >= 0:
            axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlabel(curve["feature"], parse_math=False, fontsize=8)
        axes.set_ylabel("SHAP", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    return figure


def svg_text(figure: Figure) -> str:
    """A picture as an <svg> element to stand in a page: equal pictures, equal text; words stay words."""
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "bancast", "svg.fonttype": "none"}):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _blank(title: str, x: str, y: str, height: float = 5.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(7.0, height), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
