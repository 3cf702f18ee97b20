"""Which bans are candidates for an appeal: the line's risk before was low, and what it did kept the limits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.appeals.bans import SCORED, open_bans, with_scores
from serving.appeals.counts import DAYS, Counts, count
from serving.known import Known
from serving.scored import forecasts

POINTS = ("risk", "daily_calls", "hourly_calls", "off_hours", "complaints", "complainers")


@dataclass(frozen=True)
class Point:
    """One point of evidence.

    value, limit: risk and off_hours as shares, complaints per 1,000 calls, the others in calls; None where not known.
    since: the day from which a carrier's published limit has been in force; None for a limit of another source.
    holds: whether the value is within the limit; None where it cannot be known, which speaks neither for nor against the line.
    """

    name: str
    value: float | None
    limit: float | None
    since: date | None
    holds: bool | None


@dataclass(frozen=True)
class Judged:
    """A ban with the evidence on its line.

    banned_at: UTC, without zone; banned: its local day. reason: in the carrier's words. verified: whether the registrant was.
    level, risk, rank, scored, model_version: of the line's last score before the ban, None where there is none.
    hindrances: why the ban itself is none to appeal against (see HINDRANCES in serving.appeals.content).
    daily: one row a day of the window, the ban's own last: day, calls, busiest_hour, off_hours, and the limits of that day.
    hourly: calls and off_hours of each hour with calls. channels: complaints by channel (None where not said).
    """

    ban_id: str
    line_id: str
    carrier: str | None
    team: str | None
    banned_at: datetime
    banned: date
    reason: str | None
    activated: date | None
    verified: bool | None
    level: str | None
    risk: float | None
    rank: int | None
    scored: date | None
    model_version: str | None
    hindrances: tuple[str, ...]
    points: tuple[Point, ...]
    daily: pd.DataFrame
    hourly: pd.DataFrame
    channels: dict[str | None, int]

    @property
    def candidate(self) -> bool:
        """Whether nothing speaks against an appeal."""
        return not self.hindrances and all(point.holds is not False for point in self.points)

    @property
    def estimate(self) -> float | None:
        """The risk as an estimate to show the carrier; None where there is none, as the rule's was learnt from no ban."""
        return self.risk if forecasts(self.model_version or "") else None


def candidates(home: Home, known: Known, settings: Settings, taken: Collection[str] = ()) -> list[Judged]:
    """The candidates for an appeal as they were known, lowest risk first. taken: ban ids that have a case already."""
    bans = open_bans(known, settings)
    bans = bans[bans["carrier"].notna() & ~bans["ban_id"].isin(list(taken))]
    if bans.empty:
        return []
    bans = with_scores(home, settings, bans)
    bans = bans[_low(settings, bans)]
    found = [one for one in weigh(known, settings, bans, taken) if one.candidate]
    return sorted(found, key=lambda one: (one.risk, one.banned_at, one.ban_id))


def judge(home: Home, known: Known, settings: Settings, line_or_ban: str, taken: Collection[str] = ()) -> list[Judged]:
    """Every known ban of a line, or the ban of that id, with what speaks for and against an appeal; earliest first."""
    bans = open_bans(known, settings, line_or_ban)
    return weigh(known, settings, with_scores(home, settings, bans), taken) if len(bans) else []


def _low(settings: Settings, bans: pd.DataFrame) -> pd.Series:
    risk = bans["risk"].astype("float64")
    return (bans["level"] == "green") | (risk < settings.levels.yellow)


def weigh(known: Known, settings: Settings, bans: pd.DataFrame, taken: Collection[str] = ()) -> list[Judged]:
    """The evidence on each of these bans (as `with_scores` gives them), in their order; all are counted in one pass."""
    if bans.empty:
        return []
    counts = count(known, settings, bans)
    low = _low(settings, bans)
    parts = {name: dict(list(frame.groupby("ban_id"))) for name, frame in vars(counts).items() if name in _BY_BAN}
    held = counts.limits.set_index(["carrier", "day"]).sort_index()
    found = []
    for place, is_low in enumerate(low):
        ban: dict[str, Any] = {str(name): bans[name].iloc[place] for name in bans}
        own = {name: part.get(ban["ban_id"], getattr(counts, name).head(0)) for name, part in parts.items()}
        days = range(ban["banned_day"] - DAYS, ban["banned_day"] + 1)
        keys = pd.MultiIndex.from_tuples([(ban["carrier"] or "", day) for day in days])
        rules = held.reindex(keys).droplevel(0)
        daily = rules.join(own["daily"].set_index("day")[["calls", "busiest_hour", "off_hours"]])
        daily = daily.fillna({"calls": 0, "busiest_hour": 0, "off_hours": 0}).rename_axis("day").reset_index()
        found.append(_one(known, settings, ban, bool(is_low), daily, own, counts, taken))
    return found


