"""号码池: neighbours were banned.

Carriers ban by the block: once some numbers of a pool, a segment or a team are banned, the rest are looked at. A line's own bans
are left out of its neighbours' counts.
"""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import Formula, Window, declare, ratio, shrunk
from features.measures import CALLS, COMPLAINTS

F = "number_pool"
NAMES = {"number_pool": "pool", "carrier": "carrier", "number_segment": "segment", "team": "team"}
WEIGHT = 20.0
"""Lines' worth of the carrier's rate that a group's rate is drawn to: a pool of 3 lines says little by itself."""


def _pool_bans(w: Window) -> ir.NumericValue:
    return w.at(f"number_pool_bans_{w.days}") - w.at(f"own_bans_{w.days}")


def _ban_rate(group: str) -> Formula:
    def rate(w: Window) -> ir.NumericValue:
        days = w.days
        prior = ratio(w.at(f"carrier_bans_{days}"), w.at("carrier_lines"))
        return shrunk(w.at(f"{group}_bans_{days}") - w.at(f"own_bans_{days}"), w.at(f"{group}_lines") - 1, prior, WEIGHT)

    return rate


def _pool_complaints(w: Window) -> ir.NumericValue:
    return ratio(w.group_total(w.total(COMPLAINTS), "number_pool") * 1000, w.group_total(w.total(CALLS), "number_pool"))


def _source(group: str) -> tuple[str, ...]:
    return ("bans",) if group in ("number_pool", "carrier") else ("bans", f"lines.{group}")


FEATURES = [
    *declare(
        F,
        "pool_bans",
        "bans of other lines of the pool",
        "bans",
        _pool_bans,
        windows=(1, 3, 7, 28),
        direction=1,
        sources=("bans",),
    ),
    *[
        feature
        for group, windows in (
            ("number_pool", (7, 14, 28)),
            ("number_segment", (7, 28)),
            ("team", (7, 28)),
            ("carrier", (3, 7, 28)),
        )
        for feature in declare(
            F,
            f"{NAMES[group]}_ban_rate",
            f"bans per line among other lines of the {NAMES[group]}",
            "share",
            _ban_rate(group),
            windows=windows,
            direction=1,
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
        "pool_complaints_per_1k_calls",
        "complaints per 1,000 calls of the whole pool",
        "per 1,000 calls",
        _pool_complaints,
        windows=(7, 28),
        direction=1,
        sources=("complaints", "calls"),
    ),
]
