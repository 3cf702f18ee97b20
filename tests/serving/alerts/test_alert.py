"""A channel is told what is due, once: against a real HTTP receiver."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from serving.actions import PLAYBOOK
from serving.alerts import Undelivered
from serving.alerts.acks import acknowledge
from serving.alerts.channels import channels_of
from serving.alerts.log import AlertLog
from tests.serving.alerts.homes import world
from tests.serving.alerts.receivers import closed_port, http_receiver

ROOT = Path(__file__).parents[3]


def status(report: dict) -> list[str]:
    return [entry["status"] for entry in report["channels"]]


def test_a_line_that_has_become_red_is_told_once_with_risk_reason_action_and_rank(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    home.day(-1, A=0.1, B=0.6)
    monday = home.day(0, A=0.45, B=0.6, C=0.1)
    assert status(home.alert(monday)) == ["sent"]
    (told,) = receiver.messages
    assert (
        "#2 A 45% | Complaints and marks: 4 complaints (complaints received, last 7 days) | Answer and close the open complaints"
        in told
    )
    assert "B" not in told.split("\n")[1], "red the day before already, when nobody was alerted yet"
    assert receiver.requests[0].body["title"] == "bancast: 1 line at red, 23 November 2026"
    assert status(home.alert(monday)) == ["nothing"]
    assert status(home.alert(home.day(1, A=0.47, B=0.6))) == ["nothing"]
    assert len(receiver.requests) == 1


def test_without_an_earlier_day_all_red_lines_are_news(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    assert home.alert(home.day(0, A=0.5, B=0.5, C=0.1))["channels"][0]["lines"] == 2


def test_a_change_within_the_days_of_silence_is_counted_as_silenced(tmp_path, receiver):
    home = world(tmp_path, receiver.url, silence_days=2)
    home.alert(home.day(0, A=0.45))
    (entry,) = home.alert(home.day(1, A=0.9))["channels"]
    assert (entry["status"], entry["silenced"]) == ("nothing", 1)


def test_what_was_acknowledged_is_counted_as_silenced(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    monday = home.day(0, A=0.5, B=0.5)
    acknowledge(home.home, ["B"])
    (entry,) = home.alert(monday)["channels"]
    assert (entry["status"], entry["lines"], entry["silenced"]) == ("sent", 1, 1)


def test_lines_are_grouped_the_first_named_and_all_others_counted(tmp_path, receiver):
    home = world(tmp_path, receiver.url, lines=4, lines_per_group=2)
    home.teams = {f"E{n}": "East" for n in range(5)} | {f"W{n}": "West" for n in range(3)} | {"N": None, "S": "South"}
    risks = {f"E{n}": 0.9 - n / 100 for n in range(5)} | {f"W{n}": 0.8 - n / 100 for n in range(3)} | {"N": 0.5, "S": 0.4}
    (entry,) = home.alert(home.day(0, **risks))["channels"]
    assert (entry["lines"], entry["named"]) == (10, 4)
    heads = [line for line in receiver.messages[0].split("\n") if not line.startswith("#")]
    assert heads == ["East: 5 lines", "and 3 more", "West: 3 lines", "and 1 more", "and 2 more in other groups"]
    assert status(home.alert(home.day(1, **risks))) == ["nothing"], "those that were only counted are told, too"
    home.rules |= {"group_by": "carrier", "lines": 1}
    dry = home.alert(home.day(2, **risks, Z=0.95), dry_run=True)["channels"][0]
    assert dry["text"].startswith("North: 1 line\n#1 Z 95%")


def test_a_team_that_is_not_known_is_said_to_be(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    home.teams = {"A": None}
    home.alert(home.day(0, A=0.5))
    assert receiver.messages[0].startswith("Team not known: 1 line\n")


def test_a_channel_of_some_teams_is_told_of_their_lines_in_its_language(tmp_path, receiver):
    with http_receiver() as other:
        channels = [{"url": other.url, "name": "west", "teams": ["West"], "language": "zh"}]
        home = world(tmp_path, receiver.url, channels=channels)
        home.teams = {"E1": "East", "W1": "West", "N1": None}
        report = home.alert(home.day(0, E1=0.5, W1=0.45, N1=0.4))
        assert [entry["lines"] for entry in report["channels"]] == [3, 1]
        assert other.messages[0].startswith("West：1 条线路\n#2 W1 45% | 投诉与标记：4 起（最近 7 天收到的投诉数）")
        assert "逐条处理投诉" in other.messages[0] and "2026年11月23日" in other.requests[0].body["title"]
        assert receiver.messages[0].count("#") == 4


def test_past_the_messages_of_a_day_lines_wait_for_the_next_morning(tmp_path, receiver):
    home = world(tmp_path, receiver.url, messages_per_day=2)
    home.alert(home.day(0, A=0.5))
    home.alert(home.day(0, A=0.5, B=0.5))
    assert status(home.alert(home.day(0, A=0.5, B=0.5, C=0.5))) == ["limit"]
    assert status(home.alert(home.day(1, A=0.5, B=0.5, C=0.5))) == ["sent"]
    assert "C 50% (red since 23 November 2026)" in receiver.messages[-1] and "B 50%" not in receiver.messages[-1]


def test_scores_of_later_days_change_nothing_and_an_earlier_day_is_not_alerted_of_afterwards(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    monday = home.day(0, A=0.5, B=0.1)
    alone = home.alert(monday, dry_run=True)
    home.day(1, A=0.1, B=0.9)
    assert home.alert(monday, dry_run=True) == alone
    home.alert(home.day(1, A=0.1, B=0.9))
    assert home.alert(monday, dry_run=True)["channels"][0]["text"] == alone["channels"][0]["text"]
    with pytest.raises(BadInput, match="alerts have run for 2026-11-24 already"):
        home.alert(monday)


def test_a_dry_run_sends_and_remembers_nothing_and_needs_no_channel(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    monday = home.day(0, A=0.5)
    assert "#1 A 50%" in home.alert(monday, dry_run=True)["channels"][0]["text"]
    assert not receiver.requests and not home.home.alert_log.exists()
    home.rules["urls"] = []
    assert "#1 A 50%" in home.alert(monday, dry_run=True)["channels"][0]["text"]
    with pytest.raises(BadInput, match=r"no channel to alert: set `alerts.urls`"):
        home.alert(monday)


@pytest.mark.parametrize("broken", ["answers 500", "refuses the connection"])
def test_a_channel_that_fails_is_tried_some_times_and_the_others_get_theirs_and_it_catches_up(tmp_path, receiver, broken):
    with http_receiver() as other:
        other.status = 500
        bad = other.url if broken == "answers 500" else f"json://127.0.0.1:{closed_port()}"
        home = world(tmp_path, receiver.url, channels=[{"url": bad, "name": "ops"}], tries=3)
        report = home.alert(home.day(0, A=0.5))
        assert status(report) == ["sent", "failed"] and report["failed"] == ["ops"]
        assert len(other.requests) == (3 if broken == "answers 500" else 0)
        why = "HTTP 500" if broken == "answers 500" else "not reached, or refused before an answer"
        assert f"1 of 2 channels failed: ops ({why})" in str(Undelivered(report))
        other.status, home.rules["channels"] = 200, [{"url": other.url, "name": "ops"}]
        assert status(home.alert(home.day(1, A=0.5, B=0.5))) == ["sent", "sent"]
        assert "A 50%" not in receiver.messages[-1] and "A 50% (red since" in other.messages[-1]


def test_a_line_that_is_no_longer_red_is_not_caught_up_on(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    receiver.status = 500
    home.alert(home.day(0, A=0.5))
    receiver.status = 200
    assert status(home.alert(home.day(1, A=0.1))) == ["nothing"]


def test_an_action_has_the_words_of_the_playbook_that_the_settings_name(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    own = tmp_path / "own.toml"
    words = "Answer and close the open complaints"
    own.write_text(PLAYBOOK.read_text(encoding="utf-8").replace(words, "Ring them back"), encoding="utf-8")
    (tmp_path / "bancast.toml").write_text('[actions]\nplaybook = "' + str(own) + '"\n', encoding="utf-8")
    home.alert(home.day(0, A=0.5))
    assert "Ring them back" in receiver.messages[0] and words not in receiver.messages[0]


def test_after_a_crash_between_sending_and_noting_it_that_one_message_goes_out_again_and_says_so(tmp_path, receiver):
    with http_receiver() as other:
        home = world(tmp_path, receiver.url, channels=[{"url": other.url, "name": "ops"}])
        monday = home.day(0, A=0.5, B=0.4)
        home.alert(monday)
        log = home.home.alert_log
        events = log.read_bytes().splitlines(keepends=True)
        assert [json.loads(event)["event"] for event in events] == ["began", "sending", "sent"] * 2
        for cut in (events[:-1], [*events[:-1], events[-1][:20]]):  # before the note, and in the middle of it
            log.write_bytes(b"".join(cut))
            received = len(receiver.requests), len(other.requests)
            assert status(home.alert(monday)) == ["nothing", "sent"]
            assert (len(receiver.requests), len(other.requests)) == (received[0], received[1] + 1)
            assert other.messages[-1] == "An interrupted run may have sent this already.\n" + other.messages[0]
            assert status(home.alert(monday)) == ["nothing", "nothing"]
        home.alert(home.day(4, A=0.9, B=0.4))
        assert "interrupted" not in other.messages[-1]


def test_messages_of_runs_that_crash_again_and_again_count_towards_the_limit_of_the_day(tmp_path, receiver):
    home = world(tmp_path, receiver.url, messages_per_day=2)
    monday = home.day(0, A=0.5)
    (channel,) = channels_of(home.settings)
    for _ in range(2):
        AlertLog(home.home.alert_log).sending(channel.name, monday, [("A", 0.5, "complaints")])
    assert status(home.alert(monday)) == ["limit"] and not receiver.requests
    assert status(home.alert(home.day(1, A=0.5))) == ["sent"] and "interrupted" in receiver.messages[0]


def test_a_run_that_is_killed_while_it_sends_leaves_a_log_that_the_next_run_goes_on_from(tmp_path, receiver):
    """A real process, killed by its own receiver as the message arrives."""
    home = world(tmp_path / "home", receiver.url)
    monday = home.day(0, A=0.5)
    script = tmp_path / "script.py"
    script.write_text(
        "import os, signal, sys\nfrom datetime import date\nfrom pathlib import Path\n"
        "from tests.serving.alerts.homes import world\nimport serving.alerts\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "serving.alerts.AlertLog.sent = die\n"
        "home = world(Path(sys.argv[1]), sys.argv[2]); home.teams = {'A': 'Renewals'}\n"
        f"home.alert(date.fromisoformat('{monday}'))\n"
    )
    command = [sys.executable, str(script), str(tmp_path / "home"), receiver.url]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(receiver.requests) == 1
    assert status(home.alert(monday)) == ["sent"] and "interrupted" in receiver.messages[1]
    assert status(home.alert(monday)) == ["nothing"]


def test_a_damaged_log_is_named_with_its_line(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    home.alert(home.day(0, A=0.5))
    home.home.alert_log.write_bytes(b"{}x\n" + home.home.alert_log.read_bytes())
    with pytest.raises(BadInput, match=r"log\.jsonl: line 1 is not a JSON object; remove that line"):
        home.alert(home.day(1, A=0.5))


def test_scores_that_are_none_are_named(tmp_path, receiver):
    home = world(tmp_path, receiver.url)
    monday = home.day(0, A=0.5)
    home.home.scores_file(monday).write_bytes(b"no parquet")
    with pytest.raises(BadInput, match=r"scores\.parquet: not readable as scores"):
        home.alert(monday)


def test_no_secret_stands_in_the_log_the_report_or_an_error(tmp_path, receiver, caplog):
    secret = "tOkEn5ecret"
    caplog.set_level("DEBUG")
    urls = (f"{receiver.url}?token={secret}", f"jsons://user:{secret}@127.0.0.1:{closed_port()}/{secret}")
    home = world(tmp_path, *urls)
    report = home.alert(home.day(0, A=0.5))
    assert status(report) == ["sent", "failed"]
    said = json.dumps(report) + home.home.alert_log.read_text() + repr(channels_of(home.settings)) + repr(home.settings)
    assert secret not in said + str(Undelivered(report)) and secret not in caplog.text
    for url in (f"nonsense://{secret}", f"dingtalk://{secret}!", secret):
        home.rules["urls"] = [url]
        with pytest.raises(BadInput, match=r"setting `alerts.urls, entry 1`: no URL that Apprise takes") as error:
            home.alert(home.day(0, A=0.5))
        assert secret not in str(error.value) and secret not in caplog.text
