"""How fast and how large: ingest, features, one morning and the main job, against DuckDB, pandas and Polars on the same files.

Everything is measured in one run, each job in a process of its own, seconds without its imports. The floor is a bare DuckDB scan
of the columns of calls that features read.
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.places import Place, Size
from benchmarks.processes import Tell, main_job, work
from benchmarks.subset import COLUMNS
from data_schemas.clock import day_date
from data_schemas.settings import load_settings
from features.catalogue import CATALOGUE

PARTS = ("floor", "ingest", "plain", "pandas", "polars", "features", "subset", "morning", "run", "growth")
SNAPSHOTS = 26
_ORDER = ("what", "seconds", "spread", "runs", "x_floor", "x_copy", "x_small", "x_plain", "ms_each", "x_day", "peak_gb", "failed")
ENOUGH_S = 600.0
"""Seconds of one measurement after which it is not repeated."""
_MORNINGS = 3
"""Times that each morning that is made ready is built: it is over soon."""
Found = dict[str, Any]
"""What a job tells: seconds, peak_gb and more."""
_HAND = {"plain": "plain DuckDB, a query a window", "pandas": "pandas, a groupby a window", "polars": "Polars, lazily"}


@dataclass(frozen=True)
class Plan:
    """What to measure: parts of PARTS, how often, and how many of the snapshots each way by hand makes.

    growth: also measure on so many times the lines; 0: don't. memory_gb: what plain DuckDB may use.
    """

    only: Sequence[str] = PARTS
    repeat: int = 3
    snapshots: int = SNAPSHOTS
    plain: int = SNAPSHOTS
    pandas: int = 2
    polars: int = SNAPSHOTS
    growth: int = 0
    memory_gb: float = 8.0


class Bench:
    """Measurements of one run, as rows.

    seconds: median of `runs`; spread: largest less smallest. Times another row: x_floor, x_copy, x_small (the same on the smaller
    world). ms_each: milliseconds a feature and snapshot; x_plain: that against plain DuckDB's. x_day: a morning against a day's
    share of the whole table. peak_gb: resident memory at its highest.
    """

    def __init__(self, repeat: int, tell: Tell) -> None:
        self.rows: list[dict[str, Any]] = []
        self.repeat, self.tell = repeat, tell
        self._by: dict[str, dict[str, Any]] = {}

    def measure(
        self, key: str, what: str, job: Callable[[], Found], each: int = 0, against: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """Run a job until it was repeated often enough; its row."""
        return self.add(key, what, self.runs(what, job), each, against)

    def runs(self, what: str, job: Callable[[], Found]) -> list[Found]:
        """What each run of a job found."""
        found: list[Found] = []
        while len(found) < self.repeat and sum(one["seconds"] for one in found) < ENOUGH_S:
            self.tell(f"{what}: run {len(found) + 1} of {self.repeat}")
            found.append(job())
        return found

    def add(
        self, key: str, what: str, found: list[Found], each: int = 0, against: dict[str, str] | None = None
    ) -> dict[str, Any]:
        """The row of some runs, which `key` then names.

        each: features times snapshots that they made. against: name of a column -> key of the row to divide by, if it is there.
        """
        row: dict[str, Any] = {"what": what, **summed_up([one["seconds"] for one in found])}
        row |= {column: self.times(row["seconds"], other) for column, other in (against or {}).items()}
        self._by[key] = row
        if each:
            row["ms_each"] = 1000 * row["seconds"] / each
            if not key.startswith("big "):  # lines differ, and with them what a feature costs
                row["x_plain"] = self.times(row["ms_each"], "plain", "ms_each")
        row["peak_gb"] = max(one["peak_gb"] for one in found)
        self.tell(f"{what}: {row['seconds']:.2f} s, {row['peak_gb']:.2f} GB at the most")
        self.rows.append(row)
        return row

    @contextmanager
    def going_on(self, part: str) -> Iterator[None]:
        """A part that fails leaves a row that says so, and the figures of the others."""
        try:
            yield
        except RuntimeError as error:
            self.tell(str(error))
            self.rows.append({"what": part, "failed": str(error).strip().splitlines()[-1]})

    def table(self) -> list[dict[str, Any]]:
        """The rows, all with the same columns in one order; None where one says nothing."""
        used = [name for name in _ORDER if any(row.get(name) is not None for row in self.rows)]
        return [{name: row.get(name) for name in used} for row in self.rows]

    def times(self, value: float, key: str, column: str = "seconds") -> float | None:
        """A value against an earlier row's; None when there is no such row."""
        return value / float(self._by[key][column]) if key in self._by else None


