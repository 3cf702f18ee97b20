"""Does the forecast still hold? Past risks against the bans that came, by carrier too, and scores against earlier ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data_schemas.clock import day_date, day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake, finished_days, lake_of
from data_schemas.settings import Settings
from models.labels import Outcomes, read_outcomes
from models.watch import latest_change, told_by, watch
from serving.scored import forecasts, made_later, scored_days

Progress = Callable[[str, float], None]
BINS = 10
"""Bins of a population stability index: tenths of the reference."""
SHIFTED, MOVED = 0.25, 0.10
"""The customary limits of the index: from 0.25 a distribution has shifted, from 0.10 it has moved."""
SURPRISING = 3.0
"""Standard deviations between observed and expected bans from which a forecast is off."""
SOON = 14
"""Days within which a carrier's change should be seen; where it cannot be, the notes say so."""
_FEATURES_SHOWN = 10
_APART = 7
"""Days between which drift is told at the least: less is the weekday's doing."""
_RISK = re.compile(r"risk_(\d+)d$")


@dataclass
class MonitorReport:
    """How the forecast fares.

    outcomes: one entry a scored day and horizon that has matured: as_of, horizon (days), model_version, lines, expected and
        observed bans, z (their distance in standard deviations, were the risks right), hit_rate_50 (share banned among the 50
        lines of highest risk), `off`, and hindsight (the day was scored later, by a model that had learnt from what came).
    drift: one entry a risk column and for the features that moved most: name, kind, psi, verdict.
    policy: one entry a carrier, as models.watch.watch gives it: whether it has become stricter than its forecasts.
    drift_says: which days are compared. waiting: scored days of which no horizon has matured yet. known_until: the first day
        not known yet.
    """

    outcomes: list[dict[str, Any]] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)
    policy: list[dict[str, Any]] = field(default_factory=list)
    drift_says: str = ""
    waiting: list[str] = field(default_factory=list)
    known_until: str = ""
    notes: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def monitor(home: Home, settings: Settings, progress: Progress | None = None) -> MonitorReport:
    """Judge every day of scores in the home by what the lake knows now; BadInput when there is none."""
    tell = progress or (lambda what, share: None)
    scored = _scored_days(home)
    if not scored:
        raise BadInput(f"home {home.root}: no scores to monitor; run `bancast score --home {home.root}` first")
    lake = lake_of(home, settings)
    known_until = max(finished_days(lake), default=0) + 1
    report = MonitorReport(known_until=day_date(known_until).isoformat())
    tell("bans that came", 0.1)
    known = read_outcomes(lake, settings, known_until)
    gone = known.left.groupby("line_id")["left_day"].min()
    later = {day for day in scored if made_later(home, day)}
    for place, (as_of, path) in enumerate(scored.items()):
        tell(f"scores of {as_of}", 0.1 + 0.5 * place / len(scored))
        scores = _read(path)
        found = outcomes(scores, known.bans, gone, as_of, known_until - known.delay)
        report.outcomes += [{**entry, "hindsight": as_of in later} for entry in found]
        if not found:
            report.waiting.append(as_of.isoformat())
    tell("policy of the carriers", 0.6)
    report.policy = _policy(lake, settings, {day: path for day, path in scored.items() if day not in later}, known)
    _drift(home, lake, settings, scored, report, tell)
    judged = [entry for entry in report.outcomes if not entry["hindsight"]]
    off = [entry for entry in judged if entry["off"]]
    if off:
        report.notes.append(f"{len(off)} of {len(judged)} matured forecasts are off by more than {SURPRISING:g} deviations")
    if later:
        report.notes.append(
            f"{len(later)} of {len(scored)} days were scored later, by a model that had already learnt from what came: they are"
            " marked as hindsight and judge no model"
        )
    if not report.outcomes:
        report.notes.append(f"no forecast has matured yet: bans are known until {report.known_until}, ingest newer data")
    report.notes += policy_notes(report.policy)
    tell("done", 1.0)
    return report


