"""通话质量: nobody wants the call.

Low answer rates, calls hung up within seconds and refusals tell the carrier that people do not want these calls, before anyone
complains. Falls against the line's own past often mean that the number has been marked.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Measure, Window, declare, ratio, shrunk
from features.measures import ANSWERED, CALLS, TALK

F = "quality"
SHORT = Measure("short_calls", "calls", lambda e: e.answered & (e.duration_ms <= 5000))
LONG = Measure("long_calls", "calls", lambda e: e.answered & (e.duration_ms >= 60_000))
REFUSED = Measure("refused", "calls", lambda e: e.disposition.isin(["refused", "rejected", "declined"]), optional=True)
BUSY = Measure("busy", "calls", lambda e: e.disposition == "busy", optional=True)
RING = Measure("ring_ms", "calls", lambda e: e.ring_ms, optional=True)
RANG = Measure("rang", "calls", lambda e: e.ring_ms.notnull().nullif(False), optional=True)
DISPOSITION = ("calls.disposition",)


def _steady_short(w: Window) -> ir.NumericValue:
    prior = ratio(w.group_total(w.total(SHORT), "carrier"), w.group_total(w.total(ANSWERED), "carrier"))
    return shrunk(w.total(SHORT), w.total(ANSWERED), prior, weight=20.0)


def _answer_change(w: Window) -> ir.NumericValue:
    longest = w.over(LONGEST)
    return ratio(w.total(ANSWERED), w.total(CALLS)) - ratio(longest.total(ANSWERED), longest.total(CALLS))


FEATURES = [
    *declare(
        F,
        "answer_rate",
        "share of calls answered",
        "share",
        lambda w: ratio(w.total(ANSWERED), w.total(CALLS)),
        windows=(1, 3, 7, 28),
    ),
    *declare(F, "answer_change", "share answered, against the last 28 days", "share", _answer_change, windows=(1, 7)),
    *declare(
        F,
        "talk_per_answered",
        "talk time per answered call",
        "s",
        lambda w: ratio(w.total(TALK), w.total(ANSWERED)) / 1000.0,
        windows=(1, 7, 28),
    ),
    *declare(F, "talk_total", "talk time", "s", lambda w: w.total(TALK).cast("float64") / 1000.0, windows=(7,)),
    *declare(
        F,
        "short_share",
        "share of answered calls hung up within 5 s",
        "share",
        lambda w: ratio(w.total(SHORT), w.total(ANSWERED)),
        windows=(1, 3, 7, 28),
        direction=1,
    ),
    *declare(
        F,
        "short_rate",
        "share hung up within 5 s, few calls drawn to the carrier's share",
        "share",
        _steady_short,
        windows=(7, 28),
        direction=1,
    ),
    *declare(
        F,
        "long_share",
        "share of answered calls of a minute or more",
        "share",
        lambda w: ratio(w.total(LONG), w.total(ANSWERED)),
        windows=(7, 28),
    ),
    *declare(
        F,
        "refused_share",
        "share of calls refused",
        "share",
        lambda w: ratio(w.total(REFUSED), w.total(CALLS)),
        windows=(1, 7, 28),
        direction=1,
        sources=DISPOSITION,
    ),
    *declare(
        F,
        "busy_share",
        "share of calls that met a busy line",
        "share",
        lambda w: ratio(w.total(BUSY), w.total(CALLS)),
        windows=(7,),
        sources=DISPOSITION,
    ),
    *declare(
        F,
        "ring_time",
        "mean ring time",
        "s",
        lambda w: ratio(w.total(RING), w.total(RANG)) / 1000.0,
        windows=(7,),
        sources=("calls.ring_s",),
    ),
]
