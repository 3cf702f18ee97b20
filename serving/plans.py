"""What a change in how a line is run would do to its risk: had it been run like this over the last 7 days, says the model.

A plan leaves out calls that the line placed; the features of that day are then worked out by the code of any other build
(features.edited), and the model scores them. All lines that a step of a plan is tried for are edited in one build, so what their
peers do moves with them, as it would if the advice were taken everywhere. Complaints, bans and messages stay as they were: that
fewer calls bring fewer complaints is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.edited import EditedDays, edited_days
from features.events import Surroundings, line_versions, numbered, permitted_hours
from features.feature import Feature
from serving.actions import PLAN_DAYS, Action
from serving.known import Known
from serving.published import Forecast

Progress = Callable[[str, float], None]
Step = tuple[str, float]
"""The kind of a plan and the step of its ladder."""
_NO_PLAN = dict.fromkeys(("daily_calls", "rest_days", "from", "to", "leave_out"))


@dataclass(frozen=True)
class Plan:
    """How a line is run.

    daily: whether each line has its own most calls a day (`most` of `not_placed`). rest_days: last days without any call.
    hours: only within the carrier's permitted hours. leave_out: nobody who, as was known then, had complained.
    """

    daily: bool = False
    rest_days: int = 0
    hours: bool = False
    leave_out: bool = False

    @classmethod
    def of(cls, kind: str, step: float) -> Plan:
        """The plan of a step of a ladder (serving.actions.Ladder)."""
        return cls(daily=kind == "daily_calls", rest_days=int(step) if kind == "rest" else 0, hours=kind == "hours",
                   leave_out=kind == "leave_out")  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """One step tried for one line: the headline risk after it, and the plan in numbers as scores.parquet has it."""

    risk: float
    plan: dict[str, Any]


def not_placed(calls: ir.Table, plan: Plan, day: int) -> ir.Table:
    """The calls that a plan leaves out of the days before local midnight `day`.

    calls: line_id, day, call_id, started_at, off_hours, to_complainer and most (calls of the line a day). Where there are more
    than `most` in what else is left of a day, so many stay, evenly spaced in the order of the day.
    """
    out: ir.BooleanValue = calls.day >= day - plan.rest_days
    if plan.hours:
        out = out | calls.off_hours.fill_null(False)
    if plan.leave_out:
        out = out | calls.to_complainer.fill_null(False)
    rows = calls.mutate(out=out)
    if plan.daily:
        along = {"group_by": ["line_id", "day", "out"]}
        place = ibis.row_number().over(ibis.window(**along, order_by=["started_at", "call_id"])).cast("int64")
        count = rows.call_id.count().over(ibis.window(**along))
        rows = rows.mutate(place=place, count=count)
        kept = ((rows.place + 1) * rows.most) // rows["count"] > (rows.place * rows.most) // rows["count"]
        rows = rows.mutate(out=rows.out | ~kept).drop("place", "count")
    return rows.filter(rows.out).drop("out")


def most_calls(share: float, usual: np.ndarray) -> np.ndarray:
    """Calls a day (n,), at least 1, that a share of the usual ones is, rounded half up."""
    return np.maximum(1, np.floor(share * np.nan_to_num(usual) + 0.5)).astype("int64")


def called_for(actions: Iterable[Mapping[str, Any]], reasons: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, np.ndarray]:
    """Which lines' reasons call for each action (n,). actions: as serving.actions.for_model gives them."""
    given = [{reason[key] for reason in own for key in ("family", "feature")} for own in reasons]
    return {
        action["name"]: np.array([not own.isdisjoint([*action["families"], *action["reasons"]]) for own in given], dtype=bool)
        for action in actions
    }


def steps_for(playbook: Iterable[Action], wanted: Mapping[str, np.ndarray]) -> dict[Step, np.ndarray]:
    """The steps that some line's reasons call for, and for which lines (n,); in the order of the playbook."""
    found: dict[Step, np.ndarray] = {}
    for action in playbook:
        lines = wanted.get(action.name)
        if action.plan is not None and lines is not None and lines.any():
            for step in action.plan.steps:
                key = action.plan.kind, step
                found[key] = found[key] | lines if key in found else lines
    return found


