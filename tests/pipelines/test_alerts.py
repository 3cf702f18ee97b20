"""The commands alert and ack, through the flow, against a real HTTP receiver."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from pipelines.deployments import deployments
from tests.pipelines import tables
from tests.serving.alerts.homes import Line, save_scores, scores
from tests.serving.alerts.receivers import closed_port, http_receiver

DAY = tables.START.date() + timedelta(days=10)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a real lake and the scores of one day: one red line."""
    folder = tables.write(tmp_path / "data", tables.frames(lines=4, days=12))
    root = tmp_path / "home"
    ingest(find_sources(folder), root, load_settings(root, threads=1))
    save_scores(Home(root), DAY, scores(DAY, {"L001": Line(0.5), "L002": Line(0.1)}))
    return root


def settings(home: Path, *urls: str) -> None:
    (home / "bancast.toml").write_text(f'language = "en"\nthreads = 1\n[alerts]\nwait_s = 0\ntries = 1\nurls = {list(urls)}\n')


def test_alert_sends_remembers_and_ends_with_1_when_a_channel_failed(bancast, home):
    with http_receiver() as receiver:
        settings(home, receiver.url, f"json://127.0.0.1:{closed_port()}/s3cret")
        shown = bancast("alert", "--dry-run", "--home", home)
        assert shown.code == 0 and "#1 L001 50%" in shown.out and not receiver.requests
        done = bancast("alert", "--home", home)
        assert done.code == 1 and "1 of 2 channels failed: json-" in done.lines[0]
        assert "Team not known: 1 line" in receiver.messages[0] and "1 lines sent, 1 of them by name" in done.out
        again = bancast("alert", "--home", home, "--json")
        assert (again.code, again.summary["status"]) == (1, "failed") and len(receiver.requests) == 1
        assert [entry["status"] for entry in again.summary["channels"]] == ["nothing", "failed"]
    logs = "".join(path.read_text() for path in (home / "logs").glob("*.log"))
    assert "s3cret" not in logs + shown.out + done.out + again.out + "".join(done.lines)


def test_ack_silences_lists_and_ends(bancast, home):
    with http_receiver() as receiver:
        settings(home, receiver.url)
        done = bancast("ack", "L001", "--days", "2d", "--note", "list checked", "--home", home)
        assert done.code == 0 and f"since {DAY}, until {DAY + timedelta(days=2)}: list checked" in done.out
        sent = bancast("alert", "--home", home)
        assert sent.code == 0 and "1 lines with news were not told" in sent.out and not receiver.requests
        assert bancast("ack", "--list", "--home", home, "--json").summary["acks"][0]["line_id"] == "L001"
        assert bancast("ack", "L001", "--undo", "--home", home).code == 0
        assert "no acknowledgement holds" in bancast("ack", "--list", "--home", home).out
        assert bancast("alert", "--home", home).code == 0 and len(receiver.requests) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ack"], "give the lines to acknowledge, or --list alone"),
        (["ack", "L001", "--list"], "give the lines to acknowledge, or --list alone"),
        (["ack", "L001", "--undo", "--days", "2"], "--days and --note go with the lines that are acknowledged"),
        (["ack", "L002"], "line 'L002': not among the red lines"),
        (["alert"], "no channel to alert: set `alerts.urls`"),
        (["alert", "--as-of", "2026-01-05"], "--as-of 2026-01-05: not scored"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(bancast, home, arguments, says):
    done = bancast(*arguments, "--home", home)
    assert done.code == 2 and len(done.lines) == 1 and says in done.lines[0]


def test_urls_come_from_the_environment_too_and_a_wrong_one_is_not_shown(bancast, home, monkeypatch):
    monkeypatch.setenv("BANCAST_ALERTS__URLS", "json://127.0.0.1:1/a  json://127.0.0.1:1/b")
    assert len(load_settings(home).alerts.urls) == 2
    monkeypatch.setenv("BANCAST_ALERTS__URLS", '["dingtalk://t0ken!"]')
    done = bancast("alert", "--home", home)
    assert done.code == 2 and "alerts.urls, entry 1" in done.lines[0] and "t0ken" not in done.lines[0]
    monkeypatch.setenv("BANCAST_ALERTS__URLS", '["dingtalk://t0ken"')
    assert "t0ken" not in bancast("alert", "--home", home).lines[0]


def test_the_timetable_alerts_after_the_scoring_where_a_channel_is_set(home):
    assert "daily-alert" not in [one.name for one in deployments(home, None, None)]
    settings(home, "json://127.0.0.1:1")
    made = {one.name: one for one in deployments(home, None, None)}
    hour = {name: made[name].schedules[0].schedule.cron for name in ("daily-score", "daily-alert")}
    assert hour == {"daily-score": "30 6 * * *", "daily-alert": "15 7 * * *"}
