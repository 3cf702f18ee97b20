"""A backtest from the lake to the files: replay, measure, keep in MLflow (a run with a child a date) and write the page."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd

from data_schemas.clock import day_date, day_number
from data_schemas.errors import BadInput, check_place
from data_schemas.home import Home
from data_schemas.lake import Lake, lake_of
from data_schemas.settings import Settings
from models import plots, tracking
from models.ablation import by_history, without_families
from models.backtest import BacktestReport, measure
from models.backtest_page import render
from models.dataset import build_dataset
from models.pipeline import flat_settings, snapshot_task
from models.replay import FeatureStore, replay

Progress = Callable[[str, float], None]
TABLES = ("intervals", "weeks", "months", "carriers", "pools", "reasons", "bands", "trainings", "policy", "ablation", "learning")
"""Lists of the report that become tables of the run."""
FILES = ("backtest.html", "backtest.json", "scored.parquet")


def backtest(
    home: Home,
    settings: Settings,
    *,
    first: date,
    last: date,
    every: int = 7,
    retrain: int = 28,
    ablation: bool = False,
    progress: Progress | None = None,
) -> tuple[BacktestReport, Path, str]:
    """Replay `first` to `last` every `every` days, training anew each `retrain` days; the report, its folder, the MLflow run.

    ablation: also what each family of features and more history are worth, on the last training. Raises BadInput, with nothing
    written, where the lake does not know the days. The folder is written aside and renamed.
    """
    said = progress or (lambda step, share: None)
    share = 0.6 if ablation else 0.95
    lake = lake_of(home, settings)
    days = _days(lake, first, last, every)
    check_place(home.backtest_folder(first, last).parent)
    home.scratch.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="backtest-", dir=home.scratch) as work,
        tracking.start_run(home, settings, f"backtest {first} to {last}") as run,
    ):
        found = replay(lake, home, settings, days, retrain, Path(work), lambda step, part: said(step, share * part))
        said("measure", share)
        report = measure(found, settings, every, retrain)
        if ablation:
            _worth(report, lake, home, settings, found.trainings[-1].day, Path(work), lambda s, p: said(s, share + 0.35 * p))
        said("write", 0.96)
        folder = _write(home, settings, report, found.rows)
        _keep(run, settings, report, folder)
    said("done", 1.0)
    return report, folder, run.run_id


def _days(lake: Lake, first: date, last: date, every: int) -> list[int]:
    """The days to score, all of which the lake knows the day before of."""
    standing = [day for day, rows in lake.rows("calls").items() if rows]
    if not standing:
        raise BadInput(f"{lake.root}: no calls in the lake; run `bancast ingest` first")
    earliest, latest = standing[0] + 1, standing[-1] + 1
    if day_number(last) < day_number(first):
        raise BadInput(f"--to {last}: before --from {first}; give a later day")
    if not earliest <= day_number(first) <= latest or day_number(last) > latest:
        raise BadInput(
            f"--from {first} --to {last}: the lake knows {day_date(earliest)} to {day_date(latest)}; choose days among them"
        )
    return list(range(day_number(first), day_number(last) + 1, every))


def _worth(report: BacktestReport, lake: Lake, home: Home, settings: Settings, day: int, work: Path, progress: Progress) -> None:
    """Fill in the ablation and the learning curve, from the last training; a note where it could not learn."""
    store = FeatureStore(lake, settings, work, home.scratch)
    try:
        task = snapshot_task(build_dataset(lake, settings, day, batches=store.batches), settings)
    except BadInput as why:
        report.notes.append(f"no ablation: {why}")
        return
    report.ablation = without_families(task, settings, lambda step, part: progress(step, 0.7 * part))
    report.learning = by_history(task, settings, lambda step, part: progress(step, 0.7 + 0.3 * part))


def _write(home: Home, settings: Settings, report: BacktestReport, rows: pd.DataFrame) -> Path:
    folder = home.backtest_folder(date.fromisoformat(report.first), date.fromisoformat(report.last))
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.parent / f".{folder.name}-{os.getpid()}-{uuid4().hex[:8]}"
    aside.mkdir()
    try:
        plain = report.to_dict()
        (aside / FILES[0]).write_text(render(plain, settings.language), encoding="utf-8")
        told = json.dumps(plain, ensure_ascii=False, indent=1, default=float)
        (aside / FILES[1]).write_text(told + "\n", encoding="utf-8")
        rows.to_parquet(aside / FILES[2], index=False)
        folder.mkdir(exist_ok=True)
        for name in FILES:
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder


def _keep(run: tracking.Run, settings: Settings, report: BacktestReport, folder: Path) -> None:
    """Parameters, metrics, tables, pictures and the page into the run; a child run for each scored date."""
    run.tags({"kind": "backtest"})
    run.parameters(
        {
            **flat_settings(settings),
            **{name: getattr(report, name) for name in ("first", "last", "every", "retrain", "fingerprint", "known_until")},
        }
    )
    for who, metrics in report.overall.items():
        run.metrics(who, metrics)
    for horizon, metrics in report.horizons.items():
        run.metrics(f"model_{horizon}d", metrics)
    for entry in report.warning:
        size = f"{entry['flags']:g}"
        run.metrics(f"warning_{entry['who']}_{size}", {key: value for key, value in entry.items() if isinstance(value, float)})
    for name in TABLES:
        if rows := getattr(report, name):
            run.table(pd.DataFrame(rows), f"backtest/{name}.csv")
    if report.bands:
        run.figure(plots.reliability_plot(report.bands), "backtest/reliability.png")
    if report.weeks:
        run.figure(plots.weekly_plot(report.weeks), "backtest/average_precision.png")
        run.figure(plots.expected_plot(report.weeks), "backtest/expected.png")
    run.text((folder / FILES[0]).read_text(encoding="utf-8"), "backtest/backtest.html")
    for week in report.weeks:
        with run.child(f"as of {week['name']}") as child:
            child.tags({"kind": "backtest date", "as_of": week["name"]})
            numbers: dict[str, Any] = {key: float(value) for key, value in week.items() if key != "name"}
            child.metrics("week", numbers)
