"""投诉与标记: subscribers complain or mark the number.

Complaints to a regulator or a carrier weigh most and often start the ban; marks in caller-id apps come earlier and in greater
number. A rate per call tells bad practice from mere volume; calling somebody who has complained makes the next one sure.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Formula, Measure, Window, declare, growth, ratio, shrunk
from features.measures import CALLS, COMPLAINT_DAY, COMPLAINTS

F = "complaints"


def _through(channel: str) -> Measure:
    return Measure(f"complaints_{channel}", "complaints", lambda e: e.channel == channel, optional=True)


def _total(measure: Measure) -> Formula:
    return lambda w: w.total(measure)


TO_COMPLAINERS = Measure("to_complainers", "calls", lambda e: e.to_complainer)


def _per_thousand(w: Window) -> ir.NumericValue:
    return ratio(w.total(COMPLAINTS) * 1000, w.total(CALLS))


def _steady_rate(w: Window) -> ir.NumericValue:
    prior = ratio(w.group_total(w.total(COMPLAINTS), "carrier"), w.group_total(w.total(CALLS), "carrier"))
    return shrunk(w.total(COMPLAINTS), w.total(CALLS), prior, weight=300.0) * 1000


FEATURES = [
    *declare(
        F,
        "complaints",
        "complaints received",
        "complaints",
        lambda w: w.total(COMPLAINTS),
        windows=(1, 3, 7, 14, 28),
        direction=1,
        sources=("complaints",),
    ),
    *[
        feature
        for channel, doc in (
            ("carrier", "complaints through the carrier"),
            ("regulator", "complaints through the regulator"),
            ("app_mark", "marks in caller-id apps"),
            ("internal", "complaints made to the company"),
        )
        for feature in declare(
            F,
            f"complaints_{channel}",
            doc,
            "complaints",
            _total(_through(channel)),
            windows=(7, 28),
            direction=1,
            sources=("complaints.channel",),
        )
    ],
    *declare(
        F,
        "complaints_per_1k_calls",
        "complaints per 1,000 calls",
        "per 1,000 calls",
        _per_thousand,
        windows=(7, 28),
        direction=1,
        sources=("complaints", "calls"),
    ),
    *declare(
        F,
        "complaint_rate",
        "complaints per 1,000 calls, few calls drawn to the carrier's rate",
        "per 1,000 calls",
        _steady_rate,
        windows=(7, 28),
        direction=1,
        sources=("complaints", "calls"),
    ),
    *declare(
        F,
        "complaints_growth",
        "complaints a day against the days before, within 28 days",
        "times",
        lambda w: growth(w.total(COMPLAINTS), w.days, w.over(LONGEST).total(COMPLAINTS), LONGEST, weight=0.1),
        windows=(3, 7),
        direction=1,
        sources=("complaints",),
    ),
    *declare(
        F,
        "days_since_complaint",
        "days since the last complaint, within 28 days",
        "days",
        lambda w: w.at("as_of_day") - w.peak(COMPLAINT_DAY),
        direction=-1,
        sources=("complaints",),
    ),
    *declare(
        F,
        "calls_to_complainers",
        "calls to somebody who had complained",
        "calls",
        lambda w: w.total(TO_COMPLAINERS),
        windows=(7, 28),
        direction=1,
        sources=("calls", "complaints.callee_id"),
    ),
]
