"""The feature table: from the lake to one row an eligible line and as_of day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import Clock, day_date
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from features.context import context, eligible, standing
from features.engine import Engine, Work, name_of, open_engine
from features.feature import LONGEST, Feature, Measure, Need, Presence
from features.localtime import shifts
from features.peers import with_peers
from features.presence import window_counts
from features.refresh import Days, open_days
from features.windows import beside, fill, window_sums, with_longest

IDS = ("line_id", "carrier", "number_pool", "team")
"""What stands beside the features in each row, after as_of."""
_AT = ("line", "as_of_day")
SOURCES = ("calls", "complaints", "messages")
_DAYS_SHARE = 0.6
"""Share of the time that goes into the days when all of them are worked out."""
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
    """The table of `build_features` in parts of whole as_of days, ascending.

    The days looked back on are worked out once, and kept for later builds (see `kept`). A part has about as many rows as the
    engine's `batch_rows`, or one day: memory does not grow with the number of days.
    """
    with open_engine(settings, scratch) as engine:
        yield from batches_in(engine, lake, settings, days, progress, catalogue, scratch)


def batches_in(
    engine: Engine,
    lake: Lake,
    settings: Settings,
    days: Sequence[int],
    progress: Progress | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
    scratch: Path | None = None,
) -> Iterator[pd.DataFrame]:
    """The same by an engine that is open already: builds of one catalogue and day from several lakes share their expressions."""
    wanted = sorted({int(day) for day in days})
    tell = progress or (lambda step, share: None)
    if not wanted:
        raise ValueError("build_features needs at least one as_of day")
    asked = [feature.asked for feature in catalogue]
    needs = with_longest({need for one in asked for need in one.needs})
    reads = {column for one in asked for column in one.reads}
    known = {id(feature) for feature in CATALOGUE}
    ours = all(id(feature) in known for feature in catalogue)  # formulas that are no others than those of this code
    tell("days of calls and messages", 0.0)
    done = lambda share: tell("days of calls and messages", _DAYS_SHARE * share)  # noqa: E731
    with open_days(engine, lake, settings, wanted, needs, scratch, done) as past:
        clock, tables = Clock(settings.zone), standing(engine, lake)
        here = engine.frame(eligible(tables.lines, engine.rows("snapshots", _as_of(wanted)), clock))
        batches = _batches(wanted, dict(zip(here["as_of_day"], here["lines"], strict=True)), engine.batch_rows)
        for number, batch in enumerate(batches):
            tell("windows and formulas", _DAYS_SHARE + (1 - _DAYS_SHARE) * number / len(batches))
            snapshots = engine.rows("snapshots", _as_of(batch))
            seen = _look_back(past, batch)

            def work() -> Work:
                frame = context(engine, tables, clock, snapshots, past.numbers, reads)  # noqa: B023
                windows, passing = _windows(engine, past, seen, snapshots, needs, frame)  # noqa: B023
                return {"rows": _formulas(engine, windows, passing, needs, catalogue)}

            # Batches of the same tables are the same work.
            key = ("batch", *sorted(seen))
            place = past.place(*key, shifts(clock), [feature.name for feature in catalogue]) if ours else None
            table = engine.arrow(engine.again(key, work, place)["rows"])
            engine.drop("windows_of_lines", "context", "peer_ranks")
            yield _finished(table, [feature.name for feature in catalogue])
    tell("done", 1.0)


def _as_of(days: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"as_of_day": pd.array(days, dtype="int32")})


def _batches(days: list[int], rows: dict[int, int], most: int) -> list[list[int]]:
    """Days in order, put together as long as they have no more than `most` rows."""
    batches: list[list[int]] = []
    held = 0
    for day in days:
        held += rows.get(day, 0)
        if not batches or held > most:
            batches.append([])
            held = rows.get(day, 0)
        batches[-1].append(day)
    return batches


def _look_back(past: Days, batch: list[int]) -> dict[str, tuple[ir.Table, ...]]:
    """The tables that a batch looks back on, by source and what they hold; without those that have no rows then."""
    first, last = batch[0] - LONGEST, batch[-1] - 1
    found: dict[str, tuple[ir.Table, ...]] = {}
    for source in SOURCES:
        if (facts := past.tiles(source, first, last)) is not None:
            found[f"{source}: tiles"] = (facts,)
        if (met := past.met(source, first, last)) is not None:
            found[f"{source}: met"] = met
    return found


def _windows(
    engine: Engine,
    past: Days,
    seen: dict[str, tuple[ir.Table, ...]],
    snapshots: ir.Table,
    needs: list[Need],
    frame: ir.Table,
) -> tuple[ir.Table, list[str]]:
    """Every window beside the lines it belongs to, and the names of the tables it is read from."""
    parts: list[ir.Table] = []
    absent: list[Need] = []
    for source in SOURCES:
        own = [need for need in needs if need.what.source == source]
        counted = [need for need in own if isinstance(need.what, Measure)]
        tiles, met = seen.get(f"{source}: tiles"), seen.get(f"{source}: met")
        if counted and tiles:
            parts += window_sums(engine, source, tiles[0], snapshots, counted)
        present = [need for need in own if isinstance(need.what, Presence)]
        if present and met:
            parts += window_counts(engine, f"{source}_met", met[0], met[1], present, past.kinds[source].columns, snapshots)
        absent += ([] if tiles else counted) + ([] if met else present)
    table = beside(frame, *[(part, _AT) for part in parts])
    passing = [name_of(part) for part in parts]
    return table.mutate(**{need.column: ibis.null("int64") for need in absent}), passing


def _formulas(engine: Engine, windows: ir.Table, passing: list[str], needs: list[Need], catalogue: Sequence[Feature]) -> ir.Table:
    """Every formula over the windows of a batch, yet to be worked out; `passing`: stored tables that are not read after them."""
    stored = engine.store("windows_of_lines", windows)
    engine.drop(*passing)
    filled = engine.view("filled", fill(engine, stored, needs))
    # Peers are all eligible lines, so nothing may be left out of the frame before.
    peered, answers = with_peers(engine, filled, catalogue)
    values = {feature.name: feature.value(peered, answers[feature.name]).cast("float32") for feature in catalogue}
    return engine.view("feature_rows", peered.select("as_of_day", *IDS, **values))


def _finished(rows: pa.Table, features: list[str]) -> pd.DataFrame:
    """Rows in a fixed order, days as dates, the features as one block of float32 (a column each would be copied and copied)."""
    ids = rows.select(["as_of_day", *IDS]).to_pandas()
    order = ids.sort_values(["as_of_day", "line_id"]).index.to_numpy()
    block = np.empty((len(features), len(order)), dtype="float32")
    for number, name in enumerate(features):
        np.take(rows.column(name).to_numpy(), order, out=block[number], mode="clip")  # "raise" would copy it once more
    ids = ids.iloc[order].reset_index(drop=True)
    days = ids.pop("as_of_day")
    dates = {day: pd.Timestamp(day_date(day)) for day in days.unique()}
    ids.insert(0, "as_of", days.map(dates).astype("datetime64[s]"))
    return pd.concat([ids, pd.DataFrame(block.T, columns=features, copy=False)], axis=1)


def missing_features(table: pd.DataFrame, catalogue: Sequence[Feature] = CATALOGUE) -> dict[str, list[str]]:
    """Features without a single value, by the tables or columns they come from: what the input lacks."""
    found: dict[str, list[str]] = {}
    for feature in catalogue:
        if table[feature.name].isna().all():
            found.setdefault(" and ".join(feature.sources), []).append(feature.name)
    return found
