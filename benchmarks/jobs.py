"""One measured job in a process of its own: `python -m benchmarks.jobs JOB JSON` prints its seconds and its peak memory as JSON.

Seconds begin after imports. Progress goes to stderr.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from data_schemas.errors import BadInput

CALL_COLUMNS = (
    "line_id, started_at, callee_id, duration_s, answered, ring_s, region, agent_id, device_id, disposition, recorded_at"
)
"""Columns of calls that features read."""
BAD_INPUT = "bad input: "
"""How the last line of stderr begins when a person has to change what was asked for."""
Run = Callable[[], dict[str, Any] | None]


def scan(calls: str) -> Run:
    """Read every value of the columns and keep one of each: nothing that needs them can be faster."""
    import duckdb

    def run() -> None:
        with duckdb.connect(config={"threads": os.cpu_count() or 1}) as con:
            most = ", ".join(f"max({name})" for name in CALL_COLUMNS.split(", "))
            con.execute(f"select {most} from read_parquet('{calls}', hive_partitioning = false)").fetchall()

    return run


def copy(tables: dict[str, str], folder: str) -> Run:
    """Read all tables and write them back."""
    import duckdb

    def run() -> None:
        Path(folder).mkdir(exist_ok=True)
        with duckdb.connect() as con:
            con.execute("set preserve_insertion_order = false")
            for name, files in tables.items():
                rows = f"from read_parquet('{files}', hive_partitioning = false, union_by_name = true)"
                con.execute(f"copy ({rows}) to '{folder}/{name}.parquet' (compression zstd)")

    return run


def world(folder: str, lines: int, days: int, calls: float, seed: int, zone: str) -> Run:
    """Simulate a world."""
    from simulator import simulate

    def run() -> dict[str, Any]:
        made = simulate(Path(folder), lines=lines, days=days, calls_per_line_day=calls, seed=seed, zone=zone, progress=_steps())
        return {"made": made.to_dict()}

    return run


def ingest(folder: str, home: str) -> Run:
    """Bring a home up to date with a folder of tables."""
    from data_schemas.ingest import ingest
    from data_schemas.settings import load_settings
    from data_schemas.sources import find_sources

    Path(home).mkdir(exist_ok=True)
    settings, sources = load_settings(Path(home)), find_sources(Path(folder))
    return lambda: {"tables": ingest(sources, Path(home), settings, progress=_steps()).to_dict()["tables"]}


def features(home: str, days: list[int], subset: bool) -> Run:
    """The feature table at these as_of days, part by part, as `bancast features` takes it; the catalogue's, or the subset's."""
    from benchmarks.subset import features as chosen
    from data_schemas.home import Home
    from data_schemas.lake import Lake
    from data_schemas.settings import load_settings
    from features.build import feature_batches
    from features.catalogue import CATALOGUE

    where = Home(Path(home))
    catalogue = chosen() if subset else CATALOGUE

    def run() -> dict[str, Any]:
        lake, settings = Lake(where.lake), load_settings(where.root)
        parts = feature_batches(lake, settings, days, _steps(), catalogue, where.scratch)
        return {"rows": sum(len(part) for part in parts)}

    return run


def report(home: str, day: str) -> Run:
    """The report of a scored day; seconds of each step."""
    from data_schemas.home import Home
    from data_schemas.lake import Lake
    from data_schemas.settings import load_settings
    from serving.report import write_report

    where, at = Home(Path(home)), date.fromisoformat(day)

    def run() -> dict[str, Any]:
        began: list[tuple[str, float]] = []
        settings, lake = load_settings(where.root), Lake(where.lake)
        told = write_report(
            where, settings, at, lake=lake, progress=lambda what, share: began.append((what, time.perf_counter()))
        )
        ends = [moment for _, moment in began[1:]]
        return {"folder": told["folder"], "steps": {what: end - start for (what, start), end in zip(began, ends, strict=False)}}

    return run


def by_hand(way: str, folder: str, days: list[str], zone: str, spill: str, memory_gb: float) -> Run:
    """The subset by DuckDB, pandas or Polars."""
    from benchmarks.ways import WAYS

    if way == "polars":
        import polars  # noqa: F401
    made, at = WAYS[way], [date.fromisoformat(day) for day in days]
    return lambda: {"rows": len(made(Path(folder), at, zone, Path(spill), memory_gb))}


JOBS: dict[str, Callable[..., Run]] = {job.__name__: job for job in (scan, copy, world, ingest, features, report, by_hand)}


def _steps() -> Callable[[str, float], None]:
    """Progress of a job, a line whenever it has come a twentieth further."""
    told = [-1]

    def step(what: str, share: float) -> None:
        if int(share * 20) > told[0]:
            told[0] = int(share * 20)
            print(f"  {share:.0%} {what}", file=sys.stderr, flush=True)

    return step


def peak_gb() -> float:
    """The most memory that this process held, GB."""
    try:
        # ru_maxrss of a new process begins at what its parent held when it started it.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9
    except (OSError, IndexError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> None:
    """Run the job that the command line names."""
    try:
        run = JOBS[sys.argv[1]](**json.loads(sys.argv[2]))
        started = time.perf_counter()
        found = run() or {}
        seconds = time.perf_counter() - started
    except BadInput as error:
        sys.exit(f"{BAD_INPUT}{error}")
    print(json.dumps({"seconds": seconds, "peak_gb": peak_gb(), **found}))


if __name__ == "__main__":
    main()
