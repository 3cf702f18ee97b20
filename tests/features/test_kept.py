"""Days kept beside the lake: however the rows came, in whatever chunks, features are those of one build from nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features import kept, refresh
from features.build import build_features
from features.catalogue import CATALOGUE
from features.kept import Kept
from tests.data_schemas import disk
from tests.features.changes import known_before
from tests.features.worlds import MemoryLake, random_world

ZONE, FIRST, DAYS = "Asia/Shanghai", 20_500, 45
SOME = [
    feature
    for number, feature in enumerate(CATALOGUE)
    if number % 12 == 0 or "callee" in feature.base or "region" in feature.base
]
LONGEST = {base: max(one.window or 0 for one in SOME if one.base == base) for base in {one.base for one in SOME}}
FEW = [feature for feature in SOME if (feature.window or 0) == LONGEST[feature.base]]
"""Of each kind the feature that looks back furthest."""
SETTINGS = Settings(threads=1, memory_gb=1)


@dataclass
class KeptLake(MemoryLake):
    """A world as it stands, beside which days are kept."""

    derived: Path | None = None

    def known_state(self, table: str):
        def state(day: int) -> str:
            known = [row | {"gone_day": self._gone(row, day)} for row in self.tables.get(table, []) if row["known_day"] <= day]
            return hashlib.sha256(repr(sorted(map(repr, known))).encode()).hexdigest()

        return state

    def _gone(self, row: dict, day: int) -> int | None:
        return row["gone_day"] if row["gone_day"] is not None and row["gone_day"] <= day else None


def built(lake: MemoryLake, days: list[int]) -> pd.DataFrame:
    return build_features(lake, SETTINGS, days, catalogue=FEW)


def assert_same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=True)


CHUNKS = [
    {},
    {"CHUNK_ROWS": 30},
    {"MET_DAYS": 5},
    {"MET_ROWS": 30, "MET_DAYS": 20},
    {"CHUNK_ROWS": 30, "MET_ROWS": 3},
]
"""Sizes of chunks in `refresh`, instead of its own: some days, or some of the lines, at a time. One day: the test of a home."""


@how(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10_000), data=st.data())
def test_rows_that_come_late_or_corrected_in_any_chunks_give_the_table_of_one_build(seed: int, data: st.DataObject):
    world = random_world(seed, ZONE, days=DAYS)
    steps = sorted(data.draw(st.lists(st.integers(8, DAYS + 12), min_size=2, max_size=3)))
    rng = np.random.default_rng(seed)
    # Some rows reach the lake long after they were known: an export that lagged behind.
    arrives = {id(row): int(rng.choice([0, 0, 0, 0, 25])) for rows in world.tables.values() for row in rows}
    chunks = data.draw(st.sampled_from(CHUNKS))
    with tempfile.TemporaryDirectory() as folder:
        for step in steps:
            now = {
                table: [row for row in rows if row["known_day"] + arrives[id(row)] < FIRST + step]
                for table, rows in world.tables.items()
            }
            stands = known_before(MemoryLake(now), FIRST + step, ZONE)
            days = [FIRST + step, FIRST + step - data.draw(st.integers(1, 40))]
            with pytest.MonkeyPatch.context() as patch:
                for name, size in chunks.items():
                    patch.setattr(refresh, name, size)
                table = built(KeptLake(stands.tables, derived=Path(folder)), days)
            assert_same(table, built(stands, days))


def homes_differ(home: Path, days: list[int]) -> pd.DataFrame:
    """The table from what a home keeps, compared with the one from nothing."""
    lake = disk.lake_of(home)
    table = build_features(lake, SETTINGS, days, catalogue=FEW)
    bare = disk.lake_of(home)
    bare.__class__ = type("Bare", (bare.__class__,), {"derived": None})
    assert_same(table, build_features(bare, SETTINGS, days, catalogue=FEW))
    return table


def test_a_home_keeps_its_days_and_works_out_only_what_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home, made = tmp_path / "home", []
    put = kept.Kept.put
    monkeypatch.setattr(
        kept.Kept, "put", lambda self, kind, days, *more: (made.append((kind, list(days))), put(self, kind, days, *more))
    )

    def build(*as_of: int) -> list[tuple[str, int]]:
        made.clear()
        build_features(disk.lake_of(home), SETTINGS, [FIRST + day for day in as_of], catalogue=FEW)
        return sorted((kind, day - FIRST) for kind, days in made for day in days)

    def both(*days: int) -> list[tuple[str, int]]:
        return [*[("calls", day) for day in days], *[("calls-met", day) for day in days]]

    world = disk.small(days=6, calls=6)
    world["lines"][0]["home_region"] = "SC"
    for row in world["calls"]:
        row |= {"region": "SC", "agent_id": "a1"}
    calls = {day: [row for row in world["calls"] if int(row["call_id"][1:]) // 100 == day] for day in range(6)}

    def load(name: str, **tables: list) -> None:
        disk.load(disk.write(tmp_path / name, world | tables), home)

    load("first", calls=[row for day in (0, 1, 2) for row in calls[day]])
    monkeypatch.setattr(refresh, "CHUNK_ROWS", 1)
    monkeypatch.setattr(refresh, "MET_ROWS", 1)
    monkeypatch.setattr(refresh, "MET_DAYS", 1)
    assert build(3) == both(0, 1, 2)
    assert build(3) == [] and build(2) == []
    load("second", calls=calls[3])
    assert build(4) == both(3), "one more day costs that day"
    assert len(list((home / "derived").glob("calls-newest-values-*"))) == 2, "and what the next one asks for is renewed"
    load("third", calls=[*calls[4], calls[1][0] | {"call_id": "late", "callee_id": disk.number(7), "recorded_at": disk.at(4)}])
    assert build(5) == [("calls", 1), ("calls", 4), *[("calls-met", day) for day in (1, 2, 3, 4)]], "and a late call its own"
    homes_differ(home, [FIRST + 5, FIRST + 3])

    # The home region of a line is another one from the day on which that was known: its days since are judged anew.
    load("fourth", calls=calls[5], lines=[world["lines"][0] | {"home_region": "GD"}, world["lines"][1]])
    changed = {day for kind, day in build(6) if kind == "calls"}
    assert 5 in changed
    homes_differ(home, [FIRST + 6, FIRST + 4])


def test_a_line_that_becomes_known_later_counts_from_its_first_call(tmp_path: Path):
    home, world = tmp_path / "home", disk.small(days=4, calls=6)
    for row in world["calls"]:
        row |= {"region": "SC"}
    disk.load(disk.write(tmp_path / "first", world | {"lines": [disk.line(1, home_region="SC")]}), home)
    homes_differ(home, [FIRST + 4])
    disk.load(
        disk.write(tmp_path / "second", world | {"lines": [disk.line(1, home_region="SC"), disk.line(2, home_region="GD")]}), home
    )
    table = homes_differ(home, [FIRST + 4])
    assert table["line_id"].tolist() == ["L2"] and table["callees_28d"].tolist() == [12], "the other is under a ban"


@pytest.fixture(scope="module")
def bare_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home of five days that keeps nothing yet."""
    folder = tmp_path_factory.mktemp("bare")
    disk.load(disk.write(folder / "in", disk.small(days=5, calls=6)), folder / "home")
    return folder / "home"


