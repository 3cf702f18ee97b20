"""The command line of the measurements: wrong words are refused in a line, tables are tables, a finished table is judged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.__main__ import main, markdown
from benchmarks.finished import table_quality
from benchmarks.places import Size
from benchmarks.speed import PARTS


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["table"], "table needs --file"),
        (["quality", "--kinds", "threshold,none"], "no world `none`"),
        (["quality", "--world", "no-such-folder"], "no-such-folder: no such file or folder"),
        (["speed", "--only", "floor,none"], "no part `none`"),
        (["speed", "--keep"], "--keep needs --work"),
        (["speed", "--growth", "1"], "--growth: give 2 or more"),
        (["speed", "--pandas-snapshots", "0"], "--pandas-snapshots: give 1 or more"),
    ],
)
def test_wrong_words_are_refused_before_anything_runs(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2 and says in capsys.readouterr().err


def test_full_speed_is_the_reference(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = []

    def speed(*given: Any) -> list[dict[str, Any]]:
        asked.append(given)
        return [{"what": "floor", "seconds": 1.5}]

    monkeypatch.setattr("benchmarks.__main__.speed", speed)
    assert main(["speed", "--full", "--out", str(tmp_path / "told"), "--work", str(tmp_path)]) == 0
    [(size, plan, _, work, keep)] = asked
    assert size == Size(lines=20_000, days=180, calls=11.25, seed=3) and (work, keep) == (tmp_path, False)
    assert (plan.snapshots, plan.plain, plan.growth, tuple(plan.only)) == (26, 26, 0, PARTS)
    written = json.loads((tmp_path / "told.json").read_text())
    assert written["speed"] == [{"what": "floor", "seconds": 1.5}] and written["machine"][0]["cores"] > 0
    assert (tmp_path / "told.md").read_text() == capsys.readouterr().out


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
