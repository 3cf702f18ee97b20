"""What a replay of history says of the forecast: how good, how early, how well calibrated, against whom, and for whom.

All of it on rows that the scoring model had not learnt from and that are mature now; see `replay`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import day_date, day_number
from data_schemas.settings import Settings
from models.counts import coverage, estimate_dispersion
from models.evaluation import Judged, calibration_table, evaluate, warned
from models.groups import flagged_rows
from models.labels import label_name
from models.replay import CHAMPION, FROZEN, LOGISTIC, MODEL, RULE, Learned, Replay
from models.resampling import AveragePrecision, draws, interval
from models.watch import policy_alarms, told_by
from serving.published import levels_by_cost

WHO = (MODEL, CHAMPION, FROZEN, LOGISTIC, RULE)
PROBABLE = (MODEL, CHAMPION, FROZEN, LOGISTIC)
AROUND = 28
"""Days before and after a change of policy that are compared."""
EARLY, SHARE = 2, 0.05
"""Days ahead from which a warning is early; share of lines flagged a week, beside the number that ops can handle."""
LARGEST = 20
"""Pools and reasons told by name, those with most bans."""
LEVEL = 0.8
"""Level of the intervals for the number of bans."""


@dataclass
class BacktestReport:
    """A finished backtest, as plain data.

    overall: metrics at the headline by who. intervals: name -> value, low, high (95 %, lines resampled): the model's average
    precision and calibration, and its differences to the others. weeks, months, carriers, pools: one entry each, with rows, bans,
    expected bans and the metrics of everybody. reasons: bans by the carrier's reason, and how many were warned of.
    horizons: the model's metrics at each. bands: calibration table. warning: by who, at a fixed number and share of flags.
    red: what became of lines at red. trainings: when, from what, the gate's word. policy: alarms of the watch.
    counts: coverage of the intervals for the number of bans by carrier and team.
    """

    first: str
    last: str
    every: int
    retrain: int
    horizon: int
    flags: int
    rows: int
    bans: int
    known_until: str
    fingerprint: str
    overall: dict[str, dict[str, float]]
    intervals: list[dict[str, Any]]
    warning: list[dict[str, Any]]
    weeks: list[dict[str, Any]]
    months: list[dict[str, Any]]
    carriers: list[dict[str, Any]]
    pools: list[dict[str, Any]]
    reasons: list[dict[str, Any]]
    horizons: dict[str, dict[str, float]]
    bands: list[dict[str, Any]]
    red: dict[str, Any]
    trainings: list[dict[str, Any]]
    policy: list[dict[str, Any]]
    counts: list[dict[str, Any]]
    ablation: list[dict[str, Any]] = field(default_factory=list)
    learning: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def measure(found: Replay, settings: Settings, every: int, retrain: int) -> BacktestReport:
    """Everything that a replay says, from its first model on; see BacktestReport."""
    column, notes = _column(MODEL, settings.train.headline), []
    own = found.rows[column].notna()
    if own.any() and not own.all():
        notes.append(f"judged from the first model on: {int((~own).sum())} earlier rows are left out")
        found = _only(found, own)
    horizon, flags = settings.train.headline, settings.train.flags
    known = found.rows[found.rows[label_name(horizon)].notna()].reset_index(drop=True)
    judged = judged_rows(known, horizon)
    scores = {who: known[_column(who, horizon)].to_numpy(dtype="float64") for who in WHO}
    # Before the first training there is none to judge.
    scored = {who: score for who, score in scores.items() if len(score) and not np.isnan(score).any()}
    notes += [f"{day_date(one.day)}: nothing could be learnt: {one.why}" for one in found.trainings if one.forecast is None]
    overall = (
        {who: evaluate(judged, score, flags, horizon, who in PROBABLE) for who, score in scored.items()} if len(known) else {}
    )
    group = lambda names: list(_by(known, judged, scored, names, flags))  # noqa: E731
    report = BacktestReport(
        first=day_date(found.days[0]).isoformat(),
        last=day_date(found.days[-1]).isoformat(),
        every=every,
        retrain=retrain,
        horizon=horizon,
        flags=flags,
        rows=len(known),
        bans=int(judged.label.sum()),
        known_until=day_date(found.outcomes.until).isoformat(),
        fingerprint=found.fingerprint,
        overall=overall,
        intervals=_intervals(judged, scored, settings.train.seed),
        warning=_warnings(judged, scored, flags, max(settings.train.horizons)),
        weeks=group(known["as_of"].dt.date.astype(str)),
        months=group(known["as_of"].dt.strftime("%Y-%m")),
        carriers=group(known["carrier"].astype(str)),
        pools=sorted(group(known["number_pool"].astype(str)), key=lambda row: (-row["bans"], row["name"]))[:LARGEST],
        reasons=_reasons(known, judged, scored, flags, max(settings.train.horizons)),
        horizons=_horizons(found.rows, settings),
        bands=_plain(calibration_table(judged, scored[MODEL])) if MODEL in scored and len(known) else [],
        red=_red(known, settings),
        trainings=[_training(one) for one in found.trainings],
        policy=_policy(found, settings),
        counts=_counts(known, scored, horizon),
        notes=notes,
    )
    waiting = len(found.rows) - len(known)
    if waiting:
        report.notes.append(f"{waiting:,} of {len(found.rows):,} scored rows are not judged: not mature yet, or censored")
    return report


def _plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def judged_rows(rows: pd.DataFrame, horizon: int) -> Judged:
    """Rows with a known label at a horizon, for the metrics."""
    label = rows[label_name(horizon)].to_numpy(dtype="float64")
    lines = pd.factorize(rows["line_id"])[0]
    return Judged(label, np.ones(len(rows)), rows["day"].to_numpy(), rows["days_to_ban"].to_numpy(dtype="float64"), lines)


def _column(who: str, horizon: int) -> str:
    return f"risk_{horizon}d" if who == MODEL else who


def _only(found: Replay, rows: pd.Series) -> Replay:
    kept = found.rows[rows].reset_index(drop=True)
    days = [day for day in found.days if (kept["day"] == day).any()]
    return replace(found, rows=kept, days=days)


def _by(
    rows: pd.DataFrame, judged: Judged, scores: dict[str, np.ndarray], names: pd.Series, flags: int
) -> Iterator[dict[str, Any]]:
    """One entry a group: how many, how many banned, how many expected, and a few metrics of everybody.

    Flags are given over all lines of a snapshot, as ops give them, and counted in the group.
    """
    flagged = {who: flagged_rows(judged, score, flags) for who, score in scores.items()}
    for name, index in sorted(rows.groupby(names, observed=True).indices.items()):
        label = judged.label[index]
        entry: dict[str, Any] = {"name": str(name), "rows": len(index), "bans": int(label.sum())}
        for who, score in scores.items():
            if who in PROBABLE:
                entry[f"{who}_expected"] = float(score[index].sum())
            if 0 < label.sum() < len(label):
                entry[f"{who}_average_precision"] = AveragePrecision(label, score[index])(judged.weight[index])
                entry[f"{who}_recall"] = float(flagged[who][index][label == 1].mean())
            taken = flagged[who][index]
            entry[f"{who}_flags"] = int(taken.sum())
            if taken.any():
                entry[f"{who}_precision"] = float(label[taken].mean())
        if MODEL in scores:
            entry["brier"] = float(np.mean((scores[MODEL][index] - label) ** 2))
        yield entry


def _intervals(judged: Judged, scores: dict[str, np.ndarray], seed: int) -> list[dict[str, Any]]:
    """Average precision of everybody, differences of the model to each, and its calibration, with 95 % intervals."""
    if MODEL not in scores or not judged.label.any():
        return []
    statistics: dict[str, Callable[[np.ndarray], float]] = {
        who: AveragePrecision(judged.label, score) for who, score in scores.items()
    }
    risk = scores[MODEL]
    statistics["expected_over_observed"] = lambda w: float((w * risk).sum() / max((w * judged.label).sum(), 1e-9))
    statistics["calibration_error"] = _calibration_error(judged, risk)
    drawn = draws(judged, statistics, seed)
    whole = {name: statistic(judged.weight) for name, statistic in statistics.items()}
    found = []
    for who in scores:
        low, high = interval(drawn[who])
        found.append({"name": f"average_precision {who}", "value": whole[who], "low": low, "high": high})
    for who in (who for who in scores if who != MODEL):
        low, high = interval(drawn[MODEL] - drawn[who])
        found.append({"name": f"average_precision {MODEL} - {who}", "value": whole[MODEL] - whole[who], "low": low, "high": high})
    for name in ("expected_over_observed", "calibration_error"):
        low, high = interval(drawn[name])
        found.append({"name": name, "value": whole[name], "low": low, "high": high})
    return found


def _calibration_error(judged: Judged, risk: np.ndarray) -> Callable[[np.ndarray], float]:
    """Mean distance of expected and observed over the bands of risk, bands as in the calibration table."""
    bands = calibration_table(judged, risk)
    code = np.searchsorted(bands["low"].to_numpy()[1:], risk, side="right")

    def error(weight: np.ndarray) -> float:
        total = np.bincount(code, weight, minlength=len(bands))
        gap = np.abs(np.bincount(code, weight * (risk - judged.label), minlength=len(bands)))
        return float(gap.sum() / total.sum()) if total.sum() else float("nan")

    return error


def _warnings(judged: Judged, scores: dict[str, np.ndarray], flags: int, horizon: int) -> list[dict[str, Any]]:
    """How many bans were warned of, and how many days ahead, by everybody at the same number of flags."""
    found = []
    for size in (float(flags), SHARE):
        for who, score in scores.items():
            bans = warned(judged, score, size, horizon)
            days = bans["days"].dropna()
            entry: dict[str, Any] = {"who": who, "flags": size, "bans": len(bans)}
            if len(bans):
                entry |= {"warned": len(days) / len(bans), "early": float((bans["days"] >= EARLY).mean())}
            if len(days):
                entry |= {name: float(days.quantile(q)) for name, q in (("q25", 0.25), ("median", 0.5), ("q75", 0.75))}
            found.append(entry)
    return found


def _reasons(rows: pd.DataFrame, judged: Judged, scores: dict[str, np.ndarray], flags: int, horizon: int) -> list[dict[str, Any]]:
    """Bans by the reason that the carrier gave, and how many of them everybody warned of."""
    if not (rows["reason"] != "").any():
        return []
    lines = pd.DataFrame({"line": judged.lines, "ban": judged.group + judged.days_to_ban, "reason": rows["reason"].to_numpy()})
    of = lines[np.isfinite(lines["ban"])].drop_duplicates(["line", "ban"])
    found: dict[str, dict[str, Any]] = {}
    for who, score in scores.items():
        bans = warned(judged, score, flags, horizon).merge(of, on=["line", "ban"])
        for reason, own in bans.groupby("reason"):
            entry = found.setdefault(str(reason), {"name": str(reason) or "(none given)", "bans": len(own)})
            entry[f"{who}_warned"] = float(own["days"].notna().mean())
            entry[f"{who}_early"] = float((own["days"] >= EARLY).mean())
    return sorted(found.values(), key=lambda entry: (-entry["bans"], entry["name"]))[:LARGEST]


def _horizons(rows: pd.DataFrame, settings: Settings) -> dict[str, dict[str, float]]:
    found = {}
    for horizon in settings.train.horizons:
        own = rows[rows[label_name(horizon)].notna() & rows[f"risk_{horizon}d"].notna()].reset_index(drop=True)
        if len(own):
            score = own[f"risk_{horizon}d"].to_numpy(dtype="float64")
            found[str(horizon)] = evaluate(judged_rows(own, horizon), score, settings.train.flags, horizon)
    return found


def _red(rows: pd.DataFrame, settings: Settings) -> dict[str, Any]:
    """Lines at or above the red level, how many of them were banned, and what the models promised of them."""
    risk = rows[_column(MODEL, settings.train.headline)].to_numpy(dtype="float64")
    label = rows[label_name(settings.train.headline)].to_numpy(dtype="float64")
    level = settings.levels.red
    if settings.levels.mode == "cost":
        level = levels_by_cost(settings.costs.model_dump(), settings.train.headline)["red"]
    red = risk >= level
    found: dict[str, Any] = {"level": level, "rows": int(red.sum()), "banned": int(label[red].sum())}
    found["expected"] = float(risk[red].sum())
    at = rows["promised_from"].to_numpy(dtype="float64")
    kept = risk >= at  # NaN: nothing was promised
    found["promise"] = {
        "precision": settings.levels.promise,
        "rows": int(kept.sum()),
        "banned": int(label[kept].sum()),
        "without": int(np.isnan(at).sum()),
    }
    return found


def _training(one: Learned) -> dict[str, Any]:
    return {
        "until": day_date(one.day).isoformat(),
        "rows": one.rows,
        "bans": one.bans,
        "promoted": one.promoted,
        "why": one.why,
        **{key: value for key, value in one.info.items() if key in ("degree", "promised_from", "notes")},
    }


def _policy(found: Replay, settings: Settings) -> list[dict[str, Any]]:
    """Alarms that the watch would have raised, from the scores of the replay."""
    risks = [f"risk_{horizon}d" for horizon in settings.train.horizons]
    scored = found.rows[found.rows[risks[0]].notna()]
    if scored.empty:
        return []
    days = [(day, scored.loc[scored["day"] == day, ["line_id", "carrier", *risks]]) for day in found.days]
    alarms = policy_alarms(told_by(days, found.outcomes, settings.watch), settings.watch, found.outcomes.delay)
    return [{**alarm, **_around(found.rows, alarm, settings)} for alarm in alarms]


def _around(rows: pd.DataFrame, alarm: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Days from the change to its alarm; average precision on the carrier's lines before and after, of the model and of one
    that is never renewed.
    """
    since, raised = (day_number(date.fromisoformat(alarm[name])) for name in ("since", "day"))
    horizon = settings.train.headline
    own = rows[(rows["carrier"] == alarm["carrier"]) & rows[label_name(horizon)].notna()]
    found: dict[str, Any] = {"days_to_alarm": raised - since}
    periods = {"before": (since - AROUND - horizon, since - horizon), "after": (since, since + 2 * AROUND)}
    for name, (start, end) in periods.items():
        part = own[(own["day"] >= start) & (own["day"] < end)]
        label = part[label_name(horizon)].to_numpy(dtype="float64")
        for who in (MODEL, FROZEN):
            score = part[_column(who, horizon)].to_numpy(dtype="float64")
            known = 0 < label.sum() < len(label) and not np.isnan(score).any()
            found[f"{who}_{name}"] = AveragePrecision(label, score)(np.ones(len(label))) if known else None
    return found


def _counts(rows: pd.DataFrame, scores: dict[str, np.ndarray], horizon: int) -> list[dict[str, Any]]:
    """How often the number of bans of a carrier or team lay within its interval; its spread is learnt from earlier weeks."""
    if MODEL not in scores:
        return []
    found = []
    risk, label, day = scores[MODEL], rows[label_name(horizon)].to_numpy(dtype="float64"), rows["day"].to_numpy()
    days = np.unique(day)
    for name in ("carrier", "team"):
        if name not in rows or rows[name].isna().all():
            continue
        groups = rows[name].astype("string").fillna("").to_numpy(dtype=object)
        hits, total = 0.0, 0
        for now in days[len(days) // 3 :]:
            before, own = day + horizon <= now, day == now
            if not before.any():
                continue
            spread = estimate_dispersion(risk[before], label[before], np.ones(int(before.sum())), day[before], groups[before])
            many = len(set(groups[own]))
            hits += coverage(risk[own], label[own], np.ones(int(own.sum())), day[own], groups[own], LEVEL, spread) * many
            total += many
        if total:
            found.append({"name": name, "level": LEVEL, "groups": total, "covered": hits / total})
    return found
