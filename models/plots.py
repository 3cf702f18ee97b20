"""Pictures of an evaluation, for MLflow and for pages."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from datetime import date
from itertools import pairwise
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.dates import DateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from sklearn.metrics import average_precision_score, precision_recall_curve

from models.evaluation import Judged
from models.resampling import share_interval

matplotlib.use("Agg")

Say = Callable[[str], str]
"""Turns a word of a picture into the reader's language."""


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


def reliability_plot(bands: list[dict[str, Any]], say: Say = str) -> Figure:
    """Expected against observed share of bans by band of risk, with 95 % intervals; see calibration_table."""
    figure, axes = _blank("", say("expected: mean risk of the band"), say("observed: share banned"), 4.6, _SMALL[1])
    expected, observed, rows = (
        np.array([band[name] for band in bands], dtype=float) for name in ("expected", "observed", "rows")
    )
    ends = np.array([share_interval(o * n, n) for o, n in zip(observed, rows, strict=True)], dtype=float).reshape(-1, 2)
    seen = np.concatenate([expected[expected > 0], observed[observed > 0], [0.5]])
    floor, top = max(1e-5, float(seen.min()) / 2), min(1.0, float(max(seen.max(), np.nanmax(ends, initial=0.0))) * 1.2)
    axes.plot([floor, top], [floor, top], color="0.5", linestyle="--", label=say("as it should be"))
    middle = observed.clip(floor)
    reach = np.abs(ends.clip(floor).T - middle)
    axes.errorbar(expected.clip(floor), middle, reach, fmt="o", capsize=3, label=say("bands of risk, 95 % interval"))
    axes.set(xscale="log", yscale="log", xlim=(floor, top), ylim=(floor, top))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([p for p in _SHARES if floor <= p <= top]))
        axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g}%"))
        axis.set_minor_formatter(NullFormatter())
    axes.legend(loc="upper left", frameon=False)
    return figure


def expected_plot(weeks: list[dict[str, Any]], say: Say = str) -> Figure:
    """Rows banned of each scored day, and how many the model expected. weeks: as BacktestReport has them."""
    figure, axes = _blank("", "", say("rows banned"), *_SMALL)
    days = _days(axes, weeks)
    gap = min(((after - before).days for before, after in pairwise(days)), default=7)
    axes.bar(days, [week["bans"] for week in weeks], width=0.7 * gap, color="0.75", label=say("observed"))
    axes.plot(days, [_known(week, "model_expected") for week in weeks], marker="o", markersize=4, label=say("expected"))
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def weekly_plot(weeks: list[dict[str, Any]], say: Say = str) -> Figure:
    """Average precision of everybody on each scored day. weeks: as BacktestReport has them."""
    figure, axes = _blank("", "", say("average precision"), *_SMALL)
    days = _days(axes, weeks)
    names = {"model": say("model"), "champion": say("champion"), "logistic": say("logistic"), "rule": say("rule")}
    for (who, name), marker, line in zip(names.items(), "osD^", ("-", "--", "-.", ":"), strict=True):
        found = [_known(week, f"{who}_average_precision") for week in weeks]
        if not np.isnan(found).all():
            axes.plot(days, found, marker=marker, markersize=4, linestyle=line, label=name)
    axes.set_ylim(bottom=0)
    _legend(figure, axes)
    return figure


def learning_plot(learning: list[dict[str, Any]], say: Say = str) -> Figure:
    """Average precision against the days of history that the model had. learning: as BacktestReport has it."""
    figure, axes = _blank("", say("days of history"), say("average precision"), *_SMALL)
    points = sorted(learning, key=lambda point: point["days"])
    axes.plot([point["days"] for point in points], [_known(point, "average_precision") for point in points], marker="o")
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    return figure


_SMALL = (3.2, 5.2)
"""Height and width at which words can still be read on a telephone."""
_MOST_DAYS = 8
_SHARES = sorted(step * 10.0**power for power in range(-5, 1) for step in (1, 3))


def _known(entry: dict[str, Any], name: str) -> float:
    value = entry.get(name)
    return np.nan if value is None else float(value)


def _days(axes: Any, weeks: list[dict[str, Any]]) -> list[date]:
    """The days of the entries; the axis says them, or every so many of them, in figures, which every language reads."""
    days = [date.fromisoformat(week["name"]) for week in weeks]
    axes.set_xticks(days[:: -(-len(days) // _MOST_DAYS) or 1])
    axes.xaxis.set_major_formatter(DateFormatter("%Y-%m-%d" if len({day.year for day in days}) > 1 else "%m-%d"))
    return days


def _legend(figure: Figure, axes: Any) -> None:
    """Above the picture. Wide apart, since the reader's fonts may be wider than those that measured the words."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False, columnspacing=2.5)


def svg_text(figure: Figure, salt: str = "bancast") -> str:
    """A picture as an <svg> element to stand in a page: equal pictures, equal text; words stay words.

    salt: another one for each picture of a page that may be hidden, since a hidden one lends the others nothing by its ids.
    """
    out = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": salt, "svg.fonttype": "none"}), warnings.catch_warnings():
        # The reader's fonts draw the words; those here only measure them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _blank(title: str, x: str, y: str, height: float = 5.0, width: float = 7.0) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes
