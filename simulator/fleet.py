"""Pools of numbers and the lines leased from them; a line given up is replaced by a new one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.carriers import NAMES, SHARES
from simulator.chance import pick, stream
from simulator.days import MS_PER_DAY
from simulator.teams import Teams

REGIONS = (
    "beijing", "shanghai", "guangdong", "jiangsu", "zhejiang", "shandong", "sichuan", "hubei", "henan", "fujian", "hunan",
    "anhui", "hebei", "shaanxi", "liaoning", "chongqing",
)  # fmt: skip
NEVER = np.int64(1 << 60)


@dataclass
class Pools:
    """Pools of numbers. opened: day of the world. quality: about -1.5 (worn out) to 1.5 (clean). segments: first and how many."""

    carrier: NDArray[np.int64]
    region: NDArray[np.int64]
    opened: NDArray[np.int64]
    quality: NDArray[np.float64]
    size: NDArray[np.float64]
    segment_from: NDArray[np.int64]
    segments: NDArray[np.int64]
    prefixes: list[str]


@dataclass
class Fleet:
    """Every line that was ever leased, as arrays by line.

    activated, deactivated, banned_from, banned_until: local milliseconds of the world (NEVER where not). frailty: what nobody
    can see. own_pace: the line's lasting share of its team's pace; drift: a slow walk on it. mark: how widely apps mark it.
    away: share of its calls from other regions. manner: how much its callers mind its calls. scans: its share of the team's
    scanning.
    """

    now: dict[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.now["carrier"])

    def __getattr__(self, name: str) -> NDArray[Any]:
        try:
            return self.__dict__["now"][name]
        except KeyError:
            raise AttributeError(name) from None

    def add(self, rows: dict[str, NDArray[Any]]) -> None:
        """Append new lines."""
        self.now = {k: np.concatenate((self.now[k], v)) for k, v in rows.items()} if self.now else dict(rows)


def make_pools(seed: int, days: int, lines: int) -> Pools:
    """Pools in proportion to the size of the company; some open while the world runs."""
    rng = stream(seed, "pools")
    n = max(8, lines // 60)
    carrier = pick(rng, SHARES, n)
    carrier[:8] = np.tile(np.arange(len(NAMES)), 2)
    opened = -np.minimum(rng.exponential(300, n), 1500).astype(np.int64) - 5
    late = rng.random(n) < 0.2
    late[:8] = False
    opened[late] = rng.integers(0, max(2, days), late.sum())
    segments = rng.integers(1, 4, n)
    return Pools(
        carrier=carrier,
        region=rng.integers(0, len(REGIONS), n),
        opened=opened,
        quality=np.clip(rng.normal(0, 0.8, n), -1.5, 1.5),
        size=rng.pareto(1.8, n) + 0.5,
        segment_from=np.concatenate(([0], np.cumsum(segments)[:-1])),
        segments=segments,
        prefixes=[f"{p:07d}" for p in 1_700_000 + rng.choice(90_000, int(segments.sum()), replace=False)],
    )


def new_lines(
    rng: np.random.Generator, pools: Pools, teams: Teams, day: int, team: NDArray[np.int64], activated: NDArray[np.int64]
) -> dict[str, NDArray[Any]]:
    """Lines for these teams, leased on `day` from pools that are open then. Poor trades get poorer pools."""
    n = len(team)
    open_now = pools.opened <= day
    taste = np.array([0.5, 0.1, -0.1, -0.5])[teams.trade[team]]
    pool = np.empty(n, dtype=np.int64)
    for liking in np.unique(taste):
        here = taste == liking
        pool[here] = pick(rng, np.where(open_now, pools.size * np.exp(liking * pools.quality), 0.0), int(here.sum()))
    return {
        "carrier": pools.carrier[pool],
        "pool": pool,
        "segment": pools.segment_from[pool] + (rng.random(n) * pools.segments[pool]).astype(np.int64),
        "team": team,
        "region": np.where(rng.random(n) < 0.9, pools.region[pool], rng.integers(0, len(REGIONS), n)),
        "verified": rng.random(n) < np.clip(0.93 + 0.05 * pools.quality[pool] - 0.12 * (teams.trade[team] == 3), 0.3, 1),
        "activated": activated,
        "deactivated": np.full(n, NEVER),
        "banned_from": np.full(n, NEVER),
        "banned_until": np.full(n, -NEVER),
        "bans": np.zeros(n, dtype=np.int64),
        "own_pace": np.exp(rng.normal(0, 0.26, n)),
        "drift": rng.normal(0, 0.25, n),
        "frailty": rng.normal(0, 0.35, n),
        "away": np.where(teams.gateway[team] & (rng.random(n) < 0.6), rng.uniform(0.15, 0.9, n), rng.exponential(0.006, n)),
        "mark": np.zeros(n),
        "manner": rng.normal(0, 0.5, n),
        "scans": np.exp(rng.normal(-0.25, 0.7, n)),
    }


def first_fleet(seed: int, pools: Pools, teams: Teams, lines: int, before: int) -> Fleet:
    """The company as day -before begins: lines of all ages."""
    rng = stream(seed, "fleet")
    team = pick(rng, teams.weight, lines)
    age = np.minimum(rng.exponential(220, lines), 1400) + 1
    fleet = Fleet()
    rows = new_lines(rng, pools, teams, -before, team, np.zeros(lines, dtype=np.int64))
    age = np.minimum(age, np.maximum(-pools.opened[rows["pool"]] - before, 1) + rng.random(lines))
    rows["activated"] = ((-before - age) * MS_PER_DAY).astype(np.int64)
    fleet.add(rows)
    return fleet
