"""What the tests of the model layer share: a company's lake, and one training of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.lake import Lake
from models.dataset import Dataset, build_dataset
from models.pipeline import last_midnight, train_lake
from models.report import TrainReport
from tests.models import worlds


@pytest.fixture(scope="session")
def tables() -> worlds.Tables:
    """The tables of the company."""
    return worlds.company()


@pytest.fixture(scope="session")
def home(tables: worlds.Tables, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home with all of the company's records."""
    root = tmp_path_factory.mktemp("models") / "home"
    worlds.lake_of(root, tables)
    return Home(root)


@pytest.fixture(scope="session")
def lake(home: Home) -> Lake:
    """Its lake."""
    return Lake(home.lake)


@pytest.fixture(scope="session")
def few(lake: Lake, home: Home) -> Dataset:
    """Its training table until worlds.UNTIL, with a few features."""
    return build_dataset(lake, worlds.settings(home.root), worlds.UNTIL, catalogue=worlds.FEW)


@pytest.fixture(scope="session")
def past(tables: worlds.Tables, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The training table, with every feature, of a home that never saw what became known at or after worlds.UNTIL."""
    root = tmp_path_factory.mktemp("past") / "home"
    lake = worlds.lake_of(root, worlds.without_future(tables))
    return build_dataset(lake, worlds.settings(root), last_midnight(lake, day_date(worlds.UNTIL)))


@dataclass
class Trained:
    """A training of the company's home, with every feature, until worlds.UNTIL."""

    home: Home
    report: TrainReport


@pytest.fixture(scope="session")
def trained(home: Home) -> Trained:
    """The one training with everything: features of all families, MLflow, the registry."""
    return Trained(home, train_lake(home, worlds.settings(home.root), until=day_date(worlds.UNTIL)))


@pytest.fixture(scope="session")
def bundle(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle, from the registry."""
    from models.tracking import connect

    registry = connect(trained.home, worlds.settings(trained.home.root))
    return registry.download(registry.resolve("bancast", "challenger"), tmp_path_factory.mktemp("bundle"))
