from __future__ import annotations

import ast
from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from pipelines import artifacts, steps

FLOWS = Path(__file__).parents[2] / "pipelines" / "flows.py"


def test_every_flow_is_short_and_computes_nothing():
    tree = ast.parse(FLOWS.read_text())
    flows = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    assert len(flows) >= 6 and all(node.end_lineno - node.lineno < 60 for node in flows)
    assert not any(isinstance(node, ast.For | ast.While | ast.ListComp) for node in ast.walk(tree))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"numpy", "pandas", "pyarrow", "duckdb", "mlflow", "lightgbm"}


@pytest.mark.parametrize(("error", "tries"), [(ConnectionError("server away"), 3), (BadInput("no such model"), 1)])
def test_fetching_a_model_is_tried_again_when_the_server_is_away_but_not_on_bad_input(
    prefect_server, monkeypatch, tmp_path, error, tries
):
    from prefect import flow

    import models.tracking

    asked = []

    def away(home, settings):
        asked.append(home)
        raise error

    monkeypatch.setattr(models.tracking, "connect", away)
    quick = steps.fetch_model.with_options(retry_delay_seconds=0)

    @flow
    def fetch() -> None:
        quick(str(tmp_path), "champion")

    with pytest.raises(type(error)):
        fetch()
    assert len(asked) == tries


def test_a_metric_that_someone_lacks_is_left_empty_in_the_table():
    rows = artifacts.metric_rows({"model": {"roc_auc": 0.91234, "brier": 0.04}, "rule": {"roc_auc": 0.7}})
    assert rows == [{"metric": "roc_auc", "model": 0.9123, "rule": 0.7}, {"metric": "brier", "model": 0.04, "rule": ""}]
