"""Plans: which calls they leave out, by hand; and which step, action and rest a line is advised."""

from __future__ import annotations

from collections.abc import Iterator

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from serving.actions import Action, Ladder
from serving.advice import bounds, chosen_step, spared
from serving.plans import Plan, Tried, called_for, most_calls, not_placed, steps_for

AS_OF = 100


@pytest.fixture(scope="module")
def con() -> Iterator[ibis.BaseBackend]:
    connection = ibis.duckdb.connect()
    yield connection
    connection.disconnect()


def left_out(con: ibis.BaseBackend, calls: list[dict], plan: Plan) -> list[str]:
    """Ids of the calls that a plan leaves out. A call: line, day, hour, and what stood around it."""
    rows = [
        {
            "line_id": "L1",
            "day": AS_OF - 1,
            "call_id": f"c{number}",
            "started_at": float(number),
            "off_hours": False,
            "to_complainer": False,
            "most": 2,
            **call,
        }
        for number, call in enumerate(calls)
    ]
    frame = pd.DataFrame(rows).astype({"to_complainer": "boolean", "off_hours": "boolean"})
    table = con.create_table("calls", frame, temp=True, overwrite=True)
    return sorted(not_placed(table, plan, AS_OF).call_id.to_pandas())


def test_a_cap_keeps_calls_evenly_spaced_over_each_day_of_each_line(con):
    day = [{} for _ in range(6)]
    assert left_out(con, day, Plan(daily=True)) == ["c0", "c1", "c3", "c4"]
    other = [{"day": AS_OF - 2}, {"day": AS_OF - 2}, {"line_id": "L2"}, {"line_id": "L2"}, {"line_id": "L2"}]
    assert left_out(con, other, Plan(daily=True)) == ["c2"]


def test_a_cap_goes_by_time_and_not_by_the_order_of_the_rows(con):
    shuffled = [{"started_at": float(at), "call_id": f"at{at}"} for at in (3, 0, 5, 1, 4, 2)]
    assert left_out(con, shuffled, Plan(daily=True)) == ["at0", "at1", "at3", "at4"]


def test_rest_leaves_out_the_last_days_alone(con):
    days = [{"day": AS_OF - age} for age in (1, 2, 3)]
    assert left_out(con, days, Plan(rest_days=2)) == ["c0", "c1"]
    assert left_out(con, days, Plan()) == []


def test_hours_and_complainers_leave_out_what_is_known_to_be_so(con):
    calls = [{"off_hours": True}, {"to_complainer": True}, {}, {"off_hours": None, "to_complainer": None}]
    assert left_out(con, calls, Plan(hours=True)) == ["c0"]
    assert left_out(con, calls, Plan(leave_out=True)) == ["c1"]
    assert left_out(con, calls, Plan(hours=True, leave_out=True)) == ["c0", "c1"]


def test_a_cap_counts_what_the_rest_of_a_plan_leaves(con):
    calls = [{"off_hours": True}, {}, {}, {}]
    assert left_out(con, calls, Plan(daily=True, hours=True)) == ["c0", "c1"]


@how(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(1, 12), min_size=1, max_size=4), most=st.integers(1, 10))
def test_a_cap_leaves_as_many_as_it_says_of_any_day(con, counts, most):
    calls = [{"day": AS_OF - age, "most": most} for age, count in enumerate(counts, 1) for _ in range(count)]
    gone = left_out(con, calls, Plan(daily=True))
    days = pd.Series([calls[int(call[1:])]["day"] for call in gone], dtype="int64").value_counts()
    assert all(days.get(AS_OF - age, 0) == max(0, count - most) for age, count in enumerate(counts, 1))


def test_calls_a_day_are_a_share_of_the_usual_ones_and_never_none():
    assert most_calls(0.25, np.array([120.0, 10.0, 1.0, np.nan])).tolist() == [30, 3, 1, 1]


def test_only_steps_that_reasons_call_for_are_tried():
    told = [
        {"name": "pace", "families": ["frequency"], "reasons": []},
        {"name": "rest", "families": ["frequency"], "reasons": ["complaints_3d"]},
        {"name": "ask", "families": ["policy"], "reasons": []},
        {"name": "hours", "families": ["hours"], "reasons": []},
    ]
    reasons = [[{"family": "frequency", "feature": "calls_1d"}], [{"family": "complaints", "feature": "complaints_3d"}], []]
    wanted = called_for(told, reasons)
    assert {name: lines.tolist() for name, lines in wanted.items()} == {
        "pace": [True, False, False],
        "rest": [True, True, False],
        "ask": [False] * 3,
        "hours": [False] * 3,
    }
    ladders = {"pace": Ladder("daily_calls", (0.5, 0.25)), "rest": Ladder("rest", (2.0,)), "hours": Ladder("hours", (1.0,))}
    playbook = [Action(one["name"], (), (), (), {}, {}, ladders.get(one["name"])) for one in told]
    steps = steps_for(playbook, wanted)
    assert list(steps) == [("daily_calls", 0.5), ("daily_calls", 0.25), ("rest", 2.0)]
    assert steps["rest", 2.0].tolist() == [True, True, False]


