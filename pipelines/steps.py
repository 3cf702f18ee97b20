"""The steps of the flows, as Prefect tasks: each calls one function of the packages below and gives plain values back.

A step is tried again only where that can help: reading and writing through MLflow, which may be a server. Bad input is never
tried again.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import load_settings
from pipelines.rule import RULE, RuleRegistry
from pipelines.runtime import choose_day, open_lake, progress


def may_pass(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether another try may help: not when a person has to change something first."""
    return not isinstance(state.result(raise_on_failure=False), BadInput)


MODEL = "bancast"
_PLAIN: dict[str, Any] = {"cache_policy": NO_CACHE, "persist_result": False}
_REMOTE: dict[str, Any] = {**_PLAIN, "retries": 2, "retry_delay_seconds": [2, 15], "retry_condition_fn": may_pass}


@task(name="Read, check and store tables", **_PLAIN)
def store_tables(home: str, source: str | None, mapping: str | None) -> dict[str, Any]:
    """Bring the lake up to date with a folder of tables, or with exports through a mapping file."""
    from data_schemas.ingest import ingest
    from data_schemas.sources import find_sources

    settings = load_settings(Path(home))
    if mapping is not None:
        from data_schemas.mapping import load_mapping

        sources = load_mapping(Path(mapping), settings)
    elif source is not None:
        sources = find_sources(Path(source))
    else:
        raise BadInput("nothing to read: give a folder of tables or a mapping file")
    return ingest(sources, Path(home), settings, progress=progress("ingest")).to_dict()


@task(name="Build the labelled feature table", **_PLAIN)
def write_table(home: str, first: date, last: date, every: int, out: str) -> dict[str, Any]:
    """Features and labels of every eligible line at each as_of day, as a Parquet or CSV file or a Parquet dataset."""
    from models.dataset import column_docs
    from models.pipeline import training_table
    from pipelines.files import write_batches

    where = Home(Path(home))
    settings = load_settings(where.root)
    parts = training_table(where, settings, first=first, last=last, every=every, progress=progress("features"))
    return {"file": out, **write_batches(parts, Path(out), column_docs(settings))}


@task(name="Train, evaluate and register", **_PLAIN)
def train_on_lake(home: str, until: date | None, minutes: float | None = None, trials: int | None = None) -> dict[str, Any]:
    """A challenger from the lake, judged against the champion and both baselines; tuned first within minutes or trials."""
    from models.pipeline import train_lake
    from models.tuning import budget_of

    where = Home(Path(home))
    told, budget = progress("train"), budget_of(minutes, trials)
    return train_lake(where, load_settings(where.root), until=until, progress=told, budget=budget).to_dict()


@task(name="Replay history", **_PLAIN)
def replay_history(home: str, first: date, last: date, every: int, retrain: int, ablation: bool) -> dict[str, Any]:
    """Train and score as of past days, and judge by the bans that came."""
    from models.backtest_run import FILES, backtest

    where = Home(Path(home))
    open_lake(where)
    settings = load_settings(where.root)
    report, folder, run = backtest(
        where,
        settings,
        first=first,
        last=last,
        every=every,
        retrain=retrain,
        ablation=ablation,
        progress=progress("backtest"),
    )
    return {**report.to_dict(), "run_id": run, "files": {name.split(".")[-1]: str(folder / name) for name in FILES}}


@task(name="Train on a feature table", **_PLAIN)
def train_on_table(
    home: str,
    file: str,
    label: str,
    id: str,
    time: str | None,
    name: str,
    minutes: float | None = None,
    trials: int | None = None,
) -> dict[str, Any]:
    """The same from a finished feature table."""
    from models.table import train_table
    from models.tuning import budget_of

    where = Home(Path(home))
    told, budget = progress("train"), budget_of(minutes, trials)
    return train_table(
        where,
        load_settings(where.root),
        file=Path(file),
        label=label,
        id=id,
        time=time,
        name=name,
        progress=told,
        budget=budget,
    ).to_dict()


