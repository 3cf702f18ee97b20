"""What all tests share: a quiet environment, one Prefect server for those that need one, and a small simulated world."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

# Before anything imports MLflow, Prefect or matplotlib. Nothing of a test may land in the user's own folders.
os.environ.update(
    DO_NOT_TRACK="1",
    MLFLOW_DISABLE_TELEMETRY="true",
    MLFLOW_CONFIGURE_LOGGING="false",
    MPLBACKEND="Agg",
    GIT_PYTHON_REFRESH="quiet",
    OMP_WAIT_POLICY="PASSIVE",
    PREFECT_SERVER_ANALYTICS_ENABLED="false",
    PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW="ignore",
)
for name in [name for name in os.environ if name.startswith("BANCAST_")] + ["PREFECT_API_URL", "MLFLOW_TRACKING_URI"]:
    os.environ.pop(name, None)
# Expressions of features are hundreds of thousands of small objects: looking through all modules after every few of them
# takes a tenth of the time.
gc.set_threshold(100_000, 50, 100)
SPARK = ("tests/features/test_spark.py", "tests/pipelines/test_files.py", "tests/models/test_distributed.py")
"""Files whose tests stay in one process: they share a Java machine, and what it has compiled."""
PIPELINES = ("tests/pipelines/",)
"""The same of tests that share a server and a home."""
FIRST = (PIPELINES[0], SPARK[0], "tests/serving/report/")
"""What takes longest, to be begun first."""


def _scope(nodeid: str) -> str:
    """What the tests of one process have in common: the first place of a group, or else a file."""
    return next((group[0] for group in (SPARK, PIPELINES) if nodeid.startswith(group)), nodeid.split("::")[0])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, groups in one piece."""
    scopes = {item: _scope(item.nodeid) for item in items}
    items.sort(key=lambda item: next((turn for turn, path in enumerate(FIRST) if scopes[item].startswith(path)), len(FIRST)))


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """With `--dist loadfile`, a file stays in one process, and so does a group."""
    from xdist.scheduler import LoadFileScheduling

    class ByGroup(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _scope(nodeid)

    return ByGroup(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory):
    """Flows run within report to a server of the test session's own; without heartbeats, on which each flow waits a second."""
    os.environ.setdefault("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a simulated company: small, and with enough bans to learn from."""
    from simulator import simulate

    folder = tmp_path_factory.mktemp("world")
    simulate(folder, lines=100, days=100, calls_per_line_day=8, seed=11)
    return folder
