from __future__ import annotations

import pytest
from mlflow.utils.logging_utils import enable_logging

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from models.tracking import Registry, start_run


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    folder = tmp_path_factory.mktemp("store")
    made = Registry(f"sqlite:///{folder / 'mlflow.db'}")
    made._client.create_registered_model("lines")
    for _ in range(2):
        made._client.create_model_version("lines", source=folder.as_uri())
    return made


def test_the_challenger_stands_in_only_until_there_is_a_champion(registry: Registry):
    assert registry.standing("lines", "champion") == "champion"  # neither is there: the error names the champion
    with pytest.raises(BadInput, match=r"no `champion`.*bancast train"):
        registry.resolve("lines")
    registry.point(registry.resolve("lines", "1"), "challenger")
    assert registry.standing("lines", "champion") == "challenger"
    assert registry.standing("lines", "2") == "2"
    registry.point(registry.resolve("lines", "2"), "champion")
    assert registry.standing("lines", "champion") == "champion"
    assert registry.resolve("lines").version == "2"


def test_mlflow_prints_nothing_of_its_own_during_a_run(tmp_path, capfd):
    (tmp_path / "model").mkdir()
    with start_run(Home(tmp_path), Settings(), "quiet") as run:
        enable_logging()  # as logging a model does
        for number in (1, 2):
            assert int(run._mlflow.register_model((tmp_path / "model").as_uri(), "quiet").version) == number
    told = capfd.readouterr()
    assert "quiet" not in told.out + told.err
