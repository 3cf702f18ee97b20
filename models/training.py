"""One training from labelled rows to a registered version: judge a twin on the test rows, learn from all, publish, decide.

The twin is the same procedure on what precedes the test rows. The gate compares twins, so that no model is judged on rows it has
learnt from, and the model that is published still learns from the newest bans.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from models import bundle, card, gate, plots, tracking
from models.baselines import logistic_scores, rule_scores
from models.evaluation import Judged, calibration_table, comparison, evaluate
from models.forecast import Fitted, Fold, Sample, fit
from models.report import TrainReport
from models.tracking import UNTIL_TAG
from models.tuning import Budget, tune_task
from serving.published import Forecast, OutdatedBundle

Progress = Callable[[str, float], None]


@dataclass
class Task:
    """Everything a training needs, whether rows are snapshots of lines or rows of a finished table.

    name: of the registered model. table: ids and features, one row a row. sample: the same as numbers. train, test: row indices;
    train precedes test by the gap. folds_of: row indices -> folds within them. meta: what model.json says besides the fit.
    twin_weight: of the rows as it was known before the test rows; None: the sample's. judged: the test rows. audit: the rows that
    a fit has seen, and the fit -> what model.json says of its checked rows. bans_of: distinct bans among rows. parameters: for
    MLflow.
    """

    name: str
    run_name: str
    table: pd.DataFrame
    features: list[str]
    directions: list[int]
    sample: Sample
    headline: int
    train: np.ndarray
    test: np.ndarray
    folds_of: Callable[[np.ndarray], Sequence[Fold]]
    judged: Callable[[np.ndarray, int], tuple[np.ndarray, Judged]]
    meta: dict[str, Any]
    parameters: dict[str, Any]
    bans: int
    audit: Callable[[np.ndarray, Fitted], dict[str, Any]]
    twin_weight: np.ndarray | None = None
    bans_of: Callable[[np.ndarray], int] | None = None
    with_rule: bool = True
    missing: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def before(self) -> Sample:
        """The sample as whoever may know nothing of the test rows weighs it."""
        return self.sample if self.twin_weight is None else replace(self.sample, weight=self.twin_weight)

    def narrowed(self, kept: list[int]) -> Task:
        """The same task with some of the features alone, by their positions."""
        return replace(
            self,
            features=[self.features[place] for place in kept],
            directions=[self.directions[place] for place in kept],
            sample=replace(self.sample, values=self.sample.values[:, kept]),
            meta={**self.meta, "features": [self.meta["features"][place] for place in kept]},
        )


def train(
    task: Task, home: Home, settings: Settings, progress: Progress | None = None, budget: Budget | None = None
) -> TrainReport:
    """Run a task; see the module. Raises BadInput where the rows cannot teach or judge anything.

    budget: what may be spent on settings of the learner that beat the given ones on the folds before the test rows.
    """
    said = progress or (lambda step, share: None)
    first = 0.5 if budget else 0.0

    def tell(step: str, share: float) -> None:
        said(step, first + (1 - first) * share)

    with tempfile.TemporaryDirectory(prefix="bancast-bundle-") as work, tracking.start_run(home, settings, task.run_name) as run:
        tuned = None
        if budget is not None:
            tuned = tune_task(task, settings, budget, home.tuning_db, run, lambda step, share: said(step, first * share))
            settings = tuned.settings
            task.parameters |= tuned.parameters()
            task.notes += tuned.notes()
        folder = Path(work) / "bundle"
        final, sha256 = write_bundle(task, folder, settings, lambda step, share: tell(step, 0.87 * share))
        tell("evaluate", 0.87)
        standing, lost = _standing(task, run, settings)
        twin = Forecast.read(folder, part="evaluation", threads=settings.threads)
        found = judge(task, twin, standing, settings)
        results, horizons, scores, judged = found.results, found.horizons, found.scores, found.judged
        run.parameters({**task.parameters, "chosen": final.chosen})
        _log(run, task, results, horizons, scores, judged, final)
        measured = card.measure(run, task, folder, home, settings, results, horizons, scores, judged)
        tell("publish", 0.92)
        challengers = {who: metrics for who, metrics in results.items() if who in ("rule", "logistic")}
        verdict = gate.decide(results["model"], challengers, results.get("champion"), lost)
        tags = {
            "why": verdict.why,
            "kind": task.meta["kind"],
            "data_fingerprint": task.meta["data_fingerprint"],
            UNTIL_TAG: task.meta["trained_until"] or "",
        }
        version = run.publish(folder, task.name, sha256, tags)
        card.write(run, home, measured, version.label, verdict.promoted, verdict.why, settings.language)
        run.registry.point(version, "challenger")
        if verdict.promoted:
            run.registry.point(version, "champion")
        run.tags({"gate": verdict.why, "promoted": str(verdict.promoted).lower(), "version": version.label})
        tell("done", 1.0)
        return TrainReport(
            run_id=run.run_id,
            version=version.label,
            promoted=verdict.promoted,
            why=verdict.why,
            metrics=results,
            horizons=horizons,
            rows=len(task.table),
            bans=task.bans,
            trained_until=task.meta["trained_until"],
            experiment=run.experiment_id,
            degree=final.degree,
            missing=task.missing,
            notes=[*task.notes, *final.notes],
            tuning=tuned.plain() if tuned else None,
        )


def write_bundle(task: Task, folder: Path, settings: Settings, progress: Progress | None = None) -> tuple[Fitted, str]:
    """Learn twin and model, and write both as a sealed bundle; the model and the SHA-256 of the manifest."""
    tell = progress or (lambda step, share: None)
    twin = fit_rows(task, task.before, task.train, settings, lambda step, share: tell(f"evaluation twin: {step}", 0.45 * share))
    bundle.write_model(folder / "evaluation", twin, {**task.meta, **task.audit(task.train, twin)})
    everything = np.arange(len(task.table))
    final = fit_rows(task, task.sample, everything, settings, lambda step, share: tell(step, 0.45 + 0.55 * share))
    bundle.write_model(folder, final, {**task.meta, **task.audit(everything, final)})
    return final, bundle.seal(folder)


def fit_rows(task: Task, whole: Sample, rows: np.ndarray, settings: Settings, progress: Progress) -> Fitted:
    """Learn from some rows of a task's sample, weighed in one way or the other."""
    sample = Sample(
        whole.values[rows],
        {horizon: label[rows] for horizon, label in whole.labels.items()},
        whole.weight[rows],
        None if whole.days is None else whole.days[rows],
        None if task.bans_of is None else task.bans_of(rows),
    )
    # Sums in one order whatever the cores, and for problems of this size several times faster than BLAS threads that spin.
    with threadpool_limits(1, user_api="blas"):
        return fit(sample, task.folds_of(rows), task.directions, settings, task.headline, progress)


