"""What happened after each snapshot: labels, maturity and censoring (DESIGN.md section 4).

Labels are read as of a day too: `until` is a local midnight, and only bans and deactivations known strictly before it exist.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from data_schemas.clock import Clock, day_number
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.engine import Engine
from features.local import open_local
from features.localtime import local_day

DELAY_QUANTILE = 0.99
"""Share of bans that are known within the reporting delay taken from the data."""


@dataclass(frozen=True)
class Outcomes:
    """Bans and deactivations as known strictly before local midnight `until`.

    bans: line_id, day (on which the ban began), known_day (on which the company first knew of it, whatever was corrected since),
    lifted_day (missing where it was not lifted), reason (the carrier's, may be missing). left: line_id, left_day.
    delay: days until a ban is surely known.
    """

    bans: pd.DataFrame
    left: pd.DataFrame
    until: int
    delay: int


def read_outcomes(lake: Lake, settings: Settings, until: int) -> Outcomes:
    """The outcomes known strictly before local midnight `until` (a day number)."""
    with open_local(settings) as engine:
        return outcomes_known(engine, lake, settings, until)


def outcomes_known(engine: Engine, lake: Lake, settings: Settings, until: int) -> Outcomes:
    """The same by an engine that is open already."""
    clock = Clock(settings.zone)
    bans = lake.read(engine.con, "bans").filter(lambda t: (t.day < until) & (t.known_day < until))
    told = bans.group_by("ban_id").aggregate(first_day=bans.known_day.min())  # a correction is no late report
    seen = bans.filter(bans.gone_day.isnull() | (bans.gone_day >= until)).mutate(lifted_day=local_day(bans.lifted_at, clock))
    lifted = ibis.cases((seen.lifted_day < until, seen.lifted_day))
    struck = engine.frame(
        seen.join(told, "ban_id").select("line_id", "day", "reason", known_day=told.first_day, lifted_day=lifted)
    )
    lines = lake.read(engine.con, "lines").mutate(left_day=lambda t: local_day(t.deactivated_at, clock))
    stands = lines.gone_day.isnull() | (lines.gone_day >= until)
    gone = lines.filter(stands & (lines.known_day < until) & lines.left_day.notnull() & (lines.left_day < until))
    left = engine.frame(gone.select("line_id", "left_day"))
    struck = struck.sort_values(["line_id", "day", "known_day"], ignore_index=True)
    return Outcomes(struck, left.drop_duplicates("line_id"), until, _delay(struck, settings))


def _delay(bans: pd.DataFrame, settings: Settings) -> int:
    given = settings.train.reporting_delay_days
    if given is not None:
        return given
    if bans.empty:
        return 0
    late = (bans["known_day"] - bans["day"]).clip(lower=0)  # below 0: corrected to a later day
    return int(np.ceil(np.quantile(late, DELAY_QUANTILE)))


def as_of_days(table: pd.DataFrame) -> np.ndarray:
    """The as_of column of a feature table as local day numbers."""
    return np.array([day_number(stamp.date()) for stamp in table["as_of"].unique()])[pd.factorize(table["as_of"])[0]]


def label_name(horizon: int) -> str:
    """The label column of a horizon."""
    return f"ban_{horizon}d"


def labels(keys: pd.DataFrame, outcomes: Outcomes, horizons: Sequence[int]) -> pd.DataFrame:
    """For each row of `keys` (as_of, line_id) and each horizon h: `ban_{h}d`.

    1: a ban begins in [as_of, as_of + h). 0: none does. NaN: not mature at `until` (even where a ban is known already, for a
    ban is known sooner than that there was none), or censored (the line left within the horizon without a ban).
    """
    day = as_of_days(keys)
    following = _next(keys["line_id"], day, outcomes.bans.rename(columns={"day": "at"}))
    leaving = _next(keys["line_id"], day, outcomes.left.rename(columns={"left_day": "at"}))
    found = {}
    for horizon in horizons:
        end = day + horizon
        value = (following < end).astype("float32")
        value[(leaving < end) & (value == 0)] = np.nan
        value[end + outcomes.delay > outcomes.until] = np.nan
        found[label_name(horizon)] = value
    return pd.DataFrame(found, index=keys.index)


def _next(line: pd.Series, day: np.ndarray, events: pd.DataFrame) -> np.ndarray:
    """The first event day of each line at or after `day`; infinity where there is none."""
    if events.empty:
        return np.full(len(day), np.inf)
    left = pd.DataFrame({"line_id": line.astype(str).to_numpy(), "day": day.astype("int64"), "row": np.arange(len(day))})
    right = pd.DataFrame({"line_id": events["line_id"].astype(str), "at": events["at"].astype("int64")}).sort_values("at")
    joined = pd.merge_asof(left.sort_values("day"), right, left_on="day", right_on="at", by="line_id", direction="forward")
    return joined.sort_values("row")["at"].fillna(np.inf).to_numpy(dtype="float64")


def days_to_ban(keys: pd.DataFrame, outcomes: Outcomes) -> np.ndarray:
    """Days from as_of until the line's next known ban begins; infinity where none is known."""
    day = as_of_days(keys)
    return _next(keys["line_id"], day, outcomes.bans.rename(columns={"day": "at"})) - day
