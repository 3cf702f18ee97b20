"""History once more: at each day a model that knew only what was known then scores the lines, and the bans that came judge it.

Nothing here looks ahead. Features at a past day are exact by construction (DESIGN.md, invariants 1 and 2), so they are made once
and kept for all trainings; what may be learnt from them at a training day are the labels known on that day; and every later day
until the next training is scored by models that existed then. Only the judgement uses what the records say in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.build import IDS, feature_batches
from features.catalogue import CATALOGUE
from features.feature import Feature
from models import gate
from models.baselines import logistic_model, rule_scores
from models.dataset import build_dataset
from models.labels import Outcomes, as_of_days, days_to_ban, labels, read_outcomes
from models.pipeline import Changes, last_midnight, snapshot_task
from models.training import judge, write_bundle
from models.watch import latest_change, told_by, watch
from serving.published import Forecast

Progress = Callable[[str, float], None]
MODEL, CHAMPION, RULE, LOGISTIC, FROZEN = "model", "champion", "rule", "logistic", "frozen"
"""The latest training; what the gate had in use; both baselines; the first training, never renewed."""
AGE = "age_days"


class FeatureStore:
    """Features of as_of days, each made once and kept as a Parquet file in a folder."""

    def __init__(
        self, lake: Lake, settings: Settings, folder: Path, scratch: Path, catalogue: Sequence[Feature] = CATALOGUE
    ) -> None:
        self.lake, self.settings, self.folder, self.scratch, self.catalogue = lake, settings, folder, scratch, catalogue

    def make(self, days: Sequence[int], progress: Progress) -> None:
        """Work out the days that are not there yet, in one pass."""
        wanted = [day for day in sorted(set(days)) if not self._file(day).exists()]
        if not wanted:
            return
        for table in feature_batches(self.lake, self.settings, wanted, progress, self.catalogue, self.scratch):
            number = as_of_days(table)
            for day in np.unique(number):
                table[number == day].to_parquet(self._file(int(day)), index=False)
        for day in wanted:
            if not self._file(day).exists():  # no line was eligible
                table.iloc[:0].to_parquet(self._file(day), index=False)

    def batches(self, days: Sequence[int], progress: Progress) -> Iterator[pd.DataFrame]:
        """The tables of some days, a day at a time."""
        self.make(days, progress)
        for day in days:
            yield self.read(day)

    def read(self, day: int) -> pd.DataFrame:
        """The table of a day that was made."""
        return pd.read_parquet(self._file(day))

    def _file(self, day: int) -> Path:
        return self.folder / f"{day}.parquet"


@dataclass
class Learned:
    """A training of the replay.

    day: until which it knew. forecast: what scores; None where nothing could be learnt, `why` says why. twin: what the gate
    compares. logistic: the logistic regression on the same rows. promoted, why: the gate's word. rows, bans: learnt from.
    info: more of it, as plain data.
    """

    day: int
    forecast: Forecast | None
    twin: Forecast | None = None
    logistic: Any = None
    promoted: bool = False
    why: str = ""
    rows: int = 0
    bans: int = 0
    info: dict[str, Any] = field(default_factory=dict)


@dataclass
class Replay:
    """What a replay found.

    rows: one a line and scored day: day, line_id, carrier, number_pool, team, age_days, pool_lines; of the latest model risk_{h}d
    and promised_from; the headline scores champion, rule, logistic and frozen (NaN where there was none); ban_{h}d (NaN: not
    mature or censored), days_to_ban (infinite: none known), reason of that ban. trainings: in order. outcomes: all
    that is known in the end.
    """

    rows: pd.DataFrame
    trainings: list[Learned]
    days: list[int]
    outcomes: Outcomes
    fingerprint: str


def replay(
    lake: Lake,
    home: Home,
    settings: Settings,
    days: Sequence[int],
    retrain: int,
    folder: Path,
    progress: Progress | None = None,
    trained: Callable[[Learned], None] | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
) -> Replay:
    """Train at the first of `days` and every `retrain` days, score each of `days`, and add what came.

    folder: for features and models on the way. trained: told of each training. catalogue: features, age_days
    among them. Raises BadInput where no day has an eligible line.
    """
    tell = progress or (lambda step, share: None)
    end = last_midnight(lake, None)
    store = FeatureStore(lake, settings, folder, home.scratch, catalogue)
    store.make(days, lambda step, share: tell(f"features of the scored days: {step}", 0.15 * share))
    due = [(day - days[0]) // retrain for day in days]
    points = {day for place, day in enumerate(days) if place == 0 or due[place] > due[place - 1]}
    trainings: list[Learned] = []
    parts: list[pd.DataFrame] = []
    champion: Learned | None = None
    for place, day in enumerate(days):
        share = 0.15 + 0.8 * place / len(days)
        if day in points:
            said = _within(tell, f"{day_date(day)}: ", share, 0.8 / len(days))
            stricter = partial(_changes, lake, settings, parts)
            new = _learn(lake, settings, day, store, folder / f"model-{day}", champion, stricter, said)
            trainings.append(new)
            if new.promoted:
                champion = new
            if trained is not None:
                trained(new)
        else:
            tell(f"{day_date(day)}: score", share)
        parts.append(_scored(store.read(day), trainings, champion, settings))
    rows = pd.concat([part for part in parts if len(part)] or parts, ignore_index=True)
    if rows.empty:
        raise BadInput(
            f"no line is eligible from {day_date(days[0])} to {day_date(days[-1])}; choose days on which lines are in use"
        )
    tell("what came", 0.96)
    outcomes = read_outcomes(lake, settings, end)
    rows = pd.concat([rows, labels(rows, outcomes, settings.train.horizons)], axis=1)
    rows["days_to_ban"] = days_to_ban(rows, outcomes)
    rows["reason"] = _reasons(rows, outcomes.bans)
    return Replay(rows, trainings, list(days), outcomes, lake.fingerprint(end))


def _changes(lake: Lake, settings: Settings, parts: list[pd.DataFrame], day: int) -> dict[str, int]:
    """Carriers that the watch would call stricter on the morning of a day, by the scores before it."""
    risks = [f"risk_{horizon}d" for horizon in settings.train.horizons]
    told = [part for part in parts if part[risks[0]].notna().any()]
    scores = [(at, part[["line_id", "carrier", *risks]]) for part in told if (at := int(part["day"].iloc[0])) < day]
    if not scores:
        return {}
    known = read_outcomes(lake, settings, day)
    return latest_change(watch(told_by(scores, known, settings.watch), settings.watch, known.delay, day))


def _within(tell: Progress, prefix: str, start: float, length: float) -> Progress:
    return lambda step, share: tell(prefix + step, start + length * share)


def _learn(
    lake: Lake,
    settings: Settings,
    day: int,
    store: FeatureStore,
    folder: Path,
    champion: Learned | None,
    stricter: Changes,
    tell: Progress,
) -> Learned:
    """What `bancast train --until DAY` does, without a registry."""
    try:
        data = build_dataset(
            lake, settings, day, lambda step, share: tell(step, 0.4 * share), None, store.catalogue, store.batches
        )
        task = snapshot_task(data, settings, stricter=stricter)
    except BadInput as why:
        return Learned(day, None, why=str(why))
    write_bundle(task, folder, settings, lambda step, share: tell(step, 0.4 + 0.5 * share))
    forecast = Forecast.read(folder, threads=settings.threads)
    twin = Forecast.read(folder, part="evaluation", threads=settings.threads)
    judged = judge(task, twin, champion.twin if champion else None, settings)
    challengers = {who: metrics for who, metrics in judged.results.items() if who in (RULE, LOGISTIC)}
    verdict = gate.decide(judged.results[MODEL], challengers, judged.results.get(CHAMPION))
    label = task.sample.labels[task.headline]
    known = ~np.isnan(label)
    straight = logistic_model(task.sample.values[known], label[known], task.sample.weight[known])
    info = {
        "degree": forecast.meta["degree"],
        "promised_from": forecast.meta.get("promise", {}).get("from", {}),
        "features": task.features,
        "notes": [*task.notes, *forecast.meta["notes"]],
        "metrics": judged.results,
    }
    return Learned(
        day, forecast, twin, (task.features, straight), verdict.promoted, verdict.why, len(task.table), task.bans, info
    )


def _scored(table: pd.DataFrame, trainings: list[Learned], champion: Learned | None, settings: Settings) -> pd.DataFrame:
    """The lines of one day with everybody's scores."""
    latest, first = trainings[-1], next((one for one in trainings if one.forecast is not None), trainings[-1])
    found = table[["as_of", *IDS, AGE]].copy()
    found.insert(0, "day", as_of_days(table) if len(table) else np.array([], dtype=int))
    found["pool_lines"] = table.groupby("number_pool", observed=True)["line_id"].transform("size").astype("float64")
    found[RULE] = rule_scores(table, settings.rule)
    for horizon in settings.train.horizons:
        found[f"risk_{horizon}d"] = np.nan
    found["promised_from"] = found[CHAMPION] = found[LOGISTIC] = found[FROZEN] = np.nan
    # Often the latest, the first and the champion are one: each training scores once.
    several = {one.day: one.forecast for one in (latest, first, champion) if one is not None and one.forecast is not None}
    risks = {day: forecast.risks(_with_all(table, forecast)) for day, forecast in several.items()} if len(table) else {}
    if latest.forecast is not None and len(table):
        for place, horizon in enumerate(latest.forecast.horizons):
            found[f"risk_{horizon}d"] = risks[latest.day][:, place]
        known = latest.forecast.meta.get("promise", {}).get("from", {})
        found["promised_from"] = [known.get(str(name), known.get("", np.nan)) for name in table["carrier"]]
        names, straight = latest.logistic
        if straight is not None:
            found[LOGISTIC] = straight.predict_proba(table[names].to_numpy(dtype="float32"))[:, 1]
    if first.forecast is not None and len(table):
        found[FROZEN] = risks[first.day][:, first.forecast.headline]
    # Until a training has earned the title, the latest one stands in, as in daily scoring.
    if champion is not None and champion.forecast is not None and len(table):
        found[CHAMPION] = risks[champion.day][:, champion.forecast.headline]
    else:
        found[CHAMPION] = found[f"risk_{settings.train.headline}d"]
    return found


def _with_all(table: pd.DataFrame, forecast: Forecast) -> pd.DataFrame:
    return table.assign(**{name: np.nan for name in forecast.names if name not in table})


def _reasons(rows: pd.DataFrame, bans: pd.DataFrame) -> np.ndarray:
    """The reason of each row's next ban as the carrier gave it; "" where none."""
    ahead = rows["days_to_ban"].to_numpy()
    finite = np.isfinite(ahead)
    keys = pd.DataFrame(
        {"line_id": rows["line_id"].astype(str), "day": np.where(finite, rows["day"] + np.where(finite, ahead, 0), -1)}
    )
    known = bans.assign(line_id=bans["line_id"].astype(str)).drop_duplicates(["line_id", "day"])[["line_id", "day", "reason"]]
    return keys.merge(known, how="left", on=["line_id", "day"])["reason"].fillna("").to_numpy(dtype=object)
