"""Nothing learned at or after as_of moves a feature by a bit, and one build is every other build."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from data_schemas.clock import day_date
from data_schemas.settings import Settings
from features.build import build_features, feature_batches
from features.catalogue import CATALOGUE
from features.engine import Engine
from tests.features.changes import changed_from, known_before, shuffled
from tests.features.worlds import merged, random_world

FIRST = 20_500
NAMES = [feature.name for feature in CATALOGUE]


def rows_of(table: pd.DataFrame, day: int) -> pd.DataFrame:
    return table[table["as_of"] == pd.Timestamp(day_date(day))].reset_index(drop=True)


def moved(one: pd.DataFrame, other: pd.DataFrame) -> list[str]:
    """The columns that differ in any bit; all of them when the rows are not the same lines."""
    if one["line_id"].tolist() != other["line_id"].tolist():
        return ["line_id"]
    ids = [name for name in ("carrier", "number_pool", "team") if not one[name].equals(other[name])]
    bits = [
        name for name in NAMES if not np.array_equal(one[name].to_numpy().view("int32"), other[name].to_numpy().view("int32"))
    ]
    return ids + bits


@pytest.mark.parametrize(("zone", "country", "t"), [("Asia/Shanghai", "CN", FIRST + 33), ("America/New_York", "US", FIRST + 21)])
def test_nothing_known_at_or_after_as_of_moves_a_feature(zone: str, country: str, t: int):
    settings = Settings(zone=zone, country=country, threads=2)
    seed = len(zone)
    lake = merged(*[random_world(seed * 100 + number, zone) for number in range(3)])
    several = build_features(lake, settings, [t - 9, t, t + 12])
    whole = rows_of(several, t)
    assert len(whole) > 4

    changed = build_features(changed_from(lake, t, zone, seed), settings, [t, t + 12])
    assert moved(whole, rows_of(changed, t)) == []
    assert len(moved(rows_of(several, t + 12), rows_of(changed, t + 12))), "the changes changed nothing: this proves nothing"

    # Built on that day, alone, from what the lake held then.
    assert moved(whole, build_features(known_before(lake, t, zone), settings, [t])) == []


def test_threads_and_the_order_of_rows_and_days_do_not_matter():
    lake = merged(*[random_world(700 + number) for number in range(3)])
    days = [FIRST + 40, FIRST + 25]
    two = build_features(lake, Settings(threads=2), days)
    one = build_features(shuffled(lake, 1), Settings(threads=1), [*reversed(days), days[0]])
    assert two["as_of"].equals(one["as_of"])
    assert moved(two, one) == []


def test_parts_of_the_table_are_whole_days_and_together_the_table(monkeypatch):
    lake, settings = merged(*[random_world(800 + number) for number in range(3)]), Settings(threads=2)
    days = [FIRST + day for day in (8, 15, 22, 29, 36)]
    whole = build_features(lake, settings, days)
    rows = 2 * len(lake.frame("lines")["line_id"].unique())
    monkeypatch.setattr(Engine, "batch_rows", rows / settings.memory_gb)
    told: list[float] = []
    parts = list(feature_batches(lake, settings, days, lambda step, share: told.append(share)))
    assert len(parts) > 2 and all(len(part) <= rows for part in parts)
    assert [day for part in parts for day in part["as_of"].unique()] == list(whole["as_of"].unique())
    assert moved(whole, pd.concat(parts, ignore_index=True)) == []
    assert told == sorted(told) and told[-1] == 1.0
