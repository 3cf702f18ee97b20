"""The three ways in: train on a home's lake, train on a finished table, and write a labelled training table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import day_date, day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake, finished_days, lake_of, local_today
from data_schemas.settings import Settings
from models import bundle
from models.baselines import rule_limits
from models.counts import estimate_dispersion
from models.dataset import Dataset, build_dataset, labelled_batches
from models.evaluation import Judged
from models.forecast import Fitted, Fold, Sample
from models.labels import as_of_days, days_to_ban, label_name
from models.monitoring import changes_of_policy
from models.promise import promises
from models.report import TrainReport
from models.split import cut_last
from models.training import Task, train
from models.tuning import Budget

Progress = Callable[[str, float], None]
Changes = Callable[[int], Mapping[str, int]]
MODEL = "bancast"
FOLDS = 3


def train_lake(
    home: Home,
    settings: Settings,
    *,
    until: date | None = None,
    progress: Progress | None = None,
    name: str = MODEL,
    budget: Budget | None = None,
) -> TrainReport:
    """Train on what was known strictly before local midnight `until` (the end of the records when None), and publish.

    budget: to tune the learner first (see models.tuning).
    Raises BadInput, with nothing registered, where there are too few bans or too little history to learn from.
    """
    tell = progress or (lambda step, share: None)
    lake = lake_of(home, settings)
    day = last_midnight(lake, until)
    data = build_dataset(lake, settings, day, lambda step, share: tell(step, 0.5 * share), scratch=home.scratch)
    task = snapshot_task(data, settings, name, lambda known_until: changes_of_policy(home, lake, settings, known_until))
    return train(task, home, settings, lambda step, share: tell(step, 0.5 + 0.5 * share), budget)


def last_midnight(lake: Lake, until: date | None) -> int:
    """`until` as a day number, at most the midnight that ends the last finished day of calls: later ones know nothing more.

    The last day is one whose calls are known at `until`: what is recorded afterwards does not move it.
    """
    standing = finished_days(lake)
    if not standing:
        raise BadInput(f"{lake.root}: no calls in the lake; run `bancast ingest` first (a day counts once it is over)")
    if until is None:
        return standing[-1] + 1
    seen = [day for day in lake.days("calls", day_number(until)) if day < day_number(local_today(lake))]
    if not seen:
        raise BadInput(f"{lake.root}: no calls known before {until}; ingest earlier calls, or give a later --until")
    return min(day_number(until), seen[-1] + 1)


def snapshot_task(data: Dataset, settings: Settings, name: str = MODEL, stricter: Changes | None = None) -> Task:
    """The training task of a table of snapshots.

    stricter: what is known before a local midnight (a day number) -> carrier -> day number since which it has been stricter; its
    earlier rows count `train.stale_weight` when learning.
    """
    headline = settings.train.headline
    outcome = data.labels[label_name(headline)].to_numpy()
    bans = distinct_bans(data, headline)
    until = day_date(data.outcomes.until).isoformat()
    if bans < settings.train.min_bans:
        raise BadInput(
            f"bans: {bans or 'no'} bans of lines with calls are known and mature before {until}, at least "
            f"{settings.train.min_bans} are needed to learn from (train.min_bans); ingest more history, until then the rule "
            "baseline ranks the lines"
        )
    days = as_of_days(data.table)
    gap = max(settings.train.horizons)
    try:
        cut = cut_last(days, ~np.isnan(outcome), settings.train.test_days, gap)
    except ValueError as error:
        raise BadInput(
            f"calls: too little history before {until} for a test period ({error}); it takes about "
            f"{settings.train.warmup_days + 4 * gap} days, ingest earlier calls"
        ) from None
    train_rows, test_rows = np.flatnonzero(cut.before), np.flatnonzero(cut.after)
    if not (outcome[train_rows] == 1).any():
        raise BadInput(
            f"bans: none among the snapshots before the test period (until {until}); ingest more history, until then the rule "
            "baseline ranks the lines"
        )
    names = [feature.name for feature in data.features]
    labels = {horizon: data.labels[label_name(horizon)].to_numpy() for horizon in settings.train.horizons}
    recent = data.table[days >= days.max() - 28]
    lines = pd.factorize(data.table["line_id"])[0]
    ahead = days_to_ban(data.table, data.outcomes)

    def folds_of(rows: np.ndarray) -> list[Fold]:
        return _folds_in_time(rows, days, outcome, settings.train.validation_days, gap)

    def judged(rows: np.ndarray, horizon: int) -> tuple[np.ndarray, Judged]:
        own = rows[~np.isnan(labels[horizon][rows])]
        return own, Judged(labels[horizon][own], data.weight[own], days[own], ahead[own], lines[own])

    carriers = pd.Series(data.table["carrier"].astype(str))

    def weight(changes: Mapping[str, int]) -> np.ndarray:
        """What each row counts when learning, once these changes are known."""
        changed = carriers.map(dict(changes)).to_numpy(dtype="float64")
        return data.weight * np.where(days < changed, settings.train.stale_weight, 1.0)

    changes, earlier = ({}, {}) if stricter is None else map(stricter, (data.outcomes.until, int(days[test_rows].min())))
    notes = [
        f"carrier {carrier} seems stricter since {day_date(day)}: its earlier rows count {settings.train.stale_weight:g}"
        for carrier, day in sorted(changes.items())
    ]

    groups = {name: data.table[name].astype(str).to_numpy() for name in ("carrier", "team")}

    def audit(rows: np.ndarray, fitted: Fitted) -> dict[str, Any]:
        """What the checked rows say of promises and of the spread of the number of bans; nothing where they are no test."""
        own = rows[fitted.checked.row]
        known = ~np.isnan(outcome[own])
        if fitted.checked.blind or not known.any():
            return {}
        risk, own = fitted.checked.risks[known, fitted.horizons.index(headline)], own[known]
        levels = settings.levels
        promise = promises(risk, outcome[own], days[own], groups["carrier"][own], headline, levels.promise, levels.confidence)
        spread = {
            name: estimate_dispersion(risk, outcome[own], data.weight[own], days[own], group[own], headline)
            for name, group in {**groups, "all": np.zeros(len(days))}.items()
        }
        return {"promise": promise, "spread": spread}

    meta = {
        **common_meta(settings),
        "kind": "time",
        "id": "line_id",
        "group": "carrier",
        "features": bundle.describe(data.features),
        "usual": bundle.usual_values(recent, names, "carrier", data.weight[days >= days.max() - 28]),
        "actions": playbook_actions(settings),
        "trained_until": until,
        "data_fingerprint": data.fingerprint,
    }
    parameters = {
        **flat_settings(settings),
        "until": until,
        "data_fingerprint": data.fingerprint,
        "rows": len(data.table),
        "bans": bans,
        "features": len(names),
        "reporting_delay_days": data.outcomes.delay,
        "stricter": ", ".join(f"{carrier} since {day_date(day)}" for carrier, day in sorted(changes.items())),
        "train_until": day_date(int(days[train_rows].max())).isoformat(),
        "test_from": day_date(int(days[test_rows].min())).isoformat(),
        "test_to": day_date(int(days[test_rows].max())).isoformat(),
    }
    return Task(
        name=name,
        run_name=f"train until {until}",
        table=data.table,
        features=names,
        directions=[feature.direction for feature in data.features],
        sample=Sample(data.table[names].to_numpy(dtype="float32"), labels, weight(changes), days),
        twin_weight=weight(earlier),
        headline=headline,
        train=train_rows,
        test=test_rows,
        folds_of=folds_of,
        judged=judged,
        meta=meta,
        parameters=parameters,
        bans=bans,
        audit=audit,
        bans_of=lambda rows: distinct_bans(data.take(rows), max(settings.train.horizons)),
        missing=data.missing,
        notes=[*notes, *(f"{source} not given: {len(lost)} features missing" for source, lost in data.missing.items())],
    )


def distinct_bans(data: Dataset, horizon: int) -> int:
    """Bans that mature rows at this horizon see, each counted once."""
    rows = data.labels[label_name(horizon)].to_numpy() == 1
    start = as_of_days(data.table)[rows] + days_to_ban(data.table[rows], data.outcomes) if rows.any() else np.array([])
    return len(set(zip(data.table["line_id"].to_numpy()[rows], start, strict=True)))


def _folds_in_time(rows: np.ndarray, days: np.ndarray, outcome: np.ndarray, length: int, gap: int) -> list[Fold]:
    """Up to three folds that move back in time; each learns from what precedes its checked days by the gap."""
    folds = []
    left = np.arange(len(rows))
    for _ in range(FOLDS):
        try:
            cut = cut_last(days[rows[left]], ~np.isnan(outcome[rows[left]]), length, gap)
        except ValueError:
            break
        folds.append((left[cut.before], left[cut.after]))
        first = int(days[rows[left[cut.after]]].min())
        left = left[days[rows[left]] < first]
        if not len(left):
            break
    return folds


def common_meta(settings: Settings) -> dict[str, Any]:
    """What every model.json says."""
    levels = {**settings.levels.model_dump(), "costs": settings.costs.model_dump()}
    return {"seed": settings.train.seed, "levels": levels, "notes": []}


def flat_settings(settings: Settings) -> dict[str, Any]:
    """The settings that shape a model, for MLflow's parameters."""
    sections = {"train": settings.train, "rule": settings.rule, "features": settings.features}
    return {f"{name}.{key}": value for name, section in sections.items() for key, value in section.model_dump().items()}


