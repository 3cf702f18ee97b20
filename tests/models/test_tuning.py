"""Tuning: what is chosen and why, the same again by seed, going on after a stop, and its trace in MLflow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from models import tracking
from models.dataset import Dataset
from models.pipeline import snapshot_task
from models.table import train_table
from models.tuning import MIN_DATA, TUNED, Budget, Tuned, budget_of, task_losses, tune
from tests.models import worlds
from tests.models.test_table import phones, written


class Trace:
    """Stands for an MLflow run and its children: what was logged to each."""

    def __init__(self) -> None:
        self.children: list[dict[str, object]] = []

    @contextmanager
    def child(self, name: str) -> Iterator[Trace]:
        self.children.append({"name": name, "losses": []})
        yield self

    def parameters(self, values: dict[str, object]) -> None:
        self.children[-1] |= values

    def step(self, name: str, value: float, step: int) -> None:
        if name == "fold_loss":
            self.children[-1]["losses"].append(value)

    def tags(self, values: dict[str, str]) -> None:
        self.children[-1] |= values


def bowl(settings: Settings) -> Iterator[float]:
    """Three folds that like slow steps and 31 leaves; the given settings are far from both."""
    own = settings.train
    base = np.log(own.learning_rate / 0.03) ** 2 + np.log(own.leaves / 31) ** 2 + (own.min_data or 30) / 1000
    yield from (0.1 + base, 0.2 + base, 0.3 + base)


def search(
    folder: Path, losses=bowl, trials: int = 12, trace: Trace | None = None, name: str = "study", seed: int = 7, **more
) -> Tuned:
    settings = worlds.settings(folder, seed=seed)
    budget = more.pop("budget", Budget(trials=trials))
    return tune(losses, settings, budget, folder / "tuning.db", name, (trace or Trace()).child, **more)


def test_the_same_seed_and_trials_choose_the_same_and_another_seed_draws_others(tmp_path):
    traces = {name: Trace() for name in "abc"}
    one, two = (search(tmp_path / name, trace=traces[name]) for name in "ab")
    assert one.plain() == two.plain()
    assert traces["a"].children == traces["b"].children
    search(tmp_path / "c", trace=traces["c"], seed=8)
    assert traces["c"].children[1:] != traces["a"].children[1:]


def test_the_first_trial_is_the_given_settings_and_the_best_is_used_where_it_beats_them(tmp_path):
    trace = Trace()
    found = search(tmp_path, trace=trace)
    given = worlds.settings(tmp_path)
    assert {key: trace.children[0][f"train.{key}"] for key in TUNED} == {key: getattr(given.train, key) for key in TUNED}
    assert found.trials == len(trace.children) == 12
    complete = [np.mean(child["losses"]) for child in trace.children if child["state"] == "complete"]
    assert found.loss == pytest.approx(min(complete)) and found.loss < found.given_loss == pytest.approx(complete[0])
    assert found.loss == pytest.approx(np.mean(list(bowl(found.settings))))
    assert found.chosen == {
        key: getattr(found.settings.train, key)
        for key in TUNED
        if getattr(found.settings.train, key) != getattr(given.train, key)
    }
    assert set(found.chosen) <= set(TUNED) and found.notes() == []
    changed = {**given.model_dump(), "train": {**given.train.model_dump(), **found.chosen}}
    assert found.settings.model_dump() == changed, "nothing else has changed"


def test_what_was_chosen_gives_the_same_settings_when_written_into_bancast_toml(tmp_path):
    found = search(tmp_path)
    (tmp_path / "bancast.toml").write_text("[train]\n" + "".join(f"{key} = {value}\n" for key, value in found.chosen.items()))
    from data_schemas.settings import load_settings

    kept = load_settings(tmp_path).train
    assert {key: getattr(kept, key) for key in found.chosen} == found.chosen


def test_given_settings_stay_when_nothing_is_better(tmp_path):
    def best(settings: Settings) -> Iterator[float]:
        yield 0.1 if settings.train == worlds.settings(tmp_path).train else 0.2

    for losses in (best, lambda settings: iter([0.1])):
        found = search(tmp_path, losses, 8, name=str(losses))
        assert found.chosen == {} and found.loss == found.given_loss == pytest.approx(0.1)
        assert found.settings.train == worlds.settings(tmp_path).train


def test_poor_trials_are_cut_before_their_last_fold(tmp_path):
    trace = Trace()
    found = search(tmp_path, trace=trace)
    cut = [child for child in trace.children if child["state"] == "pruned"]
    assert found.pruned == len(cut) > 0
    assert all(len(child["losses"]) < 3 for child in cut)
    assert all(len(child["losses"]) == 3 for child in trace.children if child["state"] == "complete")


@pytest.mark.parametrize("cut_in", [0, 1, 9])
def test_a_search_that_was_stopped_goes_on_as_if_nothing_had_happened(tmp_path, cut_in):
    """Stopped in the middle of a trial, the first included: the same trials are finished, and what is chosen is the same."""
    calls = []

    def stopped(settings: Settings) -> Iterator[float]:
        calls.append(settings)
        for place, loss in enumerate(bowl(settings)):
            if len(calls) == cut_in + 1 and place == 1:
                raise KeyboardInterrupt
            yield loss

    whole, rest = Trace(), Trace()
    wanted = search(tmp_path / "whole", trace=whole)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "cut", stopped)
    found = search(tmp_path / "cut", trace=rest)
    assert len(rest.children) == 12 - cut_in and found.trials == 12
    losses = [child["losses"] for child in whole.children[cut_in:]]
    assert [child["losses"] for child in rest.children] == losses
    assert (found.chosen, found.loss, found.pruned) == (wanted.chosen, wanted.loss, wanted.pruned)


def test_a_finished_search_is_not_searched_again_and_a_larger_budget_adds_to_it(tmp_path):
    first, again, more = Trace(), Trace(), Trace()
    one = search(tmp_path, trials=4, trace=first)
    assert search(tmp_path, trials=4, trace=again).loss == one.loss and again.children == []
    assert search(tmp_path, trials=6, trace=more).trials == 6 and len(more.children) == 2
    other = Trace()
    search(tmp_path, trials=4, trace=other, name="other data")
    assert len(other.children) == 4


class Hands:
    """A clock on which a fold takes ten seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def losses(self, settings: Settings) -> Iterator[float]:
        for loss in bowl(settings):
            self.now += 10
            yield loss

    def __call__(self) -> float:
        return self.now


