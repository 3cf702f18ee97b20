"""What a line did in a window of `w` days, counted from its raw rows: what the references of the features are made of."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import nan

from tests.features.reference import Line, day_kind

Value = Callable[[Line, int], float]


def remembered(value: Value) -> Value:
    """Works each line and window out once: peers are asked again and again."""

    @wraps(value)
    def look(x: Line, w: int) -> float:
        if (value, w) not in x.memo:
            x.memo[value, w] = value(x, w)
        return x.memo[value, w]

    return look


# Counts of a line in a window.


@remembered
def n_calls(x: Line, w: int) -> float:
    return len(x.calls(w))


@remembered
def n_answered(x: Line, w: int) -> float:
    return sum(c["answered"] for c in x.calls(w))


@remembered
def n_short(x: Line, w: int) -> float:
    return sum(c["answered"] and round(c["duration_s"] * 1000) <= 5000 for c in x.calls(w))


def n_long(x: Line, w: int) -> float:
    return sum(c["answered"] and round(c["duration_s"] * 1000) >= 60_000 for c in x.calls(w))


@remembered
def talk_ms(x: Line, w: int) -> float:
    return sum(round(c["duration_s"] * 1000) for c in x.calls(w))


@remembered
def n_off(x: Line, w: int) -> float:
    return sum(x.off_hours(c) for c in x.calls(w))


@remembered
def n_night(x: Line, w: int) -> float:
    return sum(not 8 * 3600 <= c["local_second"] < 21 * 3600 for c in x.calls(w))


def n_noon(x: Line, w: int) -> float:
    return sum(12 * 3600 <= c["local_second"] < 14 * 3600 for c in x.calls(w))


def n_weekend(x: Line, w: int) -> float:
    return sum(day_kind(c["day"], x.view.settings.country)[0] for c in x.calls(w))


def n_holiday(x: Line, w: int) -> float:
    return sum(day_kind(c["day"], x.view.settings.country)[1] for c in x.calls(w))


@remembered
def n_complaints(x: Line, w: int) -> float:
    return len(x.complaints(w))


@remembered
def n_callees(x: Line, w: int) -> float:
    return len(x.values(x.calls(w), "callee_id"))


@remembered
def n_new_callees(x: Line, w: int) -> float:
    return len(x.new_values("callee_id", w))


@remembered
def n_day_callees(x: Line, w: int) -> float:
    return len(x.per_callee(x.calls(w)))


def n_pestered(x: Line, w: int) -> float:
    return sum(n >= 3 for n in x.per_callee(x.calls(w)).values())


def n_sequential(x: Line, w: int) -> float:
    return sum(len(callees) for callees in x.per_block(x.calls(w)).values() if len(callees) > 1)


def n_active_days(x: Line, w: int) -> float:
    return len(x.daily_calls(w))


def n_active_hours(x: Line, w: int) -> float:
    return len(x.per_hour(x.calls(w)))


@remembered
def peak_hour(x: Line, w: int) -> float:
    return max(x.per_hour(x.calls(w)).values(), default=0)


@remembered
def peak_day(x: Line, w: int) -> float:
    return max(map(len, x.daily_calls(w)), default=0)


def sum_of_busiest_hours(x: Line, w: int) -> float:
    return sum(max(x.per_hour(day).values()) for day in x.daily_calls(w))


def to_complainers(x: Line, w: int) -> float:
    if not any(line.may_call_complainer(call) for line in x.view.eligible for call in line.calls(28)):
        return nan
    return sum(x.to_complainer(c) for c in x.calls(w))


def kept(table: str, column: str, value: Value) -> Value:
    """`value` where someone keeps the optional column, else missing."""

    def known(x: Line, w: int) -> float:
        return value(x, w) if x.view.recorded(table, lambda row: row.get(column) is not None, column) else nan

    return remembered(known)


def channel(*names: str) -> Value:
    return kept("complaints", "channel", lambda x, w: sum(c.get("channel") in names for c in x.complaints(w)))


def disposition(*names: str) -> Value:
    return kept("calls", "disposition", lambda x, w: sum((c.get("disposition") or "").lower() in names for c in x.calls(w)))


def distinct(column: str, table: str = "calls") -> Value:
    rows = (lambda x, w: x.calls(w)) if table == "calls" else (lambda x, w: x.messages(w))
    return kept(table, column, lambda x, w: len(x.values(rows(x, w), column)))


def homed(of: Callable[[Line, dict], bool]) -> Value:
    """Counts calls whose own region and whose line's home region are known."""

    def count(x: Line, w: int) -> float:
        def both(line: Line, call: dict) -> bool:
            return call.get("region") is not None and line.home_region(call) is not None

        if not any(both(line, call) for line in x.view.eligible for call in line.calls(28)):
            return nan
        return sum(both(x, c) and of(x, c) for c in x.calls(w))

    return remembered(count)


n_messages = kept("messages", "message_id", lambda x, w: len(x.messages(w)))
n_night_messages = kept(
    "messages", "message_id", lambda x, w: sum(not 8 * 3600 <= m["local_second"] < 21 * 3600 for m in x.messages(w))
)
peak_message_hour = kept("messages", "message_id", lambda x, w: max(x.per_hour(x.messages(w)).values(), default=0))
n_severe, n_marks = channel("carrier", "regulator"), channel("app_mark")
n_refused = disposition("refused", "rejected", "declined")
n_homed, n_away = homed(lambda x, c: True), homed(lambda x, c: c["region"] != x.home_region(c))
n_rang = kept("calls", "ring_s", lambda x, w: sum(c.get("ring_s") is not None for c in x.calls(w)))
ring_ms = kept("calls", "ring_s", lambda x, w: sum(round((c.get("ring_s") or 0) * 1000) for c in x.calls(w)))
n_short_ring = kept(
    "calls",
    "ring_s",
    lambda x, w: sum(not c["answered"] and c.get("ring_s") is not None and round(c["ring_s"] * 1000) < 5000 for c in x.calls(w)),
)
n_switches = kept("calls", "region", lambda x, w: len(x.switches(w)))
n_fast = kept("calls", "region", lambda x, w: sum(pause < 1800 for pause in x.switches(w)))
n_placed = kept("calls", "region", lambda x, w: sum(c.get("region") is not None for c in x.calls(w)))
