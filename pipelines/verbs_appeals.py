"""Commands about appeals: candidates, documents, cases and what they came to."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data_schemas.home import Home as HomeFiles
from pipelines import options
from pipelines.console import Outcome, command, work
from pipelines.options import DEFAULT_HOME, Home, Json

if TYPE_CHECKING:
    from data_schemas.settings import Settings
    from serving.known import Known

AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of",
        parser=options.read_day,
        metavar="DATE",
        help="Local midnight: only what was known before it counts. [default: latest with calls]",
    ),
]
Target = Annotated[str, typer.Argument(metavar="BAN_ID|LINE", help="The ban, or the line where it has one such ban.")]
Appeal = Annotated[str, typer.Argument(metavar="BAN_ID|LINE", help="The ban, line or id of the appeal.")]


@command("appeals list")
def list_(as_of: AsOf = None, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """List appeals whose answer is late, open ones, and candidates: lines banned although behaviour and risk were low.

    With --as-of, candidates and cases as they were then; without it, cases as they are now.
    """
    with _known(home, as_of) as (known, settings, day):
        from serving.appeals import cases, overview

        now = None if as_of else datetime.now(UTC)
        made = overview(HomeFiles(home), known, settings, day, now=now)
    late = [case for case in made["cases"] if case["late"]]
    open_ = [case for case in made["cases"] if case["state"] in cases.OPEN]
    closed = len(made["cases"]) - len(open_)
    notes = [
        f"no answer in time: appeal {case['id']}, sent {case['since']}, due {case['due']}; remind the carrier" for case in late
    ]
    results = [
        ("late" if case["late"] else case["state"], f"{case['id']}: line {case['line_id']} since {case['since']}{_due(case)}")
        for case in open_
    ]
    results += [
        (
            "candidate",
            f"{one['ban_id']}: line {one['line_id']} of {one['carrier']}, banned {one['banned']}, risk {one['risk']:.1%}",
        )
        for one in made["candidates"]
    ]
    results += [("closed", f"{closed:,} appeals")] if closed else []
    first = made["candidates"][0]["ban_id"] if made["candidates"] else None
    return Outcome(
        summary={"home": str(home), "as_of": day.isoformat(), **made},
        notes=[*notes, *([made["note"]] if made["note"] else [])],
        results=results or [("appeals", f"no candidate as of {day}, and no case")],
        next=[(f"bancast appeals draft {shlex.quote(first)} --home {home}", "write its documents")] if first else [],
    )


@command("appeals draft")
def draft(
    target: Target,
    consent: Annotated[
        list[Path] | None,
        typer.Option("--consent", metavar="FILE", help="A file with consent records that you send along; may be given again."),
    ] = None,
    as_of: AsOf = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Open the case of a candidate and write its documents, in Chinese and English, to print (HTML) and to edit (DOCX)."""
    with _known(home, as_of) as (known, settings, day):
        from serving.appeals import desk

        case, files = desk.draft(HomeFiles(home), known, settings, day, target, consent or (), datetime.now(UTC))
    return Outcome(
        summary={**_summary(home, case), "as_of": day.isoformat(), "files": [str(path) for path in files]},
        results=[("case", case.id), *((path.name.rsplit("-", 1)[1], str(path)) for path in files)],
        next=[(f"bancast appeals sent {shlex.quote(case.ban_id)} --home {home}", "once you have sent it")],
    )


