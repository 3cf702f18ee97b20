"""政策调整: the carrier has become stricter.

Carriers publish limits and change them; and they tighten without a word, which shows first in their ban rate against
their own past.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Window, declare, ratio
from features.measures import BUSIEST_HOUR, CALLS

F = "policy"
LIMITS = ("policies",)
QUIET = 0.0005
"""Bans a line-day added to both rates, so that one ban of a quiet carrier is not a crackdown."""


def _trend(w: Window) -> ir.NumericValue:
    """Bans a line-day of the carrier in the window over those of its last 28 days; 1 where there were none."""
    lines = w.at("carrier_lines").cast("float64")
    recent, past = (ratio(w.at(f"carrier_bans_{days}"), lines) / days for days in (w.days, LONGEST))
    return (recent + QUIET) / (past + QUIET)


def _daily(w: Window) -> ir.NumericValue:
    return ratio(w.peak(CALLS), w.at("daily_call_limit"))


def _hourly(w: Window) -> ir.NumericValue:
    return ratio(w.peak(BUSIEST_HOUR), w.at("hourly_call_limit"))


FEATURES = [
    *declare(
        F,
        "carrier_ban_trend",
        "the carrier's ban rate against its last 28 days",
        "times",
        _trend,
        windows=(3, 7),
        sources=("bans",),
    ),
    *declare(
        F,
        "calls_peak_day_over_limit",
        "busiest day over the carrier's daily limit",
        "times",
        _daily,
        windows=(1, 3, 7),
        direction=1,
        sources=("policies.daily_call_limit",),
    ),
    *declare(
        F,
        "calls_busiest_hour_over_limit",
        "busiest hour over the carrier's hourly limit",
        "times",
        _hourly,
        windows=(1, 3, 7),
        direction=1,
        sources=("policies.hourly_call_limit",),
    ),
    *declare(
        F,
        "days_since_policy_change",
        "days since the carrier's newest rule took effect",
        "days",
        lambda w: w.at("policy_age"),
        sources=LIMITS,
    ),
]
