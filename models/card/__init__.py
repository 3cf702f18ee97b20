"""The model card that each training writes: what the model is for, what it learnt from, how good and how fair it is, its limits.

After Mitchell et al. (2019), Model Cards for Model Reporting. `measure` gives plain data, `render` the files; both languages are
in the page, one in each Markdown file.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime
from html import escape
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
from markupsafe import Markup

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from models import pages, plots
from models.card.content import sections
from models.evaluation import Judged, calibration_table
from models.groups import by_group, findings, groupings
from models.pages.texts import LANGUAGES, Texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from models.tracking import Run
    from models.training import Task

PAGE = "model-card.html"
SAMPLE = 1000
"""Test rows explained at most: enough for means, seconds and not minutes."""
TOP = 15
"""Features listed by importance."""
DRAWN = 6
"""Features whose dependence is shown."""
BANDS = 6
"""Bands of value in the table of dependence."""
FEW_CARRIERS = 10
"""Carriers at most whose metrics go to MLflow one by one."""


def measure(
    run: Run,
    task: Task,
    folder: Path,
    home: Home,
    settings: Settings,
    results: dict[str, dict[str, float]],
    horizons: dict[str, dict[str, float]],
    scores: dict[str, np.ndarray],
    judged: Judged,
) -> dict[str, Any]:
    """Everything the card says, as plain data; tables and pictures of it go to the run, below evaluation/.

    folder: the sealed bundle, whose evaluation twin is explained. The other arguments are what the training judged.
    """
    rows, _ = task.judged(task.test, task.headline)
    tested = task.table.iloc[rows]
    groups = by_group(groupings(tested), judged, scores["model"], settings.train.flags, settings.train.seed)
    run.table(groups, "evaluation/by_group.csv")
    _carrier_metrics(run, groups)
    explained = explain(folder, tested, judged.weight, settings)
    shares = {row["family"]: row["share"] for row in explained["families"]}
    run.table(pd.DataFrame(explained["families"]), "evaluation/importance_by_family.csv")
    run.figure(plots.family_plot(shares, "What the model looks at, by family"), "evaluation/importance_by_family.png")
    run.table(pd.DataFrame(explained["dependence"]), "evaluation/dependence.csv")
    run.figure(plots.dependence_plot(explained["curves"]), "evaluation/dependence.png")
    label = task.sample.labels[task.headline]
    days = [] if "as_of" not in task.table else [str(day)[:10] for day in (task.table["as_of"].min(), task.table["as_of"].max())]
    return _plain(
        {
            "model": task.name,
            "run_id": run.run_id,
            "made": datetime.now(UTC).date().isoformat(),
            "bancast": installed("bancast"),
            "seed": settings.train.seed,
            "horizon": task.headline,
            "flags": settings.train.flags,
            "gap": max(settings.train.horizons) if task.headline else 0,
            "trained_until": task.meta["trained_until"],
            "fingerprint": task.meta["data_fingerprint"],
            "period": {name: task.parameters.get(name) for name in ("train_until", "test_from", "test_to")}
            | dict(zip(("first", "last"), days, strict=False)),
            "lines": int(task.table[task.meta["id"]].nunique()),
            "calls": _calls(home, task.meta["trained_until"]),
            "bans": task.bans,
            "rows": {"all": len(task.table), "unknown": int(np.isnan(label).sum()), "test": len(rows)},
            "missing": task.missing,
            "metrics": results,
            "horizons": horizons,
            "calibration": calibration_table(judged, scores["model"]).to_dict("records"),
            "groups": groups.to_dict("records"),
            "findings": findings(groups),
            "carriers_without_ban": _without_ban(task.table, label),
            **explained,
        }
    )


def explain(folder: Path, tested: pd.DataFrame, weight: np.ndarray, settings: Settings) -> dict[str, Any]:
    """What the evaluation twin uses, by exact SHAP on a sample of `tested` drawn by weight.

    sample: its rows. families, features: with their share of all mean |SHAP|. dependence: bands of value of the strongest
    features, with rows and mean SHAP; low is None where the value is not known. curves: their dots and smoothed lines.
    """
    from serving.published import Forecast

    twin = Forecast.read(folder, part="evaluation", threads=settings.threads)
    rng = np.random.default_rng(settings.train.seed)
    size = min(SAMPLE, len(tested))
    chosen = np.sort(rng.choice(len(tested), size, replace=False, p=weight / weight.sum()))
    sample = tested.iloc[chosen]
    given, values = twin.contributions(sample), twin.matrix(sample)
    strength = np.abs(given).mean(axis=0) if size else np.zeros(len(twin.names))
    share = strength / (strength.sum() or 1.0)
    family = [feature["family"] for feature in twin.meta["features"]]
    order = np.argsort(-share, kind="stable")
    families = pd.Series(share).groupby(family).sum().sort_values(ascending=False, kind="stable")
    top = [place for place in order[:DRAWN] if share[place] > 0]
    return {
        "sample": size,
        "families": [{"family": str(name), "share": float(value)} for name, value in families.items()],
        "features": [{"feature": twin.names[p], "family": family[p], "share": float(share[p])} for p in order[:TOP]],
        "dependence": [
            {"feature": twin.names[place], **band} for place in top for band in bands(values[:, place], given[:, place])
        ],
        "curves": [{"feature": twin.names[place], **curve(values[:, place], given[:, place])} for place in top],
    }


def bands(values: np.ndarray, shap: np.ndarray) -> list[dict[str, float | None]]:
    """Rows (n,) by value, in bands of about equally many: low, high, rows and mean SHAP; at last those without a value."""
    known = np.isfinite(values)
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, BANDS + 1))) if known.any() else np.array([])
    place = np.searchsorted(edges[1:-1], values, side="right")
    masks = [known & (place == band) for band in range(max(1, len(edges) - 1))]
    found: list[dict[str, float | None]] = [
        {
            "low": float(values[own].min()),
            "high": float(values[own].max()),
            "rows": float(own.sum()),
            "shap": float(shap[own].mean()),
        }
        for own in masks
        if own.any()
    ]
    if not known.all():
        found.append({"low": None, "high": None, "rows": float((~known).sum()), "shap": float(shap[~known].mean())})
    return found


def curve(values: np.ndarray, shap: np.ndarray) -> dict[str, list[float]]:
    """Dots (rounded, at most 300) and a smoothed line: means weighted by nearness in rank, which keeps tails calm."""
    known = np.isfinite(values)
    order = np.argsort(values[known], kind="stable")
    x, y = values[known][order], shap[known][order]
    rank = np.arange(len(x)) / max(1, len(x) - 1)
    at = np.unique(np.searchsorted(x, np.unique(np.quantile(x, np.linspace(0, 1, 40))))) if len(x) else np.array([], dtype=int)
    near = np.exp(-0.5 * ((rank[at][:, None] - rank[None, :]) / 0.06) ** 2)
    dots = np.linspace(0, len(x) - 1, min(300, len(x))).astype(int)
    smooth = near @ y / near.sum(axis=1) if len(at) else np.array([])
    parts = {"values": x[dots], "shap": y[dots], "smooth_x": x[at], "smooth_y": smooth}
    return {name: [float(f"{value:.5g}") for value in part] for name, part in parts.items()}


def write(run: Run, home: Home, card: dict[str, Any], version: str, promoted: bool, why: str, language: str) -> Path:
    """Render a measured card for its version ("name/number"), into the run below card/ and into the home; its folder there."""
    card = {**card, "version": version, "promoted": promoted, "why": why}
    pictures = draw(card)
    texts = {**render(card, pictures["dependence"], language), "card.json": json.dumps(card, ensure_ascii=False, sort_keys=True)}
    folder = home.model_card(version).parent
    work = folder.parent / f".{folder.name}-{os.getpid()}-{uuid4().hex[:8]}"
    work.mkdir(parents=True)
    try:
        for name, text in texts.items():
            (work / name).write_text(text, encoding="utf-8")
        for name, picture in pictures.items():
            picture.savefig(work / f"{name}.png")
        run.files(work, "card")
        # A number comes again only where the registry was begun anew.
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def draw(card: dict[str, Any]) -> dict[str, Figure]:
    """The pictures of a card: importance by family and dependence."""
    shares = {row["family"]: row["share"] for row in card["families"]}
    return {"importance_by_family": plots.family_plot(shares, ""), "dependence": plots.dependence_plot(card["curves"])}


def render(card: dict[str, Any], dependence: Figure, language: str) -> dict[str, str]:
    """File name -> text: the page, which opens in `language` and holds both, and a Markdown file in each."""
    environment = pages.environment(Path(__file__).parent / "templates")
    environment.filters["md"] = markdown
    said = [(Texts(name), sections(card, Texts(name))) for name in LANGUAGES]
    title = card.get("version") or card["model"]
    found = {
        f"model-card.{say.language}.md": environment.get_template("card.md.j2").render(say=say, parts=parts, title=title)
        for say, parts in said
    }
    picture = Markup(plots.svg_text(dependence))
    page = environment.get_template("card.html.j2").render(said=said, title=title, language=language, picture=picture)
    return {PAGE: page, **found}


def markdown(text: str) -> str:
    """A text that Markdown shows as it is: no markup, no HTML, and no cell ends early."""
    plain = escape(" ".join(text.split()), quote=False)
    return re.sub(r"([\\`*_\[\]|~#])", r"\\\1", plain)


def _carrier_metrics(run: Run, groups: pd.DataFrame) -> None:
    own = groups[(groups["kind"] == "carrier") & (groups["entry"] == "named")]
    names = [re.sub(r"[^\w\- ]", "_", name)[:80] for name in own["group"]]
    if len(names) > FEW_CARRIERS or len(set(names)) < len(names):
        return
    shown = ("rows", "bans", "expected_over_observed", "average_precision", "true_positive_rate", "false_positive_rate")
    for name, row in zip(names, own[list(shown)].to_dict("records"), strict=True):
        run.metrics(f"carrier_{name}", {str(key): value for key, value in row.items()})


def _calls(home: Home, until: str | None) -> int | None:
    """Calls that the lake knew; None where the rows come from a finished table."""
    return None if until is None else sum(Lake(home.lake).rows("calls", day_number(date.fromisoformat(until))).values())


def _without_ban(table: pd.DataFrame, label: np.ndarray) -> list[str]:
    """Carriers without a row that was banned, in order."""
    if "carrier" not in table:
        return []
    banned = pd.Series(label == 1).groupby(table["carrier"].to_numpy()).any()
    return sorted(str(name) for name, any_ban in banned.items() if not any_ban)


def _plain(value: Any) -> Any:
    """Plain values for JSON; None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
