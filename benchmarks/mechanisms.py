"""Four ways to ban lines, each another than the simulator's, for judging forecasts on worlds that nobody tuned them for.

A mechanism sees what lines did (`see`, every evening) and draws the bans of a day at its midnight (`draw`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass
class Lines:
    """Lines as arrays: carrier, pool, segment; activated in ms of the world; tolerance: luck of the line with its carrier."""

    carrier: NDArray[np.int64]
    pool: NDArray[np.int64]
    segment: NDArray[np.int64]
    activated: NDArray[np.int64]
    carriers: int


@dataclass
class Seen:
    """What each line did on a day: calls, most in an hour, answered, hung up early, to strangers; complaints and their delays.

    complainant: the line of each complaint made because of that day's calls; reaches: the day on which the carrier has it.
    guarded: calls to people whose phones report callers by themselves.
    """

    calls: Floats
    peak: Floats
    answered: Floats
    short: Floats
    strangers: Floats
    guarded: Floats
    complainant: NDArray[np.int64]
    reaches: NDArray[np.int64]


class Mechanism(Protocol):
    """How bans come about."""

    notices: list[dict[str, Any]]

    def draw(self, day: int, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """For each line: probability of a ban on this day, known at its midnight, and whether it comes; 0 where not `able`."""
        ...

    def see(self, day: int, seen: Seen, rng: np.random.Generator) -> None:
        """Take in a day."""
        ...

    def banned(self, day: int, hit: NDArray[np.int64]) -> None:
        """Take in the lines banned on a day."""
        ...


def _toss(hazard: Floats, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    hazard = np.where(able, hazard, 0.0)
    return hazard, rng.random(len(hazard)) < hazard


class Threshold:
    """Hard limits on an hour's and a day's calls; each excess is a strike, and strikes of the last six days ban by lot.

    Every 45 days a carrier sets its limits anew, from what its lines did, and publishes them rounded. How far beyond a limit
    it looks away differs by carrier and is not published.
    """

    def __init__(self, lines: Lines, rng: np.random.Generator) -> None:
        self.lines = lines
        self.notices: list[dict[str, Any]] = []
        self.slack = rng.uniform(1.0, 1.3, lines.carriers)
        self.odds = rng.uniform(0.04, 0.11, lines.carriers)
        self.phase = rng.integers(0, 45, lines.carriers)
        self.daily = np.full(lines.carriers, np.inf)
        self.hourly = np.full(lines.carriers, np.inf)
        self.strikes = np.zeros((6, len(lines.carrier)))
        self.past: list[tuple[Floats, Floats]] = []

    def draw(self, day: int, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """Each strike is a lot; very rarely a line is banned without one."""
        strikes = self.strikes.sum(axis=0)
        return _toss(1 - (1 - self.odds[self.lines.carrier]) ** strikes * (1 - 0.0002), able, rng)

    def see(self, day: int, seen: Seen, rng: np.random.Generator) -> None:
        """Limits are reviewed, then the day's excesses counted."""
        self.past = [*self.past[-13:], (seen.calls, seen.peak)]
        for c in range(self.lines.carriers):
            first = not np.isfinite(self.daily[c]) and len(self.past) == 14
            mine = self.lines.carrier == c
            calls, peak = (np.concatenate([past[i][mine] for past in self.past]) for i in (0, 1))
            if (first or (day > 20 and (day + self.phase[c]) % 45 == 0)) and calls.any():
                self.daily[c] = np.ceil(np.quantile(calls[calls > 0], 0.985) / 5) * 5
                self.hourly[c] = np.ceil(np.quantile(peak[peak > 0], 0.99))
                self.notices.append(
                    {"carrier": c, "day": day + 1, "daily_call_limit": self.daily[c], "hourly_call_limit": self.hourly[c]}
                )
        daily, hourly = ((limit * self.slack)[self.lines.carrier] for limit in (self.daily, self.hourly))
        over = (seen.calls > daily).astype(float) + (seen.peak > hourly)
        self.strikes = np.concatenate((self.strikes[1:], over[None]))

    def banned(self, day: int, hit: NDArray[np.int64]) -> None:
        """A ban settles the strikes."""
        self.strikes[:, hit] = 0


