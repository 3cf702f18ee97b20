"""The terminal side of a command: progress on stderr, the result on stdout, errors as one line and an exit status."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ParamSpec

import typer

from data_schemas.errors import BadInput, check_room, disk_says
from pipelines import interrupts

P = ParamSpec("P")
DONE, FAILED, BAD = 0, 1, 2
INTERRUPTED = 130
"""What shells give a process that Ctrl-C ended."""
_WIDE = 100
"""Columns that the list of next commands takes."""
_EVERY_S = 10.0
"""Seconds between two plain lines on the same step."""


class Failed(Exception):
    """An unexpected error, already in the log: `says` is the one line for the user."""

    def __init__(self, says: str) -> None:
        super().__init__(says)


@dataclass
class Outcome:
    """What a command did.

    summary: the JSON form. results: (what, where) lines. next: commands to run next, with what each does.
    notes: lines a person should read. error: set when the work was done as far as it could be and the user must act; the exit
    status is then `code`.
    """

    summary: dict[str, Any]
    results: list[tuple[str, str]] = field(default_factory=list)
    next: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    code: int = BAD


def command(verb: str) -> Callable[[Callable[P, Outcome]], Callable[P, None]]:
    """Make a function that gives an Outcome into a command: prints it and ends with the exit status (0, 1, 2).

    The function must take `json_` (print the summary as JSON).
    """

    def decorate(function: Callable[P, Outcome]) -> Callable[P, None]:
        @functools.wraps(function)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
            as_json = bool(kwargs.get("json_"))
            try:
                outcome = function(*args, **kwargs)
            except (Exception, KeyboardInterrupt) as error:
                _end(verb, as_json, *_said(verb, error))
            else:
                _show(verb, outcome, as_json)
                if outcome.error:
                    print(f"bancast {verb}: {outcome.error}", file=sys.stderr)
                    raise typer.Exit(outcome.code)

        return wrapped

    return decorate


def _said(verb: str, error: BaseException) -> tuple[str, str, int]:
    """What to say of the error at hand, and how the command ends."""
    # An interrupt may have become another error: a file that could not be read to its end, say.
    if isinstance(error, KeyboardInterrupt) or interrupts.asked():
        return "interrupted; nothing is half-written, a re-run finishes the work", "interrupted", INTERRUPTED
    if isinstance(error, Failed):
        return str(error), "failed", FAILED
    refused = error if isinstance(error, BadInput) else disk_says(error, Path())
    if refused:
        return str(refused), "bad input", BAD
    # Outside a home the log goes to the system's temporary folder.
    return str(_failed(error, _temporary_log(verb))), "failed", FAILED


def _end(verb: str, as_json: bool, says: str, status: str, code: int) -> None:
    says = " ".join(says.split())
    if as_json:
        print(json.dumps({"command": verb, "status": status, "error": says}, ensure_ascii=False))
    print(f"bancast {verb}: {says}", file=sys.stderr)
    raise typer.Exit(code)


def _failed(error: BaseException, log: Path) -> Failed:
    from pipelines.runtime import masked

    first = masked((str(error).strip().splitlines() or [""])[0][:300])
    return Failed(f"{type(error).__name__}: {first}; the log with the traceback is {log}")


def _temporary_log(verb: str) -> Path:
    """The traceback of the error at hand, in a file of its own."""
    handle, name = tempfile.mkstemp(prefix=f"bancast-{verb}-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as log:
        traceback.print_exc(file=log)
    return Path(name)


def _show(verb: str, outcome: Outcome, as_json: bool) -> None:
    if as_json:
        word = "failed" if outcome.code == FAILED else "bad input"
        status = {"status": word, "error": outcome.error} if outcome.error else {"status": "done"}
        print(json.dumps({"command": verb, **status, **outcome.summary}, ensure_ascii=False, indent=1, default=str))
        return
    for note in outcome.notes:
        print(f"note: {note}")
    if outcome.results:
        wide = max(len(what) for what, _ in outcome.results)
        print("\nResults")
        for what, where in outcome.results:
            print(f"  {what:<{wide}}  {where}")
    if outcome.next:
        print("\nNext")
        for line in _next_lines(outcome.next):
            print(line)


def _next_lines(pairs: list[tuple[str, str]]) -> list[str]:
    """Commands with what each does beside it, or below it where that does not fit; a command is never broken."""
    wide = max((len(what) for what, says in pairs if 4 + len(what) + len(says) <= _WIDE), default=0)
    lines = []
    for what, says in pairs:
        fits = len(what) <= wide and 4 + wide + len(says) <= _WIDE
        lines += [f"  {what:<{wide}}  {says}"] if fits else [f"  {what}", f"      {says}"]
    return lines


@contextmanager
def bar() -> Iterator[Callable[[str, str, float], None]]:
    """A progress sink (stage, what, share) on stderr: bars on a terminal, else one plain line a step."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.fields[stage]:<9}"), BarColumn(30), TextColumn("{task.percentage:>3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}

        def tell(stage: str, what: str, share: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(what, total=1.0, stage=stage)
            progress.update(tasks[stage], description=what, completed=min(share, 1.0))

        yield tell


class _Plain:
    """One line for each new step, and one now and then while it lasts."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.last = ("", "")

    def __call__(self, stage: str, what: str, share: float) -> None:
        now = time.monotonic()
        if (stage, what) != self.last or now - self.told >= _EVERY_S:
            line = f"{now - self.began:6.1f} s  {stage:<9} {100 * min(share, 1.0):3.0f} %  {what}\n"
            sys.stderr.write(line)  # in one piece: print writes the end of a line by itself, and a signal may come in between
            sys.stderr.flush()
            self.last, self.told = (stage, what), now


@contextmanager
def stdout_aside() -> Iterator[None]:
    """What a library prints meanwhile goes to stderr: stdout is for the result alone."""
    with redirect_stdout(sys.stderr):
        yield


@contextmanager
def work(home_root: Path) -> Iterator[None]:
    """Hold the home, log to a file in it and show progress while a command works there.

    An unexpected error is written to the log with its traceback and raised as Failed, one of a disk that is full or refuses as
    BadInput.
    """
    from data_schemas.home import Home
    from data_schemas.settings import load_settings
    from pipelines import runtime
    from pipelines.leftovers import clear

    load_settings(home_root)  # one that does not fit is said before anything is made
    home = Home(home_root)
    runtime.quiet(home)
    try:
        check_room(home_root)  # Prefect would wait for its database for minutes
        with runtime.writing(home), runtime.log_file(home) as log, bar() as sink, runtime.telling(sink), stdout_aside():
            try:
                sink("start", f"home {home_root}", 0.0)
                clear(home)
                yield
                sink("start", "done", 1.0)
            except BadInput:
                raise
            except Exception as error:
                interrupts.stop_if_asked()  # the engine makes an error of its own of an interrupt
                logging.getLogger("bancast").exception("unexpected")
                raise disk_says(error, home_root) or _failed(error, log) from error
    except OSError as error:  # before there was a log
        says = f"home {home_root}: {error.strerror} ({error.filename}); give a --home that can be written"
        raise disk_says(error, home_root) or BadInput(says) from error
