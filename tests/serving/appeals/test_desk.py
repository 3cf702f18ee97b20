"""Drafting, outcomes in the lake, and what may go wrong on the way."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import load_settings
from features.build import build_features
from features.catalogue import CATALOGUE
from serving.appeals import cases, desk, outcomes, overview
from tests.serving.appeals.worlds import AS_OF, BANNED, NASTY, NASTY_BAN, at, opened

NOW = datetime(2026, 3, 16, 2, tzinfo=UTC)


@pytest.fixture
def own(home, tmp_path) -> Home:
    shutil.copytree(home.root, tmp_path / "home")
    return Home(tmp_path / "home")


def draft(home: Home, name: str, consent: tuple[Path, ...] = ()):
    with opened(home) as (known, settings):
        return desk.draft(home, known, settings, AS_OF, name, consent, NOW)


def sent(home: Home, line: str = "GOOD") -> cases.Case:
    """A case that was sent an hour after NOW."""
    banned = at(BANNED, 12).to_pydatetime().astimezone(UTC)
    case = cases.opened(f"b-{line}", line, "X", banned, AS_OF, NOW).moved("sent", NOW + timedelta(hours=1))
    cases.save(home, case)
    return case


def move(home: Home, name: str, state: str, hours: float, lifted: datetime | None = None):
    return desk.move(home, load_settings(home.root, threads=1), name, state, NOW + timedelta(hours=hours), lifted)


def ban_row(home: Home, ban: str) -> dict:
    with opened(home) as (known, _):
        rows = Lake(home.lake).read(known.engine.con, "bans")
        (row,) = known.engine.frame(rows.filter(rows.ban_id == ban)).to_dict("records")
    return row


def test_a_won_appeal_is_in_the_lake_once_and_the_features_see_it_the_next_day(own):
    sent(own)
    lifted = at(BANNED + 3, 18).to_pydatetime()
    case, told = move(own, "b-GOOD", "won", 2, lifted)
    assert told == {"lake_changed": True, "lift_known": True} and case.state == "won"
    row = ban_row(own, "b-GOOD")
    assert row["appeal_won"] and row["appealed_at"].tz_localize("UTC") == NOW + timedelta(hours=1)
    assert row["lifted_at"].tz_localize("UTC") == lifted and row["reason"] == "volume"
    assert row["gone_day"] is None or row["gone_day"] != row["gone_day"], "one version: filling in is no correction"
    manifest = (own.lake / "manifest.json").read_bytes()
    assert move(own, "b-GOOD", "won", 3, lifted)[1]["lake_changed"] is False
    assert (own.lake / "manifest.json").read_bytes() == manifest
    won = [feature for feature in CATALOGUE if feature.name == "appeals_won"]
    day = BANNED + 4
    table = build_features(Lake(own.lake), load_settings(own.root, threads=1), [day - 1, day], None, won)
    seen = {(row.as_of.date(), row.line_id): row.appeals_won for row in table.itertuples()}
    assert seen[day_date(day), "GOOD"] == 1 and seen[day_date(day), "A"] == 0
    assert (day_date(day - 1), "GOOD") not in seen, "still under the ban"


def test_a_lost_appeal_is_data_too_and_what_the_lake_knows_stays(own):
    sent(own)
    move(own, "GOOD", "answered", 2)
    _, told = move(own, "GOOD", "lost", 3)
    assert told == {"lake_changed": True, "lift_known": False}
    row = ban_row(own, "b-GOOD")
    assert row["appeal_won"] is False or row["appeal_won"] == 0
    assert "reported_at" not in Lake(own.lake).present_columns("bans"), "no column appears that nobody gave"


def test_a_lift_can_be_told_after_the_win_and_must_lie_after_the_ban(own):
    sent(own)
    assert move(own, "GOOD", "won", 2)[1]["lift_known"] is False
    for wrong in (at(BANNED, 11).to_pydatetime(), NOW + timedelta(days=9)):
        with pytest.raises(BadInput, match="must lie between the ban"):
            move(own, "GOOD", "won", 3, wrong)
    naive = datetime(2026, 3, 13, 9, 30)
    case, told = move(own, "GOOD", "won", 3, naive)
    assert told["lift_known"] and case.lifted_at == datetime(2026, 3, 13, 1, 30, tzinfo=UTC)
    assert [change.state for change in case.changes] == ["drafted", "sent", "won"]


def test_a_crash_between_the_lake_and_the_case_is_mended_by_the_same_command(own, monkeypatch):
    sent(own)
    with monkeypatch.context() as patch:
        patch.setattr(cases, "save", lambda *_: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(OSError, match="power"):
            move(own, "GOOD", "won", 2)
    assert cases.load(own)[0].state == "sent" and ban_row(own, "b-GOOD")["appeal_won"]
    case, told = move(own, "GOOD", "won", 3)
    assert case.state == "won" and not told["lake_changed"]


def test_an_illegal_change_leaves_lake_and_case_as_they_were(own):
    case = cases.opened("b-GOOD", "GOOD", "X", NOW, AS_OF, NOW)
    cases.save(own, case)
    before = (own.lake / "manifest.json").read_bytes()
    with pytest.raises(BadInput, match="drafted cannot become won"):
        move(own, "GOOD", "won", 1)
    assert (own.lake / "manifest.json").read_bytes() == before and cases.load(own) == [case]
    with pytest.raises(BadInput, match="no appeal of such a ban or line"):
        move(own, "LOUD", "sent", 1)


def test_a_draft_has_its_documents_and_is_no_candidate_any_more(own):
    case, files = draft(own, NASTY)
    assert case.ban_id == NASTY_BAN and case.carrier == "X"
    assert {path.parent for path in files} == {own.appeals / case.id} and len(files) == 4
    with opened(own) as (known, settings):
        then = overview(own, known, settings, AS_OF)
        now = overview(own, known, settings, AS_OF, now=NOW + timedelta(hours=1))
    assert NASTY in {one["line_id"] for one in then["candidates"]} and then["cases"] == [], "drafted after that midnight"
    assert NASTY not in {one["line_id"] for one in now["candidates"]}
    assert [row["ban_id"] for row in now["cases"]] == [NASTY_BAN]


def test_a_draft_can_be_made_anew_with_more_files_until_it_is_sent(own, tmp_path):
    for name in ("one.pdf", "two.pdf"):
        (tmp_path / name).write_text(name)
    with opened(own) as (known, settings):
        one = lambda *files, hours: desk.draft(own, known, settings, AS_OF, "GOOD", files, NOW + timedelta(hours=hours))[0]  # noqa: E731
        first = one(tmp_path / "one.pdf", hours=0)
        second = one(tmp_path / "one.pdf", tmp_path / "two.pdf", hours=1)
        assert second.changes == first.changes and [file["name"] for file in second.attachments] == ["one.pdf", "two.pdf"]
        move(own, "GOOD", "withdrawn", 2)
        third = one(hours=3)
        assert [change.state for change in third.changes] == ["drafted", "withdrawn", "drafted"] and third.sent_at() is None
        move(own, "GOOD", "sent", 4)
        with pytest.raises(BadInput, match="There is a case for this ban already"):
            one(hours=5)


def test_what_is_no_candidate_cannot_be_drafted_and_is_told_why(own):
    with opened(own) as (known, settings):
        for name, says in (
            ("LOUD", "no candidate for an appeal: Calls on the busiest day: 31; limit 30"),
            ("LIFTED", "The ban has been lifted"),
            ("nobody", "no ban of such a line"),
        ):
            with pytest.raises(BadInput, match=says):
                desk.draft(own, known, settings, AS_OF, name, (), NOW)
        with pytest.raises(BadInput, match=r"missing\.pdf: not readable"):
            desk.draft(own, known, settings, AS_OF, "GOOD", (Path("missing.pdf"),), NOW)
    assert not own.appeals.exists()


def test_a_ban_that_the_lake_has_lost_is_named(own):
    case = cases.opened("gone", "GOOD", "X", NOW, AS_OF, NOW).moved("sent", NOW).moved("lost", NOW)
    with pytest.raises(BadInput, match="ban gone is not in it any more"):
        outcomes.record(own, load_settings(own.root, threads=1), case)


def test_why_says_each_point_in_both_languages(own):
    with opened(own) as (known, settings):
        (told,) = desk.why(own, known, settings, "NIGHT")
        with pytest.raises(BadInput, match="nobody: no ban of such a line"):
            desk.why(own, known, settings, "nobody")
    assert not told["candidate"] and told["hindrances"] == []
    assert {point["name"]: point["holds"] for point in told["points"]} == {
        "risk": True,
        "daily_calls": True,
        "hourly_calls": True,
        "off_hours": False,
        "complaints": True,
        "complainers": True,
    }
    assert all(point["en"] and point["zh"] for point in told["points"])
