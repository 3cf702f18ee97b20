"""What every scores file must be (DESIGN section 6), in one function: `assert not wrong_with_scores(...)`."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

HORIZONS = (1, 3, 7, 14)
LEVELS = ("red", "orange", "yellow", "green")
REASON = {
    "family": pa.string(),
    "feature": pa.string(),
    "value": pa.float64(),
    "usual": pa.float64(),
    "contribution": pa.float64(),
}
PLAN = {
    "daily_calls": pa.int32(),
    "rest_days": pa.int32(),
    "from": pa.string(),
    "to": pa.string(),
    "leave_out": pa.int32(),
}
COLUMNS = {
    "as_of": pa.date32(),
    "line_id": pa.string(),
    **{f"risk_{horizon}d": pa.float64() for horizon in HORIZONS},
    "days_to_red": pa.float64(),
    "rank": pa.int32(),
    "level": pa.string(),
    "reasons": pa.list_(pa.struct(REASON)),
    "actions": pa.list_(
        pa.struct({"action": pa.string(), "risk_after": pa.float64(), "plan": pa.struct(PLAN), "below": pa.bool_()})
    ),
    "model_version": pa.string(),
    "data_fingerprint": pa.string(),
}


def eligible(tables: dict[str, pd.DataFrame], as_of: date, zone: str = "Asia/Shanghai") -> set[str]:
    """Lines that are activated, not deactivated and not under a ban at the local midnight, as far as was known then."""
    moment = pd.Timestamp(as_of, tz=zone)
    lines = tables["lines"].drop_duplicates("line_id").set_index("line_id")
    active = pd.to_datetime(lines["activated_at"], utc=True) < moment
    if "deactivated_at" in lines:
        gone = pd.to_datetime(lines["deactivated_at"], utc=True)
        active &= ~(gone < moment)
    bans = tables["bans"]
    began = pd.to_datetime(bans["banned_at"], utc=True)
    known = pd.to_datetime(bans["reported_at"], utc=True).fillna(began) if "reported_at" in bans else began
    lifted = pd.to_datetime(bans["lifted_at"], utc=True) if "lifted_at" in bans else pd.Series(pd.NaT, index=bans.index)
    under = bans.loc[(began < moment) & (known < moment) & ~(lifted < moment), "line_id"]
    return set(lines.index[active]) - set(under)


def wrong_with_scores(
    path: Path, as_of: date, tables: dict[str, pd.DataFrame] | None = None, features: dict[str, str] | None = None
) -> list[str]:
    """Every breach, in words; empty when all is well.

    tables: the raw tables, to check that each eligible line is there once and no other. features: name -> family, of all.
    """
    table = pq.ParquetFile(path).read()
    wrong = []
    kinds = {field.name: field.type for field in table.schema}
    if list(kinds) != list(COLUMNS):
        return [f"columns {list(kinds)}"]
    wrong += [f"{name} is {kinds[name]}" for name, kind in COLUMNS.items() if not _same(kinds[name], kind)]
    scores = table.to_pandas()

    def check(holds: object, says: str) -> None:
        if not bool(holds):
            wrong.append(says)

    check(len(scores) > 0, "no rows")
    check((pd.to_datetime(scores["as_of"]) == pd.Timestamp(as_of)).all(), "as_of is not the day asked for")
    check(scores["line_id"].is_unique and scores["line_id"].notna().all(), "line_id repeated or empty")
    risks = scores[[f"risk_{horizon}d" for horizon in HORIZONS]].to_numpy()
    check(np.isfinite(risks).all() and (risks >= 0).all() and (risks <= 1).all(), "a risk outside [0, 1]")
    check((np.diff(risks, axis=1) >= 0).all(), "a risk falls as the horizon grows")
    check((scores["days_to_red"].isna() | scores["days_to_red"].between(0, 365)).all(), "days_to_red outside a year")
    check(scores["rank"].tolist() == list(range(1, len(scores) + 1)), "rank is not 1 to n in the order of the file")
    check((np.diff(scores["risk_7d"]) <= 0).all(), "rank does not follow the headline risk")
    check(scores["level"].isin(LEVELS).all(), "an unknown level")
    order = scores["level"].map(LEVELS.index)
    check((np.diff(order) >= 0).all(), "a level is higher than that of a line of higher rank")
    for name in ("model_version", "data_fingerprint"):
        check(scores[name].nunique() == 1 and scores[name].iloc[0], f"{name} empty or not one")
    check(all("/" in version for version in scores["model_version"]), "model_version is not name/version")
    for row in scores.itertuples():
        wrong += _wrong_reasons(row, features)
    if tables is not None:
        expected = eligible(tables, as_of)
        found = set(scores["line_id"])
        check(found == expected, f"{len(expected - found)} eligible lines missing, {len(found - expected)} that are not")
    return list(dict.fromkeys(wrong))


def _wrong_reasons(row, features: dict[str, str] | None) -> list[str]:
    wrong = []
    contributions = [reason["contribution"] for reason in row.reasons]
    if len(row.reasons) > 3 or contributions != sorted(contributions, reverse=True) or any(not c > 0 for c in contributions):
        wrong.append("reasons are not the at most three strongest that raise the risk, strongest first")
    if len({reason["feature"] for reason in row.reasons}) != len(row.reasons):
        wrong.append("a reason twice")
    if features is not None and any(features.get(reason["feature"]) != reason["family"] for reason in row.reasons):
        wrong.append("a reason names no feature of its family")
    after = [(not action["below"], action["risk_after"]) for action in row.actions]
    if any(not 0 <= risk <= 1 for _, risk in after) or after != sorted(after) or len(after) > 3:
        wrong.append("actions are not at most three, those that suffice first, then by the risk after them")
    if row.level == "green" and len(row.actions):
        wrong.append("a green line with actions")
    return wrong


def _same(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Equal but for nullability and large variants of strings."""
    plain = lambda kind: str(kind).replace("large_", "").replace("element", "item").replace(" not null", "")  # noqa: E731
    return plain(found) == plain(wanted)
