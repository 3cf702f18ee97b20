"""Commands that tell ops of lines at red, and that note what ops have taken up: alert and ack."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import typer

from data_schemas.errors import BadInput
from data_schemas.home import Home as HomeFiles
from pipelines import options
from pipelines.console import FAILED, Outcome, command, work
from pipelines.options import DEFAULT_HOME, Home, Json

_SAYS = {
    "sent": "{lines:,} lines sent, {named:,} of them by name",
    "nothing": "nothing new",
    "limit": "{lines:,} lines wait for tomorrow: the messages of this day are used up",
    "failed": "{lines:,} lines NOT sent: {why}",
    "due": "{lines:,} lines would be sent, {named:,} of them by name",
}


@command("alert")
def alert(
    as_of: Annotated[
        date | None,
        typer.Option("--as-of", parser=options.read_day, metavar="DATE", help="Scored day to tell of. [default: the latest]"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent; send and remember nothing.")] = False,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Tell each channel of the lines that have become red since its last alert, and remember it; see docs/alerts.md."""
    from pipelines.runtime import open_lake, scored_day

    day = scored_day(HomeFiles(home), as_of)
    open_lake(HomeFiles(home))
    failed: str | None = None
    with work(home):
        from pipelines.flows import alert_flow
        from serving.alerts import Undelivered

        try:
            made = alert_flow(home=str(home), as_of=day, dry_run=dry_run)
        except Undelivered as error:
            made, failed = error.report, str(error)
    return Outcome(
        summary={"home": str(home), **made},
        notes=_notes(made),
        results=[line for entry in made["channels"] for line in _channel(entry)],
        next=[(f"bancast ack LINE --home {home}", "a line is being looked after: no more alerts of it")],
        error=failed,
        code=FAILED,
    )


@command("ack")
def ack(
    lines: Annotated[list[str] | None, typer.Argument(metavar="LINE", help="Red lines that are being looked after.")] = None,
    days: Annotated[
        int | None,
        typer.Option("--days", parser=options.read_days, metavar="N", help="Days without an alert, at the most, as 5 or 5d."),
    ] = None,
    note: Annotated[str | None, typer.Option("--note", metavar="TEXT", help="What is being done; shown by --list.")] = None,
    list_: Annotated[bool, typer.Option("--list", help="Show the acknowledgements that hold.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="End the acknowledgement of the lines.")] = False,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Acknowledge red lines: no alert repeats them for N days, or until they have left red and come back."""
    if list_ == bool(lines):
        raise BadInput("give the lines to acknowledge, or --list alone to show those that are")
    if (list_ or undo) and (days is not None or note is not None):
        raise BadInput("--days and --note go with the lines that are acknowledged")
    if list_ and undo:
        raise BadInput("--undo goes with the lines whose acknowledgement ends")
    from serving.alerts.acks import acknowledge, standing, take_back

    where = HomeFiles(home)
    if undo:
        ended = take_back(where, lines or [])
        return Outcome(summary={"home": str(home), "ended": ended}, results=[(line, "alerted of again") for line in ended])
    held = standing(where) if list_ else acknowledge(where, lines or [], days, note)
    return Outcome(
        summary={"home": str(home), "acks": [one.to_dict() for one in held]},
        notes=[] if held else ["no acknowledgement holds"],
        results=[(one.line_id, _ack(one.to_dict())) for one in held],
        next=[] if list_ else [(f"bancast ack --list --home {home}", "all acknowledgements that hold")],
    )


def _notes(made: dict[str, Any]) -> list[str]:
    """Of which day, and what was held back."""
    silenced = max((entry["silenced"] for entry in made["channels"]), default=0)
    notes = [f"as of {made['as_of']}: {made['red']:,} red lines"]
    if silenced:
        notes.append(f"{silenced:,} lines with news were not told: acknowledged, or alerted of a few days ago")
    return notes


def _channel(entry: dict[str, Any]) -> list[tuple[str, str]]:
    """What became of a channel's message, with its words after a dry run."""
    lines = [(entry["channel"], _SAYS[entry["status"]].format(**entry))]
    if "text" in entry:
        lines += [("", line) for line in [entry["title"], *entry["text"].split("\n")]]
    return lines


def _ack(one: dict[str, Any]) -> str:
    until = f"until {one['until']}" if one["until"] else "until it has left red and come back"
    return f"since {one['day']}, {until}" + (f": {one['note']}" if one["note"] else "")
