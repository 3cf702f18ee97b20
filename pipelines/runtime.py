"""What every flow and command stands on: a quiet, local Prefect and MLflow, one writer a home, progress, the day meant."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from pipelines import interrupts

if TYPE_CHECKING:
    from data_schemas.lake import Lake

Progress = Callable[[str, float], None]
"""What is being done, and the share (0 to 1) of its stage that is done."""
Sink = Callable[[str, str, float], None]
"""The same, behind the name of the stage."""
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_CONFIGURE_LOGGING": "false",
    # Bars of its own, among ours.
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "GIT_PYTHON_REFRESH": "quiet",
    "LIGHTGBM_VERBOSITY": "-1",
    # Threads of LightGBM that spin while they wait are seven times slower on a machine that does anything else.
    "OMP_WAIT_POLICY": "PASSIVE",
}
"""No telemetry, no chatter; nothing needs the network."""
_LOCAL = {
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    # A first start migrates a database; the default of 20 s is too short on a busy machine.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "WARNING",
}
"""Of a temporary Prefect server in the home, where the user names none."""
_KEPT_LOGS = 30
_NUMBER = re.compile(r"(?<![\w.])\+?\d{7,}(?!\w)")

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())
_sink: ContextVar[Sink | None] = ContextVar("sink", default=None)


def quiet(home: Home) -> None:
    """Set the environment of Prefect and MLflow, before either is imported.

    Prefect keeps its database in the home, unless PREFECT_API_URL names a server or PREFECT_HOME another folder.
    What the user has set stays as it is.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if not os.environ.get("PREFECT_API_URL"):
        os.environ.setdefault("PREFECT_HOME", str(home.prefect.absolute()))
        for name, value in _LOCAL.items():
            os.environ.setdefault(name, value)


class LogFile(logging.FileHandler):
    """A log that is silent on a full disk: the error that a person has to see is the command's, not the log's.

    Prefect passes over handlers of a class with an underscore, and would log to the console beside it.
    """

    def handleError(self, record: logging.LogRecord) -> None:
        """Nothing: logging would print a traceback."""

    def close(self) -> None:
        """What could not be written is lost."""
        with suppress(OSError):
            super().close()


class _Masked(logging.Formatter):
    """Blots out what may be a number of a person: an error of the engine may quote the value it met."""

    def format(self, record: logging.LogRecord) -> str:
        """The whole entry, traceback included, with long runs of digits masked."""
        return masked(super().format(record))


def masked(says: str) -> str:
    """The same words without what may be a number of a person."""
    return _NUMBER.sub("#######", says)


@contextmanager
def log_file(home: Home) -> Iterator[Path]:
    """Everything that is logged meanwhile goes to a file of its own in home/logs; the 30 latest files are kept.

    A handler on the root logger before Prefect is imported also keeps Prefect's own off the console.
    """
    folder = home.root / "logs"
    path = folder / f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.log"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("*.log"))[: -(_KEPT_LOGS - 1)]:
        old.unlink(missing_ok=True)
    handler = LogFile(path, delay=True, encoding="utf-8")
    handler.setFormatter(_Masked("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    level = root.level
    root.setLevel(logging.INFO)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # one line a request of the Prefect client otherwise
    logging.captureWarnings(True)
    try:
        yield path
    finally:
        logging.captureWarnings(False)
        root.removeHandler(handler)
        root.setLevel(level)
        handler.close()


@contextmanager
def writing(home: Home) -> Iterator[None]:
    """Hold the home for writing; within one that holds it already (a flow of a flow), nothing more is taken.

    BadInput at once when another run holds it.
    """
    from data_schemas.locking import home_lock

    key = home.root.resolve()
    held = _held.get()
    if key in held:
        yield
        return
    with home_lock(home.root):
        token = _held.set(held | {key})
        try:
            yield
        finally:
            _held.reset(token)


@contextmanager
def telling(sink: Sink) -> Iterator[None]:
    """Flows run within report their progress here; elsewhere they log it."""
    token = _sink.set(sink)
    try:
        yield
    finally:
        _sink.reset(token)


def progress(stage: str) -> Progress:
    """Where the steps of a stage report what they do."""
    sink = _sink.get() or _log

    def told(what: str, share: float) -> None:
        interrupts.stop_if_asked()
        sink(stage, what, share)

    return told


def _log(stage: str, what: str, share: float) -> None:
    """To the log of the flow run when there is one (a worker's, say), else to Python's."""
    logger: logging.Logger | logging.LoggerAdapter[logging.Logger] = logging.getLogger("bancast")
    if "prefect" in sys.modules:
        from prefect.exceptions import MissingContextError
        from prefect.logging import get_run_logger

        with suppress(MissingContextError):
            logger = get_run_logger()
    logger.info("%s: %s (%.0f%%)", stage, what, 100 * share)


def open_lake(home: Home) -> Lake:
    """The lake of a home; BadInput when nothing was ever ingested, or by days of another zone than the settings say."""
    from data_schemas.lake import lake_of
    from data_schemas.settings import load_settings

    lake = lake_of(home, load_settings(home.root))
    if not lake.has("lines") or not lake.days("calls"):
        raise BadInput(f"home {home.root}: no data in it yet; run `bancast ingest DIR --home {home.root}` first")
    return lake


def _days(lake: Lake, today: date | None) -> list[int]:
    """Past local days with calls that stand, ascending."""
    from data_schemas.lake import finished_days

    days = finished_days(lake, today)
    if not days:
        raise BadInput(f"{lake.root}: no calls of a finished day stand in it; ingest some first")
    return days


def day_range(lake: Lake, today: date | None = None) -> tuple[date, date]:
    """The earliest and the latest past midnight with calls before it; `today` as in choose_day."""
    days = _days(lake, today)
    return day_date(days[0] + 1), day_date(days[-1] + 1)


def choose_day(lake: Lake, as_of: date | None, today: date | None = None) -> date:
    """The as_of day meant: when None is given, the latest past midnight with calls on the day before it.

    today: the local calendar day, now in the lake's zone when None.
    BadInput for a day in the future, beyond the calls or before them. Whether a day within them is strangely empty is for
    serving.scoring to say, which knows weekends and holidays.
    """
    from data_schemas.lake import local_today

    today = today or local_today(lake)
    days = _days(lake, today)
    earliest, latest = day_range(lake, today)
    if as_of is None:
        return latest
    if as_of > today:
        raise BadInput(f"--as-of {as_of}: in the future (today is {today} in {lake.zone}); the latest day to score is {latest}")
    if as_of > latest:
        raise BadInput(f"--as-of {as_of}: no calls since {day_date(days[-1])}; ingest them first, or give --as-of {latest}")
    if as_of < earliest:
        raise BadInput(f"--as-of {as_of}: before the first calls; the days that can be scored are {earliest} to {latest}")
    return as_of


def scored_day(home: Home, as_of: date | None) -> date:
    """The scored day meant, the latest when None is given; BadInput when there are no scores of it."""
    from serving.scored import scored_days

    days = scored_days(home)
    if not days:
        raise BadInput(f"home {home.root}: no scores in it yet; run `bancast score --home {home.root}` first")
    if as_of is None:
        return days[-1]
    if as_of not in days:
        raise BadInput(f"--as-of {as_of}: not scored; run `bancast score --as-of {as_of} --home {home.root}` first")
    return as_of
