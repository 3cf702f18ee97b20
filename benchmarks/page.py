"""What ops wait for: a company's model, its mornings, its report, and the page of it in a headless browser.

Made as a user makes them, by the commands: a model that knew nothing of the last weeks, a list each week, a report at the end.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.places import Size
from benchmarks.processes import Tell, command, work
from benchmarks.speed import Bench, Found, summed_up
from data_schemas.clock import day_date, day_number
from data_schemas.settings import load_settings

WEEKS = 6
"""Weekly lists, none of whose days the model has learnt from."""
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
_CLICKS = {"another order, by line": "[data-sort=id]", "a filter, lines at yellow": ".chip.yellow"}
Row = dict[str, Any]


def page(size: Size, repeat: int, tell: Tell, work_in: Path | None = None) -> list[Row]:
    """Rows of what, seconds (a median of `runs`, and their spread), peak_gb of the process, mb of the file.

    size.days must be more than 7 * WEEKS + 28. BadInput where the company is too small to train.
    """
    if work_in is not None:
        work_in.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bancast-page-", dir=work_in) as folder:
        world, home = Path(folder) / "world", Path(folder) / "home"
        zone = load_settings(Path(folder)).zone
        tell(f"simulate {size}")
        spec = {"lines": size.lines, "days": size.days, "calls": size.calls, "seed": size.seed, "zone": zone}
        made = work("world", tell, folder=str(world), **spec)["made"]
        last = day_number(date.fromisoformat(made["first"])) + size.days
        days = [day_date(last - 7 * back).isoformat() for back in range(WEEKS, -1, -1)]
        rows: list[Row] = []

        def run(what: str, *words: str, replay: bool = False) -> None:
            tell(what)
            environment = {"BANCAST_ACTIONS__REPLAY": str(replay).lower()}
            rows.append(_row(what, [command([*words, "--home", str(home)], Path(folder), environment)]))

        run(f"bancast ingest: {made['calls']:,} calls of {made['lines']:,} lines", "ingest", str(world))
        run(f"bancast train, until {WEEKS} weeks before the end", "train", "--until", days[0])
        for day in days[:-1]:
            run(f"bancast score, {day}", "score", "--as-of", day)
        run(f"bancast score, {days[-1]}, with plans", "score", "--as-of", days[-1], replay=True)
        rows += _report(home, days[-1], repeat, tell)
        rows += _browser(home / "reports" / days[-1] / "ranking.html", repeat, tell)
        return [row | {name: row.get(name) for name in ("peak_gb", "mb")} for row in rows]


def _report(home: Path, day: str, repeat: int, tell: Tell) -> list[Row]:
    runs = Bench(repeat, tell).runs("report", partial(work, "report", tell, home=str(home), day=day))
    whole = _row("the report: page, XLSX and CSV", runs)
    folder = Path(runs[0]["folder"])
    steps = []
    for step in runs[0]["steps"]:
        file = folder / step
        mb = {"mb": file.stat().st_size / 1e6} if file.is_file() else {}
        steps.append({"what": f"of it: {step}", **summed_up([one["steps"][step] for one in runs]), **mb})
    return [whole, *steps]


def _browser(path: Path, repeat: int, tell: Tell) -> list[Row]:
    """From opening the file to the first rows, and until the rows of a search, a filter and another order stand."""
    found = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if found is None:
        tell("no chromium on this machine: the page is not opened")
        return []
    from playwright.sync_api import sync_playwright

    runs: dict[str, list[float]] = {}

    @contextmanager
    def taking(what: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        runs.setdefault(what, []).append(time.perf_counter() - started)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=_FLAGS)
        for number in range(repeat):
            tell(f"browser: run {number + 1} of {repeat}")
            shown = browser.new_page(viewport={"width": 1500, "height": 900})
            with taking("the page opens, first rows drawn"):
                shown.goto(path.as_uri())
                shown.wait_for_selector("html[data-ready=true]")
            name = shown.locator("#rows .id > a").last.inner_text()
            with taking("a search, until its row stands"):
                shown.fill("#search", name)
                shown.wait_for_function("name => document.querySelector('#rows .id > a').innerText === name", arg=name)
            shown.click("button[type=reset]")
            for what, how in _CLICKS.items():
                before = shown.locator("#rows").inner_text()
                with taking(what):
                    shown.click(how)
                    shown.wait_for_function("before => document.querySelector('#rows').innerText !== before", arg=before)
            shown.close()
        browser.close()
    return [{"what": what, **summed_up(taken)} for what, taken in runs.items()]


def _row(what: str, runs: list[Found]) -> Row:
    peak = max(one["peak_gb"] for one in runs)
    return {"what": what, **summed_up([one["seconds"] for one in runs]), "peak_gb": peak}
