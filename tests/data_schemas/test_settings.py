"""Settings that cannot be meant are refused where they are read: one line with the setting, the rule and what to do."""

from __future__ import annotations

import pytest

from data_schemas.errors import BadInput
from data_schemas.settings import Settings, load_settings


def written(tmp_path, text):
    (tmp_path / "bancast.toml").write_text(text)
    return tmp_path


def refused(home, *words):
    with pytest.raises(BadInput) as error:
        load_settings(home)
    said = str(error.value)
    assert "\n" not in said and "Value error" not in said and str(home / "bancast.toml") in said
    assert all(word in said for word in words), said


@pytest.mark.parametrize("zone", ["Asia/Peking", "Mars/Base", "", "localtime", "../etc/passwd"])
def test_a_zone_that_is_none_is_refused_in_the_file_and_in_the_environment(tmp_path, monkeypatch, zone):
    refused(written(tmp_path, f"zone = '{zone}'"), "`zone`", f"no time zone is called '{zone}'", "Asia/Shanghai")
    written(tmp_path, "")
    monkeypatch.setenv("BANCAST_ZONE", zone)
    refused(tmp_path, f"no time zone is called '{zone}'")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[train]\nhorizons = [1, 3]", ("`train.headline`", "7 days", "[1, 3]")),
        ("[train]\nheadline = 5", ("`train.headline`", "5 days", "[1, 3, 7, 14]")),
        ("[train]\nhorizons = [7, 3]", ("`train.horizons`", "ascending")),
        ("[train]\nhorizons = []", ("`train.horizons`", "ascending")),
        ("[train]\nhorizons = [0, 7]", ("`train.horizons`", "from 1 on")),
        ("[features]\npermitted_from = '25:00'", ("`features.permitted_from`", "'25:00' is no time of day", "08:00")),
        ("[features]\npermitted_to = 'late'", ("`features.permitted_to`", "'late'")),
        ("[levels]\nred = 0.1\norange = 0.3\nyellow = 0.5", ("`levels.orange`", "orange = 0.3 is above red = 0.1")),
        ("[levels]\norange = 0.4", ("`levels.orange`", "orange = 0.4 is above red = 0.3")),
        ("[levels]\nyellow = 0.2", ("`levels.yellow`", "yellow = 0.2 is above orange = 0.15")),
        ("[levels]\nmode = 'promise'\nyellow = 0.2", ("`levels.yellow`",)),
        ("[costs]\nyellow = 0.6", ("`costs.yellow`", "yellow = 0.6 is above orange = 0.5")),
        ("[train]\nsed = 3", ("`train.sed`", "no such setting", "`train.seed`")),
        ("seed = 3", ("`seed`", "no such setting", "`train.seed`")),
        ("[trains]\nseed = 3", ("`trains`", "no such setting")),
        ("colour = 'red'", ("`colour`: no such setting;",)),
    ],
)
def test_settings_that_contradict_each_other_or_are_none_are_refused(tmp_path, text, words):
    refused(written(tmp_path, text), *words)


@pytest.mark.parametrize(
    "text",
    [
        "[train]\nhorizons = [1, 3]\nheadline = 3",
        "[features]\npermitted_from = '8:00'\npermitted_to = '24:00'",
        "[levels]\nred = 0.15\nyellow = 0.15",
        "[levels]\nmode = 'promise'\nred = 0.1",
        "[levels]\nmode = 'capacity'\nred = 0.1\nyellow = 0.5",
        "zone = 'UTC'",
    ],
)
def test_settings_that_can_be_meant_are_taken(tmp_path, text):
    assert load_settings(written(tmp_path, text)) != Settings()


@pytest.mark.parametrize(
    ("given", "levels"),
    [
        ({"red": 0.1}, (0.1, 0.1, 0.05)),
        ({"red": 0.02}, (0.02, 0.02, 0.02)),
        ({"orange": 0.01}, (0.3, 0.01, 0.01)),
        ({"mode": "promise", "red": 0.1}, (0.1, 0.15, 0.05)),
        ({"red": 0.5}, (0.5, 0.15, 0.05)),
    ],
)
def test_levels_that_are_not_given_begin_no_higher_than_the_graver_one(tmp_path, given, levels):
    found = load_settings(tmp_path, levels=given).levels
    assert (found.red, found.orange, found.yellow) == levels


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("BANCAST_MEMROY_GB", "BANCAST_MEMORY_GB"),
        ("BANCAST_TRIAN__SEED", "BANCAST_TRAIN__SEED"),
        ("bancast_zones", "BANCAST_ZONE"),
    ],
)
def test_a_variable_that_is_nearly_a_setting_is_refused_and_another_one_is_not_ours(tmp_path, monkeypatch, variable, meant):
    monkeypatch.setenv("BANCAST_RELEASE", "17")
    load_settings(tmp_path)
    monkeypatch.setenv(variable, "1")
    with pytest.raises(BadInput, match=f"{variable}: no such setting \\(is {meant} meant"):
        load_settings(tmp_path)
