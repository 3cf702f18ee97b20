"""Progress of an ingest: how far a scan is while it runs, and never back."""

from __future__ import annotations

import threading
from pathlib import Path

import duckdb
import pytest

from data_schemas import staging, watching
from data_schemas.ingest import ingest
from data_schemas.settings import Settings
from data_schemas.sources import find_sources
from data_schemas.watching import watched
from tests.data_schemas import disk


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(watching, "EVERY_S", 0.002)


def test_a_statement_tells_how_far_it_is_and_nobody_watches_after_it():
    before = threading.active_count()
    with duckdb.connect() as con:
        con.execute("SET threads = 1; SET enable_progress_bar_print = false; SET enable_progress_bar = true")
        con.execute("CREATE TABLE numbers AS SELECT i FROM range(5000000) t(i)")
        told: list[float] = []
        with watched(con, told.append):
            con.execute("SELECT count(DISTINCT hash(i) % 999983) FROM numbers").fetchall()
        assert told == sorted(told) and 0 < told[0] < 1 and told[-1] <= 1, "told while it ran"
        with pytest.raises(duckdb.Error), watched(con, told.append):
            con.execute("SELECT error('broken') FROM numbers")
    assert threading.active_count() == before


@pytest.mark.parametrize("fits", [True, False], ids=["ids in memory", "ids as they pass"])
def test_an_ingest_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: bool):
    if not fits:

        def too_many(*given: object) -> str:
            raise duckdb.OutOfMemoryException("ids")

        monkeypatch.setattr(staging, "hashed_view", too_many)
    folder = disk.write(tmp_path / "in", disk.small(days=5, calls=300))
    told: list[tuple[str, float]] = []
    ingest(find_sources(folder), tmp_path / "home", Settings(), progress=lambda *step: told.append(step))
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[0] == 0 and shares[-1] == 1
    begun = {what: min(share for step, share in told if step == what) for what, _ in told}
    assert begun["read calls"] < 0.1 and begun["merge calls"] >= 0.5, "a table's part of the time follows from its size"
