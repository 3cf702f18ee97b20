"""`python -m benchmarks`: quality and speed on small worlds; see --help for the sizes of the documents."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

KINDS = ("threshold", "complaints", "pool", "quality")


def main() -> None:
    """Run what was asked for and print Markdown tables."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("all", "quality", "speed", "table"), default="all")
    parser.add_argument("--world", type=Path, action="append", help="folder in the contracts to judge on, instead of made ones")
    parser.add_argument("--kinds", default=",".join(KINDS), help="made worlds to judge on")
    parser.add_argument("--lines", type=int, default=400)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--calls", type=float, default=25, help="calls a line and day")
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--repeat", type=int, default=3, help="runs of each speed measurement; the median counts")
    parser.add_argument("--file", type=Path, help="table: a CSV with one row a line")
    parser.add_argument("--label", default="label")
    parser.add_argument("--id", default="line_id")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    told = parser.parse_args()
    if told.what == "table" and told.file is None:
        parser.error("table needs --file")
    found: dict[str, list[dict[str, Any]]] = {}
    if told.what in ("all", "quality"):
        found["quality"] = _quality(told)
    if told.what == "table":
        from benchmarks.quality import table_quality

        found["table"] = table_quality(told.file, told.label, told.id, _tell)
    if told.what in ("all", "speed"):
        from benchmarks.speed import speed

        found["speed"] = speed(told.lines, told.days, told.calls, told.repeat, _tell)
    print(json.dumps(found, indent=1) if told.json else "\n\n".join(markdown(rows) for rows in found.values()))


def _quality(told: argparse.Namespace) -> list[dict[str, Any]]:
    from benchmarks.quality import world_quality
    from benchmarks.worlds import make_world

    rows = []
    with tempfile.TemporaryDirectory(prefix="bancast-worlds-") as work:
        for folder in told.world or [Path(work) / kind for kind in told.kinds.split(",")]:
            if not told.world:
                _tell(f"{folder.name}: make")
                make_world(folder.name, folder, told.lines, told.days, told.calls, told.seed)
            rows += world_quality(folder, _tell)
    shown = (
        "world",
        "who",
        "bans",
        "average_precision",
        "ratio",
        "roc_auc",
        "precision_top_5pct",
        "attainable_precision_top_5pct",
    )
    return [{name: row.get(name) for name in (*shown, "early", "expected_over_observed", "brier")} for row in rows]


def markdown(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table; numbers with three digits after the point."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [" | ".join(names), " | ".join("---" for _ in names)]
    for row in rows:
        cells = [row.get(name) for name in names]
        lines.append(" | ".join("" if c is None else f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells))
    return "\n".join(f"| {line} |" for line in lines)


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
