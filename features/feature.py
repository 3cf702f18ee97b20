"""How a feature is declared: a name, a formula over windows, a unit, a line of doc and a direction of risk.

A `Measure` is a number a line has for each local day, taken from one event table. A `Presence` is a value (a callee, a
region) that a line met on a day and that must be counted once a window. A `Declared` turns them into one `Feature`
a window. Nothing here knows how any of it is computed: see `tiles`, `presence` and `windows`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import ibis
import ibis.expr.types as ir

WINDOWS = (1, 3, 7, 14, 28)
"""Window lengths in days; every one ends at as_of, [as_of - w, as_of)."""
LONGEST = WINDOWS[-1]


@dataclass(frozen=True)
class Measure:
    """A number of a line on a local day.

    source: the event table. row: the integer (or true/false) each event adds; sums are of integers, so that they are the
    same to the last bit in any order. None: made by `tiles` from more than one event (the busiest hour, say).
    optional: taken from an optional table or column, so it is missing, not 0, while no line has a value in the last 28 days.
    zero: a line without events counts 0; False keeps it missing (the day of the last call, say).
    """

    name: str
    source: str
    row: Callable[[ir.Table], ir.Value] | None = None
    optional: bool = False
    zero: bool = True


@dataclass(frozen=True)
class Presence:
    """A value to be counted once however often a line met it: `column` of `source`.

    few: a line meets the same few values over and over (regions, not callees): it is faster to boil each day down first.
    fresh_of: count only values of that presence that the line had not met in the 28 days before, on each day they are met.
    """

    name: str
    source: str
    column: str
    few: bool = False
    optional: bool = False
    zero: bool = True
    fresh_of: Presence | None = None

    @property
    def fresh(self) -> bool:
        """Whether only values not met in the 28 days before count."""
        return self.fresh_of is not None

    def fresh_ones(self, name: str) -> Presence:
        """The same values where they are new to the line."""
        return replace(self, name=name, fresh_of=self)


@dataclass(frozen=True)
class Need:
    """One column of the window table: how a measure or presence is summed up over which window."""

    what: Measure | Presence
    how: Literal["total", "peak", "distinct"]
    days: int

    @property
    def column(self) -> str:
        """The name of that column."""
        return f"{self.what.name}__{self.how}__{self.days}"


@dataclass(frozen=True)
class PeerNeed:
    """What a formula asks of a line's group: the total or count of a value over its eligible lines, or the line's rank."""

    how: Literal["total", "count", "rank"]
    by: str
    value: ir.Value


@dataclass
class Asked:
    """What a formula read: window columns, columns of `context`, and values of groups, in the order in which it asked."""

    needs: set[Need] = field(default_factory=set)
    reads: set[str] = field(default_factory=set)
    peers: list[PeerNeed] = field(default_factory=list)


class _Anything:
    """Stands for a column in a dry run: whatever is done with it, it stays as it is. Real expressions take far longer."""

    def _same(self, *_: object, **__: object) -> _Anything:
        return self

    def __getattr__(self, name: str) -> Callable[..., _Anything]:
        return self._same

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __neg__ = _same
    __lt__ = __le__ = __gt__ = __ge__ = __and__ = __or__ = __invert__ = _same
    __eq__ = __ne__ = _same  # type: ignore[assignment]
    __hash__ = object.__hash__


_ANYTHING = cast(Any, _Anything())


class Window:
    """What a formula sees: one line at one as_of, looking back `days` days.

    Every method gives a column expression over lines. Formulas combine them with arithmetic and the functions of
    this module, and nothing else: so they mean the same on every engine.

    frame: the lines, None in a dry run. answers: the frame's column for each value of a group, in the order of asking; None
    while these are still being gathered.
    """

    def __init__(self, frame: ir.Table | None, days: int, asked: Asked, answers: Sequence[str] | None = None):
        self._frame = frame
        self.days = days
        self._asked = asked
        self._answers = answers

    def _column(self, need: Need) -> ir.NumericValue:
        self._asked.needs.add(need)
        return _ANYTHING if self._frame is None else self._frame[need.column]

    def over(self, days: int) -> Window:
        """The same line over another window."""
        return Window(self._frame, days, self._asked, self._answers)

    def total(self, measure: Measure) -> ir.NumericValue:
        """The sum of a measure over the window."""
        return self._column(Need(measure, "total", self.days))

    def peak(self, measure: Measure) -> ir.NumericValue:
        """The largest value of a measure on one day of the window."""
        return self._column(Need(measure, "peak", self.days))

    def count(self, presence: Presence) -> ir.NumericValue:
        """How many different values the line met in the window, exactly."""
        return self._column(Need(presence, "distinct", self.days))

    def at(self, column: str) -> ir.Value:
        """A column of `context`: what is known of the line, its pool and its carrier at as_of."""
        self._asked.reads.add(column)
        return _ANYTHING if self._frame is None else self._frame[column]

    def group_total(self, value: ir.NumericValue, by: str) -> ir.NumericValue:
        """The sum of an integer `value` over all eligible lines that share `by`; missing where `by` is.

        by: one of `context.GROUPS`.
        """
        return self._of_peers("total", value, by)

    def group_mean(self, value: ir.NumericValue, by: str) -> ir.NumericValue:
        """The mean of an integer `value` over all eligible lines that share `by`; missing where `by` is."""
        return ratio(self._of_peers("total", value, by), self._of_peers("count", value, by))

    def group_rank(self, value: ir.NumericValue, by: str) -> ir.NumericValue:
        """Where a line stands among the eligible lines that share `by` and have a value: 0 lowest, 1 highest.

        The share of the others that are below it; 0 for a line alone, missing where `value` or `by` is.
        """
        return self._of_peers("rank", value, by)

    def _of_peers(self, how: Literal["total", "count", "rank"], value: ir.NumericValue, by: str) -> ir.NumericValue:
        self._asked.peers.append(PeerNeed(how, by, value))
        if self._frame is None:
            return _ANYTHING
        if self._answers is None:
            return number(1)
        return self._frame[self._answers[len(self._asked.peers) - 1]]


Formula = Callable[[Window], ir.Value]


def number(value: float) -> ir.NumericValue:
    """A constant."""
    return ibis.literal(float(value), type="float64")


def ratio(above: ir.Value, below: ir.Value) -> ir.NumericValue:
    """Quotient of two counts; missing where below is 0 or missing."""
    return above.cast("float64") / below.cast("float64").nullif(0.0)


def at_least(value: ir.NumericValue, least: float) -> ir.NumericValue:
    """The value, or `least` where it is less."""
    return value.clip(lower=least)


def shrunk(above: ir.Value, below: ir.Value, prior: ir.Value, weight: float) -> ir.NumericValue:
    """(above + weight * prior) / (below + weight): a rate that a few events cannot throw far from its peers' rate."""
    return (above.cast("float64") + prior * weight) / (below.cast("float64") + weight)


