"""The face of the command line: help, usage, exit status, and its page of documentation."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_schemas.settings import Settings
from pipelines.cli import EXAMPLES, commands

ROOT = Path(__file__).parents[2]
COMMANDS = commands()


def bancast(*arguments: object, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines", *map(str, arguments)]
    path = {"PYTHONPATH": str(ROOT)} if cwd != ROOT else {}
    return subprocess.run(command, cwd=cwd, env={**os.environ, **path, **environment}, capture_output=True, text=True)


def test_help_takes_less_than_half_a_second_of_work():
    """Processor time, since the machine may be busy; nothing slow is imported for it."""
    before = os.times()
    done = bancast("run", "--help")
    after = os.times()
    assert done.returncode == 0 and "Examples:" in done.stdout
    assert after.children_user + after.children_system - before.children_user - before.children_system < 0.8


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['bancast', 'run', '--help']\nfrom pipelines.cli import main\n"
    code += "try: main()\nexcept SystemExit: pass\n"
    done = subprocess.run(
        [sys.executable, "-c", code + "print(*sys.modules)"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.splitlines()[-1].split())
    assert not loaded & {"pandas", "prefect", "mlflow", "duckdb", "ibis", "lightgbm", "pyarrow", "numpy", "sklearn", "rich"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_its_options_know(name):
    done = bancast(*name.split(), "--help")
    assert done.returncode == 0
    for example in EXAMPLES[name]:
        assert f"bancast {example}" in done.stdout
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", example)) <= known


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["fly"], "No such command 'fly'"),
        (["run", "--fast"], "No such option: --fast"),
        (["score", "--as-of", "2026-02-30"], "write it as YYYY-MM-DD"),
        (["features", "--from", "2026-02-01"], "Missing option '--to'"),
        (["features", "--from", "2026-02-01", "--to", "2026-03-01", "--every", "week", "--out", "x.csv"], "write it as 7d"),
        (["simulate"], "Missing argument 'DIR'"),
        (["run"], "nothing to read"),
        (["run", "a", "--mapping", "b"], "two things to read"),
        (["run", "no-such-folder"], "no-such-folder: no such folder"),
        (["run", "--mapping", "no-such.toml"], "no-such.toml"),
        (["ingest", "no-such-folder"], "no-such-folder: no such folder"),
        (["train", "--table", "x.csv"], "needs --label COLUMN and --id COLUMN"),
        (["train", "--label", "banned"], "go with --table"),
        (["train", "--tune", "soon"], "'soon' is no length of time; write it as 90s, 10m or 1h"),
        (["train", "--tune", "0m"], "write it as 90s, 10m or 1h"),
        (["train", "--tune-trials", "0"], "greater than or equal to 1"),
        (["train", "--table", "x.csv", "--label", "a", "--id", "b"], "x.csv: no such file"),
        (["score", "--table", "x.csv"], "needs --out FILE"),
        (["score", "--table", "x.csv", "--out", "y.xlsx"], "name it .parquet or .csv"),
        (["score", "--out", "y.csv"], "goes with --table"),
        (["score"], "no data in it yet"),
        (["train"], "no data in it yet"),
        (["report"], "no scores in it yet"),
        (["monitor"], "no data in it yet"),
        (["appeals", "list"], "no data in it yet"),
        (["appeals", "won", "b1"], "no data in it yet"),
        (["appeals", "won", "b1", "--lifted", "soon"], "'soon' is no time; write it as 2026-03-01T09:30"),
        (["appeals", "draft"], "Missing argument 'BAN_ID|LINE'"),
        (["features", "--from", "2026-02-01", "--to", "2026-03-01", "--out", "no/where.csv"], "no folder no"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2_and_leaves_nothing(tmp_path, arguments, says):
    done = bancast(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr and len(done.stderr.splitlines()) == 1
    assert done.stdout == "" and not list(tmp_path.iterdir())


def test_without_arguments_the_help_is_shown_as_wrong_usage():
    done = bancast()
    assert done.returncode == 2 and done.stdout == "" and "simulate" in done.stderr and "Start here" in done.stderr


def test_bad_input_as_json_is_json_alone_on_stdout(tmp_path):
    done = bancast("score", "--json", "--home", tmp_path / "home")
    told = json.loads(done.stdout)
    assert done.returncode == 2 and told["status"] == "bad input" and told["error"] in done.stderr


def test_simulate_makes_the_same_world_from_the_same_seed_and_sums_it_up_as_json(tmp_path):
    small = ("--lines", 8, "--days", 5, "--calls", 2, "--json")
    first, second = (json.loads(bancast("simulate", tmp_path / name, *small).stdout) for name in "ab")
    assert first["status"] == "done" and first["days"] == 5
    same = set(first) - {"folder", "seconds"}
    assert {key: first[key] for key in same} == {key: second[key] for key in same}
    assert (tmp_path / "a/calls.parquet").read_bytes() == (tmp_path / "b/calls.parquet").read_bytes()


def test_a_wrong_setting_is_named_with_its_file(tmp_path):
    (tmp_path / "bancast.toml").write_text("[train]\nmin_bens = 3\n")
    (tmp_path / "data").mkdir()
    done = bancast("run", "--mapping", tmp_path / "m.toml", "--home", tmp_path)
    assert done.returncode == 2 and "bancast.toml: setting `train.min_bens`" in done.stderr


def _tool():
    spec = importlib.util.spec_from_file_location("document_cli", ROOT / "tools" / "document_cli.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_command_line_is_what_the_code_says():
    tool = _tool()
    assert tool.PAGE.read_text() == tool.page(), "run .venv/bin/python tools/document_cli.py"


def test_every_option_and_every_setting_is_documented_in_words():
    text = (ROOT / "docs" / "cli.md").read_text()
    for name, command in COMMANDS.items():
        section = text.split(f"## bancast {name}\n")[1].split("\n## ")[0]
        for parameter in command.params:
            assert parameter.help and (parameter.metavar or parameter.opts[0]) in section
    for name, field in Settings.model_fields.items():
        for setting in getattr(field.annotation, "model_fields", {name: field}):
            assert f"`{setting}`" in text


def test_sigterm_ends_a_command_in_order(tmp_path):
    """The signal of a scheduler that runs out of patience: the lock and the temporary files go."""
    command = [sys.executable, "-m", "pipelines", "simulate", str(tmp_path / "w"), "--lines", "400", "--days", "3000"]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    first = process.stderr.readline()
    time.sleep(1)
    process.terminate()
    rest = process.communicate(timeout=60)[1]
    assert process.returncode == 130, first + rest
    assert rest.splitlines()[-1].startswith("bancast simulate: interrupted") and "Traceback" not in rest
    assert not list((tmp_path / "w").glob("*"))