@dataclass
class Judgement:
    """Everybody on the same test rows: metrics at the headline by who, and the model's at each horizon; the scores; the rows."""

    results: dict[str, dict[str, float]]
    horizons: dict[str, dict[str, float]]
    scores: dict[str, np.ndarray]
    judged: Judged


def judge(task: Task, twin: Forecast, standing: Forecast | None, settings: Settings) -> Judgement:
    """Judge the evaluation twin, both baselines and the standing champion's twin on the task's test rows."""
    rows, judged = task.judged(task.test, task.headline)
    tested = task.table.iloc[rows]
    flags = settings.train.flags
    risks = twin.risks(task.table.iloc[task.test])
    horizons = {}
    for place, horizon in enumerate(twin.horizons):
        own, wanted = task.judged(task.test, horizon)
        if len(own):
            horizons[str(horizon)] = evaluate(wanted, risks[np.searchsorted(task.test, own), place], flags, horizon)
    scores = {"model": risks[np.searchsorted(task.test, rows), twin.headline]}
    if task.with_rule:
        scores["rule"] = rule_scores(tested, settings.rule)
    label = task.sample.labels[task.headline]
    learnt = task.train[~np.isnan(label[task.train])]
    values, weight = task.before.values, task.before.weight
    fitted = logistic_scores(values[learnt], label[learnt], weight[learnt], values[rows])
    if fitted is not None:
        scores["logistic"] = fitted[0]
    if standing is not None:
        lacking = {name: np.nan for name in standing.names if name not in tested}
        scores["champion"] = standing.risks(tested.assign(**lacking))[:, standing.headline]
    results = {who: evaluate(judged, score, flags, task.headline, who != "rule") for who, score in scores.items()}
    return Judgement(results, horizons, scores, judged)


def _standing(task: Task, run: tracking.Run, settings: Settings) -> tuple[Forecast | None, str | None]:
    """The champion's evaluation twin; or why it could not be had, where there is a champion.

    A champion that this version cannot read any more cannot score either: it is as if there were none. One that has learnt until
    a later day may have learnt from the test rows, and nobody would go back to an older model.
    """
    champion = run.registry.find(task.name, "champion")
    if champion is None:
        return None, None
    until = task.meta["trained_until"] or champion.trained_until
    if champion.trained_until > until:
        return None, f"champion {champion.label} has learnt until {champion.trained_until}, this one until {until}"
    try:
        with tempfile.TemporaryDirectory(prefix="bancast-champion-") as cache:
            folder = run.registry.download(champion, Path(cache))
            return Forecast.read(folder, part="evaluation", threads=settings.threads), None
    except OutdatedBundle as error:
        task.notes.append(f"champion {champion.label} is replaced: {error}")
        return None, None
    except (ValueError, BadInput) as error:
        lost = f"champion {champion.label} could not be compared: {error}"
        task.notes.append(lost)
        return None, lost


def _log(
    run: tracking.Run,
    task: Task,
    results: dict[str, dict[str, float]],
    horizons: dict[str, dict[str, float]],
    scores: dict[str, np.ndarray],
    judged: Judged,
    final: Fitted,
) -> None:
    """Metrics, tables and plots into the run."""
    for who, metrics in results.items():
        run.metrics(who, metrics)
    for horizon, metrics in horizons.items():
        run.metrics(f"model_{horizon}d", metrics)
    run.table(pd.DataFrame(comparison(results)), "evaluation/comparison.csv")
    bands = calibration_table(judged, scores["model"])
    run.table(bands, "evaluation/calibration.csv")
    run.figure(plots.calibration_plot(bands, "Calibration on the test period"), "evaluation/calibration.png")
    if 0 < judged.label.sum() < len(judged.label):
        run.figure(
            plots.precision_recall_plot(judged, scores, "Precision and recall on the test period"),
            "evaluation/precision_recall.png",
        )
    importance = pd.DataFrame({"feature": task.features, "gain": final.importance}).sort_values("gain", ascending=False)
    run.table(importance, "evaluation/importance.csv")
    run.figure(plots.importance_plot(importance, "What the model looks at"), "evaluation/importance.png")
    run.json({"missing": task.missing, "notes": task.notes}, "evaluation/notes.json")