def playbook_actions(settings: Settings) -> list[dict[str, Any]]:
    """The playbook as the published model carries it."""
    from serving.actions import for_model, load_playbook

    return for_model(load_playbook(settings.actions.playbook))


def rule_bundle(
    folder: Path, settings: Settings, until: date, fingerprint: str, usual: dict[str, dict[str, float]] | None = None
) -> Path:
    """Write a bundle that ranks by the rule baseline alone, for a company with too few bans to learn from.

    Its base rates are no forecast: the share of lines banned in a week that the settings' orange level stands for at a limit.
    usual: as bundle.usual_values gives it, so that reasons can say what is usual.
    """
    from features.catalogue import CATALOGUE

    limits = rule_limits(settings.rule)
    features = [feature for feature in CATALOGUE if feature.name in limits]
    # A level of 0 or 1 is a wish about colours, and no rate.
    daily = 1.0 - (1.0 - min(max(settings.levels.orange, 0.01), 0.99)) ** (1.0 / settings.train.headline)
    meta = {
        **common_meta(settings),
        "kind": "rule",
        "id": "line_id",
        "group": "carrier",
        "horizons": list(settings.train.horizons),
        "headline": settings.train.headline,
        "features": bundle.describe(features),
        "rule": {
            "limits": {feature.name: limits[feature.name] for feature in features},
            "base_rate": {str(h): 1.0 - (1.0 - daily) ** h for h in settings.train.horizons},
        },
        "usual": usual or {},
        "actions": playbook_actions(settings),
        "trained_until": until.isoformat(),
        "data_fingerprint": fingerprint,
    }
    bundle.write_json(folder / "model.json", meta)
    bundle.seal(folder)
    return folder


def training_table(
    home: Home, settings: Settings, *, first: date, last: date, every: int, progress: Progress | None = None
) -> Iterator[pd.DataFrame]:
    """Features and labels at every `every` days from `first` to `last` (both as_of days, inclusive), in parts of whole days.

    Unknown labels are NaN.
    """
    lake = lake_of(home, settings)
    end = last_midnight(lake, None)
    days = [day for day in range(day_number(first), day_number(last) + 1, every) if day <= end]
    if not days:
        raise BadInput(f"--from {first} --to {last}: no as_of day in it that the lake knows (it ends at {day_date(end)})")
    return labelled_batches(lake, settings, days, end, progress, scratch=home.scratch)
