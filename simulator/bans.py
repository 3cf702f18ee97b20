"""Bans: who, when, why, when it is lifted, when the company learns of it, and appeals."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.carriers import Carriers
from simulator.days import MS_PER_DAY
from simulator.fleet import NEVER, Fleet
from simulator.risk import REASONS

_HOUR = 3_600_000


@dataclass
class Bans:
    """The bans so far, as lists of arrays; times in local milliseconds of the world, NEVER where not."""

    rows: list[dict[str, NDArray[np.generic]]] = field(default_factory=list)

    def gathered(self) -> dict[str, NDArray[np.generic]]:
        """All of them, in order of time."""
        names = ("line", "banned", "lifted", "reported", "appealed", "won", "reason")
        if not self.rows:
            return {name: np.empty(0, dtype=np.int64) for name in names}
        got = {name: np.concatenate([row[name] for row in self.rows]) for name in names}
        order = np.lexsort((got["line"], got["banned"]))
        return {name: values[order] for name, values in got.items()}


def moment_of_ban(rng: np.random.Generator, n: int) -> NDArray[np.int64]:
    """Milliseconds of the day: two thirds in office hours, the rest whenever a rule engine runs."""
    office = rng.random(n) < 0.65
    return (np.where(office, 9 + 9 * rng.random(n), 24 * rng.random(n)) * _HOUR).astype(np.int64)


def give_reasons(rng: np.random.Generator, push: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index into REASONS of the reason given for each ban; push: [ban, driver] effects on the log hazard. -1: none given."""
    weight = np.maximum(push, 0) ** 2 + 1e-3
    edges = np.cumsum(weight, axis=1) / weight.sum(axis=1, keepdims=True)
    reason = np.minimum((rng.random(len(push))[:, None] > edges).sum(axis=1), len(REASONS) - 1)
    return np.where(rng.random(len(push)) < 0.12, -1, reason)


def ban(
    rng: np.random.Generator, fleet: Fleet, carriers: Carriers, day: int, lines: NDArray[np.int64], reason: NDArray[np.int64]
) -> dict[str, NDArray[np.generic]]:
    """Ban these lines on a day, in the fleet too; the rows of the table."""
    n, c = len(lines), fleet.carrier[lines]
    banned = day * MS_PER_DAY + moment_of_ban(rng, n)
    for_ever = rng.random(n) < np.minimum(carriers.permanent[c] * (1 + 0.4 * fleet.bans[lines]), 0.8)
    length = carriers.lift_days[c] * np.exp(rng.normal(0, 0.7, n))
    appeals = rng.random(n) < 0.38
    appealed = np.where(appeals, banned + (0.3 + rng.exponential(1.2, n)) * MS_PER_DAY, NEVER).astype(np.int64)
    won = appeals & (rng.random(n) < 0.35)
    answered = appealed + ((1 + rng.exponential(2.0, n)) * MS_PER_DAY).astype(np.int64)
    lifted = np.where(for_ever, NEVER, banned + (np.maximum(length, 0.5) * MS_PER_DAY).astype(np.int64))
    lifted = np.where(won, np.minimum(lifted, answered), lifted)
    late = np.where(rng.random(n) < 0.7, rng.exponential(1.0, n), rng.exponential(20.0, n))
    fleet.banned_from[lines], fleet.banned_until[lines] = banned, lifted
    fleet.bans[lines] += 1
    gives_up = lifted == NEVER
    fleet.deactivated[lines[gives_up]] = banned[gives_up] + (rng.uniform(3, 15, gives_up.sum()) * MS_PER_DAY).astype(np.int64)
    return {
        "line": lines,
        "banned": banned,
        "lifted": lifted,
        "reported": banned + (np.minimum(late, 96) * _HOUR).astype(np.int64) + 60_000,
        "appealed": np.where(appealed < lifted, appealed, NEVER),
        "won": won & (appealed < lifted),
        "reason": reason,
    }
