"""Ctrl-C and a request to end, which no library may swallow: whatever is done next, the work ends at the next step it reports."""

from __future__ import annotations

import signal
from types import FrameType

_asked = False


def listen() -> None:
    """Ctrl-C and SIGTERM end the work from now on, so that locks, temporary files and a temporary Prefect server go."""
    signal.signal(signal.SIGINT, _stop)
    signal.signal(signal.SIGTERM, _stop)


def asked() -> bool:
    """Whether somebody has asked for an end, be it that what was raised then was lost or became another error."""
    return _asked


def stop_if_asked() -> None:
    """KeyboardInterrupt where somebody has asked for an end."""
    if _asked:
        raise KeyboardInterrupt


def _stop(number: int, frame: FrameType | None) -> None:
    global _asked
    _asked = True
    raise KeyboardInterrupt