@command("appeals sent")
def sent(appeal: Appeal, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Say that an appeal was sent to the carrier: the clock of its answer starts."""
    return _moved(home, appeal, "sent")


@command("appeals answered")
def answered(appeal: Appeal, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Say that the carrier answered, but has not decided yet."""
    return _moved(home, appeal, "answered")


@command("appeals won")
def won(
    appeal: Appeal,
    lifted: Annotated[
        datetime | None,
        typer.Option(
            "--lifted",
            parser=options.read_moment,
            metavar="TIME",
            help="When the ban was lifted, as 2026-03-01T09:30, on the wall clock of the settings' zone.",
        ),
    ] = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Say that an appeal was won: the ban's row in the lake says so from now on, and the models learn from it.

    Given again with --lifted, the time of the lift is added.
    """
    return _moved(home, appeal, "won", lifted)


@command("appeals lost")
def lost(appeal: Appeal, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Say that an appeal was lost: the ban's row in the lake says so from now on."""
    return _moved(home, appeal, "lost")


@command("appeals withdraw")
def withdraw(appeal: Appeal, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Give an appeal up; it may be drafted anew later."""
    return _moved(home, appeal, "withdrawn")


@command("appeals why")
def why(target: Target, as_of: AsOf = None, home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Say what speaks for and against an appeal: each point with its value, its limit and where the limit comes from."""
    with _known(home, as_of) as (known, settings, day):
        from serving.appeals import desk

        found = desk.why(HomeFiles(home), known, settings, target)
    results = []
    for ban in found:
        verdict = "a candidate" if ban["candidate"] else "no candidate"
        results.append((f"ban {ban['ban_id']}", f"line {ban['line_id']}, banned {ban['banned']}: {verdict}"))
        results += [("against", says["en"]) for says in ban["hindrances"]]
        results += [(_HOLDS[point["holds"]], point["en"]) for point in ban["points"]]
    first = next((ban["ban_id"] for ban in found if ban["candidate"]), None)
    return Outcome(
        summary={"home": str(home), "as_of": day.isoformat(), "bans": found},
        results=results,
        next=[(f"bancast appeals draft {shlex.quote(first)} --home {home}", "write its documents")] if first else [],
    )


_HOLDS = {True: "for", False: "against", None: "not known"}
EXAMPLES = {
    "list": ("appeals list", "appeals list --as-of 2026-03-01 --json"),
    "draft": ("appeals draft B000123", "appeals draft L000042 --consent consent-2026-02.pdf"),
    "sent": ("appeals sent B000123",),
    "answered": ("appeals answered L000042",),
    "won": ("appeals won B000123 --lifted 2026-03-01T09:30",),
    "lost": ("appeals lost B000123",),
    "withdraw": ("appeals withdraw B000123",),
    "why": ("appeals why L000042", "appeals why L000042 --as-of 2026-03-01"),
}
VERBS: dict[str, Callable[..., None]] = {
    "list": list_,
    "draft": draft,
    "sent": sent,
    "answered": answered,
    "won": won,
    "lost": lost,
    "withdraw": withdraw,
    "why": why,
}


@contextmanager
def _known(home: Path, as_of: date | None) -> Iterator[tuple[Known, Settings, date]]:
    """What was known of the home at the day meant, while the home is held."""
    from pipelines.runtime import choose_day, open_lake

    files = HomeFiles(home)
    lake = open_lake(files)
    day = choose_day(lake, as_of)
    with work(home):
        from data_schemas.clock import day_number
        from data_schemas.settings import load_settings
        from features.local import open_local
        from serving.known import Known

        settings = load_settings(home)
        with open_local(settings, files.scratch) as engine:
            yield Known(engine, lake, day_number(day)), settings, day


def _moved(home: Path, appeal: str, state: str, lifted: datetime | None = None) -> Outcome:
    from pipelines.runtime import open_lake

    files = HomeFiles(home)
    open_lake(files)
    with work(home):
        from data_schemas.settings import load_settings
        from serving.appeals import desk

        settings = load_settings(home)
        case, told = desk.move(files, settings, appeal, state, datetime.now(UTC), lifted)
        clock = case.clock(datetime.now(UTC).date(), settings.zone, settings.appeals.answer_days)
    notes, results = [], [("appeal", f"{case.id} of line {case.line_id}: {case.state}")]
    if clock["due"]:
        results.append(("due", f"an answer by {clock['due']}; `bancast appeals list` reminds of it"))
    if told:
        results.append(("lake", "ban row changed" if told["lake_changed"] else "as it was: it knew already"))
    if state == "won" and not told["lift_known"]:
        notes.append("no lift of the ban is known yet; the models see the win once it is: ingest it, or give --lifted TIME")
    return Outcome(
        summary={**_summary(home, case), "due": clock["due"], **told},
        notes=notes,
        results=results,
        next=[(f"bancast appeals list --home {home}", "what else is open")],
    )


def _summary(home: Path, case: Any) -> dict[str, Any]:
    return {
        "home": str(home),
        "id": case.id,
        "ban_id": case.ban_id,
        "line_id": case.line_id,
        "state": case.state,
        "attachments": list(case.attachments),
    }


def _due(case: dict[str, Any]) -> str:
    return f", answer due {case['due']}" if case["due"] else ""
