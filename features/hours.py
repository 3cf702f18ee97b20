"""非工作时间: calls at night, at noon, on weekends and public holidays.

Rules name permitted hours and carriers publish their own; a call outside them is a violation by itself and draws complaints.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import Measure, Window, declare, ratio
from features.localtime import NIGHT_FROM, NIGHT_TO, NOON_FROM, NOON_TO
from features.measures import CALLS, change, rank, share

F = "hours"
OFF_HOURS = Measure("off_hours", "calls", lambda e: e.off_hours)
NIGHT = Measure("night_calls", "calls", lambda e: (e.local_second >= NIGHT_FROM) | (e.local_second < NIGHT_TO))
NOON = Measure("noon_calls", "calls", lambda e: (e.local_second >= NOON_FROM) & (e.local_second < NOON_TO))
WEEKEND = Measure("weekend_calls", "calls")
HOLIDAY = Measure("holiday_calls", "calls")


def _beyond_carrier(w: Window) -> ir.NumericValue:
    # A difference: where nobody calls outside the hours there is no rate to divide by.
    usual = ratio(w.group_total(w.total(OFF_HOURS), "carrier"), w.group_total(w.total(CALLS), "carrier"))
    return ratio(w.total(OFF_HOURS), w.total(CALLS)) - usual


FEATURES = [
    *declare(
        F,
        "off_hours_calls",
        "calls outside permitted hours",
        "calls",
        lambda w: w.total(OFF_HOURS),
        windows=(1, 7, 28),
        direction=1,
    ),
    *declare(
        F,
        "off_hours_share",
        "share of calls outside permitted hours",
        "share",
        share(OFF_HOURS, CALLS),
        windows=(1, 7, 28),
        direction=1,
    ),
    *declare(
        F,
        "off_hours_change",
        "share of calls outside permitted hours, against the last 28 days",
        "share",
        change(OFF_HOURS, CALLS),
        windows=(7,),
    ),
    *declare(
        F,
        "off_hours_vs_carrier",
        "share of calls outside permitted hours, less that of the carrier's lines",
        "share",
        _beyond_carrier,
        windows=(7,),
    ),
    *declare(
        F,
        "off_hours_rank",
        "place among the carrier's lines by share of calls outside permitted hours",
        "share",
        rank(OFF_HOURS, CALLS),
        windows=(28,),
    ),
    *declare(F, "night_calls", "calls between 21:00 and 08:00", "calls", lambda w: w.total(NIGHT), windows=(1, 7), direction=1),
    *declare(
        F, "night_share", "share of calls between 21:00 and 08:00", "share", share(NIGHT, CALLS), windows=(7, 28), direction=1
    ),
    *declare(F, "noon_share", "share of calls between 12:00 and 14:00", "share", share(NOON, CALLS), windows=(7,)),
    *declare(F, "weekend_share", "share of calls on weekends", "share", share(WEEKEND, CALLS), windows=(7,)),
    *declare(F, "holiday_share", "share of calls on public holidays", "share", share(HOLIDAY, CALLS), windows=(7,)),
]
