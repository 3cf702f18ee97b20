"""Coaching: teams and agents whose way of calling raises the risk of their lines, each beside comparable ones.

Three things that people can change: complaints, calls outside the permitted hours, and answered calls that end at once. Each is
set against what others would have had with the same mix of carriers (serving.comparison), and only what is beyond chance and
beyond the scatter among the others stands out. It is where to begin a talk, and no measure of anybody's work.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data_schemas.settings import Settings
from features.events import beside_versions, outside, permitted_hours, versions
from features.localtime import clock_seconds
from features.measures import SHORT
from models.pages.texts import N_
from serving.comparison import Comparison, compare, discoveries
from serving.known import Known

DAYS = 28
"""Days before as_of that are looked at."""
SHOWN = 200
"""Agents told at most, beside those that stand out: those with most calls."""
NOTE = N_(
    "What is usual is what the others would have had with the same mix of carriers. What a team sells and whom it calls is not"
    " taken out. Standing out is where to begin a talk, and no verdict."
)

NOBODY = N_(
    "Standing out takes more than chance and the usual scatter explain. Among few teams or agents that is rare, even at twice the"
    " usual rate: where nobody stands out, nobody is cleared. The list's advice to coach a team goes by what its lines do, and"
    " holds all the same."
)


@dataclass(frozen=True)
class Measure:
    """One thing that is compared: events out of `of`, two columns of the counts, told for `per` of the latter."""

    name: str
    label: str
    unit: str
    of: str
    per: float


MEASURES = (
    Measure("complaints", N_("Complaints per 1,000 calls"), "per 1,000 calls", "calls", 1000.0),
    Measure("off_hours", N_("Calls outside permitted hours"), "share", "calls", 1.0),
    Measure("short", N_("Answered calls cut short within 5 s"), "share", "answered", 1.0),
)


def coaching(known: Known, settings: Settings) -> dict[str, Any]:
    """Teams and agents beside comparable ones over the 28 days before as_of; plain values.

    days; measures: name, label and unit of each; teams and agents: rows, those that stand out first, then by calls; compared:
    how many teams and agents there were; note; nobody: what to know where no team or no agent stands out, else None.
    A row: name, team (of most of an agent's calls; None for a team), calls, lines (that it called from) and measures: measure ->
    value, usual, ratio (value / usual), low and high (of the ratio, 95 %, with the scatter among the others taken in) and
    stands_out; None where the data do not tell it. usual is None where nobody is there to compare with.

    A call counts for the team and carrier that its line had that day, and so does a complaint; for an agent a complaint counts
    when that agent placed the line's last call in these days to the callee who complained, before the complaint.
    """
    rows = known.lake.read(known.engine.con, "lines")
    held = versions(rows.filter(rows.known_day < known.day), "line_id", "carrier", "team")
    lines = known.engine.store("coached_lines", held)
    calls = known.engine.store("coached_calls", _calls(known, settings, lines))
    kinds = [
        _counted(known, calls, "team", _complaints_of_teams(known, lines)),
        _counted(known, calls, "agent_id", _complaints_of_agents(known, lines)),
    ]
    team = _teams_of_agents(known, calls)
    teams, agents = ([_row(units, place, team) for place in range(len(units.names))] for units in _compared(kinds, settings))
    for rows in (teams, agents):
        rows.sort(key=lambda row: (not _stands_out(row), -row["calls"], row["name"]))
    known.engine.drop("coached_lines", "coached_calls")
    return {
        "days": DAYS,
        "measures": [{"name": one.name, "label": one.label, "unit": one.unit} for one in MEASURES],
        "teams": teams,
        "agents": [row for place, row in enumerate(agents) if place < SHOWN or _stands_out(row)],
        "compared": {"teams": len(teams), "agents": len(agents)},
        "note": NOTE,
        "nobody": NOBODY if any(rows and not _stands_out(rows[0]) for rows in (teams, agents)) else None,
    }


@dataclass
class _Units:
    """All teams, or all agents: what was counted of each, by carrier, and how each measure compares.

    names: (n,), sorted. lines: (n,). counts: column -> (n, carriers). found, stands_out: measure -> its comparison, (n,).
    """

    names: list[str]
    lines: np.ndarray
    counts: dict[str, np.ndarray]
    found: dict[str, Comparison] = field(default_factory=dict)
    stands_out: dict[str, np.ndarray] = field(default_factory=dict)


def _counted(known: Known, calls: ir.Table, column: str, complaints: pd.DataFrame | None) -> _Units:
    """The units that `column` names; complaints: unit, carrier, complaints, None where they are not known."""
    named = calls.filter(calls[column].notnull()).rename(unit=column)
    sums = {name: named[name].sum() for name in ("calls", "answered", "off_hours", "short")}
    cells = known.engine.frame(named.group_by("unit", "carrier").aggregate(**sums))
    lines = known.engine.frame(named.group_by("unit").aggregate(lines=named.line_id.nunique())).sort_values("unit")
    names = lines["unit"].tolist()
    if complaints is not None:
        cells = pd.concat([cells, complaints[complaints["unit"].isin(names)]], ignore_index=True)
    row = pd.Index(names).get_indexer(cells["unit"])
    carrier = pd.factorize(cells["carrier"], use_na_sentinel=False)[0]
    counts = {}
    for name in cells.columns.difference(["unit", "carrier"]):
        counts[name] = np.zeros((len(names), int(carrier.max(initial=-1)) + 1))
        np.add.at(counts[name], (row, carrier), cells[name].fillna(0).to_numpy(dtype="float64"))
    return _Units(names, lines["lines"].to_numpy(), counts)


def _compared(kinds: list[_Units], settings: Settings) -> list[_Units]:
    """The same, compared, and marked where they stand out: one list of discoveries over all units and measures."""
    told = [(units, measure) for units in kinds for measure in MEASURES if measure.name in units.counts and units.names]
    for units, measure in told:
        units.found[measure.name] = compare(units.counts[measure.name], units.counts[measure.of])
    pages = [units.found[measure.name].p for units, measure in told]
    marked = np.split(
        discoveries(np.concatenate([*pages, np.empty(0)]), settings.coaching.false_share), np.cumsum([len(p) for p in pages])
    )
    for (units, measure), beyond in zip(told, marked, strict=False):
        enough = units.counts[measure.of].sum(axis=1) >= settings.coaching.min_calls
        with np.errstate(invalid="ignore"):
            units.stands_out[measure.name] = beyond & enough & (units.found[measure.name].ratio > settings.coaching.ratio)
    return kinds


def _row(units: _Units, place: int, team: dict[str, str | None]) -> dict[str, Any]:
    """A row of `coaching`."""
    name = units.names[place]
    return {
        "name": name,
        "team": team.get(name),
        "calls": int(units.counts["calls"][place].sum()),
        "lines": int(units.lines[place]),
        "measures": {measure.name: _told(units, measure, place) for measure in MEASURES},
    }


def _told(units: _Units, measure: Measure, place: int) -> dict[str, Any] | None:
    """What a row says of a measure."""
    if measure.name not in units.counts or not (of := float(units.counts[measure.of][place].sum())):
        return None
    found = units.found[measure.name]
    told = {
        "value": units.counts[measure.name][place].sum() / of * measure.per,
        "usual": found.expected[place] / of * measure.per,
        "low": found.low[place],
        "high": found.high[place],
        "ratio": found.ratio[place],
    }
    rounded = {key: None if np.isnan(value) else round(float(value), 4) for key, value in told.items()}
    return {**rounded, "stands_out": bool(units.stands_out[measure.name][place])}


def _stands_out(row: dict[str, Any]) -> bool:
    return any(told and told["stands_out"] for told in row["measures"].values())


def _beside_lines(events: ir.Table, lines: ir.Table) -> ir.Table:
    """Adds carrier and team, as they were known of the line that day; null for an unknown line."""
    return beside_versions(events, lines, "line_id", "carrier", "team")


def _calls(known: Known, settings: Settings, lines: ir.Table) -> ir.Table:
    """Calls of the 28 days by line, agent, carrier and team: calls, answered, off_hours, short."""
    raw = known.rows("calls", known.day - DAYS)
    placed = raw.select(
        "line_id", "agent_id", "day", "local_second", "answered", duration_ms=(raw.duration_s * 1000).round().cast("int64")
    )
    hours = permitted_hours(known.engine, known.lake, settings, known.day - DAYS, known.day - 1)
    seen = _beside_lines(placed, lines)
    seen = seen.left_join(hours, ["carrier", "day"]).select(seen, hours.opens, hours.closes)
    opens = seen.opens.fill_null(clock_seconds(settings.features.permitted_from))
    closes = seen.closes.fill_null(clock_seconds(settings.features.permitted_to))
    assert SHORT.row is not None
    return seen.group_by("line_id", "agent_id", "carrier", "team").aggregate(
        calls=seen.count(),
        answered=seen.answered.cast("int64").sum(),
        off_hours=outside(seen.local_second, opens, closes).cast("int64").sum(),
        short=SHORT.row(seen).cast("int64").sum(),
    )


def _teams_of_agents(known: Known, calls: ir.Table) -> dict[str, str | None]:
    """Agent -> the team of most of its calls."""
    named = calls.filter(calls.agent_id.notnull() & calls.team.notnull())
    frame = known.engine.frame(named.group_by("agent_id", "team").aggregate(calls=named.calls.sum()))
    most = frame.sort_values(["calls", "team"], ascending=[False, True]).drop_duplicates("agent_id")
    return dict(zip(most["agent_id"], most["team"], strict=True))


def _complaints_of_teams(known: Known, lines: ir.Table) -> pd.DataFrame | None:
    """unit, carrier, complaints; None where no complaint was ever known."""
    if not known.engine.scalar(known.rows("complaints").count()):
        return None
    seen = _beside_lines(known.rows("complaints", known.day - DAYS).select("line_id", "day"), lines)
    return known.engine.frame(seen.group_by(seen.team.name("unit"), "carrier").aggregate(complaints=seen.count()))


def _complaints_of_agents(known: Known, lines: ir.Table) -> pd.DataFrame | None:
    """unit, carrier, complaints, each with the agent of the last call to who complained; None where nobody is known to have."""
    complaints = known.rows("complaints", known.day - DAYS)
    named = complaints.filter(complaints.callee_id.notnull())
    named = named.select("complaint_id", "occurred_at", line="line_id", callee="callee_id")
    if not known.engine.scalar(named.count()):
        return None
    calls = known.rows("calls", known.day - DAYS).select("call_id", "line_id", "callee_id", "agent_id", "started_at", "day")
    before = [calls.line_id == named.line, calls.callee_id == named.callee, calls.started_at < named.occurred_at]
    pairs = calls.join(named, before).select(named.complaint_id, "line_id", "agent_id", "day", "started_at", "call_id")
    newest = ibis.window(group_by="complaint_id", order_by=[ibis.desc("started_at"), ibis.desc("call_id")])
    last = pairs.mutate(place=ibis.row_number().over(newest))
    seen = _beside_lines(last.filter(last.place == 0).select("line_id", "agent_id", "day"), lines)
    return known.engine.frame(seen.group_by(seen.agent_id.name("unit"), "carrier").aggregate(complaints=seen.count()))
