"""How fast and how large: ingest, features, one morning and the main job, against DuckDB on the same files in the same run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import duckdb

from benchmarks.plain import WINDOWS, plain_frame
from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from features.build import build_features
from features.catalogue import CATALOGUE
from simulator import simulate

SNAPSHOTS = 26
_PLAIN_FEATURES = 6 * len(WINDOWS)
"""Window counts that the plain query makes: calls, answered, talk, short, complaints and messages."""
_CALLS = "line_id, started_at, callee_id, duration_s, answered, ring_s, region, agent_id, device_id, disposition, recorded_at"
"""Columns of calls that features read."""
FLOOR, COPY = "floor: DuckDB scans the calls' columns", "DuckDB reads all tables and writes them back"
Tell = Callable[[str], None]


class Bench:
    """Measurements of one run, as rows: what, seconds (median), spread (largest less smallest), ratios to earlier rows."""

    def __init__(self, repeat: int, tell: Tell) -> None:
        self.rows: list[dict[str, Any]] = []
        self.repeat, self.tell = repeat, tell

    def measure(self, what: str, job: Callable[[], Any], **against: str) -> dict[str, Any]:
        """Run a job `repeat` times. against: name of a column -> `what` of the row to divide by. The new row."""
        seconds = []
        for number in range(self.repeat):
            self.tell(f"{what}: run {number + 1} of {self.repeat}")
            started = time.perf_counter()
            job()
            seconds.append(time.perf_counter() - started)
        row: dict[str, Any] = {"what": what, "seconds": median(seconds), "spread": max(seconds) - min(seconds)}
        row |= {column: row["seconds"] / self.seconds(other) for column, other in against.items()}
        self.rows.append(row)
        return row

    def seconds(self, what: str) -> float:
        """The median of an earlier row."""
        return float(next(row["seconds"] for row in self.rows if row["what"] == what))


def speed(lines: int, days: int, calls: float, repeat: int, tell: Tell) -> list[dict[str, Any]]:
    """Measure on a simulated world; one row a measurement.

    Columns: what; seconds, the median of `repeat` runs; spread, the largest less the smallest; x_floor, x_copy, x_plain: times
    the bare scan, the bare copy, the plain query; x_plain_each: the last one, a feature; peak_gb: resident memory at its highest.
    The files are in the page cache, for everybody alike.
    """
    with tempfile.TemporaryDirectory(prefix="bancast-speed-") as work:
        world, home = Path(work) / "world", Home(Path(work) / "home")
        tell(f"simulate {lines} lines, {days} days, {calls} calls a line and day")
        made = simulate(world, lines=lines, days=days, calls_per_line_day=calls, seed=3)
        home.root.mkdir()
        settings = load_settings(home.root)
        bench = Bench(repeat, tell)
        tables = {name: _parquet(world, name) for name in ("lines", "calls", "complaints", "bans", "messages", "policies")}
        bench.measure(FLOOR, lambda: _scan(tables["calls"]))
        bench.measure(COPY, lambda: _copy(tables, Path(work) / "copy"), x_floor=FLOOR)
        bench.measure(
            f"ingest of all tables, {made.calls:,} calls", lambda: _ingest(world, Path(work)), x_floor=FLOOR, x_copy=COPY
        )
        ingest(find_sources(world), home.root, settings)
        lake = Lake(home.lake)
        end = lake.days("calls")[-1] + 1
        at = [day for day in range(end - 7 * (SNAPSHOTS - 1), end + 1, 7) if day > lake.days("calls")[0]]
        plain = f"plain DuckDB query: {_PLAIN_FEATURES} window features, {len(at)} snapshots"
        bench.measure(plain, lambda: plain_frame(world, [day_date(day) for day in at]), x_floor=FLOOR)
        whole = bench.measure(
            f"features: {len(CATALOGUE)}, {len(at)} snapshots",
            lambda: build_features(lake, settings, at, scratch=home.scratch),
            x_floor=FLOOR,
            x_plain=plain,
        )
        whole["x_plain_each"] = whole["x_plain"] * _PLAIN_FEATURES / len(CATALOGUE)
        one = f"plain DuckDB query: {_PLAIN_FEATURES} window features, 1 snapshot"
        bench.measure(one, lambda: plain_frame(world, [day_date(end)]), x_floor=FLOOR)
        morning = bench.measure(
            f"one morning: {len(CATALOGUE)} features, 1 snapshot",
            lambda: build_features(lake, settings, [end], scratch=home.scratch),
            x_floor=FLOOR,
            x_plain=one,
        )
        morning["x_plain_each"] = morning["x_plain"] * _PLAIN_FEATURES / len(CATALOGUE)
        peaks: list[float] = []
        job = f"bancast run: from {made.calls:,} calls to the ranking"
        row = bench.measure(job, lambda: peaks.append(_run(world, Path(work))), x_floor=FLOOR)
        row["peak_gb"] = max(peaks)
        return bench.rows


def _parquet(world: Path, name: str) -> str:
    path = world / f"{name}.parquet"
    return str(path if path.exists() else world / name / "**" / "*.parquet")


def _scan(calls: str) -> None:
    """Read every value of the columns and keep one of each: nothing that needs them can be faster."""
    with duckdb.connect(config={"threads": os.cpu_count() or 1}) as con:
        most = ", ".join(f"max({name})" for name in _CALLS.split(", "))
        con.execute(f"select {most} from read_parquet('{calls}', hive_partitioning = false)").fetchall()


def _copy(tables: dict[str, str], folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = false")
        for name, files in tables.items():
            rows = f"from read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
            con.execute(f"copy ({rows}) to '{folder / name}.parquet' (compression zstd)")


def _ingest(world: Path, work: Path) -> None:
    with tempfile.TemporaryDirectory(dir=work) as fresh:
        ingest(find_sources(world), Path(fresh), load_settings(Path(fresh)))


def _run(world: Path, work: Path) -> float:
    """The main job in a process of its own and a fresh home; the most memory it held, GB (the largest of its processes)."""
    with tempfile.TemporaryDirectory(dir=work) as fresh, (work / "run.log").open("w+b") as log:
        command = [sys.executable, "-m", "pipelines", "run", str(world), "--home", str(Path(fresh) / "home")]
        environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=Path(__file__).parents[1])
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:  # stopped from outside: the job must not outlive its home
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            log.seek(0)
            raise RuntimeError(f"the main job failed: {log.read().decode(errors='replace')[-2000:]}")
        return usage.ru_maxrss * (1024 if sys.platform != "darwin" else 1) / 1e9


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, memory, load from others as measuring ends, versions."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "load_1min": round(os.getloadavg()[0], 1),
        "python": ".".join(map(str, sys.version_info[:3])),
        "duckdb": duckdb.__version__,
    }
