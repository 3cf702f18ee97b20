"""Every feature agrees with a reference that reads rows and nothing else, at the boundaries of every window too."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from data_schemas.clock import day_number
from data_schemas.settings import Settings
from features.build import build_features
from features.catalogue import CATALOGUE
from tests.features.reference_features import REFERENCE, reference_table
from tests.features.worlds import MemoryLake, instant, merged, random_world, stamp

FIRST = 20_500
ZONES = [("Asia/Shanghai", "CN"), ("America/New_York", "US"), ("Australia/Lord_Howe", "AU")]
TICK = timedelta(microseconds=1)


def assert_agree(lake: MemoryLake, settings: Settings, days: list[int]) -> pd.DataFrame:
    built = build_features(lake, settings, days)
    expected = reference_table(lake.tables, settings, days, [(f.name, f.base, f.window) for f in CATALOGUE])
    assert len(built), "the world has no eligible line: it proves nothing"
    assert [day_number(moment.date()) for moment in built["as_of"]] == expected["day"].tolist()
    assert built["line_id"].tolist() == expected["line_id"].tolist()
    wrong = {}
    for feature in CATALOGUE:
        got, want = built[feature.name].to_numpy("float64"), expected[feature.name].to_numpy("float64")
        bad = ~np.isclose(got, want, rtol=1e-6, atol=1e-7, equal_nan=True)
        if bad.any():
            where = built["as_of"].dt.date[bad].astype(str) + " " + built["line_id"][bad]
            wrong[feature.name] = list(zip(where, got[bad], want[bad], strict=True))[:2]
    assert not wrong, wrong
    return built


def test_every_feature_has_a_reference_and_no_reference_is_left_over():
    assert set(REFERENCE) == {feature.base for feature in CATALOGUE}


@pytest.mark.parametrize(("zone", "country"), ZONES)
def test_features_agree_with_the_reference_on_random_worlds(zone: str, country: str):
    seeds = range(len(zone) * 10, len(zone) * 10 + 4)
    lake = merged(*[random_world(seed, zone, optional=seed % 4 != 3) for seed in seeds])
    for carrier in ("CM", "CU"):  # some rule to be measured by from the beginning
        rule = {
            "carrier": carrier,
            "effective_at": instant(zone, FIRST - 30, 5),
            "daily_call_limit": 9.0,
            "hourly_call_limit": 3.0,
        }
        lake.tables["policies"].append(stamp(rule, "policies", zone))
    days = [FIRST + int(day) for day in np.random.default_rng(len(zone)).choice(np.arange(12, 46), 4, replace=False)]
    built = assert_agree(lake, Settings(zone=zone, country=country, threads=2), days)
    values = built[[feature.name for feature in CATALOGUE]].notna().any()
    assert values.all(), f"never tried: {list(values[~values].index)}"


@pytest.mark.parametrize(("zone", "country"), ZONES[:2])
def test_a_window_begins_and_ends_at_the_microsecond(zone: str, country: str):
    t = FIRST + 60
    tables: dict[str, list[dict]] = {name: [] for name in ("lines", "calls", "complaints", "bans", "messages", "policies")}

    def add(table: str, row: dict, known=None) -> None:
        tables[table].append(stamp(row, table, zone, known))

    for line in ("a", "b"):
        start = {"line_id": line, "carrier": "CM", "number_pool": "P", "team": "T", "number_segment": "170", "home_region": "SC"}
        add("lines", start | {"activated_at": instant(zone, t - 200, 0), "registrant_verified": True})
    moments = [instant(zone, t, 0) - TICK, instant(zone, t, 0)]
    for w in (1, 3, 7, 14, 28, 90):
        moments += [instant(zone, t - w, 0) - TICK, instant(zone, t - w, 0)]
    for number, moment in enumerate(moments):
        line, callee = "ab"[number % 2], number % 5
        call = {"call_id": f"c{number}", "line_id": line, "started_at": moment, "callee_id": callee, "callee_block": 0}
        add("calls", call | {"duration_s": 5.0, "answered": True, "region": "SC" if number % 3 else "GD"})
        add("calls", call | {"call_id": f"d{number}", "line_id": "ba"[number % 2], "duration_s": 5.001, "answered": True})
        add(
            "complaints",
            {"complaint_id": f"k{number}", "line_id": "a", "occurred_at": moment, "callee_id": callee, "channel": "carrier"},
        )
        add("messages", {"message_id": f"m{number}", "line_id": "a", "sent_at": moment, "recipient_id": callee})
        ban = {"ban_id": f"b{number}", "line_id": "b", "banned_at": moment, "lifted_at": moment + TICK, "appeal_won": True}
        if moment < instant(zone, t - 1, 0):
            add("bans", ban)
    # Received one tick before as_of, and at it.
    late = {"line_id": "a", "occurred_at": instant(zone, t - 2, 3600), "channel": "regulator"}
    add("complaints", late | {"complaint_id": "in time"}, instant(zone, t, 0) - TICK)
    add("complaints", late | {"complaint_id": "too late"}, instant(zone, t, 0))

    built = assert_agree(MemoryLake(tables), Settings(zone=zone, country=country, threads=2), [t])
    row = built.set_index("line_id").loc["a"]
    for place, w in enumerate((1, 3, 7, 14, 28)):
        # The tick before as_of, the start of this window and of each shorter one, the tick before each shorter one.
        inside = 1 + (place + 1) + place
        assert row[f"calls_{w}d"] == inside
        assert row[f"messages_{w}d"] == inside if w != 14 else True
        assert row[f"complaints_{w}d"] == inside + (w > 1)
    assert row["pool_bans_1d"] == 0 and row["pool_bans_3d"] == 2
