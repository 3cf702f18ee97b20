"""A ranking of any number of lines, made at once and without a lake: what the page holds of a large company."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import day_number
from features.catalogue import CATALOGUE
from serving.grades import GRADES
from serving.report.data import DAYS, LEVELS, DayTotals, Ranking, assemble
from serving.report.extras import Extras
from serving.report.history import History
from serving.report.scores import PerLine
from tests.serving.report.worlds import AS_OF, CARRIERS, TEAMS, identities

HORIZONS = (1, 3, 7, 14)
WEEKS = 25


def ranking_of(count: int, playbook: list[str], seed: int = 1, extras: Extras | None = None) -> Ranking:
    """`count` lines with reasons, actions with plans, eight weeks of calls and 25 earlier weeks of scores."""
    rng = np.random.default_rng(seed)
    risk = np.sort(np.clip(rng.beta(0.3, 12, count) * 1.6, 0.0004, 0.93))[::-1]
    level = _levels(risk)
    carriers = rng.integers(0, len(CARRIERS), count)
    pools = np.array([f"{carrier.split()[0]} {pool:02d}" for carrier in CARRIERS for pool in range(40)], dtype=object)
    lines = pd.DataFrame(
        {
            "line_id": rng.permutation(np.array(identities(count), dtype=object)),
            "rank": np.arange(1, count + 1, dtype=np.int32),
            "level": np.array(LEVELS, dtype=object)[level],
            **{f"risk_{days}d": 1 - (1 - risk) ** (days / 7) for days in HORIZONS},
            "days_to_red": np.where(risk > 0.01, 2.5 / risk, np.nan),
            "model_version": "bancast/3",
            "data_fingerprint": "9f2c4e7a1b0d836e",
            "team": np.array([*TEAMS, None], dtype=object)[rng.integers(0, len(TEAMS) + 1, count)],
            "carrier": np.array(CARRIERS, dtype=object)[carriers],
            "number_pool": pools[carriers * 40 + rng.integers(0, 40, count)],
            "calls_7d": rng.poisson(400, count),
            "talk_7d": rng.poisson(16_000, count),
            "complaints_28d": rng.poisson(0.6, count),
            "bans": rng.poisson(0.1, count),
        }
    )
    calls = rng.poisson(np.clip(rng.gamma(4, 15, (count, 1)), 2, 400), (count, DAYS)).astype(np.uint16)
    if extras is None:
        letters = np.array([*"ABCD", None], dtype=object)
        grades = {name: letters[rng.integers(0, 5, count)] for name in GRADES}
        extras = Extras(grades=pd.DataFrame({"line_id": lines["line_id"], **grades}))
    return assemble(
        as_of=AS_OF,
        zone="Asia/Shanghai",
        horizons=HORIZONS,
        headline=7,
        lines=lines,
        details={"reasons": _reasons(rng, level), "actions": _actions(rng, level, risk, playbook)},
        shown=count,
        history=_history(rng, risk),
        calls=calls,
        complaints=_marks(rng, count, 0.6),
        bans=_marks(rng, count, 0.05),
        gone_banned=set(),
        summary={"trained_until": "2026-10-26", "spread": {"all": 0.04}},
        extras=extras,
    )


def _levels(risk: np.ndarray) -> np.ndarray:
    return np.select([risk >= 0.3, risk >= 0.15, risk >= 0.05], [0, 1, 2], 3).astype(np.int8)


def _reasons(rng: np.random.Generator, level: np.ndarray) -> PerLine:
    known = [feature for feature in CATALOGUE if feature.family != "history"]
    counts = np.where(level < 3, 3, rng.integers(0, 4, len(level)))
    total = int(counts.sum())
    which = rng.integers(0, len(known), total)
    values = pa.StructArray.from_arrays(
        [
            pa.array(np.array([feature.family for feature in known], dtype=object)[which], pa.string()),
            pa.array(np.array([feature.name for feature in known], dtype=object)[which], pa.string()),
            pa.array(np.round(rng.gamma(2, 20, total), 3)),
            pa.array(np.round(rng.gamma(2, 9, total), 3)),
            pa.array(rng.random(total)),
        ],
        ["family", "feature", "value", "usual", "contribution"],
    )
    return PerLine(counts, values)


def _actions(rng: np.random.Generator, level: np.ndarray, risk: np.ndarray, playbook: list[str]) -> PerLine:
    counts = np.where(level < 3, 3, 0)
    total = int(counts.sum())
    plan = pa.StructArray.from_arrays(
        [
            pa.array(rng.integers(4, 20, total) * 10),
            pa.array(rng.integers(1, 5, total), mask=rng.random(total) < 0.7),
            pa.array(["09:00"] * total, mask=rng.random(total) < 0.7),
            pa.array(["18:00"] * total, mask=rng.random(total) < 0.7),
            pa.array(rng.integers(1, 40, total), mask=rng.random(total) < 0.7),
        ],
        ["daily_calls", "rest_days", "from", "to", "leave_out"],
    )
    values = pa.StructArray.from_arrays(
        [
            pa.array(np.array(playbook, dtype=object)[rng.integers(0, len(playbook), total)], pa.string()),
            pa.array(np.repeat(risk, counts) * rng.uniform(0.3, 1, total)),
            plan,
            pa.array(rng.random(total) < 0.5),
        ],
        ["action", "risk_after", "plan", "below"],
    )
    return PerLine(counts, values)


def _history(rng: np.random.Generator, risk: np.ndarray) -> History:
    wander = np.cumsum(rng.normal(0, 0.25, (WEEKS, len(risk))), axis=0)[::-1]
    risks = np.clip(risk * np.exp(wander), 0.0004, 0.93).astype(np.float32)
    levels = _levels(risks)
    days = [AS_OF - timedelta(days=7 * (WEEKS - week)) for week in range(WEEKS)]
    running, since = np.ones(len(risk), dtype=bool), np.full(len(risk), day_number(AS_OF), dtype=np.int32)
    for day, then in zip(reversed(days), levels[::-1], strict=True):
        running &= then < 3
        since[running] = day_number(day)
    totals = [_totals(day, then, at) for day, then, at in zip(days, levels, risks, strict=True)]
    gone = {f"gone {place}": LEVELS[place % 3] for place in range(40)}
    return History(since, totals[-1], levels[-1], risks[-1], gone, totals, levels, risks)


def _totals(day: date, level: np.ndarray, risk: np.ndarray) -> DayTotals:
    counts = np.bincount(level, minlength=4)
    return DayTotals(day, len(level), {name: int(counts[place]) for place, name in enumerate(LEVELS)}, float(risk.sum()))


def _marks(rng: np.random.Generator, count: int, mean: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    number = rng.poisson(mean, count)
    place = np.repeat(np.arange(count), number)
    day = rng.integers(0, DAYS, len(place))
    order = np.lexsort((day, place))
    return place[order], day[order], np.ones(len(place), dtype=np.int64)
