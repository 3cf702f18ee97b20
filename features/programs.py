"""The statements of a piece of work, kept for later builds: working expressions out takes longer than a morning's rows.

A program knows tables by name and nothing of their rows. It follows from the code, from the libraries that write SQL, and from
what its maker names; it is kept in memory and, where a folder is given, in a file. Whatever is kept can be removed at any time.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

import data_schemas
from data_schemas.atomic import replacing
from features.tallies import by_sorting

_PASSING = re.compile(r"lake_[a-z]+_[0-9a-f]{32}|memtable|read_parquet")
"""What a statement may not name: views and files that another build does not have."""
_USUAL = {str(kind): kind for kind in (dt.int32, dt.int64, dt.float32, dt.float64, dt.string, dt.boolean, dt.date)}
"""Types that need no parser, which takes a while to load."""
_MOST = 48
"""Programs held in memory."""
_held: OrderedDict[str, Program] = OrderedDict()


@dataclass(frozen=True)
class Step:
    """What is done outside of SQL where rows are many.

    kernel: what does it, of `kernels`, with `options`. sized_by: the table or view whose rows are counted; rows: the one that
    is read. into: the tables it leaves, with their columns and types. otherwise: the statements that leave the same where rows
    are few; none: few rows are worked out in memory, too.
    """

    kernel: str
    sized_by: str
    rows: str
    into: dict[str, dict[str, str]]
    otherwise: list[str]
    options: dict[str, Any]

    @staticmethod
    def of(
        kernel: str, sized_by: ir.Table, rows: ir.Table, made: Sequence[ir.Table], otherwise: Sequence[str], **options: object
    ) -> Step:
        """The step that leaves these tables."""
        into = {table.op().name: _columns(table) for table in made}
        return Step(kernel, sized_by.op().name, rows.op().name, into, list(otherwise), options)

    def run(self, rows: pa.Table, threads: int, many: bool) -> list[pa.Table]:
        """The tables it leaves, worked out in memory from the rows it reads; many: as a loop that is compiled first."""
        if not many and self.kernel == "tally":
            return by_sorting(rows, threads, **self.options)
        from features import kernels  # takes a while to load

        loop: Callable[..., list[pa.Table]] = getattr(kernels, self.kernel)
        return loop(rows, threads, **self.options)

    def __str__(self) -> str:
        return "; ".join(self.otherwise)


@dataclass(frozen=True)
class Query:
    """A name for what a statement gives, which is asked for once: a view would be looked through beforehand, too."""

    name: str
    sql: str

    def __str__(self) -> str:
        return self.sql


@dataclass(frozen=True)
class Beside:
    """What is worked out of the groups of rows that are in memory, to stand beside them: see `groups.within`.

    name: of the rows with it; frame: of the rows. sql: asks for what it is made of.
    """

    name: str
    frame: str
    sql: str
    asked: Sequence[tuple[str, str, str]]

    def __str__(self) -> str:
        return self.sql


Statement = str | Step | Query | Beside
"""What a program does, one after the other."""


@dataclass(frozen=True)
class Program:
    """Statements in order, and the tables that they leave: the name of each, and its columns with their types."""

    statements: list[Statement]
    leaves: dict[str, str]
    columns: dict[str, dict[str, str]]

    @staticmethod
    def of(statements: Sequence[Statement], leaves: Mapping[str, ir.Table]) -> Program:
        """The program of statements that leave these tables."""
        columns = {part: _columns(table) for part, table in leaves.items()}
        return Program(list(statements), {part: table.op().name for part, table in leaves.items()}, columns)

    def tables(self) -> dict[str, tuple[str, ibis.Schema]]:
        """The name and the columns of each table that is left."""
        told = {part: {name: _USUAL.get(kind, kind) for name, kind in columns.items()} for part, columns in self.columns.items()}
        return {part: (name, ibis.schema(told[part])) for part, name in self.leaves.items()}

    @property
    def lasting(self) -> bool:
        """Whether any build can run it that has tables of the same names."""
        return not any(_PASSING.search(str(statement)) for statement in self.statements)


def _statement(held: str | dict[str, Any]) -> Statement:
    """A statement as it was written down."""
    if isinstance(held, str):
        return held
    kind = Beside if "asked" in held else Query if "sql" in held else Step
    return kind(**held)


def _columns(table: ir.Table) -> dict[str, str]:
    return {name: str(kind) for name, kind in table.schema().items()}


def code_of(*folders: Path) -> str:
    """A hash of the modules in some folders."""
    digest = hashlib.sha256()
    for path in (path for folder in folders for path in sorted(folder.glob("*.py"))):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


_LIBRARIES = [version(name) for name in ("ibis-framework", "sqlglot", "duckdb")]
_CODE = hashlib.sha256(
    repr([code_of(Path(__file__).parent, *map(Path, data_schemas.__path__)), _LIBRARIES]).encode()
).hexdigest()[:16]
"""Changes with the code as it was loaded, and with the libraries that turn it into SQL."""


class Place:
    """Where one program is kept. made_of: whatever it follows from, beside the code; folder: None keeps it in memory alone."""

    def __init__(self, folder: Path | None, *made_of: object) -> None:
        self._folder = folder
        self._name = f"{_CODE}-{hashlib.sha256(repr(made_of).encode()).hexdigest()[:32]}"

    def find(self) -> Program | None:
        """The program, if it is kept."""
        program = _held.get(self._name) or self._read()
        if program is not None:
            self._hold(program)
        return program

    def keep(self, program: Program) -> None:
        """Keep a program, unless it is good for one build only; files of other code go."""
        if not program.lasting:
            return
        self._hold(program)
        if self._folder is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.glob("*.json"):
            if not path.name.startswith(_CODE):
                path.unlink(missing_ok=True)
        with replacing(self._folder / f"{self._name}.json") as path:
            path.write_text(json.dumps(asdict(program)), encoding="utf-8")

    def _hold(self, program: Program) -> None:
        _held[self._name] = program
        _held.move_to_end(self._name)
        while len(_held) > _MOST:
            _held.popitem(last=False)

    def _read(self) -> Program | None:
        if self._folder is None:
            return None
        try:
            held = json.loads((self._folder / f"{self._name}.json").read_text(encoding="utf-8"))
            held["statements"] = [_statement(one) for one in held["statements"]]
            return Program(**held)
        except (OSError, ValueError, TypeError, KeyError):
            return None  # not there, or not to be read: worked out anew
