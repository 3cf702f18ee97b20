"""The lake as it was known at one local midnight, for everything that ops read: rows learnt later are not there."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from data_schemas.lake import Lake
from features.engine import Engine


class Known:
    """Rows that had happened and were known strictly before local midnight `day` (a day number), and stood then."""

    def __init__(self, engine: Engine, lake: Lake, day: int) -> None:
        self.engine, self.lake, self.day = engine, lake, day

    def rows(self, table: str, first: int | None = None) -> ir.Table:
        """Rows of a table of the contracts whose event was on local day `first` or later (any day when None)."""
        rows = self.lake.read(self.engine.con, table, first, self.day - 1)
        return rows.filter(rows.day < self.day, rows.known_day < self.day, rows.gone_day.isnull() | (rows.gone_day >= self.day))

    def versions(self, table: str) -> ir.Table:
        """All that was ever told of a table of the contracts by then; `gone_day` is null where a row still stood."""
        rows = self.lake.read(self.engine.con, table, None, self.day - 1)
        rows = rows.filter(rows.day < self.day, rows.known_day < self.day)
        return rows.mutate(gone_day=ibis.cases((rows.gone_day < self.day, rows.gone_day)))

    def lines(self) -> ir.Table:
        """One row a line: what was known of it last."""
        rows = self.rows("lines")
        newest = ibis.row_number().over(ibis.window(group_by="line_id", order_by=ibis.desc("known_day")))
        return rows.mutate(place=newest).filter(lambda t: t.place == 0).drop("place")
