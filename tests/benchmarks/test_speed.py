"""Speed: every measurement is made on one small world, its ratios are those of its figures, and a failing job is told."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

import benchmarks.speed as measured
from benchmarks.places import Size
from benchmarks.processes import main_job, work
from benchmarks.speed import Bench, Plan, chosen, machine, speed
from benchmarks.subset import COLUMNS
from data_schemas.errors import BadInput
from features import catalogue
from features.catalogue import CATALOGUE


def found(seconds: float, peak: float = 0.1) -> dict[str, Any]:
    return {"seconds": seconds, "peak_gb": peak}


def test_figures_follow_from_medians() -> None:
    told: list[str] = []
    bench = Bench(3, told.append)
    bench.add("floor", "scan", [found(0.5)])
    bench.add("plain", "by hand", [found(2.0)], each=1000)
    runs = iter([found(4.0, 0.2), found(1.0, 0.9), found(3.0, 0.3)])
    bench.measure("features", "all", lambda: next(runs), each=3000, against={"x_floor": "floor", "x_small": "nothing"})
    first, plain, row = bench.table()
    assert row == {
        "what": "all",
        "seconds": 3.0,
        "spread": 3.0,
        "runs": 3,
        "x_floor": 6.0,
        "x_plain": 0.5,
        "ms_each": 1.0,
        "peak_gb": 0.9,
    }
    assert list(first) == list(row) and first["x_floor"] is None and (plain["x_plain"], plain["ms_each"]) == (1.0, 2.0)


def test_what_takes_long_is_not_repeated() -> None:
    runs = Bench(3, lambda what: None).runs("all", lambda: found(measured.ENOUGH_S / 2))
    assert len(runs) == 2


def test_snapshots_are_spread_over_all_of_them() -> None:
    days = list(range(0, 26 * 7, 7))
    assert chosen(days, 26) == days and chosen(days, 99) == days
    assert chosen(days, 2) == [days[6], days[19]] and chosen(days, 1) == [days[13]]


def test_speed_measures_every_part_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_process: None, capsys: pytest.CaptureFixture[str]
) -> None:
    few = [feature for feature in CATALOGUE if feature.base in ("calls", "callees", "complaints")]
    for module in (measured, catalogue):
        monkeypatch.setattr(module, "CATALOGUE", few)
    monkeypatch.setattr(measured, "main_job", lambda world, folder: found(9.0, 0.5))  # has tests of its own, and takes a minute
    monkeypatch.setattr(measured, "_MORNINGS", 1)
    plan = Plan(repeat=1, growth=2, pandas=2)
    told: list[str] = []
    rows = speed(Size(40, 40, 5.0), plan, told.append, tmp_path)
    assert list(tmp_path.iterdir()) == []
    by = {row["what"].split(",")[0].split(" from ")[0]: row for row in rows}
    assert list(by) == [
        "floor: DuckDB scans the calls' columns",
        "DuckDB reads all tables and writes them back",
        "ingest of all tables",
        "plain DuckDB",
        "pandas",
        "Polars",
        "DuckDB scans the same columns of the lake",
        f"bancast: {len(few)} features",
        f"bancast: the same {len(COLUMNS)} features",
        "one morning",
        "ingest of one more day",
        "one more day",
        "bancast run:",
        "2 times the lines: floor",
        "2 times the lines: ingest",
        f"2 times the lines: bancast: {len(few)} features",
    ]
    kept = [row for row in rows if row["what"].endswith("from days kept")]
    assert len(kept) == 2 and len(rows) == len(by) + len(kept) + 3  # and mornings on half of the history
    rows = [row for row in rows if row not in kept]
    by = {row["what"].split(",")[0].split(" from ")[0]: row for row in rows}
    assert all(row["seconds"] > 0 and row["peak_gb"] > 0.01 for row in rows)
    floor, plain, whole = rows[0], by["plain DuckDB"], by[f"bancast: {len(few)} features"]
    assert whole["what"].endswith("6 snapshots")  # of 40 days
    assert whole["ms_each"] == pytest.approx(1000 * whole["seconds"] / len(few) / 6)
    assert whole["x_plain"] == pytest.approx(whole["ms_each"] / plain["ms_each"])
    assert by["pandas"]["what"].endswith("2 snapshots") and by["pandas"]["x_floor"] is None
    assert by["pandas"]["ms_each"] == pytest.approx(1000 * by["pandas"]["seconds"] / len(COLUMNS) / 2)
    assert by["ingest of all tables"]["x_floor"] == pytest.approx(by["ingest of all tables"]["seconds"] / floor["seconds"])
    mornings = [row for row in rows if row["what"].startswith("one more day")]
    assert [row["what"].split(", ")[-1] for row in mornings] == ["40 days of history", "20 days of history"]
    assert all(row["x_day"] == pytest.approx(row["seconds"] / (whole["seconds"] / 40)) for row in mornings)
    big = by[f"2 times the lines: bancast: {len(few)} features"]
    assert big["x_plain"] is None and big["x_small"] == pytest.approx(big["seconds"] / whole["seconds"])
    assert "plain DuckDB, a query a window: 35 features, 6 snapshots: run 1 of 1" in told
    assert "  100% ingest done" in capsys.readouterr().err.splitlines()


def test_a_part_that_fails_costs_no_other_its_figures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_process: None) -> None:
    def fails(world: Path, folder: Path) -> dict[str, Any]:
        raise RuntimeError("the main job failed: much\ntoo few bans")

    monkeypatch.setattr(measured, "main_job", fails)
    floor, run = speed(Size(20, 20, 3.0), Plan(only=("floor", "run"), repeat=1), lambda what: None, tmp_path)
    assert floor["seconds"] > 0 and floor["failed"] is None
    assert (run["what"], run["failed"], run["seconds"]) == ("run", "too few bans", None)
    assert list(tmp_path.iterdir()) == []


def test_a_kept_world_serves_the_next_run(tmp_path: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        rows = speed(Size(20, 20, 3.0), Plan(only=("floor", "subset"), repeat=1), told.append, tmp_path, keep=True)
        assert [row["what"].split(":")[0] for row in rows] == ["floor", "bancast"]
    assert any(line.startswith("  ") and "100% done" in line for line in told)  # what the job's process says
    assert len([line for line in told if line.startswith("simulate")]) == 1
    assert len([line for line in told if line.startswith("ingest all")]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["world-20x20x3-seed3"]


def test_a_job_that_fails_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"bancast run failed[\s\S]*nowhere"):
        main_job(tmp_path / "nowhere", tmp_path)
    with pytest.raises(RuntimeError, match=r"scan failed[\s\S]*nowhere"):
        work("scan", lambda what: None, calls=str(tmp_path / "nowhere.parquet"))
    with pytest.raises(BadInput, match=r"^simulate: lines = 2; give 8 or more$"):
        speed(Size(2, 20, 3.0), Plan(only=("floor",)), lambda what: None, tmp_path)


def test_a_job_does_not_outlive_who_asked_for_it(tmp_path: Path) -> None:
    def stop(what: str) -> None:
        raise KeyboardInterrupt

    began, threads = time.monotonic(), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        work("world", stop, folder=str(tmp_path / "w"), lines=3000, days=400, calls=20.0, seed=1, zone="Asia/Shanghai")
    assert time.monotonic() - began < 30 and threading.active_count() == threads
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    time.sleep(0.5)
    assert before == sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))


def test_the_machine_is_told_without_its_name() -> None:
    told = machine()
    assert set(told) == {"cores", "memory_gb", "load_1min", "python", "duckdb", "pandas", "polars"} and told["memory_gb"] > 0