def policy_notes(policy: list[dict[str, Any]]) -> list[str]:
    """What a person should know of `policy` (models.watch.watch): carriers that seem stricter, and those hard to judge."""
    notes = [
        f"carrier {entry['carrier']}: bans were {last['ratio']:g} times what was expected from {last['since']} to {last['to']}"
        f" (90 % interval {last['low']:g} to {last['high']:g}), alarm on {last['day']}: its policy seems stricter; retrain:"
        " `bancast train`"
        for entry in policy
        if entry["standing"]
        for last in entry["alarms"][-1:]
    ]
    slow = [
        f"{entry['carrier']} {'after more than a year' if days is None else f'after about {days} days'}"
        for entry in policy
        if (days := entry["days_to_detect"]) is None or days > SOON
    ]
    if slow:
        notes.append(f"too few bans to see within {SOON} days that a carrier has become stricter: {', '.join(slow)}")
    return notes


def outcomes(scores: pd.DataFrame, bans: pd.DataFrame, gone: pd.Series, as_of: date, known_until: int) -> list[dict[str, Any]]:
    """Expected and observed bans of one day of scores, for each horizon that ends by local day `known_until`.

    scores: line_id, risk_<h>d, model_version. bans: line_id, day (local day number on which each began). gone: line_id ->
    local day of deactivation. A line given up within the horizon without a ban is censored: it counts on neither side.
    """
    start = day_number(as_of)
    found = []
    for name in scores:
        match = _RISK.match(str(name))
        if not match or start + int(match[1]) > known_until:
            continue
        horizon = int(match[1])
        banned = set(bans["line_id"].to_numpy()[bans["day"].between(start, start + horizon - 1).to_numpy()])
        hit = scores["line_id"].isin(banned)
        left = scores["line_id"].map(gone)
        kept = (hit | ~((left >= start) & (left < start + horizon))).to_numpy(bool)
        risk, observed = scores[name].to_numpy(float)[kept], int(hit.sum())
        spread = float(np.sqrt((risk * (1 - risk)).sum()))
        expected = float(risk.sum())
        z = (observed - expected) / spread if spread > 0 else 0.0
        top = hit.to_numpy(bool)[kept][np.argsort(-risk, kind="stable")[:50]]
        found.append(
            {
                "as_of": as_of.isoformat(),
                "horizon": horizon,
                "model_version": str(scores["model_version"].iloc[0]) if len(scores) else "",
                "lines": int(kept.sum()),
                "expected": round(expected, 2),
                "observed": observed,
                "z": round(z, 2),
                "hit_rate_50": round(float(top.mean()), 3) if len(top) else 0.0,
                "off": abs(z) > SURPRISING,
            }
        )
    return found


def stability_index(reference: np.ndarray, current: np.ndarray, bins: int = BINS) -> float:
    """The population stability index of two samples: sum of (p - q) ln(p / q) over quantile bins of the reference.

    Missing values are a bin of their own. Empty bins count as half a value, so that the index stays finite.
    """
    parts = []
    finite = reference[np.isfinite(reference)]
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1])) if finite.size else np.empty(0)
    for values in (reference, current):
        known = values[np.isfinite(values)]
        # Side "left" keeps a value equal to an edge in the lower bin: many features are mostly zero.
        counts = np.bincount(np.searchsorted(edges, known, side="left"), minlength=len(edges) + 1).astype(float)
        counts = np.append(counts, len(values) - len(known))
        counts = np.maximum(counts, 0.5)
        parts.append(counts / counts.sum())
    p, q = parts
    return float(((p - q) * np.log(p / q)).sum())


def verdict(psi: float) -> str:
    """The customary word for an index."""
    return "shifted" if psi >= SHIFTED else "moved" if psi >= MOVED else "stable"