class Complaints:
    """Complaints reach the carrier days later and weigh less as time passes; phones that report callers add silent marks."""

    def __init__(self, lines: Lines, rng: np.random.Generator) -> None:
        self.lines = lines
        self.notices: list[dict[str, Any]] = []
        self.steep = rng.uniform(1.0, 1.6, lines.carriers)
        self.half_life = rng.uniform(8, 18, lines.carriers)
        self.score = np.zeros(len(lines.carrier))
        self.marks = np.zeros(len(lines.carrier))
        self.coming: dict[int, list[NDArray[np.int64]]] = {}
        self.level = 0.0

    def draw(self, day: int, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """Logistic in the score; the middle is where a carrier's staff can still follow (0.36 % of lines a day)."""
        push = self.steep[self.lines.carrier] * self.score + 1.6 * np.log1p(self.marks / 3)
        if able.any() and day % 7 == 0:
            low, high = -20.0, 5.0
            for _ in range(50):
                self.level = (low + high) / 2
                many = (0.35 / (1 + np.exp(-(push[able] + self.level)))).mean() > 0.0036
                low, high = (low, self.level) if many else (self.level, high)
        return _toss(0.35 / (1 + np.exp(-(push + self.level))), able, rng)

    def see(self, day: int, seen: Seen, rng: np.random.Generator) -> None:
        """What reaches the carrier on this day counts from tomorrow."""
        for when in np.unique(seen.reaches):
            self.coming.setdefault(int(when), []).append(seen.complainant[seen.reaches == when])
        self.score *= 0.5 ** (1 / self.half_life[self.lines.carrier])
        for lines in self.coming.pop(day, []):
            self.score += np.bincount(lines, minlength=len(self.score))
        self.marks = 0.7 * self.marks + seen.guarded * (0.2 + 0.8 * seen.short / np.maximum(seen.answered, 1))

    def banned(self, day: int, hit: NDArray[np.int64]) -> None:
        """The score is halved."""
        self.score[hit] *= 0.5


class Pool:
    """Contagion: a ban heats its pool and its segment; on days that nobody knows a carrier sweeps what is hot."""

    SWEEP = 1 / 8

    def __init__(self, lines: Lines, rng: np.random.Generator) -> None:
        self.lines = lines
        self.notices: list[dict[str, Any]] = []
        pools, segments = int(lines.pool.max()) + 1, int(lines.segment.max()) + 1
        self.dirty = np.exp(rng.normal(0, 1.3, pools))
        self.dirty /= self.dirty[lines.pool].mean()
        self.heat, self.segment_heat = np.zeros(pools), np.zeros(segments)
        self.size = np.maximum(np.bincount(lines.pool, minlength=pools), 5)
        self.segment_size = np.maximum(np.bincount(lines.segment, minlength=segments), 4)
        self.threshold = rng.uniform(0.05, 0.09, lines.carriers)
        self.busy = np.zeros(len(lines.carrier))

    def draw(self, day: int, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """Sparks strike lines of dirty pools, the busier ones rather; a sweep takes part of what is hot."""
        lines = self.lines
        near = (self.heat / self.size)[lines.pool] + 0.7 * (self.segment_heat / self.segment_size)[lines.segment]
        hot = near > self.threshold[lines.carrier]
        young = (day * 86_400_000 - lines.activated) < 21 * 86_400_000
        spark = 0.0006 * self.dirty[lines.pool] * (0.5 + self.busy) * np.where(young, 2.0, 1.0) + 0.01 * np.minimum(near, 0.5)
        spark = np.minimum(spark, 0.2)
        swept = hot * np.where(young, 0.36, 0.22)
        today = (rng.random(lines.carriers) < self.SWEEP)[lines.carrier]
        chance = np.where(able, 1 - (1 - spark) * (1 - today * swept), 0.0)
        hazard = np.where(able, 1 - (1 - spark) * (1 - self.SWEEP * swept), 0.0)
        return hazard, rng.random(len(chance)) < chance

    def see(self, day: int, seen: Seen, rng: np.random.Generator) -> None:
        """How busy a line is against all lines, over about a week."""
        self.busy = 0.85 * self.busy + 0.15 * seen.calls / max(seen.calls.mean(), 1e-9)

    def banned(self, day: int, hit: NDArray[np.int64]) -> None:
        """Heat rises with each ban and fades within a fortnight."""
        self.heat = 0.86 * self.heat + np.bincount(self.lines.pool[hit], minlength=len(self.heat))
        more = np.bincount(self.lines.segment[hit], minlength=len(self.segment_heat))
        self.segment_heat = 0.9 * self.segment_heat + more


class Quality:
    """A carrier compares each line with the average of its lines over nine days: early hang-ups, answers, strangers called.

    A fifth of the bans are drawn at random.
    """

    DAILY = 0.0037

    def __init__(self, lines: Lines, rng: np.random.Generator) -> None:
        self.lines = lines
        self.notices: list[dict[str, Any]] = []
        self.past: list[Floats] = []
        self.taste = rng.dirichlet((3, 3, 3), lines.carriers) * 9.5

    def draw(self, day: int, able: NDArray[np.bool_], rng: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
        """In proportion to exp of the weighted distance from the average, for lines with at least thirty calls."""
        if not self.past or not able.any():
            return _toss(np.full(len(able), self.DAILY), able, rng)
        calls, answered, short, strangers = np.sum(self.past, axis=0)
        enough = (calls >= 30) & able
        shares = np.stack(
            (short / np.maximum(answered, 1), 1 - answered / np.maximum(calls, 1), strangers / np.maximum(calls, 1))
        )
        odd = np.zeros(len(able))
        for c in range(self.lines.carriers):
            mine = enough & (self.lines.carrier == c)
            if mine.sum() > 3:
                z = (shares[:, mine] - shares[:, mine].mean(axis=1)[:, None]) / (shares[:, mine].std(axis=1)[:, None] + 1e-9)
                odd[mine] = self.taste[c] @ np.clip(z, -2, 3) / 3
        weight = np.exp(odd) * enough
        chosen = 0.8 * self.DAILY * able.sum() * weight / max(weight.sum(), 1e-9)
        return _toss(np.minimum(chosen, 0.4) + 0.2 * self.DAILY, able, rng)

    def see(self, day: int, seen: Seen, rng: np.random.Generator) -> None:
        """Keep nine days."""
        self.past = [*self.past[-8:], np.stack((seen.calls, seen.answered, seen.short, seen.strangers))]

    def banned(self, day: int, hit: NDArray[np.int64]) -> None:
        """Nothing is remembered."""


MECHANISMS: dict[str, type[Threshold] | type[Complaints] | type[Pool] | type[Quality]] = {
    "threshold": Threshold,
    "complaints": Complaints,
    "pool": Pool,
    "quality": Quality,
}
