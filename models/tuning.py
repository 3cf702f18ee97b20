"""Settings of the learner that fit a company's records better than the given ones: a search within a budget, by Optuna.

A trial is judged by the out-of-time log loss on folds that end before the test rows, so that the test stays
untouched. The first trial is the given settings; the best one is used only where it beats them.

Every trial is drawn by a seed of its own from the trials before it, which are kept in the home: a search that was stopped goes
on as if nothing had happened, and N trials are the same N trials again on the same data and settings. A budget of time
cannot promise that, for how many trials fit into it depends on the machine.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
from threadpoolctl import threadpool_limits

from data_schemas.errors import BadInput
from data_schemas.settings import Settings
from models.forecast import Sample, fold_loss

if TYPE_CHECKING:
    import optuna

    from models.tracking import Run
    from models.training import Task

Progress = Callable[[str, float], None]
Losses = Callable[[Settings], Iterator[float]]
"""Out-of-time log losses of settings, fold by fold, the earliest first."""
Child = Callable[[str], AbstractContextManager["Run"]]

REAL = {
    "learning_rate": (0.02, 0.2, True),
    "feature_fraction": (0.1, 1.0, False),
    "bagging_fraction": (0.4, 1.0, False),
    "lambda_l2": (0.1, 100.0, True),
}
"""From, to, and whether steps are factors."""
LEAVES = (4, 63)
MIN_DATA = (10, 20, 40, 80, 160)
TUNED = (*REAL, "leaves", "min_data")
"""What is searched, all of `train`."""


@dataclass(frozen=True)
class Budget:
    """What a search may cost in all, resumed ones included: minutes, trials, or whichever is reached first."""

    minutes: float | None = None
    trials: int | None = None

    def __post_init__(self) -> None:
        if (self.minutes is not None and not self.minutes > 0) or (self.trials is not None and self.trials < 1):
            raise BadInput(f"tuning: {self.minutes} minutes, {self.trials} trials; a budget is above 0")


def budget_of(minutes: float | None, trials: int | None) -> Budget | None:
    """The budget meant; None where neither is given."""
    return None if minutes is None and trials is None else Budget(minutes, trials)


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    settings: those to train with. chosen: what differs in them from the given ones, {} where these were not beaten. loss,
    given_loss: of the best trial and of the given settings, None where the budget was too small to judge them. trials: finished,
    `pruned` of them cut short. study: its name in the home's tuning.db.
    """

    settings: Settings
    chosen: dict[str, float | int]
    loss: float | None
    given_loss: float | None
    trials: int
    pruned: int
    study: str

    def parameters(self) -> dict[str, Any]:
        """For the MLflow run of the training."""
        own = {f"train.{name}": value for name, value in self.chosen.items()}
        return {**own, "tuning.study": self.study, "tuning.trials": self.trials}

    def notes(self) -> list[str]:
        """What a person should know."""
        if self.loss is None:
            return ["tuning: no trial came to an end, the settings stay as they are; it takes a larger budget or more history"]
        return []

    def plain(self) -> dict[str, Any]:
        """For reports."""
        return {
            "chosen": self.chosen,
            "loss": self.loss,
            "given_loss": self.given_loss,
            "trials": self.trials,
            "pruned": self.pruned,
            "study": self.study,
        }


def tune_task(task: Task, settings: Settings, budget: Budget, file: Path, run: Run, progress: Progress | None = None) -> Tuned:
    """Tune for a training task: on its train rows, with a child of its MLflow run a trial. file: where trials are kept."""
    # Whatever shapes the training makes another search of it: trials on other data or settings cannot be compared.
    own = json.dumps([task.name, task.parameters, task.features, task.directions], sort_keys=True, default=str)
    study = f"{task.run_name} {hashlib.sha256(own.encode()).hexdigest()[:12]}"
    return tune(task_losses(task), settings, budget, file, study, run.child, progress)


def task_losses(task: Task) -> Losses:
    """The losses of a task's train rows."""
    rows = task.train
    labels = {horizon: label[rows] for horizon, label in task.sample.labels.items()}
    bans = None if task.bans_of is None else task.bans_of(rows)
    sample = Sample(task.sample.values[rows], labels, task.before.weight[rows], bans=bans)
    folds = task.folds_of(rows)[::-1]

    def losses(settings: Settings) -> Iterator[float]:
        for fold in folds:
            with threadpool_limits(1, user_api="blas"):  # as in training
                loss = fold_loss(sample, fold, task.directions, settings)
            if loss is not None:
                yield loss

    return losses


