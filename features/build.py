"""The feature table: from the lake to one row an eligible line and as_of day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd

from data_schemas.clock import Clock, day_date
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features import events, tiles
from features.catalogue import CATALOGUE
from features.context import context
from features.engine import Engine, open_engine
from features.feature import LONGEST, Feature, Measure, Need, Presence
from features.localtime import calendar
from features.peers import with_peers
from features.presence import distinct_windows
from features.windows import beside, by_segment, by_window, fill, spread, with_longest

IDS = ("line_id", "carrier", "number_pool", "team")
"""What stands beside the features in each row, after as_of."""
_AT = ("line", "as_of_day")
SOURCES = ("calls", "complaints", "messages")
BATCH_ROWS = 150_000
"""Rows of the table that are worked out at a time."""
_WEIGHTS = {
    "calls": 70,
    "calls: agent_id": 7,
    "calls: callee_id": 13,
    "calls: device_id": 9,
    "calls: region": 8,
    "complaints": 1,
    "messages": 4,
    "messages: recipient_id": 4,
}
"""Parts of the work by the seconds they took on 40 million calls: what a progress bar goes by."""
Progress = Callable[[str, float], None]


def build_features(
    lake: Lake,
    settings: Settings,
    days: Sequence[int],
    progress: Progress | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
    scratch: Path | None = None,
) -> pd.DataFrame:
    """Every feature of every line eligible at each as_of day, from what was known strictly before it.

    days: as_of days (local day numbers). Returns as_of (datetime64[s]), line_id, carrier, number_pool, team and a float32
    column a feature (NaN: missing), sorted by as_of and line_id. The same code serves training, backfill and one morning.
    """
    return pd.concat(feature_batches(lake, settings, days, progress, catalogue, scratch), ignore_index=True)


def feature_batches(
    lake: Lake,
    settings: Settings,
    days: Sequence[int],
    progress: Progress | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
    scratch: Path | None = None,
) -> Iterator[pd.DataFrame]:
    """The table of `build_features` in parts of whole as_of days, ascending, from one pass over the events.

    A part has about BATCH_ROWS rows, or one day: memory does not grow with the number of days.
    """
    wanted = sorted({int(day) for day in days})
    tell = progress or (lambda step, share: None)
    if not wanted:
        raise ValueError("build_features needs at least one as_of day")
    with open_engine(settings, scratch) as engine:
        snapshots = engine.rows("snapshots", pd.DataFrame({"as_of_day": pd.array(wanted, dtype="int32")}))
        asked = [feature.asked() for feature in catalogue]
        needs = with_longest({need for one in asked for need in one.needs})
        tell("lines, bans and policies", 0.0)
        numbers = events.line_numbers(engine, lake)
        reads = {column for one in asked for column in one.reads}
        frame = context(engine, lake, Clock(settings.zone), snapshots, numbers, reads)
        parts, passed, whole = [], 0, sum(_WEIGHTS.values())
        tell("events", 0.02)
        for step, part in _parts(engine, lake, settings, wanted, snapshots, numbers, needs):
            passed += _WEIGHTS.get(step, 1)
            tell(step, min(0.02 + 0.8 * passed / whole, 0.82))
            parts.append(part)
        rows = engine.frame(frame.group_by("as_of_day").aggregate(rows=frame.count()))
        batches = _batches(wanted, dict(zip(rows["as_of_day"], rows["rows"], strict=True)))
        for number, batch in enumerate(batches):
            tell("formulas", 0.82 + 0.18 * number / len(batches))
            here = [table.filter(table.as_of_day.between(batch[0], batch[-1])) for table in (frame, *parts)]
            yield _table(engine, here[0], here[1:], needs, catalogue)
        tell("done", 1.0)


def _batches(days: list[int], rows: dict[int, int]) -> list[list[int]]:
    """Days in order, put together as long as they have no more than BATCH_ROWS rows."""
    batches: list[list[int]] = []
    held = 0
    for day in days:
        held += rows.get(day, 0)
        if not batches or held > BATCH_ROWS:
            batches.append([])
            held = rows.get(day, 0)
        batches[-1].append(day)
    return batches


def _table(
    engine: Engine, frame: ir.Table, parts: list[ir.Table], needs: list[Need], catalogue: Sequence[Feature]
) -> pd.DataFrame:
    """Windows beside the lines they belong to, and every formula over them."""
    filled = engine.store("windows_of_lines", fill(beside(frame, *[(part, _AT) for part in parts]), needs))
    # Peers are all eligible lines, so nothing may be left out of the frame before.
    peered, answers = with_peers(engine, filled, catalogue)
    values = {feature.name: feature.value(peered, answers[feature.name]).cast("float32") for feature in catalogue}
    table = engine.frame(peered.select("as_of_day", *IDS, **values))
    return _finished(table, [feature.name for feature in catalogue])


def _parts(
    engine: Engine, lake: Lake, settings: Settings, days: list[int], snapshots: ir.Table, numbers: ir.Table, needs: list[Need]
) -> Iterator[tuple[str, ir.Table]]:
    """Each event table's windows and each presence's distinct counts, with a word on what was done."""
    first, last = days[0] - LONGEST, days[-1] - 1
    for source in SOURCES:
        own = [need for need in needs if need.what.source == source]
        counted = [need for need in own if isinstance(need.what, Measure)]
        if counted:
            facts = _line_days(engine, lake, settings, source, counted, numbers, first, last)
            parts = engine.store(f"{source}_segments", by_segment(spread(facts, snapshots), counted))
            yield source, engine.store(f"{source}_windows", by_window(parts, counted))
            engine.drop(f"{source}_segments")
        presences = [need for need in own if isinstance(need.what, Presence)]
        for column in sorted({need.what.column for need in presences if isinstance(need.what, Presence)}):
            alike = [need for need in presences if isinstance(need.what, Presence) and need.what.column == column]
            reach = LONGEST if any(isinstance(need.what, Presence) and need.what.fresh for need in alike) else 0
            met = lake.read(engine.con, source, first - reach, last)
            met = met.select("line_id", "day", "known_day", "gone_day", value=met[column])
            yield f"{source}: {column}", distinct_windows(engine, events.of_known_lines(met, numbers), alike, snapshots)


def _line_days(
    engine: Engine, lake: Lake, settings: Settings, source: str, needs: list[Need], numbers: ir.Table, first: int, last: int
) -> ir.Table:
    """The line-days of one event table, with the measures needed."""
    measures = list({need.what.name: need.what for need in needs if isinstance(need.what, Measure)}.values())
    if source == "calls":
        around = events.Surroundings(engine, lake, settings, numbers, first, last).around
        days = calendar(range(first, last + 1), settings.country)
        return tiles.call_tiles(engine, events.calls(engine, lake, numbers, first, last), measures, around, days)
    if source == "complaints":
        return tiles.complaint_tiles(engine, events.complaints(engine, lake, numbers, first, last), measures)
    return tiles.message_tiles(engine, events.messages(engine, lake, numbers, first, last), measures)


def _finished(table: pd.DataFrame, features: list[str]) -> pd.DataFrame:
    """Days as dates, rows in a fixed order."""
    dates = {day: pd.Timestamp(day_date(day)) for day in table["as_of_day"].unique()}
    table.insert(0, "as_of", table.pop("as_of_day").map(dates).astype("datetime64[s]"))
    table = table.sort_values(["as_of", "line_id"], ignore_index=True)
    table[features] = table[features].astype("float32")
    return table


def missing_features(table: pd.DataFrame, catalogue: Sequence[Feature] = CATALOGUE) -> dict[str, list[str]]:
    """Features without a single value, by the tables or columns they come from: what the input lacks."""
    found: dict[str, list[str]] = {}
    for feature in catalogue:
        if table[feature.name].isna().all():
            found.setdefault(" and ".join(feature.sources), []).append(feature.name)
    return found
