"""高频呼出: many calls in little time are the first thing a carrier's risk control sees.

It counts calls a day, an hour and a minute against fixed limits, and looks for jumps against the line's own past: a number
that sleeps for weeks and then calls all day is taken for a rented one.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Window, declare, growth, ratio
from features.measures import ACTIVE_DAYS, ACTIVE_HOURS, BURST_MINUTES, BUSIEST_HOUR, BUSIEST_MINUTE, CALL_DAY, CALLS

F = "frequency"


def _growth(w: Window) -> ir.NumericValue:
    return growth(w.total(CALLS), w.days, w.over(LONGEST).total(CALLS), LONGEST, weight=1.0)


FEATURES = [
    *declare(F, "calls", "calls placed", "calls", lambda w: w.total(CALLS), windows=(1, 3, 7, 14, 28)),
    *declare(F, "calls_peak_day", "most calls on one day", "calls", lambda w: w.peak(CALLS), windows=(3, 7, 28)),
    *declare(
        F, "calls_busiest_hour", "most calls in one clock hour", "calls", lambda w: w.peak(BUSIEST_HOUR), windows=(1, 3, 7, 28)
    ),
    *declare(
        F, "calls_busiest_minute", "most calls in one minute", "calls", lambda w: w.peak(BUSIEST_MINUTE), windows=(1, 7, 28)
    ),
    *declare(
        F, "burst_minutes", "minutes with three calls or more", "minutes", lambda w: w.total(BURST_MINUTES), windows=(1, 7, 28)
    ),
    *declare(F, "calls_growth", "calls a day against the days before, within 28 days", "times", _growth, windows=(1, 3, 7)),
    *declare(
        F,
        "calls_per_active_hour",
        "calls per hour that had calls",
        "calls",
        lambda w: ratio(w.total(CALLS), w.total(ACTIVE_HOURS)),
        windows=(1, 7, 28),
    ),
    *declare(
        F,
        "calls_per_active_day",
        "calls per day that had calls",
        "calls",
        lambda w: ratio(w.total(CALLS), w.total(ACTIVE_DAYS)),
        windows=(28,),
    ),
    *declare(F, "active_days", "days with calls", "days", lambda w: w.total(ACTIVE_DAYS), windows=(7, 28)),
    *declare(
        F,
        "calls_vs_carrier",
        "calls against the mean of the carrier's lines",
        "times",
        lambda w: ratio(w.total(CALLS), w.group_mean(w.total(CALLS), "carrier")),
        windows=(1, 7),
    ),
    *declare(
        F,
        "calls_vs_team",
        "calls against the mean of the team's lines",
        "times",
        lambda w: ratio(w.total(CALLS), w.group_mean(w.total(CALLS), "team")),
        windows=(7,),
        sources=("calls", "lines.team"),
    ),
    *declare(
        F, "days_since_call", "days since the last call, within 28 days", "days", lambda w: w.at("as_of_day") - w.peak(CALL_DAY)
    ),
]
