"""Teams and agents beside comparable ones: what is counted for whom, by hand, and who stands out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features.engine import open_engine
from serving.coaching import NOBODY, NOTE, coaching
from serving.known import Known
from tests.serving.report.worlds import TableLake, table

NOW = 40
SETTINGS = Settings(threads=1)
LINES = {
    "line_id": ["L1", "L1", "L2"],
    "carrier": ["CM", "CM", "CU"],
    "number_pool": ["P"] * 3,
    "team": ["A", "B", "B"],
    "gone_day": [30, None, None],
}
POLICY = {"carrier": ["CM"], "permitted_from": ["09:00"], "permitted_to": ["19:00"]}
CALLS = [  # line, agent, callee, day, hour, talk (s, None: not answered), day on which it was known
    ("L1", "x", 1, 29, 10.0, 3, 29),
    ("L1", "x", 9, 29, 19.5, 5.1, 29),
    ("L1", "y", 1, 30, 19.5, 60, 30),
    ("L1", "x", 1, 32, 18.9, None, 32),
    ("L2", "y", 2, 35, 20.0, None, 36),
    ("L2", None, 2, 36, 12.0, 5, 36),
    ("L2", "x", 2, 38, 12.0, 5, NOW),
    ("L2", "x", 2, NOW - 29, 12.0, 5, NOW - 29),
]
COMPLAINTS = [("L1", 1, 31), ("L1", None, 29), ("L2", 77, 36), ("L2", 2, 37)]  # line, callee, day


def at(day: int, hour: float = 12.0) -> pd.Timestamp:
    return pd.Timestamp(0) + pd.Timedelta(days=day, hours=hour)


def lake(calls: list, complaints: list, lines: dict | None = None, **without: None) -> TableLake:
    line, agent, callee, day, hour, talk, known = (list(column) for column in zip(*calls, strict=True))
    rows = {
        "call_id": [f"c{place}" for place in range(len(calls))],
        "line_id": line,
        "agent_id": agent,
        "callee_id": callee,
        "started_at": [at(d, h) for d, h in zip(day, hour, strict=True)],
        "local_second": [int(3600 * h) for h in hour],
        "answered": [t is not None for t in talk],
        "duration_s": [float(t or 0) for t in talk],
    }
    rows = {name: values for name, values in rows.items() if name not in without}
    tables = {
        "lines": table("lines", lines or LINES, [0] * len((lines or LINES)["line_id"]), None if lines else [0, 30, 0]),
        "calls": table("calls", rows, day, known),
        "policies": table("policies", POLICY, [30]),
    }
    if complaints:
        where, who, when = (list(column) for column in zip(*complaints, strict=True))
        rows = {"complaint_id": [f"k{n}" for n in range(len(where))], "line_id": where, "callee_id": who}
        tables["complaints"] = table("complaints", rows | {"occurred_at": [at(d) for d in when]}, when)
    return TableLake(tables)


def told(lake: TableLake, settings: Settings = SETTINGS) -> dict:
    with open_engine(settings) as engine:
        return json.loads(json.dumps(coaching(Known(engine, lake, NOW), settings), allow_nan=False))  # type: ignore[arg-type]


def values(rows: list[dict], measure: str) -> dict:
    return {row["name"]: row["measures"][measure] and row["measures"][measure]["value"] for row in rows}


def test_calls_and_complaints_count_for_the_team_of_the_line_that_day_and_for_the_agent_who_called_last():
    found = told(lake(CALLS, COMPLAINTS))
    assert [(row["name"], row["team"], row["calls"], row["lines"]) for row in found["teams"]] == [
        ("B", None, 4, 2),
        ("A", None, 2, 1),
    ]
    assert {(row["name"], row["team"], row["calls"], row["lines"]) for row in found["agents"]} == {
        ("x", "A", 3, 1),
        ("y", "B", 2, 2),
    }
    assert values(found["teams"], "complaints") == pytest.approx({"A": 1000 / 2, "B": 3000 / 4})
    # Callee 1 was called last by y before complaining, 2 by nobody who is known, and 77 never.
    assert values(found["agents"], "complaints") == pytest.approx({"x": 0, "y": 1000 / 2})
    # From day 30 on CM permits calls until 19:00; elsewhere it is 20:00.
    assert values(found["teams"], "off_hours") == pytest.approx({"A": 0, "B": 2 / 4})
    assert values(found["agents"], "off_hours") == pytest.approx({"x": 0, "y": 1})
    assert values(found["teams"], "short") == pytest.approx({"A": 1 / 2, "B": 1 / 2})
    assert values(found["agents"], "short") == pytest.approx({"x": 1 / 2, "y": 0})
    assert found["days"] == 28 and [measure["name"] for measure in found["measures"]] == ["complaints", "off_hours", "short"]
    assert found["compared"] == {"teams": 2, "agents": 2} and found["note"] == NOTE
    assert not any(m["stands_out"] for row in found["teams"] + found["agents"] for m in row["measures"].values() if m)


def test_where_nobody_stands_out_it_says_that_this_clears_nobody():
    assert told(lake(CALLS, COMPLAINTS))["nobody"] == NOBODY
    usual = {f"a{place:02d}": (400, 20 + place % 7) for place in range(20)}
    found = told(many({**usual, "worse": (400, 160)}))
    assert [row["name"] for row in found["agents"] if row["measures"]["short"]["stands_out"]] == ["worse"]
    assert found["nobody"] == NOBODY, "the one team has none beside it"


def test_what_the_data_do_not_tell_is_none():
    nobody = told(lake(CALLS, [(line, None, day) for line, _, day in COMPLAINTS], agent_id=None))
    assert nobody["agents"] == [] and values(nobody["teams"], "complaints")["A"] is not None
    unnamed = told(lake(CALLS, [(line, None, day) for line, _, day in COMPLAINTS]))
    assert set(values(unnamed["agents"], "complaints").values()) == {None}
    none = told(lake(CALLS[4:5] + CALLS[2:3], [], {name: values[1:] for name, values in LINES.items() if name != "team"}))
    assert none["teams"] == [] and [row["name"] for row in none["agents"]] == ["y"]
    only = none["agents"][0]["measures"]
    assert only["complaints"] is None and only["short"]["usual"] is None and only["short"]["ratio"] is None
    silent = told(lake(CALLS[4:5], []))
    assert silent["agents"][0]["measures"]["short"] is None, "no call was answered"


def many(short: dict[str, tuple[int, int]]) -> TableLake:
    """Agents of one team each with so many answered calls and so many of them cut short."""
    calls = [
        ("L2", agent, n, 12 + n % 28, 10.0, 2 if n < few else 60, 12 + n % 28)
        for agent, (all_, few) in short.items()
        for n in range(all_)
    ]
    return lake(calls, [])


def test_only_what_is_beyond_chance_and_scatter_stands_out_and_never_by_few_calls():
    rng = np.random.default_rng(0)
    usual = {f"a{n:02d}": (400, int(rng.poisson(40))) for n in range(12)}
    found = told(many({**usual, "worse": (400, 160), "thin": (150, 140)}))
    agents = {row["name"]: row["measures"]["short"] for row in found["agents"]}
    assert [name for name, short in agents.items() if short["stands_out"]] == ["worse"]
    assert found["agents"][0]["name"] == "worse" and agents["thin"]["ratio"] > 5
    assert agents["worse"]["low"] > 1.2 and agents["worse"]["low"] < agents["worse"]["ratio"] < agents["worse"]["high"]
    thinner = Settings(threads=1, coaching={"min_calls": 100})
    assert told(many({**usual, "thin": (150, 140)}), thinner)["agents"][0]["name"] == "thin"
    slightly = Settings(threads=1, coaching={"ratio": 5.0})
    assert not any(
        row["measures"]["short"]["stands_out"] for row in told(many({**usual, "worse": (400, 160)}), slightly)["agents"]
    )


late = st.tuples(
    st.sampled_from(["L1", "L2"]),
    st.sampled_from(["x", "z"]),
    st.sampled_from([1, 2]),
    st.integers(20, 45),
    st.floats(0, 23.9),
    st.none() | st.floats(0, 9),
    st.integers(NOW, 50),
)


@examples(max_examples=4, deadline=None)
@given(st.lists(late, min_size=1, max_size=5))
def test_rows_known_at_or_after_as_of_change_nothing(rows):
    before, after = lake(CALLS, COMPLAINTS), lake(CALLS + rows, COMPLAINTS)
    days = [row[3] for row in rows]
    more = table(
        "complaints", {"line_id": [row[0] for row in rows], "callee_id": [row[2] for row in rows]}, days, [NOW] * len(rows)
    )
    after.tables["complaints"] = pa.concat_tables([after.tables["complaints"], more])
    assert told(after) == told(before)
