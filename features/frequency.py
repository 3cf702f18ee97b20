"""高频呼出: many calls in little time are the first thing a carrier's risk control sees.

It counts calls a day, an hour and a minute against fixed limits, and looks for jumps against the line's own past: a number
that sleeps for weeks and then calls all day is taken for a rented one. A dialler's even pace gives it away, too.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Formula, Window, at_least, declare, growth, ratio
from features.measures import (
    ACTIVE_DAYS,
    ACTIVE_HOURS,
    ACTIVE_MINUTES,
    BURST_MINUTES,
    BUSIEST_HOUR,
    BUSIEST_MINUTE,
    CALL_DAY,
    CALLS,
    CALLS_SQUARED,
    rank,
    share,
)

F = "frequency"


def _growth(w: Window) -> ir.NumericValue:
    return growth(w.total(CALLS), w.days, w.over(LONGEST).total(CALLS), LONGEST, weight=1.0)


def _trend(w: Window) -> ir.NumericValue:
    week = w.over(7).total(CALLS).cast("float64") / 7
    return (w.total(CALLS).cast("float64") / w.days + 1.0) / (week + 1.0)


def _week_change(w: Window) -> ir.NumericValue:
    return growth(w.over(7).total(CALLS), 7, w.over(14).total(CALLS), 14, weight=1.0)


def _unsteadiness(w: Window) -> ir.NumericValue:
    mean = w.total(CALLS).cast("float64") / w.days
    spread = w.total(CALLS_SQUARED).cast("float64") / w.days - mean * mean
    return at_least(spread, 0.0).sqrt() / mean.nullif(0.0)


def _beside_mean(by: str) -> Formula:
    return lambda w: ratio(w.total(CALLS), w.group_mean(w.total(CALLS), by))


FEATURES = [
    *declare(F, "calls", "calls placed", "calls", lambda w: w.total(CALLS), windows=(1, 3, 7, 14, 28)),
    *declare(F, "calls_peak_day", "most calls on one day", "calls", lambda w: w.peak(CALLS), windows=(7, 28)),
    *declare(
        F, "calls_busiest_hour", "most calls in one clock hour", "calls", lambda w: w.peak(BUSIEST_HOUR), windows=(1, 3, 7, 28)
    ),
    *declare(F, "calls_busiest_minute", "most calls in one minute", "calls", lambda w: w.peak(BUSIEST_MINUTE), windows=(1, 7)),
    *declare(F, "burst_minutes", "minutes with three calls or more", "minutes", lambda w: w.total(BURST_MINUTES), windows=(1, 7)),
    *declare(F, "calls_growth", "calls a day against the days before, within 28 days", "times", _growth, windows=(1, 3, 7)),
    *declare(F, "calls_trend", "calls a day against the last 7 days", "times", _trend, windows=(1, 3)),
    *declare(F, "calls_week_change", "calls of the last 7 days against the 7 days before", "times", _week_change),
    *declare(
        F,
        "calls_unsteadiness",
        "spread of the calls a day over their mean",
        "times",
        _unsteadiness,
        windows=(7, 28),
    ),
    *declare(
        F,
        "busiest_hour_share",
        "share of a day's calls in its busiest clock hour",
        "share",
        share(BUSIEST_HOUR, CALLS),
        windows=(1, 7),
    ),
    *declare(
        F,
        "busiest_hour_vs_past",
        "busiest clock hour against the busiest of 28 days",
        "times",
        lambda w: ratio(w.peak(BUSIEST_HOUR), w.over(LONGEST).peak(BUSIEST_HOUR)),
        windows=(1, 7),
    ),
    *declare(F, "calls_per_active_hour", "calls per hour that had calls", "calls", share(CALLS, ACTIVE_HOURS), windows=(1, 7)),
    *declare(
        F, "calls_per_active_minute", "calls per minute that had calls", "calls", share(CALLS, ACTIVE_MINUTES), windows=(1, 7)
    ),
    *declare(F, "calls_per_active_day", "calls per day that had calls", "calls", share(CALLS, ACTIVE_DAYS), windows=(28,)),
    *declare(
        F,
        "active_hours_per_day",
        "hours with calls per day that had calls",
        "hours",
        share(ACTIVE_HOURS, ACTIVE_DAYS),
        windows=(1, 7),
    ),
    *declare(F, "active_days", "days with calls", "days", lambda w: w.total(ACTIVE_DAYS), windows=(7, 28)),
    *[
        feature
        for by, whose, windows, sources in (
            ("carrier", "carrier", (1, 7), ("calls",)),
            ("number_pool", "pool", (7,), ("calls",)),
            ("team", "team", (1, 7), ("calls", "lines.team")),
        )
        for feature in declare(
            F,
            f"calls_vs_{whose}",
            f"calls against the mean of the {whose}'s lines",
            "times",
            _beside_mean(by),
            windows=windows,
            sources=sources,
        )
    ],
    *declare(F, "calls_rank", "place among the carrier's lines by calls", "share", rank(CALLS), windows=(1, 7)),
    *declare(
        F,
        "busiest_hour_rank",
        "place among the carrier's lines by the busiest clock hour",
        "share",
        lambda w: w.group_rank(w.peak(BUSIEST_HOUR), "carrier"),
        windows=(7,),
    ),
    *declare(
        F, "days_since_call", "days since the last call, within 28 days", "days", lambda w: w.at("as_of_day") - w.peak(CALL_DAY)
    ),
]
