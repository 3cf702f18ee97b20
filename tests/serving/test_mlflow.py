"""The published model in MLflow itself: logged from code, loaded in a fresh process, served over HTTP."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import load_settings
from models import tracking
from serving.published import Forecast
from serving.trust import trusted_forecast
from tests.serving.bundles import FEATURES, LEVELS, lines, time_bundle

NAMES = [name for name, _, _ in FEATURES]
RISKS = ["risk_1d", "risk_3d", "risk_7d", "risk_14d"]
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Published:
    home: Home
    bundle: Path
    version: tracking.ModelVersion
    uri: str


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    """A bundle, logged and registered by the model layer in a home's own SQLite store, with the alias champion."""
    root = tmp_path_factory.mktemp("mlflow")
    levels = {**LEVELS, "red": 0.9}  # which most lines do not reach within a year
    bundle, home = time_bundle(root / "bundle", levels=levels), Home(root / "home")
    home.root.mkdir()
    settings = load_settings(home.root, threads=1)
    with tracking.start_run(home, settings, "test") as run:
        digest = sha256((bundle / "manifest.json").read_bytes()).hexdigest()
        version = run.publish(bundle, "bancast", digest, {})
    registry = tracking.connect(home, settings)
    registry.point(version, "champion")
    return Published(home, bundle, version, tracking.store_uri(home, settings))


