"""Speed: every measurement is made on one small world, its ratios are those of its seconds, and a failing job is told."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchmarks.speed as measured
from benchmarks.speed import COPY, FLOOR, Bench, machine, speed


def test_ratios_follow_from_medians() -> None:
    told: list[str] = []
    bench = Bench(3, told.append)
    bench.rows = [{"what": "before", "seconds": 0.5}]
    runs: list[int] = []
    row = bench.measure("now", lambda: runs.append(1), x_before="before")
    assert len(runs) == 3 and len(told) == 3
    assert row["x_before"] == pytest.approx(row["seconds"] / 0.5) and row["spread"] >= 0 and bench.rows[-1] is row


def test_speed_measures_floor_copy_ingest_features_a_morning_and_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measured, "_run", lambda world, work: 0.5)  # the job has tests of its own, and takes a minute
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    rows = speed(40, 30, 5.0, 1, lambda what: None)
    assert [row["what"].split(":")[0].split(" of ")[0] for row in rows[:3]] == [FLOOR.split(":")[0], COPY, "ingest"]
    assert all(row["seconds"] > 0 for row in rows) and rows[-1]["peak_gb"] == 0.5
    by = {row["what"]: row["seconds"] for row in rows}
    ingest = rows[2]
    assert ingest["x_copy"] == pytest.approx(ingest["seconds"] / by[COPY])
    features = next(row for row in rows if row["what"].startswith("features"))
    assert 0 < features["x_plain_each"] < features["x_plain"]
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"main job failed[\s\S]*nowhere"):
        measured._run(tmp_path / "nowhere", tmp_path)


def test_the_machine_is_told_without_its_name() -> None:
    assert set(machine()) == {"cores", "memory_gb", "load_1min", "python", "duckdb"} and machine()["memory_gb"] > 0
