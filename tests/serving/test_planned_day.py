"""A day scored with plans: lines that are each at risk for one reason, by a model simple enough to work out by hand."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.lake import Lake
from features.catalogue import CATALOGUE
from serving.published import Forecast
from serving.scoring import score_day
from tests.data_schemas import disk
from tests.serving.bundles import LEVELS, catalogue_bundle
from tests.serving.test_scoring import FolderRegistry

DAYS, LINES, QUIET = 9, 10, 6
AS_OF = day_date(disk.FIRST + DAYS)
WEIGHTS = {"calls_7d": 1.0, "off_hours_calls_7d": 0.5, "calls_to_complainers_7d": 0.5}
USUAL = {"calls_7d": 7.0 * QUIET, "off_hours_calls_7d": 0.0, "calls_to_complainers_7d": 0.0}


def tables() -> disk.Tables:
    """L1 calls 40 times a day and the others 6; L2 as often at night, too, and L3 to three people who had complained."""
    calls: disk.Rows = []

    def place(line: int, day: int, hours: list[float], callees: list[str] | None = None) -> None:
        for number, hour in enumerate(hours):
            n = len(calls)
            callee = callees[number % len(callees)] if callees else disk.number(n)
            calls.append(disk.call(n, day, hour, line_id=f"L{line}", callee_id=callee))

    for day in range(DAYS):
        for line in range(1, LINES + 1):
            place(line, day, [9 + 8 * n / 40 for n in range(40)] if line == 1 else [9.0 + n for n in range(QUIET)])
        place(2, day, [21 + n / 4 for n in range(QUIET)])
        place(3, day, [15 + n / 4 for n in range(QUIET)], ["complained-1", "complained-2", "complained-3"])
    return {
        "lines": [disk.line(n, team="T") for n in range(1, LINES + 1)],
        "calls": calls,
        "complaints": [disk.complaint(n, 1, line_id="L9", callee_id=f"complained-{n}") for n in (1, 2, 3)],
        "bans": [disk.ban(1, 1, line_id="L99")],
    }


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    folder.mkdir()
    return catalogue_bundle(
        folder,
        [feature for name in WEIGHTS for feature in CATALOGUE if feature.name == name],
        horizons=[1, 3, 7],
        boosters=[],
        offsets=[0.0, 0.0, 0.0],
        linear={
            "share": 1.0,
            "intercept": 0.0,
            "reach": 10.0,
            "fill": [0.0] * 3,
            "mean": [float(np.log1p(USUAL[name])) for name in WEIGHTS],
            "scale": [1.0] * 3,
            "weight": list(WEIGHTS.values()),
        },
        calibration={str(h): {"x": [-1.0, 0.0, 2.0], "y": [0.001, 0.004, 0.08]} for h in (1, 3, 7)},
        usual={"": USUAL},
        levels=LEVELS,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    root = tmp_path_factory.mktemp("planned")
    disk.load(disk.write(root / "in", tables()), root / "home")
    return Home(root / "home")


def score(home: Home, bundle: Path, **actions: object) -> tuple[dict[str, dict], dict]:
    """The scores by line, and the summary."""
    told: list[str] = []
    path, summary = score_day(
        Lake(home.lake),
        disk.settings(home.root, actions=actions),
        home,
        FolderRegistry(bundle),
        as_of=AS_OF,
        progress=lambda step, share: told.append(step),
    )
    summary["told"] = told
    return {row["line_id"]: row for row in pq.ParquetFile(path).read().to_pylist()}, summary


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A playbook of two plans with one step each, for tests that score many times."""
    both = [("slow", "frequency", "daily_calls", ", ladder = [0.5]"), ("forget", "complaints", "leave_out", "")]
    words = "\n".join(f'{part}.{language} = "words"' for part in ("title", "text") for language in ("zh", "en"))
    actions = [
        f'[[action]]\nname = "{name}"\nfamilies = ["{family}"]\nfeatures = ["{family}:calls*"]\n'
        f'plan = {{kind = "{kind}"{ladder}}}\n{words}\n'
        for name, family, kind, ladder in both
    ]
    path = tmp_path_factory.mktemp("playbook") / "few.toml"
    path.write_text("\n".join(actions))
    return path


@pytest.fixture(scope="module")
def few_scored(scored: tuple[dict[str, dict], dict], home: Home, bundle: Path, few: Path) -> tuple[dict[str, dict], bool]:
    """Scores by those plans, and whether lake and kept days are what they were after an earlier scoring."""
    before = content(home.lake), content(home.derived)
    rows, _ = score(home, bundle, playbook=few)
    return rows, (content(home.lake), content(home.derived)) == before


@pytest.fixture(scope="module")
def scored(home: Home, bundle: Path) -> tuple[dict[str, dict], dict]:
    return score(home, bundle)


def content(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest() for path in files}


def risk(bundle: Path, calls: float, night: float = 0.0, complained: float = 0.0) -> float:
    frame = pd.DataFrame({name: [value] for name, value in zip(WEIGHTS, (calls, night, complained), strict=True)})
    return float(Forecast.read(bundle).risks(frame)[0, -1])


def plan(**given: object) -> dict:
    return dict.fromkeys(("daily_calls", "rest_days", "from", "to", "leave_out")) | given


