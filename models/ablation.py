"""What features and history are worth: the same training without a family, and with less history, on the same test rows."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from models import bundle
from models.evaluation import Judged
from models.resampling import AveragePrecision, draws, interval
from models.training import Task, fit_rows
from serving.published import Forecast

Progress = Callable[[str, float], None]
HISTORIES = (28, 56, 112, 224)
"""Days of snapshots before the test period; the whole of it is tried too."""


def without_families(task: Task, settings: Settings, progress: Progress) -> list[dict[str, Any]]:
    """Average precision on the test rows without each family, and what that loses, with a paired 95 % interval.

    One entry a family, the most missed first: family, features, average_precision, difference, low, high. The first entry is the
    whole ("all", difference 0).
    """
    settings = _quick(settings)
    family = {feature.name: feature.family for feature in CATALOGUE}
    families = sorted({family[name] for name in task.features})
    rows, judged = task.judged(task.test, task.headline)
    progress("all families", 0.0)
    whole = _precision(judged, _scores(task, task.train, rows, range(len(task.features)), settings))
    best = whole(judged.weight)
    found: list[dict[str, Any]] = []
    for place, name in enumerate(families):
        progress(f"without {name}", (place + 1) / (len(families) + 1))
        kept = [at for at, feature in enumerate(task.features) if family[feature] != name]
        without = _precision(judged, _scores(task, task.train, rows, kept, settings))
        drawn = draws(judged, {"whole": whole, "without": without}, settings.train.seed)
        low, high = interval(drawn["whole"] - drawn["without"])
        left = without(judged.weight)
        entry = {"family": name, "features": len(task.features) - len(kept), "average_precision": left}
        found.append({**entry, "difference": best - left, "low": low, "high": high})
    first = {"family": "all", "features": len(task.features), "average_precision": best}
    found.sort(key=lambda entry: entry["difference"], reverse=True)
    return [{**first, "difference": 0.0, "low": None, "high": None}, *found]


def by_history(task: Task, settings: Settings, progress: Progress) -> list[dict[str, Any]]:
    """Average precision on the test rows when only the last days before them are learnt from: days, rows, bans."""
    settings = _quick(settings)
    days = task.sample.days
    rows, judged = task.judged(task.test, task.headline)
    if days is None:
        return []
    last, span = int(days[task.train].max()), int(np.ptp(days[task.train])) + 1
    found = []
    wanted = [length for length in HISTORIES if length < span] + [span]
    for place, length in enumerate(wanted):
        progress(f"{length} days of history", place / len(wanted))
        own = task.train[days[task.train] > last - length]
        bans = task.bans_of(own) if task.bans_of else 0
        label = task.sample.labels[task.headline][own]
        if len(np.unique(label[~np.isnan(label)])) < 2:
            continue
        score = _scores(task, own, rows, range(len(task.features)), settings)
        found.append(
            {"days": length, "rows": len(own), "bans": bans, "average_precision": _precision(judged, score)(judged.weight)}
        )
    return found


def _quick(settings: Settings) -> Settings:
    """One model instead of several averaged: enough for a comparison, and a third of the time."""
    return settings.model_copy(update={"train": settings.train.model_copy(update={"bags": 1})})


def _precision(judged: Judged, score: np.ndarray) -> AveragePrecision:
    return AveragePrecision(judged.label, score)


def _scores(task: Task, learn: np.ndarray, rows: np.ndarray, kept: Sequence[int], settings: Settings) -> np.ndarray:
    """Headline risks of `rows` by a model of some of the features, learnt from some of the rows."""
    part = task.narrowed(list(kept))
    with tempfile.TemporaryDirectory(prefix="bancast-part-") as work:
        bundle.write_model(Path(work), fit_rows(part, part.before, learn, settings, lambda step, share: None), part.meta)
        bundle.seal(Path(work))
        forecast = Forecast.read(work, threads=settings.threads)
        return forecast.risks(task.table.iloc[rows])[:, forecast.headline]
