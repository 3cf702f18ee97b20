"""政策调整: the carrier has become stricter.

Carriers publish limits and change them; and they tighten without a word, which shows first in their ban rate against
their own past, or in calls that suddenly are answered less on all their lines.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Window, declare, growth, ratio
from features.measures import ANSWERED, BUSIEST_HOUR, CALLS, COMPLAINTS

F = "policy"
QUIET = 0.0005
"""Bans a line-day added to both rates, so that one ban of a quiet carrier is not a crackdown."""


def _trend(w: Window) -> ir.NumericValue:
    """Bans a line-day of the carrier in the window over those of its last 28 days; 1 where there were none."""
    recent, past = (ratio(w.at(f"carrier_bans_{days}"), w.at(f"carrier_line_days_{days}")) for days in (w.days, LONGEST))
    return (recent + QUIET) / (past + QUIET)


def _daily(w: Window) -> ir.NumericValue:
    return ratio(w.peak(CALLS), w.at("daily_call_limit"))


def _hourly(w: Window) -> ir.NumericValue:
    return ratio(w.peak(BUSIEST_HOUR), w.at("hourly_call_limit"))


def _carrier_answer(w: Window) -> ir.NumericValue:
    return ratio(w.group_total(w.total(ANSWERED), "carrier"), w.group_total(w.total(CALLS), "carrier"))


def _carrier_complaints(w: Window) -> ir.NumericValue:
    recent, past = (w.group_total(part.total(COMPLAINTS), "carrier") for part in (w, w.over(LONGEST)))
    return growth(recent, w.days, past, LONGEST, weight=1.0)


FEATURES = [
    *declare(
        F,
        "carrier_ban_trend",
        "the carrier's ban rate against its last 28 days",
        "times",
        _trend,
        windows=(1, 3, 7),
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
        sources=("policies",),
    ),
    *declare(
        F,
        "carrier_answer_change",
        "share answered of all the carrier's lines, against the last 28 days",
        "share",
        lambda w: _carrier_answer(w) - _carrier_answer(w.over(LONGEST)),
        windows=(3, 7),
    ),
    *declare(
        F,
        "carrier_complaints_growth",
        "complaints a day of all the carrier's lines against the days before, within 28 days",
        "times",
        _carrier_complaints,
        windows=(7,),
        sources=("complaints",),
    ),
]
