"""Which actions a scored line is advised, each with the risk after it: from plans that were tried, else from estimates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from features.feature import Feature
from serving.actions import Action
from serving.plans import Step, Tried, called_for, steps_for, try_plans
from serving.published import REASONS, Forecast

USUAL = next(feature for feature in CATALOGUE if feature.name == "calls_per_active_day_28d")
"""What a line's usual calls a day are: the mean of the days with calls among the last 28."""
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Advice:
    """actions: those of each line, best first, at most REASONS. summary: what was tried and held back, for summary.json."""

    actions: list[list[dict[str, Any]]]
    summary: dict[str, Any]


def advise(
    forecast: Forecast,
    playbook: Sequence[Action],
    told: Sequence[Mapping[str, Any]],
    lake: Lake,
    settings: Settings,
    home: Home,
    *,
    day: int,
    scores: pd.DataFrame,
    table: pd.DataFrame,
    levels: Mapping[str, Any],
    catalogue: Sequence[Feature],
    progress: Progress | None = None,
) -> Advice:
    """The advice for scored lines, by rank.

    told: the playbook as the forecast reads it (serving.actions.for_model). scores: of `Forecast.score`, by rank, with the
    estimates of all actions. table: the features of the same lines, with USUAL. levels: those that the scores went by.
    catalogue: the forecast's features.
    """
    started = perf_counter()
    risk = scores[f"risk_{forecast.meta['headline']}d"].to_numpy(dtype=float)
    flagged = (scores["level"] != "green").to_numpy()
    facts = table.set_index("line_id")[["carrier", "team", USUAL.name]].loc[scores["line_id"]].reset_index()
    lines = facts.rename(columns={USUAL.name: "usual"})
    under = bounds(levels, risk, scores["level"].to_numpy(), forecast.promised(lines))
    wanted: dict[str, np.ndarray] = {}
    tried: dict[Step, dict[str, Tried]] = {}
    if settings.actions.replay:
        first = flagged & (np.cumsum(flagged) <= settings.actions.most_lines)
        wanted = {name: asked & first for name, asked in called_for(told, scores["reasons"].tolist()).items()}
        tried = try_plans(
            forecast,
            lake,
            settings,
            home,
            day=day,
            lines=lines,
            steps=steps_for(playbook, wanted),
            catalogue=catalogue,
            progress=progress,
        )
    several = [
        _sorted(_of_line(line, place, estimates, playbook, wanted, tried, risk[place], under[place]), playbook)
        for place, (line, estimates) in enumerate(zip(scores["line_id"], scores["actions"], strict=True))
    ]
    rests = {action.name for action in playbook if action.plan is not None and action.plan.kind == "rest"}
    usual = np.nan_to_num(lines["usual"].to_numpy(dtype=float))
    chosen, withheld = spared(several, rests, usual, lines["team"], settings.actions.spare_share)
    summary = {
        "plans": sum(len(found) > 0 for found in tried.values()),
        "lines_tried": len({line for found in tried.values() for line in found}),
        "lines_below": sum(any(action["below"] for action in own) for own in chosen),
        "lines_resting": sum(any(action["action"] in rests for action in own) for own in chosen),
        "rests_withheld": withheld,
        "seconds": round(perf_counter() - started, 1),
    }
    return Advice(chosen, summary)


def bounds(levels: Mapping[str, Any], risk: np.ndarray, level: np.ndarray, promised: np.ndarray) -> np.ndarray:
    """The risk (n,) that each line must come under to leave its level; infinity for green.

    levels: settings of levels. By threshold: the level's. By capacity: the lowest risk of that level today. By promise: for red
    ones what their carrier's red begins at (n,).
    """
    found: np.ndarray = np.full(len(risk), np.inf)
    for colour in ("red", "orange", "yellow"):
        own = level == colour
        if own.any() and levels["mode"] == "capacity":
            found[own] = risk[own].min()
        else:
            found[own] = promised[own] if levels["mode"] == "promise" and colour == "red" else levels[colour]
    return found


def chosen_step(steps: Sequence[Tried], now: float, under: float) -> dict[str, Any] | None:
    """Of the steps tried, smallest change first, the first after which the risk lies under a bound, else that of the lowest risk.

    None where every one raises the risk. A stronger step may leave more risk than a weaker one: as many complaints over fewer
    calls is a higher rate. Then the weaker one is the better advice.
    """
    for step in steps:
        if step.risk < under:
            return {"risk_after": step.risk, "plan": step.plan, "below": True}
    lowest = min(steps, key=lambda step: step.risk)
    return {"risk_after": lowest.risk, "plan": lowest.plan, "below": False} if lowest.risk <= now else None


def spared(
    several: Sequence[list[dict[str, Any]]],
    rests: set[str],
    usual: np.ndarray,
    team: pd.Series,
    share: float,
    most: int = REASONS,
) -> tuple[list[list[dict[str, Any]]], int]:
    """The `most` best actions of each line, in which no team rests more than it can spare, and how many lines may not rest.

    several: actions of each line, best first; lines by rank. rests: names of actions that rest a line. usual: calls of a line a
    day (n,). A team (lines of no known team are one) can spare `share` of what all its lines call; those of the highest risk rest
    first, and a line that is too much for what is left of it gets its next best action instead.
    """
    codes, names = pd.factorize(team, use_na_sentinel=False)
    left = share * np.bincount(codes, weights=usual, minlength=len(names))
    found, withheld = [], 0
    for own, code, calls in zip(several, codes, usual, strict=True):
        best = own[:most]
        if any(action["action"] in rests for action in best):
            if calls <= left[code]:
                left[code] -= calls
            else:
                best = [action for action in own if action["action"] not in rests][:most]
                withheld += 1
        found.append(best)
    return found, withheld


def _of_line(
    line: str,
    place: int,
    estimates: Sequence[Mapping[str, Any]],
    playbook: Sequence[Action],
    wanted: Mapping[str, np.ndarray],
    tried: Mapping[Step, Mapping[str, Tried]],
    now: float,
    under: float,
) -> list[dict[str, Any]]:
    """A line's actions: what was tried of a plan goes before the estimate."""
    found = {one["action"]: {**one, "plan": None, "below": None} for one in estimates}
    for action in playbook:
        if action.plan is None or action.name not in wanted or not wanted[action.name][place]:
            continue
        own = (tried.get((action.plan.kind, step), {}).get(line) for step in action.plan.steps)
        steps = [step for step in own if step is not None]
        if steps:
            found.pop(action.name, None)
            best = chosen_step(steps, now, under)
            if best is not None:
                found[action.name] = {"action": action.name, **best}
    return list(found.values())


def _sorted(actions: list[dict[str, Any]], playbook: Sequence[Action]) -> list[dict[str, Any]]:
    """Those that bring the line under its level first, then by the risk after them; ties as in the playbook."""
    order = {action.name: place for place, action in enumerate(playbook)}
    return sorted(actions, key=lambda one: (not one["below"], one["risk_after"], order[one["action"]]))