def test_the_smallest_change_that_brings_a_line_under_its_level_is_said_in_numbers(scored, bundle):
    rows, _ = scored
    assert [rows[line]["level"] for line in ("L1", "L2", "L3", "L4")] == ["orange", "orange", "orange", "green"]
    assert risk(bundle, 7 * 30) > LEVELS["orange"] > risk(bundle, 7 * 20)
    first = {one["action"]: one for one in rows["L1"]["actions"]}
    assert first["pace_calls"]["plan"] == plan(daily_calls=20) and first["pace_calls"]["below"] is True
    assert first["pace_calls"]["risk_after"] == pytest.approx(risk(bundle, 7 * 20))
    second = {one["action"]: one for one in rows["L2"]["actions"]}
    assert second["keep_permitted_hours"]["plan"] == plan(**{"from": "08:00", "to": "20:00"})
    assert second["keep_permitted_hours"]["risk_after"] == pytest.approx(risk(bundle, 7 * QUIET))
    third = {one["action"]: one for one in rows["L3"]["actions"]}
    assert third["stop_calling_complainers"]["plan"] == plan(leave_out=3)
    assert third["stop_calling_complainers"]["risk_after"] == pytest.approx(risk(bundle, 7 * QUIET))
    assert rows["L4"]["actions"] == []


def test_actions_without_a_plan_keep_their_estimate_and_none_raises_the_risk(scored):
    rows, summary = scored
    every = [(row, one) for row in rows.values() for one in row["actions"]]
    assert all(one["risk_after"] <= row["risk_7d"] and len(row["actions"]) <= 3 for row, one in every)
    assert all((one["plan"] is None) == (one["below"] is None) for _, one in every)
    assert {one["action"] for _, one in every if one["plan"] is None} >= {"handle_complaints"}
    assert summary["actions"]["lines_below"] == summary["actions"]["lines_tried"] == 3


def test_no_line_rests_that_its_team_cannot_spare(scored, home, bundle):
    rows, summary = scored
    # Of the team's 106 calls a day 21 can rest: one of the two lines of 12 calls that come first, and not the one of 40.
    assert [any(one["action"] == "rest_line" for one in rows[line]["actions"]) for line in ("L1", "L2", "L3")].count(True) == 1
    assert "rest_line" not in {one["action"] for one in rows["L1"]["actions"]}
    assert (summary["actions"]["lines_resting"], summary["actions"]["rests_withheld"]) == (1, 2)
    (rest,) = [one for row in rows.values() for one in row["actions"] if one["action"] == "rest_line"]
    assert rest["plan"] in (plan(rest_days=2), plan(rest_days=7)) and rest["risk_after"] < 0.2
    rows, summary = score(home, bundle, spare_share=1.0, replay=False)
    assert "rest_line" in {one["action"] for one in rows["L1"]["actions"]}
    assert summary["actions"]["rests_withheld"] == 0


def test_it_says_which_plan_is_tried(scored):
    told = [step for step in scored[1]["told"] if step.startswith("plans ")]
    assert told[0] == f"plans 1 of {len(told)}" and told[-1] == f"plans {len(told)} of {len(told)}"


def test_plans_are_tried_for_so_many_lines_alone_and_none_where_they_are_turned_off(home, bundle, few):
    rows, summary = score(home, bundle, most_lines=1, playbook=few)
    first = min(rows.values(), key=lambda row: row["rank"])["line_id"]
    assert {line for line, row in rows.items() if any(one["plan"] for one in row["actions"])} == {first}
    assert summary["actions"]["lines_tried"] == 1
    rows, summary = score(home, bundle, replay=False)
    assert not any(one["plan"] for row in rows.values() for one in row["actions"]) and summary["actions"]["plans"] == 0
    estimate = {one["action"]: one for one in rows["L2"]["actions"]}["keep_permitted_hours"]
    assert estimate["risk_after"] == pytest.approx(risk(bundle, 7 * 2 * QUIET))


def test_plans_change_nothing_of_the_lake_and_the_days_kept(few_scored, home):
    rows, unchanged = few_scored
    assert any(one["plan"] for one in rows["L1"]["actions"])
    assert unchanged and not list(home.scratch.iterdir())


def test_what_becomes_known_later_changes_no_plan_and_another_home_tries_the_same(few_scored, bundle, few, tmp_path):
    rows = tables()
    late = {"recorded_at": disk.at(DAYS, 1)}
    rows["calls"] = [call | {"recorded_at": None} for call in rows["calls"]]
    rows["calls"] += [disk.call(9000 + n, DAYS - 1 - n % 3, 3, line_id=f"L{1 + n % LINES}", **late) for n in range(60)]
    rows["complaints"] = [one | {"received_at": None} for one in rows["complaints"]]
    rows["complaints"] += [
        disk.complaint(9000 + n, 1, line_id="L4", callee_id=call["callee_id"], received_at=disk.at(DAYS, 2))
        for n, call in enumerate(rows["calls"][:400])
    ]
    other = Home(tmp_path / "other")
    disk.load(disk.write(tmp_path / "in", rows), other.root, known_at=disk.at(DAYS + 1))
    found, _ = score(other, bundle, playbook=few)
    kept = ("risk_7d", "rank", "level", "actions")
    assert {line: [row[name] for name in kept] for line, row in found.items()} == {
        line: [row[name] for name in kept] for line, row in few_scored[0].items()
    }


def test_a_lake_that_knows_no_hours_no_teams_and_nobody_who_complained_has_plans_too(bundle, few, tmp_path):
    rows = tables()
    rows["lines"] = [disk.line(n) for n in range(1, LINES + 1)]
    rows["complaints"] = []
    bare = Home(tmp_path / "bare")
    disk.load(disk.write(tmp_path / "in", rows), bare.root)
    found, _ = score(bare, bundle, playbook=few)
    assert {one["action"]: one["plan"] for one in found["L1"]["actions"]} == {"slow": plan(daily_calls=20)}
    assert {one["action"] for row in found.values() for one in row["actions"]} == {"slow"}
