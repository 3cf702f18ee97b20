"""The command line of the measurements: wrong words are refused in a line, tables are tables, a finished table is judged."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main, markdown
from benchmarks.finished import table_quality


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["table"], "table needs --file"),
        (["quality", "--kinds", "threshold,none"], "no world `none`"),
        (["quality", "--world", "no-such-folder"], "no-such-folder: no such file or folder"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2 and says in capsys.readouterr().err


def test_a_table_has_a_column_for_every_name_and_nothing_where_nothing_is_known() -> None:
    text = markdown([{"who": "a", "ap": 0.12345, "n": 3}, {"who": "b", "ap": None, "seconds": 123.45}])
    assert text.splitlines() == [
        "| who | ap | n | seconds |",
        "| --- | --- | --- | --- |",
        "| a | 0.123 | 3 |  |",
        "| b |  |  | 123.5 |",
    ]


def test_a_finished_table_is_learnt_from_its_first_rows_and_judged_on_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANCAST_TRAIN__ROUNDS", "20")
    rng = np.random.default_rng(4)
    table = pd.DataFrame(rng.normal(size=(600, 4)).round(3), columns=list("abcd"))
    label = (table["a"] + 0.5 * rng.normal(size=600) > 0.8).astype(int)
    table = table.assign(line_id=[f"s{i:04d}" for i in range(600)], label=label)
    file = tmp_path / "lines.csv"
    table.to_csv(file, index=False)
    told: list[str] = []
    rows = {row["who"]: row for row in table_quality(file, "label", "line_id", told.append)}
    assert set(rows) == {"bancast", "logistic regression", "plain LightGBM"}
    assert all(row["rows"] == 150 and row["banned"] == label[450:].sum() for row in rows.values())
    assert all(row["roc_auc"] > 0.85 and 0.5 < row["macro_f1"] <= 1 for row in rows.values()), json.dumps(rows)
    assert told == [f"lines.csv: train on 450 rows, {label[:450].sum()} of them banned"]
