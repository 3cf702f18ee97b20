"""How good the forecast is against a plain LightGBM, the rule of today and a logistic regression, on held-out time.

Each world is ingested into a home of its own. The product trains on what was known before day D (three quarters of the way) and
publishes; the registered version then scores weekly snapshots from D on. The plain model learns from weekly snapshots whose
7-day labels had ended before D. Everybody is judged on the same rows, with labels known at the end of the records.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from benchmarks.plain import plain_frame, plain_scores, weekly
from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.settings import Settings, load_settings
from data_schemas.sources import find_sources
from features.build import build_features
from models.baselines import rule_scores
from models.evaluation import Judged, evaluate
from models.labels import as_of_days, days_to_ban, labels, read_outcomes
from models.pipeline import train_lake
from models.tracking import connect
from serving.published import Forecast

HORIZON = 7
SHARE = 0.75
Tell = Callable[[str], None]


def world_quality(folder: Path, tell: Tell) -> list[dict[str, Any]]:
    """One row a contestant: who, average_precision, ratio to the plain model, roc_auc, and more, on the tables of `folder`."""
    with tempfile.TemporaryDirectory(prefix="bancast-quality-") as work:
        home = Home(Path(work))
        settings = load_settings(home.root)
        started = time.perf_counter()
        tell(f"{folder.name}: ingest")
        ingest(find_sources(folder), home.root, settings)
        lake = Lake(home.lake)
        days = lake.days("calls")
        cut = days[0] + int((days[-1] + 1 - days[0]) * SHARE)
        tell(f"{folder.name}: train until {day_date(cut)}")
        report = train_lake(home, settings, until=day_date(cut))
        registry = connect(home, settings)
        version = registry.resolve("bancast", report.version.rsplit("/", 1)[1])
        forecast = Forecast.read(registry.download(version, home.model_cache))
        tell(f"{folder.name}: score")
        table = build_features(lake, settings, range(cut, days[-1] + 1, 7))
        outcomes = read_outcomes(lake, settings, days[-1] + 1)
        label = labels(table, outcomes, [HORIZON])[f"ban_{HORIZON}d"].to_numpy()
        kept = ~np.isnan(label)
        table, label = table[kept].reset_index(drop=True), label[kept]
        at = as_of_days(table)
        judged = Judged(label, np.ones(len(label)), at, days_to_ban(table, outcomes), pd.factorize(table["line_id"])[0])
        lacking = {name: np.nan for name in forecast.names if name not in table}
        scores = {
            "bancast": forecast.risks(table.assign(**lacking))[:, forecast.headline],
            "plain LightGBM": _plain(folder, table, cut, settings, tell),
            "rule": rule_scores(table, settings.rule),
        }
        truth = _true_hazard(folder, table, at)
        if truth is not None:
            scores["true one-day hazard"] = truth
        rows: list[dict[str, Any]] = []
        flags = max(1, int(0.05 * len(label) / len(np.unique(at))))
        for who, score in scores.items():
            metrics = evaluate(judged, score, flags, HORIZON, who in ("bancast", "plain LightGBM"))
            rows.append(
                {"world": folder.name, "who": who, "bans": int(label.sum()), **metrics, "early": _early(judged, score, flags)}
            )
        plain = average_precision_score(label, scores["plain LightGBM"])
        for row in rows:
            row["ratio"] = average_precision_score(label, scores[row["who"]]) / plain
        tell(f"{folder.name}: {time.perf_counter() - started:.0f} s; {report.why}")
        return rows


def _plain(folder: Path, table: pd.DataFrame, cut: int, settings: Settings, tell: Tell) -> np.ndarray:
    """The plain model's probabilities for the rows of `table`."""
    tell(f"{folder.name}: plain LightGBM")
    first = int((pd.Timestamp(table["as_of"].min()) - pd.Timestamp("1970-01-01")).days)
    train = plain_frame(folder, weekly(day_date(cut - HORIZON), 13), HORIZON, settings.zone)
    test = plain_frame(
        folder, [day_date(day) for day in range(first, int(as_of_days(table).max()) + 1, 7)], HORIZON, settings.zone
    )
    test["risk"] = plain_scores(train, test, settings.train.seed)
    test["as_of"] = pd.to_datetime(test["as_of"]).astype("datetime64[s]")
    found = table[["as_of", "line_id"]].astype({"line_id": str})
    found = found.merge(test[["as_of", "line_id", "risk"]].astype({"line_id": str}), how="left", on=["as_of", "line_id"])
    return found["risk"].fillna(0.0).to_numpy()


def _true_hazard(folder: Path, table: pd.DataFrame, at: np.ndarray) -> np.ndarray | None:
    """The simulated hazard of each row's first day, for orientation; None where the world does not come with it."""
    path = folder / "truth.parquet"
    if not path.exists():
        return None
    truth = pd.read_parquet(path)
    if not pd.api.types.is_numeric_dtype(truth["day"]):
        truth["day"] = (pd.to_datetime(truth["day"]) - pd.Timestamp("1970-01-01")).dt.days
    rows = pd.DataFrame({"line_id": table["line_id"].astype(str), "day": at})
    return rows.merge(truth.astype({"line_id": str}), how="left", on=["line_id", "day"])["hazard"].fillna(0.0).to_numpy()


def _early(judged: Judged, score: np.ndarray, flags: int) -> float:
    """Share of bans of the coming week, two days ahead or more, on lines among the top `flags` of their snapshot."""
    place = pd.Series(score).groupby(judged.group).rank(method="first", ascending=False).to_numpy()
    due = (judged.days_to_ban >= 2) & (judged.days_to_ban < HORIZON)
    return float((place[due] <= flags).mean()) if due.any() else float("nan")


def table_quality(file: Path, label: str, key: str, tell: Tell) -> list[dict[str, Any]]:
    """The product on a finished table: learn from the first three quarters of the rows, judge on the rest."""
    from lightgbm import LGBMClassifier

    from models.baselines import logistic_scores
    from models.table import numeric_columns, train_table

    table = pd.read_csv(file)
    start = int(len(table) * SHARE)
    banned = table[label].to_numpy()[start:]
    with tempfile.TemporaryDirectory(prefix="bancast-table-") as work:
        home = Home(Path(work))
        settings = load_settings(home.root)
        part = Path(work) / "train.csv"
        table.iloc[:start].to_csv(part, index=False)
        tell(f"{file.name}: train on {start} rows")
        report = train_table(home, settings, file=part, label=label, id=key)
        registry = connect(home, settings)
        version = registry.resolve("bancast-table", report.version.rsplit("/", 1)[1])
        forecast = Forecast.read(registry.download(version, home.model_cache))
        scores = {"bancast": forecast.risks(table.iloc[start:])[:, 0]}
    values, _, _ = numeric_columns(table, {label, key})
    learnt = table[label].to_numpy()[:start].astype(float)
    plain = LGBMClassifier(random_state=7, verbose=-1).fit(values[:start], learnt)
    scores["plain LightGBM"] = np.asarray(plain.predict_proba(values[start:]))[:, 1]
    straight = logistic_scores(values[:start], learnt, np.ones(start), values[start:])
    if straight is not None:
        scores["logistic regression"] = straight[0]
    return [
        {
            "who": who,
            "roc_auc": roc_auc_score(banned, score),
            "average_precision": average_precision_score(banned, score),
            "macro_f1": f1_score(banned, score >= 0.5, average="macro"),
        }
        for who, score in scores.items()
    ]
