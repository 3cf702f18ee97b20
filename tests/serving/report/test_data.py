from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import ReportSettings, Settings
from serving.report import data
from serving.report.data import read_ranking
from serving.report.extras import Extras
from serving.report.payload import payload
from tests.serving.report.worlds import AS_OF, TableLake, identities, lake_of, save_scores, scores_of, table

SETTINGS = Settings(threads=1)
END = day_number(AS_OF)
ACTIONS = ["rest_line"]


def scored(home: Home, day: date, risks: dict[str, float]) -> None:
    save_scores(home, day, scores_of(list(risks), ACTIONS, as_of=day, risk=np.array(list(risks.values()))))


def lake(**tables: pa.Table) -> TableLake:
    lines = table("lines", {"line_id": ["A", "B", "C"], "carrier": ["X"] * 3, "number_pool": ["P"] * 3}, [END - 100] * 3)
    return TableLake({"lines": lines, **tables})


def ranking(home: Home, lake: TableLake, **options):
    """The ranking without the sections beside it, which have tests of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "gather", lambda *_: Extras())
        return read_ranking(home, options.pop("settings", SETTINGS), AS_OF, lake, **options)


def daily(made, line: str) -> list[int]:
    return made.calls[made.lines["line_id"].tolist().index(line)].tolist()


def marks(made, parts: tuple[np.ndarray, np.ndarray, np.ndarray]) -> list[tuple[str, int, int]]:
    names = made.lines["line_id"].tolist()
    return [(names[place], day, count) for place, day, count in zip(*(part.tolist() for part in parts), strict=True)]


def test_a_line_is_on_the_list_since_the_first_day_of_its_unbroken_run(tmp_path):
    home = Home(tmp_path)
    week = lambda n: AS_OF - timedelta(days=7 * n)  # noqa: E731
    scored(home, week(4), {"A": 0.5, "B": 0.5, "C": 0.5})
    scored(home, week(3), {"A": 0.5, "B": 0.01, "C": 0.5})  # B was green
    scored(home, week(2), {"A": 0.5, "B": 0.5})  # C was not scored
    scored(home, week(1), {"A": 0.06, "B": 0.5, "C": 0.01})
    scored(home, AS_OF, {"A": 0.5, "B": 0.4, "C": 0.3})
    lines = ranking(home, lake()).lines.set_index("line_id")
    assert lines["since"].to_dict() == {"A": week(4), "B": week(2), "C": AS_OF}
    assert lines["new"].to_dict() == {"A": False, "B": False, "C": True}


def test_what_changed_since_the_scored_day_before(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF - timedelta(days=1), {"A": 0.5, "B": 0.5, "D": 0.5})
    scored(home, AS_OF, {"A": 0.5, "B": 0.001, "C": 0.2})
    made = ranking(home, lake())
    assert (made.new, made.cleared, made.gone) == (1, ["B"], {"D": "red"})
    assert made.previous is not None and made.previous.levels == {"red": 3, "orange": 0, "yellow": 0, "green": 0}
    assert made.totals.levels == {"red": 1, "orange": 1, "yellow": 0, "green": 1}
    assert made.totals.expected == pytest.approx(0.701)
    assert [day.as_of for day in made.trend] == [AS_OF - timedelta(days=1), AS_OF]


def test_on_the_first_scored_day_nothing_is_new_and_later_scores_do_not_count(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5, "B": 0.001})
    scored(home, AS_OF + timedelta(days=1), {"A": 0.5, "B": 0.9})
    made = ranking(home, lake())
    assert (made.previous, made.new, made.cleared, made.gone) == (None, 0, [], {})
    assert made.lines["since"].tolist() == [AS_OF, None]


def test_nothing_known_at_or_after_as_of_shows(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5, "B": 0.1, "C": 0.01})
    gone = {"line_id": ["A", "A"], "carrier": ["X", "Y"], "number_pool": ["P", "P"], "team": ["before", "after"]}
    lines = table("lines", gone | {"gone_day": [END, None]}, [END - 50] * 2, known=[END - 50, END])
    calls = table(
        "calls",
        {"line_id": ["A"] * 4, "duration_s": [10.0] * 4},
        [END - 1, END - 1, END, END - 57],
        known=[END - 1, END, END, END - 57],
    )
    complaints = table("complaints", {"line_id": ["A"] * 3}, [END - 3] * 3, known=[END - 2, END, END + 5])
    bans = table("bans", {"line_id": ["A", "A"]}, [END - 20, END - 1], known=[END - 20, END])
    made = ranking(home, TableLake({"lines": lines, "calls": calls, "complaints": complaints, "bans": bans}))
    first = made.lines.iloc[0]
    assert (first["team"], first["carrier"]) == ("before", "X")
    assert (first["calls_7d"], first["talk_7d"], first["complaints_28d"], first["bans"]) == (1, 10, 1, 1)
    assert daily(made, "A") == [0] * 55 + [1]
    assert (marks(made, made.complaints), marks(made, made.bans)) == ([("A", 53, 1)], [("A", 36, 1)])
    other = made.lines.iloc[1]
    assert (other["team"], other["carrier"]) == (None, None)
    assert sum(daily(made, "B")) == 0


def test_windows_begin_at_their_own_midnight(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5})
    days = [END - 7, END - 8, END - 56, END - 57]
    calls = table("calls", {"line_id": ["A"] * 4, "duration_s": [1.0] * 4}, days)
    complaints = table("complaints", {"line_id": ["A"] * 2}, [END - 28, END - 29])
    made = ranking(home, lake(calls=calls, complaints=complaints))
    assert made.lines.loc[0, ["calls_7d", "complaints_28d"]].tolist() == [1, 1]
    assert np.flatnonzero(daily(made, "A")).tolist() == [0, 48, 49]


def test_changes_are_told_against_the_scored_day_nearest_to_a_week_before(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF - timedelta(days=12), {"A": 0.9, "B": 0.9, "C": 0.9})
    scored(home, AS_OF - timedelta(days=6), {"A": 0.06, "B": 0.001, "C": 0.5})
    scored(home, AS_OF - timedelta(days=1), {"A": 0.5, "B": 0.5, "C": 0.5})
    scored(home, AS_OF, {"A": 0.5, "B": 0.2, "C": 0.1})
    made = ranking(home, lake())
    assert made.previous is not None and made.previous.as_of == AS_OF - timedelta(days=6)
    lines = made.lines.set_index("line_id")
    assert lines["level_before"].to_dict() == {"A": "yellow", "B": "green", "C": "red"}
    assert lines["risk_before"].to_dict() == pytest.approx({"A": 0.06, "B": 0.001, "C": 0.5})
    assert (lines["new"].to_dict(), lines["up"].to_dict()) == (
        {"A": False, "B": True, "C": False},
        {"A": True, "B": False, "C": False},
    )
    assert (made.new, made.up) == (1, 1)


def test_a_line_gone_from_the_list_is_told_banned_when_a_ban_began_since(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF - timedelta(days=7), {"A": 0.5, "B": 0.1, "C": 0.5, "D": 0.001})
    scored(home, AS_OF, {"A": 0.5})
    bans = table("bans", {"line_id": ["B", "C", "C"]}, [END - 3, END - 30, END - 1], known=[END - 1, END - 30, END])
    made = ranking(home, lake(bans=bans))
    assert (made.gone, made.gone_banned) == ({"C": "red", "B": "yellow"}, {"B"})
    assert list(made.gone) == ["C", "B"], "worst first"


def test_trends_show_each_scored_day_of_two_weeks_and_one_of_each_week_before(tmp_path):
    home = Home(tmp_path)
    for back in (1, 2, 14, 15, 16, 21, 22, 170, 200):
        scored(home, AS_OF - timedelta(days=back), {"A": 0.5})
    scored(home, AS_OF, {"A": 0.5})
    made = ranking(home, lake())
    assert [(AS_OF - day.as_of).days for day in made.trend] == [170, 22, 15, 14, 2, 1, 0]
    assert made.history.risks.shape == (6, 1)


@settings(max_examples=2, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0.001, 0.9)), min_size=1, max_size=4))
def test_scores_and_records_of_later_days_change_nothing_on_the_page(tmp_path_factory, later):
    home = Home(tmp_path_factory.mktemp("later"))
    scored(home, AS_OF - timedelta(days=7), {"A": 0.5, "B": 0.1})
    scored(home, AS_OF, {"A": 0.5, "B": 0.2})

    def shown(later: list[tuple[int, float]]) -> tuple[dict, str]:
        days = [END - 3, *(END - 3 for _ in later)]
        known = [END - 2, *(END + delay for delay, _ in later)]
        calls = table("calls", {"line_id": ["A"] * len(days), "duration_s": [9.0] * len(days)}, days, known)
        complaints = table("complaints", {"line_id": ["A"] * len(days)}, days, known)
        bans = table("bans", {"line_id": ["B"] * len(days)}, days, known)
        for delay, risk in later:
            scored(home, AS_OF + timedelta(days=delay + 1), {"A": risk})
        return payload(read_ranking(home, SETTINGS, AS_OF, lake(calls=calls, complaints=complaints, bans=bans)), {})

    assert shown(later) == shown([])


def test_the_page_holds_the_top_lines_up_to_the_setting(tmp_path):
    home, ids = Home(tmp_path), identities(60)
    world = lake_of(60, calls=False)
    scored(home, AS_OF, dict(zip(ids, np.linspace(0.9, 0.0001, 60), strict=True)))
    assert ranking(home, world).shown == 60
    few = ranking(home, world, settings=Settings(threads=1, report=ReportSettings(most_lines=10)))
    assert (few.shown, len(few.lines), few.calls.shape) == (10, 60, (10, 56))


def test_a_day_without_scores_is_one_clear_line(tmp_path):
    with pytest.raises(BadInput, match=r"scores.parquet: no scores of 2026-11-23; run `bancast score --as-of 2026-11-23"):
        ranking(Home(tmp_path), lake())


def test_a_broken_scores_file_is_named(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5})
    good = home.scores_file(AS_OF).read_bytes()
    home.scores_file(AS_OF).write_bytes(good[: len(good) // 2])
    with pytest.raises(BadInput, match="not readable as Parquet"):
        ranking(home, lake())
    save_scores(home, AS_OF, scores_of(["A"], ACTIONS).drop_columns(["actions"]))
    with pytest.raises(BadInput, match="column `actions` is missing"):
        ranking(home, lake())


def test_other_scores_may_be_given(tmp_path):
    home = Home(tmp_path / "home")
    elsewhere = Home(tmp_path / "other")
    scored(elsewhere, AS_OF, {"A": 0.5})
    made = ranking(home, lake(), scores=elsewhere.scores_file(AS_OF))
    assert made.lines["line_id"].tolist() == ["A"]