def test_a_time_is_kept_over_resumed_runs_and_the_trial_it_cuts_is_dropped(tmp_path):
    hands, trace = Hands(), Trace()
    found = search(tmp_path, hands.losses, budget=Budget(minutes=40 / 60), clock=hands, trace=trace)
    assert hands.now == 40 and found.trials == 1 and [child["state"] for child in trace.children] == ["complete", "dropped"]
    assert search(tmp_path, hands.losses, budget=Budget(minutes=40 / 60), clock=hands).trials == 1 and hands.now == 40
    assert search(tmp_path, hands.losses, budget=Budget(minutes=80 / 60), clock=hands).trials == 2 and hands.now == 80
    assert search(tmp_path, hands.losses, budget=Budget(60, 3), clock=hands).trials == 3, "whichever is reached first"


@pytest.mark.parametrize("losses", [lambda settings: iter([]), Hands().losses])
def test_without_a_finished_trial_the_settings_stay_and_a_note_says_so(tmp_path, losses):
    found = search(tmp_path, losses, budget=Budget(1e-9, 5))
    assert found.loss is None and found.settings.train == worlds.settings(tmp_path).train and found.trials == 0
    assert "no trial came to an end" in found.notes()[0]


def test_settings_of_ones_own_are_judged_as_they_are_even_outside_of_the_search(tmp_path):
    trace, odd = Trace(), {"learning_rate": 0.9, "leaves": 200, "lambda_l2": 0.0, "min_data": 7}
    settings = worlds.settings(tmp_path, **odd)
    tune(bowl, settings, Budget(trials=8), tmp_path / "tuning.db", "study", trace.child)
    assert {key: trace.children[0][f"train.{key}"] for key in odd} == odd
    assert {child["train.min_data"] for child in trace.children[1:]} <= set(MIN_DATA)


def test_progress_says_what_each_trial_came_to(tmp_path):
    told = []
    search(tmp_path, trials=6, progress=lambda step, share: told.append((step, share)))
    assert told[0][0].startswith("trial 0: loss 0.") or told[0][0].startswith("trial 0: loss ")
    assert "best" in told[0][0] and [share for _, share in told] == [pytest.approx(n / 6) for n in range(1, 7)]


