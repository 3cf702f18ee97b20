"""How good training on a finished table is: learn from the first three quarters of a file's rows, judge on the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from benchmarks.registered import registered
from data_schemas.home import Home
from data_schemas.settings import load_settings
from models.baselines import logistic_scores
from models.table import numeric_columns, read_table, train_table

SHARE = 0.75
"""Part of the rows, from the first, that is learnt from."""


def table_quality(file: Path, label: str, key: str, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row a contestant: roc_auc, ap (average precision), macro_f1 at a risk of 0.5, all on the last quarter of `file`.

    file: CSV, one row a line. label: column of 0 and 1. key: column that names a row. The product sees a file of the first rows
    alone, publishes, and the registered version scores the rest.
    """
    table = read_table(file, key)
    start = int(len(table) * SHARE)
    learnt, banned = (part[label].to_numpy(dtype=float) for part in (table.iloc[:start], table.iloc[start:]))
    with tempfile.TemporaryDirectory(prefix="bancast-table-") as work:
        home = Home(Path(work) / "home")
        home.root.mkdir()
        settings = load_settings(home.root)
        part = Path(work) / "train.csv"
        table.iloc[:start].to_csv(part, index=False)
        tell(f"{file.name}: train on {start} rows, {int(learnt.sum())} of them banned")
        report = train_table(home, settings, file=part, label=label, id=key)
        forecast = registered(home, settings, report.version)
        scores = {"bancast": forecast.risks(table.iloc[start:])[:, forecast.headline]}
    values, _, _ = numeric_columns(table, {label, key})
    straight = logistic_scores(values[:start], learnt, np.ones(start), values[start:])
    if straight is not None:
        scores["logistic regression"] = straight[0]
    plain = LGBMClassifier(random_state=settings.train.seed, verbose=-1, n_jobs=2)
    scores["plain LightGBM"] = np.asarray(plain.fit(values[:start], learnt).predict_proba(values[start:]))[:, 1]
    return [
        {
            "who": who,
            "rows": len(banned),
            "banned": int(banned.sum()),
            "roc_auc": float(roc_auc_score(banned, score)),
            "ap": float(average_precision_score(banned, score)),
            "macro_f1": float(f1_score(banned, score >= 0.5, average="macro")),
        }
        for who, score in scores.items()
    ]
