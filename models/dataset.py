"""The training table: snapshots of all lines, their features and their labels, as known at `until`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.build import IDS, feature_batches, missing_features
from features.catalogue import CATALOGUE
from features.feature import Feature
from models.labels import Outcomes, labels, read_outcomes

Progress = Callable[[str, float], None]
Batches = Callable[[Sequence[int], Progress], Iterator[pd.DataFrame]]
"""Feature tables of as_of days, in parts of whole days."""


@dataclass
class Dataset:
    """Rows to learn from and to be judged on.

    table: as_of, line_id, carrier, number_pool, team and the features. labels: a column `ban_{h}d` a horizon, aligned.
    weight: how many rows each row stands for, after thinning. missing: source -> features it would have given.
    """

    table: pd.DataFrame
    labels: pd.DataFrame
    weight: np.ndarray
    features: list[Feature]
    outcomes: Outcomes
    fingerprint: str
    missing: dict[str, list[str]] = field(default_factory=dict)

    def take(self, rows: np.ndarray) -> Dataset:
        """The rows of a mask or index, in order."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return Dataset(
            self.table.iloc[index].reset_index(drop=True),
            self.labels.iloc[index].reset_index(drop=True),
            self.weight[index],
            self.features,
            self.outcomes,
            self.fingerprint,
            self.missing,
        )


def snapshot_days(lake: Lake, settings: Settings, until: int) -> list[int]:
    """As_of days to learn from, ascending: those whose number `train.every_days` divides, up to the last with any mature label.

    So a later training looks at the same days and some more, and what was worked out for them serves again. The first
    `train.warmup_days` of the calls are left out: there windows look back past the beginning of the records.
    """
    days = lake.days("calls", until)
    if not days:
        raise BadInput(f"{lake.root}: no calls known before {day_date(until)}; ingest earlier calls, or give a later --until")
    last = until - min(settings.train.horizons)
    first = days[0] + settings.train.warmup_days
    return [day for day in range(first, last + 1) if day % settings.train.every_days == 0]


def build_dataset(
    lake: Lake,
    settings: Settings,
    until: int,
    progress: Progress | None = None,
    scratch: Path | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
    batches: Batches | None = None,
) -> Dataset:
    """The training table of everything known strictly before local midnight `until` (a day number).

    Features come from the code that scores each morning; batches: a store of what that code made. Past `train.max_rows` rows
    without a ban are thinned at random by seed, and those kept weigh more, so that rates stay what they are.
    """
    tell = progress or (lambda step, share: None)
    outcomes = read_outcomes(lake, settings, until)
    days = snapshot_days(lake, settings, until)
    if not days:
        raise BadInput(
            f"{lake.root}: too little history before {day_date(until)} to learn from; it takes "
            f"{settings.train.warmup_days} days of calls and at least {min(settings.train.horizons)} more"
        )
    parts = []
    # Lines that came later must not decide how many rows are kept.
    lines = max(1, sum(lake.rows("lines", until).values()))
    share = min(1.0, settings.train.max_rows / (lines * len(days)))
    made = batches or (lambda wanted, said: feature_batches(lake, settings, wanted, said, catalogue, scratch))
    for table in made(days, lambda step, done: tell(f"features: {step}", done)):
        outcome = labels(table, outcomes, settings.train.horizons)
        weight = thin(table, outcome, share, settings.train.seed)
        kept = (weight > 0) & outcome.notna().any(axis=1).to_numpy()
        parts.append((table[kept], outcome[kept], weight[kept]))
    table = pd.concat([part[0] for part in parts], ignore_index=True)
    outcome = pd.concat([part[1] for part in parts], ignore_index=True)
    weight = np.concatenate([part[2] for part in parts])
    missing = missing_features(table, catalogue, lake)
    lacking = {feature.name for feature in catalogue if table[feature.name].isna().all()}
    features = [feature for feature in catalogue if feature.name not in lacking]
    table = table.drop(columns=sorted(lacking))
    return Dataset(table, outcome, weight, features, outcomes, lake.fingerprint(until), missing)


def thin(table: pd.DataFrame, outcome: pd.DataFrame, share: float, seed: int) -> np.ndarray:
    """A weight a row: 1 for rows with a ban, 1/share for a random `share` of the others, 0 for the rest."""
    if share >= 1:
        return np.ones(len(table))
    banned = (outcome == 1).any(axis=1).to_numpy()
    keys = table["line_id"].astype(str) + "@" + table["as_of"].astype(str) + f"#{seed}"
    draw = np.array([zlib.crc32(key.encode()) for key in keys]) / 2**32
    return np.where(banned, 1.0, np.where(draw < share, 1.0 / share, 0.0))


def labelled_batches(
    lake: Lake,
    settings: Settings,
    days: Sequence[int],
    until: int,
    progress: Progress | None = None,
    scratch: Path | None = None,
    catalogue: Sequence[Feature] = CATALOGUE,
) -> Iterator[pd.DataFrame]:
    """Features and labels of the given as_of days, in parts of whole days: as_of, ids, features, a label a horizon."""
    outcomes = read_outcomes(lake, settings, until)
    for table in feature_batches(lake, settings, days, progress, catalogue, scratch):
        yield pd.concat([table, labels(table, outcomes, settings.train.horizons)], axis=1)


def column_docs(settings: Settings) -> list[dict[str, Any]]:
    """What each column of `labelled_batches` means, in their order: name, doc, unit and, of a feature, its catalogue entry."""
    ids = {
        "as_of": "local midnight that the row looks back from; everything in it was known strictly before",
        "line_id": "the line",
        "carrier": "its carrier, as known at as_of",
        "number_pool": "its number pool, as known at as_of",
        "team": "its team, as known at as_of",
    }
    outcome = "1 when a ban begins in [as_of, as_of + {h} days), 0 when none does, missing while not known or censored"
    return [
        *[{"name": name, "doc": doc, "unit": "date" if name == "as_of" else "id"} for name, doc in ids.items()],
        *[feature.describe() for feature in CATALOGUE],
        *[{"name": f"ban_{h}d", "doc": outcome.format(h=h), "unit": "0 or 1"} for h in settings.train.horizons],
    ]


def id_columns(table: pd.DataFrame) -> list[str]:
    """The columns of a training table that are not features."""
    return [name for name in ("as_of", *IDS) if name in table]
