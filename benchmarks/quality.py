"""How good the forecast is against a plain LightGBM, the rule of today and a logistic regression, on held-out time.

Each world is ingested into a home of its own. The product trains on what was known before day D (three quarters of the way) and
publishes; the registered version, read from the registry, then scores weekly snapshots from D on. The plain model learns from
weekly snapshots whose 7-day labels had ended before D, the logistic regression from the product's own training rows. Everybody is
judged on the same rows, with labels known at the end of the records.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

from benchmarks.plain import plain_frame, plain_scores
from benchmarks.registered import registered
from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.settings import Settings, load_settings
from data_schemas.sources import find_sources
from features.build import build_features
from models.baselines import logistic_scores, rule_scores
from models.dataset import Dataset, build_dataset
from models.evaluation import Judged, evaluate
from models.labels import as_of_days, days_to_ban, label_name, labels, read_outcomes
from models.pipeline import last_midnight, snapshot_task
from models.training import train
from serving.published import Forecast

HORIZON = 7
SHARE = 0.75
"""Part of the days that is learnt from."""
FLAGS = 50
"""Lines of a weekly list whose precision is told."""
FLAGGED_SHARE = 0.05
"""Part of the lines that is flagged a week, for early warnings."""
EARLY = 2
"""Days ahead from which a warning is early."""
PLAIN, TRUTH, WEEK = "plain LightGBM", "true hazard of the first day", "true hazard of the week"
Tell = Callable[[str], None]


@dataclass
class Field:
    """Who is compared on a world: scores (n,), seconds of learning and scoring, and whose scores are probabilities."""

    scores: dict[str, np.ndarray] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    probable: set[str] = field(default_factory=set)

    @contextmanager
    def timing(self, who: str) -> Iterator[None]:
        """Add the seconds of a block to somebody's."""
        started = time.perf_counter()
        yield
        self.seconds[who] = self.seconds.get(who, 0.0) + time.perf_counter() - started


def world_quality(folder: Path, tell: Tell) -> list[dict[str, Any]]:
    """One row a contestant (see `compared`) on the tables of `folder`; tell: takes a line of progress."""
    with tempfile.TemporaryDirectory(prefix="bancast-quality-") as work:
        home = Home(Path(work))
        settings = load_settings(home.root)
        tell(f"{folder.name}: ingest")
        ingest(find_sources(folder), home.root, settings)
        lake = Lake(home.lake)
        days = lake.days("calls")
        cut = days[0] + int((days[-1] + 1 - days[0]) * SHARE)
        all_of = Field(probable={"bancast", PLAIN, "logistic regression"})
        tell(f"{folder.name}: train until {day_date(cut)}")
        with all_of.timing("bancast"):
            data, forecast = _learn(lake, home, settings, cut)
            tell(f"{folder.name}: score")
            table = build_features(lake, settings, range(cut, days[-1] + 1, 7), scratch=home.scratch)
            judged, table = _judged(lake, settings, table, days[-1] + 1)
            lacking = {name: np.nan for name in forecast.names if name not in table}
            all_of.scores["bancast"] = forecast.risks(table.assign(**lacking))[:, forecast.headline]
        all_of.scores["rule"] = rule_scores(table, settings.rule)
        with all_of.timing("logistic regression"):
            straight = _straight(data, table)
        if straight is not None:
            all_of.scores["logistic regression"] = straight
        tell(f"{folder.name}: plain LightGBM")
        with all_of.timing(PLAIN):
            all_of.scores[PLAIN] = _plain(folder, table, days[0], cut, settings, tell)
        truth = _true_hazards(folder, table, judged.group)
        if truth is not None:
            all_of.scores[TRUTH], all_of.scores[WEEK] = truth
        rows = [{"world": folder.name, **row} for row in compared(judged, all_of)]
        tell(f"{folder.name}: {rows[0]['rows']} rows, {rows[0]['bans']} of them banned; average precision {rows[0]['ap']:.3f}")
        return rows


def compared(judged: Judged, all_of: Field) -> list[dict[str, Any]]:
    """One row a contestant, from the same rows.

    ap: average precision over all rows; ap_week: its mean over snapshots with a ban; ratio: ap over the plain model's; bound: ap
    over that of an observer who knows the true hazard of the coming week; roc_auc; p50: mean precision among the top 50 of a
    snapshot, best_p50: the highest that any list reaches; early: see `early_share`; expected: bans forecast over bans seen (1 is
    right; None for scores that are no probabilities); months: the same of each 28 days, the least and the largest; seconds.
    """
    rows: list[dict[str, Any]] = []
    plain, best = (
        average_precision_score(judged.label, all_of.scores[who]) if who in all_of.scores else None for who in (PLAIN, WEEK)
    )
    for who, score in all_of.scores.items():
        found = evaluate(judged, score, FLAGS, HORIZON, who in all_of.probable)
        rows.append(
            {
                "who": who,
                "rows": len(judged.label),
                "bans": int(judged.label.sum()),
                "ap": found["average_precision"],
                "ap_week": weekly_precision(judged, score),
                "ratio": found["average_precision"] / plain if plain else None,
                "bound": found["average_precision"] / best if best else None,
                "roc_auc": found["roc_auc"],
                "p50": found[f"precision_top_{FLAGS}"],
                "best_p50": found[f"attainable_precision_top_{FLAGS}"],
                "early": early_share(judged, score),
                "expected": found.get("expected_over_observed"),
                "months": _monthly(judged, score) if who in all_of.probable else None,
                "seconds": all_of.seconds.get(who),
            }
        )
    return rows


