"""漫游: the line calls from many regions.

A number that leaves its home region, or is in two places within minutes, looks like a SIM box or a card passed from hand to hand.
"""

from __future__ import annotations

from features.feature import Measure, Presence, declare, ratio

F = "roaming"
PLACED = Measure("placed_calls", "calls", lambda e: e.region.notnull().nullif(False), optional=True)
AWAY = Measure("away_calls", "calls", lambda e: e.region != e.home_region, optional=True)
SWITCHES = Measure("region_switches", "calls", optional=True)
FAST_SWITCHES = Measure("fast_switches", "calls", optional=True)
REGIONS = Presence("regions", "calls", "region", few=True, optional=True)
DEVICES = Presence("devices", "calls", "device_id", few=True, optional=True)
REGION = ("calls.region",)

FEATURES = [
    *declare(
        F,
        "away_share",
        "share of calls from outside the home region",
        "share",
        lambda w: ratio(w.total(AWAY), w.total(PLACED)),
        windows=(1, 7, 28),
        sources=("calls.region", "lines.home_region"),
    ),
    *declare(F, "regions", "regions called from", "regions", lambda w: w.count(REGIONS), windows=(1, 7, 28), sources=REGION),
    *declare(
        F,
        "region_switches",
        "changes of region between calls of a day",
        "changes",
        lambda w: w.total(SWITCHES),
        windows=(1, 7),
        sources=REGION,
    ),
    *declare(
        F,
        "fast_switches",
        "changes of region within 30 minutes",
        "changes",
        lambda w: w.total(FAST_SWITCHES),
        windows=(7, 28),
        direction=1,
        sources=REGION,
    ),
    *declare(
        F,
        "devices",
        "devices the line was used in",
        "devices",
        lambda w: w.count(DEVICES),
        windows=(7, 28),
        sources=("calls.device_id",),
    ),
]
