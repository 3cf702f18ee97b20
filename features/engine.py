"""What an engine does that runs the expressions. Only `local` (DuckDB) and `spark` know which one it is."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features import peers, presence
from features.carried import Carried
from features.feature import PeerNeed
from features.lookback import Lookback
from features.programs import Place
from features.tallies import Tally, by_groups
from features.windows import beside, fill

Work = dict[str, ir.Table]
"""Tables that a piece of work leaves, by what they hold."""
_AT = ("line", "as_of_day")
"""The keys of windows: the small number of a line, and an as_of day."""


class Engine:
    """A place to run table expressions and keep their results for the length of one build."""

    batch_rows = 100_000
    """Rows of the feature table, for each GB of the engine's memory, that are worked out at a time."""

    def __init__(self, con: ibis.BaseBackend):
        self.con = con
        self._known: dict[str, tuple[Lake, ir.Table]] = {}

    def known(self, lake: Lake, table: str) -> ir.Table:
        """A small table of a lake, taken into the engine once."""
        if table not in self._known or self._known[table][0] is not lake:
            self._known[table] = lake, self.store(f"known_{table}", lake.read(self.con, table))
        return self._known[table][1]

    def store(self, name: str, expr: ir.Table) -> ir.Table:
        """Runs an expression once and returns the table of its rows."""
        raise NotImplementedError

    def drop(self, *names: str) -> None:
        """Frees stored tables that are no longer read."""
        raise NotImplementedError

    def rows(self, name: str, frame: pd.DataFrame) -> ir.Table:
        """A small pandas frame as a table of the engine."""
        raise NotImplementedError

    def frame(self, expr: ir.Table) -> pd.DataFrame:
        """The rows of an expression as a pandas frame."""
        raise NotImplementedError

    def arrow(self, expr: ir.Table) -> pa.Table:
        """The rows of an expression as an Arrow table."""
        raise NotImplementedError

    def scalar(self, expr: ir.Scalar) -> object:
        """The value of a scalar expression; None when it is null."""
        raise NotImplementedError

    def view(self, name: str, expr: ir.Table) -> ir.Table:
        """The rows of an expression under a name, not worked out."""
        return expr

    def once(self, name: str, expr: ir.Table) -> ir.Table:
        """The same for rows that are asked for once, whole, and that nothing is built on."""
        return expr

    def tallied(self, name: str, events: ir.Table, keys: Sequence[str], tallies: Mapping[str, Tally]) -> ir.Table:
        """Stores a row a group of events with the figures of each tally, as `name_tallied`."""
        return self.store(f"{name}_tallied", by_groups(events, keys, tallies))

    def met_before(
        self, label: str, name: str, met: ir.Table, past: ir.Table, near: ir.Table, columns: int
    ) -> tuple[ir.Table, ir.Table]:
        """Stores what `presence.met_before` says: facts by `name`, with `what` of several columns, and records of odd values.

        met, past, near: records. Odd: one of them was taken back, or became known after one of a later day.
        """
        return presence.by_joins(self, label, name, met, near, columns)

    def total(self, value: ir.Value) -> ir.IntegerValue:
        """The sum of integers or of what is true; null where there is no value."""
        return value.cast("int64").sum().cast("int64")

    def looked_back(self, frame: ir.Table, past: Sequence[Lookback], snapshots: ir.Table) -> Work:
        """What `with_windows` takes: a frame with line and as_of_day, and what its windows are made of."""
        parts = [part for one in past for part in one.windows(self, snapshots)]
        return {"frame": frame, **{f"part {number}": part for number, part in enumerate(parts)}}

    def carried(self, days: Sequence[int], numbers: ir.Table) -> Carried | None:
        """What parts of a table at these as_of days hand on to each other; None: nothing. numbers: of all lines."""
        return None

    def with_windows(
        self, name: str, work: Work, past: Sequence[Lookback], days: Sequence[int], carried: Carried | None = None
    ) -> ir.Table:
        """Stores a frame with all windows that are needed beside it, a column each, filled as `windows.fill` says.

        work: from `looked_back`. days: the as_of days of the frame. carried: what earlier parts handed on, and this one will.
        """
        frame, *parts = work.values()
        stored = [(self.store(f"{name}_{number}", part), _AT) for number, part in enumerate(parts)]
        table = self.store(name, beside(frame, *stored))
        self.drop(*[f"{name}_{number}" for number in range(len(stored))])
        for one in past:
            one.done(self)
        return fill(self, table, [need for one in past for need in one.needs])

    def with_peers(self, name: str, frame: ir.Table, needs: Mapping[str, PeerNeed]) -> ir.Table:
        """A frame from `with_windows` with what is needed of each row's groups beside it, a column each; see `peers`."""
        return peers.by_joins(self, frame, needs)

    def again(self, key: object, work: Callable[[], Work], place: Place | None = None) -> Work:
        """The tables that `work` stores, from the tables and views that go by its names now; one key, one work.

        Nothing that `work` does may depend on the rows. place: where its statements are kept for other engines; they must then
        follow from what the place was made of.
        """
        return work()


def own_folder(prefix: str, scratch: Path | None) -> Path:
    """A fresh folder below `scratch`, which is made if need be, or the system's folder."""
    if scratch is not None:
        scratch.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=scratch))


@contextmanager
def open_engine(settings: Settings, scratch: Path | None = None) -> Iterator[Engine]:
    """A fresh engine, the one that the settings name; it spills below `scratch`, or the system's folder, until its end."""
    if settings.engine == "spark":
        from features.spark import open_spark

        with open_spark(settings, scratch) as engine:
            yield engine
        return
    from features.local import open_local

    with open_local(settings, scratch) as local:
        yield local