def test_a_budget_is_above_zero():
    assert budget_of(None, None) is None and budget_of(2.0, None) == Budget(minutes=2.0)
    for wrong in ((0.0, None), (None, 0), (-1.0, 3), (float("nan"), None)):
        with pytest.raises(BadInput, match="above 0"):
            budget_of(*wrong)


def test_the_losses_of_a_task_come_from_its_folds_before_the_test_alone(few: Dataset, tmp_path):
    """The earliest fold first; labels of the test rows may be anything."""
    settings = worlds.settings(tmp_path)
    task = snapshot_task(few, settings)
    found = list(task_losses(task)(settings))
    assert 1 <= len(found) <= len(task.folds_of(task.train)) and all(0 < loss < 1 for loss in found)
    other = snapshot_task(few, settings)
    outside = np.setdiff1d(np.arange(len(task.table)), task.train)
    other.sample.labels[7] = other.sample.labels[7].copy()
    other.sample.labels[7][outside] = 1 - other.sample.labels[7][outside]
    other.sample.values = np.where(np.isin(np.arange(len(task.table)), outside)[:, None], np.float32(-1), task.sample.values)
    assert list(task_losses(other)(settings)) == found
    slow = settings.model_copy(update={"train": settings.train.model_copy(update={"learning_rate": 0.002})})
    assert list(task_losses(task)(slow)) != found


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory):
    """A training on a table with four trials before it, and its home."""
    root = tmp_path_factory.mktemp("tuned")
    home, file = Home(root / "home"), written(root / "in.csv", phones())
    settings = worlds.settings(home.root, learning_rate=0.02)
    report = train_table(home, settings, file=file, label="banned", id="phone", budget=Budget(trials=4))
    return home, settings, report


def test_trials_are_children_of_the_training_run_with_values_losses_and_state(tuned):
    home, settings, report = tuned
    registry = tracking.connect(home, settings)
    children = registry._client.search_runs([report.experiment], f"tags.`mlflow.parentRunId` = '{report.run_id}'")
    assert sorted(child.info.run_name for child in children) == [f"trial {number}" for number in range(4)]
    for child in children:
        assert child.info.status == "FINISHED" and child.data.tags["state"] in ("complete", "pruned")
        assert {f"train.{key}" for key in TUNED} <= set(child.data.params)
        losses = [one.value for one in registry._client.get_metric_history(child.info.run_id, "fold_loss")]
        if child.data.tags["state"] == "complete":
            assert len(losses) == 5 and child.data.metrics["loss"] == pytest.approx(np.mean(losses))
    best = min(child.data.metrics["loss"] for child in children if "loss" in child.data.metrics)
    assert report.tuning["loss"] == pytest.approx(best) and report.tuning["trials"] == 4


def test_the_chosen_values_are_those_the_training_used_and_logged(tuned):
    home, settings, report = tuned
    found = tracking.connect(home, settings)._client.get_run(report.run_id).data.params
    assert report.tuning["loss"] < report.tuning["given_loss"], "steps of 0.02 in 20 trees are too slow for anyone"
    assert report.tuning["chosen"]["learning_rate"] > 0.02
    for key, value in report.tuning["chosen"].items():
        assert found[f"train.{key}"] == str(value)
    assert found["tuning.trials"] == "4" and found["tuning.study"] == report.tuning["study"]
    assert home.tuning_db.is_file() and not (home.root / "bancast.toml").exists()


def test_a_lake_is_tuned_too(few: Dataset, tmp_path):
    """By the task of snapshots: its name says until when."""
    from models.tuning import tune_task

    settings = worlds.settings(tmp_path)
    task, trace = snapshot_task(few, settings), Trace()
    found = tune_task(task, settings, Budget(trials=2), tmp_path / "tuning.db", trace)  # type: ignore[arg-type]
    assert found.trials == 2 and found.study.startswith(f"train until {day_date(worlds.UNTIL)} ")
    other = snapshot_task(few, worlds.settings(tmp_path, seed=8))
    again = tune_task(other, settings, Budget(trials=1), tmp_path / "tuning.db", trace)  # type: ignore[arg-type]
    assert again.study != found.study and again.trials == 1
