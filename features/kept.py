"""Days that were worked out, kept beside the lake in files, and worked out anew when what they were made of has changed.

A day's file lasts as long as its key: the code and settings that made it, the day's own files in the lake and, of what stood
around its calls, whatever was known by that day. A late call so costs its own day (and the 28 after it, of what was met before);
everything else stays. Whatever is kept can be removed at any time: it comes back.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from uuid import uuid4

FORMAT = 2
INDEX = "index.json"
_STALE_S = 86_400
"""Files that the index does not name are left for a day: another process may still read them."""


@dataclass(frozen=True)
class Entry:
    """Consecutive days of one kind: their keys, the name of the file of each part, and the bytes of these files."""

    days: list[int]
    keys: list[str]
    files: dict[str, str]
    sizes: list[int]


class Kept:
    """The files of a folder and the index that says which of them hold which days."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._entries: dict[str, list[Entry]] = {}
        self._lines: str | None = None
        self._size = 0  # of the file of line numbers
        self._gone: dict[str, float] = {}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing, waiting for whoever holds it, and read its index."""
        with open(os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644), "r+") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            self._read()
            yield

    def _read(self) -> None:
        self._entries, self._lines, self._size, self._gone = {}, None, 0, {}
        try:
            data = json.loads((self.folder / INDEX).read_text(encoding="utf-8"))
            if data["format"] == FORMAT and self._whole(data["lines"], data["size"]):
                self._lines, self._size, self._gone = data["lines"], data["size"], data["gone"]
                self._entries = {kind: [Entry(**entry) for entry in entries] for kind, entries in data["entries"].items()}
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            pass  # nothing kept, or nothing that can be read: the days are worked out anew

    @property
    def lines(self) -> Path | None:
        """The file of the line numbers that every other file goes by; None while nothing is kept."""
        return self.folder / self._lines if self._lines else None

    def number_lines(self, path: Path) -> None:
        """Take over a file of line numbers: those of `lines`, and more."""
        if self._lines:
            self._gone[self._lines] = time()
        self._lines, self._size = path.name, path.stat().st_size

    def missing(self, kind: str, days: Iterable[int], key: Callable[[int], str]) -> list[int]:
        """Which of the days have to be worked out. A file of several days is forgotten whole when one of them has changed."""
        wanted, found = set(days), self._entries.get(kind, [])
        lost = {
            day for entry in found if not wanted.isdisjoint(entry.days) and not self._stands(entry, key) for day in entry.days
        }
        self.forget(kind, lost)
        return sorted(wanted - {day for entry in self._entries[kind] for day in entry.days})

    def _stands(self, entry: Entry, key: Callable[[int], str]) -> bool:
        files = all(map(self._whole, entry.files.values(), entry.sizes))
        return files and [key(day) for day in entry.days] == entry.keys

    def _whole(self, name: str, size: int) -> bool:
        """Whether a file is there as it was written: a machine that lost its power may have kept a part of it."""
        try:
            return (self.folder / name).stat().st_size == size
        except OSError:
            return False

    def forget(self, kind: str, days: set[int]) -> set[int]:
        """Drop the files that hold any of these days; all the days that were in them."""
        entries = self._entries.get(kind, [])
        gone = [entry for entry in entries if not days.isdisjoint(entry.days)]
        self._entries[kind] = [entry for entry in entries if days.isdisjoint(entry.days)]
        self._gone |= {name: time() for entry in gone for name in entry.files.values()}
        return {day for entry in gone for day in entry.days}

    def days(self, kind: str) -> list[int]:
        """The days kept."""
        return sorted(day for entry in self._entries.get(kind, []) for day in entry.days)

    def entries(self, kind: str) -> list[Entry]:
        """What is kept of a kind, earliest first."""
        return sorted(self._entries.get(kind, []), key=lambda entry: entry.days)

    def linked(self, folder: Path, first: int) -> Kept:
        """The days from `first` on in another folder, which may then go its own way: files are links to these, never changed."""
        other = Kept(folder)
        other._lines, other._size = self._lines, self._size
        for kind in self._entries:
            other._entries[kind] = [entry for entry in self.entries(kind) if entry.days[-1] >= first]
        names = {name for entries in other._entries.values() for entry in entries for name in entry.files.values()}
        for name in sorted(names | ({self._lines} if self._lines else set())):
            link(self.folder / name, folder / name)
        other.save()
        return other

    def files(self, kind: str, part: str, days: Iterable[int]) -> list[Path]:
        """The files that hold any of these days; they may hold others, too."""
        wanted = set(days)
        found = [entry for entry in self._entries.get(kind, []) if not wanted.isdisjoint(entry.days)]
        return [self.folder / entry.files[part] for entry in sorted(found, key=lambda entry: entry.days)]

    def place(self, kind: str, part: str, days: Sequence[int]) -> Path:
        """Where to write a part of consecutive days."""
        return self.file(f"{kind}-{part}-{days[0]}-{days[-1]}")

    def file(self, name: str) -> Path:
        """A new file whose name begins with `name`."""
        return self.folder / f"{name}-{uuid4().hex[:12]}.parquet"

    def put(self, kind: str, days: Sequence[int], key: Callable[[int], str], *files: Mapping[str, Path]) -> None:
        """Take written files into the index, and the index to disk in one step; several files: each holds some of the lines."""
        self._take(kind, days, key, files)

    def renew(self, kind: str, day: int, key: Callable[[int], str], files: Mapping[str, Path]) -> None:
        """The same of what is kept of one day alone: what was kept of the kind goes."""
        self.forget(kind, set(self.days(kind)))
        self._take(kind, [day], key, [files])

    def _take(self, kind: str, days: Sequence[int], key: Callable[[int], str], files: Sequence[Mapping[str, Path]]) -> None:
        keys = [key(day) for day in days]
        entries = [
            Entry(
                list(days),
                keys,
                {part: path.name for part, path in paths.items()},
                [path.stat().st_size for path in paths.values()],
            )
            for paths in files
        ]
        self._entries.setdefault(kind, []).extend(entries)
        self.save()

    def save(self) -> None:
        """Write the index."""
        entries = {kind: [asdict(entry) for entry in entries] for kind, entries in self._entries.items()}
        held = {"format": FORMAT, "lines": self._lines, "size": self._size, "entries": entries, "gone": self._gone}
        temporary = self.folder / f".{INDEX}.{os.getpid()}"
        temporary.write_text(json.dumps(held), encoding="utf-8")
        os.replace(temporary, self.folder / INDEX)

    def trim(self, before: int) -> None:
        """Forget files whose days are all earlier than `before`."""
        for kind, entries in self._entries.items():
            self.forget(kind, {day for entry in entries if entry.days[-1] < before for day in entry.days})

    def sweep(self) -> None:
        """Remove files that have not been in the index for a day."""
        named = {name for entries in self._entries.values() for entry in entries for name in entry.files.values()} | {self._lines}
        for path in self.folder.glob("*.parquet"):
            since = self._gone.get(path.name) or path.stat().st_mtime
            if path.name not in named and since < time() - _STALE_S:
                path.unlink(missing_ok=True)
        self._gone = {name: since for name, since in self._gone.items() if (self.folder / name).exists()}


def link(source: Path, target: Path) -> None:
    """A second name for a file; a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def digest(*parts: object) -> str:
    """A short hash of what a day was made of."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:32]
