"""Measures, presences and formulas that more than one family reads."""

from __future__ import annotations

import ibis.expr.types as ir

from features.feature import LONGEST, Formula, Measure, Presence, Window, against, ratio

CALLS = Measure("calls", "calls", lambda e: e.day.notnull())
CALLS_SQUARED = Measure("calls_squared", "calls")
ANSWERED = Measure("answered", "calls", lambda e: e.answered)
TALK = Measure("talk_ms", "calls", lambda e: e.duration_ms)
SHORT = Measure("short_calls", "calls", lambda e: e.answered & (e.duration_ms <= 5000))
ACTIVE_DAYS = Measure("active_days", "calls")
CALL_DAY = Measure("call_day", "calls", zero=False)
BUSIEST_HOUR = Measure("busiest_hour", "calls")
BUSIEST_MINUTE = Measure("busiest_minute", "calls")
BURST_MINUTES = Measure("burst_minutes", "calls")
ACTIVE_HOURS = Measure("active_hours", "calls")
ACTIVE_MINUTES = Measure("active_minutes", "calls")
COMPLAINTS = Measure("complaints", "complaints", lambda e: e.day.notnull())
COMPLAINT_DAY = Measure("complaint_day", "complaints", zero=False)
CALLEES = Presence("callees", "calls", "callee_id")


def share(part: Measure, whole: Measure) -> Formula:
    """The sum of one measure over that of another."""
    return lambda w: ratio(w.total(part), w.total(whole))


def change(part: Measure, whole: Measure) -> Formula:
    """A share of the window less the same share of the last 28 days: what is new about the line."""

    def moved(w: Window) -> ir.NumericValue:
        longest = w.over(LONGEST)
        return ratio(w.total(part), w.total(whole)) - ratio(longest.total(part), longest.total(whole))

    return moved


def beside(part: Measure, whole: Measure, by: str, weight: float) -> Formula:
    """A share over the same share of all lines of the line's carrier, pool or team, drawn to 1 by `weight` events."""

    def compared(w: Window) -> ir.NumericValue:
        peers = w.group_total(w.total(part), by), w.group_total(w.total(whole), by)
        return against(w.total(part), w.total(whole), *peers, weight)

    return compared


def rank(part: Measure, whole: Measure | None = None) -> Formula:
    """The line's place among its carrier's lines, by a sum or by a share."""
    return lambda w: w.group_rank(w.total(part) if whole is None else ratio(w.total(part), w.total(whole)), "carrier")