def speed(size: Size, plan: Plan, tell: Tell, work_in: Path | None = None, keep: bool = False) -> list[dict[str, Any]]:
    """Measure on a simulated world; one row a measurement, columns as in Bench.

    work_in: the folder for all files (the system's when None); what is not kept is removed. The files are in the page cache, for
    everybody alike.
    """
    with ExitStack() as stack:
        if work_in is not None:
            work_in.mkdir(parents=True, exist_ok=True)
        temporary = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bancast-speed-", dir=work_in)))
        root = work_in if keep and work_in is not None else temporary
        zone = load_settings(temporary).zone
        bench = Bench(plan.repeat, tell)
        place = Place(size, root, temporary, zone, tell)
        _Measured(bench, plan, place).all()
        if plan.growth and "growth" in plan.only:
            if not keep:
                shutil.rmtree(place.root, ignore_errors=True)
            grown = Place(size.times(plan.growth), root, temporary, zone, tell)
            bench.repeat = 1
            with bench.going_on("growth"):
                _growth(bench, plan, grown, keep)
        return bench.table()


class _Measured:
    """The parts of one run, on one world."""

    def __init__(self, bench: Bench, plan: Plan, place: Place) -> None:
        self.bench, self.plan, self.place = bench, plan, place

    def all(self) -> None:
        """Every part that is wanted, in order."""
        for part in PARTS:
            if part in self.plan.only and part != "growth":
                with self.bench.going_on(part):
                    self.hand(part) if part in _HAND else getattr(self, part)()

    def floor(self) -> None:
        """The bare scan."""
        _floor(self.bench, self.place, "floor", "floor: DuckDB scans the calls' columns")

    def ingest(self) -> None:
        """All tables into a fresh home, against DuckDB that reads and writes them."""
        place, made, tables = self.place, self.place.made(), self.place.tables()
        with place.folder() as fresh:
            self.bench.measure(
                "copy",
                "DuckDB reads all tables and writes them back",
                lambda: work("copy", place.tell, tables=tables, folder=str(fresh)),
                against={"x_floor": "floor"},
            )
        what = f"ingest of all tables, {made['calls']:,} calls"
        self.bench.measure("ingest", what, lambda: _ingest(place), against={"x_floor": "floor", "x_copy": "copy"})

    def hand(self, way: str) -> None:
        """The subset as people write it, at some of the snapshots."""
        if way == "polars" and not _version("polars"):
            self.place.tell("polars is not installed: left out")
            return
        place, plan = self.place, self.plan
        at = chosen(place.snapshots(plan.snapshots), getattr(plan, way))
        days = [day_date(day).isoformat() for day in at]
        place.made()

        def job() -> Found:
            with place.folder() as spill:
                spec = {"way": way, "folder": str(place.world), "days": days, "zone": place.zone}
                return work("by_hand", place.tell, **spec, spill=str(spill), memory_gb=plan.memory_gb)

        what = f"{_HAND[way]}: {len(COLUMNS)} features, {len(at)} snapshots"
        # Only what makes all snapshots can be held against the scan of all calls.
        against = {"x_floor": "floor"} if len(at) == len(place.snapshots(plan.snapshots)) else {}
        self.bench.measure(way, what, job, len(COLUMNS) * len(at), against)

    def features(self) -> None:
        """The whole table, on a home where nothing was built before; and a bare scan of what it reads of calls."""
        files = str(self.place.home() / "lake" / "calls" / "**" / "*.parquet")
        what = "DuckDB scans the same columns of the lake"
        self.bench.measure("lake", what, lambda: work("scan", self.place.tell, calls=files), against={"x_floor": "floor"})
        _features(self.bench, self.place, self.plan, "features", "")

    def subset(self) -> None:
        """Bancast's features of the subset alone."""
        _features(self.bench, self.place, self.plan, "subset", "", subset=True)

    def morning(self) -> None:
        """One more day, with the morning before built: on all of the history and on half of it, by turns."""
        found: dict[str, list[Found]] = defaultdict(list)
        every = {"full": self.place.size.days, "half": self.place.size.days // 2}

        def turn() -> Found:
            began = time.perf_counter()
            with ExitStack() as stack:
                homes = {name: stack.enter_context(self._morning_before(name, days, found)) for name, days in every.items()}
                for name in [*homes] * _MORNINGS:
                    with self.place.copied(homes[name]) as home:
                        found[f"{name} next"].append(self._built(home, every[name]))
            return {"seconds": time.perf_counter() - began}

        self.bench.runs("one more day", turn)
        each, floor = len(CATALOGUE), {"x_floor": "floor"}
        for name, days in every.items():
            told = f"{days} days of history"
            self.bench.add(f"{name} first", f"one morning, nothing built before, {told}", found[f"{name} first"], each, floor)
            self.bench.add(f"{name} ingest", f"ingest of one more day, {told}", found[f"{name} ingest"], against=floor)
            what = f"one more day, the morning before built, {told}"
            row = self.bench.add(f"{name} next", what, found[f"{name} next"], each, floor)
            whole = self.bench.times(row["seconds"], "features")
            row["x_day"] = whole and whole * self.place.size.days

    @contextmanager
    def _morning_before(self, name: str, days: int, found: dict[str, list[Found]]) -> Iterator[Path]:
        """A home with so many days, all but the last of them built."""
        place, today = self.place, self.place.first + days
        with place.copied(place.home(today - 1)) as home, place.folder() as fresh:
            found[f"{name} first"].append(self._built(home, days - 1))
            tables = place.delivery(fresh / "tables", today - 1, today)
            found[f"{name} ingest"].append(work("ingest", place.tell, folder=str(tables), home=str(home)))
            yield home

    def _built(self, home: Path, days: int) -> Found:
        return work("features", self.place.tell, home=str(home), days=[self.place.first + days], subset=False)

    def run(self) -> None:
        """The main job."""
        place, made = self.place, self.place.made()

        def job() -> Found:
            with place.folder() as fresh:
                return main_job(place.world, fresh)

        self.bench.measure("run", f"bancast run: from {made['calls']:,} calls to the ranking", job, against={"x_floor": "floor"})


def _growth(bench: Bench, plan: Plan, place: Place, keep: bool) -> None:
    """Floor, ingest and the whole table on the larger world, against the smaller one's."""
    big = f"{plan.growth} times the lines: "
    made = place.made()
    _floor(bench, place, "big floor", f"{big}floor, {made['calls']:,} calls", x_small="floor")
    bench.measure("big ingest", f"{big}ingest", lambda: _ingest(place), against={"x_floor": "big floor", "x_small": "ingest"})
    if not keep:
        shutil.rmtree(place.world)  # the home holds everything, and disks are finite
    _features(bench, place, plan, "big features", big, floor="big floor", x_small="features")


def _floor(bench: Bench, place: Place, key: str, what: str, **against: str) -> None:
    calls = place.tables()["calls"]
    bench.measure(key, what, lambda: work("scan", place.tell, calls=calls), against=against)


def _ingest(place: Place) -> dict[str, Any]:
    with place.folder() as fresh:
        found = work("ingest", place.tell, folder=str(place.world), home=str(fresh / "home"))
        place.adopt(fresh / "home")
        return found


def _features(
    bench: Bench, place: Place, plan: Plan, key: str, prefix: str, subset: bool = False, floor: str = "floor", **against: str
) -> None:
    """The table on a home where nothing was built before; the whole one once more, from the days that are kept then."""
    at, base = place.snapshots(plan.snapshots), place.home()
    count = len(COLUMNS) if subset else len(CATALOGUE)
    again: list[Found] = []

    def job() -> Found:
        with place.copied(base) as home:
            build = partial(work, "features", place.tell, home=str(home), days=at, subset=subset)
            first = build()
            if not subset:
                again.append(build())
            return first

    what = f"{prefix}bancast: {'the same ' if subset else ''}{count} features, {len(at)} snapshots"
    bench.measure(key, what, job, count * len(at), {"x_floor": floor, **against})
    if again:
        bench.add(f"{key} again", f"{what}, from days kept", again, count * len(at), {"x_floor": floor})


def summed_up(seconds: list[float]) -> dict[str, Any]:
    """Seconds (the median), spread and runs of what was measured several times."""
    return {"seconds": median(seconds), "spread": max(seconds) - min(seconds), "runs": len(seconds)}


def chosen(days: list[int], wanted: int) -> list[int]:
    """So many of these days, evenly spread."""
    count = min(wanted, len(days))
    return [days[int((place + 0.5) * len(days) / count)] for place in range(count)]


def machine() -> dict[str, Any]:
    """What the figures depend on: cores, memory, load from others as measuring ends, versions."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(pages / 1e9, 1),
        "load_1min": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in ("duckdb", "pandas", "polars")},
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
