"""号码池: neighbours were banned.

Carriers ban by the block: once some numbers of a pool, a segment or a team are banned, the rest are looked at. A line's own bans
are left out of its neighbours' counts. A quarter's rate shows what a pool is worth, a day's that a sweep is under way.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.context import QUARTER
from features.feature import LONGEST, WINDOWS, Formula, Window, against, declare, growth, ratio, recent_first, shrunk
from features.measures import ANSWERED, CALLS, COMPLAINTS, SHORT

F = "number_pool"
NAMES = {"number_pool": "pool", "number_segment": "segment", "team": "team", "home_region": "region", "carrier": "carrier"}
WEIGHT = 20.0
"""Lines' worth of the carrier's rate that a group's rate is drawn to: a pool of 3 lines says little by itself."""
STEADY_ANSWERED = 200.0
"""Answered calls' worth of the carrier's rate that a pool's is drawn to."""


def _source(group: str) -> tuple[str, ...]:
    return ("bans",) if group in ("number_pool", "carrier") else ("bans", f"lines.{group}")


def _bans(w: Window, group: str) -> ir.NumericValue:
    """Bans of the other lines of the group."""
    return w.at(f"{group}_bans_{w.days}") - w.at(f"own_bans_{w.days}")


def _lines(w: Window, group: str) -> ir.NumericValue:
    """How many other lines of the group the company had in the window, in whole windows' worth of days."""
    return (w.at(f"{group}_line_days_{w.days}") - w.at(f"line_days_{w.days}")).cast("float64") / w.days


def _usual(w: Window) -> ir.NumericValue:
    return ratio(w.at(f"carrier_bans_{w.days}"), w.at(f"carrier_line_days_{w.days}")) * w.days


def _ban_rate(group: str) -> Formula:
    return lambda w: shrunk(_bans(w, group), _lines(w, group), _usual(w), WEIGHT)


def _against_carrier(group: str) -> Formula:
    return lambda w: ratio(_ban_rate(group)(w), _usual(w))


def _trend(group: str) -> Formula:
    def trend(w: Window) -> ir.NumericValue:
        return growth(_bans(w, group), w.days, _bans(w.over(LONGEST), group), LONGEST, weight=0.05)

    return trend


def _banned_share(group: str) -> Formula:
    # The line itself is not under a ban, or it would not be looked at.
    return lambda w: ratio(w.at(f"{group}_banned"), w.at(f"{group}_lines") - 1)


def _complaints(group: str) -> Formula:
    return lambda w: ratio(w.group_total(w.total(COMPLAINTS), group) * 1000, w.group_total(w.total(CALLS), group))


def _complaints_growth(w: Window) -> ir.NumericValue:
    recent, past = (w.group_total(part.total(COMPLAINTS), "number_pool") for part in (w, w.over(LONGEST)))
    return growth(recent, w.days, past, LONGEST, weight=0.5)


def _short_against_carrier(w: Window) -> ir.NumericValue:
    short, answered = w.total(SHORT), w.total(ANSWERED)
    pool, carrier = ((w.group_total(short, by), w.group_total(answered, by)) for by in ("number_pool", "carrier"))
    return against(pool[0], pool[1], carrier[0], carrier[1], STEADY_ANSWERED)


def _since_ban(group: str) -> Formula:
    return lambda w: w.at(f"{group}_since_ban")


FEATURES = [
    *declare(
        F,
        "pool_bans",
        "bans of other lines of the pool",
        "bans",
        lambda w: _bans(w, "number_pool"),
        windows=(1, 3, 7, 28),
        direction=1,
        sources=("bans",),
    ),
    *declare(
        F,
        "pool_bans_recent",
        "bans of other lines of the pool in 28 days, newer ones weighing more",
        "bans",
        lambda w: recent_first({days: _bans(w.over(days), "number_pool") for days in WINDOWS}),
        direction=1,
        sources=("bans",),
    ),
    *[
        feature
        for group, windows in (
            ("number_pool", (3, 7, 14, 28, QUARTER)),
            ("number_segment", (3, 7, 28, QUARTER)),
            ("team", (3, 7, 28, QUARTER)),
            ("home_region", (28, QUARTER)),
            ("carrier", (3, 7, 28, QUARTER)),
        )
        for feature in declare(
            F,
            f"{NAMES[group]}_ban_rate",
            f"bans per line among other lines of the {NAMES[group]}",
            "bans per line",
            _ban_rate(group),
            windows=windows,
            direction=1,
            sources=_source(group),
        )
    ],
    *[
        feature
        for group in ("number_pool", "number_segment", "team")
        for feature in declare(
            F,
            f"{NAMES[group]}_bans_vs_carrier",
            f"ban rate of the {NAMES[group]} against its carrier's",
            "times",
            _against_carrier(group),
            windows=(7, 28) if group == "number_pool" else (28,),
            sources=_source(group),
        )
    ],
    *declare(
        F,
        "pool_ban_growth",
        "bans a day of other lines of the pool against the days before, within 28 days",
        "times",
        _trend("number_pool"),
        windows=(3, 7),
        sources=("bans",),
    ),
    *[
        feature
        for group in ("number_pool", "number_segment", "team", "carrier")
        for feature in declare(
            F,
            f"{NAMES[group]}_banned_share",
            f"share of the other lines of the {NAMES[group]} that are under a ban",
            "share",
            _banned_share(group),
            direction=1,
            sources=_source(group),
        )
    ],
    *[
        feature
        for group in ("number_pool", "number_segment", "team", "carrier")
        for feature in declare(
            F,
            f"days_since_{NAMES[group]}_ban",
            f"days since the newest ban of another line of the {NAMES[group]}",
            "days",
            _since_ban(group),
            direction=-1,
            sources=_source(group),
        )
    ],
    *declare(F, "pool_lines", "lines in the pool", "lines", lambda w: w.at("number_pool_lines"), sources=("lines",)),
    *declare(
        F,
        "pool_age",
        "days since the pool's oldest line was activated",
        "days",
        lambda w: w.at("number_pool_age"),
        sources=("lines",),
    ),
    *declare(
        F,
        "pool_mean_age",
        "mean age of the pool's lines",
        "days",
        lambda w: w.group_mean(w.at("age_days"), "number_pool"),
        sources=("lines",),
    ),
    *[
        feature
        for group, windows in (("number_pool", (7, 28)), ("number_segment", (28,)), ("team", (28,)))
        for feature in declare(
            F,
            f"{NAMES[group]}_complaints_per_1k_calls",
            f"complaints per 1,000 calls of the whole {NAMES[group]}",
            "per 1,000 calls",
            _complaints(group),
            windows=windows,
            direction=1,
            sources=("complaints", "calls") if group == "number_pool" else ("complaints", "calls", f"lines.{group}"),
        )
    ],
    *declare(
        F,
        "pool_complaints_growth",
        "complaints a day of the whole pool against the days before, within 28 days",
        "times",
        _complaints_growth,
        windows=(7,),
        sources=("complaints",),
    ),
    *declare(
        F,
        "pool_calls_vs_carrier",
        "calls per line of the pool against the carrier's",
        "times",
        lambda w: ratio(w.group_mean(w.total(CALLS), "number_pool"), w.group_mean(w.total(CALLS), "carrier")),
        windows=(7,),
    ),
    *declare(
        F,
        "pool_short_vs_carrier",
        "share hung up within 5 s of the whole pool against the carrier's, few calls drawn to 1",
        "times",
        _short_against_carrier,
        windows=(7,),
    ),
]
