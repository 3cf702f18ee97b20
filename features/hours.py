"""非工作时间: calls at night, at noon, on weekends and public holidays.

Rules name permitted hours and carriers publish their own; a call outside them is a violation by itself and draws complaints.
"""

from __future__ import annotations

from features.feature import Measure, declare, ratio
from features.measures import CALLS

F = "hours"
OFF_HOURS = Measure("off_hours", "calls", lambda e: e.off_hours)
NIGHT = Measure("night_calls", "calls", lambda e: (e.local_second >= 21 * 3600) | (e.local_second < 8 * 3600))
NOON = Measure("noon_calls", "calls", lambda e: (e.local_second >= 12 * 3600) & (e.local_second < 14 * 3600))
WEEKEND = Measure("weekend_calls", "calls")
HOLIDAY = Measure("holiday_calls", "calls")

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
        lambda w: ratio(w.total(OFF_HOURS), w.total(CALLS)),
        windows=(1, 7, 28),
        direction=1,
    ),
    *declare(
        F,
        "night_share",
        "share of calls between 21:00 and 08:00",
        "share",
        lambda w: ratio(w.total(NIGHT), w.total(CALLS)),
        windows=(7, 28),
        direction=1,
    ),
    *declare(
        F,
        "noon_share",
        "share of calls between 12:00 and 14:00",
        "share",
        lambda w: ratio(w.total(NOON), w.total(CALLS)),
        windows=(7, 28),
    ),
    *declare(
        F,
        "weekend_share",
        "share of calls on weekends",
        "share",
        lambda w: ratio(w.total(WEEKEND), w.total(CALLS)),
        windows=(7, 28),
    ),
    *declare(
        F,
        "holiday_share",
        "share of calls on public holidays",
        "share",
        lambda w: ratio(w.total(HOLIDAY), w.total(CALLS)),
        windows=(7, 28),
    ),
]
