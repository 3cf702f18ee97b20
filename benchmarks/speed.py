"""How fast and how large: ingest, features and one morning, as ratios against DuckDB on the same files in the same run."""

from __future__ import annotations

import os
import resource
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


def timed(work: Callable[[], Any], repeat: int) -> tuple[float, float]:
    """Median and spread (largest minus smallest) of the seconds that `work` takes."""
    seconds = []
    for _ in range(repeat):
        started = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - started)
    return median(seconds), max(seconds) - min(seconds)


def speed(lines: int, days: int, calls: float, repeat: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row a measurement: what, seconds (median), spread, and the ratio to the reference named in `against`."""
    with tempfile.TemporaryDirectory(prefix="bancast-speed-") as work:
        world, home = Path(work) / "world", Home(Path(work) / "home")
        tell(f"simulate {lines} lines, {days} days, {calls} calls a line and day")
        made = simulate(world, lines=lines, days=days, calls_per_line_day=calls, seed=3)
        settings = load_settings(home.root)
        raw = world / "calls.parquet" if (world / "calls.parquet").exists() else world / "calls" / "**" / "*.parquet"
        con = duckdb.connect()
        rows: list[dict[str, Any]] = []

        def measure(what: str, job: Callable[[], Any], against: str = "", times: int = repeat) -> None:
            tell(what)
            seconds, spread = timed(job, times)
            base = next((row["seconds"] for row in rows if row["what"] == against), None)
            rows.append(
                {
                    "what": what,
                    "seconds": seconds,
                    "spread": spread,
                    "against": against,
                    "ratio": seconds / base if base else None,
                }
            )

        scan = "SELECT sum(hash(line_id, started_at, callee_id, duration_s, answered, region)) FROM read_parquet"
        measure("floor: scan of the calls", lambda: con.execute(f"{scan}('{raw}', hive_partitioning = false)").fetchall())
        copy = f"COPY (FROM read_parquet('{raw}', hive_partitioning = false)) TO '{work}/copy.parquet' (COMPRESSION zstd)"
        measure("DuckDB reads the calls and writes them back", lambda: con.execute(copy))
        con.close()
        ingest_once = lambda: ingest(find_sources(world), Path(tempfile.mkdtemp(dir=work)), settings)  # noqa: E731
        measure("ingest of all tables", ingest_once, "DuckDB reads the calls and writes them back")
        ingest(find_sources(world), home.root, settings)
        lake = Lake(home.lake)
        end = lake.days("calls")[-1] + 1
        at = [day for day in range(end - 7 * (SNAPSHOTS - 1), end + 1, 7) if day > lake.days("calls")[0]]
        plain = lambda: plain_frame(world, [day_date(day) for day in at])  # noqa: E731
        measure(f"plain DuckDB query, {_PLAIN_FEATURES} features, {len(at)} snapshots", plain)
        whole = f"all {len(CATALOGUE)} features, {len(at)} snapshots"
        measure(whole, lambda: build_features(lake, settings, at, scratch=home.scratch), rows[-1]["what"])
        rows[-1]["per_feature"] = rows[-1]["ratio"] * _PLAIN_FEATURES / len(CATALOGUE)
        measure(
            "one morning: all features, 1 snapshot", lambda: build_features(lake, settings, [end], scratch=home.scratch), whole
        )
        tell("the main job in a process of its own")
        command = [sys.executable, "-m", "pipelines", "run", str(world), "--home", str(Path(work) / "run")]
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
        rows.append({"what": f"the main job, {made.calls:,} calls", "seconds": time.perf_counter() - started, "peak_gb": peak})
        return rows