def test_the_smallest_change_that_leaves_the_level_is_advised_else_the_one_of_least_risk():
    steps = [Tried(risk, {"daily_calls": number}) for number, risk in enumerate((0.28, 0.14, 0.02))]
    assert chosen_step(steps, 0.4, 0.3) == {"risk_after": 0.28, "plan": {"daily_calls": 0}, "below": True}
    assert chosen_step(steps, 0.4, 0.15) == {"risk_after": 0.14, "plan": {"daily_calls": 1}, "below": True}
    assert chosen_step(steps, 0.4, 0.02) == {"risk_after": 0.02, "plan": {"daily_calls": 2}, "below": False}
    worse = [Tried(0.2, {}), Tried(0.5, {})]
    assert chosen_step(worse, 0.4, 0.1) == {"risk_after": 0.2, "plan": {}, "below": False}
    assert chosen_step(worse[1:], 0.4, 0.1) is None


def test_a_level_is_left_under_its_threshold_its_lowest_risk_or_its_promise():
    risk = np.array([0.9, 0.7, 0.2, 0.06, 0.01])
    level = np.array(["red", "red", "orange", "yellow", "green"])
    marks = {"red": 0.3, "orange": 0.15, "yellow": 0.05}
    promised = np.array([0.6, 0.5, 0.6, 0.6, 0.6])
    assert bounds({"mode": "threshold", **marks}, risk, level, promised).tolist() == [0.3, 0.3, 0.15, 0.05, np.inf]
    assert bounds({"mode": "capacity", **marks}, risk, level, promised).tolist() == [0.7, 0.7, 0.2, 0.06, np.inf]
    assert bounds({"mode": "promise", **marks}, risk, level, promised).tolist() == [0.6, 0.5, 0.15, 0.05, np.inf]


def action(name: str, risk: float = 0.1) -> dict:
    return {"action": name, "risk_after": risk, "plan": None, "below": None}


def test_lines_of_the_highest_risk_rest_first_and_the_others_get_their_next_best_action():
    own = [action("rest"), action("pace"), action("quality"), action("ask")]
    usual, team = np.array([30.0, 30.0, 10.0, 130.0]), pd.Series(["A", "A", "A", "A"])
    several = [own, own, own, []]
    chosen, withheld = spared(several, {"rest"}, usual, team, 0.2)
    assert [[one["action"] for one in line] for line in chosen] == [
        ["rest", "pace", "quality"],
        ["pace", "quality", "ask"],
        ["rest", "pace", "quality"],
        [],
    ]
    assert withheld == 1


def test_a_rest_that_is_not_among_the_best_takes_nothing_of_what_can_be_spared():
    late = [action("pace"), action("quality"), action("ask"), action("rest")]
    chosen, withheld = spared([late, [action("rest")]], {"rest"}, np.array([5.0, 5.0]), pd.Series([None, None]), 0.5)
    assert [len(line) for line in chosen] == [3, 1] and withheld == 0


@how(max_examples=60, deadline=None)
@given(
    lines=st.lists(
        st.tuples(
            st.sampled_from(["A", "B", None]), st.floats(0, 300), st.sets(st.sampled_from(["rest", "pace", "ask", "train"]))
        ),
        min_size=1,
        max_size=25,
    ),
    share=st.floats(0, 1),
)
def test_no_team_ever_rests_more_than_it_can_spare(lines, share):
    several = [[action(name) for name in sorted(names)] for _, _, names in lines]
    usual, team = np.array([calls for _, calls, _ in lines]), pd.Series([team for team, _, _ in lines], dtype=object)
    chosen, withheld = spared(several, {"rest"}, usual, team, share)
    rests = np.array([any(one["action"] == "rest" for one in own) for own in chosen])
    known = team.fillna("").to_numpy()
    for name in set(known):
        assert usual[rests & (known == name)].sum() <= share * usual[known == name].sum() * (1 + 1e-9)
    for before, after in zip(several, chosen, strict=True):
        allowed = [one for one in before if one["action"] != "rest"]
        assert after in (before[:3], allowed[:3])
    assert withheld == sum(after != before[:3] for before, after in zip(several, chosen, strict=True))
