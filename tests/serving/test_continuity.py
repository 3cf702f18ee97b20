"""Bans to expect and the capacity to plan for, on small lakes by hand; what acting is worth, against all thresholds."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import CostSettings, Settings
from features.engine import open_engine
from models.counts import interval
from serving.continuity import ALONE, GOES_ON, UNLEARNED, continuity, plan, risk_within
from serving.known import Known
from serving.published import days_until
from tests.data_schemas import disk
from tests.serving.report.worlds import TableLake, table

NOW = 20
AS_OF = day_date(disk.FIRST + NOW)
SETTINGS = Settings(threads=1)


def tables() -> disk.Tables:
    """L1 places two calls a day since day 10, L2 three yesterday, L3 none; CM's bans lasted 2, 4 and 5 days, CU's goes on."""
    return {
        "lines": [
            disk.line(1, team="A"),
            disk.line(2, team="A"),
            disk.line(3, carrier="CU", team="B"),
            disk.line(4, carrier="CU"),
        ],
        "calls": [
            *[disk.call(100 * day + n, day, 9 + n) for day in range(10, NOW) for n in range(2)],
            *[disk.call(900 + n, NOW - 1, 9 + n, line_id="L2") for n in range(3)],
            disk.call(990, NOW - 1, line_id="L3", recorded_at=disk.at(NOW, 0)),
            disk.call(991, NOW, line_id="L3"),
        ],
        "complaints": [],
        "bans": [
            disk.ban(1, 1, lifted_at=disk.at(3)),
            disk.ban(2, 5, lifted_at=disk.at(10), line_id="L2"),
            disk.ban(3, 11, lifted_at=disk.at(15), line_id="L2"),
            disk.ban(4, 2, lifted_at=disk.at(NOW), line_id="L2"),
            disk.ban(5, 15, line_id="L3"),
        ],
    }


def lines(**columns: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "line_id": ["L1", "L2", "L3", "L4"],
            "risk_7d": [0.5, 0.2, 0.1, 0.0],
            "risk_14d": [0.6, 0.36, 0.1, 0.0],
            "team": ["A", "A", "B", None],
            "carrier": ["CM", "CM", "CU", "CU"],
            "level": ["red", "orange", "yellow", "green"],
        }
    )
    return frame.assign(**columns)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("continuity")
    disk.load(disk.write(root / "in", tables()), root / "home")
    return root / "home"


def told(home: Path, frame: pd.DataFrame, summary: dict | None = None, settings: Settings = SETTINGS) -> dict:
    path = Home(home).scores_file(AS_OF).with_name("summary.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"kind": "time", "spread": {"team": 0.3, "carrier": 0.2}} if summary is None else summary))
    with open_engine(settings) as engine:
        found = continuity(Home(home), Known(engine, Lake(home / "lake"), disk.FIRST + NOW), settings, frame, AS_OF)
    return json.loads(json.dumps(found, allow_nan=False))


def test_lost_calls_are_each_lines_own_by_its_risk_and_last_as_long_as_its_carriers_bans(filled: Path):
    found = told(filled, lines())
    rows = {row["name"]: row for row in found["groups"]["carrier"]}
    assert [row["name"] for row in found["groups"]["carrier"]] == ["CM", "CU"] and found["weeks"] == [1, 2, 4]
    # Beyond 14 days the hazard of the second week goes on: L1 keeps 0.4 x 0.8^2, L2 0.64 x 0.8^2.
    assert rows["CM"]["expected"] == pytest.approx([0.7, 0.96, 2 - 0.64 * (0.4 + 0.64)], abs=0.006)
    assert rows["CM"]["calls_day"] == 5.0
    assert rows["CM"]["lost_calls_day"] == pytest.approx(
        [0.5 * 2 + 0.2 * 3, 0.6 * 2 + 0.36 * 3, 0.744 * 2 + 0.5904 * 3], abs=0.06
    )
    assert rows["CM"]["ban_days"] == 4.0, "a ban lifted on as_of is not known to be lifted"
    assert rows["CM"]["lost_calls"] == [6, 9, 13]
    assert rows["CU"]["ban_days"] is None and rows["CU"]["lost_calls"] is None and rows["CU"]["calls_day"] == 0.0
    assert [(row["name"], row["lines"]) for row in found["groups"]["team"]] == [("A", 2), ("B", 1), (None, 1)]
    total = found["total"]
    assert (total["name"], total["lines"], total["ban_days"]) == (None, 4, 4.0)
    assert total["expected"][0] == pytest.approx(0.8) and found["note"] == GOES_ON


def test_intervals_respect_how_bans_cluster_and_say_so_where_it_is_not_known(filled: Path):
    many = pd.concat([lines().assign(line_id=[f"X{n}{m}" for m in range(4)]) for n in range(50)], ignore_index=True)
    clustered, alone = told(filled, many), told(filled, many, {})
    cm = (many["carrier"] == "CM").to_numpy()
    for found, phi in ((clustered, 0.2), (alone, 0.0)):
        row = found["groups"]["carrier"][0]
        one = interval(many["risk_7d"].to_numpy()[cm], np.zeros(cm.sum()), 0.8, phi)
        assert (row["low"][0], row["high"][0]) == (one["low"].item(), one["high"].item())
        assert row["spare_lines"] == row["high"] and row["low"][0] < row["expected"][0] < row["high"][0]
    widest, narrow = clustered["total"], alone["total"]
    assert widest["high"][0] > narrow["high"][0] and widest["low"][0] < narrow["low"][0]
    measured = told(filled, many, {"spread": {"team": 0.3, "carrier": 0.2, "all": 0.1}})["total"]
    assert narrow["high"][0] < measured["high"][0] < widest["high"][0]
    assert alone["note"] == ALONE and told(filled, many, {"kind": "rule", "spread": {}})["note"] == UNLEARNED


@pytest.mark.parametrize("summary", [{"kind": "rule", "spread": {"all": 0.1}}, {}])
def test_scores_of_the_rule_plan_nothing(filled: Path, summary: dict):
    found = told(filled, lines(model_version="rule/1" if not summary else "of old"), summary)
    assert found["weeks"] == [] and found["plan"] is None and found["note"] == UNLEARNED
    rows = [found["total"], *found["groups"]["team"], *found["groups"]["carrier"]]
    assert [row[name] for row in rows for name in ("expected", "low", "high", "spare_lines", "lost_calls_day")] == [[]] * 30
    assert (found["total"]["lines"], found["total"]["calls_day"]) == (4, 5.0)


def test_what_is_not_known_and_no_lines_at_all_are_told_as_such(filled: Path, tmp_path: Path):
    found = told(tmp_path, lines(team=None, carrier=None))
    assert found["groups"] == {"team": [], "carrier": []}
    assert found["total"]["calls_day"] == 0.0 and found["total"]["ban_days"] is None
    none = told(filled, lines().head(0))
    assert none["total"]["expected"] == [0.0] * 3 and none["total"]["spare_lines"] == [0] * 3
    assert none["groups"] == {"team": [], "carrier": []}


@examples(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 0.999), min_size=3, max_size=3), st.integers(1, 40))
def test_the_risk_within_some_days_is_that_of_the_horizons_and_passes_each_level_when_days_until_says(steps, days):
    horizons = [3, 7, 14]
    risks = 1 - np.cumprod(1 - np.array([steps]), axis=1)
    for place, horizon in enumerate(horizons):
        assert risk_within(risks, horizons, horizon) == pytest.approx(risks[:, place], abs=1e-9)
    level = risk_within(risks, horizons, days)[0]
    assert 0 <= level <= 1 and level <= risk_within(risks, horizons, days + 1)[0] + 1e-12
    if 1e-6 < level < 1 - 1e-6:
        reached = days_until(risks, horizons, level * (1 - 1e-9))[0]
        assert reached <= days + 1e-6 and risk_within(risks, horizons, days)[0] >= level


COSTS = st.builds(CostSettings, ban=st.floats(1, 1e4), action=st.floats(0.1, 1e4), effect=st.floats(0.05, 1), currency=st.none())


@examples(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1), max_size=40), COSTS, st.sampled_from([1, 7, 14]))
def test_no_threshold_costs_less_than_the_one_at_which_acting_pays(risks, costs, headline):
    risk = np.array(risks)
    found = plan(risk, risk > 0.3, costs, headline)

    def cost(threshold: float) -> float:
        acted = risk >= threshold
        bans = risk[acted].sum() * (1 - costs.effect) + risk[~acted].sum()
        return costs.ban * bans + costs.action * headline / 7 * acted.sum()

    least = min(cost(threshold) for threshold in [*risk, 0.0, 2.0])
    assert found["cost_best"] == pytest.approx(least, abs=0.011, rel=1e-9)
    assert found["cost_best"] <= min(found["cost_nothing"], found["cost_flagged"]) + 0.011
    assert found["best_lines"] == (0 if found["threshold"] is None else (risk >= found["threshold"]).sum())


def test_a_plan_by_hand_and_none_without_costs():
    risk = np.array([0.5, 0.2, 0.1])
    costs = CostSettings(ban=1000, action=75, effect=0.5, currency="CNY")
    assert plan(risk, risk > 0.05, costs, 7) == {
        "days": 7,
        "currency": "CNY",
        "flagged_lines": 3,
        "cost_nothing": 800.0,
        "cost_flagged": 400.0 + 225.0,
        "cost_best": 350.0 + 100.0 + 150.0,
        "best_lines": 2,
        "threshold": 0.15,
    }
    never = plan(risk, risk > 0.05, CostSettings(ban=10, action=75), 7)
    assert (never["threshold"], never["best_lines"], never["cost_best"]) == (None, 0, never["cost_nothing"])
    unset = plan(risk, risk > 0.05, CostSettings(), 7)
    assert unset["flagged_lines"] == 3 and {unset[key] for key in unset if key.startswith("cost")} == {None}


@examples(max_examples=4, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["L1", "L2", "L3"]), st.integers(-40, 5), st.integers(0, 9)), max_size=6))
def test_rows_known_at_or_after_as_of_change_nothing(rows):
    """Each row is (line, day it happened, days until it was known)."""
    late = [(line, day, max(delay, -day)) for line, day, delay in rows]
    events = [("L1", -5, 0), ("L2", -9, 1)]

    def of(events: list) -> dict:
        ids, days, known = [e[0] for e in events], [NOW + e[1] for e in events], [NOW + e[1] + e[2] for e in events]
        calls = {"line_id": ids, "duration_s": [1.0] * len(ids), "answered": [True] * len(ids)}
        lifted = [datetime.fromtimestamp(86_400 * (day + 3), UTC) for day in days]
        held = {"line_id": ["L1", "L2", "L3"], "carrier": ["CM", "CM", "CU"], "number_pool": ["P"] * 3}
        lake = TableLake(
            {
                "lines": table("lines", held, [0, 0, 0]),
                "calls": table("calls", calls, days, known),
                "bans": table("bans", {"line_id": ids, "lifted_at": lifted}, days, known),
            }
        )
        with open_engine(SETTINGS) as engine:
            return continuity(Home(Path("nowhere")), Known(engine, lake, NOW), SETTINGS, lines(), AS_OF)  # type: ignore[arg-type]

    found = of(events)
    assert found["total"]["ban_days"] == 3.0 and of(events + late) == found
