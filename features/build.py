"""The feature table: from the lake to one row an eligible line and as_of day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import Clock, day_date
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.carried import Carried, Held
from features.catalogue import CATALOGUE
from features.context import PASSING, Standing, context, eligible, standing
from features.engine import Engine, Work, open_engine
from features.feature import LONGEST, Feature, Need
from features.localtime import shifts
from features.lookback import Lookback
from features.peers import PASSING as WITH_PEERS
from features.peers import with_peers
from features.refresh import Days, open_days
from features.windows import with_longest

IDS = ("line_id", "carrier", "number_pool", "team")
"""What stands beside the features in each row, after as_of."""
SOURCES = ("calls", "complaints", "messages")
_DAYS_SHARE = 0.6
"""Share of the time that goes into the days when all of them are worked out."""
Progress = Callable[[str, float], None]
T = TypeVar("T")


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

    The days looked back on are worked out once, and kept for later builds (see `kept`). A part has no more rows than the engine's
    memory is meant for, or one day: memory does not grow with the number of days.
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
    asked = _Asked(catalogue)
    tell("days of calls and messages", 0.0)
    done = lambda share: tell("days of calls and messages", _DAYS_SHARE * share)  # noqa: E731
    with open_days(engine, lake, settings, wanted, asked.needs, scratch, done) as past:
        clock, tables = Clock(settings.zone), standing(engine, lake)
        batches = [wanted]
        if len(wanted) > 1:
            here = engine.frame(eligible(tables.lines, engine.rows("snapshots", _as_of(wanted)), clock))
            most = int(engine.batch_rows * settings.memory_gb)
            batches = _batches(wanted, dict(zip(here["as_of_day"], here["lines"], strict=True)), most)
        carried = engine.carried(wanted, past.numbers) if len(batches) > 1 else None
        for number, batch in enumerate(batches):
            tell("windows and formulas", _DAYS_SHARE + (1 - _DAYS_SHARE) * number / len(batches))
            # Nothing here holds on to a part, nor to what it is made of, while the next one is made.
            yield _part(engine, past, tables, clock, asked, batch, carried)
    tell("done", 1.0)


class _Asked:
    """What the features of a catalogue read, and whether they are all of this code's: then statements are kept for them."""

    def __init__(self, catalogue: Sequence[Feature]) -> None:
        asked = [feature.asked for feature in catalogue]
        self.catalogue, self.names = catalogue, [feature.name for feature in catalogue]
        self.needs = with_longest({need for one in asked for need in one.needs})
        self.reads = {column for one in asked for column in one.reads}
        known = {id(feature) for feature in CATALOGUE}
        self.ours = all(id(feature) in known for feature in catalogue)


def _part(
    engine: Engine, past: Days, tables: Standing, clock: Clock, asked: _Asked, batch: list[int], carried: Carried | None
) -> pd.DataFrame:
    """The rows of some as_of days. carried: what parts hand on to each other."""
    snapshots = engine.rows("snapshots", _as_of(batch))
    seen = _look_back(past, batch, asked.needs, carried)
    made_of = (shifts(clock), asked.names)
    there = [(one.source, one.tiles is not None, one.met is not None) for one in seen]

    def run(name: str, work: Callable[[], Work]) -> Work:
        key = (name, *there)  # batches of the same tables are the same work
        return engine.again(key, work, past.place(*key, *made_of) if asked.ours else None)

    def windows() -> Work:
        return engine.looked_back(context(engine, tables, clock, snapshots, past.numbers, asked.reads), seen, snapshots)

    table = engine.with_windows("windows_of_lines", run("windows", windows), seen, batch, carried)
    engine.drop(*PASSING)
    rows = run("formulas", lambda: {"rows": _formulas(engine, table, asked.catalogue)})["rows"]
    values = engine.arrow(rows)
    engine.drop("windows_of_lines", *WITH_PEERS)
    return _finished(values, asked.names)


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


def _look_back(past: Days, batch: list[int], needs: Sequence[Need], carried: Carried | None) -> list[Lookback]:
    """What a batch looks back on and earlier ones have not handed on, by event table."""
    first, last = batch[0] - LONGEST, batch[-1] - 1

    def read(held: Held | None, days: Callable[[int], T | None]) -> T | None:
        """Rows from the first day on that are not held, which `days` gives."""
        found = days(held.since(first) if held else first)
        if found is None and held:
            held.forget()
            found = days(first)
        return found

    found = []
    for source in SOURCES:
        own = [need for need in needs if need.what.source == source]
        sums, facts = (carried.of(source, part) if carried else None for part in ("sums", "facts"))
        tiles = read(sums, partial(past.tiles, source, last=last))
        met = read(facts, partial(past.met, source, first, last))
        found.append(Lookback(source, own, tiles, met, past.kinds[source].columns))
    return found


def _formulas(engine: Engine, windows: ir.Table, catalogue: Sequence[Feature]) -> ir.Table:
    """Every formula over the windows of a batch's lines, yet to be worked out."""
    # Peers are all eligible lines, so nothing may be left out of the frame before.
    peered, answers = with_peers(engine, windows, catalogue)
    values = {feature.name: feature.value(peered, answers[feature.name]).cast("float32") for feature in catalogue}
    return engine.once("feature_rows", peered.select("as_of_day", *IDS, **values))


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


def missing_features(
    table: pd.DataFrame, catalogue: Sequence[Feature] = CATALOGUE, lake: Lake | None = None
) -> dict[str, list[str]]:
    """Features without a single value, by the tables or columns they come from: what the input lacks.

    lake: where given, only what it was never given is lacking; a feature of sources that are there may well be empty on a day.
    """
    found: dict[str, list[str]] = {}
    for feature in catalogue:
        sources = [source for source in feature.sources if lake is None or not _given(lake, source)]
        if sources and table[feature.name].isna().all():
            found.setdefault(" and ".join(sources), []).append(feature.name)
    return found


def _given(lake: Lake, source: str) -> bool:
    """Whether a table, or a column as table.column, was ever given."""
    table, _, column = source.partition(".")
    return column in lake.present_columns(table) if column else lake.has(table)
