import json
from datetime import timedelta

import hypothesis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import strategies as some

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from serving.appeals import overview
from serving.appeals.bans import open_bans, with_scores
from serving.appeals.judging import candidates, judge, weigh
from tests.serving.appeals.worlds import AS_OF, BANNED, END, NASTY, World, at, opened
from tests.serving.report.worlds import TableLake


def points(one) -> dict[str, tuple]:
    return {point.name: (point.value, point.limit, point.holds) for point in one.points}


@pytest.fixture(scope="module")
def found(home) -> list:
    with opened(home) as (known, settings):
        return candidates(home, known, settings)


def test_lines_that_were_green_and_kept_every_limit_are_candidates_and_no_others(found):
    assert {one.line_id for one in found} == {"GOOD", NASTY}
    good = next(one for one in found if one.line_id == "GOOD")
    assert points(good) == {
        "risk": (0.01, 0.05, True),
        "daily_calls": (10.0, 30.0, True),
        "hourly_calls": (1.0, 12.0, True),
        "off_hours": (0.0, 0.01, True),
        "complaints": (0.0, 0.0, True),
        "complainers": (0, 0.0, True),
    }
    assert (good.banned, good.scored, good.level) == (day_date(BANNED), day_date(BANNED), "green")
    assert len(good.daily) == 29 and good.daily["calls"].tolist() == [10.0] * 28 + [2.0]
    assert good.hourly["calls"].sum() == 282


@pytest.fixture(scope="module")
def verdicts(home) -> dict:
    """Every ban of the home, the old one too, by line."""
    with opened(home, appeals={"within_days": 60}) as (known, settings):
        bans = open_bans(known, settings)
        weighed = weigh(known, settings, with_scores(home, settings, bans))
    return {one.line_id: one for one in weighed}


@pytest.mark.parametrize(
    ("line", "point", "value", "limit"),
    [
        ("LOUD", "daily_calls", 31, 30),
        ("RUSH", "hourly_calls", 13, 12),
        ("NIGHT", "off_hours", 5 / 287, 0.01),
        ("COMPLAINED", "complaints", 2 / 0.282, 0.0),
        ("PESTER", "complainers", 1, 0),
        ("RISKY", "risk", 0.4, 0.05),
    ],
)
def test_a_line_that_fails_a_point_is_no_candidate_and_the_point_says_why(verdicts, line, point, value, limit):
    against = {name: told for name, told in points(verdicts[line]).items() if told[2] is False}
    assert not verdicts[line].candidate and set(against) == {point}
    assert against[point][:2] == (pytest.approx(value), pytest.approx(limit))


@pytest.mark.parametrize(("line", "hindrance"), [("OLD", "old"), ("LIFTED", "lifted"), ("APPEALED", "appealed")])
def test_a_ban_that_is_over_answered_or_long_ago_is_none_to_appeal_against(home, line, hindrance):
    with opened(home) as (known, settings):
        assert line not in set(open_bans(known, settings)["line_id"])
        (ban,) = open_bans(known, settings, line).to_dict("records")
    old = ban["banned_day"] < END - settings.appeals.within_days
    assert {"old": old, "lifted": ban["lifted"], "appealed": ban["appealed"]}[hindrance]


def test_a_lift_and_an_appeal_of_later_days_are_not_known_yet(home):
    with opened(home, day_date(BANNED + 1)) as (known, settings):
        assert {"LIFTED", "APPEALED"} <= set(open_bans(known, settings)["line_id"])


def test_a_ban_that_has_a_case_is_left_out(home):
    with opened(home) as (known, settings):
        assert {one.line_id for one in candidates(home, known, settings, ["b-GOOD"])} == {NASTY}
        (one,) = judge(home, known, settings, "b-GOOD", ["b-GOOD"])
    assert one.hindrances == ("case",)


@pytest.mark.parametrize(("scored", "found"), [(BANNED + 1, False), (BANNED - 8, False), (BANNED - 7, True), (BANNED, True)])
def test_scores_after_the_ban_or_too_long_before_it_say_nothing(tmp_path, scored, found):
    world = World("GOOD")
    home = world.scored(tmp_path, scored=scored)
    with opened(home, lake=world.lake()) as (known, settings):
        bans = with_scores(home, settings, open_bans(known, settings))
    assert bans["risk"].notna().tolist() == [found]


def test_the_last_score_before_the_ban_counts(tmp_path):
    world = World("GOOD")
    world.scored(tmp_path, {"GOOD": 0.02}, BANNED - 1)
    world.scored(tmp_path, {"GOOD": 0.5}, BANNED - 3)
    home = world.scored(tmp_path, {"GOOD": 0.6}, BANNED + 2)
    with opened(home, lake=world.lake()) as (known, settings):
        (ban,) = with_scores(home, settings, open_bans(known, settings)).to_dict("records")
    assert (ban["risk"], ban["scored_day"], ban["level"]) == (0.02, BANNED - 1, "green")


def test_limits_are_those_in_force_on_the_day_and_the_rule_where_none_is_published(tmp_path):
    world = World("GOOD")
    world.policy(at(BANNED - 9, 0), daily_call_limit=12.0)
    for n in range(3):
        world.call("GOOD", BANNED - 10, 15 + n / 60)
    home, lake = world.scored(tmp_path), world.lake()
    with opened(home, lake=lake, rule={"daily_calls": 20, "hourly_calls": 5}) as (known, settings):
        (one,) = candidates(home, known, settings)
        told = {point.name: point for point in one.points}
        assert one.daily["daily"].tolist() == [20.0] * 19 + [12.0] * 10
        assert (told["daily_calls"].value, told["daily_calls"].limit, told["daily_calls"].since) == (10, 12, day_date(BANNED - 9))
        assert (told["hourly_calls"].value, told["hourly_calls"].limit, told["hourly_calls"].since) == (4, 5, None)
        assert told["off_hours"].since is None and set(one.daily["opens"]) == {"08:00"}
    with opened(home, lake=lake, rule={"daily_calls": 12}) as (known, settings):
        assert candidates(home, known, settings) == []


