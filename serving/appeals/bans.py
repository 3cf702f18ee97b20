"""Bans that an appeal could be about, and what the lines' last scores before them said."""

from __future__ import annotations

from datetime import date

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.clock import Clock, day_date, day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from features.localtime import local_day
from serving.known import Known
from serving.scored import headline_of, horizons_of, made_later

COLUMNS = ("ban_id", "line_id", "banned_at", "banned_day", "reason", "carrier", "team", "activated_day", "verified")
SCORED = ("scored_day", "risk", "level", "rank", "model_version")


def open_bans(known: Known, settings: Settings, line_or_ban: str | None = None) -> pd.DataFrame:
    """COLUMNS of each ban that was known, neither lifted nor appealed against, and begun within the days of the settings.

    line_or_ban: of this line or with this id alone, whenever they began and whatever became of them, with columns `lifted`
    and `appealed` that say so. What a line's row says is missing where `lines` lacks it. banned_at: UTC, no zone.
    """
    clock = Clock(settings.zone)
    first = None if line_or_ban is not None else known.day - settings.appeals.within_days
    bans = known.rows("bans", first)

    def by_then(moment: ibis.expr.types.TimestampValue) -> ibis.expr.types.BooleanValue:
        return (moment.notnull() & (local_day(moment, clock) < known.day)).fill_null(False)

    bans = bans.mutate(lifted=by_then(bans.lifted_at), appealed=by_then(bans.appealed_at))
    if line_or_ban is None:
        bans = bans.filter(~bans.lifted, ~bans.appealed)
    else:
        bans = bans.filter((bans.ban_id == line_or_ban) | (bans.line_id == line_or_ban))
    lines = known.lines()
    joined = bans.left_join(lines, "line_id").select(
        "ban_id",
        bans.line_id,
        bans.banned_at,
        bans.reason,
        bans.lifted,
        bans.appealed,
        lines.carrier,
        lines.team,
        banned_day=bans.day,
        activated_day=lines.day,
        verified=lines.registrant_verified,
    )
    frame = known.engine.frame(joined)
    for name in ("reason", "carrier", "team", "verified"):
        frame[name] = frame[name].astype(object).where(frame[name].notna(), None)
    frame["banned_at"] = pd.to_datetime(frame["banned_at"], utc=True).dt.tz_localize(None)
    return frame.sort_values(["banned_at", "ban_id"], ignore_index=True)


def with_scores(home: Home, settings: Settings, bans: pd.DataFrame) -> pd.DataFrame:
    """The bans with SCORED: what this home's last score of the line before the ban said, missing where there is none.

    A score of a day knew what was known before its midnight, so one of the day of the ban still is from before it; one that was
    made later, by a model that had learnt from what came, is no forecast and says nothing here.
    risk: within the headline horizon of the settings, or the longest that was scored.
    """
    reach = settings.appeals.score_days
    days = {day for ban in bans["banned_day"].unique() for day in range(int(ban) - reach, int(ban) + 1)}
    wanted = sorted(set(bans["line_id"]))
    parts = [_scores(home, settings, day_date(day), wanted) for day in sorted(days)]
    found = [part for part in parts if part is not None and len(part)]
    if not found:
        return bans.assign(**{name: pd.Series(None, index=bans.index, dtype=object) for name in SCORED})
    pairs = bans[["ban_id", "line_id", "banned_day"]].merge(pd.concat(found), on="line_id")
    pairs = pairs[(pairs["scored_day"] <= pairs["banned_day"]) & (pairs["scored_day"] >= pairs["banned_day"] - reach)]
    last = pairs.sort_values("scored_day").drop_duplicates("ban_id", keep="last")
    return bans.merge(last[["ban_id", *SCORED]], on="ban_id", how="left")


def _scores(home: Home, settings: Settings, day: date, lines: list[str]) -> pd.DataFrame | None:
    """line_id and SCORED of these lines on one day; None when it was not scored in time."""
    path = home.scores_file(day)
    if not path.exists() or made_later(home, day):
        return None
    try:
        risk = f"risk_{headline_of(horizons_of(pq.read_schema(path).names), settings)}d"
        columns = ["line_id", "level", "rank", "model_version", risk]
        table = pq.read_table(path, columns=columns, partitioning=None, filters=[("line_id", "in", lines)])
    except (OSError, pa.ArrowException, ValueError) as error:
        raise BadInput(f"{path}: not a file of scores ({str(error).splitlines()[0]}); score that day again") from None
    return table.to_pandas().rename(columns={risk: "risk"}).assign(scored_day=day_number(day))
