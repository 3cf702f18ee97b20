from __future__ import annotations

from datetime import timedelta

import pytest

from data_schemas.errors import BadInput
from serving.alerts.acks import acknowledge, held, standing, take_back
from serving.alerts.reds import RedDays
from tests.serving.alerts.homes import MONDAY, Line, Mornings


def test_an_acknowledged_line_is_silent_until_its_day_and_then_told_if_it_has_changed(tmp_path):
    home = Mornings(tmp_path, silence_days=0)
    assert home.day(0, A=0.4, B=0.4) == ["A", "B"]
    acknowledge(home.home, ["A"], days=2, note="列表已核查")
    assert [home.day(offset, A=0.9, B=0.9 if offset == 1 else 0.4) for offset in range(1, 4)] == [["B"], [], ["A"]]
    assert standing(home.home) == []


def test_without_a_day_a_line_is_silent_until_it_has_left_red_and_come_back(tmp_path):
    home = Mornings(tmp_path, silence_days=0)
    home.day(0, A=0.4)
    acknowledge(home.home, ["A"], note="列表已核查")
    assert home.day(1, A=Line(0.9, "frequency")) == []
    assert [ack.to_dict() for ack in standing(home.home)] == [
        {"line_id": "A", "day": "2026-11-23", "until": None, "note": "列表已核查"}
    ]
    home.day(2, A=0.1)
    assert home.day(3, A=0.4) == ["A"] and standing(home.home) == []


def test_what_holds_on_an_earlier_day_is_what_was_acknowledged_by_then(tmp_path):
    home = Mornings(tmp_path, silence_days=0)
    home.day(0, A=0.4, B=0.4)
    acknowledge(home.home, ["A"], days=1)
    home.day(1, A=0.4, B=0.4)
    acknowledge(home.home, ["B"])
    home.day(2, A=0.4, B=0.4)
    days = RedDays(home.home)
    assert [sorted(held(days, MONDAY + timedelta(days=offset))) for offset in range(-1, 4)] == [[], ["A"], ["A", "B"], ["B"], []]


def test_an_acknowledgement_can_be_taken_back_and_made_anew(tmp_path):
    home = Mornings(tmp_path)
    home.day(0, A=0.4, B=0.4)
    acknowledge(home.home, ["A", "A", "B"], days=5)
    assert take_back(home.home, ["B"]) == ["B"]
    acknowledge(home.home, ["A"], days=1)
    assert [(ack.line_id, ack.until) for ack in standing(home.home)] == [("A", MONDAY + timedelta(days=1))]


def test_an_acknowledgement_of_a_later_day_changes_nothing_before(tmp_path):
    home = Mornings(tmp_path, silence_days=0)
    home.day(0, A=0.1)
    home.score(MONDAY + timedelta(days=2), {"A": Line(0.5)})
    acknowledge(home.home, ["A"])
    assert home.day(1, A=0.4) == ["A"]


def test_a_line_that_is_not_red_cannot_be_acknowledged_and_nothing_is_written(tmp_path):
    home = Mornings(tmp_path)
    with pytest.raises(BadInput, match="no scores in it yet"):
        acknowledge(home.home, ["A"])
    home.day(0, A=0.4, B=0.1)
    with pytest.raises(BadInput, match="line 'B': not among the red lines of 2026-11-23"):
        acknowledge(home.home, ["A", "B"])
    with pytest.raises(BadInput, match="line 'A': not acknowledged on 2026-11-23"):
        take_back(home.home, ["A"])
    assert not home.home.alert_acks.exists()


def test_an_id_that_was_copied_from_a_message_is_known(tmp_path):
    home = Mornings(tmp_path)
    home.score(MONDAY, {"sip:1@pbx": Line(0.5)})
    assert acknowledge(home.home, ["sip:1@\u2060pbx"])[0].line_id == "sip:1@pbx"
