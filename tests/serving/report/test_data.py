from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.report.data import read_ranking
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
    return read_ranking(home, SETTINGS, AS_OF, lake, **options)


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
    assert (made.new, made.cleared, made.gone) == (1, ["B"], ["D"])
    assert made.previous is not None and made.previous.levels == {"red": 3, "orange": 0, "yellow": 0, "green": 0}
    assert made.totals.levels == {"red": 1, "orange": 1, "yellow": 0, "green": 1}
    assert made.totals.expected == pytest.approx(0.701)
    assert [day.as_of for day in made.trend] == [AS_OF - timedelta(days=1), AS_OF]


def test_on_the_first_scored_day_nothing_is_new_and_later_scores_do_not_count(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5, "B": 0.001})
    scored(home, AS_OF + timedelta(days=1), {"A": 0.5, "B": 0.9})
    made = ranking(home, lake())
    assert (made.previous, made.new, made.cleared, made.gone) == (None, 0, [], [])
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
    assert made.daily["A"].tolist() == [0] * 55 + [1]
    assert (made.complaints, made.bans) == ({"A": [(53, 1)]}, {"A": [36]})
    other = made.lines.iloc[1]
    assert (other["team"], other["carrier"]) == (None, None)
    assert made.daily["B"].sum() == 0


def test_windows_begin_at_their_own_midnight(tmp_path):
    home = Home(tmp_path)
    scored(home, AS_OF, {"A": 0.5})
    days = [END - 7, END - 8, END - 56, END - 57]
    calls = table("calls", {"line_id": ["A"] * 4, "duration_s": [1.0] * 4}, days)
    complaints = table("complaints", {"line_id": ["A"] * 2}, [END - 28, END - 29])
    made = ranking(home, lake(calls=calls, complaints=complaints))
    assert made.lines.loc[0, ["calls_7d", "complaints_28d"]].tolist() == [1, 1]
    assert np.flatnonzero(made.daily["A"]).tolist() == [0, 48, 49]


def test_the_page_holds_all_lines_of_a_small_company_and_the_top_of_a_large_one(tmp_path):
    home, ids = Home(tmp_path), identities(60)
    world = lake_of(60, calls=False)
    scored(home, AS_OF, dict(zip(ids, np.linspace(0.9, 0.0001, 60), strict=True)))
    flagged = int((np.linspace(0.9, 0.0001, 60) >= 0.05).sum())
    assert ranking(home, world).shown == 60
    assert ranking(home, world, most_shown=59, top=10).shown == flagged
    assert ranking(home, world, most_shown=30, top=10).shown == 30
    assert ranking(home, world, most_shown=59, top=58).shown == 58


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