@task(name="Fetch the published model", **_REMOTE)
def fetch_model(home: str, model: str, name: str = MODEL) -> str:
    """Bring the files of a registered version (alias or number) into the home's cache; where they lie."""
    from models.tracking import connect

    where = Home(Path(home))
    registry = connect(where, load_settings(where.root))
    return str(registry.download(registry.resolve(name, registry.standing(name, model)), where.model_cache))


@task(name="Score the lines", **_PLAIN)
def score_lines(home: str, as_of: date, model: str) -> dict[str, Any]:
    """Scores of a day by the model behind an alias or number, or by the rule."""
    from models.tracking import connect
    from serving.scoring import score_day

    where = Home(Path(home))
    settings, lake, told = load_settings(where.root), open_lake(where), progress("score")
    if model == RULE:
        where.scratch.mkdir(exist_ok=True)
        with TemporaryDirectory(dir=where.scratch) as folder:
            rule = RuleRegistry(Path(folder), settings, as_of, lake.fingerprint(day_number(as_of)))
            path, summary = score_day(lake, settings, where, rule, as_of=as_of, name=RULE, alias=RULE, progress=told)
    else:
        registry = connect(where, settings)
        alias = registry.standing(MODEL, model)
        path, summary = score_day(lake, settings, where, registry, as_of=as_of, name=MODEL, alias=alias, progress=told)
    return {"file": str(path), **summary}


@task(name="Score a feature table", **_PLAIN)
def score_file(home: str, file: str, out: str, name: str, model: str) -> dict[str, Any]:
    """Scores of the rows of a feature table."""
    from models.tracking import connect
    from serving.scoring import score_table

    where = Home(Path(home))
    settings = load_settings(where.root)
    told, registry = progress("score"), connect(where, settings)
    alias = registry.standing(name, model)
    path, summary = score_table(Path(file), Path(out), settings, where, registry, name=name, alias=alias, progress=told)
    return {"file": str(path), **summary}


def day_to_score(where: Home, as_of: date | None) -> date:
    """The as_of day meant, checked before any model is asked for; BadInput when it cannot be scored."""
    from serving.scoring import check_day

    lake = open_lake(where)
    day = choose_day(lake, as_of)
    check_day(lake, load_settings(where.root), day)
    return day


def tracking_uri(where: Home) -> str:
    """Where MLflow keeps the runs of a home."""
    from models.tracking import store_uri

    return store_uri(where, load_settings(where.root))


def chosen_model(where: Home, trained: dict[str, Any] | None, day: date) -> str:
    """What a run scores with: the champion (or what stands in for it), or the rule baseline while there is no model.

    For a past day, whose champion has learnt from what came after it, what was trained for that day.
    """
    from models.tracking import connect

    champion = connect(where, load_settings(where.root)).find(MODEL, "champion")
    if trained and champion and champion.trained_until > day.isoformat():
        return str(trained["version"]).rpartition("/")[2]
    return "champion" if trained or champion else RULE


@task(name="Write the ranking", **_PLAIN)
def write_ranking(home: str, as_of: date | None) -> dict[str, Any]:
    """Page, workbook and CSV of a scored day, the latest when None."""
    from pipelines.runtime import scored_day
    from serving.report import write_report

    where = Home(Path(home))
    day = scored_day(where, as_of)
    return write_report(where, load_settings(where.root), day, lake=open_lake(where), progress=progress("report"))


@task(name="Send the alerts", **_PLAIN)
def send_alerts(home: str, as_of: date | None, dry_run: bool) -> dict[str, Any]:
    """What is due of a scored day, the latest when None, to every channel; sending tries again by itself."""
    from pipelines.runtime import scored_day
    from serving.alerts import alert

    where = Home(Path(home))
    day = scored_day(where, as_of)
    settings, lake = load_settings(where.root), open_lake(where)
    return alert(where, settings, day, lake, dry_run=dry_run, progress=progress("alert"))


@task(name="Compare forecasts with what came", **_PLAIN)
def compare(home: str) -> dict[str, Any]:
    """Expected and observed bans, and drift."""
    from models.monitoring import monitor

    where = Home(Path(home))
    return monitor(where, load_settings(where.root), progress("monitor")).to_dict()
