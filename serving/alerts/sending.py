"""Sends a message through Apprise, as plain text, and says in words without secrets why a service did not take it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import requests

from data_schemas.settings import AlertSettings
from serving.alerts.channels import Channel, hushed, plugin_of
from serving.alerts.message import Message

_ROBOTS = {"dingtalk", "wecombot", "feishu", "lark"}
"""Services that answer 200 to everything and say in the body whether they took it, which Apprise 1.13 does not read."""
_CODES = ("errcode", "code", "StatusCode")
_LONG = {"jsons", "forms", "mailtos"}
_ROOM = 2900
"""Characters that chat services take for sure: Slack's blocks hold 3,000, Feishu 20 KB at up to 6 bytes a character."""
_WECOM_BYTES = 2000
"""A little less than the 2,048 bytes past which WeCom refuses a text."""


def room(channel: Channel) -> Callable[[str, str], bool]:
    """Whether a service takes a title and text of some length; most put the title on top of the text."""
    if channel.service == "wecombot":
        return lambda title, text: len(f"{title}\r\n{text}".encode()) <= _WECOM_BYTES
    plugin = plugin_of(channel.url)
    most = plugin.body_maxlen if plugin is not None else _ROOM
    most = most if channel.service in _LONG else min(most, _ROOM)
    return lambda title, text: len(f"{title}\r\n{text}") <= most


def send(channel: Channel, message: Message, rules: AlertSettings) -> str | None:
    """Send a message, some times if need be; None when the service took it, else why not the last time."""
    why: str | None = None
    for attempt in range(rules.tries):
        if attempt:
            time.sleep(rules.wait_s)
        why = _try(channel, message, rules.timeout_s)
        if why is None:
            return None
    return why


def _try(channel: Channel, message: Message, timeout: float) -> str | None:
    from apprise import NotifyFormat, NotifyType

    plugin: Any = plugin_of(channel.url)
    plugin.notify_format = NotifyFormat.TEXT
    plugin.socket_connect_timeout = plugin.socket_read_timeout = timeout
    if channel.service == "slack":
        plugin.use_blocks = True  # the one form in which <!channel> and <url|words> in a name stay text
    with hushed(), _heard() as answers:
        try:
            taken = plugin.notify(
                title=message.title, body=message.text, body_format=NotifyFormat.TEXT, notify_type=NotifyType.WARNING
            )
        except Exception as error:  # a plugin's own; its words may quote the URL
            return type(error).__name__
    return _verdict(channel.service, taken, answers[-1] if answers else None)


def _verdict(service: str, taken: bool, answer: requests.Response | None) -> str | None:
    if answer is not None and answer.status_code >= 300:
        return f"HTTP {answer.status_code}"
    if taken and service in _ROBOTS and answer is not None:
        return _refusal(answer)
    if taken:
        return None
    return "not taken by the service" if answer is not None else "not reached, or refused before an answer"


def _refusal(answer: requests.Response) -> str | None:
    """What a robot's answer of status 200 says; its words are left out, as they may quote what was sent."""
    with suppress(ValueError):
        said = answer.json()
        codes = [said[key] for key in _CODES if key in said] if isinstance(said, dict) else []
        if codes:
            return next((f"refused with code {code}" for code in codes if code != 0), None)
    return "an answer that is not the service's"


@contextmanager
def _heard() -> Iterator[list[requests.Response]]:
    """Every HTTP answer meanwhile: Apprise keeps none, and there is no other place to listen. One sender at a time."""
    answers: list[requests.Response] = []
    send_ = requests.Session.send

    def listening(self: requests.Session, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        answer = send_(self, request, **options)
        answers.append(answer)
        return answer

    requests.Session.send = listening  # type: ignore[method-assign]
    try:
        yield answers
    finally:
        requests.Session.send = send_  # type: ignore[method-assign]
