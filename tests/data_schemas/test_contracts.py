"""The second judge: pandera schemas made from the declaration."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas import checks, contracts
from data_schemas.checks import WallClock
from data_schemas.clock import Clock
from data_schemas.tables import TABLES
from tests.data_schemas import disk
from tests.data_schemas.disk import load, small, write

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = st.sampled_from([None, *(NOW + timedelta(days=days) for days in (-3, -2, -1, 1))])
CELLS = {
    "timestamp": TIMES,
    "number": st.sampled_from([None, -0.001, 0.0, 5.0, 86_400.0, 86_400.001]),
    "boolean": st.sampled_from([None, True, False]),
    "clock": st.sampled_from([None, "08:00", "24:00"]),
}


def cells(column):
    if column.kind == "string":
        return st.sampled_from([None, "", "x", *column.allowed])
    return CELLS[column.kind]


@pytest.mark.parametrize("name", TABLES)
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_both_judges_refuse_the_same_rows(name, data):
    table = TABLES[name]
    rows = data.draw(st.lists(st.fixed_dictionaries({c.name: cells(c) for c in table.columns}), min_size=1, max_size=30))
    con = duckdb.connect()
    made = ", ".join(
        f"CAST({c.name} AS {'TIMESTAMPTZ' if c.kind == 'timestamp' else checks.sql_type(c)}) AS {c.name}"
        if not c.personal
        else f"hash({c.name}) % 1000 :: BIGINT AS {c.name}"
        for c in table.columns
    )
    frame = pd.DataFrame(
        [{k: None if v == "" and table.column(k).personal else v for k, v in row.items()} for row in rows], dtype=object
    )
    con.register("given", disk.pa.table({c: disk.pa.array(frame[c].tolist()) for c in frame}))
    block = ", 1 AS __callee_block" if checks.has_block(table) else ""
    nulls = ", ".join(f"CASE WHEN {c.name} IS NOT NULL THEN {c.name} END AS {c.name}" for c in table.columns)
    con.execute(f"CREATE VIEW raw AS SELECT {made}, 'f' AS __file{block} FROM (SELECT {nulls} FROM given)")
    kinds = {column: kind for column, kind, *_ in con.execute("DESCRIBE raw").fetchall() if not column.startswith("__")}
    for column in table.columns:
        if column.personal:
            kinds[column.name] = "VARCHAR"
            con.execute("SELECT 1")
    plan = checks.plan(table, kinds | {"__file": "VARCHAR"}, WallClock(Clock(), NOW), "here", lambda _: False)
    staged = con.execute(plan.select("raw")).df()
    refused = set(contracts.failures(table, staged, NOW)["index"])
    assert refused == set(staged.index[staged["rule"] > 0])


def broken(tmp_path, monkeypatch, tables):
    """Ingest with a scan that judges nothing."""
    real = checks.Plan._broken
    monkeypatch.setattr(checks.Plan, "_broken", lambda self: real(self) and "0")
    load(write(tmp_path / "in", tables), tmp_path / "home")


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("calls", {"duration_s": -1.0}, "duration_s"),
        ("calls", {"ring_s": 1e9}, "ring_s"),
        ("calls", {"line_id": None}, "line_id"),
        ("calls", {"started_at": datetime.now(UTC) + timedelta(days=2)}, "started_at"),
        ("complaints", {"channel": "rumour"}, "channel"),
        ("bans", {"lifted_at": disk.at(-9)}, "lifted_at is not before banned_at"),
    ],
)
def test_rows_that_the_scan_lets_pass_wrongly_are_stopped_before_the_commit(tmp_path, monkeypatch, table, change, says):
    tables = small(calls=30)
    tables[table][-1] |= change
    with pytest.raises(contracts.ContractBroken, match=says):
        broken(tmp_path, monkeypatch, tables)
    assert disk.files(tmp_path / "home") == []


def test_a_schema_has_the_columns_and_words_of_the_declaration():
    for table in TABLES.values():
        schema = contracts.schema(table)
        assert list(schema.columns) == list(table.names) and schema.name == table.name
        for column in table.columns:
            assert schema.columns[column.name].nullable is not column.required
            assert schema.columns[column.name].description == column.doc


def test_witnesses_of_a_big_table_show_any_row_that_breaks_a_rule(tmp_path):
    table = TABLES["calls"]
    good = {name: None for name in table.names} | {"call_id": "c", "line_id": "L", "callee_id": 5, "duration_s": 1.0}
    good |= {"answered": True, "started_at": NOW.replace(tzinfo=None) - timedelta(days=1)}
    with tempfile.TemporaryDirectory() as folder:
        for change in ({}, {"duration_s": None}, {"duration_s": 86_401.0}, {"ring_s": -1.0}, {"answered": None}, {"call_id": ""}):
            frame = contracts.typed(table, pd.DataFrame([good] * 50 + [good | change] + [good] * 50))
            path = Path(folder) / "part.parquet"
            frame.to_parquet(path)
            if change:
                with pytest.raises(contracts.ContractBroken, match=next(iter(change))):
                    contracts.judge(duckdb.connect(), table, [path], NOW)
            else:
                contracts.judge(duckdb.connect(), table, [path], NOW)
