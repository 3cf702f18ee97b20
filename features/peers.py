"""What formulas ask of a line's peers (totals, counts and ranks within its carrier, pool or team), worked out beside the frame.

The frame has hundreds of columns. Grouping a few of them and joining the result is far cheaper than a window over all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from features.feature import Feature, PeerNeed
from features.windows import beside

if TYPE_CHECKING:
    from features.engine import Engine

_AT = ("line", "as_of_day")
PASSING = ("peered", "peer_values")
"""The tables that stand behind a frame with peers."""


def with_peers(engine: Engine, frame: ir.Table, catalogue: Sequence[Feature]) -> tuple[ir.Table, dict[str, list[str]]]:
    """The frame (one row an eligible line and as_of day) with a column for each value of a group that a formula asks for.

    Returns it with the names of these columns by feature, in the order of asking.
    """
    names: dict[tuple[str, str, object], str] = {}
    needs: dict[str, PeerNeed] = {}
    answers: dict[str, list[str]] = {}
    for feature in catalogue:
        answers[feature.name] = []
        for need in feature.peers(frame):
            name = names.setdefault((need.how, need.by, need.value.op()), f"peers_{len(names)}")
            needs[name] = need
            answers[feature.name].append(name)
    return (engine.with_peers("peered", frame, needs) if needs else frame), answers


def by_joins(engine: Engine, frame: ir.Table, needs: Mapping[str, PeerNeed]) -> ir.Table:
    """See `Engine.with_peers`: groups of a few columns, joined with the whole."""
    groups = sorted({need.by for need in needs.values()})
    # Narrow, so that each statement over it does not go through hundreds of columns first.
    asked = engine.store("peer_values", frame.select(*_AT, *groups, **{name: need.value for name, need in needs.items()}))
    ranks = {name: need.by for name, need in needs.items() if need.how == "rank"}
    parts = []
    for by in sorted({need.by for need in needs.values() if need.how != "rank"}):
        sums = {name: _sum(asked[name], need.how) for name, need in needs.items() if need.by == by and need.how != "rank"}
        parts.append((asked.group_by("as_of_day", by).aggregate(**sums), ["as_of_day", by]))
    if ranks:
        parts.append((_ranks(asked, ranks), list(_AT)))
    return beside(frame, *parts)


def _sum(value: ir.Value, how: str) -> ir.Value:
    return (value.sum() if how == "total" else value.count()).cast("int64")


def _ranks(asked: ir.Table, ranks: dict[str, str]) -> ir.Table:
    """line, as_of_day and the rank of each value among the lines of the group, by name, that have one."""
    columns = {}
    for name, by in ranks.items():
        known = asked[name].notnull() & asked[by].notnull()
        among = ibis.window(group_by=[asked.as_of_day, asked[by], known], order_by=asked[name])
        columns[name] = ibis.cases((known, ibis.percent_rank().over(among)))
    return asked.select(*_AT, **columns)
