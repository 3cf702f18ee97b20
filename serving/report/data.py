"""What the ranking shows: the scores of one day beside what the lake and earlier days of this home know of the lines.

Nothing known at or after as_of is read: rows of the lake are taken as they were visible at that midnight, and only
scores of earlier days count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import day_date, day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.local import open_local
from serving.grades import GRADES
from serving.known import Known
from serving.report.extras import Extras, gather
from serving.report.history import DayTotals, History, level_places, read_history, totals_of
from serving.report.scores import PerLine, read_lines
from serving.report.seen import DAYS, WEEKS, Seen
from serving.scored import FLAGGED, LEVELS, forecasts, headline_of, horizons_of, read_summary, trained_until

__all__ = ["DAYS", "FLAGGED", "LEVELS", "WEEKS", "DayTotals", "Ranking", "read_ranking"]
KINDS = ("team", "carrier", "number_pool")
_EMPTY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Ranking:
    """All that the page and the files show.

    lines: one row a scored line, by rank: line_id, rank, level, risk_{h}d, days_to_red (NaN: not within a year, there already,
    or not forecast), reasons and actions (lists of dicts), team, carrier, number_pool (None where not known), since (the day from
    which the line has been at yellow or worse on every scored day, None for green), level_before, risk_before (on the day of
    `previous`, None and NaN where not scored), new (on the list, and not on that of `previous`), up (on both, at a worse level
    now), calls_7d, talk_7d (s), complaints_28d, bans (ever before), and each of GRADES ("A" to "D", None: too little is known).
    details: reasons and actions once more, flat. shown: how many lines, from the top, the page holds.
    previous: the earlier scored day against which changes are told, the nearest to a week before, if there is any.
    cleared: lines that were on its list and are scored green now. gone: lines that were on its list and are not scored any
    more -> level then, worst first; gone_banned: those of them whose ban began since. trend: scored days, earliest first,
    this one last.
    history: the earlier days of `trend`, line by line. calls: (shown, 56) on each of the last 8 weeks' days, earliest first.
    complaints, bans: place of the line, day (0 to 55) and number, for shown lines. summary: what scoring said beside the scores.
    """

    as_of: date
    zone: str
    horizons: tuple[int, ...]
    headline: int
    lines: pd.DataFrame
    details: dict[str, PerLine]
    shown: int
    totals: DayTotals
    previous: DayTotals | None
    new: int
    up: int
    cleared: list[str]
    gone: dict[str, str]
    gone_banned: set[str]
    trend: list[DayTotals]
    history: History
    calls: np.ndarray
    complaints: tuple[np.ndarray, np.ndarray, np.ndarray] = (_EMPTY, _EMPTY, _EMPTY)
    bans: tuple[np.ndarray, np.ndarray, np.ndarray] = (_EMPTY, _EMPTY, _EMPTY)
    summary: dict[str, Any] = field(default_factory=dict)
    extras: Extras = field(default_factory=Extras)

    @property
    def risk(self) -> str:
        """The column of the headline risk."""
        return f"risk_{self.headline}d"

    @property
    def model_version(self) -> str:
        """The model that scored the day; empty when there are no lines."""
        return _version(self.lines)

    @property
    def forecasts(self) -> bool:
        """Whether the risks forecast bans. The rule's do not: nothing is to be summed up, ranged or promised from them."""
        return forecasts(self.model_version)

    @property
    def data_fingerprint(self) -> str:
        """Fingerprint of the data that were scored; empty when there are no lines."""
        return str(self.lines["data_fingerprint"].iloc[0]) if len(self.lines) else ""

    @property
    def trained_until(self) -> str | None:
        """The model learnt from what was known before this day; None for the rule, and where the summary does not say."""
        return trained_until(self.summary) if self.forecasts else None