def against(part: ir.Value, whole: ir.Value, peers_part: ir.Value, peers_whole: ir.Value, weight: float) -> ir.NumericValue:
    """A line's rate part/whole over its peers' rate, drawn to 1 as by `weight` more events at the peers' rate.

    Missing where the peers have no rate or it is 0: then nothing tells what is usual.
    """
    prior = ratio(peers_part, peers_whole)
    return ratio(shrunk(part, whole, prior, weight), prior)


def recent_first(counts: dict[int, ir.Value]) -> ir.NumericValue:
    """Counts by window, days -> events, as one number in which an event weighs the less the older it is.

    The sum of events a day over all windows: with 1, 3, 7, 14 and 28 days, an event of yesterday weighs 1.6, one of four
    weeks ago 0.04.
    """
    parts = [count.cast("float64") / days for days, count in sorted(counts.items())]
    return functools.reduce(operator.add, parts)


def growth(recent: ir.Value, recent_days: int, whole: ir.Value, whole_days: int, weight: float) -> ir.NumericValue:
    """Events a day in the last `recent_days` over those in the days before them, within `whole_days`.

    `weight` events a day are added to both, so that a line that was quiet before does not reach infinity.
    """
    before = (whole - recent).cast("float64") / (whole_days - recent_days)
    return (recent.cast("float64") / recent_days + weight) / (before + weight)


@dataclass(frozen=True)
class Feature:
    """One column of the feature table.

    window: days looked back, None where a window makes no sense. doc: meaning without the window, in English (the key of
    its translation). direction: +1 more can only raise the risk, -1 only lower it, 0 free.
    """

    base: str
    window: int | None
    family: str
    doc: str
    unit: str
    direction: int
    formula: Formula = field(repr=False)
    sources: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The column's name, from its parts."""
        return self.base if self.window is None else f"{self.base}_{self.window}d"

    def value(self, frame: ir.Table, answers: Sequence[str]) -> ir.Value:
        """The formula over a frame of lines, as float64; `answers`: the columns of what `peers` asks."""
        return self.formula(Window(frame, self.window or LONGEST, Asked(), answers)).cast("float64")

    def peers(self, frame: ir.Table) -> list[PeerNeed]:
        """What the formula asks of the groups of the frame's lines, in order."""
        asked = Asked()
        self.formula(Window(frame, self.window or LONGEST, asked))
        return asked.peers

    @functools.cached_property
    def asked(self) -> Asked:
        """What the formula reads, told by a dry run."""
        asked = Asked()
        self.formula(Window(None, self.window or LONGEST, asked))
        return asked

    def describe(self) -> dict[str, Any]:
        """The catalogue entry as plain data."""
        return {
            "name": self.name,
            "family": self.family,
            "window_days": self.window,
            "unit": self.unit,
            "doc": self.doc,
            "direction": self.direction,
            "sources": list(self.sources),
        }


def declare(
    family: str,
    base: str,
    doc: str,
    unit: str,
    formula: Formula,
    *,
    windows: tuple[int, ...] = (),
    direction: int = 0,
    sources: tuple[str, ...] = ("calls",),
) -> list[Feature]:
    """One declaration: a feature for each window, or a single one when there is none.

    sources: the tables, or table.column where optional, that it is missing without.
    """
    return [Feature(base, window, family, doc, unit, direction, formula, sources) for window in (windows or (None,))]
