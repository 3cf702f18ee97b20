"""Has a carrier become stricter? Its bans against those expected, day by day: a sequential test with a stated false-alarm rate.

The test is a one-sided CUSUM (Page 1954, Biometrika 41; for counts Lucas 1985, Technometrics 27) of the log likelihood ratio of
"`ratio` times as many bans as expected" to "as many as expected". docs/policy-watch.md says it in full, with what was measured.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import gamma

from data_schemas.clock import day_date, day_number
from data_schemas.settings import WatchSettings
from models.labels import Outcomes

Floats = NDArray[np.float64]
STANDING = 28
"""Days for which an alarm stands."""
_RISK = re.compile(r"risk_(\d+)d$")
_REVIEW = 28
"""Days after which dispersion and limit are worked out anew, and over which expected bans are averaged for it."""
_WEEK = 7
_USUAL_DISPERSION, _USUAL_DAYS, _USUAL_WEEKS = 2.0, 14, 8
"""Dispersion assumed before there is a history; how many days it weighs as much as, and how many weeks the days do."""
LASTING = 14
"""Days after which a change of policy is taken for one that stays."""
_ONE_DAY = 0.34
"""Share of the limit that one day can add at most: one sweep of a pool is no change of policy (Hawkins 1992)."""
_FEWEST = 3
"""Bans that an alarm takes at least, however few are expected."""
_MARGIN = 0.6
"""Share of the allowed false alarms that the simulation may use: the rest is for what it takes as known and is estimated."""
_PATHS, _YEAR, _SEED = 250, 365, 1954
_LIMITS = np.geomspace(0.4, 400, 64).astype("float32")
"""Limits of the statistic among which the simulation chooses."""


def told_by(scores: Iterable[tuple[int, pd.DataFrame]], known: Outcomes, settings: WatchSettings) -> pd.DataFrame:
    """What `watch` reads, of scores (see daily_expected) and all that is known: no day whose bans may still be reported."""
    return daily_expected(scores, known.bans, known.left, known.until - known.delay, settings.lead_days)


def daily_expected(
    scores: Iterable[tuple[int, pd.DataFrame]], bans: pd.DataFrame, left: pd.DataFrame, until: int, lead: int = 0
) -> pd.DataFrame:
    """Expected and observed bans by carrier and local day: the frame that `watch` reads.

    scores: (as_of day number, frame of line_id, carrier and risk_<h>d), ascending; read one at a time. bans: line_id, day (on
    which it began). left: line_id, left_day. until: first local day not to be told. lead: days that scores must be older than
    the day they tell.

    Gives carrier, day (day number), expected (float) and observed (int), one row each, sorted. A day is told by the latest
    scores at or before it (`lead` days before it), if they reach so far. Expected is the sum over lines of the risk that falls
    on that day, with a constant hazard between two horizons; observed counts the first ban of each of these lines since it was
    scored. A line given up on an earlier day without a ban counts on neither side, nor does one without a carrier.
    """
    parts: list[pd.DataFrame] = []
    last: tuple[int, pd.DataFrame] | None = None
    for start, frame in scores:
        if last is not None:
            parts += _told(*last, bans, left, lead, min(start + lead, until))
        last = start, frame
    if last is not None:
        parts += _told(*last, bans, left, lead, until)
    if not parts:
        return pd.DataFrame({"carrier": np.empty(0, "str"), "day": np.empty(0, "int64"), "expected": 0.0, "observed": 0})
    return pd.concat(parts).sort_values(["carrier", "day"], ignore_index=True)


def _told(
    start: int, scores: pd.DataFrame, bans: pd.DataFrame, left: pd.DataFrame, lead: int, end: int
) -> Iterator[pd.DataFrame]:
    """The days from `start` + `lead` up to `end` (exclusive) or the longest horizon, by the scores of `start`: a frame each."""
    scores = scores[scores["carrier"].notna()]
    horizons = sorted(int(match[1]) for name in scores if (match := _RISK.match(str(name))))
    code, carriers = pd.factorize(scores["carrier"])
    came = bans[bans["day"] >= start].groupby("line_id")["day"].min()
    struck = scores["line_id"].map(came).fillna(np.inf).to_numpy(float) - start
    gone = scores["line_id"].map(left.groupby("line_id")["left_day"].min()).fillna(np.inf).to_numpy(float) - start
    risk = np.column_stack([np.zeros(len(scores)), *(scores[f"risk_{horizon}d"].to_numpy(float) for horizon in horizons)])
    hazard = -np.log1p(-np.minimum(risk, 1 - 1e-12))
    knots = np.array([0, *horizons])
    for day in range(lead, min(end - start, int(knots[-1]))):
        at = int(np.searchsorted(knots, day, side="right")) - 1
        step = (hazard[:, at + 1] - hazard[:, at]) / (knots[at + 1] - knots[at])
        before = hazard[:, at] + step * (day - knots[at])
        kept = (gone >= day) | (struck <= gone)
        expected = np.bincount(code, (np.exp(-before) - np.exp(-before - step)) * kept, len(carriers))
        observed = np.bincount(code, (struck == day) & kept, len(carriers)).astype("int64")
        yield pd.DataFrame({"carrier": carriers, "day": start + day, "expected": expected, "observed": observed})


def watch(daily: pd.DataFrame, settings: WatchSettings, delay: int = 0, until: int | None = None) -> list[dict[str, Any]]:
    """Judge each carrier by its days that are surely known: those with day + 1 + delay <= until.

    daily: carrier, day (local day number), expected, observed, as `daily_expected` gives them; rows of one carrier and day add
    up, a missing day counts as nothing expected and nothing seen. delay: days until a ban is surely known. until: the local
    midnight of the judgement (a day number); when None, the first at which all of `daily` is known. Nothing said of a day
    depends on a later one.

    One dict of plain values a carrier, by name: carrier; first and last day counted; expected and observed bans in all;
    expected_a_day (mean of the latest 28, times the level); level (observed to expected of the reference period, shrunk
    towards 1); dispersion (variance to mean); statistic and limit as they stand; alarms (see `policy_alarms`); since_then (days
    since the last change, bans expected and observed in them, their ratio and its 90 % interval; None without an alarm);
    standing (whether the latest alarm is of the last 28 days); days_to_detect and days_to_detect_90: from a change to `ratio`
    times as many bans until the alarm, delay included, in half and in nine tenths of the simulated cases; None for over a year.
    """
    end = (int(daily["day"].max()) + 1 + delay if len(daily) else 0) if until is None else until
    known = daily[daily["day"] + 1 + delay <= end]
    return [
        _judge(str(carrier), rows, settings, delay, end) for carrier, rows in known.groupby("carrier", sort=True, observed=True)
    ]


def policy_alarms(daily: pd.DataFrame, settings: WatchSettings, delay: int = 0) -> list[dict[str, Any]]:
    """Every alarm that `watch` would have raised on the mornings of a history, by carrier and day.

    Each: carrier; day (as_of date of the first morning on which it could be raised, so `delay` + 1 days after the day that
    tipped it); since and to (the days between which the bans were too many: the most likely first day of the change, that of
    the alarm before where it began anew within a week of it, and the last day known); expected (times the level) and observed
    between them; ratio of the two with its 90 % interval, low and high. The statistic restarts after each.
    """
    return [{"carrier": entry["carrier"], **alarm} for entry in watch(daily, settings, delay) for alarm in entry["alarms"]]


def latest_change(watched: list[dict[str, Any]]) -> dict[str, int]:
    """Carrier -> day number since which it is stricter, by what `watch` gives; only changes that have lasted.

    A sweep that is over in a few days raises an alarm too, and is no reason to learn less from the past: two weeks must have gone
    by since the change, and the bans of all of them be surely more than expected.
    """
    found = {}
    for entry in watched:
        now = entry["since_then"]
        if now and now["days"] >= LASTING and now["low"] > 1:
            found[entry["carrier"]] = day_number(date.fromisoformat(entry["alarms"][-1]["since"]))
    return found


def _judge(carrier: str, rows: pd.DataFrame, settings: WatchSettings, delay: int, until: int) -> dict[str, Any]:
    first = int(rows["day"].min())
    place = rows["day"].to_numpy("int64") - first
    observed = np.bincount(place, rows["observed"].to_numpy(float)).astype(float)
    expected = np.bincount(place, rows["expected"].to_numpy(float)).astype(float)
    log_ratio = np.log(settings.ratio)
    statistic, since, began, ended, dispersion, limit = 0.0, 0, 0, -np.inf, _USUAL_DISPERSION, np.inf
    alarms: list[dict[str, Any]] = []
    design: tuple[float, float, float] = (0.0, 0.0, 0.0)
    for day in range(len(expected)):
        settled = slice(max(day + 1 - settings.settle_days - settings.reference_days, 0), max(day + 1 - settings.settle_days, 0))
        if day % _REVIEW == 0:
            dispersion = _dispersion(observed[settled], expected[settled])
        seen, due = observed[settled].sum() / dispersion, expected[settled].sum() / dispersion
        prior = settings.level_error**-2
        level = (prior + seen) / (prior + due)
        if day % _REVIEW == 0:
            mean = level * expected[max(day + 1 - _REVIEW, 0) : day + 1].mean()
            design = _rounded(mean, dispersion, (prior + due) ** -0.5)
            limit = _limit(*design, settings.ratio, _MARGIN * settings.false_alarms_per_year)
        if statistic == 0:
            since = day
        usual = level * expected[day]
        step = (observed[day] * log_ratio - usual * (settings.ratio - 1)) / dispersion
        statistic = max(0.0, statistic + min(step, _ONE_DAY * limit))
        if statistic >= limit:
            began, ended = (began if since - ended <= _WEEK else since), day
            span = slice(began, day + 1)
            alarms.append(_alarm(first, began, day, delay, observed[span].sum(), level * expected[span].sum(), dispersion))
            statistic = 0.0
    now = None
    if alarms:
        lately = slice(began, None)
        now = {
            "days": len(observed) - began,
            **_ratio(observed[lately].sum(), level * expected[lately].sum(), dispersion),
        }
    half, most = _days_to_detect(*design, settings.ratio, limit)
    last = first + len(expected) - 1
    return {
        "carrier": carrier,
        "first": day_date(first).isoformat(),
        "last": day_date(last).isoformat(),
        "expected": round(float(expected.sum()), 2),
        "observed": int(observed.sum()),
        "expected_a_day": round(float(level * expected[-_REVIEW:].mean()), 3),
        "level": round(float(level), 3),
        "dispersion": round(float(dispersion), 3),
        "statistic": round(float(statistic), 4),
        "limit": round(float(limit), 4),
        "alarms": alarms,
        "since_then": now,
        "standing": bool(alarms) and alarms[-1]["day"] > day_date(until - STANDING).isoformat(),
        "days_to_detect": None if half is None else half + delay,
        "days_to_detect_90": None if most is None else most + delay,
    }


def _alarm(first: int, since: int, day: int, delay: int, seen: float, due: float, dispersion: float) -> dict[str, Any]:
    """The alarm of place `day`; its interval is the one of a Poisson count, with both sides divided by the dispersion."""
    return {
        "day": day_date(first + day + 1 + delay).isoformat(),
        "since": day_date(first + since).isoformat(),
        "to": day_date(first + day).isoformat(),
        **_ratio(seen, due, dispersion),
    }


def _ratio(seen: float, due: float, dispersion: float) -> dict[str, Any]:
    """Expected, observed, their ratio and its 90 % interval."""
    count, scale = seen / dispersion, max(due, 1e-9) / dispersion
    return {
        "expected": round(float(due), 2),
        "observed": int(seen),
        "ratio": round(float(count / scale), 2),
        "low": round(float(gamma.ppf(0.05, count) / scale), 2),
        "high": round(float(gamma.ppf(0.95, count + 1) / scale), 2),
    }


def _dispersion(observed: Floats, expected: Floats) -> float:
    """Variance to mean of the bans: that of whole weeks, newest first, shrunk towards that of single days.

    Weeks too, since bans also cluster over neighbouring days; they are few, so days say what weeks cannot yet.
    """
    days = _spread(observed, expected, _USUAL_DISPERSION, _USUAL_DAYS)
    weeks = len(expected) // _WEEK
    seen, due = (values[len(values) - weeks * _WEEK :].reshape(weeks, _WEEK).sum(axis=1) for values in (observed, expected))
    return max(days, _spread(seen, due, days, _USUAL_WEEKS))


def _spread(observed: Floats, expected: Floats, usual: float, weight: int) -> float:
    """A robust mean of squared deviations over their Poisson variance, with `usual` weighing `weight` of them; at least 1.

    One past five deviations counts as five, so that one sweep of a pool does not blind the watch.
    """
    told = expected > 0
    seen, due = observed[told], expected[told]
    if seen.any():
        due = due * (seen.sum() / due.sum())
    squares = (seen - due) ** 2 / due
    found = usual
    for _ in range(8):
        found = (weight * usual + float(np.minimum(squares, 25 * found).sum())) / (weight + len(squares))
    return max(1.0, found)


def _rounded(mean: float, dispersion: float, error: float) -> tuple[float, float, float]:
    """Expected bans a day, dispersion and error of the level, each rounded up to a step so that simulations are shared."""

    def up(value: float, step: float, least: float) -> float:
        return float(step ** np.ceil(np.log(max(value, least)) / np.log(step)))

    return up(mean, 1.25, 1e-4), up(dispersion, 1.15, 1.1), up(error, 1.15, 0.01)


def _simulated(mean: float, dispersion: float, error: float, ratio: float, change: float, days: int) -> Floats:
    """Increments of the statistic on independent histories, [days, paths]: negative binomial bans, `change` times the usual.

    The level of each history is one of the middle 95 % of a gamma distribution of mean 1 and deviation `error`.
    """
    rng = np.random.default_rng(_SEED)
    levels = gamma.ppf(np.linspace(0.025, 0.975, _PATHS), error**-2, scale=error**2)
    size = mean * change * levels / (dispersion - 1)
    seen = rng.negative_binomial(size, 1 / dispersion, (days, _PATHS))
    return (seen * np.log(ratio) - mean * (ratio - 1)) / dispersion


@lru_cache(maxsize=4096)
def _limit(mean: float, dispersion: float, error: float, ratio: float, alarms: float) -> float:
    """The limit at which histories without a change raise `alarms` alarms a year, with a restart after each."""
    height = np.zeros((_PATHS, len(_LIMITS)), "float32")
    raised = np.zeros(len(_LIMITS))
    most = np.float32(_ONE_DAY) * _LIMITS
    for steps in _simulated(mean, dispersion, error, ratio, 1.0, _YEAR).astype("float32"):
        height += np.minimum(steps[:, None], most)
        np.maximum(height, 0, out=height)
        over = height >= _LIMITS
        raised += over.sum(axis=0)
        height[over] = 0
    rate = np.maximum.accumulate(raised[::-1])[::-1] / _PATHS
    enough = int(np.argmax(rate <= alarms)) if rate[-1] <= alarms else len(_LIMITS) - 1
    return max(float(_LIMITS[enough]), (_FEWEST - 0.5) * float(np.log(ratio)) / dispersion)


@lru_cache(maxsize=4096)
def _days_to_detect(mean: float, dispersion: float, error: float, ratio: float, limit: float) -> tuple[int | None, int | None]:
    """Days from a change to `ratio` times as many bans until the alarm, from a statistic of 0: the median and nine in ten."""
    height, taken = np.zeros(_PATHS), np.full(_PATHS, np.inf)
    for day, steps in enumerate(_simulated(mean, dispersion, error, ratio, ratio, _YEAR), start=1):
        height = np.maximum(height + np.minimum(steps, _ONE_DAY * limit), 0)
        taken[(height >= limit) & np.isinf(taken)] = day
    half, most = (float(value) for value in np.quantile(taken, [0.5, 0.9], method="higher"))
    return int(half) if np.isfinite(half) else None, int(most) if np.isfinite(most) else None
