"""The limits that held on a day: the carrier's published ones, and the settings where it publishes none."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from data_schemas.settings import Settings
from features.localtime import clock_seconds
from serving.known import Known

COLUMNS = ("daily", "hourly", "opens", "closes", "daily_since", "hourly_since", "hours_since")
"""Calls a day and in a clock hour; permitted hours, "HH:MM"; the day since which each is in force, missing for a setting's."""


def limits(known: Known, settings: Settings, days: Iterable[tuple[str, int]]) -> pd.DataFrame:
    """carrier, day and COLUMNS for each pair of these: of the newest policy in force on that day.

    A limit that this policy does not name is the settings' (`rule`, `features.permitted_from` and `permitted_to`), as the
    features take it. opens_s, closes_s: the hours as seconds after midnight.
    """
    wanted = pd.DataFrame(sorted(set(days)), columns=["carrier", "day"])
    wanted["day"] = wanted["day"].astype("int64")
    rows = known.rows("policies").select(
        "carrier",
        "effective_at",
        "known_day",
        "daily_call_limit",
        "hourly_call_limit",
        "permitted_from",
        "permitted_to",
        since=lambda t: t.day,
    )
    policies = known.engine.frame(rows)
    policies["since"] = policies["since"].astype("int64")
    pairs = wanted.merge(policies, on="carrier")
    pairs = pairs[pairs["since"] <= pairs["day"]].sort_values(["effective_at", "known_day"])
    newest = pairs.drop_duplicates(["carrier", "day"], keep="last")
    found = wanted.merge(newest, on=["carrier", "day"], how="left")
    rule, hours = settings.rule, settings.features
    made = found[["carrier", "day"]].copy()
    for name, column, default in (
        ("daily", "daily_call_limit", rule.daily_calls),
        ("hourly", "hourly_call_limit", rule.hourly_calls),
    ):
        made[name] = found[column].astype("float64").fillna(default)
        made[f"{name}_since"] = found["since"].where(found[column].notna())
    # As the features read them: each end by itself.
    for name, column, setting in (
        ("opens", "permitted_from", hours.permitted_from),
        ("closes", "permitted_to", hours.permitted_to),
    ):
        made[name] = found[column].astype(object).where(found[column].notna(), setting)
        made[f"{name}_s"] = [clock_seconds(text) for text in made[name]]
    both = found["permitted_from"].notna() & found["permitted_to"].notna()
    made["hours_since"] = found["since"].where(both)
    return made
