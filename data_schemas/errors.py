"""The one error a user is meant to read, and what to say of a disk that refuses."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

_FULL = ("No space left on device", "Disk quota exceeded", "database or disk is full", "max_temp_directory_size")
"""What the system, SQLite and the engine (whose spilling ends with the free space) say of a full disk."""
_CLOSED = ("attempt to write a readonly database", "unable to open database file")
"""What SQLite says of a file or folder that may not be written."""
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)
_LEAST_FREE = 16 * 2**20
"""Bytes that a command needs at the least, for its log and the databases of a new home."""
_NAMED = re.compile(r"""["']([^"']*/[^"']*)["']""")


class BadInput(Exception):
    """Input, a setting or a state of the home that the user has to change.

    The message is one line that names the file, the column, the rule and what to do.
    The command line prints it without a traceback and exits with status 2.
    """


def check_room(place: Path) -> None:
    """BadInput when the disk that a place is on is full before anything has begun."""
    if shutil.disk_usage(_standing(place)).free < _LEAST_FREE:
        raise _full(_standing(place))


def check_place(folder: Path) -> None:
    """The error of the system where a folder can't be made or written to, before any work is done; nothing is left there."""
    with TemporaryDirectory(dir=_standing(folder)):
        pass


def disk_full(error: BaseException) -> bool:
    """Whether an error comes from a full disk, whoever met it: the system, the engine or a database."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or any(words in str(error) for words in _FULL)


def disk_says(error: BaseException, near: Path) -> BadInput | None:
    """What a person has to do about an error of the disk: it is full, or a place refuses; None for every other error.

    near: the home, to name where the error names no place; Path() outside of one.
    """
    named = _named(error)
    place = _standing(named or near)
    if disk_full(error):
        return _full(place)
    if named and isinstance(error, OSError) and error.errno in _REFUSED:
        why = os.strerror(errno.ENOTDIR if os.path.isfile(place) and error.errno == errno.EEXIST else error.errno)
    elif named and "IO Error" in str(error) and "Permission denied" in str(error):  # the engine's
        why = os.strerror(errno.EACCES)
    elif any(words in str(error) for words in _CLOSED):
        why = "its database cannot be written"
    else:
        return None
    if os.path.isfile(place) and not os.access(place, os.R_OK):
        return BadInput(f"{place}: {why}; let bancast read it")
    home, found = os.path.abspath(near), os.path.abspath(place)
    what = "a --home" if near != Path() and (found.startswith(home) or home.startswith(found)) else "a place"
    return BadInput(f"{place}: {why}; let bancast write there, or give {what} that can be written")


def _full(place: str) -> BadInput:
    return BadInput(f"the disk that holds {place} is full; free space and run it again")


def _named(error: BaseException) -> str | None:
    """The path that an error names, the target of two."""
    path = getattr(error, "filename2", None) or getattr(error, "filename", None)
    if isinstance(path, bytes | str | os.PathLike):
        return os.fsdecode(path)
    found = _NAMED.search(str(error))
    return found[1] if found else None


def _standing(path: str | Path) -> str:
    """The innermost part of a path that is there: the name of a temporary file would tell a person nothing."""
    place = os.fspath(path)
    while place and not os.path.lexists(place):
        place = os.path.dirname(place)
    return place or os.curdir
