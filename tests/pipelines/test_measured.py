"""The measurements of the report and of its page, on the home of the main job."""

from __future__ import annotations

import shutil

import pytest

from benchmarks import page
from tests.pipelines.conftest import Job


def test_the_report_is_measured_step_by_step_and_its_page_in_a_browser(job: Job, capsys: pytest.CaptureFixture[str]) -> None:
    day = job.summary["as_of"]
    whole, *steps = page._report(job.home, day, 1, print)
    assert [row["what"].removeprefix("of it: ") for row in steps][:4] == [
        "read scores and lines",
        "ranking.html",
        "ranking.xlsx",
        "ranking.csv",
    ]
    assert whole["seconds"] >= sum(row["seconds"] for row in steps) > 0 and whole["peak_gb"] > 0.1
    assert all(row["mb"] > 0 for row in steps[1:4])
    if not any(map(shutil.which, page._BROWSERS)):
        pytest.skip("no chromium on this machine (Debian: apt-get install chromium)")
    shown = page._browser(job.home / "reports" / day / "ranking.html", 2, print)
    assert len(shown) == 4 and all(row["runs"] == 2 and row["seconds"] > 0 for row in shown)
