"""Ends that were asked for, and what runs that were killed leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from time import time

import pytest

from data_schemas.home import Home
from pipelines import interrupts, leftovers
from pipelines.runtime import progress, telling


@pytest.fixture
def listening(monkeypatch):
    """Signals as the command line takes them, until the end of the test."""
    monkeypatch.setattr(interrupts, "_asked", False)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    interrupts.listen()
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_that_a_library_swallows_comes_with_the_next_step(listening, number):
    told: list[str] = []
    with telling(lambda stage, what, share: told.append(what)):
        tell = progress("train")
        tell("one", 0.1)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
        with pytest.raises(KeyboardInterrupt):
            tell("two", 0.2)
    assert told == ["one"] and interrupts.asked()


ENGINE = """
import typer
from pipelines import interrupts
from pipelines.console import command, Outcome
import os, signal

@command("try")
def work(json_: bool = False) -> Outcome:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        pass
    raise RuntimeError("Query interrupted")

interrupts.listen()
app = typer.Typer()
app.command()(work)
app()
"""


def test_an_interrupt_that_the_engine_makes_an_error_of_is_one():
    done = subprocess.run([sys.executable, "-c", ENGINE], capture_output=True, text=True, cwd=Path(leftovers.__file__).parents[1])
    assert done.returncode == 130 and done.stderr.startswith("bancast try: interrupted")


def sleeper(home: Home, **more: str) -> subprocess.Popen[bytes]:
    own = {**os.environ, "PREFECT_HOME": str(home.prefect.absolute()), **more}
    return subprocess.Popen([sys.executable, "-c", "import time; print(1, flush=True); time.sleep(60)"], env=own, stdout=-1)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="the system does not tell what processes were started with")
def test_servers_of_killed_runs_of_this_home_end_and_no_others(tmp_path):
    one, other = Home(tmp_path / "one"), Home(tmp_path / "other")
    mark = {"PREFECT__SERVER_EPHEMERAL": "1"}
    left, elsewhere, kept = sleeper(one, **mark), sleeper(other, **mark), sleeper(one)
    try:
        for process in (left, elsewhere, kept):
            assert process.stdout.readline() == b"1\n"
        leftovers.clear(one)
        assert left.wait(10) == -signal.SIGTERM
        assert elsewhere.poll() is None and kept.poll() is None, "a server that the user has started stays"
    finally:
        for process in (left, elsewhere, kept):
            process.kill()
            process.wait()
            process.stdout.close()


def test_scratch_of_killed_runs_goes_after_a_day(tmp_path):
    home = Home(tmp_path)
    for name, age in (("bancast-spill-old", 2), ("bancast-spill-new", 0)):
        (home.scratch / name).mkdir(parents=True)
        (home.scratch / name / "x").write_text("x")
        os.utime(home.scratch / name, (time() - age * 86_400,) * 2)
    leftovers.clear(home)
    assert [path.name for path in home.scratch.iterdir()] == ["bancast-spill-new"]
