"""Exact distinct counts for every window from one pass over (line, value, day).

A value met on a day counts in a window unless the line met it on an earlier day of that window, too: so the day on which it was
met before, looked up once, tells every window. A record counts from the day on which it became known. What was met before stays
what it is as long as the earlier record was known no later and none was taken back, which is nearly always; the few values of
which that is not true are kept with their earlier records and worked out anew at each as_of.

Nothing said of a day depends on anything but the records of that day and of the 28 days before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import ibis
import ibis.expr.types as ir

from features.feature import LONGEST, WINDOWS, Need, Presence
from features.windows import NEVER, segment_of, spread

if TYPE_CHECKING:
    from features.engine import Engine

_KEYS = ("line", "value")
_RECORD = (*_KEYS, "day", "known_day", "gone_day")
SORTED = ("line", "day", "sort", "n")
"""The columns of facts as they are kept."""
_PLACED = ("what", "line", "as_of_day", "segment", "before", "n")


def records(events: ir.Table, column: str) -> ir.Table:
    """The records of one column: one row an event that has a value."""
    met = events.filter(events[column].notnull())
    return met.select("line", "day", "known_day", "gone_day", value=met[column])


def once_a_day(met: ir.Table) -> ir.Table:
    """Values met over and over: of a day's records that stand, the one known first."""
    return met.group_by("line", "day", "gone_day", "value").aggregate(known_day=met.known_day.min()).select(*_RECORD)


def newest(met: ir.Table) -> ir.Table:
    """Of the records of texts of some days, those that can tell when a value of a later day was met before.

    A record that was known by the day after it and was never taken back is visible wherever a later day is looked at, so that
    nobody asks for what its line met of the same value before it.
    """
    keys = ["line", "what", "value"]
    plain = met.filter(met.gone_day.isnull() & (met.known_day <= met.day + 1))
    last = plain.group_by(*keys).aggregate(last=plain.day.max())
    beside = met.left_join(last, keys)
    return beside.filter(beside.last.isnull() | (beside.day >= beside.last)).select(*met.columns)


def codes(engine: Engine, label: str, columns: int, met: ir.Table) -> ir.Table:
    """Numbers of the texts of several columns, numbered `what`, that were met, stored: short keys make fast groups.

    columns: more than any `what`. A number less the multiples of `columns` in it is the `what` of its text.
    """
    values = met.select("what", "value").distinct()
    order = ibis.row_number().over(order_by=[values.what, values.value])
    return engine.store(f"{label}_codes", values.mutate(code=order.cast("int64") * columns + values.what))


def coded(part: ir.Table, codes: ir.Table) -> ir.Table:
    """Records of texts as records of their numbers; those of texts without one are left out."""
    joined = part.join(codes, ["what", "value"])
    # Engines count rows in integers of their own width.
    return joined.select(*[part[name] for name in _RECORD if name != "value"], value=codes.code.cast("int64")).select(*_RECORD)


def met_before(
    engine: Engine, label: str, met: ir.Table, past: ir.Table, near: ir.Table | None = None, what: int = 0, columns: int = 1
) -> tuple[ir.Table, ir.Table]:
    """When the values of one column, or several, that were met on some consecutive days were met before.

    met: the records of these days; past: those of the 28 days before; both with the columns of a record, value a number. near:
    those of `past` whose value is in `met`, and maybe others. what: the number of the column; where they are several, so many
    `columns` as `codes` was given, values tell it.
    Returns facts (what, line, day, since, before, n): values of a day, known from one day on, counted by the day on which they
    were met before, null where that is more than 28 days earlier or never; and the records (`day`) behind each value and day
    (`target`) that can only be judged at an as_of.
    """
    name = f"{what}" if columns == 1 else "few"
    facts, slow = engine.met_before(label, f"{label}_facts_{name}", met, past, past if near is None else near, columns)
    behind = engine.store(f"{label}_odd_{name}", _behind(slow))
    if columns == 1:
        return tuple(rows.select(rows, what=ibis.literal(what, type="int32")) for rows in (facts, behind))
    return facts.relocate("what", after="n"), behind.select(behind, what=_what(behind, columns))


def _what(records: ir.Table, columns: int) -> ir.IntegerValue:
    return (records.value % columns).cast("int32")


def by_joins(engine: Engine, label: str, name: str, met: ir.Table, near: ir.Table, columns: int) -> tuple[ir.Table, ir.Table]:
    """See `Engine.met_before`."""
    together = engine.store(f"{label}_records", marked(met, near.semi_join(met, list(_KEYS))))
    odd = engine.store(f"{label}_pairs", _odd(together))
    facts = engine.store(name, _facts(_latest(together).anti_join(odd, list(_KEYS)), columns))
    return facts, engine.store(f"{label}_slow", together.semi_join(odd, list(_KEYS)))


def marked(met: ir.Table, past: ir.Table) -> ir.Table:
    """Records of days that are asked for and of days before, told apart by `asked`."""
    return ibis.union(met.select(*_RECORD, asked=ibis.literal(True)), past.select(*_RECORD, asked=ibis.literal(False)))


def _odd(met: ir.Table) -> ir.Table:
    """Values with a record that was taken back, or that became known after a later day's record had."""
    # Only a record known two days late or more can be overtaken by one of a later day.
    late = met.semi_join(met.filter(met.known_day > met.day + 1).select(*_KEYS).distinct(), list(_KEYS))
    along = ibis.window(group_by=list(_KEYS), order_by=["day", "known_day"])
    steps = late.mutate(earlier=late.day.lag().over(along), heard=late.known_day.lag().over(along))
    overtaken = steps.filter((steps.earlier < steps.day) & (steps.heard > steps.known_day)).select(*_KEYS)
    return ibis.union(met.filter(met.gone_day.notnull()).select(*_KEYS), overtaken, distinct=True)


