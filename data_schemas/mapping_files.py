"""The files of a mapping as scans of the engine: patterns, headers, encodings.

Files that the engine cannot read as they are (another encoding, gzip) are turned into UTF-8 in files that have no
name, so that not even a killed process leaves a raw id behind.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import os
import shutil
import tempfile
import weakref
import zlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import duckdb

from data_schemas.errors import BadInput, disk_full
from data_schemas.mapping_model import SourceRule
from data_schemas.sources import FILE, check_utf8, file_list, first_line, quoted, text

_DELIMITERS = (",", "\t", ";", "|")
_CHUNK = 1 << 22
_GLOB = "*?["
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True)
class Layout:
    """How the lines of a CSV file are to be read; files of one layout are one scan."""

    delimiter: str
    names: tuple[str, ...]
    line_end: str


@dataclass
class Plain:
    """Readable stand-ins of files, for as long as this object lives."""

    folder: Path | None = None
    made: dict[Path, Path] = field(default_factory=dict)

    def path(self, original: Path, encoding: str) -> Path:
        """A file that the engine can read, under the name of the original."""
        as_it_is = encoding == "utf-8" and original.suffix != ".gz"
        if as_it_is:
            check_utf8(original)
            if not any(sign in str(original) for sign in _GLOB):
                return original
        if original not in self.made:
            self.made[original] = self._link(original) if as_it_is else self._transcode(original, encoding)
        return self.made[original]

    def _place(self, original: Path) -> Path:
        if self.folder is None:
            self.folder = Path(tempfile.mkdtemp(prefix="bancast-"))
            weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)
        name = original.name.removesuffix(".gz")
        place = self.folder / str(len(self.made)) / "".join("_" if sign in _GLOB else sign for sign in name)
        place.parent.mkdir()
        return place

    def _link(self, original: Path) -> Path:
        place = self._place(original)
        place.symlink_to(original.absolute())
        return place

    def _transcode(self, original: Path, encoding: str) -> Path:
        place = self._place(original)
        nameless = _DESCRIPTORS.is_dir()
        handle: IO[bytes] = tempfile.TemporaryFile() if nameless else place.open("w+b")  # noqa: SIM115
        weakref.finalize(self, handle.close)
        decoder = codecs.getincrementaldecoder(encoding)()
        offset = 0
        try:
            with opened(original) as source:
                while True:
                    block = source.read(_CHUNK)
                    kept = len(decoder.getstate()[0])
                    try:
                        handle.write(decoder.decode(block, final=not block).encode("utf-8"))
                    except UnicodeError as error:
                        at = offset - kept + getattr(error, "start", 0)
                        raise BadInput(
                            f"{original}: not {encoding} at byte {at}; set `encoding` to what it is, e.g. gb18030"
                        ) from None
                    if not block:
                        break
                    offset += len(block)
        except (OSError, EOFError, zlib.error) as error:
            if disk_full(error):  # of the copy, not of the file
                raise
            raise BadInput(f"{original}: not readable ({error}); write it anew") from None
        handle.flush()
        if nameless:
            place.symlink_to(_DESCRIPTORS / str(handle.fileno()))
        return place


def opened(path: Path) -> IO[bytes]:
    """A file's bytes, uncompressed when it ends in .gz."""
    return gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def find_files(source: SourceRule, folder: Path, where: str) -> tuple[Path, ...]:
    """The files that `files` names, in order; BadInput when one entry finds none."""
    found: dict[Path, None] = {}
    for entry in source.files:
        path = folder / entry
        if path.is_dir():
            paths = sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith((".", "_")))
            if source.format is None:
                paths = [p for p in paths if p.suffix == ".parquet" or p.name.endswith((".csv", ".csv.gz"))]
        elif path.is_file():
            paths = [path]
        else:
            pattern = Path(entry)
            base = Path(pattern.anchor) if pattern.anchor else folder
            relative = str(pattern.relative_to(pattern.anchor)) if pattern.anchor else entry
            paths = sorted(p for p in base.glob(relative) if p.is_file()) if any(s in entry for s in _GLOB) else []
        if not paths:
            raise BadInput(f"{where}: files = {entry!r} finds no file in {folder}; correct it, or set `folder`")
        found |= dict.fromkeys(paths)
    return tuple(found)


