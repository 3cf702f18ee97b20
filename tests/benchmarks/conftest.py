"""What tests of the measurements share."""

from __future__ import annotations

import time
from typing import Any

import pytest

from benchmarks import places, speed
from benchmarks.jobs import JOBS, peak_gb


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs run here: a process of their own takes a second or more to start."""

    def work(job: str, tell: Any, **spec: Any) -> dict[str, Any]:
        run = JOBS[job](**spec)
        started = time.perf_counter()
        found = run() or {}
        return {"seconds": time.perf_counter() - started, "peak_gb": peak_gb(), **found}

    monkeypatch.setattr(speed, "work", work)
    monkeypatch.setattr(places, "work", work)
