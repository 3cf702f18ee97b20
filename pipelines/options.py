"""Options that several commands share, and how their values are read."""

from __future__ import annotations

import re
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer


def read_day(value: str | date) -> date:
    """A calendar day from YYYY-MM-DD."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no day; write it as YYYY-MM-DD, e.g. 2026-03-01") from None


def read_days(value: str | int) -> int:
    """A number of days from `7d` or `7`."""
    match = re.fullmatch(r"([1-9]\d{0,3})d?", str(value))
    if not match:
        raise typer.BadParameter(f"{value!r} is no number of days; write it as 7d")
    return int(match[1])


def read_minutes(value: str | float) -> float:
    """A time in minutes from `90s`, `10m` or `1h`."""
    if isinstance(value, float):
        return value
    match = re.fullmatch(r"([1-9]\d{0,5})([smh])", value)
    if not match:
        raise typer.BadParameter(f"{value!r} is no length of time; write it as 90s, 10m or 1h")
    return int(match[1]) * {"s": 1 / 60, "m": 1.0, "h": 60.0}[match[2]]


def read_moment(value: str | datetime) -> datetime:
    """A time from ISO 8601, with its zone or without one."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        raise typer.BadParameter(f"{value!r} is no time; write it as 2026-03-01T09:30") from None


Home = Annotated[Path, typer.Option("--home", metavar="DIR", help="Home: lake, models, scores, reports and bancast.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout, and nothing else there.")]
AsOf = Annotated[
    date | None,
    typer.Option(
        "--as-of",
        parser=read_day,
        metavar="DATE",
        help="Local midnight that is scored: only what was known before it counts. [default: latest with calls]",
    ),
]
Mapping = Annotated[
    Path | None,
    typer.Option("--mapping", metavar="FILE", help="Mapping file (TOML) that names the columns of exports of your own."),
]
DEFAULT_HOME = Path("bancast-home")


def text(path: Path | None) -> str | None:
    """A path as a flow takes it."""
    return None if path is None else str(path)


def tool(name: str) -> str:
    """How to call a program of this environment from here, e.g. .venv/bin/mlflow."""
    path = Path(sys.executable).parent / name
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