def _latest(met: ir.Table) -> ir.Table:
    """Records that are asked for, and of each value the last day before them: the others need not be put in order."""
    asked = met.filter(met.asked).select(*_KEYS, "day", "known_day", "asked")
    before = met.filter(~met.asked).group_by(*_KEYS).aggregate(day=met.day.max())
    return ibis.union(asked, before.select(*_KEYS, "day", known_day=before.day, asked=ibis.literal(False)))


def _facts(met: ir.Table, columns: int) -> ir.Table:
    # By line, not by line and value: few large groups are put in order faster than many small ones.
    along = ibis.window(group_by="line", order_by=["value", "day", "known_day"])
    again = met.value == met.value.lag().over(along)
    earlier = ibis.cases((again, met.day.lag().over(along)))
    keys = ["line", "day", "since", "before"] if columns == 1 else ["what", "line", "day", "since", "before"]
    steps = met.select("line", "day", "asked", since="known_day", earlier=earlier, what=_what(met, columns))
    # Of one day's records the one known first.
    steps = steps.filter(steps.asked & (steps.earlier.isnull() | (steps.earlier < steps.day)))
    before = ibis.cases((steps.day - steps.earlier <= LONGEST, steps.earlier)).cast("int32")
    steps = steps.select("what", "line", "day", "since", before=before)
    return steps.group_by(*keys).aggregate(n=steps.count())


def _behind(met: ir.Table) -> ir.Table:
    targets = met.filter(met.asked).select(*_KEYS, target="day").distinct()
    joined = met.join(targets, list(_KEYS))
    near = joined.filter((joined.day <= joined.target) & (joined.target <= joined.day + LONGEST))
    return near.select(*_KEYS, "target", "day", "known_day", "gone_day")


def sorted_out(facts: ir.Table) -> ir.Table:
    """Facts as they are kept: line, day, sort and n. sort: one number for the column, the lag and the age of a fact.

    The lag is how many days later it was known, at the most the longest window, for what is known later never counts; the age is
    how many days before it the value was met, 0 where it was not.
    """
    lag, size = facts.since - facts.day, LONGEST + 1
    lag = ibis.cases((lag < 0, 0), (lag > LONGEST, LONGEST), else_=lag)
    age = (facts.day - facts.before).fill_null(0)
    return facts.mutate(sort=((facts.what * size + lag) * size + age).cast("int32")).select(*SORTED)


def _told(facts: ir.Table) -> ir.Table:
    """What `sorted_out` made one number of, told by the days that it stands for."""
    size = LONGEST + 1
    age = facts.sort % size
    return facts.select(
        *[name for name in SORTED if name != "sort"],
        what=(facts.sort // size**2).cast("int32"),
        since=(facts.day + facts.sort // size % size).cast("int32"),
        before=ibis.cases((age > 0, facts.day - age)).cast("int32"),
    )


def window_counts(
    engine: Engine, label: str, facts: ir.Table, odd: ir.Table, needs: Sequence[Need], columns: Sequence[str], snapshots: ir.Table
) -> ir.Table:
    """How many values each line met, or freshly met, in each window before each as_of.

    facts, odd: from `met_before`, facts `sorted_out`. columns: in the order of their numbers `what`. Returns line, as_of_day and
    a column a need, worked out when it is read.
    """
    until = _told(facts).mutate(until=ibis.literal(NEVER, type="int32"))
    placed = ibis.union(spread(until, snapshots).select(*_PLACED), by_snapshot(odd, snapshots).select(*_PLACED))
    counts = {need.column: _count(engine, placed, need, columns) for need in needs}
    return engine.view(f"{label}_windows", placed.group_by("line", "as_of_day").aggregate(**counts))


def _count(engine: Engine, placed: ir.Table, need: Need, columns: Sequence[str]) -> ir.IntegerValue:
    """Values met in the window and not on an earlier day of it; fresh ones: on no day of the 28 before."""
    assert isinstance(need.what, Presence)
    inside = (placed.what == columns.index(need.what.column)) & (placed.segment <= WINDOWS.index(need.days))
    first = placed.before.isnull()
    if not need.what.fresh:
        first = first | (placed.before < placed.as_of_day - need.days)
    return engine.total(ibis.cases((inside & first, placed.n)))


def by_snapshot(odd: ir.Table, snapshots: ir.Table) -> ir.Table:
    """The values that facts say nothing of, at each as_of, from what was visible there.

    odd: from `met_before`. Returns what, line, as_of_day, segment (of the day on which they were last met), before and n.
    """
    seen = odd.join(
        snapshots,
        [
            odd.target < snapshots.as_of_day,
            snapshots.as_of_day <= odd.target + LONGEST,
            odd.known_day < snapshots.as_of_day,
            odd.gone_day.isnull() | (odd.gone_day >= snapshots.as_of_day),
        ],
    )
    found = seen.group_by("what", *_KEYS, "target", "as_of_day").aggregate(
        newest=seen.day.max(), before=seen.day.max(where=seen.day < seen.target)
    )
    found = found.filter(found.newest == found.target)
    found = found.select("what", "line", "as_of_day", "before", segment=segment_of(found.as_of_day - found.target))
    return found.group_by("what", "line", "as_of_day", "segment", "before").aggregate(n=found.count())