_BY_BAN = ("daily", "hourly", "channels")


def _one(
    known: Known,
    settings: Settings,
    ban: dict[str, Any],
    low: bool,
    daily: pd.DataFrame,
    own: dict[str, pd.DataFrame],
    counts: Counts,
    taken: Collection[str],
) -> Judged:
    hindrances = [
        name
        for name, there in (
            ("unknown_line", ban["carrier"] is None),
            ("old", ban["banned_day"] < known.day - settings.appeals.within_days),
            ("lifted", ban["lifted"]),
            ("appealed", ban["appealed"]),
            ("case", ban["ban_id"] in taken),
            ("no_score", pd.isna(ban["risk"])),
        )
        if there
    ]
    score = {name: None if pd.isna(ban[name]) else ban[name] for name in SCORED}
    return Judged(
        **{name: ban[name] for name in ("ban_id", "line_id", "carrier", "team", "reason")},
        banned_at=ban["banned_at"].to_pydatetime(),
        banned=day_date(ban["banned_day"]),
        activated=None if pd.isna(ban["activated_day"]) else day_date(ban["activated_day"]),
        verified=None if ban["verified"] is None else bool(ban["verified"]),
        level=score["level"],
        risk=None if score["risk"] is None else float(score["risk"]),
        rank=None if score["rank"] is None else int(score["rank"]),
        scored=None if score["scored_day"] is None else day_date(score["scored_day"]),
        model_version=score["model_version"],
        hindrances=tuple(hindrances),
        points=tuple(_points(settings, ban, low, daily, own, counts)),
        daily=daily,
        hourly=own["hourly"],
        channels=dict(zip(own["channels"]["channel"], own["channels"]["complaints"].astype(int), strict=True)),
    )


def _points(
    settings: Settings, ban: dict[str, Any], low: bool, daily: pd.DataFrame, own: dict[str, pd.DataFrame], counts: Counts
) -> list[Point]:
    risk = None if pd.isna(ban["risk"]) else float(ban["risk"])
    calls = int(daily["calls"].sum())
    off = float(daily["off_hours"].sum()) / calls if calls else 0.0
    complaints = int(own["channels"]["complaints"].sum())
    rate = 1000.0 * complaints / max(calls, 1)
    peers = counts.medians
    own_peers = peers[(peers["carrier"] == ban["carrier"]) & (peers["banned_day"] == ban["banned_day"])]["median"]
    median = float(own_peers.iloc[0]) if len(own_peers) else None
    met = None if counts.to_complainers is None else int(counts.to_complainers.get(ban["ban_id"], 0))
    since = daily["hours_since"].iloc[-1]
    share = settings.appeals.off_hours_share
    return [
        Point("risk", risk, settings.levels.yellow, None, None if risk is None else low),
        _against(daily, "daily_calls", "calls", "daily"),
        _against(daily, "hourly_calls", "busiest_hour", "hourly"),
        Point("off_hours", off, share, None if pd.isna(since) else day_date(since), off <= share),
        Point("complaints", rate, median, None, None if median is None else rate <= median),
        Point("complainers", met, 0.0, None, None if met is None else met == 0),
    ]


def _against(daily: pd.DataFrame, name: str, calls: str, limit: str) -> Point:
    """The day that came nearest to its limit, or went furthest beyond it."""
    nearness = (daily[calls] / daily[limit].clip(lower=1e-9)).to_numpy()
    worst = int(nearness.argmax()) if nearness.max() > 0 else len(daily) - 1
    since = daily[f"{limit}_since"].iloc[worst]
    value, most = float(daily[calls].iloc[worst]), float(daily[limit].iloc[worst])
    return Point(name, value, most, None if pd.isna(since) else day_date(int(since)), value <= most)
