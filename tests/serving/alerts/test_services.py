"""Every service that ops use here, as Apprise really speaks to it: a local proxy stands for its host, and SMTP is local."""

from __future__ import annotations

from email import message_from_bytes, policy

import pytest

from serving.alerts.channels import channels_of
from tests.serving.alerts.homes import world
from tests.serving.alerts.receivers import closed_port, smtp_receiver

pytestmark = pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
HOSTILE = [
    "<b>bold</b>",
    "[x](http://evil.example)",
    "<!channel>",
    '<at user_id="all">all</at>',
    "a\nand 99 more",
    "\u202eL1",
    "=1+1",
]
HOOK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7/"
ROBOTS = [
    ("dingtalk://SECabc123@token123/?verify=no", "oapi.dingtalk.com", lambda body: body["text"]["content"], '{"errcode":%d}'),
    ("wecombot://0e1f-22/?verify=no", "qyapi.weixin.qq.com", lambda body: body["text"]["content"], '{"errcode":%d}'),
    ("feishu://ab-12/?verify=no", "open.feishu.cn", lambda body: body["content"]["text"], '{"code":%d}'),
    (
        HOOK + "?verify=no",
        "hooks.slack.com",
        lambda body: "\n".join(block["text"]["text"] for block in body["attachments"][0]["blocks"] if "text" in block),
        None,
    ),
]


@pytest.mark.parametrize(("url", "host", "text", "answer"), ROBOTS, ids=[robot[1] for robot in ROBOTS])
def test_a_robot_gets_plain_text_that_names_from_data_cannot_turn_into_markup(tmp_path, anywhere, url, host, text, answer):
    anywhere.answer = answer % 0 if answer else "ok"
    home = world(tmp_path, url, lines=50, lines_per_group=50)
    home.teams = {name: "<i>team</i>" for name in HOSTILE}
    (entry,) = home.alert(home.day(0, **dict.fromkeys(HOSTILE, 0.5)))["channels"]
    assert entry["status"] == "sent", entry
    (request,) = anywhere.requests
    assert request.host == host
    said = text(request.body)
    assert said.startswith("bancast: 7 lines at red") and "#: rank" in said
    assert said.count("\n") == 9 or host == "hooks.slack.com", "a name stays on its line"
    plain = said.replace("\u2060", "")
    assert all(name in plain for name in HOSTILE if name.isprintable()) and "\u202e" not in said
    if host == "hooks.slack.com":
        kinds = {block["text"]["type"] for block in request.body["attachments"][0]["blocks"] if "text" in block}
        assert kinds == {"plain_text"}
    elif host != "oapi.dingtalk.com":  # DingTalk's text knows no markup
        assert "<b>" not in said and "](" not in said.replace("]\u2060", "") and "<at " not in said


@pytest.mark.parametrize(("url", "host", "text", "answer"), ROBOTS[:3], ids=[robot[1] for robot in ROBOTS[:3]])
def test_a_robot_that_answers_200_and_a_code_has_refused(tmp_path, anywhere, url, host, text, answer):
    """So a wrong keyword, signature or address is answered, and too many messages; Apprise takes it for sent."""
    home = world(tmp_path, url, tries=1)
    monday = home.day(0, A=0.5)
    for says, why in (
        (answer % 310000, "refused with code 310000"),
        ("<html>log in</html>", "an answer that is not the service's"),
    ):
        anywhere.answer = says
        (entry,) = home.alert(monday)["channels"]
        assert (entry["status"], entry["why"]) == ("failed", why)
    anywhere.answer = answer % 0
    assert home.alert(monday)["channels"][0]["status"] == "sent"


@pytest.mark.parametrize("language", ["zh", "en"])
def test_no_message_is_longer_than_wecom_takes_and_the_lines_left_out_are_counted(tmp_path, anywhere, language):
    anywhere.answer = '{"errcode":0}'
    home = world(tmp_path, "wecombot://0e1f-22/?verify=no", lines=200, lines_per_group=200)
    home.language = language
    (entry,) = home.alert(home.day(0, **{f"line-{n:04}": 0.5 for n in range(60)}))["channels"]
    said = anywhere.requests[0].body["text"]["content"]
    assert 1500 < len(said.encode()) <= 2048 and said.count("#") == entry["named"] + 1
    assert str(60 - entry["named"]) in said


def test_an_email_arrives_as_plain_text(tmp_path):
    with smtp_receiver() as (port, envelopes):
        home = world(tmp_path, f"mailto://127.0.0.1:{port}?from=bancast@example.com&to=ops@example.com", lines_per_group=50)
        assert home.alert(home.day(0, **dict.fromkeys(HOSTILE, 0.5)))["channels"][0]["status"] == "sent"
    (envelope,) = envelopes
    mail = message_from_bytes(envelope.content, policy=policy.default)
    assert envelope.rcpt_tos == ["ops@example.com"] and mail["Subject"] == "bancast: 7 lines at red, 23 November 2026"
    (part,) = [part for part in mail.walk() if not part.is_multipart()]
    assert part.get_content_type() == "text/plain" and "<b>bold</b> 50%" in part.get_content()
    assert "a\ufffdand 99 more 50%" in part.get_content()


def test_a_mail_server_that_is_not_there_is_a_channel_that_failed(tmp_path):
    home = world(tmp_path, f"mailto://127.0.0.1:{closed_port()}?from=bancast@example.com&to=ops@example.com")
    (entry,) = home.alert(home.day(0, A=0.5))["channels"]
    assert (entry["status"], entry["why"]) == ("failed", "not reached, or refused before an answer")


def test_the_forms_of_urls_that_the_docs_show_are_taken_and_named_without_their_tokens(tmp_path):
    forms = [
        ("dingtalk://TOKEN", "dingtalk"),
        ("wecombot://KEY", "wecombot"),
        ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY", "wecombot"),
        ("feishu://TOKEN", "feishu"),
        ("lark://TOKEN", "lark"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7", "slack"),
        ("mailtos://USER:PASSWORD@example.com?smtp=smtp.example.com&to=ops@example.com", "mailtos"),
        ("json://alerts.example.com/hook", "json"),
        ("jsons://USER:PASSWORD@alerts.example.com/hook?+X-Token=TOKEN", "jsons"),
    ]
    channels = channels_of(world(tmp_path, *(url for url, _ in forms)).settings)
    assert [channel.name.rsplit("-", 1)[0] for channel in channels] == [kind for _, kind in forms]
    assert len({channel.name for channel in channels}) == len(forms)
