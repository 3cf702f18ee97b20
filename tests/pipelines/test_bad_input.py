"""What a user can get wrong: one clear line, exit status 2, and nothing half-written."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from data_schemas.home import Home
from tests.checks import wrong_with_scores
from tests.pipelines import tables
from tests.pipelines.conftest import QUICK, quick_home

ROOT = Path(__file__).parents[2]


def content(home: Path) -> dict[str, str]:
    """What a home holds of results: every file of the lake, models, scores and reports. Rejected rows are kept on purpose."""
    parts = ("lake", "scores", "reports", "mlflow.db", "mlartifacts")
    files = [path for part in parts for path in [home / part, *(home / part).rglob("*")] if path.is_file()]
    files = [path for path in files if "rejected" not in path.parts]
    return {str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def missing_column(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, given | {"calls": given["calls"].drop(columns="duration_s")})


def missing_table(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, {name: frame for name, frame in given.items() if name != "complaints"})


def wrong_type(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, given | {"calls": given["calls"].assign(duration_s="a while")})


def no_calls(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, given | {"calls": given["calls"].head(0)})


def future_calls(given: dict[str, pd.DataFrame], folder: Path) -> None:
    later = given["calls"].assign(started_at=given["calls"]["started_at"] + pd.Timedelta(days=36_500))
    tables.write(folder, given | {"calls": later})


def wrong_encoding(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, given | {"lines": given["lines"].assign(carrier="中国移动")})
    path = folder / "lines.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode("gb18030"))


def truncated_parquet(given: dict[str, pd.DataFrame], folder: Path) -> None:
    tables.write(folder, given, ".parquet")
    path = folder / "calls.parquet"
    path.write_bytes(path.read_bytes()[:-2000])


BREAKS: dict[Callable[[dict[str, pd.DataFrame], Path], None], tuple[str, ...]] = {
    missing_table: ("complaints", "missing"),
    missing_column: ("calls.csv", "duration_s"),
    wrong_type: ("calls.csv", "duration_s", "number"),
    no_calls: ("calls.csv", "no rows"),
    future_calls: ("calls.csv", "started_at", "future"),
    wrong_encoding: ("lines.csv", "UTF-8", "byte"),
    truncated_parquet: ("calls.parquet", "cut short"),
}


@pytest.fixture(scope="module")
def home_in_use(bancast, tmp_path_factory) -> Path:
    """A home with good tables."""
    folder = tmp_path_factory.mktemp("in-use")
    good = tables.write(folder / "good", tables.frames(lines=8, days=12))
    assert bancast("ingest", good, "--home", quick_home(folder / "home")).code == 0
    return folder / "home"


@pytest.mark.parametrize("spoil", BREAKS, ids=lambda spoil: spoil.__name__)
@pytest.mark.parametrize("before", ["a new home", "a home in use"])
def test_spoilt_tables_are_refused_in_one_line_and_the_home_is_as_it_was(bancast, home_in_use, tmp_path, spoil, before):
    given = tables.frames(lines=8, days=12)
    home = tmp_path / "home"
    if before == "a home in use":
        shutil.copytree(home_in_use, home)
    else:
        quick_home(home)
    kept = content(home)
    spoil(given, tmp_path / "data")
    done = bancast("run", tmp_path / "data", "--home", home)
    assert done.code == 2 and len(done.lines) == 1 and done.out == ""
    assert all(word in done.lines[0] for word in BREAKS[spoil]), done.lines
    assert content(home) == kept


def test_the_line_is_all_there_is_on_stderr_beside_progress(tmp_path, prefect_server):
    """In a process of its own: no traceback from Prefect, no warning of a library."""
    from prefect.settings import PREFECT_API_URL

    missing_column(tables.frames(lines=8, days=12), tmp_path / "data")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "run", str(tmp_path / "data"), "--home", str(tmp_path / "home")],
        cwd=ROOT,
        env={**os.environ, "PREFECT_API_URL": PREFECT_API_URL.value()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and done.stdout == ""
    *progress, line = done.stderr.splitlines()
    assert line.startswith("bancast run: ") and "duration_s" in line
    assert all(step.split()[1] == "s" and "%" in step for step in progress), done.stderr


def test_an_unexpected_error_is_one_line_that_names_the_log_with_the_traceback(bancast, tmp_path, monkeypatch):
    import data_schemas.ingest

    def broken(*arguments, **options):
        raise RuntimeError("the disk is on fire\nand more")

    monkeypatch.setattr(data_schemas.ingest, "ingest", broken)
    data = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    done = bancast("ingest", data, "--home", tmp_path / "home")
    assert done.code == 1 and len(done.lines) == 1
    line = done.lines[0]
    assert line.startswith("bancast ingest: RuntimeError: the disk is on fire; the log with the traceback is ")
    assert "RuntimeError: the disk is on fire" in Path(line.rsplit(" is ", 1)[1]).read_text()


def test_without_bans_it_is_said_how_many_are_needed_and_the_rule_ranks_the_lines(bancast, tmp_path):
    given = tables.frames(lines=12, days=30, bans=0)
    given["bans"] = given["bans"].astype({"banned_at": "str", "lifted_at": "str"})
    home = quick_home(tmp_path / "home", "[actions]\nreplay = false\n")
    done = bancast("run", tables.write(tmp_path / "data", given), "--home", home)
    assert done.code == 2 and len(done.lines) == 1
    assert "at least 20 are needed" in done.lines[0] and "no bans" in done.lines[0]
    as_of = date(2026, 1, 31)
    path = Home(home).scores_file(as_of)
    assert not wrong_with_scores(path, as_of, given)
    assert set(pd.read_parquet(path)["model_version"]) == {"rule/1"}
    assert (Home(home).report_folder(as_of) / "ranking.html").exists() and "ranking.html" in done.out


def test_a_training_on_too_few_bans_says_how_many_are_needed_and_leaves_the_home_as_it_was(bancast, tmp_path):
    home = quick_home(tmp_path / "home")
    data = tables.write(tmp_path / "data", tables.frames(lines=12, days=30, bans=3))
    assert bancast("ingest", data, "--home", home).code == 0
    kept = content(home)
    done = bancast("train", "--home", home)
    assert done.code == 2 and len(done.lines) == 1
    assert "at least 20 are needed" in done.lines[0] and "3 bans" in done.lines[0]
    assert content(home) == kept


def test_days_that_cannot_be_scored_are_refused(bancast, tmp_path):
    given = tables.frames(lines=8, days=30)
    local = given["calls"]["started_at"].dt.tz_convert("Asia/Shanghai").dt.date
    given["calls"] = given["calls"][local != date(2026, 1, 20)]
    home = quick_home(tmp_path / "home")
    assert bancast("ingest", tables.write(tmp_path / "data", given), "--home", home).code == 0
    kept = content(home)
    today = date.today()
    for verb in ("score", "run"):
        source = [tmp_path / "data"] if verb == "run" else []
        for day, says in {
            date(2026, 1, 21): "empty day",
            date(2026, 1, 1): "before the first calls",
            date(2026, 2, 10): "no calls since 2026-01-30",
            today + timedelta(days=400): "in the future",
        }.items():
            done = bancast(verb, *source, "--as-of", day, "--home", home, *(["--model", "rule"] if verb == "score" else []))
            assert done.code == 2 and len(done.lines) == 1 and says in done.lines[0], (verb, day, done)
            assert content(home) == kept
    late = bancast("train", "--until", today + timedelta(days=400), "--home", home)
    assert late.code == 2 and "in the future" in late.lines[0]


def test_a_company_whose_lines_are_all_banned_gets_no_empty_ranking(bancast, tmp_path):
    given = tables.frames(lines=8, days=30, bans=8)
    given["bans"] = given["bans"].drop(columns="lifted_at")
    home = quick_home(tmp_path / "home")
    done = bancast("run", tables.write(tmp_path / "data", given), "--home", home)
    assert done.code == 2 and len(done.lines) == 1 and "eligible" in done.lines[0]
    assert not (home / "scores").exists() and not (home / "reports").exists()


def test_a_home_that_another_run_is_writing_to_is_refused_at_once(bancast, tmp_path):
    home = quick_home(tmp_path / "home")
    data = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    code = (
        "import sys, pathlib; from data_schemas.locking import home_lock\n"
        "with home_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(home)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        done = bancast("run", data, "--home", home)
    finally:
        other.communicate("")
    assert done.code == 2 and len(done.lines) == 1 and f"pid {other.pid}" in done.lines[0]
    assert {path.name for path in home.iterdir()} == {"bancast.toml", ".lock"} and (home / "bancast.toml").read_text() == QUICK


def test_a_home_that_cannot_be_a_folder_is_refused(bancast, tmp_path):
    (tmp_path / "home").write_text("")
    data = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    done = bancast("run", data, "--home", tmp_path / "home" / "below")
    assert done.code == 2 and len(done.lines) == 1 and "give a --home that can be written" in done.lines[0]


def test_a_setting_that_does_not_fit_is_refused_before_a_home_is_made(bancast, tmp_path, monkeypatch):
    data = tables.write(tmp_path / "data", tables.frames(lines=8, days=12))
    for name, value, says in (("BANCAST_ZONE", "Mars/Base", "'Mars/Base'"), ("BANCAST_TRAIN__SED", "3", "`train.seed`")):
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            done = bancast("ingest", data, "--home", tmp_path / "home")
        assert done.code == 2 and len(done.lines) == 1 and says in done.lines[0]
        assert not (tmp_path / "home").exists()


def test_a_zone_changed_after_ingest_is_refused_by_every_command_that_opens_the_lake(job, bancast, monkeypatch, tmp_path):
    kept, day = content(job.home), job.summary["as_of"]
    monkeypatch.setenv("BANCAST_ZONE", "America/New_York")
    for verb in (
        ["score"],
        ["train"],
        ["report"],
        ["monitor"],
        ["features", "--from", day, "--to", day, "--out", tmp_path / "table.parquet"],
        ["backtest", "--from", day, "--to", day],
        ["alert", "--dry-run"],
        ["appeals", "list"],
    ):
        done = bancast(*verb, "--home", job.home)
        assert done.code == 2 and len(done.lines) == 1, (verb, done)
        assert "kept by days of Asia/Shanghai, the settings say zone = America/New_York; set it back" in done.lines[0], verb
    assert content(job.home) == kept and not list(tmp_path.iterdir())


def test_a_full_disk_is_not_blamed_on_the_input(bancast, tmp_path, monkeypatch):
    import data_schemas.merge
    import data_schemas.staging

    data, home = tables.write(tmp_path / "data", tables.frames(lines=8, days=12)), quick_home(tmp_path / "home")
    assert bancast("ingest", data, "--home", home).code == 0
    kept, later = content(home), tables.write(tmp_path / "later", tables.frames(lines=8, days=14))

    def full(*arguments, **options):
        raise duckdb.IOException(f'IO Error: Could not write file "{home}/lake/.tmp/x/0.parquet": No space left on device')

    for module, name in ((data_schemas.staging, "_scan"), (data_schemas.merge.Scope, "merge")):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, full)
            done = bancast("ingest", later, "--home", home)
        assert done.code == 2 and len(done.lines) == 1, done
        assert done.lines[0] == f"bancast ingest: the disk that holds {home}/lake is full; free space and run it again"
        assert content(home) == kept


def test_folders_that_cannot_be_written_are_refused_as_a_home_is(job, bancast, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(job.home, home, ignore=shutil.ignore_patterns("reports", "logs"))
    for verb, folder in ((["score"], "scores"), (["report"], "reports")):
        if (home / folder).exists():
            (home / folder).rename(tmp_path / folder)
        (home / folder).write_text("")
        done = bancast(*verb, "--home", home)
        assert done.code == 2 and len(done.lines) == 1, (verb, done)
        says = f"{home}/{folder}: Not a directory; let bancast write there, or give a --home that can be written"
        assert done.lines[0] == f"bancast {verb[0]}: {says}"
        (home / folder).unlink()
        if (tmp_path / folder).exists():
            (tmp_path / folder).rename(home / folder)
    (tmp_path / "file").write_text("")
    made = bancast("simulate", tmp_path / "file" / "world", "--lines", "8", "--days", "3")
    assert made.code == 2 and len(made.lines) == 1
    assert made.lines[0].endswith(
        f"{tmp_path}/file: Not a directory; let bancast write there, or give a place that can be written"
    )
