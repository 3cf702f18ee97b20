"""Training on a finished feature table: one row a line, one horizon, the same procedure, baselines, gate and publishing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold, train_test_split

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from models import bundle
from models.evaluation import Judged
from models.forecast import Fitted, Fold, Sample
from models.pipeline import common_meta, flat_settings
from models.promise import promises
from models.report import TrainReport
from models.training import Task, train
from models.tuning import Budget

Progress = Callable[[str, float], None]
TABLE_MODEL = "bancast-table"
TEST_SHARE = 0.25
FOLDS = 5
_YES = {"1", "true", "t", "yes", "y", "1.0"}
_NO = {"0", "false", "f", "no", "n", "0.0"}


def train_table(
    home: Home,
    settings: Settings,
    *,
    file: Path,
    label: str,
    id: str,
    time: str | None = None,
    name: str = TABLE_MODEL,
    progress: Progress | None = None,
    budget: Budget | None = None,
) -> TrainReport:
    """Train on a table file (Parquet or CSV) and publish.

    budget: to tune the learner first (see models.tuning).
    label: column of 0 and 1 (rows without one are left out). id: column that names a row. time: column by which rows are ordered;
    the file's order when None. The last quarter of the rows judges. Columns that are not numbers are left out, with a note.
    """
    table = read_table(file, id)
    for column in filter(None, (label, id, time)):
        if column not in table:
            raise BadInput(f"{file}: no column `{column}`; it has {', '.join(map(str, table.columns[:12]))}, ...")
    if table[id].isna().any() or table[id].duplicated().any():
        raise BadInput(f"{file}: column `{id}` has empty or repeated ids; --id takes a column that names each row once")
    banned = _labels(table[label], file, label)
    notes = []
    if np.isnan(banned).any():
        notes.append(f"{int(np.isnan(banned).sum())} rows without `{label}` left out")
    if time is not None:
        order = pd.to_datetime(table[time], errors="coerce", utc=True)
        if order.isna().any():
            raise BadInput(f"{file}: column `{time}` has cells that are no time; --time takes a column of dates or times")
        table, banned = table.iloc[np.argsort(order, kind="stable")], banned[np.argsort(order, kind="stable")]
    known = ~np.isnan(banned)
    table, banned = table[known].reset_index(drop=True), banned[known]
    positives = int(banned.sum())
    if min(positives, len(banned) - positives) < settings.train.min_bans:
        raise BadInput(
            f"{file}: column `{label}` has {positives} rows of 1 and {len(banned) - positives} of 0, at least "
            f"{settings.train.min_bans} of each are needed to learn from (train.min_bans)"
        )
    values, names, left_out = numeric_columns(table, {label, id, *([time] if time else [])})
    if left_out:
        notes.append(f"columns that are not numbers left out: {', '.join(left_out)}")
    if not names:
        raise BadInput(f"{file}: no numeric column to learn from besides `{label}` and `{id}`; give features as numbers")
    train_rows, test_rows = _cut(banned, time is not None, settings.train.seed)
    first = int(banned[train_rows].sum()), int((1 - banned[train_rows]).sum())
    if min(first) < 2:
        raise BadInput(
            f"{file}: the first three quarters of the rows by `{time}` have {first[0]} rows of 1 and {first[1]} of 0 in "
            f"`{label}`, at least 2 of each are needed to learn from; give more rows, or none of --time"
        )
    numbers = pd.DataFrame(values, columns=names)
    weight = np.ones(len(banned))

    def folds_of(rows: np.ndarray) -> list[Fold]:
        several = min(FOLDS, int(banned[rows].sum()), int((1 - banned[rows]).sum()))
        split = StratifiedKFold(several, shuffle=True, random_state=settings.train.seed)
        return list(split.split(rows, banned[rows]))

    def judged(rows: np.ndarray, horizon: int) -> tuple[np.ndarray, Judged]:
        nobody = np.full(len(rows), np.inf)
        return rows, Judged(banned[rows], weight[rows], np.zeros(len(rows)), nobody, rows)

    def audit(rows: np.ndarray, fitted: Fitted) -> dict[str, Any]:
        checked, levels = fitted.checked, settings.levels
        if checked.blind:
            return {}
        everyone = np.full(len(checked.row), "")
        risk, own = checked.risks[:, 0], banned[rows[checked.row]]
        # Rows of a table are lines, each there once: all of them count.
        return {"promise": promises(risk, own, np.zeros(len(own)), everyone, 1, levels.promise, levels.confidence)}

    parts = [file] if file.is_file() else sorted(path for path in file.rglob("*") if path.is_file())
    digests = [hashlib.sha256(part.read_bytes()).hexdigest() for part in parts]
    fingerprint = digests[0] if file.is_file() else hashlib.sha256("".join(digests).encode()).hexdigest()
    meta = {
        **common_meta(settings),
        "kind": "table",
        "id": id,
        "group": None,
        "features": [{"name": name, "family": "table", "doc": name, "unit": "", "direction": 0} for name in names],
        "usual": bundle.usual_values(numbers, names, None),
        "actions": [],
        "trained_until": None,
        "data_fingerprint": fingerprint,
    }
    parameters = {
        **flat_settings(settings),
        "file": file.name,
        "label": label,
        "id": id,
        "data_fingerprint": fingerprint,
        "rows": len(banned),
        "bans": positives,
        "features": len(names),
    }
    task = Task(
        name=name,
        run_name=f"train on {file.name}",
        table=pd.concat([table[[id]], numbers], axis=1),
        features=names,
        directions=[0] * len(names),
        sample=Sample(values, {0: banned}, weight),
        headline=0,
        train=train_rows,
        test=test_rows,
        folds_of=folds_of,
        judged=judged,
        meta=meta,
        parameters=parameters,
        bans=positives,
        audit=audit,
        with_rule=False,
        notes=notes,
    )
    return train(task, home, settings, progress, budget)


def read_table(file: Path, id: str) -> pd.DataFrame:
    """A Parquet or CSV file as a frame; ids of a CSV stay text, so that 007 stays 007. BadInput when it cannot be read."""
    if not file.exists():
        raise BadInput(f"{file}: no such file; --table takes a .parquet or .csv file")
    parquet = file.suffix.lower() == ".parquet"
    try:
        if parquet or file.is_dir():
            return pd.read_parquet(file)
        return pd.read_csv(file, dtype={id: "str"}, encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except Exception as error:  # every reader has its own error for a broken file
        what = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadInput(f"{file}: not readable as {'Parquet' if parquet else 'CSV'} ({what}); write it anew") from None


def numeric_columns(table: pd.DataFrame, apart: set[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """The numeric and yes/no columns as float32 (n, F), their names, and the names of the others; `apart` are neither.

    Values past the reach of float32, infinity too, count as its largest: a straight line needs finite numbers.
    """
    most = np.finfo("float32").max
    names, left_out, columns = [], [], []
    for name in table.columns:
        if name in apart:
            continue
        column = table[name]
        if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
            names.append(str(name))
            columns.append(np.clip(column.to_numpy(dtype="float64", na_value=np.nan), -most, most).astype("float32"))
        else:
            left_out.append(str(name))
    return (np.column_stack(columns) if columns else np.empty((len(table), 0), dtype="float32")), names, left_out


def _labels(column: pd.Series, file: Path, name: str) -> np.ndarray:
    """0, 1 and NaN; BadInput for anything else."""
    words = column.astype("string").str.strip().str.lower()
    value = np.where(words.isin(_YES), 1.0, np.where(words.isin(_NO), 0.0, np.nan))
    strange = words.notna() & (words != "") & np.isnan(value)
    if strange.any():
        raise BadInput(f"{file}: column `{name}` holds {str(column[strange].iloc[0])!r}; a label is 1 (banned) or 0")
    return value


def _cut(banned: np.ndarray, ordered: bool, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to learn from and rows that judge: the last quarter, or a stratified draw where that quarter holds one class alone."""
    rows = np.arange(len(banned))
    start = int(len(rows) * (1 - TEST_SHARE))
    if ordered or all(0 < banned[part].sum() < len(banned[part]) for part in (slice(None, start), slice(start, None))):
        return rows[:start], rows[start:]
    learn, check = train_test_split(rows, test_size=TEST_SHARE, stratify=banned, random_state=seed)
    return np.sort(learn), np.sort(check)
