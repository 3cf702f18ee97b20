"""The engine of one machine: DuckDB, embedded, and numpy for what fits into memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from math import ceil
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa
from ibis import duckdb

from data_schemas.garbage import settle
from data_schemas.parquet import parquet_view, passing_table
from data_schemas.settings import Settings
from data_schemas.sources import text
from features import counted, inmemory
from features.carried import Carried
from features.classes import Column
from features.engine import Engine, Work, own_folder
from features.feature import PeerNeed
from features.groups import within
from features.lookback import Lookback
from features.places import Places
from features.presence import by_joins, marked
from features.programs import Beside, Place, Program, Query, Statement, Step
from features.tallies import FIGURES, Tally, summed

_FACT_BYTES = 60
"""What a fact takes while it is counted, at the least."""
_READ_SHARE = 0.25
"""Share of the memory for what windows are added up from."""
_CARRIED_SHARE = 0.15
"""Share of the memory, for each kind of facts, for what one part of a table hands on to the next."""


class DuckEngine(Engine):
    """DuckDB: one machine. Its tables go into files and come back."""

    many_rows = 500_000
    """Events from which a loop over them is worth its start."""

    def __init__(self, con: ibis.BaseBackend, threads: int = 1, memory_gb: float = 4):
        super().__init__(con)
        self._threads, self._memory = threads, memory_gb * 2**30
        self._most_rows: int | None = None
        self._in_memory: dict[str, pa.Table] = {}
        self._queries: dict[str, str] = {}
        self._recorded: list[Statement] | None = None
        self._plan: list[str] | None = None
        self._works: dict[object, tuple[list[Statement], Work]] = {}
        self._alive: list[ir.Table] = []

    def store(self, name: str, expr: ir.Table) -> ir.Table:
        """Runs an expression once and returns the table of its rows."""
        # Types as the expression says, not as DuckDB widens sums.
        self._run(_empty(name, expr.schema()))
        self._run(f'insert into "{name}" {self._sql(expr)}')
        return self._shaped(name, expr.schema())

    def drop(self, *names: str) -> None:
        """Frees stored tables that are no longer read."""
        for name in names:
            if name in self._in_memory:
                del self._in_memory[name]
                self.con.con.unregister(name)
                if not self._in_memory:
                    self.con.raw_sql("reset disabled_optimizers")
            else:
                self._run(f'drop table if exists temp.main."{name}"')

    def rows(self, name: str, frame: pd.DataFrame) -> ir.Table:
        """A small pandas frame as a table of the engine."""
        made = pa.Table.from_pandas(frame, preserve_index=False)
        with self._given(made) as given:
            self.con.raw_sql(f'create or replace temp table "{name}" as from {given}')
        return self._shaped(name, ibis.Schema.from_pyarrow(made.schema))

    def frame(self, expr: ir.Table) -> pd.DataFrame:
        """The rows of an expression as a pandas frame."""
        return expr.to_pandas()

    def arrow(self, expr: ir.Table) -> pa.Table:
        """The rows of an expression as an Arrow table."""
        asked = self._queries.get(getattr(expr.op(), "name", ""))
        return self.con.con.sql(asked or self._sql(expr)).to_arrow_table()

    def scalar(self, expr: ir.Scalar) -> object:
        """The value of a scalar expression; None when it is null."""
        return expr.to_pyarrow().as_py()

    def view(self, name: str, expr: ir.Table) -> ir.Table:
        """A name for the rows of an expression, which another `view` of the name changes for all that was built on it."""
        self._run(f'create or replace temp view "{name}" as {self._sql(expr)}')
        return self._shaped(name, expr.schema())

    def once(self, name: str, expr: ir.Table) -> ir.Table:
        """A statement that runs when it is asked for."""
        self._run(Query(name, self._sql(expr)))
        return self._shaped(name, expr.schema())

    def tallied(self, name: str, events: ir.Table, keys: Sequence[str], tallies: Mapping[str, Tally]) -> ir.Table:
        """In memory: by putting events in order, or by a loop over them where they are many."""
        values = {f"{label}_value": tally.value.cast("int64") for label, tally in tallies.items()}
        values |= {f"{label}_of": tally.of.cast("int64") for label, tally in tallies.items() if tally.of is not None}
        told = self.view(f"{name}_told", events.select(*keys, **values))
        shape = {key: told[key].type() for key in keys}
        shape |= dict.fromkeys([f"{label}_{figure}" for label in tallies for figure in FIGURES], "int64")
        made = self._shaped(f"{name}_tallied", ibis.schema(shape))
        asked = [[label, tally.of is not None, tally.often] for label, tally in tallies.items()]
        self._run(Step.of("tally", told, told, [made], [], keys=list(keys), tallies=asked))
        return made

    def met_before(
        self, label: str, name: str, met: ir.Table, past: ir.Table, near: ir.Table, columns: int
    ) -> tuple[ir.Table, ir.Table]:
        """By joins, or by a loop over all records where those of the days that are asked for are many."""
        met, past, near = (self.view(f"{label}_{part}", rows) for part, rows in (("asked", met), ("past", past), ("near", near)))
        records = self.view(f"{label}_marked", marked(met, past))
        with self._planned() as otherwise:
            made = by_joins(self, label, name, met, near, columns)
        self._run(Step.of("meet", met, records, made, otherwise, columns=columns))
        return made

    def total(self, value: ir.Value) -> ir.IntegerValue:
        """The sum of integers or of what is true; null where there is no value."""
        return summed(value)

    def looked_back(self, frame: ir.Table, past: Sequence[Lookback], snapshots: ir.Table) -> Work:
        """Rows as they are kept."""
        rows = {f"{one.source} {part}": table for one in past for part, table in one.rows(self, snapshots).items()}
        return {"frame": self.view("frame", frame), **rows}

    def carried(self, days: Sequence[int], numbers: ir.Table) -> Carried:
        """Facts that were added up."""
        return Carried(days, self._count(numbers), self._memory * _CARRIED_SHARE)

    def with_windows(
        self, name: str, work: Work, past: Sequence[Lookback], days: Sequence[int], carried: Carried | None = None
    ) -> ir.Table:
        """In memory and not in a table: sums by numpy take a third of the time, and hundreds of columns need no writing down."""
        frame = self.arrow(work["frame"])
        line, as_of_day = frame["line"].fill_null(-1).to_numpy(), frame["as_of_day"].to_numpy()
        lines, shares = carried.lines if carried else int(line.max(initial=-1)) + 1, self._shares(work)
        ends = [lines * part // shares for part in range(shares + 1)]
        asked = carried.days if carried else None
        places = [Places(line, as_of_day, days, low, high, asked) for low, high in pairwise(ends)]
        parts = ((own, self._windows(work, past, own, shares, carried)) for own in places)
        needs = [need for one in past for need in one.needs]
        table = inmemory.beside(frame, parts, needs, 4 * self._threads)
        if carried:
            carried.turn(max(days))
        self._hold(name, table)
        windows = dict.fromkeys(table.column_names[frame.num_columns + 1 :], "int64")
        return self._shaped(name, ibis.schema({**work["frame"].schema(), inmemory.ROW: "int32", **windows}))

    def with_peers(self, name: str, frame: ir.Table, needs: Mapping[str, PeerNeed]) -> ir.Table:
        """In memory: a few columns are put into groups by numpy, and hundreds stay where they are."""
        groups = sorted({need.by for need in needs.values()})
        asked = frame.select(inmemory.ROW, "as_of_day", *groups, **{column: need.value for column, need in needs.items()})
        told = [(column, need.how, need.by) for column, need in needs.items()]
        self._run(Beside(name, frame.op().name, self._sql(asked), told))
        columns = {column: "float64" if need.how == "rank" else "int64" for column, need in needs.items()}
        return self._shaped(name, ibis.schema({**frame.schema(), **columns}))

    def _hold(self, name: str, table: pa.Table) -> None:
        """Rows in memory under a name, until it is dropped."""
        self.con.con.register(name, table)
        self._in_memory[name] = table
        # DuckDB doesn't know how large they are: as long as there are any, joins keep the sides they are written with.
        self.con.raw_sql("set disabled_optimizers = 'build_side_probe_side'")

    def _shares(self, work: Work) -> int:
        """In how many shares the lines' windows are added up, so that what is read for one fits into the memory meant for it."""
        sizes = [0]
        for rows in (table for part, table in work.items() if part.endswith(("sums", "facts"))):
            sizes.append(self._count(rows) * max(_FACT_BYTES, 8 * len(rows.columns)))
        return max(1, ceil(max(sizes) / (self._memory * _READ_SHARE)))

    def _count(self, table: ir.Table) -> int:
        """How many rows a table or view has."""
        return int(self.con.con.execute(f'select count(*) from "{table.op().name}"').fetchone()[0])

    def _windows(
        self, work: Work, past: Sequence[Lookback], places: Places, shares: int, carried: Carried | None
    ) -> Iterator[Column]:
        """The windows of each event table, whose rows are in memory no longer than they are read."""

        def read(part: str) -> pa.Table:
            rows = work[part]
            return self.arrow(rows if shares == 1 else rows.filter(rows.line.between(places.low, places.high - 1)))

        for one in past:
            if one.sums:
                facts, held = read(f"{one.source} sums"), carried.of(one.source, "sums") if carried else None
                yield from inmemory.sums(facts, one.sums, places, self._threads, held)
                del facts
            if one.counts:
                facts, odd = read(f"{one.source} facts"), read(f"{one.source} odd")
                held = carried.of(one.source, "facts") if carried else None
                yield from counted.counts(facts, odd, one.counts, one.columns, places, self._threads, held)
                del facts, odd

    def again(self, key: object, work: Callable[[], Work], place: Place | None = None) -> Work:
        """Runs `work` once and writes down its statements; after that they are run alone: expressions take long to work out."""
        if key in self._works:
            self._replay(self._works[key][0])
        elif place is not None and (program := place.find()) is not None:
            self._replay(program.statements)
            self._works[key] = program.statements, {part: self._shaped(*leaf) for part, leaf in program.tables().items()}
        else:
            self._recorded = []
            try:
                self._works[key] = self._recorded, work()
            finally:
                self._recorded = None
            if place is not None:
                place.keep(Program.of(*self._works[key]))
        return self._works[key][1]

    @contextmanager
    def few(self, most: int) -> Iterator[None]:
        """For work on about `most` events: where these are few, they need not be counted."""
        self._most_rows = most
        try:
            yield
        finally:
            self._most_rows = None

    def save(self, expr: ir.Table, path: Path) -> None:
        """Writes the rows of an expression into a Parquet file."""
        self.con.raw_sql(f"copy ({self._sql(expr)}) to {text(path)} (format parquet, compression zstd, compression_level 1)")

    def load(self, name: str, paths: Sequence[Path]) -> ir.Table:
        """Parquet files of the same columns as one table."""
        return parquet_view(self.con, name, paths)

    def _sql(self, expr: ir.Table) -> str:
        """The statement of an expression; what it holds in memory (as a table of the lake without rows is) can then be read."""
        if self._recorded is not None:
            self._alive.append(expr)  # what it holds in memory goes with it
        self.con._run_pre_execute_hooks(expr)
        return str(self.con.compile(expr))

    def _shaped(self, name: str, schema: ibis.Schema) -> ir.Table:
        """What goes by a name, without asking for its columns."""
        shape = ibis.schema({column: kind.copy(nullable=True) for column, kind in schema.items()})
        return passing_table(self.con, name, shape)

    @contextmanager
    def _planned(self) -> Iterator[list[str]]:
        """Statements are written down and not run."""
        plan: list[str] = []
        self._plan = plan
        try:
            yield plan
        finally:
            self._plan = None

    def _replay(self, steps: Sequence[Statement]) -> None:
        for step in steps:
            self._do(step)

    def _run(self, step: Statement) -> None:
        if self._plan is not None:
            assert isinstance(step, str)
            self._plan.append(step)
            return
        if self._recorded is not None:
            self._recorded.append(step)
        self._do(step)

    def _do(self, step: Statement) -> None:
        if isinstance(step, str):
            self.con.raw_sql(step)
        elif isinstance(step, Query):
            self._queries[step.name] = step.sql
        elif isinstance(step, Beside):
            columns = within(self.con.con.sql(step.sql).to_arrow_table(), step.asked, self._threads)
            self._hold(step.name, inmemory.with_columns(self._in_memory[step.frame], columns))
        elif (many := self._has_rows(step.sized_by, self.many_rows)) or not step.otherwise:
            rows = self.con.con.sql(f'from "{step.rows}"').to_arrow_table()
            for (name, columns), made in zip(step.into.items(), step.run(rows, self._threads, many), strict=True):
                self._take(name, columns, made)
        else:
            self._replay(step.otherwise)

    def _has_rows(self, name: str, many: int) -> bool:
        if self._most_rows is not None and self._most_rows < many:
            return False
        counted = self.con.con.execute(f'select count(*) from (select 1 from "{name}" limit {many})').fetchone()
        return counted[0] >= many

    def _take(self, name: str, columns: Mapping[str, str], rows: pa.Table) -> None:
        """Makes a table of Arrow's rows."""
        self.con.raw_sql(_empty(name, ibis.schema(dict(columns))))
        with self._given(rows.select(list(columns))) as given:
            self.con.raw_sql(f'insert into "{name}" from {given}')

    @contextmanager
    def _given(self, rows: pa.Table) -> Iterator[str]:
        """The name by which Arrow's rows are a table for a while."""
        name = "given"
        self.con.con.register(name, rows)
        try:
            yield name
        finally:
            self.con.con.unregister(name)


def _empty(name: str, schema: ibis.Schema) -> str:
    """The statement that makes a table without rows."""
    columns = ", ".join(column.sql("duckdb") for column in schema.to_sqlglot_column_defs("duckdb"))
    return f'create or replace temp table "{name}" ({columns})'


@contextmanager
def open_local(settings: Settings, scratch: Path | None = None) -> Iterator[DuckEngine]:
    """A fresh DuckDB whatever engine the settings name: for small jobs, such as what a report reads of the lake."""
    spill = own_folder("bancast-spill-", scratch)
    threads = settings.threads or os.cpu_count() or 1
    con = duckdb.connect(
        threads=threads,
        memory_limit=f"{settings.memory_gb * 0.75}GB",  # the rest is for what is handed over
        temp_directory=str(spill),
        preserve_insertion_order=False,
    )
    settle()
    try:
        yield DuckEngine(con, threads, settings.memory_gb)
    finally:
        con.disconnect()
        shutil.rmtree(spill, ignore_errors=True)
