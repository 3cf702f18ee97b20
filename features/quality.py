"""通话质量: nobody wants the call.

Low answer rates, calls hung up within seconds and refusals tell the carrier that people do not want these calls, before anyone
complains. Falls against the line's own past often mean that the number has been marked; a gap to the peers, who call the same
kind of people in the same weeks, means that it is the line and not the season.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Measure, Window, declare, ratio, shrunk
from features.measures import ANSWERED, CALLS, SHORT, TALK, beside, change, rank, share

F = "quality"
LONG = Measure("long_calls", "calls", lambda e: e.answered & (e.duration_ms >= 60_000))
REFUSED = Measure("refused", "calls", lambda e: e.disposition.isin(["refused", "rejected", "declined"]), optional=True)
BUSY = Measure("busy", "calls", lambda e: e.disposition == "busy", optional=True)
RING = Measure("ring_ms", "calls", lambda e: e.ring_ms, optional=True)
RANG = Measure("rang", "calls", lambda e: e.ring_ms.notnull().nullif(False), optional=True)
SHORT_RING = Measure("short_ring", "calls", lambda e: ~e.answered & (e.ring_ms < 5000), optional=True)
DISPOSITION = ("calls.disposition",)
RINGS = ("calls.ring_s",)
STEADY_CALLS, STEADY_ANSWERED = 50.0, 20.0
"""Calls' and answered calls' worth of the peers' rate that a line's rate is drawn to."""
PEERS = (("carrier", "carrier", ("calls",)), ("number_pool", "pool", ("calls",)), ("team", "team", ("calls", "lines.team")))


def _steady_short(w: Window) -> ir.NumericValue:
    prior = ratio(w.group_total(w.total(SHORT), "carrier"), w.group_total(w.total(ANSWERED), "carrier"))
    return shrunk(w.total(SHORT), w.total(ANSWERED), prior, weight=STEADY_ANSWERED)


def _talk_change(w: Window) -> ir.NumericValue:
    longest = w.over(LONGEST)
    return ratio(ratio(w.total(TALK), w.total(ANSWERED)), ratio(longest.total(TALK), longest.total(ANSWERED)))


FEATURES = [
    *declare(F, "answer_rate", "share of calls answered", "share", share(ANSWERED, CALLS), windows=(1, 3, 7, 28)),
    *declare(F, "answer_change", "share answered, against the last 28 days", "share", change(ANSWERED, CALLS), windows=(1, 3, 7)),
    *[
        feature
        for by, whose, sources in PEERS
        for feature in declare(
            F,
            f"answer_vs_{whose}",
            f"share answered against all lines of the {whose}, few calls drawn to 1",
            "times",
            beside(ANSWERED, CALLS, by, STEADY_CALLS),
            windows=(7,),
            sources=sources,
        )
    ],
    *declare(F, "answer_rank", "place among the carrier's lines by share answered", "share", rank(ANSWERED, CALLS), windows=(7,)),
    *declare(
        F,
        "talk_per_answered",
        "talk time per answered call",
        "s",
        lambda w: ratio(w.total(TALK), w.total(ANSWERED)) / 1000.0,
        windows=(1, 7, 28),
    ),
    *declare(F, "talk_change", "talk time per answered call against the last 28 days", "times", _talk_change, windows=(7,)),
    *declare(
        F,
        "talk_vs_carrier",
        "talk time per answered call against the carrier's lines, few calls drawn to 1",
        "times",
        beside(TALK, ANSWERED, "carrier", STEADY_ANSWERED),
        windows=(7,),
    ),
    *declare(F, "talk_total", "talk time", "s", lambda w: w.total(TALK).cast("float64") / 1000.0, windows=(7,)),
    *declare(
        F,
        "short_calls",
        "answered calls hung up within 5 s",
        "calls",
        lambda w: w.total(SHORT),
        windows=(1, 7),
        direction=1,
    ),
    *declare(
        F,
        "short_share",
        "share of answered calls hung up within 5 s",
        "share",
        share(SHORT, ANSWERED),
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
        F, "short_change", "share hung up within 5 s, against the last 28 days", "share", change(SHORT, ANSWERED), windows=(1, 7)
    ),
    *[
        feature
        for by, whose, sources in PEERS
        for feature in declare(
            F,
            f"short_vs_{whose}",
            f"share hung up within 5 s against all lines of the {whose}, few calls drawn to 1",
            "times",
            beside(SHORT, ANSWERED, by, STEADY_ANSWERED),
            windows=(7,),
            sources=sources,
        )
    ],
    *declare(
        F,
        "short_rank",
        "place among the carrier's lines by share hung up within 5 s",
        "share",
        rank(SHORT, ANSWERED),
        windows=(7,),
    ),
    *declare(F, "long_share", "share of answered calls of a minute or more", "share", share(LONG, ANSWERED), windows=(7, 28)),
    *declare(
        F,
        "refused_share",
        "share of calls refused",
        "share",
        share(REFUSED, CALLS),
        windows=(1, 7, 28),
        direction=1,
        sources=DISPOSITION,
    ),
    *declare(
        F,
        "refused_change",
        "share of calls refused, against the last 28 days",
        "share",
        change(REFUSED, CALLS),
        windows=(7,),
        sources=DISPOSITION,
    ),
    *declare(
        F,
        "refused_vs_carrier",
        "share refused against the carrier's lines, few calls drawn to 1",
        "times",
        beside(REFUSED, CALLS, "carrier", STEADY_CALLS),
        windows=(7,),
        sources=DISPOSITION,
    ),
    *declare(
        F, "busy_share", "share of calls that met a busy line", "share", share(BUSY, CALLS), windows=(7,), sources=DISPOSITION
    ),
    *declare(
        F,
        "ring_time",
        "mean ring time",
        "s",
        lambda w: ratio(w.total(RING), w.total(RANG)) / 1000.0,
        windows=(7,),
        sources=RINGS,
    ),
    *declare(
        F,
        "short_ring_share",
        "share of calls that ended unanswered within 5 s of ringing",
        "share",
        share(SHORT_RING, RANG),
        windows=(7,),
        sources=RINGS,
    ),
]
