"""The steps of the flows, as Prefect tasks: each calls one function of the packages below and gives plain values back.

A step is tried again only where that can help: reading and writing through MLflow, which may be a server. Bad input is never
tried again.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import load_settings
from pipelines.runtime import progress


def may_pass(task: Task[Any, Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether another try may help: not when a person has to change something first."""
    return not isinstance(state.result(raise_on_failure=False), BadInput)


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
    """Features and labels of every eligible line at each as_of day, as a Parquet or CSV file."""
    from models.pipeline import training_table
    from pipelines.files import write_frame

    where = Home(Path(home))
    frame = training_table(where, load_settings(where.root), first=first, last=last, every=every, progress=progress("features"))
    write_frame(frame, Path(out))
    return {"file": out, "rows": len(frame), "columns": len(frame.columns), "days": int(frame["as_of"].nunique())}


@task(name="Train, evaluate and register", **_PLAIN)
def train_on_lake(home: str, until: date | None) -> dict[str, Any]:
    """A challenger from the lake, judged against the champion and both baselines."""
    from models.pipeline import train_lake

    where = Home(Path(home))
    return train_lake(where, load_settings(where.root), until=until, progress=progress("train")).to_dict()


@task(name="Train on a feature table", **_PLAIN)
def train_on_table(home: str, file: str, label: str, id: str, time: str | None, name: str) -> dict[str, Any]:
    """The same from a finished feature table."""
    from models.pipeline import train_table

    where = Home(Path(home))
    settings = load_settings(where.root)
    told = progress("train")
    return train_table(where, settings, file=Path(file), label=label, id=id, time=time, name=name, progress=told).to_dict()


@task(name="Fetch the published model", **_REMOTE)
def fetch_model(home: str, model: str, name: str = "bancast") -> str:
    """Bring the files of a registered version (alias or number) into the home's cache; where they lie."""
    from models.tracking import connect

    where = Home(Path(home))
    registry = connect(where, load_settings(where.root))
    return str(registry.download(registry.resolve(name, model), where.model_cache))


def tracking_uri(where: Home) -> str:
    """Where MLflow keeps the runs of a home."""
    from models.tracking import store_uri

    return store_uri(where, load_settings(where.root))


def chosen_model(where: Home, trained: dict[str, Any]) -> str:
    """What a run scores with after training: the champion; the version just trained where there is none, or where it is the rule."""
    from models.tracking import connect

    if trained["mode"] == "rule":
        return str(trained["version"])
    champion = connect(where, load_settings(where.root)).find("bancast", "champion")
    return "champion" if champion else str(trained["version"])
