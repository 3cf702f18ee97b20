"""A small company whose records come late and are corrected, written as its tables; and what only the future says of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from data_schemas.clock import Clock, day_number
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.settings import Settings, load_settings
from data_schemas.sources import find_sources
from features.catalogue import CATALOGUE
from features.feature import Feature

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-01-05", tz=ZONE)
DAYS, LINES, BANS = 96, 80, 220
UNTIL = day_number((START + pd.Timedelta(days=84)).date())
"""The day before whose midnight everything is learnt; the tables go on for twelve more days."""
Tables = dict[str, pd.DataFrame]
KNOWN = {"calls": "recorded_at", "complaints": "received_at", "bans": "reported_at", "messages": "recorded_at"}
HAPPENED = {
    "lines": "activated_at",
    "calls": "started_at",
    "complaints": "occurred_at",
    "bans": "banned_at",
    "messages": "sent_at",
    "policies": "effective_at",
}
_FEW = ("calls_1d", "calls_7d", "complaints_28d", "answer_rate_7d", "pool_ban_rate_28d", "age_days")
FEW: tuple[Feature, ...] = tuple(feature for feature in CATALOGUE if feature.name in _FEW)
"""Some features of several tables, for tests that build many datasets."""


def midnight(day: int) -> pd.Timestamp:
    return pd.Timestamp(Clock(ZONE).midnight(day)).tz_convert(ZONE)


def company(seed: int = 3) -> Tables:
    """Lines of which those that call most are banned most; a part of everything becomes known days late."""
    rng = np.random.default_rng(seed)
    names = np.array([f"L{number:03d}" for number in range(LINES)])
    pace = rng.gamma(2.0, 2.0, LINES)

    def moments(number: int, days: int = DAYS) -> pd.Series:
        return pd.Series(START + pd.to_timedelta(rng.integers(0, days * 86_400, number), unit="s"))

    def late(moment: pd.Series, share: float = 0.15) -> pd.Series:
        after = moment + pd.to_timedelta(rng.integers(3600, 6 * 86_400, len(moment)), unit="s")
        return after.where(rng.random(len(moment)) < share)

    count = LINES * DAYS * 3
    caller = rng.choice(LINES, count, p=pace / pace.sum())
    answered = rng.random(count) < 0.4
    calls = pd.DataFrame(
        {
            "call_id": [f"c{number}" for number in range(count)],
            "line_id": names[caller],
            "started_at": moments(count),
            "callee_id": [f"138{number:08d}" for number in rng.integers(0, 5000, count)],
            "duration_s": np.where(answered, rng.integers(1, 90, count), 0),
            "answered": answered,
        }
    )
    # The first and the last days have calls for sure.
    calls.loc[0, "started_at"], calls.loc[1, "started_at"] = START, START + pd.Timedelta(days=DAYS, seconds=-1)
    calls["recorded_at"] = late(calls["started_at"], 0.05)
    calls.loc[:1, "recorded_at"] = pd.NaT
    banned = rng.choice(LINES, BANS, p=pace**2 / (pace**2).sum())
    bans = pd.DataFrame({"ban_id": [f"b{n}" for n in range(BANS)], "line_id": names[banned], "banned_at": moments(BANS)})
    bans["lifted_at"] = bans["banned_at"] + pd.to_timedelta(rng.integers(1, 8, BANS), unit="D")
    bans["reported_at"] = late(bans["banned_at"], 0.3)
    complained = rng.choice(LINES, 160, p=pace / pace.sum())
    complaints = pd.DataFrame({"complaint_id": [f"k{n}" for n in range(160)], "line_id": names[complained]})
    complaints["occurred_at"] = moments(160)
    complaints["received_at"] = late(complaints["occurred_at"], 0.5)
    messages = pd.DataFrame(
        {"message_id": [f"m{n}" for n in range(900)], "line_id": rng.choice(names, 900), "sent_at": moments(900)}
    )
    messages["recorded_at"] = late(messages["sent_at"])
    given_up = START + pd.to_timedelta(rng.integers(40, DAYS, LINES), unit="D")
    lines = pd.DataFrame(
        {
            "line_id": names,
            "carrier": [("CM", "CU")[number % 2] for number in range(LINES)],
            "number_pool": [f"P{number % 3}" for number in range(LINES)],
            "activated_at": [START - pd.Timedelta(days=30) if n % 7 else START + pd.Timedelta(days=2 * n) for n in range(LINES)],
            "deactivated_at": pd.Series(given_up).where(rng.random(LINES) < 0.2),
        }
    )
    policies = pd.DataFrame(
        {
            "carrier": ["CM", "CU", "CM"],
            "effective_at": [START, START + pd.Timedelta(days=30), START + pd.Timedelta(days=88)],
            "daily_call_limit": [20.0, 30.0, 5.0],
        }
    )
    return {
        "lines": lines,
        "calls": calls,
        "complaints": complaints,
        "bans": bans,
        "messages": messages,
        "policies": policies,
    }


def known_at(table: str, frame: pd.DataFrame) -> pd.Series:
    """When each row became known."""
    happened = frame[HAPPENED[table]]
    if table not in KNOWN:
        return happened
    return frame[KNOWN[table]].fillna(happened).where(frame[KNOWN[table]].fillna(happened) > happened, happened)


def without_future(tables: Tables, until: int = UNTIL) -> Tables:
    """What was known strictly before local midnight `until`, as it was written down then."""
    end = midnight(until)
    kept = {name: frame[known_at(name, frame) < end].copy() for name, frame in tables.items()}
    for name, column in (("lines", "deactivated_at"), ("bans", "lifted_at")):
        kept[name][column] = kept[name][column].where(kept[name][column] < end)
    return kept


def other_future(tables: Tables, seed: int, until: int = UNTIL) -> Tables:
    """The same past with another future: rows known at or after `until` go, change, and others come, of events of any day."""
    rng = np.random.default_rng(seed)
    end = midnight(until)
    past, whole = without_future(tables, until), {}
    for name, frame in tables.items():
        ahead = frame[known_at(name, frame) >= end]
        ahead = ahead[rng.random(len(ahead)) < rng.choice([0.0, 0.5, 1.0])].copy()
        if name in KNOWN:
            ahead["line_id"] = rng.choice(tables["lines"]["line_id"], len(ahead))
            new = frame.sample(min(len(frame), 200), random_state=seed).copy()
            key = next(column for column in frame.columns if column.endswith("_id"))
            new[key] = [f"new{number}" for number in range(len(new))]
            # Events of the past, some from before the first call, of which nobody knew.
            new[HAPPENED[name]] -= pd.to_timedelta(rng.integers(0, 20 * 86_400, len(new)), unit="s")
            if name == "bans":
                new["lifted_at"] = pd.NaT
            new[KNOWN[name]] = end + pd.to_timedelta(rng.integers(0, 9 * 86_400, len(new)), unit="s")
            new[HAPPENED[name]] = new[HAPPENED[name]].where(new[HAPPENED[name]] < new[KNOWN[name]], new[KNOWN[name]])
            ahead = pd.concat([ahead, new])
        whole[name] = pd.concat([past[name], ahead], ignore_index=True)
    fresh = past["lines"].iloc[:40].copy()
    fresh["line_id"] = [f"N{number}" for number in range(len(fresh))]
    fresh["activated_at"] = end + pd.to_timedelta(rng.integers(0, 10 * 86_400, len(fresh)), unit="s")
    fresh["deactivated_at"] = pd.NaT
    whole["lines"] = pd.concat([whole["lines"], fresh], ignore_index=True)
    return whole


def settings(home: Path, **train: object) -> Settings:
    """Small and quick: one thread, one bag, few trees."""
    home.mkdir(parents=True, exist_ok=True)
    quick = {"bags": 1, "rounds": 20, "leaves": 5, "min_bans": 10, "every_days": 2, "max_rows": 1000, "flags": 5}
    return load_settings(home, threads=1, callee_key="the key of all homes in these tests", train={**quick, **train})


def write(folder: Path, tables: Tables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder


def lake_of(home: Path, tables: Tables, known: pd.Timestamp | None = None) -> Lake:
    """Ingest tables into a home."""
    told = None if known is None else known.to_pydatetime()
    number = len(list(home.parent.glob(f"{home.name}-tables-*")))
    source = write(home.parent / f"{home.name}-tables-{number}", tables)
    ingest(find_sources(source), home, settings(home), known_at=told)
    return Lake(Home(home).lake)


def changed(tables: Tables, change: Callable[[Tables], None]) -> Tables:
    """A copy of the tables with a change made to it."""
    copy = {name: frame.copy() for name, frame in tables.items()}
    change(copy)
    return copy