def read_ranking(home: Home, settings: Settings, as_of: date, lake: Lake, scores: Path | None = None) -> Ranking:
    """Gather everything the ranking of one day shows; the page holds the top `settings.report.most_lines` lines.

    Raises BadInput when the day has no scores or the file is not one of scores.
    """
    path = scores or home.scores_file(as_of)
    if not path.exists():
        raise BadInput(f"{path}: no scores of {as_of}; run `bancast score --as-of {as_of} --home {home.root}` first")
    lines, details = read_lines(path)
    summary = read_summary(path)
    horizons = horizons_of(lines.columns)
    headline = headline_of(horizons, settings)
    shown = min(len(lines), settings.report.most_lines)
    history = read_history(home, as_of, lines, headline)
    with open_local(settings, home.scratch) as engine:
        known = Known(engine, lake, day_number(as_of))
        seen = Seen(known)
        lines = _known_of(lines, seen)
        top = lines["line_id"].head(shown)
        calls, complaints, bans = seen.daily(top), seen.counts("complaints", top), seen.counts("bans", top)
        banned = seen.banned_since(day_number(history.previous.as_of)) if history.previous else set()
        extras = gather(home, known, settings, lines, as_of)
    return assemble(
        as_of=as_of,
        zone=settings.zone,
        horizons=horizons,
        headline=headline,
        lines=lines,
        details=details,
        shown=shown,
        history=history,
        calls=calls,
        complaints=complaints,
        bans=bans,
        gone_banned=banned & set(history.gone),
        summary=summary,
        extras=extras,
    )


def assemble(*, lines: pd.DataFrame, history: History, extras: Extras, **rest: Any) -> Ranking:
    """A ranking from its parts: what follows from lines and earlier days is worked out here. See Ranking for each."""
    as_of, details = rest["as_of"], rest["details"]
    level = level_places(lines["level"])
    listed = (level >= 0) & (level < len(FLAGGED))
    was_listed = (history.level >= 0) & (history.level < len(FLAGGED))
    day = {int(number): day_date(number) for number in np.unique(history.since)}
    since = [day[number] if on else None for number, on in zip(history.since.tolist(), listed.tolist(), strict=True)]
    words = np.array([*LEVELS, None], dtype=object)
    lines = lines.assign(
        since=pd.Series(since, dtype=object, index=lines.index),
        level_before=pd.Series(words[history.level], dtype=object, index=lines.index),
        risk_before=history.risk,
        new=listed & ~was_listed & (history.previous is not None),
        up=listed & was_listed & (level < history.level),
        **{name: pd.Series(details[name].lists(), dtype=object, index=lines.index) for name in details},
    )
    days = lines["days_to_red"] if "days_to_red" in lines else pd.Series(np.nan, index=lines.index)
    lines["days_to_red"] = days.where((lines["level"] != "red") & (days > 0) & forecasts(_version(lines)))
    if extras.grades is not None:
        lines = lines.merge(extras.grades, on="line_id", how="left")
    for name in GRADES:
        lines[name] = lines[name].astype(object).where(lines[name].notna(), None) if name in lines else None
    totals = totals_of(as_of, level, lines[f"risk_{rest['headline']}d"].to_numpy(), _version(lines))
    return Ranking(
        lines=lines,
        history=history,
        extras=extras,
        totals=totals,
        previous=history.previous,
        new=int(lines["new"].sum()),
        up=int(lines["up"].sum()),
        cleared=sorted(lines.loc[was_listed & ~listed, "line_id"].astype(str)),
        gone=history.gone,
        trend=[*history.days, totals],
        **rest,
    )


def _version(lines: pd.DataFrame) -> str:
    return str(lines["model_version"].iloc[0]) if len(lines) else ""


def _known_of(lines: pd.DataFrame, seen: Seen) -> pd.DataFrame:
    """The lines with what the lake knows of them."""
    lines = lines.merge(seen.lines(), on="line_id", how="left")
    for name in KINDS:
        lines[name] = lines[name].astype(object).where(lines[name].notna(), None)
    lines = lines.merge(seen.recent(), on="line_id", how="left")
    for name in ("calls_7d", "talk_7d", "complaints_28d", "bans"):
        lines[name] = lines[name].fillna(0).astype("int64")
    return lines
