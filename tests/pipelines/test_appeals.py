"""The commands about appeals, from the list to the outcome."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.locking import home_lock
from pipelines.cli import app
from serving.appeals import cases
from tests.serving.appeals.worlds import AS_OF, BANNED, World, at


def bancast(*words: object, code: int = 0) -> str:
    """What `bancast appeals ...` prints; the environment stays as it was."""
    with mock.patch.dict(os.environ):
        done = CliRunner().invoke(app, ["appeals", *map(str, words)], prog_name="bancast")
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout if code == 0 else done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    world = World("GOOD", "OTHER", "LOUD")
    for n in range(200):
        world.call("LOUD", BANNED - 3, 11 + n / 40)
    made = world.store(tmp_path_factory.mktemp("appeals")).root
    (made / "bancast.toml").write_text("threads = 1\n")
    return made


def test_a_case_from_the_list_to_the_outcome(home, tmp_path):
    told = bancast("list", "--home", home)
    assert f"b-GOOD: line GOOD of X, banned {day_date(BANNED)}, risk 1.0%" in told and "LOUD" not in told
    assert f"bancast appeals draft b-GOOD --home {home}" in told
    (tmp_path / "consent.pdf").write_text("yes")
    made = json.loads(bancast("draft", "GOOD", "--consent", tmp_path / "consent.pdf", "--home", home, "--json"))
    assert made["status"] == "done" and made["state"] == "drafted" and made["as_of"] == str(AS_OF)
    assert [Path(file).suffix for file in made["files"]] == [".html", ".docx"] * 2
    assert all(Path(file).is_file() for file in made["files"]) and made["attachments"][0]["name"] == "consent.pdf"
    assert "an answer by" in bancast("sent", "b-GOOD", "--home", home)
    assert "won cannot become" not in bancast("answered", made["id"], "--home", home)
    won = bancast("won", "GOOD", "--lifted", at(BANNED + 2).isoformat(), "--home", home)
    assert f"{made['id']} of line GOOD: won" in won and "ban row changed" in won
    assert "as it was" in bancast("won", "GOOD", "--home", home)
    assert "won cannot become lost" in bancast("lost", "GOOD", "--home", home, code=2)
    then = json.loads(bancast("list", "--as-of", AS_OF, "--home", home, "--json"))
    assert then["cases"] == [], "drafted after that midnight"


def test_a_late_answer_comes_first_with_a_reminder(home):
    sent = datetime(2026, 3, 16, tzinfo=UTC)
    cases.save(Home(home), cases.opened("b-OTHER", "OTHER", "X", sent, AS_OF, sent).moved("sent", sent))
    told = bancast("list", "--home", home).splitlines()
    assert told[0].startswith("note: no answer in time: appeal b-OTHER-") and "due 2026-03-23" in told[0]
    assert told[told.index("Results") + 1].split()[0] == "late"
    assert "withdrawn" in bancast("withdraw", "OTHER", "--home", home)


def test_why_names_the_point_the_value_and_the_limit(home):
    told = bancast("why", "LOUD", "--home", home)
    against = [line.split(maxsplit=1)[1] for line in told.splitlines() if line.split()[:1] == ["against"]]
    assert against[0].startswith("Calls on the busiest day: 210; limit 150 (our own rule")
    assert "no candidate" in told and "draft" not in told
    assert "LOUD is no candidate for an appeal" in bancast("draft", "LOUD", "--home", home, code=2)


def test_a_home_that_is_being_written_is_left_alone(home):
    with home_lock(home):
        assert "is being written by another bancast run" in bancast("sent", "OTHER", "--home", home, code=2)


def test_a_wrong_day_is_one_line(home):
    assert "before the first calls" in bancast("list", "--as-of", "2020-01-01", "--home", home, code=2)
