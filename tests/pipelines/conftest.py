"""A home on which the main job was done once, through the command line, on the simulated world."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipelines.cli import app

QUICK = 'threads = 1\nlanguage = "en"\n[train]\nbags = 1\nrounds = 30\nleaves = 7\nmin_bans = 20\n'


@dataclass
class Said:
    """What a command did: its exit status, stdout and the lines of its own on stderr."""

    code: int
    out: str
    lines: list[str]

    @property
    def summary(self) -> dict[str, Any]:
        return json.loads(self.out)


Run = Callable[..., Said]


@pytest.fixture(scope="session")
def bancast(prefect_server) -> Run:
    """The command line, in this process."""

    def run(*arguments: object) -> Said:
        done = CliRunner().invoke(app, [str(argument) for argument in arguments], prog_name="bancast")
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Said(done.exit_code, done.stdout, [line for line in done.stderr.splitlines() if line.startswith("bancast ")])

    return run


def quick_home(path: Path, more: str = "") -> Path:
    """A home whose settings make training a matter of seconds; more: further sections."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "bancast.toml").write_text(QUICK + more)
    return path


@dataclass
class Job:
    """A finished main job: its home and the summary it printed."""

    home: Path
    summary: dict[str, Any]


@pytest.fixture(scope="session")
def job(world: Path, bancast: Run, tmp_path_factory: pytest.TempPathFactory) -> Job:
    home = quick_home(tmp_path_factory.mktemp("job") / "home")
    done = bancast("run", world, "--home", home, "--json")
    assert done.code == 0, done
    return Job(home, done.summary)
