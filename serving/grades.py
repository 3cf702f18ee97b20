"""The report card of a line: four grades, A to D, of how it behaved in the 28 days before a midnight.

A grade sums up behaviour for people. It is no input of the model, and no risk: a line of good grades can be banned.

- maturity: how long ago the line was activated, and on how many days it called, by fixed limits (AGES, CALL_DAYS).
- connection: the share of calls answered. engagement: talk time per answered call, and the share of these hung up within 5 s.
  sentiment: complaints per call, and the share of calls refused. Each is held against what is usual for the carrier, all calls of
  all of its lines together, by fixed limits (LIMITS): A is at least a quarter better than usual, D not half as good.

So nobody has to be last: where all lines of a carrier do equally well, all have a B. Luck earns no A: the rate of a line is drawn
to its carrier's, as by so many more events at the carrier's rate (_Measure.weight). A grade of two measures is that of the weaker
one, or of the only one that is known.

There is no grade where the data are thin: fewer than LEAST calls (answered calls for engagement), or a measure that is not
recorded. A carrier of whose lines nothing of the kind was ever seen in the 28 days counts as one that does not record it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from features.measures import ANSWERED, CALLS, SHORT, TALK
from features.quality import REFUSED
from models.pages.texts import N_
from serving.known import Known

DAYS = 28
"""Days of calls and complaints that are graded."""
LEAST = 30
"""Calls that a grade takes at least."""
LETTERS = ("A", "B", "C", "D")
LIMITS = (1.25, 0.8, 0.5)
"""How many times as good as usual for the carrier a line must be at least for an A, a B, a C."""
AGES = (180, 90, 30)
"""Days since activation for an A, a B, a C."""
CALL_DAYS = (12, 8, 4)
"""Days with calls among the last 28 for an A, a B, a C."""


@dataclass(frozen=True)
class Grade:
    """What a grade tells, as msgids. letters: what each letter means."""

    label: str
    about: str
    letters: Mapping[str, str]


_AGAINST_USUAL = {
    "A": N_("at least a quarter better than usual for the carrier"),
    "B": N_("as usual for the carrier"),
    "C": N_("worse than usual for the carrier"),
    "D": N_("not half as good as usual for the carrier"),
}
GRADES = {
    "maturity": Grade(
        N_("Maturity"),
        N_("How old the line is, and on how many of the last 28 days it called"),
        {
            "A": N_("active for 180 days or more, calls on 12 days or more"),
            "B": N_("active for 90 days or more, calls on 8 days or more"),
            "C": N_("active for 30 days or more, calls on 4 days or more"),
            "D": N_("younger, or calls on fewer days"),
        },
    ),
    "connection": Grade(N_("Connection"), N_("How many of its calls are answered"), _AGAINST_USUAL),
    "engagement": Grade(N_("Engagement"), N_("How long people talk, and how many hang up within 5 s"), _AGAINST_USUAL),
    "sentiment": Grade(N_("Sentiment"), N_("How many people complain or refuse the call"), _AGAINST_USUAL),
}
"""The four grades, in order, with what each means."""


@dataclass(frozen=True)
class _Measure:
    """A rate of a line, `part` of `whole` (columns of _counts).

    weight: events at the carrier's rate that are added, of `part` where it is `counted`, of `whole` where not (talk time).
    good: whether more is better.
    """

    grade: str
    part: str
    whole: str
    weight: float
    good: bool
    counted: bool = True


_MEASURES = (
    _Measure("connection", "answered", "calls", 20, good=True),
    _Measure("engagement", "talk_ms", "answered", 40, good=True, counted=False),
    _Measure("engagement", "short_calls", "answered", 20, good=False),
    _Measure("sentiment", "complaints", "calls", 4, good=False),
    _Measure("sentiment", "refused", "judged", 20, good=False),
)


def grades(known: Known) -> pd.DataFrame:
    """The grades of every line known at the midnight: line_id, and a column for each of GRADES, "A" to "D" or None."""
    lines = _counts(known)
    age = known.day - lines["day"].to_numpy(float)
    points = {"maturity": [_points(age, AGES), _points(lines["days"].to_numpy(float), CALL_DAYS)]}
    for measure in _MEASURES:
        points.setdefault(measure.grade, []).append(_points(_against_usual(lines, measure), LIMITS))
    enough = (lines["calls"] >= LEAST).to_numpy()
    letters = np.array([*LETTERS, None], dtype=object)
    found = lines[["line_id"]].copy()
    for name in GRADES:
        worst = np.fmax.reduce(points[name])
        chosen = letters[np.where(enough & ~np.isnan(worst), worst, len(LETTERS)).astype(int)]
        found[name] = pd.Series(chosen, dtype=object, index=found.index)
    return found


def _points(value: np.ndarray, limits: tuple[float, ...]) -> np.ndarray:
    """0 for an A to 3 for a D, by the least value of each; NaN where there is no value."""
    return np.where(np.isnan(value), np.nan, np.sum([~(value >= limit) for limit in limits], axis=0))


def _against_usual(lines: pd.DataFrame, measure: _Measure) -> np.ndarray:
    """How many times as good as usual for its carrier each line is; NaN where data are thin or nothing tells what is usual."""
    part, whole = lines[measure.part].to_numpy(float), lines[measure.whole].to_numpy(float)
    totals = lines.groupby("carrier")[[measure.part, measure.whole]].transform("sum").to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        usual = totals[:, 0] / totals[:, 1]
        due = whole * usual
        weight = measure.weight * (1.0 if measure.counted else usual)
        times = np.where((whole >= LEAST) & (usual > 0), (part + weight) / (due + weight), np.nan)
    return times if measure.good else 1 / times


def _counts(known: Known) -> pd.DataFrame:
    """One row a line by line_id: line_id, carrier, day (activated), days (with calls), and counts of the 28 days.

    calls, answered, talk_ms, short_calls (hung up within 5 s), judged (calls whose end is recorded), refused, complaints.
    """
    first = known.day - DAYS
    lines = known.engine.frame(known.lines().select("line_id", "carrier", "day")).sort_values("line_id")
    calls = known.rows("calls", first)
    calls = calls.mutate(duration_ms=(calls.duration_s * 1000).round().cast("int64"), disposition=calls.disposition.lower())
    sums = {
        measure.name: measure.row(calls).cast("int64").sum()
        for measure in (CALLS, ANSWERED, TALK, SHORT, REFUSED)
        if measure.row is not None
    }
    # A bit a day: groups by line alone take less than half the time and memory of groups by line and day.
    days = (ibis.literal(1, "int64") << (calls.day - first).cast("int64")).bit_or()
    called = calls.group_by("line_id").aggregate(days=days, judged=calls.disposition.count(), **sums)
    complaints = known.rows("complaints", first)
    complained = complaints.group_by("line_id").aggregate(complaints=complaints.count())
    for part in (called, complained):
        lines = lines.merge(known.engine.frame(part), on="line_id", how="left")
    counts = ["days", "judged", *sums, "complaints"]
    lines[counts] = lines[counts].astype("float64").fillna(0.0)
    return lines.assign(days=np.bitwise_count(lines["days"].to_numpy("int64"))).reset_index(drop=True)
