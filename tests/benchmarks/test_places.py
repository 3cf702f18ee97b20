"""The places of the measurements: a home that got one more day holds what a home has that got everything at once."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.places as places
from benchmarks.places import Place, Size
from data_schemas.lake import Lake
from data_schemas.tables import TABLES


def quietly(what: str) -> None:
    pass


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_process: None) -> Place:
    monkeypatch.setenv("BANCAST_CALLEE_KEY", "one key for all homes, so that they can be compared")
    (tmp_path / "tmp").mkdir()
    return Place(Size(60, 30, 6.0), tmp_path, tmp_path / "tmp", "Asia/Shanghai", quietly)


@pytest.mark.parametrize("by_day", [False, True])
def test_one_more_day_brings_a_home_to_where_everything_at_once_does(
    by_day: bool, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.made()
    if by_day:  # as large worlds are
        from simulator import run

        monkeypatch.setattr(run, "_ONE_FILE", 0)
        run.simulate(place.world, lines=60, days=30, calls_per_line_day=6.0, seed=3)
        assert (place.world / "calls").is_dir()
    end = place.first + 30
    base = place.home(end - 1)
    assert Lake(base / "lake").days("calls")[-1] == end - 2
    before = sorted(path.relative_to(base) for path in base.rglob("*"))
    with place.copied(base) as home, place.folder() as fresh:
        tables = place.delivery(fresh / "tables", end - 1, end)
        told = places.work("ingest", quietly, folder=str(tables), home=str(home))["tables"]
        assert told["calls"]["days"] == told["messages"]["days"] and len(told["calls"]["days"]) == 1
        assert not any(table["replaced"] or table["retracted"] or table["quarantined"] for table in told.values())
        daily, once = Lake(home / "lake"), Lake(place.home() / "lake")
        assert daily.fingerprint(end) == once.fingerprint(end)
        assert all(daily.rows(name, end) == once.rows(name, end) for name in TABLES)
    assert sorted(path.relative_to(base) for path in base.rglob("*")) == before
    assert list(place.temporary.iterdir()) == []


def test_homes_are_made_anew_when_the_code_that_made_them_has_changed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = place.home()
    assert place.home() == kept
    monkeypatch.setattr(places, "_code", lambda *packages: "later")
    later = place.home()
    assert later != kept and later.exists() and not kept.exists()


def test_snapshots_are_weekly_and_end_with_the_world(place: Place) -> None:
    first = place.first
    assert place.snapshots(26) == [first + 2, first + 9, first + 16, first + 23, first + 30]
    assert place.snapshots(2) == [first + 23, first + 30]