@pytest.fixture(scope="module")
def kept_home(bare_home: Path) -> tuple[Path, pd.DataFrame]:
    """A copy that keeps its days, some of the lines in a file each, and its table, which is that of one build from nothing."""
    home = Path(shutil.copytree(bare_home, bare_home.parent / "kept"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(refresh, "MET_ROWS", 1)
        table = homes_differ(home, [FIRST + 5])
    assert len(list((home / "derived").glob("calls-met-facts-*"))) > 1
    return home, table


@pytest.mark.parametrize("damage", ["index", "file", "lines", "torn", "cut", "cut lines"])
def test_what_is_kept_can_be_lost(kept_home: tuple[Path, pd.DataFrame], tmp_path: Path, damage: str):
    home, want = Path(shutil.copytree(kept_home[0], tmp_path / "home")), kept_home[1]
    folder = home / "derived"
    if damage == "index":
        (folder / "index.json").unlink()
    elif damage == "torn":
        (folder / "index.json").write_text('{"format": 1, "entr')
    elif damage.startswith("cut"):  # as a lost power leaves it
        path = next(folder.glob("lines-*" if damage == "cut lines" else "calls-tiles-*"))
        path.write_bytes(path.read_bytes()[:200])
    else:
        next(folder.glob("lines-*" if damage == "lines" else "calls-met-facts-*")).unlink()
    assert_same(want, build_features(disk.lake_of(home), SETTINGS, [FIRST + 5], catalogue=FEW))


def test_a_file_that_is_let_go_stays_for_a_day_from_then(kept_home: tuple[Path, pd.DataFrame], tmp_path: Path):
    folder = Path(shutil.copytree(kept_home[0], tmp_path / "home")) / "derived"
    kept = Kept(folder)
    with kept.locked():
        (path,) = kept.files("calls", "tiles", [FIRST])[:1]
        os.utime(path, (time() - 3 * 86_400,) * 2)
        kept.forget("calls", {FIRST})
        kept.sweep()
        assert path.exists(), "another process may have begun to read it"
        kept._gone[path.name] -= 86_401
        kept.sweep()
        assert not path.exists()


def test_a_build_that_stops_half_way_leaves_what_was_done(
    bare_home: Path, kept_home: tuple[Path, pd.DataFrame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    home = Path(shutil.copytree(bare_home, tmp_path / "home"))
    monkeypatch.setattr(refresh, "CHUNK_ROWS", 1)
    save, count = refresh.DuckEngine.save, iter(range(100))

    def stops(self, expr, path):
        if next(count) == 5:
            raise KeyboardInterrupt
        save(self, expr, path)

    with monkeypatch.context() as patch:
        patch.setattr(refresh.DuckEngine, "save", stops)
        with pytest.raises(KeyboardInterrupt):
            build_features(disk.lake_of(home), SETTINGS, [FIRST + 5], catalogue=FEW)
    kept_then = {path.name: os.stat(path).st_mtime_ns for path in (home / "derived").glob("calls-tiles-*")}
    assert kept_then
    assert_same(kept_home[1], build_features(disk.lake_of(home), SETTINGS, [FIRST + 5], catalogue=FEW))
    now = {path.name: os.stat(path).st_mtime_ns for path in (home / "derived").glob("calls-tiles-*")}
    assert kept_then.items() <= now.items()


def test_days_older_than_the_setting_are_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    home = tmp_path / "home"
    monkeypatch.setattr(refresh, "CHUNK_ROWS", 8)
    disk.load(disk.write(tmp_path / "in", disk.small(days=70, calls=2)), home)
    build_features(disk.lake_of(home), SETTINGS, [FIRST + 60], catalogue=FEW)
    short = SETTINGS.model_copy(update={"features": SETTINGS.features.model_copy(update={"kept_days": 3})})
    build_features(disk.lake_of(home), short, [FIRST + 70], catalogue=FEW)
    found = kept.Kept(home / "derived")
    with found.locked():
        first, last = min(found.days("calls")), max(found.days("calls"))
    assert FIRST + 10 < first <= FIRST + 14 and last == FIRST + 69, "what the last build read, in files of four days"
    homes_differ(home, [FIRST + 30])
