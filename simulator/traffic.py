"""One day of calls for many lines at once, from what each line is up to on that day.

Nothing here knows why a line is banned: a `Plan` says how lines call, `place` makes the calls.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.chance import scramble, unit
from simulator.days import MS_PER_DAY

BIN_MS = 900_000
BINS = MS_PER_DAY // BIN_MS
DISPOSITIONS = ("answered", "no_answer", "busy", "refused", "unreachable")
PROFILES = ("standard", "early", "no_lunch", "evening", "night")
_SHAPES: dict[str, tuple[tuple[float, float, float], ...]] = {  # from hour, to hour, weight
    "standard": ((8.5, 9, 0.4), (9, 11.75, 1.0), (11.75, 13.5, 0.06), (13.5, 18, 1.0), (18, 19.5, 0.18)),
    "early": ((8, 11.5, 1.2), (11.5, 13, 0.1), (13, 17, 0.9), (17, 18, 0.2)),
    "no_lunch": ((8.5, 12, 1.0), (12, 14, 0.8), (14, 18.5, 1.0), (18.5, 20, 0.35)),
    "evening": ((9.5, 12, 0.7), (12, 14, 0.25), (14, 18, 0.8), (18, 20, 1.1), (20, 21, 0.25)),
    "night": ((7, 8, 0.2), (8.5, 12, 0.9), (12, 14, 0.6), (14, 20, 0.9), (20, 22.5, 0.5), (22.5, 24, 0.08)),
}
_STEPS = 1 << 16
_FIRST_NUMBER = 13_000_000_000
_NUMBERS = 6_900_000_000


def _inverse() -> NDArray[np.int16]:
    """[profile, share of the day's calls, in steps]: the bin in which that share is reached."""
    rows = []
    for name in PROFILES:
        weight = np.full(BINS, 1e-5)
        for start, end, height in _SHAPES[name]:
            weight[int(start * 4) : int(end * 4)] += height
        rows.append(np.searchsorted(np.cumsum(weight / weight.sum()), (np.arange(_STEPS) + 0.5) / _STEPS))
    return np.minimum(np.stack(rows), BINS - 1).astype(np.int16)


_INVERSE = _inverse().ravel()
_ROW_SHIFT = np.int64(27)
"""Bits that hold a millisecond of the day."""


@dataclass
class Plan:
    """How each of n lines calls on one day; every field has one entry a line.

    line: its index in the fleet. calls: how many it tries. profile: index into PROFILES. burst, burst_at: share of its calls
    within the twenty minutes from that millisecond of the day. answer: chance that a call is answered. short: chance that an
    answered call is hung up within 5 s. talk: median talk of the others, s. refuse: chance that an unanswered call was refused.
    scan: share of calls to numbers one after another. repeat: share to the line's own customers; customers: how many it has;
    turnover: how many of them change a day. list_from, list_size: people its other calls go to. complain: complaints expected
    per call to an ordinary callee. away: share of calls from other regions; regions: how many there are; region: its own.
    agent, device: who calls and from what. since_ms, until_ms: calls before and after are not placed.
    """

    line: NDArray[Any]
    calls: NDArray[Any]
    profile: NDArray[Any]
    burst: NDArray[Any]
    burst_at: NDArray[Any]
    answer: NDArray[Any]
    short: NDArray[Any]
    talk: NDArray[Any]
    refuse: NDArray[Any]
    scan: NDArray[Any]
    repeat: NDArray[Any]
    customers: NDArray[Any]
    turnover: NDArray[Any]
    list_from: NDArray[Any]
    list_size: NDArray[Any]
    complain: NDArray[Any]
    away: NDArray[Any]
    regions: NDArray[Any]
    region: NDArray[Any]
    agent: NDArray[Any]
    device: NDArray[Any]
    since_ms: NDArray[Any]
    until_ms: NDArray[Any]

    def part(self, first: int, last: int) -> Plan:
        """The lines first..last-1 of the plan."""
        return Plan(**{f.name: getattr(self, f.name)[first:last] for f in fields(self)})


@dataclass
class Calls:
    """Calls of one day, by line and time. `row` is the line's place in the plan, `ms` counts from the local midnight.

    complained marks the calls that will lead to a complaint; scanned those to a number beside the last one, repeated those to
    own customers.
    """

    row: NDArray[np.int64]
    line: NDArray[np.int64]
    ms: NDArray[np.int64]
    callee: NDArray[np.int64]
    answered: NDArray[np.bool_]
    duration: NDArray[np.int64]
    ring: NDArray[np.int64]
    region: NDArray[np.int64]
    away: NDArray[np.bool_]
    disposition: NDArray[np.int8]
    scanned: NDArray[np.bool_]
    repeated: NDArray[np.bool_]
    complained: NDArray[np.bool_]


def number_of(person: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The phone number of a person of the population."""
    return (scramble(person) % np.uint64(_NUMBERS)).astype(np.int64) + _FIRST_NUMBER


def place(plan: Plan, day: int, rng: np.random.Generator) -> Calls:
    """The calls of a day. `day` moves the lines' customers on."""
    row, ms = _times(plan, rng)
    n = len(row)
    callee, scanned, repeated = _callees(plan, row, day, rng)
    traits = scramble(callee.astype(np.uint64))
    luck = unit(traits)
    lunch = (ms > 12 * 3_600_000) & (ms < 13.5 * 3_600_000)
    chance = plan.answer.astype(np.float32)[row] * (np.float32(0.55) + np.float32(0.9) * luck)
    chance[lunch] *= np.float32(0.8)
    answered = rng.random(n, dtype=np.float32) < chance
    u = rng.random(n, dtype=np.float32)
    short = answered & (u < plan.short.astype(np.float32)[row])
    talk = plan.talk.astype(np.float32)[row] * np.exp(np.float32(0.9) * rng.standard_normal(n, dtype=np.float32))
    duration = np.where(short, 1 + u / np.maximum(plan.short.astype(np.float32)[row], 1e-6) * 4.99, np.clip(talk, 6, 3600))
    duration = np.where(answered, duration, 0).astype(np.int64)
    disposition = _dispositions(plan.refuse.astype(np.float32)[row], answered, rng)
    ring = _rings(disposition, rng)
    ms, keep = _one_at_a_time(plan, row, ms, ring + duration)
    away = rng.random(n, dtype=np.float32) < plan.away.astype(np.float32)[row]
    region = plan.region[row].astype(np.int64)
    hop = scramble((plan.line[row].astype(np.uint64) << np.uint64(8)) + (ms // 5_400_000).astype(np.uint64)) % np.uint64(6)
    region[away] = (region + 1 + hop.astype(np.int64) * 3)[away] % plan.regions[row][away]
    prone = unit(scramble(traits))  # one in thirty complains twenty times as readily
    upset = plan.complain.astype(np.float32)[row] * np.where(prone < np.float32(1 / 30), np.float32(12.0), np.float32(0.62))
    upset *= np.where(answered, np.float32(1.25), np.float32(0.7))
    upset[repeated & ~answered] *= np.float32(1.8)
    upset[lunch | (ms > 19.5 * 3_600_000)] *= np.float32(1.7)
    complained = rng.random(n, dtype=np.float32) < upset
    got = dict(
        row=row, ms=ms, callee=callee, answered=answered, duration=duration, ring=ring, region=region, away=away,
        disposition=disposition, scanned=scanned, repeated=repeated, complained=complained,
    )  # fmt: skip
    if not keep.all():
        got = {name: values[keep] for name, values in got.items()}
    return Calls(line=plan.line[got["row"]].astype(np.int64), **got)


def _times(plan: Plan, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Line and moment of each call, sorted."""
    row = np.repeat(np.arange(len(plan.line), dtype=np.int64), plan.calls)
    at = plan.profile.astype(np.int64)[row] * _STEPS + rng.integers(0, _STEPS, len(row), dtype=np.int32)
    ms = _INVERSE[at].astype(np.int64) * BIN_MS + (rng.random(len(row), dtype=np.float32) * np.float32(BIN_MS)).astype(np.int64)
    in_burst = rng.random(len(row), dtype=np.float32) < plan.burst.astype(np.float32)[row]
    where = row[in_burst]
    ms[in_burst] = plan.burst_at[where].astype(np.int64) + (rng.random(len(where)) * 1_200_000).astype(np.int64)
    key = np.sort((row << _ROW_SHIFT) + np.minimum(ms, MS_PER_DAY - 1))
    row, ms = key >> _ROW_SHIFT, key & ((1 << _ROW_SHIFT) - 1)
    keep = (ms >= plan.since_ms[row]) & (ms < plan.until_ms[row])
    return (row, ms) if keep.all() else (row[keep], ms[keep])


def _callees(
    plan: Plan, row: NDArray[np.int64], day: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Whom each call goes to, and whether as one of a row of numbers, or as the line's own customer."""
    n = len(row)
    kind, u = rng.random(n, dtype=np.float32), rng.random(n)
    scan = plan.scan.astype(np.float32)[row]
    scanned = kind < scan
    repeated = ~scanned & (kind < scan + plan.repeat.astype(np.float32)[row])
    person = (plan.list_from[row] + u * plan.list_size[row]).astype(np.uint64)
    mine = row[repeated]
    slot = (u[repeated] * plan.customers[mine] + np.floor(day * plan.turnover[mine]) + 500_000).astype(np.uint64)
    person[repeated] = (plan.line[mine].astype(np.uint64) << np.uint64(32)) + slot + np.uint64(1 << 60)
    callee = number_of(person)
    walk = row[scanned]
    nth = np.arange(len(walk)) - _firsts(walk)  # the how-manyeth of its line today
    first = number_of((plan.line[walk].astype(np.uint64) << np.uint64(20)) + np.uint64(day + 4096) + np.uint64(1 << 61))
    callee[scanned] = first + nth
    return callee, scanned, repeated


def _dispositions(refuse: NDArray[np.float32], answered: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.int8]:
    u = rng.random(len(answered), dtype=np.float32)
    rest = (u - refuse) / (1 - refuse)
    other = np.where(rest < 0.70, 1, np.where(rest < 0.86, 2, 4)).astype(np.int8)
    return np.where(answered, 0, np.where(u < refuse, 3, other)).astype(np.int8)


def _rings(disposition: NDArray[np.int8], rng: np.random.Generator) -> NDArray[np.int64]:
    """Seconds until the answer, or until the try ended."""
    low = np.array([2, 20, 0, 3, 0], dtype=np.float32)[disposition]
    wide = np.array([22, 30, 3, 14, 3], dtype=np.float32)[disposition]
    return (low + wide * rng.random(len(disposition), dtype=np.float32)).astype(np.int64)


def _one_at_a_time(
    plan: Plan, row: NDArray[np.int64], ms: NDArray[np.int64], busy_s: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A line places a call when the last has ended: later starts (Lindley's queue), and which calls still fit into the day."""
    if not len(row):
        return ms, np.ones(0, dtype=bool)
    work = np.cumsum(busy_s * 1000 + 2000)
    before = work - (busy_s * 1000 + 2000)
    before -= before[_firsts(row)]
    apart = row * (1 << 40)  # a line's queue starts anew
    start = np.maximum.accumulate(ms - before + apart) - apart + before
    return start, start < np.minimum(plan.until_ms[row], MS_PER_DAY - 1000)


def _firsts(row: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each call, the place of its line's first call."""
    if not len(row):
        return row
    new = np.empty(len(row), dtype=bool)
    new[0] = True
    new[1:] = row[1:] != row[:-1]
    at = np.flatnonzero(new)
    return np.repeat(at, np.diff(np.append(at, len(row))))
