"""Against a real `prefect server`: a run and its artifacts through the API, and a run that the server's clock starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from data_schemas.lake import Lake
from pipelines.deployments import TIMETABLE
from tests.pipelines import tables

ROOT = Path(__file__).parents[2]
PATIENCE_S = 240
# Prefect looks at timetables each minute and for work each ten seconds: nobody waits for a test of it so long.
OFTEN = {"PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}


def environment(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    return {**kept, "PREFECT_HOME": str(home), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", **OFTEN, **more}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = tmp_path_factory.mktemp("server")
    log = (home / "log").open("w")
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--no-ui"]
    with (
        subprocess.Popen(command, env=environment(home), stdout=log, stderr=log, cwd=home) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}/api/", timeout=30) as client,
    ):
        try:
            wait(lambda: answers(client) or process.poll() is not None, "a server")
            assert process.poll() is None, (home / "log").read_text()
            yield client
        finally:
            end(process)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("health").status_code == 200
    except httpx.TransportError:
        return False


def wait(done, what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < until, f"no {what} within {PATIENCE_S} s"
        time.sleep(0.5)


def end(process: subprocess.Popen) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()


def runs(client: httpx.Client, flow: str) -> list[dict]:
    return client.post("flow_runs/filter", json={"flows": {"name": {"any_": [flow]}}}).raise_for_status().json()


def test_a_command_reports_its_flow_and_artifacts_to_the_server_that_is_set(server, tmp_path):
    folder = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    api = str(server.base_url).rstrip("/")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "ingest", str(folder), "--home", str(tmp_path / "home")],
        env=environment(tmp_path / "client", PREFECT_API_URL=api),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (run,) = runs(server, "bancast-ingest")
    assert run["state_type"] == "COMPLETED" and run["parameters"]["source"] == str(folder)
    ask = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    (artifact,) = server.post("artifacts/filter", json=ask).raise_for_status().json()
    assert artifact["key"] == "validation-counts" and artifact["type"] == "table"
    assert '"rows in": 288' in artifact["data"]
    assert not (tmp_path / "home" / "prefect").exists()


def test_a_run_that_the_timetable_starts_really_does_its_work(server, tmp_path):
    """Too new a SQLAlchemy lets everything else pass: the server then schedules nothing (docs/development.md)."""
    folder = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    home = tmp_path / "home"
    api = str(server.base_url).rstrip("/")
    command = [sys.executable, "-m", "pipelines.deployments", "--home", str(home), "--source", str(folder)]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--only", "daily-ingest", "--every", "5"],
            env=environment(tmp_path / "client", PREFECT_API_URL=api),
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
        try:
            wait(lambda: finished(server) or process.poll() is not None, "scheduled run")
            assert process.poll() is None, (tmp_path / "log").read_text()
        finally:
            end(process)
    run = finished(server)[0]
    assert run["state_type"] == "COMPLETED", run["state"]["message"]
    assert sum(Lake(home / "lake").rows("calls").values()) == 288


def finished(client: httpx.Client) -> list[dict]:
    """Runs of the ingest deployment that have come to an end."""
    return [
        run for run in runs(client, "bancast-ingest") if run["deployment_id"] and run["state_type"] in ("COMPLETED", "FAILED")
    ]


def test_the_workers_of_a_pool_get_the_same_timetable(server, tmp_path):
    server.post("work_pools/", json={"name": "bancast", "type": "process"}).raise_for_status()
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.deployments", "--home", str(tmp_path), "--source", str(tmp_path), "--pool", "bancast"],
        env=environment(tmp_path / "client", PREFECT_API_URL=str(server.base_url).rstrip("/")),
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    timetable = [timed for timed in TIMETABLE if timed.name != "daily-alert"]  # no channel is set
    assert done.returncode == 0 and len(done.stdout.splitlines()) == len(timetable), done.stderr
    found = server.post("deployments/filter", json={"limit": 50}).raise_for_status().json()
    made = {one["name"]: one for one in found if one["work_pool_name"] == "bancast"}
    for timed in timetable:
        one = made[timed.name]
        assert one["entrypoint"] == f"pipelines.flows.{timed.flow}"
        (schedule,) = one["schedules"]
        assert schedule["schedule"] | {"day_or": True} == {"cron": timed.cron, "timezone": "Asia/Shanghai", "day_or": True}
        assert one["parameters"]["home"] == str(tmp_path)
