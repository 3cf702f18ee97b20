"""A scored home of made-up lines: scores in their real schema, and a lake that knows the lines, for tests of the ranking."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.lake import schema
from features.catalogue import CATALOGUE
from features.feature import Feature

AS_OF = date(2026, 11, 23)
LEVELS = ("red", "orange", "yellow", "green")
CARRIERS = ("North Telecom", "Harbour Mobile", "Lakeside Voice")
TEAMS = ("Renewals", "Onboarding", "Surveys", "Service calls", "Regional east", "Regional west")
REASON = pa.struct(
    [
        ("family", pa.string()),
        ("feature", pa.string()),
        ("value", pa.float64()),
        ("usual", pa.float64()),
        ("contribution", pa.float64()),
    ]
)
ACTION = pa.struct([("action", pa.string()), ("risk_after", pa.float64())])
SCORES = pa.schema(
    [
        ("as_of", pa.date32()),
        ("line_id", pa.string()),
        ("risk_1d", pa.float64()),
        ("risk_3d", pa.float64()),
        ("risk_7d", pa.float64()),
        ("risk_14d", pa.float64()),
        ("rank", pa.int32()),
        ("level", pa.string()),
        ("reasons", pa.list_(REASON)),
        ("actions", pa.list_(ACTION)),
        ("model_version", pa.string()),
        ("data_fingerprint", pa.string()),
    ]
)
_USUAL = {"share": 0.12, "times": 1.0, "yes/no": 1.0, "s": 38.0, "per 1,000 calls": 1.4}


@dataclass
class TableLake:
    """The reading side of a lake over one Arrow table for each contract table."""

    tables: dict[str, pa.Table] = field(default_factory=dict)

    def read(self, con: ibis.BaseBackend, table: str, first_day: int | None = None, last_day: int | None = None) -> ibis.Table:
        shape = schema(table).to_pyarrow()
        rows = self.tables.get(table, shape.empty_table())
        read = con.create_table(f"lake_{table}_{first_day}_{last_day}".replace("-", "m"), rows, temp=True, overwrite=True)
        if first_day is not None:
            read = read.filter(read.day >= first_day)
        return read if last_day is None else read.filter(read.day <= last_day)

    def days(self, table: str, before: int) -> list[int]:
        return sorted({day for day in self.tables[table]["day"].to_pylist() if day < before}) if table in self.tables else []

    def fingerprint(self, day: int) -> str:
        return f"of {day}"


def table(name: str, rows: dict[str, list], day: np.ndarray | list[int], known: list[int] | None = None) -> pa.Table:
    """Rows of a contract table with the system columns; columns not given are empty."""
    shape = schema(name).to_pyarrow()
    days = np.asarray(day, dtype=np.int32)
    times = pa.array(days.astype("int64") * 86_400_000_000 + 3_600_000_000).cast(pa.timestamp("us"))
    given = {"day": days, "known_day": days if known is None else np.asarray(known, dtype=np.int32), **rows}
    columns = []
    for column in shape:
        if column.name in given:
            columns.append(pa.array(given[column.name], type=column.type))
        elif pa.types.is_timestamp(column.type) and column.name not in ("deactivated_at", "lifted_at"):
            columns.append(times.cast(column.type))
        else:
            columns.append(pa.nulls(len(days), column.type))
    return pa.table(columns, schema=shape)


def identities(count: int) -> list[str]:
    return [f"L{place:06d}" for place in range(1, count + 1)]


def lake_of(count: int, seed: int = 3, as_of: date = AS_OF, calls: bool = True) -> TableLake:
    """Lines in teams, carriers and pools, and half a year's last weeks of calls, complaints and bans."""
    rng = np.random.default_rng(seed)
    end = day_number(as_of)
    ids = identities(count)
    carriers = [CARRIERS[int(i)] for i in rng.integers(0, 3, count)]
    lines = {
        "line_id": ids,
        "carrier": carriers,
        "number_pool": [
            f"{carrier.split()[0]} {int(i):02d}" for carrier, i in zip(carriers, rng.integers(1, 6, count), strict=True)
        ],
        "team": [None if rng.random() < 0.02 else TEAMS[int(i)] for i in rng.integers(0, len(TEAMS), count)],
    }
    tables = {"lines": table("lines", lines, end - rng.integers(60, 400, count))}
    if not calls:
        return TableLake(tables)
    call_lines, call_days, complaint_lines, complaint_days = [], [], [], []
    for line in ids:
        level, slope = rng.uniform(4, 22), rng.uniform(-0.005, 0.02)
        for back in range(60, 0, -1):
            weekday = (end - back + 3) % 7
            n = rng.poisson(level * (1 + slope * (60 - back)) * (0.15 if weekday >= 5 else 1.0))
            call_lines += [line] * n
            call_days += [end - back] * n
        n = rng.poisson(1.2)
        complaint_lines += [line] * n
        complaint_days += [int(day) for day in end - rng.integers(1, 50, n)]
    size = len(call_lines)
    talked = np.where(rng.random(size) < 0.35, rng.exponential(55, size), 0).round(1)
    tables["calls"] = table("calls", {"line_id": call_lines, "duration_s": talked, "answered": talked > 0}, call_days)
    tables["complaints"] = table("complaints", {"line_id": complaint_lines}, complaint_days)
    banned = [ids[int(i)] for i in rng.integers(0, count, max(count // 20, 1))]
    tables["bans"] = table("bans", {"line_id": banned}, end - rng.integers(5, 50, len(banned)))
    return TableLake(tables)


def _reason(rng: np.random.Generator, feature: Feature, strength: float) -> dict:
    usual = _USUAL.get(feature.unit, 60.0 if "calls" in feature.base else 4.0)
    worse = -1 if feature.base.startswith(("days_since", "answer", "talk")) else 1
    value = usual * (1 + worse * rng.uniform(0.3, 0.8)) if worse < 0 else usual * rng.uniform(1.5, 4.5)
    if feature.unit in ("share", "yes/no"):
        value = min(value, 0.97)
    if feature.unit in ("calls", "days", "bans", "numbers", "complaints", "regions", "minutes", "messages"):
        value, usual = round(value), round(usual)
    return {"family": feature.family, "feature": feature.name, "value": value, "usual": usual, "contribution": strength}


def scores_of(
    ids: list[str],
    playbook: list[str],
    seed: int = 1,
    as_of: date = AS_OF,
    model: str = "bancast/3",
    risk: np.ndarray | None = None,
) -> pa.Table:
    """Scores of these lines in the published schema, sorted by rank; actions for lines on the list."""
    rng = np.random.default_rng(seed)
    count = len(ids)
    risk = np.clip(rng.beta(0.55, 11, count) * 1.6, 0.0004, 0.93) if risk is None else risk
    order = np.lexsort((ids, -risk))
    common = [feature for feature in CATALOGUE if feature.family != "history"]
    rows = []
    for rank, place in enumerate(order, 1):
        week = float(risk[place])
        level = "red" if week >= 0.3 else "orange" if week >= 0.15 else "yellow" if week >= 0.05 else "green"
        picked = rng.choice(len(common), size=3 if level != "green" else int(rng.integers(0, 4)), replace=False)
        after = sorted(week * rng.uniform(0.35, 0.95, min(3, len(playbook))))
        rows.append(
            {
                "as_of": as_of,
                "line_id": ids[place],
                "risk_1d": week * 0.2,
                "risk_3d": week * 0.52,
                "risk_7d": week,
                "risk_14d": min(1.0, 1 - (1 - week) ** 1.7),
                "rank": rank,
                "level": level,
                "reasons": [_reason(rng, common[int(one)], 0.9 - 0.2 * n) for n, one in enumerate(picked)],
                "actions": []
                if level == "green"
                else [
                    {"action": playbook[int(one)], "risk_after": risk_after}
                    for one, risk_after in zip(rng.choice(len(playbook), len(after), replace=False), after, strict=True)
                ],
                "model_version": model,
                "data_fingerprint": "9f2c4e7a1b0d836e5c4f9a2b7d81e6039f2c4e7a1b0d836e5c4f9a2b7d81e603",
            }
        )
    return pa.Table.from_pylist(rows, schema=SCORES)


def save_scores(home: Home, as_of: date, scores: pa.Table, trained_until: str | None = None) -> Path:
    path = home.scores_file(as_of)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(scores, path)
    if trained_until:
        (path.parent / "summary.json").write_text(json.dumps({"trained_until": trained_until}))
    return path


def scored_home(root: Path, playbook: list[str], count: int = 300, weeks: int = 9, seed: int = 1) -> Home:
    """A home with weekly scores up to AS_OF whose risks drift from week to week, as they do."""
    home, ids = Home(root), identities(count)
    rng = np.random.default_rng(seed)
    base = rng.beta(0.55, 11, count) * 1.6
    wander = np.zeros(count)
    for week in range(weeks):
        wander = 0.8 * wander + rng.normal(0, 0.35, count)
        risk = np.clip(base * np.exp(wander), 0.0004, 0.93)
        day = AS_OF - timedelta(days=7 * (weeks - 1 - week))
        present = [place for place in range(count) if week == weeks - 1 or rng.random() > 0.01]
        scores = scores_of([ids[p] for p in present], playbook, seed + week, day, risk=risk[present])
        save_scores(home, day, scores, "2026-10-26")
    return home
