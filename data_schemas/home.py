"""Where everything of a home lies: the one place that knows the names of its files and folders."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import time

_STALE_S = 86_400


@dataclass(frozen=True)
class Home:
    """A home folder: lake, MLflow store, scores, reports and settings of one company."""

    root: Path

    @property
    def lake(self) -> Path:
        """The lake (see data_schemas.lake)."""
        return self.root / "lake"

    @property
    def derived(self) -> Path:
        """Days of the lake that were worked out for the features (see features.kept); safe to remove."""
        return self.root / "derived"

    @property
    def mlflow_db(self) -> Path:
        """The SQLite store of MLflow, where no server is set."""
        return self.root / "mlflow.db"

    @property
    def mlflow_artifacts(self) -> Path:
        """The artifacts of MLflow, where no server is set."""
        return self.root / "mlartifacts"

    @property
    def tuning_db(self) -> Path:
        """The trials of all tunings (see models.tuning); safe to remove, tuning then starts anew."""
        return self.root / "tuning.db"

    @property
    def prefect(self) -> Path:
        """Prefect's own folder, where no server is set."""
        return self.root / "prefect"

    @property
    def scratch(self) -> Path:
        """Where the engine spills to; empty between runs."""
        return self.root / "scratch"

    @property
    def model_cache(self) -> Path:
        """Bundles of registered versions, downloaded and checked."""
        return self.root / "model-cache"

    def model_card(self, version: str) -> Path:
        """The page of the card of a registered version ("name/number") that was trained here; its texts lie beside it."""
        return self.root / "models" / version / "model-card.html"

    @property
    def scores(self) -> Path:
        """All days of scores."""
        return self.root / "scores"

    def scores_file(self, as_of: date) -> Path:
        """The scores of one day."""
        return self.scores / f"as_of={as_of.isoformat()}" / "scores.parquet"

    @property
    def alert_log(self) -> Path:
        """What was sent to which channel (see serving.alerts.log)."""
        return self.root / "alerts" / "log.jsonl"

    @property
    def alert_acks(self) -> Path:
        """Which lines were acknowledged, and until when (see serving.alerts.acks)."""
        return self.root / "alerts" / "acks.jsonl"

    def backtest_folder(self, first: date, last: date) -> Path:
        """A replay of history: backtest.html, backtest.json, scored.parquet."""
        return self.root / "backtests" / f"{first.isoformat()}_{last.isoformat()}"

    def report_folder(self, as_of: date) -> Path:
        """The ranking of one day: ranking.html, ranking.xlsx, ranking.csv, and the card of its model where there is one."""
        return self.root / "reports" / as_of.isoformat()

    @property
    def appeals(self) -> Path:
        """Appeals: cases/ID.json, and the documents of each case in a folder ID."""
        return self.root / "appeals"


def clear_stale(scratch: Path) -> None:
    """Remove what runs that were killed left below a scratch folder.

    For a day it stays: a reader of the home, which holds no lock, may still use it.
    """
    for path in scratch.glob("*"):
        with suppress(OSError):
            if path.stat().st_mtime < time() - _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
