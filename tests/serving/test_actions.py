"""The playbook: complete, in both languages, and in touch with the features."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from features.catalogue import CATALOGUE, FAMILIES
from serving.actions import PLAYBOOK, Ladder, for_model, load_playbook


def test_every_pattern_of_the_playbook_names_a_feature_and_every_family_a_known_one():
    names = [f"{feature.family}:{feature.name}" for feature in CATALOGUE]
    for action in load_playbook():
        assert set(action.families) <= set(FAMILIES)
        for pattern in (*action.reasons, *action.features):
            assert any(fnmatchcase(name, pattern) for name in names), f"{action.name}: {pattern}"


def test_the_playbook_says_how_calls_change():
    plans = {action.name: action.plan for action in load_playbook() if action.plan is not None}
    assert plans["pace_calls"] == Ladder("daily_calls", (0.75, 0.5, 0.25))
    assert plans["rest_line"] == Ladder("rest", (2.0, 7.0))
    assert {name: plan.kind for name, plan in plans.items()} == {
        "stop_calling_complainers": "leave_out",
        "pace_calls": "daily_calls",
        "rest_line": "rest",
        "keep_permitted_hours": "hours",
    }


def test_what_a_team_can_do_beside_its_calls_is_there():
    names = {action.name for action in load_playbook()}
    assert names >= {"handle_complaints", "coach_team", "verify_registration", "move_to_channel", "talk_to_carrier"}


def test_whatever_the_reason_something_can_be_done():
    actions = for_model(load_playbook())
    for feature in CATALOGUE:
        assert any(feature.family in action["families"] or feature.name in action["reasons"] for action in actions), feature.name


def test_texts_are_in_both_languages():
    for action in load_playbook():
        assert any("一" <= letter <= "鿿" for letter in action.title["zh"] + action.text["zh"])
        assert not any("一" <= letter <= "鿿" for letter in action.title["en"] + action.text["en"])


def test_the_model_gets_only_names_it_knows():
    features = [
        {"name": "complaints_7d", "family": "complaints"},
        {"name": "calls_to_complainers_7d", "family": "complaints"},
        {"name": "calls_1d", "family": "frequency"},
    ]
    by_name = {action["name"]: action for action in for_model(load_playbook(), features)}
    assert by_name["handle_complaints"] == {
        "name": "handle_complaints",
        "families": ["complaints"],
        "reasons": [],
        "features": ["complaints_7d"],
    }
    assert by_name["stop_calling_complainers"]["features"] == ["calls_to_complainers_7d"]
    assert by_name["pace_calls"]["features"] == ["calls_1d"]
    assert "check_device_and_region" not in by_name
    assert for_model(load_playbook(), [{"name": "x", "family": "table"}]) == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('title.zh = "逐条处理投诉"', "", "`handle_complaints` lacks title.zh"),
        ('name = "handle_complaints"', 'name = "pace_calls"', "`pace_calls` is there twice"),
        ('name = "handle_complaints"', "", "has no name"),
        ('families = ["roaming"]', "families = []", "nothing calls for it"),
        ('families = ["roaming"]', 'families = "roaming"', "must be a list"),
        ('features = ["roaming:*"]', 'features = ["regions"]', "family:name"),
        ('families = ["roaming"]', 'familes = ["roaming"]', "`familes`"),
        ("[[action]]", "[action", "not readable as TOML"),
        ("[[action]]", "[[deed]]", "no [[action]]"),
        ('families = ["roaming"]', 'families = ["roving"]', "`check_device_and_region`: `families` has `roving`"),
        ('features = ["roaming:*"]', 'features = ["roaming:regoins*"]', "`features` has `roaming:regoins*`, which no feature"),
        ('kind = "rest"', 'kind = "sleep"', "`rest_line`: `plan.kind` is `sleep`, which is none of daily_calls, rest, hours"),
        ('kind = "hours"', 'kind = "hours", ladder = [1]', "`keep_permitted_hours`: `plan.ladder` has no meaning"),
        ('kind = "hours"', 'kind = "hours", from = 9', "`keep_permitted_hours`: `plan` must be a table of `kind`"),
        ('plan = {kind = "hours"}', 'plan = "hours"', "`keep_permitted_hours`: `plan` must be a table of `kind`"),
        ('kind = "rest", ladder = [2, 7]', 'kind = "rest"', "`rest_line`: `plan.ladder` must be whole days, 1 to 7"),
        ("ladder = [2, 7]", "ladder = [2, 8]", "`rest_line`: `plan.ladder` must be whole days, 1 to 7"),
        ("ladder = [2, 7]", "ladder = [7, 2]", "`rest_line`: `plan.ladder` must be whole days, 1 to 7, each more"),
        ("ladder = [2, 7]", "ladder = [2.5]", "`rest_line`: `plan.ladder` must be whole days"),
        ("ladder = [0.75, 0.5, 0.25]", "ladder = [0.5, 0.75]", "`pace_calls`: `plan.ladder` must be shares"),
        ("ladder = [0.75, 0.5, 0.25]", "ladder = [1.5]", "`pace_calls`: `plan.ladder` must be shares"),
        ("ladder = [0.75, 0.5, 0.25]", "ladder = [0]", "`pace_calls`: `plan.ladder` must be shares"),
        ("ladder = [0.75, 0.5, 0.25]", "ladder = [true]", "`pace_calls`: `plan.ladder` must be shares"),
        ("ladder = [0.75, 0.5, 0.25]", "ladder = []", "`pace_calls`: `plan.ladder` must be shares"),
    ],
)
def test_a_playbook_with_a_slip_is_refused_in_one_line(tmp_path: Path, old: str, new: str, words: str):
    text = PLAYBOOK.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "playbook.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_playbook(path)
    assert words in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)
