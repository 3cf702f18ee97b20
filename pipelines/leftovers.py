"""What a run that was killed leaves behind, and the next run on its home ends or removes."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

from data_schemas.home import Home, clear_stale

_PROCESSES = Path("/proc")
_EPHEMERAL = b"PREFECT__SERVER_EPHEMERAL=1"


def clear(home: Home) -> None:
    """End servers and remove scratch that no run needs any more. The caller holds the home, so that no other run works in it."""
    for process in _servers(home.prefect.absolute()):
        with suppress(OSError):  # gone meanwhile
            os.kill(process, signal.SIGTERM)
    clear_stale(home.scratch)


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
