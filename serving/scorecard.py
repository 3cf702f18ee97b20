"""What the list of each past week said and what came: hits, misses, false alarms, days of warning.

Week k before as_of begins 7 k days before it; its list is that of the latest day scored at its beginning or in the 7 days before.
The list of day d is judged by the bans that began in [d, d + 7), as they were known strictly before as_of. It flagged the lines
at red, orange or yellow. Each line of a week is one of:

- hit: flagged, and a ban began; miss: scored, not flagged, and a ban began; false alarm: flagged, and no ban began;
- censored: flagged, and given up within the week without a ban: nobody knows what would have come;
- late: flagged, but under a ban already that began before d and first became known on d or later: the list came too late to warn;
- unscored: a ban began, and the list did not have the line at all (it was new, say).

precision = hits / (hits + false alarms), recall = hits / (hits + misses). A week is final when every ban of it is surely known,
by the reporting delay that labels go by (models.labels). Days of warning of a hit: from the first day of its unbroken run on
the lists of scored days to the day of the ban; a run begins anew after an earlier ban.

A list is hindsight when its model has learnt from days after it (scores of a past day that were made later): nobody had it then.
Such weeks are marked; where there are others too, they stay out of the total and give no days of warning to those.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import day_date, day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from models.labels import Outcomes, outcomes_known
from models.pages.texts import N_
from serving.known import Known
from serving.scored import (
    FLAGGED,
    LEVELS,
    among_listed,
    earlier_days,
    forecasts,
    headline_of,
    horizons_of,
    made_later,
    read_scores,
)

DAYS = 7
"""Days by which a list is judged."""
SHOWN = 100
"""Lines of last week's list that are named at most, of each kind."""
NO_LISTS = N_("There is no list of an earlier week to judge yet.")
HINDSIGHT = N_(
    "Weeks marked † or “scored later” come from a model that had already learnt from what followed: no one had these lists then."
)
RESCALED = N_(
    "Some lists have no risk over 7 days: theirs is worked out from another horizon, as if each day of it were as risky."
)
RULE = N_("Lists by the rule rank the lines and do not forecast a number of bans.")
SHARED_DAYS = N_("Some lists lie less than 7 days apart: a ban on a day that both cover counts for each.")
_COUNTS = ("scored", "flagged", "red", "bans", "hits", "misses", "false_alarms", "censored", "late", "unscored")


@dataclass(frozen=True)
class _Week:
    """One list against what came.

    lines: flagged or banned lines that were scored: line_id, level, rank, risk, banned (day number or NaN), kind. counts: by
    the names of _COUNTS. expected: bans, None where the list forecasts none. rescaled: risks are not those of 7 days.
    """

    day: int
    lines: pd.DataFrame
    counts: dict[str, int]
    expected: float | None
    rescaled: bool
    final: bool
    hindsight: bool

    def of(self, kind: str) -> pd.DataFrame:
        """The rows of `lines` of one kind."""
        return self.lines[self.lines["kind"] == kind]


def scorecard(home: Home, known: Known, settings: Settings, as_of: date, weeks: int = 12) -> dict[str, Any]:
    """The lists of the `weeks` weeks before as_of, judged by what was known strictly before it; plain JSON values.

    days: 7. weeks: one entry a week that has a list, earliest first: as_of (day of the list), until (exclusive), scored,
    flagged, red, bans (lines whose ban began: hits + misses + unscored), hits, misses, false_alarms, censored, late, unscored
    (lines), precision and recall (None where nothing is to divide by), expected (bans: the sum of all lines' risks over 7 days;
    None for the rule), warning (quartiles of the hits' days, or None), red_alone (hits, false_alarms, precision, recall when red
    lines alone count as flagged), final, hindsight.
    total: the same over these weeks, with how many they are; None without any. without_list: weeks that have none.
    last: the week before as_of with its lines, hits, misses and false alarms by rank, SHOWN of each at most; None where it has
    no list. more: how many lines `last` leaves out. notes: what to know beside it (msgids, the weightiest first); note: the
    first. Raises BadInput when a file of scores cannot be read.
    """
    end = day_number(as_of)
    outcomes = outcomes_known(known.engine, known.lake, settings, end)
    scored = [day_number(day) for day in earlier_days(home, as_of)]
    lists = _lists(scored, end, weeks)
    judged = [_judge(home, lists[week], settings, outcomes) for week in sorted(lists, reverse=True)]
    warning = _warning(home, scored, judged, outcomes.bans)
    honest = [week for week in judged if not week.hindsight] or judged
    notes = _notes(judged)
    named, more = _named(judged[-1], warning) if 1 in lists else (None, {"hits": 0, "misses": 0, "false_alarms": 0})
    return {
        "days": DAYS,
        "weeks": [{**_span(week), **_told([week], warning), "hindsight": week.hindsight} for week in judged],
        "total": {"weeks": len(honest), **_told(honest, warning), "hindsight": honest[0].hindsight} if honest else None,
        "without_list": weeks - len(lists),
        "last": named,
        "more": more,
        "notes": notes,
        "note": notes[0] if notes else None,
    }


