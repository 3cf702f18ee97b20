"""Continuity: how many lines bans will take in the coming weeks, what calls that costs, and what to hold ready.

Spare lines are capacity that is planned: registered, compliant and warmed up by honest calls before they are needed, so that a
ban does not stop the business. They are no means to spread the same behaviour over more numbers; it would be banned there too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import Clock
from data_schemas.home import Home
from data_schemas.settings import CostSettings, Settings
from features.localtime import local_day
from models.counts import LEVEL, interval
from models.pages.texts import N_
from serving.known import Known
from serving.published import levels_by_cost
from serving.scored import forecasts, headline_of, horizons_of, read_summary

WEEKS = (1, 2, 4)
"""Weeks ahead that are told."""
USUAL_DAYS = 28
"""Days before as_of from which a line's usual calls are taken."""
BY = ("team", "carrier")
GOES_ON = N_("Beyond the last horizon of the forecast, the hazard of its last days is assumed to go on.")
ALONE = N_(
    "These scores do not say how bans cluster: the intervals take lines for independent and are too narrow; score the day anew."
    " Beyond the last horizon of the forecast, the hazard of its last days is assumed to go on."
)
UNLEARNED = N_(
    "The rule of thumb ranks lines and has learnt nothing from bans: it tells neither bans to expect nor spare lines to hold."
)


def continuity(home: Home, known: Known, settings: Settings, lines: pd.DataFrame, as_of: date) -> dict[str, Any]:
    """Bans to expect, by team, by carrier and in total, the capacity to plan for, and what acting on the list is worth.

    lines: one row a scored line: line_id, risk_{h}d, team, carrier, level, model_version. known: the lake at as_of. Plain values:

    weeks: of which each list below has one value; none where the scores are the rule's, which forecasts nothing.
    groups: "team" and "carrier" -> rows, most bans first; empty where no line has one. total: a row. A row: name (None: not
    said, and in total), lines, expected (lines banned), low and high (they hold in 4 of 5 cases), spare_lines (enough with 90 %
    probability), calls_day (what its lines usually place a day), lost_calls_day (a day, while the lines banned by then are out),
    ban_days (median length of the carrier's lifted bans; several carriers': their mean by risk; None: no ban was lifted yet) and
    lost_calls (in all, each line out for so long; None then).
    plan: see `plan`; None for the rule. note: what to know of these numbers.

    A line counts once however often it is banned, and only lines that can call at as_of count. The dispersion is that of the
    headline horizon at any number of weeks, as though a level, once off, stayed off: this errs to the wide side.
    """
    horizons = horizons_of(lines.columns)
    headline = headline_of(horizons, settings)
    risks = lines[[f"risk_{horizon}d" for horizon in horizons]].to_numpy(dtype="float64")
    summary = read_summary(home.scores_file(as_of))
    learnt = summary.get("kind") != "rule" and all(map(forecasts, lines.get("model_version", pd.Series(dtype=str)).head(1)))
    weeks = WEEKS if learnt else ()
    ahead = np.array([risk_within(risks, horizons, 7 * n) for n in weeks]).reshape(len(weeks), len(lines)).T
    spread: dict[str, float] = summary.get("spread") or {}
    calls = lines["line_id"].map(usual_calls(known)).fillna(0.0).to_numpy(dtype="float64")
    days = lines["carrier"].map(ban_lengths(known, settings)).to_numpy(dtype="float64")
    groups = {
        by: _rows(lines[by].to_numpy(object), ahead, calls, days, spread.get(by, 0.0)) if lines[by].notna().any() else []
        for by in BY
    }
    # Carriers fail neither alone nor all together; where the model has not measured it, the widest is taken.
    together = spread.get("all", max(spread.values(), default=0.0))
    total = _rows(np.full(len(lines), None, dtype=object), ahead, calls, days, together)
    return {
        "weeks": list(weeks),
        "groups": groups,
        "total": total[0] if total else _row(None, ahead, calls, days, 0.0),
        "plan": plan(lines[f"risk_{headline}d"].to_numpy(float), (lines["level"] != "green").to_numpy(), settings.costs, headline)
        if learnt
        else None,
        "note": UNLEARNED if not learnt else GOES_ON if spread else ALONE,
    }


def risk_within(risks: np.ndarray, horizons: Sequence[int], days: int) -> np.ndarray:
    """The risk (n,) within some days, from risks (n, H) at ascending horizons, as published.days_until takes them.

    Within an interval the hazard is constant, and after the last one it stays what it was there.
    """
    ends = np.array([0, *horizons], dtype=float)
    gathered = -np.log1p(-np.minimum(np.column_stack([np.zeros(len(risks)), risks]), 1 - 1e-12))
    place = min(int(np.searchsorted(ends, days)), len(horizons))
    rate = (gathered[:, place] - gathered[:, place - 1]) / (ends[place] - ends[place - 1])
    return -np.expm1(-(gathered[:, place - 1] + np.maximum(rate, 0.0) * (days - ends[place - 1])))


