"""漫游: the line calls from many regions.

A number that leaves its home region, or is in two places within minutes, looks like a SIM box or a card passed from hand to hand.
"""

from __future__ import annotations

from features.feature import Measure, Presence, declare
from features.measures import change, share

F = "roaming"
PLACED = Measure("placed_calls", "calls", lambda e: e.region.notnull().nullif(False), optional=True)
HOMED = Measure("homed_calls", "calls", lambda e: (e.region.notnull() & e.home_region.notnull()).nullif(False), optional=True)
AWAY = Measure("away_calls", "calls", lambda e: e.region != e.home_region, optional=True)
SWITCHES = Measure("region_switches", "calls", optional=True)
FAST_SWITCHES = Measure("fast_switches", "calls", optional=True)
REGIONS = Presence("regions", "calls", "region", few=True, optional=True)
NEW_REGIONS = REGIONS.fresh_ones("new_regions")
DEVICES = Presence("devices", "calls", "device_id", few=True, optional=True)
NEW_DEVICES = DEVICES.fresh_ones("new_devices")
REGION = ("calls.region",)
HOME = ("calls.region", "lines.home_region")
DEVICE = ("calls.device_id",)

FEATURES = [
    *declare(
        F,
        "away_share",
        "share of calls from outside the home region",
        "share",
        share(AWAY, HOMED),
        windows=(1, 7, 28),
        sources=HOME,
    ),
    *declare(
        F,
        "away_change",
        "share of calls from outside the home region, against the last 28 days",
        "share",
        change(AWAY, HOMED),
        windows=(7,),
        sources=HOME,
    ),
    *declare(F, "regions", "regions called from", "regions", lambda w: w.count(REGIONS), windows=(1, 7, 28), sources=REGION),
    *declare(
        F,
        "new_regions",
        "regions called from for the first time in 28 days",
        "regions",
        lambda w: w.count(NEW_REGIONS),
        windows=(7,),
        sources=REGION,
    ),
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
        "region_switches_per_1k",
        "changes of region per 1,000 calls",
        "per 1,000 calls",
        lambda w: share(SWITCHES, PLACED)(w) * 1000,
        windows=(7,),
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
        F, "devices", "devices the line was used in", "devices", lambda w: w.count(DEVICES), windows=(7, 28), sources=DEVICE
    ),
    *declare(
        F,
        "new_devices",
        "devices used for the first time in 28 days",
        "devices",
        lambda w: w.count(NEW_DEVICES),
        windows=(7,),
        sources=DEVICE,
    ),
]