def _monthly(judged: Judged, score: np.ndarray) -> str:
    """Bans forecast over bans seen, by 28 days of snapshots from the first: the least and the largest, as text."""
    month = (judged.group - judged.group.min()) // 28
    seen = np.bincount(month, judged.label)
    ratio = np.bincount(month, score)[seen > 0] / seen[seen > 0]
    return f"{ratio.min():.2f} to {ratio.max():.2f}"


def weekly_precision(judged: Judged, score: np.ndarray) -> float:
    """Mean average precision over snapshots; those without a ban say nothing and are left out."""
    groups = [judged.group == day for day in np.unique(judged.group)]
    return float(np.mean([average_precision_score(judged.label[own], score[own]) for own in groups if judged.label[own].any()]))


def early_share(judged: Judged, score: np.ndarray) -> float | None:
    """Share of bans whose line is flagged in the latest weekly list that precedes the ban by `EARLY` days or more.

    A list flags the `FLAGGED_SHARE` of its lines with the highest scores (ties by order). Each known ban is looked for in one
    list, 2 to 8 days ahead; it is left out where its line is not in that list, being under a ban or not yet in use. None: no ban.
    """
    place = pd.Series(score).groupby(judged.group).rank(method="first", ascending=False).to_numpy()
    size = pd.Series(score).groupby(judged.group).transform("size").to_numpy()
    due = (judged.days_to_ban >= EARLY) & (judged.days_to_ban < EARLY + 7)
    return float((place <= np.maximum(1, np.floor(FLAGGED_SHARE * size)))[due].mean()) if due.any() else None


def _learn(lake: Lake, home: Home, settings: Settings, cut: int) -> tuple[Dataset, Forecast]:
    """What `models.pipeline.train_lake` does, keeping the training rows; the version it registered, read from the registry."""
    data = build_dataset(lake, settings, last_midnight(lake, day_date(cut)), scratch=home.scratch)
    report = train(snapshot_task(data, settings), home, settings)
    return data, registered(home, settings, report.version)


def _judged(lake: Lake, settings: Settings, table: pd.DataFrame, end: int) -> tuple[Judged, pd.DataFrame]:
    """The rows of `table` whose label is known at `end` (a day number), and they as a table."""
    outcomes = read_outcomes(lake, settings, end)
    label = labels(table, outcomes, [HORIZON])[label_name(HORIZON)].to_numpy()
    table, label = table[~np.isnan(label)].reset_index(drop=True), label[~np.isnan(label)]
    lines = pd.factorize(table["line_id"])[0]
    return Judged(label, np.ones(len(label)), as_of_days(table), days_to_ban(table, outcomes), lines), table


def _straight(data: Dataset, table: pd.DataFrame) -> np.ndarray | None:
    """Probabilities of a logistic regression on the product's training rows; its features are made already."""
    names = [feature.name for feature in data.features]
    label = data.labels[label_name(HORIZON)].to_numpy()
    known = ~np.isnan(label)
    values = data.table[names].to_numpy(dtype="float32")
    found = logistic_scores(values[known], label[known], data.weight[known], table[names].to_numpy(dtype="float32"))
    return None if found is None else found[0]


def _plain(folder: Path, table: pd.DataFrame, first: int, cut: int, settings: Settings, tell: Tell) -> np.ndarray:
    """The plain model's probabilities for the rows of `table`; it learns from every week from its widest window on."""
    learn = list(range(cut - HORIZON, first + 27, -7))[::-1]
    judge = sorted(set(as_of_days(table)))
    frame = plain_frame(folder, [day_date(int(day)) for day in (*learn, *judge)], HORIZON, settings.zone)
    frame["as_of"] = pd.to_datetime(frame["as_of"]).astype("datetime64[s]")
    later = frame["as_of"] >= pd.Timestamp(day_date(cut))
    test = frame[later].copy()
    test["risk"] = plain_scores(frame[~later], test, settings.train.seed)
    keys = table[["as_of", "line_id"]].astype({"line_id": str})
    keys = keys.merge(test[["as_of", "line_id", "risk"]].astype({"line_id": str}), how="left", on=["as_of", "line_id"])
    lost = keys["risk"].isna()
    if lost.any():  # bans that were not known yet: such a line is no longer in use to whoever reads event times
        tell(f"{folder.name}: {int(lost.sum())} of {len(keys)} rows are not eligible to the plain model and count as risk 0")
    return keys["risk"].fillna(0.0).to_numpy()


def _true_hazards(folder: Path, table: pd.DataFrame, at: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The simulated hazard of each row's first day, and the mean of the coming week's days on which the line was in use.

    None where the world does not come with it. The week's is a bound for orientation: it knows what the lines will do.
    """
    path = folder / "truth.parquet"
    if not path.exists():
        return None
    truth = pd.read_parquet(path)
    truth["day"] = (pd.to_datetime(truth["day"]) - pd.Timestamp("1970-01-01")).dt.days
    known = truth.astype({"line_id": str}).drop_duplicates(["line_id", "day"]).set_index(["line_id", "day"])["hazard"]
    lines = table["line_id"].astype(str)
    days = [known.reindex(pd.MultiIndex.from_arrays([lines, at + ahead])).to_numpy() for ahead in range(HORIZON)]
    week = np.column_stack([np.nan_to_num(days[0]), *days[1:]])  # the first day: 0 where the line was banned unbeknown
    return np.nan_to_num(days[0]), np.nanmean(week, axis=1)
