"""What all tests share: a quiet environment, one Prefect server for those that need one, and a small simulated world."""

from __future__ import annotations

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


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory):
    """Flows run within report to a server of the test session's own."""
    os.environ.setdefault("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tables of a simulated company: small, and with enough bans to learn from."""
    from simulator import simulate

    folder = tmp_path_factory.mktemp("world")
    simulate(folder, lines=100, days=100, calls_per_line_day=8, seed=11)
    return folder