def test_what_the_tables_do_not_hold_is_not_known_and_speaks_against_nobody(tmp_path):
    world = World("GOOD")
    for row in world.complaints:
        del row["callee_id"], row["channel"]
    for row in world.bans:
        del row["reason"]
    home = world.scored(tmp_path)
    with opened(home, lake=world.lake()) as (known, settings):
        (one,) = candidates(home, known, settings)
    assert points(one)["complainers"] == (None, 0.0, None)
    assert (one.reason, one.team, one.verified) == (None, None, None)


def test_a_corrected_complaint_forgets_no_call_to_its_caller(tmp_path):
    world = World("PESTER")
    world.complain("A", BANNED - 20, number=5000)
    for day in range(BANNED - 10, BANNED - 4):
        world.call("PESTER", day, 15, number=5000)
    home = world.store(tmp_path)
    found = []
    for category in (None, "spam"):
        world.complaints[-1] |= {"category": category}
        pd.DataFrame(world.complaints).to_parquet(tmp_path / "in" / "complaints.parquet", index=False)
        settings = load_settings(home.root, threads=1)
        ingest(find_sources(tmp_path / "in"), home.root, settings, known_at=at(BANNED - 6, 12).to_pydatetime())
        with opened(home) as (known, settings):
            (one,) = judge(home, known, settings, "PESTER")
        found.append(points(one)["complainers"][0])
    assert found == [6, 6]


def test_a_line_that_placed_no_call_is_judged_too(tmp_path):
    world = World("GOOD")
    world.calls = [row for row in world.calls if row["line_id"] != "GOOD"]
    world.complain("GOOD", BANNED - 1)
    home = world.scored(tmp_path)
    with opened(home, lake=world.lake()) as (known, settings):
        (one,) = judge(home, known, settings, "GOOD")
    assert points(one)["daily_calls"] == (0.0, 150.0, True) and points(one)["complaints"][2] is False
    assert one.hourly.empty and one.channels == {"app_mark": 1}


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> tuple[Home, dict[str, pa.Table], dict]:
    """A home, its tables in memory, and the overview of them."""
    world = World("GOOD", "LOUD")
    world.policy(at(BANNED - 20, 0), daily_call_limit=30.0)
    for n in range(21):
        world.call("LOUD", BANNED - 3, 13 + n / 20)
    world.complain("GOOD", BANNED - 9)
    home = world.scored(tmp_path_factory.mktemp("small"))
    with opened(home, lake=world.lake()) as (known, settings):
        return home, world.lake().tables, overview(home, known, settings, AS_OF)


@hypothesis.settings(max_examples=4, deadline=None, derandomize=True, phases=[hypothesis.Phase.generate])
@hypothesis.given(data=some.data())
def test_rows_known_at_or_after_as_of_change_nothing(small, data):
    home, known_tables, expected = small
    changed = {}
    for name, rows in known_tables.items():
        some_rows = some.lists(some.integers(0, len(rows) - 1), min_size=1, max_size=40)
        places = data.draw(some_rows, label=name) if name == "calls" else list(range(len(rows)))
        late = END + data.draw(some.integers(0, 3), label="late")
        extra = rows.take(places)
        more = {"known_day": [late] * len(extra)}
        for table, column, value in (("bans", "ban_id", "new"), ("policies", "daily_call_limit", 1.0), ("lines", "carrier", "Y")):
            if name == table:
                more[column] = [value] * len(extra)
        columns = [pa.array(more[c], t.type) if (c := t.name) in more else extra[t.name] for t in rows.schema]
        # What stood at as_of is replaced later.
        gone = pa.array([late if place in places else None for place in range(len(rows))], rows.schema.field("gone_day").type)
        old = rows.set_column(rows.schema.get_field_index("gone_day"), rows.schema.field("gone_day"), gone)
        for filled in ("lifted_at", "appealed_at") if name == "bans" else ():
            moment = pa.array([at(late).tz_convert("UTC").tz_localize(None)] * len(old), rows.schema.field(filled).type)
            old = old.set_column(rows.schema.get_field_index(filled), rows.schema.field(filled), moment)
        changed[name] = pa.concat_tables([old, pa.table(columns, schema=rows.schema)])
    with opened(home, lake=TableLake(changed)) as (known, settings):
        assert overview(home, known, settings, AS_OF) == expected
    assert [one["line_id"] for one in expected["candidates"]] == ["GOOD"]


def test_no_more_candidates_than_the_settings_say_and_the_rest_is_told(home, found):
    with opened(home, appeals={"shown": 1}, language="en") as (known, settings):
        made = overview(home, known, settings, AS_OF, found=found)
    assert len(found) == 2
    assert len(made["candidates"]) == 1 and made["more"] == 1 and "1 further" in made["note"]


def test_the_overview_is_plain_values(home, found):
    with opened(home) as (known, settings):
        made = overview(home, known, settings, AS_OF, found=found)
    assert json.loads(json.dumps(made)) == made
    one = next(row for row in made["candidates"] if row["line_id"] == "GOOD")
    assert one["points"][1][1] == (
        f"Calls on the busiest day: 10; limit 30 (published by the carrier, in force since {day_date(BANNED - 200):%-d %B %Y})"
    )
    assert (one["carrier"], one["team"], one["banned"], one["level"]) == ("X", None, str(AS_OF - timedelta(days=5)), "green")
    assert set(one["document"]) == {"zh", "en"} and made["cases"] == [] and made["note"] is None
