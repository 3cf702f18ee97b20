import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.appeals import case_rows, cases
from serving.appeals.files import case_id
from tests.serving.appeals.worlds import ZONE

NOON = datetime(2026, 6, 10, 4, tzinfo=UTC)  # 12:00 in Shanghai
DAY = date(2026, 6, 10)


def hours(number: float) -> datetime:
    return NOON + timedelta(hours=number)


def case(ban: str = "b1", line: str = "L1") -> cases.Case:
    return cases.opened(ban, line, "X", NOON - timedelta(days=3), DAY, NOON)


def through(made: cases.Case, *states: str) -> cases.Case:
    for place, state in enumerate(states, 1):
        made = made.moved(state, hours(place))
    return made


@pytest.mark.parametrize(
    "states",
    [
        ("sent", "answered", "won"),
        ("sent", "answered", "lost"),
        ("sent", "won"),
        ("sent", "lost"),
        ("withdrawn", "drafted", "sent"),
    ],
)
def test_a_case_goes_its_way_and_keeps_when(states):
    made = through(case(), *states)
    assert [change.state for change in made.changes] == ["drafted", *states]
    assert [change.at for change in made.changes] == [hours(n) for n in range(len(states) + 1)]


@pytest.mark.parametrize(
    ("states", "next_"),
    [
        ((), "won"),
        ((), "answered"),
        (("sent",), "sent"),
        (("sent", "won"), "lost"),
        (("sent", "lost"), "withdrawn"),
        (("withdrawn",), "sent"),
    ],
)
def test_a_change_that_may_not_follow_is_one_clear_line(states, next_):
    made = through(case(), *states)
    with pytest.raises(BadInput, match=f"{made.state} cannot become {next_}; what may follow is ") as error:
        made.moved(next_, hours(9))
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="is the clock of this machine right"):
        case().moved("sent", hours(-1))


def test_a_case_is_read_back_as_it_was_saved(tmp_path):
    home, made = Home(tmp_path), through(case("封号-1\x00\ud800", "=1+1"), "sent")
    path = cases.save(home, made)
    assert cases.load(home) == [made] and path.parent == tmp_path / "appeals" / "cases"


@pytest.mark.parametrize(
    "ban", ["../x", "a/b", "..", ".", "", "封号", "con", "x" * 500, "a\\b", "\x00", "-rf", "B1", "b1", "a_b"]
)
def test_a_case_lies_in_its_folder_whatever_the_ban_is_called(tmp_path, ban):
    home = Home(tmp_path)
    path = cases.save(home, case(ban))
    assert path.parent == home.appeals / "cases" and len(path.name) < 64
    assert [found for found in tmp_path.rglob("*") if found.is_file()] == [path]
    (found,) = cases.load(home)
    assert found.ban_id == ban and found.id == path.stem


def test_no_two_bans_share_an_id_on_any_file_system():
    bans = ["a/b", "a_b", "a__b", "A_B", "a\\b", "封", "号", "", "x" * 500, "x" * 501, "b1", "B1"]
    assert len({case_id(ban).lower() for ban in bans}) == len(bans)


def test_a_crash_while_saving_leaves_the_old_case(tmp_path, monkeypatch):
    home = Home(tmp_path)
    cases.save(home, case())

    def fail(*_: object) -> None:
        raise OSError("power")

    for step in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, step, fail)
            with pytest.raises(OSError, match="power"):
                cases.save(home, through(case(), "sent"))
        assert cases.load(home) == [case()]
        assert [path.name for path in (tmp_path / "appeals" / "cases").iterdir()] == [f"{case().id}.json"]


def test_a_file_that_is_no_case_is_named(tmp_path):
    home = Home(tmp_path)
    path = cases.save(home, case())
    whole = path.read_text()
    for broken in (whole[:40], whole.replace("drafted", "flying"), "[]", whole.replace('"line_id"', '"lime_id"')):
        path.write_text(broken)
        with pytest.raises(BadInput, match=rf"{case().id}\.json: not the file of an appeal"):
            cases.load(home)


def test_a_case_is_found_by_its_id_its_ban_and_its_line():
    first, second = through(case("b1"), "sent", "lost"), case("b2")
    both = [first, second]
    assert cases.find(both, first.id) == cases.find(both, "b1") == first
    assert cases.find(both, "L1") == second, "the open one"
    assert cases.find(both, "L9") is None
    with pytest.raises(BadInput, match="line L1 has 2 appeals; name the ban: b2, b3"):
        cases.find([*both, case("b3")], "L1")


def test_an_answer_is_due_after_the_days_of_the_settings_and_late_from_the_day_after(tmp_path):
    home, settings = Home(tmp_path), Settings(zone=ZONE, appeals={"answer_days": 7})
    cases.save(home, through(case(), "sent"))
    told = {}
    for after in (1, 7, 8):
        (told[after],) = case_rows(home, settings, DAY + timedelta(days=after))
    assert {row["due"] for row in told.values()} == {"2026-06-17"} and told[1]["since"] == "2026-06-10"
    assert [row["late"] for row in told.values()] == [False, False, True]
    cases.save(home, through(case(), "sent", "answered"))
    (row,) = case_rows(home, settings, DAY + timedelta(days=60))
    assert (row["state"], row["due"], row["late"]) == ("answered", None, False)


def test_a_past_day_shows_cases_as_they_were_then(tmp_path):
    home, settings = Home(tmp_path), Settings(zone=ZONE)
    made = case()
    for days, state in ((1, "sent"), (3, "won")):
        made = made.moved(state, NOON + timedelta(days=days))
    cases.save(home, made)
    states = [[row["state"] for row in case_rows(home, settings, DAY + timedelta(days=n))] for n in range(6)]
    assert states == [[], ["drafted"], ["sent"], ["sent"], ["won"], ["won"]]
    assert case_rows(home, settings, DAY, now=NOON + timedelta(days=1, minutes=1))[0]["state"] == "sent"


def test_late_cases_come_first_and_closed_ones_last(tmp_path):
    home, settings = Home(tmp_path), Settings(zone=ZONE)
    cases.save(home, through(case("won"), "sent", "won"))
    cases.save(home, case("open"))
    cases.save(home, through(case("late"), "sent"))
    assert [row["ban_id"] for row in case_rows(home, settings, DAY + timedelta(days=30))] == ["late", "open", "won"]


def test_documents_of_a_ban_stay_in_their_folder(tmp_path):
    from serving.appeals.documents import name

    assert Path(name("../x", "zh")).name == name("../x", "zh")
