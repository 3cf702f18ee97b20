"""Carriers: what they publish, what they really tolerate, and how strict they are on each day."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.chance import stream

NAMES = ("north", "east", "south", "virtual")
SHARES = np.array([0.38, 0.27, 0.22, 0.13])
DRIVERS = (
    "load", "peak", "complaints", "short", "unanswered", "scan", "away", "off_hours", "messages", "unverified", "young",
    "banned_before", "pool", "segment",
)  # fmt: skip
_WEIGHTS = np.array([1.9, 1.0, 2.4, 1.2, 0.5, 1.4, 1.3, 0.8, 1.3, 0.7, 0.5, 0.8, 1.9, 0.9])


@dataclass
class Notice:
    """A published rule of a carrier, from a day of the world on; NaN or "" where it says nothing."""

    carrier: int
    day: int
    daily: float
    hourly: float
    permitted_from: str
    permitted_to: str
    note: str


@dataclass
class Carriers:
    """All carriers over the days of a world. Arrays are [carrier, day], day 0 of the array being day -before of the world.

    daily, hourly: calls a line may place before it stands out; permitted: [carrier, day, 2] hours of the day.
    strict: natural logarithm of how strict the carrier is, 0 in ordinary times. weight: [carrier, driver], log hazard at full
    effect. weekend: share of its weekday effort that enforcement makes on weekends and holidays.
    lift_days, permanent: median length of its bans, and the share that is never lifted.
    """

    notices: list[Notice] = field(default_factory=list)
    daily: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    hourly: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    permitted: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    strict: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    weight: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    weekend: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    lift_days: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    permanent: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))


def make_carriers(seed: int, before: int, days: int, workday_calls: float) -> Carriers:
    """The carriers of a world in which an average line places `workday_calls` on a working day."""
    rng = stream(seed, "carriers")
    n, span = len(NAMES), before + days
    book = Carriers(
        daily=np.empty((n, span)),
        hourly=np.empty((n, span)),
        permitted=np.empty((n, span, 2)),
        strict=np.zeros((n, span)),
        weight=_WEIGHTS * np.exp(rng.normal(0, 0.22, (n, len(DRIVERS)))),
        weekend=rng.uniform(0.25, 0.6, n),
        lift_days=rng.uniform(3.0, 8.0, n),
        permanent=rng.uniform(0.12, 0.35, n),
    )
    for c in range(n):
        daily = _round(workday_calls * rng.uniform(1.25, 1.9))
        starts, ends = rng.choice([8.0, 8.5, 9.0]), rng.choice([19.0, 20.0, 21.0])
        publishes, hourly_too = c != 3, rng.random() < 0.6
        day, announced = -before - int(rng.integers(20, 200)), "service terms"
        while True:
            hourly = max(3.0, float(np.ceil(daily / 4.5)))
            if publishes:
                book.notices.append(
                    Notice(c, day, daily, hourly if hourly_too else np.nan, clock(starts), clock(ends), announced)
                )
            at = max(day + before, 0)
            book.daily[c, at:], book.hourly[c, at:], book.permitted[c, at:] = daily, hourly, (starts, ends)
            day = max(day, 0) + int(rng.integers(35, 110))
            if day >= days:
                break
            daily = _round(daily * rng.choice([0.75, 0.85, 1.15], p=[0.45, 0.35, 0.2]))
            if rng.random() < 0.3:
                ends = max(ends - 1.0, 18.0)
            announced = "notice on the governance of nuisance calls"
            book.strict[c, day + before : day + before + 21] += 0.35  # a new rule is enforced with zeal
        _crackdowns(book, c, before, days, rng)
    return book


def _crackdowns(book: Carriers, c: int, before: int, days: int, rng: np.random.Generator) -> None:
    """Weeks in which a carrier is stricter without a word, and a slow drift."""
    drift = np.cumsum(rng.normal(0, 0.03, book.strict.shape[1]))
    book.strict[c] += drift - drift.mean()
    day = int(rng.integers(5, 60)) - before
    while day < days:
        length, height = int(rng.integers(8, 28)), rng.uniform(0.5, 1.3)
        ramp = np.minimum(1, np.minimum(np.arange(1, length + 1) / 3, np.arange(length, 0, -1) / 6)) * height
        at = day + before
        here = book.strict[c, max(at, 0) : at + length]
        here += ramp[: len(here)]
        day += length + int(rng.integers(25, 80))


def clock(hour: float) -> str:
    """An hour of the day as HH:MM."""
    return f"{int(hour):02d}:{round(hour % 1 * 60):02d}"


def _round(calls: float) -> float:
    step = 10 if calls >= 60 else 5 if calls >= 20 else 1
    return float(max(step, round(calls / step) * step))
