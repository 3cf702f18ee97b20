"""A file of events, one JSON object a line, that a crash at any point leaves readable."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from data_schemas.atomic import sync
from data_schemas.errors import BadInput


def read_events(path: Path) -> list[dict[str, Any]]:
    """All events, earliest first; none when there is no file.

    A last line without its end was cut off by a crash as it was written, and does not count. BadInput names any other line
    that is not an event.
    """
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []
    events = []
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError
        except ValueError:
            raise BadInput(f"{path}: line {number} is not a JSON object; remove that line, or restore the file") from None
        events.append(event)
    return events


def append(path: Path, *events: dict[str, Any]) -> None:
    """Add events at the end, all of them lasting through a power cut when this returns; what a crash cut off goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = not path.exists()
    with open(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        handle.seek(0)
        handle.seek(handle.read().rfind(b"\n") + 1)
        handle.truncate()
        handle.write(b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events))
        handle.flush()
        os.fsync(handle.fileno())
    if new:
        sync(path.parent)