def _lists(scored: list[int], end: int, weeks: int) -> dict[int, int]:
    """Week k -> the day of its list, for the weeks that have one. scored: day numbers, latest first."""
    found = {}
    for week in range(1, weeks + 1):
        start = end - DAYS * week
        day = next((day for day in scored if day <= start), None)
        if day is not None and day > start - DAYS:
            found[week] = day
    return found


def _judge(home: Home, day: int, settings: Settings, outcomes: Outcomes) -> _Week:
    """The list of a day against what came in the 7 days from it."""
    lines, rescaled = _read(home, day, settings)
    bans, left = outcomes.bans, outcomes.left
    began = bans[bans["day"].between(day, day + DAYS - 1)].groupby("line_id")["day"].min()
    standing = (bans["day"] < day) & ~(bans["lifted_day"] < day)
    under = bans.loc[standing & (bans["known_day"] >= day), "line_id"]
    gone = left.loc[left["left_day"].between(day, day + DAYS - 1), "line_id"]
    flagged = lines["level"].isin(FLAGGED)
    banned = lines["line_id"].map(began).astype("float64")
    kind = np.select(
        [banned.notna() & flagged, banned.notna(), ~flagged, lines["line_id"].isin(under), lines["line_id"].isin(gone)],
        ["hit", "miss", "", "late", "censored"],
        "false_alarm",
    )
    count = {name: int((kind == name).sum()) for name in ("hit", "miss", "false_alarm", "censored", "late")}
    counts = {
        "scored": len(lines),
        "flagged": int(flagged.sum()),
        "red": int((lines["level"] == LEVELS[0]).sum()),
        "bans": len(began),
        "hits": count["hit"],
        "misses": count["miss"],
        "false_alarms": count["false_alarm"],
        "censored": count["censored"],
        "late": count["late"],
        "unscored": len(began) - count["hit"] - count["miss"],
    }
    rule = len(lines) > 0 and not forecasts(str(lines["model_version"].iloc[0]))
    return _Week(
        day,
        lines.assign(banned=banned, kind=kind)[kind != ""].drop(columns="model_version"),
        counts,
        None if rule else float(lines["risk"].sum()),
        rescaled,
        day + DAYS + outcomes.delay <= outcomes.until,
        made_later(home, day_date(day)),
    )


def _read(home: Home, day: int, settings: Settings) -> tuple[pd.DataFrame, bool]:
    """line_id, level, rank, risk (over 7 days), model_version of a scored day; whether the risk is from another horizon.

    Then of the headline's where the file has it, of the longest where not, with a constant hazard over it.
    """
    lines = read_scores(home.scores_file(day_date(day)), ("line_id", "level", "rank", "model_version"), risks=True)
    horizons = horizons_of(lines.columns)
    horizon = DAYS if DAYS in horizons else headline_of(horizons, settings)
    risk = lines[f"risk_{horizon}d"].to_numpy(float)
    if horizon != DAYS:
        risk = 1 - (1 - risk) ** (DAYS / horizon)
    return lines[["line_id", "level", "rank", "model_version"]].assign(risk=risk), horizon != DAYS


def _warning(home: Home, scored: list[int], weeks: list[_Week], bans: pd.DataFrame) -> dict[int, np.ndarray]:
    """Day of a list -> days of warning of each of its hits. One walk back over the scored days, as far as a run goes on."""
    if not weeks:
        return {}
    hits = pd.concat([week.of("hit").assign(list=week.day) for week in weeks])
    code, lines = pd.factorize(hits["line_id"])
    wanted, lists = pa.array(lines, pa.string()), hits["list"].to_numpy()
    honest = ~np.isin(lists, [week.day for week in weeks if week.hindsight])
    since, running = lists.copy(), np.ones(len(hits), dtype=bool)
    for day in scored:
        due = running & (lists > day)
        if due.any():
            listed = among_listed(home.scores_file(day_date(day)), wanted)[code]
            due &= listed & ~(honest & made_later(home, day_date(day)))
            running &= due | (lists <= day)
            since[due] = day
    before = _last_ban(hits, bans)
    ascending = np.array(scored[::-1])
    since = np.maximum(since, ascending[np.searchsorted(ascending, before, side="right")])
    days = hits["banned"].to_numpy() - since
    return {week.day: days[lists == week.day] for week in weeks}


