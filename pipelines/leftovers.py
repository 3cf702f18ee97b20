"""What a run that was killed leaves behind, and the next run on its home ends or removes."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import suppress
from pathlib import Path
from time import time

from data_schemas.home import Home

_PROCESSES = Path("/proc")
_EPHEMERAL = b"PREFECT__SERVER_EPHEMERAL=1"
_STALE_S = 86_400
"""Scratch is left for a day: a reader of the home, which holds no lock, may still use it."""


def clear(home: Home) -> None:
    """End servers and remove scratch that no run needs any more. The caller holds the home, so that no other run works in it."""
    for process in _servers(home.prefect.absolute()):
        with suppress(OSError):  # gone meanwhile
            os.kill(process, signal.SIGTERM)
    for path in home.scratch.glob("*"):
        with suppress(OSError):
            if path.stat().st_mtime < time() - _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _servers(prefect: Path) -> list[int]:
    """Temporary Prefect servers of this folder; nothing where the system does not tell (it does on Linux)."""
    found = []
    for folder in _PROCESSES.glob("[0-9]*"):
        try:
            held = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # another user's, or gone
            continue
        if _EPHEMERAL in held and b"PREFECT_HOME=" + os.fsencode(prefect) in held:
            found.append(int(folder.name))
    return found