def try_plans(
    forecast: Forecast,
    lake: Lake,
    settings: Settings,
    home: Home,
    *,
    day: int,
    lines: pd.DataFrame,
    steps: Mapping[Step, np.ndarray],
    catalogue: Sequence[Feature],
    progress: Progress | None = None,
) -> dict[Step, dict[str, Tried]]:
    """What each step would do to the lines that it is asked for and that it changes: step -> line -> Tried.

    lines: line_id, carrier and usual (calls a day), one row a line. steps: step -> lines (n,) that it is tried for. A step that
    leaves out none of a line's calls has not been tried for it. catalogue: the features of the forecast.
    """
    tell = progress or (lambda step, share: None)
    found: dict[Step, dict[str, Tried]] = {}
    if not steps:
        return found
    asked = np.logical_or.reduce(list(steps.values()))
    tell("plans", 0.0)
    with edited_days(lake, settings, day, PLAN_DAYS, catalogue, home.scratch) as days:
        if not days.edited:
            return found
        days.choose(lines["line_id"][asked].tolist())
        calls = _calls(days, settings)
        hours = _hours(days, settings)
        for number, (step, own) in enumerate(steps.items(), 1):
            tell(f"plans {number} of {len(steps)}", (number - 1) / len(steps))
            found[step] = _try(forecast, days, calls, hours, step, lines[own])
    return found


def _calls(days: EditedDays, settings: Settings) -> ir.Table:
    """The chosen lines' calls of the edited days, as they were known, each with what stood around it."""
    engine, lake, last = days.engine, days.lake, days.day - 1
    ids = days.lines.mutate(line=ibis.row_number().over(order_by=days.lines.line_id).cast("int32"))
    numbers = engine.store("plan_numbers", ids)
    rows = numbered(Known(engine, lake, days.day).rows("calls", days.first), numbers)
    rows = rows.select("line", "day", "call_id", "started_at", "local_second", "callee_id")
    lines = line_versions(engine, lake, numbers)
    placed = Surroundings(engine, lake, settings, lines, days.first, last).of_calls(rows)
    return engine.store("plan_calls", placed.join(numbers, "line").drop("line", "local_second", "home_region"))


def _hours(days: EditedDays, settings: Settings) -> dict[str, tuple[str, str]]:
    """The permitted hours of each carrier on the last day, as HH:MM."""
    frame = days.engine.frame(permitted_hours(days.engine, days.lake, settings, days.day - 1, days.day - 1))
    return {
        carrier: (_clock(opens), _clock(closes))
        for carrier, opens, closes in zip(frame["carrier"], frame["opens"], frame["closes"], strict=True)
    }


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}"


def _try(
    forecast: Forecast, days: EditedDays, calls: ir.Table, hours: Mapping[str, tuple[str, str]], step: Step, lines: pd.DataFrame
) -> dict[str, Tried]:
    kind, size = step
    engine = days.engine
    # Only a plan of daily calls reads how many they are.
    most = most_calls(size, lines["usual"].to_numpy(dtype=float))
    asked = engine.rows("plan_lines", pd.DataFrame({"line_id": lines["line_id"].astype(str).array, "most": most}))
    gone = engine.store("plan_gone", not_placed(calls.join(asked, "line_id"), Plan.of(kind, size), days.day))
    counts = engine.frame(gone.group_by("line_id").aggregate(callees=gone.callee_id.nunique())).set_index("line_id")["callees"]
    if counts.empty:
        return {}
    table = days.features(gone)
    table = table[table["line_id"].isin(counts.index)]
    risk = pd.Series(forecast.risks(table)[:, forecast.headline], table["line_id"].to_numpy())

    def plan(line: str, carrier: str, cap: int) -> dict[str, Any]:
        if kind == "daily_calls":
            return {**_NO_PLAN, "daily_calls": cap}
        if kind == "rest":
            return {**_NO_PLAN, "rest_days": int(size)}
        if kind == "hours":
            opens, closes = hours[carrier]
            return {**_NO_PLAN, "from": opens, "to": closes}
        return {**_NO_PLAN, "leave_out": int(counts[line])}

    return {
        line: Tried(float(risk[line]), plan(line, carrier, int(cap)))
        for line, carrier, cap in zip(lines["line_id"], lines["carrier"], most, strict=True)
        if line in counts.index
    }
