"""What formulas ask of a line's peers (totals, counts and ranks within its carrier, pool or team), worked out beside the frame.

The frame has hundreds of columns. Grouping a few of them and joining the result is far cheaper than a window over all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from features.engine import Engine
from features.feature import Feature, PeerNeed
from features.windows import beside

_AT = ("line", "as_of_day")


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
    ranks = {name: need for name, need in needs.items() if need.how == "rank"}
    parts = []
    for by in sorted({need.by for need in needs.values() if need.how != "rank"}):
        sums = {name: _sum(need) for name, need in needs.items() if need.by == by and need.how != "rank"}
        parts.append((engine.store(f"peers_by_{by}", frame.group_by("as_of_day", by).aggregate(**sums)), ["as_of_day", by]))
    if ranks:
        parts.append((engine.store("peer_ranks", _ranks(frame, ranks)), list(_AT)))
    return beside(frame, *parts), answers


def _sum(need: PeerNeed) -> ir.Value:
    return (need.value.sum() if need.how == "total" else need.value.count()).cast("int64")


def _ranks(frame: ir.Table, ranks: dict[str, PeerNeed]) -> ir.Table:
    """line, as_of_day and the rank of each value among the lines of the group that have one."""
    groups = sorted({need.by for need in ranks.values()})
    narrow = frame.select(*_AT, *groups, **{name: need.value for name, need in ranks.items()})
    columns = {}
    for name, need in ranks.items():
        known = narrow[name].notnull() & narrow[need.by].notnull()
        among = ibis.window(group_by=[narrow.as_of_day, narrow[need.by], known], order_by=narrow[name])
        columns[name] = ibis.cases((known, ibis.percent_rank().over(among)))
    return narrow.select(*_AT, **columns)