def _last_ban(hits: pd.DataFrame, bans: pd.DataFrame) -> np.ndarray:
    """The day of the last ban of each hit's line before its list (hits: line_id, list); far in the past where there is none."""
    left = pd.DataFrame({"line_id": hits["line_id"].astype(str), "list": hits["list"].astype("int64"), "place": range(len(hits))})
    right = bans[["line_id", "day"]].astype({"line_id": str, "day": "int64"}).sort_values("day")
    left = left.sort_values("list")
    found = pd.merge_asof(left, right, left_on="list", right_on="day", by="line_id", allow_exact_matches=False)
    return found.sort_values("place")["day"].fillna(-np.inf).to_numpy(float)


def _told(weeks: list[_Week], warning: dict[int, np.ndarray]) -> dict[str, Any]:
    """What is told of one week or of several together."""
    counts = {name: sum(week.counts[name] for week in weeks) for name in _COUNTS}
    expected = [week.expected for week in weeks if week.expected is not None]
    days = np.concatenate([warning[week.day] for week in weeks])
    red = pd.concat([week.lines.loc[week.lines["level"] == LEVELS[0], "kind"] for week in weeks]).value_counts()
    banned = counts["hits"] + counts["misses"]
    return {
        **counts,
        **_quality(counts["hits"], counts["false_alarms"], banned),
        "expected": float(sum(expected)) if len(expected) == len(weeks) else None,
        "warning": [float(day) for day in np.quantile(days, (0.25, 0.5, 0.75))] if len(days) else None,
        "red_alone": {
            "hits": int(red.get("hit", 0)),
            "false_alarms": int(red.get("false_alarm", 0)),
            **_quality(int(red.get("hit", 0)), int(red.get("false_alarm", 0)), banned),
        },
        "final": all(week.final for week in weeks),
    }


def _quality(hits: int, false_alarms: int, banned: int) -> dict[str, float | None]:
    flagged = hits + false_alarms
    return {"precision": hits / flagged if flagged else None, "recall": hits / banned if banned else None}


def _span(week: _Week) -> dict[str, str]:
    return {"as_of": day_date(week.day).isoformat(), "until": day_date(week.day + DAYS).isoformat()}


def _named(week: _Week, warning: dict[int, np.ndarray]) -> tuple[dict[str, Any], dict[str, int]]:
    """The lines of a week by name, and how many of each kind are left out."""
    named: dict[str, Any] = {**_span(week), "final": week.final, "hindsight": week.hindsight}
    more = {}
    for name, lines in (
        ("hits", week.of("hit").assign(days=warning[week.day])),
        ("misses", week.of("miss")),
        ("false_alarms", week.of("false_alarm")),
    ):
        named[name] = [_line(row) for _, row in lines.nsmallest(SHOWN, "rank").iterrows()]
        more[name] = max(0, len(lines) - SHOWN)
    return named, more


def _line(row: pd.Series) -> dict[str, Any]:
    """One line of a list: line_id, level, rank, risk; banned (date) and days of warning where it has them."""
    told = {"line_id": str(row["line_id"]), "level": row["level"], "rank": int(row["rank"]), "risk": float(row["risk"])}
    if not np.isnan(row["banned"]):
        told["banned"] = day_date(row["banned"]).isoformat()
    if "days" in row:
        told["days"] = int(row["days"])
    return told


def _notes(weeks: list[_Week]) -> list[str]:
    """What a reader must know of these weeks, earliest first."""
    if not weeks:
        return [NO_LISTS]
    days = np.array([week.day for week in weeks])
    found = {
        HINDSIGHT: any(week.hindsight for week in weeks),
        RULE: any(week.expected is None for week in weeks),
        RESCALED: any(week.rescaled for week in weeks),
        SHARED_DAYS: bool((np.diff(days) < DAYS).any()),
    }
    return [note for note, holds in found.items() if holds]
