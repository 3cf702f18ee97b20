"""An edited lake: its features are those of a lake into which the edited calls were ingested, and nothing of the home changes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pandas as pd
import pytest

from data_schemas.home import Home
from data_schemas.lake import Lake
from features import refresh
from features.build import build_features
from features.catalogue import CATALOGUE
from features.edited import edited_days
from features.kept import Kept
from tests.models import worlds

DAY, LENGTH = worlds.UNTIL, 7
FEW = [feature for number, feature in enumerate(CATALOGUE) if number % 20 == 0 or "callee" in feature.base]
LINES = [f"L{number:03d}" for number in range(0, 80, 3)]


def tree(root: Path) -> dict[str, tuple[str, int]]:
    """Every file below a folder, with its content and when it was written."""
    return {
        str(path.relative_to(root)): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def company() -> worlds.Tables:
    """Its last weeks before DAY, and the late and corrected records of the days after."""
    tables = worlds.company()
    for name, first in (("calls", 44), ("messages", 56)):
        when = tables[name][worlds.HAPPENED[name]]
        within = when.between(worlds.START + pd.Timedelta(days=first), worlds.START + pd.Timedelta(days=86))
        tables[name] = tables[name][within].reset_index(drop=True)
    return tables


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, company: worlds.Tables) -> Path:
    root = tmp_path_factory.mktemp("edited") / "home"
    lake = worlds.lake_of(root, company)
    build_features(lake, worlds.settings(root), [DAY], catalogue=FEW, scratch=Home(root).scratch)
    return root


def third(company: worlds.Tables, which: int) -> pd.Series:
    """Calls of the chosen lines that an edit leaves out."""
    calls = company["calls"]
    days = (calls["started_at"].dt.tz_localize(None).dt.normalize() - pd.Timestamp("1970-01-01")).dt.days
    number = calls["call_id"].str[1:].astype(int)
    return calls["line_id"].isin(LINES) & days.between(DAY - LENGTH, DAY - 1) & (number % 3 == which)


def test_features_of_edited_days_are_those_of_a_lake_that_ingested_them(home, company, tmp_path, monkeypatch):
    settings, lake = worlds.settings(home), Lake(Home(home).lake)
    before = tree(home)
    monkeypatch.setattr(refresh, "MET_ROWS", 100)  # a few of the lines in a file each
    with edited_days(lake, settings, DAY, LENGTH, FEW, Home(home).scratch) as days:
        days.choose(LINES)
        calls = lake.read(days.engine.con, "calls", DAY - LENGTH, DAY - 1).semi_join(days.lines, "line_id")
        number = calls.call_id.substr(1).cast("int64")
        worked = []
        put = Kept.put
        monkeypatch.setattr(Kept, "put", lambda self, kind, *more: (worked.append(kind), put(self, kind, *more)))
        found = [days.features(calls.filter(number % 3 == which)) for which in (0, 1, 0)]
        # Only the edited lines' days were worked out: the others' calls were not even read.
        assert set(worked) == {"calls", "calls-met"} and not list(Home(home).scratch.rglob("others-*"))
    assert tree(home) == before and not list(Home(home).scratch.iterdir())
    pd.testing.assert_frame_equal(found[0], found[2], check_exact=True)
    gone = third(company, 1)
    assert gone.sum() > 20
    other = worlds.lake_of(tmp_path / "other", company | {"calls": company["calls"][~gone]})
    expected = build_features(other, settings, [DAY], catalogue=FEW)
    pd.testing.assert_frame_equal(found[1], expected, check_exact=True)
    assert not found[0].equals(found[1])


def test_where_nothing_is_kept_the_whole_days_are_worked_out_to_the_same_table(home: Path):
    settings, lake = worlds.settings(home), Lake(Home(home).lake)
    bare = Lake(Home(home).lake)
    bare.__class__ = type("Bare", (Lake,), {"derived": None})
    found = []
    for one in (lake, bare):
        with edited_days(one, settings, DAY, LENGTH, FEW[:12], Home(home).scratch) as days:
            days.choose(LINES)
            found.append(days.features(lake.read(days.engine.con, "calls", DAY - 2, DAY - 1).semi_join(days.lines, "line_id")))
    pd.testing.assert_frame_equal(*found, check_exact=True)


def test_what_is_made_goes_when_the_work_fails_and_what_a_killed_run_left_goes_later(home: Path):
    scratch = Home(home).scratch
    old = scratch / "bancast-edited-old"
    old.mkdir(parents=True)
    (old / "own-1.parquet").write_bytes(b"")
    os.utime(old, (0, 0))
    before = tree(home / "lake"), tree(home / "derived")
    with (
        pytest.raises(RuntimeError, match="half way"),
        edited_days(Lake(Home(home).lake), worlds.settings(home), DAY, LENGTH, FEW[:12], scratch) as days,
    ):
        assert not old.exists()
        days.choose(LINES)
        raise RuntimeError("half way")
    assert not list(scratch.iterdir())
    assert (tree(home / "lake"), tree(home / "derived")) == before
