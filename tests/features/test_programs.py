"""Statements kept for later builds: the same table from them, and nothing kept that another build can't run."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import ibis
import pandas as pd
import pytest

from data_schemas.settings import Settings
from features import programs
from features.build import build_features
from features.catalogue import CATALOGUE
from features.local import DuckEngine
from tests.data_schemas import disk

FIRST = 20_500
SETTINGS = Settings(threads=1, memory_gb=1)
FEW = CATALOGUE[::24]


@pytest.fixture(autouse=True)
def nothing_held():
    programs._held.clear()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    disk.load(disk.write(tmp_path / "in", disk.small(days=5, calls=6)), tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables stored while statements were being written down."""
    found: list[str] = []
    store = DuckEngine.store

    def watched(self, name, expr):
        if self._recorded is not None:
            found.append(name)
        return store(self, name, expr)

    monkeypatch.setattr(DuckEngine, "store", watched)
    return found


def build(home: Path, day: int, catalogue=FEW, settings: Settings = SETTINGS) -> pd.DataFrame:
    return build_features(disk.lake_of(home), settings, [FIRST + day], catalogue=catalogue)


def kept(home: Path) -> list[Path]:
    return sorted((home / "derived" / "programs").iterdir())


@pytest.mark.parametrize("memory", [True, False], ids=["memory", "file"])
def test_later_builds_run_the_statements_of_the_first(home: Path, recorded: list[str], memory: bool):
    build(home, 4)
    assert "members" in recorded and kept(home)
    recorded.clear()
    if not memory:
        programs._held.clear()
    table = build(home, 5)
    assert recorded == []
    programs._held.clear()
    for path in kept(home):
        path.unlink()
    pd.testing.assert_frame_equal(table, build(home, 5), check_exact=True)
    assert "members" in recorded, "what is kept can be lost"


def test_what_statements_follow_from_makes_other_ones(home: Path, recorded: list[str]):
    build(home, 5)
    for changed in (FEW[1:], FEW[::-1]):
        recorded.clear()
        assert list(build(home, 5, changed).columns[5:]) == [feature.name for feature in changed]
        assert "members" in recorded
    recorded.clear()
    hours = SETTINGS.model_copy(update={"features": SETTINGS.features.model_copy(update={"permitted_to": "11:00"})})
    build(home, 5, settings=hours)
    assert "call_sums" in recorded and "members" not in recorded


def test_formulas_of_another_hand_are_not_kept(home: Path, recorded: list[str]):
    own = dataclasses.replace(CATALOGUE[0], formula=lambda w: w.at("as_of_day") * 0 + 7)
    build(home, 5, [CATALOGUE[0]])
    recorded.clear()
    for _ in range(2):
        assert (build(home, 5, [own])[own.name] == 7).all()
    assert recorded.count("members") == 2


def test_files_of_other_code_go_and_broken_ones_are_made_anew(home: Path, recorded: list[str], monkeypatch: pytest.MonkeyPatch):
    table = build(home, 5)
    first = kept(home)
    for path, text in zip(first, ['{"statements": [', "[]", '{"statements": []}'] * len(first), strict=False):
        path.write_text(text)
    programs._held.clear()
    pd.testing.assert_frame_equal(table, build(home, 5), check_exact=True)
    remade = [path for path in first if "leaves" in json.loads(path.read_text() if path.stat().st_size > 20 else "{}")]
    assert remade
    monkeypatch.setattr(programs, "_CODE", "another")
    recorded.clear()
    build(home, 5)
    assert "members" in recorded
    assert not set(first) & set(kept(home)) and all(path.name.startswith("another") for path in kept(home))


@pytest.mark.parametrize(
    "statement",
    [
        "insert into a select * from lake_calls_" + "0123456789abcdef" * 2,
        "from read_parquet('/x')",
        "from ibis_pandas_memtable_ab",
    ],
)
def test_statements_of_one_build_alone_are_not_kept(tmp_path: Path, statement: str):
    place = programs.Place(tmp_path, "work")
    place.keep(programs.Program([statement], {}, {}))
    assert place.find() is None and not os.listdir(tmp_path)
    lasting = programs.Program(["select 1"], {"rows": "a"}, {"rows": {"line": "int32", "names": "array<string>"}})
    place.keep(lasting)
    programs._held.clear()
    assert place.find() == lasting
    assert place.find().tables() == {"rows": ("a", ibis.schema({"line": "int32", "names": "array<string>"}))}


def test_memory_holds_so_many_programs_and_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "_MOST", 2)
    places = [programs.Place(None, number) for number in range(3)]
    for place in places[:2]:
        place.keep(programs.Program(["select 1"], {}, {}))
    assert places[0].find()
    places[2].keep(programs.Program(["select 1"], {}, {}))
    assert places[0].find() and places[2].find() and places[1].find() is None, "the one that was not asked for longest goes"


def test_a_batch_frees_what_its_formulas_do_not_read(home: Path, monkeypatch: pytest.MonkeyPatch):
    left: list[set[str]] = []
    arrow = DuckEngine.arrow

    def watched(self, expr):
        if expr.get_name() == "temp.main.feature_rows":
            tables = self.con.raw_sql("select table_name from duckdb_tables() where temporary").fetchall()
            passing = ("_together", "_when", "_alike", "_records")
            left.append({name for (name,) in tables if name.endswith(passing) or "_met_" in name or name == "members"})
        return arrow(self, expr)

    monkeypatch.setattr(DuckEngine, "arrow", watched)
    build(home, 5, CATALOGUE)
    assert left == [set()]
