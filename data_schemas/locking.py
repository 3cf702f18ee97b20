"""One writer a home: a lock that the system releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from data_schemas.errors import BadInput


@contextmanager
def home_lock(home: Path) -> Iterator[None]:
    """Hold the home for writing; BadInput at once when another run holds it.

    The lock file stays behind: removing it would let two holders in.
    """
    home.mkdir(parents=True, exist_ok=True)
    path = home / ".lock"
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = handle.read().strip() or "unknown"
            raise BadInput(
                f"home {home} is being written by another bancast run (pid {holder}); wait or use another --home"
            ) from None
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        yield
