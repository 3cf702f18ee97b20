"""Measurements, printed as Markdown tables: `quality` on worlds, `table` on a finished table, `speed`, `page` of a company.

Without a word: quality and speed on small sizes, in minutes. --full takes the sizes of the documents, which take an hour or more.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.places import Size
from benchmarks.speed import PARTS, Plan, machine, speed
from benchmarks.worlds import make_world
from data_schemas.errors import BadInput
from pipelines.runtime import QUIET
from simulator import simulate

EXAMPLES = """examples:
  python -m benchmarks                                   all of it, small
  python -m benchmarks quality --kinds pool,sim          quality on two made worlds
  python -m benchmarks speed --full --out speed          the reference: 20,000 lines, 180 days, 11.25 calls a line and day
  python -m benchmarks speed --full --work /data --keep  the same; the world and the homes stay in /data for the next run
  python -m benchmarks speed --full --work /data --keep --only floor,features,morning
  python -m benchmarks speed --full --growth 10 --only floor,features,growth
  python -m benchmarks page --full                       model, mornings, report and page of 100,000 lines
"""
KINDS = ("threshold", "complaints", "pool", "quality", "sim")
SIZES = {
    "quality": {False: (350, 120, 15.0), True: (1500, 180, 40.0)},
    "speed": {False: (400, 120, 20.0), True: (20_000, 180, 11.25)},
    "page": {False: (400, 120, 10.0), True: (100_000, 91, 3.0)},
}
"""Lines, days and calls a line and day, small and full."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    plain = argparse.RawDescriptionHelpFormatter
    found = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__, epilog=EXAMPLES, formatter_class=plain)
    found.add_argument("what", nargs="?", choices=("all", "quality", "speed", "table", "page"), default="all")
    found.add_argument("--full", action="store_true", help="the sizes of the documents")
    found.add_argument("--world", type=Path, action="append", help="quality: a folder of tables, instead of made ones")
    found.add_argument("--kinds", default=",".join(KINDS), help="quality: worlds to make (default: %(default)s)")
    found.add_argument("--lines", type=int, help="lines of a made world")
    found.add_argument("--days", type=int, help="its days")
    found.add_argument("--calls", type=float, help="its calls a line and day")
    found.add_argument("--seed", type=int, help="its seed (default: 21; speed and page: 3)")
    found.add_argument("--repeat", type=int, default=3, help="speed, page: runs of each measurement; the median counts")
    found.add_argument(
        "--only",
        default=",".join(PARTS),
        metavar="PARTS",
        help="speed: these parts alone (default: %(default)s)",
    )
    found.add_argument("--growth", type=int, default=0, metavar="N", help="speed: floor and features on N times the lines, too")
    found.add_argument("--work", type=Path, metavar="DIR", help="speed, page: where files go, instead of the temporary folder")
    found.add_argument("--keep", action="store_true", help="speed: leave the world and its homes in --work, and use those there")
    found.add_argument("--snapshots", type=int, default=26, help="speed: weekly snapshots (default: %(default)s)")
    for way, share in (("plain", 26), ("pandas", 2), ("polars", 26)):
        says = f"speed: of them made by {'plain DuckDB' if way == 'plain' else way} (default: %(default)s)"
        found.add_argument(f"--{way}-snapshots", type=int, default=share, metavar="N", help=says)
    found.add_argument("--plain-memory", type=float, default=8.0, metavar="GB", help="speed: what plain DuckDB may use")
    found.add_argument("--file", type=Path, help="table: a CSV or Parquet file with one row a line")
    found.add_argument("--label", default="label", help="table: its column of 0 and 1")
    found.add_argument("--id", default="line_id", help="table: its column that names a row")
    found.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    found.add_argument("--out", type=Path, help="also write FILE.md and FILE.json", metavar="FILE")
    return found


