"""Optional tables and columns may be missing: their features then are, and the build says which and why."""

from __future__ import annotations

import numpy as np
import pandas as pd

from data_schemas.settings import Settings
from data_schemas.tables import TABLES
from features.build import build_features, missing_features
from features.catalogue import CATALOGUE
from tests.features.worlds import MemoryLake, instant, merged, random_world, stamp

ZONE = "Asia/Shanghai"
DAYS = [20_530, 20_540]
TIMES = {"deactivated_at", "lifted_at", "reported_at", "received_at", "recorded_at", "appealed_at"}


def without(lake: MemoryLake, *names: str) -> MemoryLake:
    """The world without these tables and columns (table.column)."""
    return MemoryLake(
        {
            table: [row | {name: None for name in row if f"{table}.{name}" in names} for row in rows]
            for table, rows in lake.tables.items()
            if table not in names
        }
    )


def lake_with_all() -> MemoryLake:
    lake = merged(*[random_world(900 + seed) for seed in range(4)])
    ban = {"ban_id": "won", "line_id": lake.tables["lines"][0]["line_id"], "appeal_won": True}
    ban |= {"banned_at": instant(ZONE, DAYS[0] - 9, 0), "lifted_at": instant(ZONE, DAYS[0] - 2, 0)}
    lake.tables["bans"].append(stamp(ban, "bans", ZONE))
    return lake


def optional_names() -> set[str]:
    tables = {table.name for table in TABLES.values() if table.optional}
    return tables | {
        f"{table.name}.{column.name}"
        for table in TABLES.values()
        for column in table.columns
        if not column.required and column.name not in TIMES
    }


def test_a_rich_world_lacks_no_feature():
    assert missing_features(build_features(lake_with_all(), Settings(threads=2), DAYS)) == {}


def test_without_anything_optional_just_its_features_are_missing():
    optional = optional_names()
    table = build_features(without(lake_with_all(), *optional), Settings(threads=2), DAYS)
    missing = {name for names in missing_features(table).values() for name in names}
    assert missing == {f.name for f in CATALOGUE if any(s in optional or s.split(".")[0] in optional for s in f.sources)}
    assert all(any(part in reason for part in optional) for reason in missing_features(table))


def test_what_is_missing_takes_its_own_features_and_no_others():
    names = ("messages", "calls.region", "complaints.callee_id", "lines.team")
    table = build_features(without(lake_with_all(), *names), Settings(threads=2), DAYS)
    missing = {feature for of_source in missing_features(table).values() for feature in of_source}
    assert missing == {
        f.name for f in CATALOGUE if any(s == name or s.startswith(f"{name}.") for s in f.sources for name in names)
    }


def test_a_company_without_a_single_event_still_has_a_row_for_each_line():
    lake = lake_with_all()
    bare = MemoryLake({"lines": [row | {"deactivated_at": None, "gone_day": None} for row in lake.tables["lines"]][:3]})
    table = build_features(bare, Settings(threads=2), [20_560])
    assert len(table) == len({row["line_id"] for row in bare.tables["lines"]})
    assert (table["calls_28d"] == 0).all() and (table["complaints_28d"] == 0).all() and table["answer_rate_28d"].isna().all()


class GivenLake:
    """A lake of which only what was ever given is asked."""

    def has(self, table: str) -> bool:
        return table != "messages"

    def present_columns(self, table: str) -> set[str]:
        return {"team"} if table == "lines" else set()


def test_only_a_source_that_was_never_given_is_lacking_and_one_that_is_empty_is_not():
    names = ("pool_bans_vs_carrier_7d", "messages_7d", "calls_7d", "appeals_won")
    wanted = [feature for feature in CATALOGUE if feature.name in names]
    empty = pd.DataFrame({name: [np.nan, np.nan] for name in names})
    assert missing_features(empty, wanted, GivenLake()) == {"messages": ["messages_7d"], "bans.appeal_won": ["appeals_won"]}
    assert missing_features(empty.assign(messages_7d=1.0, appeals_won=0.0), wanted, GivenLake()) == {}
