"""The flows, as a person sees them in Prefect's UI. Each reads like a table of contents; the work is done elsewhere.

They need no server; with PREFECT_API_URL set they report to that one. Each takes the home for itself while it writes.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from prefect import flow

from data_schemas.errors import BadInput
from data_schemas.home import Home
from pipelines import artifacts, steps
from pipelines.rule import RULE
from pipelines.runtime import open_lake, writing

# Parameters of a flow are plain values, checked by pydantic: Prefect shows them, and a deployment or the UI can set them.


@flow(name="bancast-ingest", persist_result=False)
def ingest_flow(home: str = "bancast-home", source: str | None = None, mapping: str | None = None) -> dict[str, Any]:
    """Bring the lake up to date with the tables of folder `source`, or with exports through the file `mapping`."""
    with writing(Home(Path(home))):
        report = steps.store_tables(home, source, mapping)
        artifacts.validation_counts(report)
    return report


@flow(name="bancast-features", persist_result=False)
def features_flow(first: date, last: date, out: str, every: int = 7, home: str = "bancast-home") -> dict[str, Any]:
    """Write a labelled table of every feature at as_of days `first` to `last`, `every` days apart, to file `out`."""
    with writing(Home(Path(home))):
        return steps.write_table(home, first, last, every, out)


@flow(name="bancast-train", persist_result=False)
def train_flow(
    home: str = "bancast-home",
    until: date | None = None,
    tune_minutes: float | None = None,
    tune_trials: int | None = None,
) -> dict[str, Any]:
    """Train a challenger on what was known before `until` (all when None); it becomes champion only if it is as good.

    The learner is tuned first where `tune_minutes` or `tune_trials` (the first that is reached) is given.
    """
    where = Home(Path(home))
    with writing(where):
        open_lake(where)
        report = steps.train_on_lake(home, until, tune_minutes, tune_trials)
        artifacts.training(report, steps.tracking_uri(where))
    return report


@flow(name="bancast-train-table", persist_result=False)
def train_table_flow(
    file: str,
    label: str,
    id: str,
    time: str | None = None,
    name: str = "bancast-table",
    home: str = "bancast-home",
    tune_minutes: float | None = None,
    tune_trials: int | None = None,
) -> dict[str, Any]:
    """Train on a finished feature table: one row a line (column `id`), one 0/1 column `label`; tuned as in bancast-train."""
    where = Home(Path(home))
    with writing(where):
        report = steps.train_on_table(home, file, label, id, time, name, tune_minutes, tune_trials)
        artifacts.training(report, steps.tracking_uri(where))
    return report


@flow(name="bancast-backtest", persist_result=False)
def backtest_flow(
    first: date, last: date, every: int = 7, retrain: int = 28, ablation: bool = False, home: str = "bancast-home"
) -> dict[str, Any]:
    """Replay `first` to `last`: at each date a model that knew only what was known then, judged by what came."""
    with writing(Home(Path(home))):
        report = steps.replay_history(home, first, last, every, retrain, ablation)
        artifacts.backtest(report)
    return report


@flow(name="bancast-score", persist_result=False)
def score_flow(home: str = "bancast-home", as_of: date | None = None, model: str = "champion") -> dict[str, Any]:
    """Score every line eligible at `as_of` (the latest day with calls before it when None) with the published model."""
    where = Home(Path(home))
    with writing(where):
        day = steps.day_to_score(where, as_of)
        if model != RULE:
            steps.fetch_model(home, model)
        report = steps.score_lines(home, day, model)
        artifacts.top_lines(where.scores_file(day), day.isoformat())
    return report


@flow(name="bancast-score-table", persist_result=False)
def score_table_flow(
    file: str, out: str, name: str = "bancast-table", model: str = "champion", home: str = "bancast-home"
) -> dict[str, Any]:
    """Score a feature table with the model published under `name`, into file `out`."""
    with writing(Home(Path(home))):
        steps.fetch_model(home, model, name)
        return steps.score_file(home, file, out, name, model)


@flow(name="bancast-report", persist_result=False)
def report_flow(home: str = "bancast-home", as_of: date | None = None) -> dict[str, Any]:
    """Write the ranking of `as_of` (the latest scored day when None): page, workbook and CSV."""
    with writing(Home(Path(home))):
        report = steps.write_ranking(home, as_of)
        artifacts.report_links(report["files"], report["as_of"])
    return report


@flow(name="bancast-alert", persist_result=False)
def alert_flow(home: str = "bancast-home", as_of: date | None = None, dry_run: bool = False) -> dict[str, Any]:
    """Tell each channel of the lines newly red on `as_of` (the latest scored day when None).

    Fails with serving.alerts.Undelivered when a channel did not take its message; the others were sent theirs.
    """
    from serving.alerts import Undelivered

    with writing(Home(Path(home))):
        report = steps.send_alerts(home, as_of, dry_run)
        artifacts.alerts(report)
    if report["failed"]:
        raise Undelivered(report)
    return report


@flow(name="bancast-monitor", persist_result=False)
def monitor_flow(home: str = "bancast-home") -> dict[str, Any]:
    """Compare past risks with the bans that came, by carrier too, and the newest scores and features with earlier ones."""
    with writing(Home(Path(home))):
        report = steps.compare(home)
        artifacts.monitoring(report)
    return report


@flow(name="bancast-run", persist_result=False)
def run_flow(
    home: str = "bancast-home", source: str | None = None, mapping: str | None = None, as_of: date | None = None
) -> dict[str, Any]:
    """The main job: ingest, train, score, report."""
    where = Home(Path(home))
    with writing(where):
        ingested = ingest_flow(home, source, mapping)
        day = steps.day_to_score(where, as_of)
        trained, lacking = None, None
        try:
            trained = train_flow(home, day)
        except BadInput as why:  # the rule baseline ranks the lines until there is enough to learn from
            lacking = str(why)
        scored = score_flow(home, day, steps.chosen_model(where, trained, day))
        reported = report_flow(home, day)
    done = {"ingest": ingested, "train": trained, "score": scored, "report": reported}
    return {"as_of": day.isoformat(), "lacking": lacking, **done}