def _drift(home: Home, lake: Lake, settings: Settings, scored: dict[date, Path], report: MonitorReport, tell: Progress) -> None:
    """The newest scores, and the features behind them, against the oldest of the same model version, a week or more before.

    Of the same weekday where there is one: on a Monday lines look back on other days than on a Saturday.
    """
    newest = max(scored)
    now = _read(scored[newest])
    version = now["model_version"].iloc[0] if len(now) else ""
    earlier = [day for day in sorted(scored) if (newest - day).days >= _APART]
    same = [day for day in earlier if (_read(scored[day])["model_version"] == version).all()]
    if not same:
        report.drift_says = (
            f"Drift needs two days scored by the same model, a week or more apart; {version or 'the newest'} has scored no day"
            f" that is a week before {newest}."
        )
        return
    oldest = min(same, key=lambda day: ((newest - day).days % _APART != 0, day))
    then = _read(scored[oldest])
    report.drift_says = f"Population stability index, {newest} against {oldest}, model {version}: 0.10 moved, 0.25 shifted."
    for name in (name for name in now if _RISK.match(str(name))):
        psi = stability_index(then[name].to_numpy(float), now[name].to_numpy(float))
        report.drift.append({"name": name, "kind": "risk", "psi": round(psi, 4), "verdict": verdict(psi)})
    tell("features of both days", 0.65)
    from features.build import IDS, build_features

    table = build_features(lake, settings, [day_number(oldest), day_number(newest)], scratch=home.scratch)
    late = (table["as_of"] == pd.Timestamp(newest)).to_numpy()
    moved = []
    for name in table.columns.difference(["as_of", *IDS], sort=False):
        values = table[name].to_numpy(float)
        moved.append((stability_index(values[~late], values[late]), name))
    for psi, name in sorted(moved, key=lambda pair: (-pair[0], pair[1]))[:_FEATURES_SHOWN]:
        report.drift.append({"name": name, "kind": "feature", "psi": round(psi, 4), "verdict": verdict(psi)})


def changes_of_policy(home: Home, lake: Lake, settings: Settings, known_until: int) -> dict[str, int]:
    """Carrier -> the day since which it seems stricter, as the scores in the home and what was known by then tell it.

    Only scores of days before local midnight `known_until` count, and none that were made later. Empty while there are none.
    """
    before = {day: path for day, path in _scored_days(home).items() if day_number(day) < known_until}
    scored = {day: path for day, path in before.items() if not made_later(home, day)}
    return latest_change(_policy(lake, settings, scored, read_outcomes(lake, settings, known_until))) if scored else {}


def _policy(lake: Lake, settings: Settings, scored: dict[date, Path], known: Outcomes) -> list[dict[str, Any]]:
    """The watch over every carrier, by the scores of forecasts and what is known."""
    carriers = _carriers(lake, settings)

    def frames() -> Iterator[tuple[int, pd.DataFrame]]:
        for day in sorted(scored):
            scores = _read(scored[day])
            if len(scores) and forecasts(str(scores["model_version"].iloc[0])):
                yield day_number(day), scores.assign(carrier=scores["line_id"].map(carriers))

    return watch(told_by(frames(), known, settings.watch), settings.watch, known.delay, known.until)


def _scored_days(home: Home) -> dict[date, Path]:
    """Scored days and their files, earliest first."""
    return {day: home.scores_file(day) for day in scored_days(home)}


def _read(path: Path) -> pd.DataFrame:
    schema = pq.read_schema(path)
    wanted = [name for name in schema.names if name in ("line_id", "model_version") or _RISK.match(name)]
    return pq.ParquetFile(path).read(columns=wanted).to_pandas()


def _carriers(lake: Lake, settings: Settings) -> pd.Series:
    """line_id -> carrier, as it stands."""
    from features.local import open_local

    with open_local(settings) as engine:
        rows = lake.read(engine.con, "lines")
        frame = engine.frame(rows.filter(rows.gone_day.isnull()).select("line_id", "carrier"))
    return frame.drop_duplicates("line_id").set_index("line_id")["carrier"]
