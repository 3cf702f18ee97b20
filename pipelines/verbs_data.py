"""Commands that bring data in and lay it out: simulate, ingest, features."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from data_schemas.errors import BadInput
from pipelines import options
from pipelines.console import Outcome, command, work
from pipelines.options import DEFAULT_HOME, Home, Json, Mapping, text

Folder = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", show_default=False, help="Folder with lines, calls, complaints, bans (messages, policies): Parquet or CSV."
    ),
]


def check_source(source: Path | None, mapping: Path | None, home: Path) -> None:
    """BadInput unless there is one thing to read, with all tables it must have, before anything is made in the home."""
    if (source is None) == (mapping is None):
        what = "nothing to read" if source is None else "two things to read"
        raise BadInput(f"{what}; give either DIR, a folder of tables, or --mapping FILE")
    from data_schemas.ingest import require_tables
    from data_schemas.mapping import load_mapping
    from data_schemas.settings import load_settings
    from data_schemas.sources import find_sources

    if source is not None:
        require_tables(find_sources(source))
    elif mapping is not None:
        require_tables(load_mapping(mapping, load_settings(home)))


@command("simulate")
def simulate(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write the world to; made when it is not there.")],
    lines: Annotated[int, typer.Option(min=8, help="Lines the company keeps at a time.")] = 300,
    days: Annotated[int, typer.Option(min=1, help="Days of history.")] = 120,
    calls: Annotated[float, typer.Option(min=0.1, help="Calls of a line a day, on average.")] = 40.0,
    start: Annotated[date, typer.Option(parser=options.read_day, metavar="DATE", help="First day.")] = date(2026, 1, 5),
    seed: Annotated[int, typer.Option(min=0, help="Seed: the same one makes the same world.")] = 7,
    json_: Json = False,
) -> Outcome:
    """Make a world to try bancast on: a made-up company in the contracts, with the true risk beside it."""
    from pipelines.console import bar
    from simulator import simulate as make

    given: dict[str, Any] = {"lines": lines, "days": days, "calls_per_line_day": calls, "start": start, "seed": seed}
    with bar() as sink:
        made = make(out, **given, progress=lambda what, share: sink("simulate", what, share))
    return Outcome(
        summary=made.to_dict(),
        results=[
            ("world", f"{out}: {made.lines:,} lines, {made.calls:,} calls, {made.first} to {made.last}"),
            ("bans", f"{made.bans:,}, {made.weekly_ban_rate:.1%} of the lines a week; their true risk is in {out}/truth.parquet"),
        ],
        next=[(f"bancast run {out}", "train, score and rank its lines")],
    )


@command("ingest")
def ingest(
    source: Folder = None,
    mapping: Mapping = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Read tables into the home's lake: checked, bad rows in quarantine, callee ids hashed.

    The same input twice changes nothing; a day given again, corrected, replaces that day.
    """
    check_source(source, mapping, home)
    with work(home):
        from pipelines.flows import ingest_flow

        report = ingest_flow(home=str(home), source=text(source), mapping=text(mapping))
    return Outcome(
        summary={"home": str(home), **report},
        notes=report["notes"],
        results=[
            ("lake", f"{home}/lake ({'changed' if report['changed'] else 'as it was: nothing new'})"),
            *ingest_lines(report),
        ],
        next=[
            (f"bancast train --home {home}", "learn from it"),
            (f"bancast score --home {home}", "score the lines with the champion"),
        ],
    )


def ingest_lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    """One line a table: what became of its rows."""
    return [
        (
            name,
            f"{table['rows_in']:,} rows in: {table['accepted']:,} accepted "
            f"({table['added']:,} new{_some(table['replaced'], 'corrected')}), "
            f"{table['duplicates']:,} duplicates, {sum(table['quarantined'].values()):,} quarantined"
            f"{_some(table['retracted'], 'earlier ones retracted')}",
        )
        for name, table in report["tables"].items()
    ]


def _some(rows: int, what: str) -> str:
    """So many rows of a kind that there mostly is none of."""
    return f", {rows:,} {what}" if rows else ""


@command("features")
def features(
    first: Annotated[date, typer.Option("--from", parser=options.read_day, metavar="DATE", help="First as_of day.")],
    last: Annotated[date, typer.Option("--to", parser=options.read_day, metavar="DATE", help="Last as_of day.")],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="FILE", help="Where to write: .parquet, .csv, or a folder (a Parquet dataset by as_of)."),
    ],
    every: Annotated[int, typer.Option(parser=options.read_days, metavar="DAYS", help="Days between as_of days, e.g. 7d.")] = 7,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Write a labelled training table: every feature and label of every line eligible at each as_of day.

    A folder takes any number of days in little memory, and every reader of Parquet opens it.
    """
    from data_schemas.home import Home as HomeFiles
    from pipelines.files import check_out
    from pipelines.runtime import day_range, open_lake

    check_out(out, folder=True)
    if last < first:
        raise BadInput(f"--to {last}: before --from {first}; give them in order")
    earliest, latest = day_range(open_lake(HomeFiles(home)))
    if first < earliest or last > latest:
        raise BadInput(
            f"--from {first} --to {last}: as_of days can be {earliest} to {latest}, after the first calls and the last"
        )
    with work(home):
        from pipelines.flows import features_flow

        report = features_flow(home=str(home), first=first, last=last, every=every, out=str(out))
    return Outcome(
        summary={"home": str(home), **report},
        results=[("table", f"{out}: {report['rows']:,} rows, {report['columns']} columns, {report['days']} as_of days")],
        next=[("docs/features.md", "what each column means")],
    )