def file_format(source: SourceRule, files: tuple[Path, ...], where: str) -> str:
    """The format of these files: csv or parquet."""
    if source.format:
        return source.format
    kinds = {"parquet" if path.suffix == ".parquet" else "csv" for path in files}
    if len(kinds) > 1:
        raise BadInput(f"{where}: `files` mixes .parquet and other files; split them into two sources")
    return kinds.pop()


def layout(path: Path, source: SourceRule, where: str) -> Layout:
    """Delimiter, column names and line ends of a CSV file, from its first lines."""
    try:
        with opened(path) as handle:
            start = handle.read(1 << 16)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{where}: {path.name}: not readable ({error}); write it anew") from None
    try:
        lines = codecs.getincrementaldecoder(source.encoding)().decode(start).removeprefix("\ufeff")
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise BadInput(
            f"{where}: {path.name}: not {source.encoding} at byte {at}; set `encoding` to what it is, e.g. gb18030"
        ) from None
    ends = "\\r\\n" if "\r\n" in lines else "\\n" if "\n" in lines or "\r" not in lines else "\\r"
    rows = lines.splitlines()[source.skip :]
    if not rows or not rows[0].strip():
        if source.header:  # a log in which nothing has been written yet
            return Layout(source.delimiter or ",", source.header, ends)
        raise BadInput(f"{where}: {path.name}: empty, without a header line; write it anew, or take it out of `files`")
    delimiter = source.delimiter or max(_DELIMITERS, key=rows[0].count)
    quoting = {"quotechar": source.quote} if source.quote else {"quoting": csv.QUOTE_NONE}
    cells = next(csv.reader(rows[:1], delimiter=delimiter, **quoting))
    if source.header is not None:
        if len(cells) != len(source.header):
            raise BadInput(
                f"{where}: {path.name}: {len(cells)} cells in its first line, {len(source.header)} names in `header`; "
                "name them all, in order (and check `delimiter` and `quote`)"
            )
        return Layout(delimiter, source.header, ends)
    names = tuple(name.strip() for name in cells)
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        what = f"column `{twice[0]}` twice" if twice[0] else "columns without a name"
        raise BadInput(f"{where}: {path.name}: the first line has {what}; rename it, or use `header` and `skip`")
    return Layout(delimiter, names, ends)


def parquet_columns(path: Path, where: str) -> dict[str, str]:
    """Columns of a Parquet file with their types."""
    try:
        with duckdb.connect() as con:
            rows = con.execute(f"DESCRIBE SELECT * FROM read_parquet({file_list([path])}, hive_partitioning = false)").fetchall()
    except duckdb.Error as error:
        raise BadInput(f"{where}: {path.name}: not a readable Parquet file ({first_line(error)}); write it anew") from None
    return {name: kind for name, kind, *_ in rows}


def parquet_scan(paths: list[Path]) -> str:
    """SQL of a scan with `__file`."""
    return (
        f"(SELECT * REPLACE (parse_filename({FILE}) AS {FILE}) "
        f"FROM read_parquet({file_list(paths)}, filename = '{FILE}', hive_partitioning = false))"
    )


def csv_scan(paths: list[Path], made: Layout, source: SourceRule, rejects: bool) -> str:
    """SQL of a scan, all cells text, with `__file`; broken lines are set aside, or passed over without `rejects`."""
    columns = ", ".join(f"{text(name)}: 'VARCHAR'" for name in made.names)
    quote = f"quote = {text(source.quote)}, escape = {text(source.quote)}"
    return (
        f"(SELECT {', '.join(map(quoted, made.names))}, parse_filename({FILE}) AS {FILE} "
        f"FROM read_csv({file_list(paths)}, auto_detect = false, header = {source.header is None}, "
        f"skip = {source.skip}, delim = {text(made.delimiter)}, {quote}, new_line = {text(made.line_end)}, "
        f"columns = {{{columns}}}, nullstr = '', filename = '{FILE}', hive_partitioning = false, "
        f"{'store_rejects' if rejects else 'ignore_errors'} = true))"
    )


def readable(paths: tuple[Path, ...]) -> None:
    """BadInput for a file that may not be read."""
    for path in paths:
        if not os.access(path, os.R_OK):
            raise BadInput(f"{path}: not readable; change its permissions")
