"""What as_of days look back on of one event table, and what is needed of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis.expr.types as ir

from features.feature import Measure, Need, Presence
from features.presence import SORTED, by_snapshot, window_counts
from features.windows import passing, window_sums

if TYPE_CHECKING:
    from features.engine import Engine


@dataclass(frozen=True)
class Lookback:
    """The days of an event table that windows reach, as they are kept.

    needs: of this table. tiles: its line-days; met: values met, facts (`presence.sorted_out`) and odd records; None where there
    are none. columns: in the order of the numbers by which the values go.
    """

    source: str
    needs: Sequence[Need]
    tiles: ir.Table | None
    met: tuple[ir.Table, ir.Table] | None
    columns: Sequence[str]

    @property
    def sums(self) -> list[Need]:
        """What is added up over line-days."""
        return [need for need in self.needs if isinstance(need.what, Measure) and self.tiles is not None]

    @property
    def counts(self) -> list[Need]:
        """What is counted of the values met."""
        return [need for need in self.needs if isinstance(need.what, Presence) and self.met is not None]

    @property
    def label(self) -> str:
        """What names of the values met begin with."""
        return f"{self.source}_met"

    def windows(self, engine: Engine, snapshots: ir.Table) -> list[ir.Table]:
        """Every window of every line that did something in it, in tables with a row a line and as_of day."""
        parts = []
        if self.sums and self.tiles is not None:
            parts.append(window_sums(engine, self.source, self.tiles, snapshots, self.sums))
        if self.counts and self.met is not None:
            parts.append(window_counts(engine, self.label, *self.met, self.counts, self.columns, snapshots))
        return parts

    def done(self, engine: Engine) -> None:
        """Frees what `windows` stored."""
        engine.drop(*passing(self.source))

    def rows(self, engine: Engine, snapshots: ir.Table) -> dict[str, ir.Table]:
        """What windows are made of, as views, for an engine that adds up in memory: `sums`, `facts` and `odd`."""
        found = {}
        if self.sums and self.tiles is not None:
            names = sorted({need.what.name for need in self.sums})
            found["sums"] = engine.view(f"{self.source}_summed", self.tiles.select("line", "day", "since", "until", *names))
        if self.counts and self.met is not None:
            facts, odd = self.met
            found["facts"] = engine.view(f"{self.source}_counted", facts.select(*SORTED))
            found["odd"] = engine.view(f"{self.source}_judged", by_snapshot(odd, snapshots))
        return found
