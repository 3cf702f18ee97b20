"""Jobs in processes of their own, so that the memory told is theirs alone and one job leaves nothing behind for the next."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.jobs import BAD_INPUT
from data_schemas.errors import BadInput

Tell = Callable[[str], None]
_ROOT = Path(__file__).parents[1]


def work(job: str, tell: Tell, **spec: Any) -> dict[str, Any]:
    """Run a job of `benchmarks.jobs`: seconds, peak_gb and what else it found. RuntimeError when it fails.

    BadInput where a person has to change something.
    """
    with tempfile.TemporaryFile() as answer:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.jobs", job, json.dumps(spec)],
            stdout=answer,
            stderr=subprocess.PIPE,
            text=True,
            cwd=_ROOT,
        )
        last: deque[str] = deque(maxlen=30)
        try:
            assert process.stderr is not None
            for line in process.stderr:
                last.append(line)
                if line.startswith("  "):
                    tell(line.rstrip())
            status = process.wait()
        except BaseException:  # stopped from outside: the job must not outlive its folders
            _end(process)
            raise
        if status and last and last[-1].startswith(BAD_INPUT):
            raise BadInput(last[-1].removeprefix(BAD_INPUT).strip())
        if status:
            raise RuntimeError(f"{job} failed ({status}): {''.join(last)[-2000:]}")
        answer.seek(0)
        return dict(json.loads(answer.read().splitlines()[-1]))


def main_job(world: Path, folder: Path) -> dict[str, Any]:
    """`bancast run` in a fresh home below `folder`, as `command` tells it."""
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        return command(["run", str(world), "--home", str(Path(fresh) / "home")], folder)


def command(words: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """A command of bancast, its log in `folder`: seconds, and the most memory that any of its processes held, GB.

    RuntimeError when it fails.
    """
    with (folder / "run.log").open("w+b") as log:
        whole = [sys.executable, "-m", "pipelines", *words]
        around = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE", **(environment or {})}
        started = time.perf_counter()
        process = subprocess.Popen(whole, stdout=log, stderr=log, env=around, cwd=_ROOT)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            _end(process)
            raise
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"bancast {words[0]} failed: {log.read().decode(errors='replace')[-2000:]}")
        peak = usage.ru_maxrss * (1024 if sys.platform != "darwin" else 1) / 1e9
        return {"seconds": seconds, "peak_gb": peak}


def _end(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()