def fresh(code: str, uri: str, folder: Path, **environment: str) -> str:
    """Run Python in another folder, from which no module of bancast can be imported by accident."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1", "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, **quiet, **environment},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_no_pickle_and_no_code_but_the_published_file_is_logged(published: Published, tmp_path: Path):
    with tracking.connect(published.home, load_settings(published.home.root))._global_uri():
        import mlflow

        got = Path(mlflow.artifacts.download_artifacts(artifact_uri="models:/bancast@champion", dst_path=str(tmp_path)))
    files = {path.relative_to(got).as_posix(): path for path in got.rglob("*") if path.is_file()}
    assert [name for name in files if name.endswith((".pkl", ".pickle", ".joblib"))] == []
    assert [name for name in files if name.endswith(".py")] == ["published.py"]
    assert files["published.py"].read_bytes() == (ROOT / "serving" / "published.py").read_bytes()
    for path in files.values():
        assert not path.read_bytes().startswith(b"\x80"), f"{path} looks like a pickle"


def test_a_fresh_process_that_knows_only_the_registry_scores_the_same(published: Published, tmp_path: Path):
    frame = lines(150, seed=30)
    frame.to_parquet(tmp_path / "in.parquet")
    fresh(
        "import sys, mlflow, pandas as pd\n"
        "model = mlflow.pyfunc.load_model('models:/bancast@champion')\n"
        "assert not {'serving', 'features', 'models', 'data_schemas'} & set(sys.modules), 'it imports bancast'\n"
        "model.predict(pd.read_parquet('in.parquet')).to_json('out.json', orient='records', double_precision=15)\n",
        published.uri,
        tmp_path,
    )
    found = json.loads((tmp_path / "out.json").read_text())
    expected = Forecast.read(published.bundle).score(frame)
    assert [row["line_id"] for row in found] == expected["line_id"].tolist()
    assert np.array([[row[name] for name in RISKS] for row in found]) == pytest.approx(expected[RISKS].to_numpy(), abs=1e-14)
    assert [row["rank"] for row in found] == expected["rank"].tolist()
    assert [[r["feature"] for r in row["reasons"]] for row in found] == [
        [r["feature"] for r in row] for row in expected["reasons"]
    ]
    assert [[a["action"] for a in row["actions"]] for row in found] == [[a["action"] for a in row] for row in expected["actions"]]
    assert {row["as_of"] for row in found} == {"2026-03-02"}


def test_our_own_scoring_runs_no_code_that_comes_with_a_model(published: Published, tmp_path: Path):
    lines(150, seed=31).to_parquet(tmp_path / "in.parquet")
    stored = [path for path in published.home.mlflow_artifacts.rglob("published.py")]
    assert len(stored) == 1
    before = stored[0].read_text()
    stored[0].write_text(before + "\nopen('code-was-run', 'w').close()\n")
    code = (
        "import os, sys, mlflow, pandas as pd; from pathlib import Path\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from data_schemas.home import Home; from data_schemas.settings import load_settings\n"
        "from models.tracking import connect; from serving.trust import trusted_forecast\n"
        f"source, home = Path({str(published.home.root)!r}), Home(Path('other'))\n"
        "forecast, version = trusted_forecast(connect(Home(source), load_settings(source)), home, 'bancast', 'champion')\n"
        "scores = forecast.score(pd.read_parquet('in.parquet'))\n"
        f"scores[{['line_id', *RISKS]!r}].to_parquet('out.parquet')\n"
        "assert not os.path.exists('code-was-run'), 'scoring ran the code of the model'\n"
        "mlflow.pyfunc.load_model('models:/bancast@champion')\n"
        "assert os.path.exists('code-was-run'), 'the mark is never left: this test shows nothing'\n"
    )
    forbidden = {"MLFLOW_ALLOW_MODEL_CODE_EXECUTION": "false", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
    try:
        fresh(code, published.uri, tmp_path, **forbidden)
    finally:
        stored[0].write_text(before)
    expected = Forecast.read(published.bundle).score(pd.read_parquet(tmp_path / "in.parquet"))
    found = pd.read_parquet(tmp_path / "out.parquet")
    assert (found[RISKS].to_numpy() == expected[RISKS].to_numpy()).all()


def test_a_pickle_planted_in_the_store_is_refused(published: Published, tmp_path: Path):
    bundles = [path.parent for path in published.home.mlflow_artifacts.rglob("manifest.json")]
    assert len(bundles) == 1
    planted = bundles[0] / "model.pkl"
    planted.write_bytes(b"\x80\x04.")
    try:
        registry = tracking.connect(published.home, load_settings(published.home.root))
        with pytest.raises(BadInput, match=r"model\.pkl: not listed"):
            trusted_forecast(registry, Home(tmp_path / "scoring"), "bancast", "champion")
    finally:
        planted.unlink()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_mlflow_models_serve_answers_with_the_same_scores(published: Published, tmp_path: Path):
    port, frame = free_port(), lines(40, seed=32)
    environment = {**os.environ, "MLFLOW_TRACKING_URI": published.uri, "MLFLOW_REGISTRY_URI": published.uri}
    environment |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    # MLflow starts uvicorn by its name: as in an activated environment.
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", "")])
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/bancast@champion", "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        answer = wait_for(f"http://127.0.0.1:{port}", frame, server, tmp_path / "log")
    finally:
        stop(server)
    expected = Forecast.read(published.bundle).score(frame)
    rows = answer["predictions"]
    assert np.array([[row[name] for name in RISKS] for row in rows]) == pytest.approx(expected[RISKS].to_numpy(), abs=1e-14)
    assert [row["level"] for row in rows] == expected["level"].tolist()
    days = [None if np.isnan(value) else pytest.approx(value) for value in expected["days_to_red"]]
    assert [row["days_to_red"] for row in rows] == days and 0 < days.count(None) < len(days)
    assert [row["reasons"] for row in rows] == expected["reasons"].tolist()
    assert [row["actions"] for row in rows] == expected["actions"].tolist()


def stop(server: subprocess.Popen) -> None:
    """End the server and the workers it started, all in a process group of their own."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, how)
        with suppress(subprocess.TimeoutExpired):
            server.wait(20)
            return


def strange(word: str) -> float:
    raise AssertionError(f"{word} is no JSON")


def wait_for(address: str, frame: pd.DataFrame, server: subprocess.Popen, log: Path) -> dict:
    """The answer to the frame, once the server is up; its log when it will not come up."""
    plain = frame.assign(as_of=frame["as_of"].dt.strftime("%Y-%m-%d")).astype(object)
    data = plain.where(plain.notna(), None).to_numpy().tolist()
    body = json.dumps({"dataframe_split": {"columns": list(frame.columns), "data": data}}).encode()
    end = time.monotonic() + 240
    while time.monotonic() < end and server.poll() is None:
        request = urllib.request.Request(f"{address}/invocations", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                return json.loads(response.read(), parse_constant=strange)
        except urllib.error.HTTPError as error:
            pytest.fail(f"{error.code}: {error.read().decode()[:2000]}")
        except OSError:
            time.sleep(0.5)
    pytest.fail(log.read_text()[-3000:])
