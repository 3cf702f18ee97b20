"""投诉与标记: subscribers complain or mark the number.

Complaints to a regulator or a carrier weigh most and often start the ban; marks in caller-id apps come earlier and in greater
number. A rate per call tells bad practice from mere volume; calling somebody who has complained makes the next one sure.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, WINDOWS, Formula, Measure, Window, declare, growth, ratio, recent_first, shrunk
from features.measures import CALLS, COMPLAINT_DAY, COMPLAINTS, beside, rank
from features.tiles import SEVERE_CHANNELS

F = "complaints"
SEVERE = Measure("severe_complaints", "complaints", lambda e: e.channel.isin(SEVERE_CHANNELS), optional=True)
SEVERE_DAY = Measure("severe_day", "complaints", zero=False)
TO_COMPLAINERS = Measure("to_complainers", "calls", lambda e: e.to_complainer, optional=True)
CHANNEL = ("complaints.channel",)
STEADY_CALLS = 300.0
"""Calls' worth of the peers' rate that a line's rate is drawn to: complaints come at a few per 1,000 calls."""


def _through(channel: str) -> Measure:
    return Measure(f"complaints_{channel}", "complaints", lambda e: e.channel == channel, optional=True)


def _total(measure: Measure) -> Formula:
    return lambda w: w.total(measure)


def _per_thousand(part: Measure, whole: Measure) -> Formula:
    return lambda w: ratio(w.total(part) * 1000, w.total(whole))


def _steady_rate(w: Window) -> ir.NumericValue:
    prior = ratio(w.group_total(w.total(COMPLAINTS), "carrier"), w.group_total(w.total(CALLS), "carrier"))
    return shrunk(w.total(COMPLAINTS), w.total(CALLS), prior, weight=STEADY_CALLS) * 1000


def _growth(measure: Measure) -> Formula:
    return lambda w: growth(w.total(measure), w.days, w.over(LONGEST).total(measure), LONGEST, weight=0.1)


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
    *declare(
        F,
        "complaints_recent",
        "complaints of 28 days, newer ones weighing more",
        "complaints",
        lambda w: recent_first({days: w.over(days).total(COMPLAINTS) for days in WINDOWS}),
        direction=1,
        sources=("complaints",),
    ),
    *[
        feature
        for channel, doc, windows in (
            ("carrier", "complaints through the carrier", (7, 28)),
            ("regulator", "complaints through the regulator", (7, 28)),
            ("app_mark", "marks in caller-id apps", (3, 7, 28)),
            ("internal", "complaints made to the company", (28,)),
        )
        for feature in declare(
            F,
            f"complaints_{channel}",
            doc,
            "complaints",
            _total(_through(channel)),
            windows=windows,
            direction=1,
            sources=CHANNEL,
        )
    ],
    *declare(
        F,
        "severe_complaints",
        "complaints through the carrier or the regulator",
        "complaints",
        lambda w: w.total(SEVERE),
        windows=(3, 7, 28),
        direction=1,
        sources=CHANNEL,
    ),
    *declare(
        F,
        "complaints_per_1k_calls",
        "complaints per 1,000 calls",
        "per 1,000 calls",
        _per_thousand(COMPLAINTS, CALLS),
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
        windows=(3, 7, 28),
        direction=1,
        sources=("complaints", "calls"),
    ),
    *[
        feature
        for by, whose, windows, sources in (
            ("carrier", "carrier", (7, 28), ("complaints", "calls")),
            ("number_pool", "pool", (28,), ("complaints", "calls")),
            ("team", "team", (28,), ("complaints", "calls", "lines.team")),
        )
        for feature in declare(
            F,
            f"complaint_rate_vs_{whose}",
            f"complaints per call against all lines of the {whose}, few calls drawn to 1",
            "times",
            beside(COMPLAINTS, CALLS, by, STEADY_CALLS),
            windows=windows,
            sources=sources,
        )
    ],
    *declare(
        F,
        "complaint_rank",
        "place among the carrier's lines by complaints",
        "share",
        rank(COMPLAINTS),
        windows=(7, 28),
        sources=("complaints",),
    ),
    *declare(
        F,
        "complaints_growth",
        "complaints a day against the days before, within 28 days",
        "times",
        _growth(COMPLAINTS),
        windows=(3, 7),
        sources=("complaints",),
    ),
    *declare(
        F,
        "marks_growth",
        "marks in caller-id apps a day against the days before, within 28 days",
        "times",
        _growth(_through("app_mark")),
        windows=(7,),
        sources=CHANNEL,
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
        "days_since_severe_complaint",
        "days since the last complaint through the carrier or the regulator, within 28 days",
        "days",
        lambda w: w.at("as_of_day") - w.peak(SEVERE_DAY),
        direction=-1,
        sources=CHANNEL,
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
    *declare(
        F,
        "calls_to_complainers_per_1k",
        "calls to somebody who had complained, per 1,000 calls",
        "per 1,000 calls",
        _per_thousand(TO_COMPLAINERS, CALLS),
        windows=(28,),
        direction=1,
        sources=("calls", "complaints.callee_id"),
    ),
]
