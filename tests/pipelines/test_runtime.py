from __future__ import annotations

import logging
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from pipelines import runtime

FIRST, LAST = day_number(date(2026, 3, 1)), day_number(date(2026, 3, 20))
TODAY = date(2026, 4, 1)


class Calls:
    """A lake of which only the days of calls are asked."""

    root, zone = Path("home/lake"), "Asia/Shanghai"

    def __init__(self, missing: tuple[int, ...] = ()) -> None:
        self.counts = {day: 5 for day in range(FIRST, LAST + 1) if day not in missing}

    def days(self, table: str) -> list[int]:
        return sorted(self.counts)

    def rows(self, table: str) -> dict[int, int]:
        return self.counts


def test_the_default_day_is_the_midnight_after_the_last_calls():
    assert runtime.choose_day(Calls(), None, TODAY) == date(2026, 3, 21)


def test_calls_of_a_day_that_is_not_over_yet_do_not_move_the_default_day():
    assert runtime.choose_day(Calls(), None, date(2026, 3, 20)) == date(2026, 3, 20)


def test_a_day_whose_rows_were_all_retracted_counts_as_empty():
    calls = Calls()
    calls.counts[LAST] = 0
    assert runtime.choose_day(calls, None, TODAY) == date(2026, 3, 20)


@pytest.mark.parametrize("day", [date(2026, 3, 2), date(2026, 3, 10), date(2026, 3, 21)])
def test_any_past_day_with_calls_before_it_can_be_meant(day):
    assert runtime.choose_day(Calls(), day, TODAY) == day


@pytest.mark.parametrize(
    ("day", "says"),
    [
        (date(2026, 5, 1), "in the future"),
        (date(2026, 3, 22), "no calls since 2026-03-20"),
        (date(2026, 3, 1), "before the first calls"),
    ],
)
def test_other_days_are_refused_with_the_day_to_give_instead(day, says):
    with pytest.raises(BadInput, match=says) as refused:
        runtime.choose_day(Calls(), day, TODAY)
    assert "\n" not in str(refused.value) and "2026-03-" in str(refused.value)


def test_a_home_held_by_another_process_is_refused_at_once_and_free_after_it(tmp_path):
    home = Home(tmp_path / "home")
    code = (
        "import sys, pathlib; from data_schemas.locking import home_lock\n"
        "with home_lock(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(home.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(BadInput, match=f"pid {other.pid}"), runtime.writing(home):
            pass
    finally:
        other.communicate("")
    with runtime.writing(home):
        pass


def test_a_flow_of_a_flow_shares_the_hold_and_the_outer_one_gives_it_back(tmp_path):
    home = Home(tmp_path)
    with runtime.writing(home):
        with runtime.writing(Home(tmp_path / ".")):
            pass
        assert _refused(tmp_path)
    assert not _refused(tmp_path)


def _refused(root: Path) -> bool:
    code = "import sys, pathlib; from data_schemas.locking import home_lock\nwith home_lock(pathlib.Path(sys.argv[1])): pass"
    return subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True).returncode != 0


def test_prefect_keeps_to_the_home_unless_the_user_names_a_server(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("PREFECT_"):
            monkeypatch.delenv(name)
    kept = dict(os.environ)
    monkeypatch.setattr(os, "environ", dict(kept))
    runtime.quiet(Home(tmp_path))
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "prefect")
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    monkeypatch.setattr(os, "environ", {**kept, "PREFECT_API_URL": "http://127.0.0.1:1/api"})
    runtime.quiet(Home(tmp_path))
    assert "PREFECT_HOME" not in os.environ and "PREFECT_LOGGING_LEVEL" not in os.environ


def test_the_log_masks_numbers_of_persons_and_old_logs_go(tmp_path):
    home = Home(tmp_path)
    (tmp_path / "logs").mkdir()
    for number in range(40):
        (tmp_path / "logs" / f"20200101T0000{number:02d}-1.log").write_text("old")
    with runtime.log_file(home) as path:
        logging.getLogger("x").warning("could not convert %s", "'+8613800138000'")
        try:
            raise ValueError("callee 13800138000 is odd")
        except ValueError:
            logging.getLogger("x").exception("unexpected")
    text = path.read_text()
    assert "could not convert" in text and "ValueError" in text and "1380013" not in text
    assert len(list((tmp_path / "logs").iterdir())) == 30


def test_a_log_on_a_full_disk_is_silent(tmp_path, capfd, monkeypatch):
    with runtime.log_file(Home(tmp_path)) as path:
        path.symlink_to("/dev/full")
        logging.getLogger("x").warning("lost")
    assert capfd.readouterr().err == ""


def test_progress_outside_a_command_goes_to_the_log(caplog):
    with caplog.at_level(logging.INFO, logger="bancast"):
        runtime.progress("ingest")("read calls", 0.25)
    assert "ingest: read calls (25%)" in caplog.text
    told = []
    with runtime.telling(lambda *step: told.append(step)):
        runtime.progress("ingest")("read calls", 0.25)
    assert told == [("ingest", "read calls", 0.25)]


def test_the_latest_scored_day_is_meant_and_others_must_be_scored_first(tmp_path):
    home = Home(tmp_path)
    with pytest.raises(BadInput, match="no scores in it yet"):
        runtime.scored_day(home, None)
    for day in (date(2026, 3, 1), date(2026, 3, 8)):
        home.scores_file(day).parent.mkdir(parents=True)
        home.scores_file(day).touch()
    assert runtime.scored_day(home, None) == date(2026, 3, 8)
    assert runtime.scored_day(home, date(2026, 3, 1)) == date(2026, 3, 1)
    with pytest.raises(BadInput, match="2026-03-02: not scored"):
        runtime.scored_day(home, date(2026, 3, 2))