def tune(
    losses: Losses,
    settings: Settings,
    budget: Budget,
    file: Path,
    name: str,
    child: Child,
    progress: Progress | None = None,
    clock: Callable[[], float] = monotonic,
) -> Tuned:
    """Search until the budget of study `name` in the SQLite file is spent. clock: seconds.

    A fold that has begun is finished; a trial that the end of the time cuts is dropped.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tell = progress or (lambda step, share: None)
    file.parent.mkdir(parents=True, exist_ok=True)
    storage = optuna.storages.RDBStorage(f"sqlite:///{file.resolve()}")
    try:
        pruner = optuna.pruners.MedianPruner(n_startup_trials=5)
        study = optuna.create_study(storage=storage, study_name=name, pruner=pruner, load_if_exists=True)
        for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # cut when a run was stopped; drawn again below
        most = np.inf if budget.trials is None else budget.trials
        seconds = np.inf if budget.minutes is None else 60 * budget.minutes
        spent, done, some = study.user_attrs.get("seconds", 0.0), len(_finished(study)), True
        while some and done < most and spent < seconds:
            began = clock()
            some, says = _trial(study, losses, settings, child, partial(_late, clock, began + seconds - spent))
            spent, done = spent + clock() - began, len(_finished(study))
            study.set_user_attr("seconds", spent)
            tell(says, min(1.0, max(done / most, spent / seconds)))
        return _outcome(study, settings)
    finally:
        storage.engine.dispose()


def _late(clock: Callable[[], float], end: float) -> bool:
    return clock() >= end


def _trial(study: optuna.Study, losses: Losses, settings: Settings, child: Child, late: Callable[[], bool]) -> tuple[bool, str]:
    """One trial more; whether there was any fold to judge it by, and what to tell of it."""
    import optuna

    states = optuna.trial.TrialState
    given = {key: getattr(settings.train, key) for key in TUNED}
    if not study.get_trials(deepcopy=False, states=(states.COMPLETE, states.WAITING)):
        study.enqueue_trial(_within(given), user_attrs={"given": True})
    study.sampler = optuna.samplers.TPESampler(seed=settings.train.seed + len(_finished(study)))
    trial = study.ask()
    drawn = _draw(trial, given["min_data"] is None)
    values = given if trial.user_attrs.get("given") else drawn
    trial.set_user_attr("values", values)
    found: list[float] = []
    state = states.COMPLETE
    with child(f"trial {trial.number}") as run:
        run.parameters({f"train.{key}": value for key, value in values.items()})
        for step, loss in enumerate(losses(_with(settings, values))):
            found.append(loss)
            run.step("fold_loss", loss, step)
            trial.report(float(np.mean(found)), step)
            if late():
                state = states.FAIL
                break
            if trial.should_prune():
                state = states.PRUNED
                break
        if not found:
            state = states.FAIL
        study.tell(trial, float(np.mean(found)) if state == states.COMPLETE else None, state=state)
        run.tags({"state": {states.FAIL: "dropped"}.get(state, state.name.lower())})
        if state != states.COMPLETE:
            return bool(found), f"trial {trial.number}: {'cut short' if state == states.PRUNED else 'dropped'}"
        run.step("loss", float(np.mean(found)), 0)
    return True, f"trial {trial.number}: loss {np.mean(found):.4f}, best {study.best_value:.4f}"


def _draw(trial: optuna.Trial, by_bans: bool) -> dict[str, Any]:
    """Values of a trial, rounded so that they can be written down. by_bans: min_data may stay with the number of bans."""
    values: dict[str, Any] = {
        key: float(f"{trial.suggest_float(key, low, high, log=log):.3g}") for key, (low, high, log) in REAL.items()
    }
    values["leaves"] = trial.suggest_int("leaves", *LEAVES, log=True)
    values["min_data"] = trial.suggest_categorical("min_data", [None, *MIN_DATA] if by_bans else list(MIN_DATA))
    return values


def _within(given: dict[str, Any]) -> dict[str, Any]:
    """The point of the search space that lies nearest to given values: what the sampler takes them for."""
    nearest = {key: float(np.clip(given[key], low, high)) for key, (low, high, _) in REAL.items()}
    rows = given["min_data"]
    return {
        **nearest,
        "leaves": int(np.clip(given["leaves"], *LEAVES)),
        "min_data": None if rows is None else min(MIN_DATA, key=lambda size: abs(size - rows)),
    }


def _with(settings: Settings, values: dict[str, Any]) -> Settings:
    return settings.model_copy(update={"train": settings.train.model_copy(update=values)})


def _finished(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    import optuna

    return study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED))


def _outcome(study: optuna.Study, settings: Settings) -> Tuned:
    """The best trial where it beat the given settings."""
    import optuna

    trials = len(_finished(study))
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    pruned, name = trials - len(complete), study.study_name
    if not complete:
        return Tuned(settings, {}, None, None, trials, pruned, name)
    losses = {trial.number: float(trial.values[0]) for trial in complete}
    given = next(losses[trial.number] for trial in complete if trial.user_attrs.get("given"))
    best = min(complete, key=lambda trial: (losses[trial.number], trial.number))
    loss = losses[best.number]
    values = best.user_attrs["values"] if loss < given else {}
    chosen = {key: value for key, value in values.items() if value != getattr(settings.train, key)}
    return Tuned(_with(settings, values), chosen, loss, given, trials, pruned, name)
