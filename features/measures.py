"""Measures and presences that more than one family reads."""

from __future__ import annotations

from features.feature import Measure, Presence

CALLS = Measure("calls", "calls", lambda e: e.day.notnull())
ANSWERED = Measure("answered", "calls", lambda e: e.answered)
TALK = Measure("talk_ms", "calls", lambda e: e.duration_ms)
ACTIVE_DAYS = Measure("active_days", "calls")
CALL_DAY = Measure("call_day", "calls", zero=False)
BUSIEST_HOUR = Measure("busiest_hour", "calls")
BUSIEST_MINUTE = Measure("busiest_minute", "calls")
BURST_MINUTES = Measure("burst_minutes", "calls")
ACTIVE_HOURS = Measure("active_hours", "calls")
COMPLAINTS = Measure("complaints", "complaints", lambda e: e.day.notnull())
COMPLAINT_DAY = Measure("complaint_day", "complaints", zero=False)
CALLEES = Presence("callees", "calls", "callee_id")