def main(words: list[str] | None = None) -> int:
    """Run what was asked for, print it, and write it where --out says."""
    said = parser()
    told = said.parse_args(words)
    wrong = sorted(set(told.kinds.split(",")) - set(KINDS))
    if wrong:
        said.error(f"--kinds: no world `{wrong[0]}`; there are {', '.join(KINDS)}")
    strange = sorted(set(told.only.split(",")) - set(PARTS))
    if strange:
        said.error(f"--only: no part `{strange[0]}`; there are {', '.join(PARTS)}")
    if told.keep and told.work is None:
        said.error("--keep needs --work, where things are kept")
    for name in ("repeat", "snapshots", "plain_snapshots", "pandas_snapshots", "polars_snapshots"):
        if getattr(told, name) < 1:
            said.error(f"--{name.replace('_', '-')}: give 1 or more")
    if told.growth < 0 or told.growth == 1:
        said.error("--growth: give 2 or more")
    if told.what == "table" and told.file is None:
        said.error("table needs --file")
    for path in (*(told.world or ()), *filter(None, [told.file])):
        if not path.exists():
            said.error(f"{path}: no such file or folder")
    for name, value in QUIET.items():  # as the command line does, before LightGBM's threads exist
        os.environ.setdefault(name, value)
    logging.captureWarnings(True)  # MLflow's, about signatures, go to a logger that nobody reads
    try:
        found = _found(told)
    except BadInput as error:
        tell(str(error))
        return 2
    told_as_json = json.dumps(found, indent=1, allow_nan=False, default=float)
    text = "\n\n".join(markdown(rows) for rows in found.values())
    if told.out:
        told.out.with_name(told.out.name + ".md").write_text(text + "\n", encoding="utf-8")
        told.out.with_name(told.out.name + ".json").write_text(told_as_json + "\n", encoding="utf-8")
    print(told_as_json if told.json else text)
    return int(any(row.get("failed") for row in found.get("speed", [])))


def _found(told: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    if told.what in ("all", "quality"):
        found["quality"] = _quality(told)
    if told.what == "table":
        from benchmarks.finished import table_quality

        found["table"] = table_quality(told.file, told.label, told.id, tell)
    if told.what == "page":
        from benchmarks.page import page

        found["page"] = page(
            Size(*_sizes(told, "page"), seed=3 if told.seed is None else told.seed), told.repeat, tell, told.work
        )
        found["machine"] = [machine()]
    if told.what in ("all", "speed"):
        plan = Plan(
            only=told.only.split(","),
            repeat=told.repeat,
            snapshots=told.snapshots,
            plain=told.plain_snapshots,
            pandas=told.pandas_snapshots,
            polars=told.polars_snapshots,
            growth=told.growth,
            memory_gb=told.plain_memory,
        )
        size = Size(*_sizes(told, "speed"), seed=3 if told.seed is None else told.seed)
        found["speed"] = speed(size, plan, tell, told.work, told.keep)
        found["machine"] = [machine()]
    return found


def _quality(told: argparse.Namespace) -> list[dict[str, Any]]:
    from benchmarks.quality import world_quality

    lines, days, calls = _sizes(told, "quality")
    seed = 21 if told.seed is None else told.seed
    if told.world:
        return [row for folder in told.world for row in world_quality(folder, tell)]
    rows = []
    for kind in told.kinds.split(","):
        with tempfile.TemporaryDirectory(prefix="bancast-world-") as work:
            tell(f"{kind}: make {lines} lines, {days} days, {calls} calls a line and day")
            folder = Path(work) / kind
            if kind == "sim":
                simulate(folder, lines=lines, days=days, calls_per_line_day=calls, seed=seed)
            else:
                make_world(kind, folder, lines, days, calls, seed)
            rows += world_quality(folder, tell)
    return rows


def _sizes(told: argparse.Namespace, what: str) -> tuple[int, int, float]:
    lines, days, calls = SIZES[what][told.full]
    return told.lines or lines, told.days or days, told.calls or calls


def markdown(rows: list[dict[str, Any]]) -> str:
    """Rows as a Markdown table: fractions with three digits after the point, large numbers with one, nothing where None."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names, ["---"] * len(names), *([_cell(row.get(name)) for name in names] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1f}" if abs(value) >= 20 else f"{value:.3f}"
    return str(value)


def tell(what: str) -> None:
    """A line of progress, to stderr."""
    print(what, file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # an orderly end: temporary homes are removed
    sys.exit(main())
