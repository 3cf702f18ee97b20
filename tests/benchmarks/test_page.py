"""What ops wait for is measured on a company whose model knew nothing of the weeks it is judged by."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

import benchmarks.page as measured
from benchmarks.places import Size


def test_a_model_of_earlier_weeks_makes_a_list_each_week_and_the_newest_has_plans(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[tuple[list[str], str]] = []

    def command(words: list[str], folder: Path, environment: dict[str, str]) -> dict[str, Any]:
        ran.append((words, environment["BANCAST_ACTIONS__REPLAY"]))
        return {"seconds": 2.0, "peak_gb": 0.5}

    def work(job: str, tell: Any, **spec: Any) -> dict[str, Any]:
        if job == "world":
            return {"made": {"first": "2026-01-05", "calls": 1000, "lines": 12}}
        (tmp_path / "ranking.html").write_text("x" * 2_000_000)
        steps = {"read scores and lines": 1.0 + len(ran), "ranking.html": 0.25}
        return {"seconds": 3.0, "peak_gb": 0.75, "folder": str(tmp_path), "steps": steps}

    monkeypatch.setattr(measured, "command", command)
    monkeypatch.setattr(measured, "work", work)
    monkeypatch.setattr(measured, "_BROWSERS", ())
    rows = measured.page(Size(12, 84, 2.0), 2, lambda what: None, tmp_path / "work")
    days = [(date(2026, 1, 5) + timedelta(days=84 - 7 * back)).isoformat() for back in range(6, -1, -1)]
    assert [words[: words.index("--home")] for words, _ in ran] == [
        ["ingest", ran[0][0][1]],
        ["train", "--until", days[0]],
        *[["score", "--as-of", day] for day in days],
    ]
    assert [replay for _, replay in ran] == ["false"] * 8 + ["true"]
    by = {row["what"]: row for row in rows}
    whole, first, second = rows[-3:]
    assert by["bancast ingest: 1,000 calls of 12 lines"]["seconds"] == 2.0 and whole["peak_gb"] == 0.75
    assert (first["seconds"], first["mb"]) == (10.0, None) and (second["seconds"], second["runs"], second["mb"]) == (0.25, 2, 2.0)
    assert list((tmp_path / "work").iterdir()) == []