def plan(risk: np.ndarray, flagged: np.ndarray, costs: CostSettings, headline: int) -> dict[str, Any]:
    """What the day's list costs over the headline horizon: doing nothing, acting on the flagged lines, and at the least.

    risk: (n,) within `headline` days. flagged: (n,) whether a line is at yellow or worse. A line that is acted on costs
    `action` a week and keeps 1 - `effect` of its risk. threshold: the risk from which acting pays; with best_lines lines at or
    above it, the expected cost is the least of all thresholds. It is None, and best_lines 0, where acting never pays.
    Every cost, best_lines and threshold are None where costs are not set.
    """
    found: dict[str, Any] = {"days": headline, "currency": costs.currency, "flagged_lines": int(flagged.sum())}
    if costs.ban is None or costs.action is None:
        return found | dict.fromkeys(("cost_nothing", "cost_flagged", "cost_best", "best_lines", "threshold"))
    threshold = levels_by_cost(costs.model_dump(), headline)["red"]
    pays = risk >= threshold
    action = costs.action * headline / 7

    def cost(acted: np.ndarray) -> float:
        bans = costs.ban * float((risk * np.where(acted, 1 - costs.effect, 1.0)).sum())  # type: ignore[operator]
        return round(bans + action * float(acted.sum()), 2)

    return found | {
        "cost_nothing": cost(np.zeros(len(risk), dtype=bool)),
        "cost_flagged": cost(flagged),
        "cost_best": cost(pays),
        "best_lines": int(pays.sum()),
        "threshold": threshold if threshold <= 1 else None,
    }


def usual_calls(known: Known) -> pd.Series:
    """line_id -> calls a day over the last 28 days, from the line's first call in them on, so that young lines count in full."""
    calls = known.rows("calls", known.day - USUAL_DAYS)
    found = known.engine.frame(calls.group_by("line_id").aggregate(calls=calls.count(), first=calls.day.min()))
    return (found["calls"] / (known.day - found["first"])).set_axis(found["line_id"])


def ban_lengths(known: Known, settings: Settings) -> pd.Series:
    """Carrier -> median length, days, of its bans that were lifted before as_of; carriers without any are not there.

    Bans that still stand are not in it: where many are never lifted, lines stay out for longer than this says.
    """
    newest = known.lines().select("line_id", "carrier")
    bans = known.rows("bans").mutate(lifted=lambda t: local_day(t.lifted_at, Clock(settings.zone)))
    bans = bans.filter(bans.lifted < known.day).mutate(length=bans.lifted - bans.day)
    counts = bans.join(newest, "line_id").group_by("carrier", "length").aggregate(bans=lambda t: t.count())
    found = known.engine.frame(counts).sort_values("length")
    return pd.Series(
        {carrier: float(np.median(np.repeat(own["length"], own["bans"]))) for carrier, own in found.groupby("carrier")},
        dtype="float64",
    )


def _rows(names: np.ndarray, ahead: np.ndarray, calls: np.ndarray, days: np.ndarray, dispersion: float) -> list[dict[str, Any]]:
    """One row a group, most bans first; lines without a name are one group."""
    codes, found = pd.factorize(pd.Series(names, dtype=object), use_na_sentinel=False)
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes, minlength=len(found)))[:-1]) if len(found) else []
    rows = [_row(name, ahead[own], calls[own], days[own], dispersion) for name, own in zip(found, parts, strict=True)]
    return sorted(rows, key=lambda row: row["expected"][:1] or [row["lines"]], reverse=True)


def _row(name: Any, ahead: np.ndarray, calls: np.ndarray, days: np.ndarray, dispersion: float) -> dict[str, Any]:
    """A row of `continuity`; ahead: (n, weeks) risks, calls: (n,) a day, days: (n,) that a ban of the line usually lasts."""
    bounds = [interval(risk, np.zeros(len(risk)), LEVEL, dispersion) for risk in ahead.T]
    low, high = ([int(table[side].sum()) for table in bounds] for side in ("low", "high"))
    lost = ahead * calls[:, None]
    lifted = ~np.isnan(days)
    ban_days = float(np.average(days[lifted], weights=ahead[lifted, :1].sum(axis=1) + 1e-12)) if lifted.any() else None
    return {
        "name": None if pd.isna(name) else str(name),
        "lines": len(ahead),
        "expected": [round(float(value), 6) for value in ahead.sum(axis=0)],
        "low": low,
        "high": high,
        "calls_day": round(float(calls.sum()), 6),
        "lost_calls_day": [round(float(value), 6) for value in lost.sum(axis=0)],
        "ban_days": None if ban_days is None else round(ban_days, 1),
        "lost_calls": None if ban_days is None else [round(float(v)) for v in np.where(lifted, days, ban_days) @ lost],
        "spare_lines": high,  # its interval leaves a tenth above
    }
