"""Teams and how they work on each day: their trade, their habits, campaigns, and what they learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.chance import pick, stream
from simulator.days import HOLIDAY, SATURDAY, SUNDAY, Days

TRADES = ("care", "sales", "collection", "blast")
_SHARES = np.array([0.22, 0.46, 0.17, 0.15])
_TRAITS = {  # care, sales, collection, blast
    "pace": (0.65, 1.0, 1.1, 1.35),
    "answer": (0.66, 0.44, 0.40, 0.30),
    "short": (0.07, 0.20, 0.24, 0.36),
    "talk": (85.0, 42.0, 48.0, 24.0),
    "scan": (0.0, 0.03, 0.0, 0.28),
    "repeat": (0.50, 0.14, 0.58, 0.03),
    "customers": (45.0, 30.0, 18.0, 20.0),
    "turnover": (2.0, 5.0, 0.6, 10.0),
    "complain": (0.00012, 0.0007, 0.0012, 0.0017),
    "burst": (0.0, 0.03, 0.04, 0.16),
    "messages": (2.5, 1.5, 3.0, 6.0),
    "saturday": (0.55, 0.40, 0.45, 0.75),
    "sunday": (0.15, 0.10, 0.25, 0.60),
    "holiday": (0.05, 0.05, 0.12, 0.45),
}
_PROFILES = np.array([[0.6, 0.3, 0.1, 0, 0], [0.55, 0.15, 0.25, 0.05, 0], [0.2, 0, 0.2, 0.6, 0], [0.1, 0, 0.45, 0.1, 0.35]])


@dataclass
class Teams:
    """n teams over the days of a world. Arrays [team] or, where a day matters, [team, day], day 0 being day -before.

    trade: index into TRADES. profile: index into traffic.PROFILES. handles: share of complaints that it settles, so that they
    weigh less. careful: how much it slows down after a ban of its own. agents, agent_from: how many and the first one's number.
    gateway: its lines sit in a SIM gateway, which makes them appear in many regions. sends_bursts: chance a day of a burst of
    messages. pace, complain, scan, burst, short: of that day, campaigns, training and drift included; pace includes weekends.
    weight: share of the lines.
    usual: calls a line places a day, on average. The other arrays are named as in traffic.Plan.
    """

    trade: NDArray[np.int64]
    profile: NDArray[np.int64]
    handles: NDArray[np.float64]
    careful: NDArray[np.float64]
    agents: NDArray[np.int64]
    agent_from: NDArray[np.int64]
    gateway: NDArray[np.bool_]
    sends_bursts: NDArray[np.float64]
    answer: NDArray[np.float64]
    talk: NDArray[np.float64]
    repeat: NDArray[np.float64]
    customers: NDArray[np.float64]
    turnover: NDArray[np.float64]
    messages: NDArray[np.float64]
    list_from: NDArray[np.float64]
    list_size: NDArray[np.float64]
    pace: NDArray[np.float64]
    complain: NDArray[np.float64]
    scan: NDArray[np.float64]
    burst: NDArray[np.float64]
    short: NDArray[np.float64]
    weight: NDArray[np.float64]
    usual: float

    def __len__(self) -> int:
        return len(self.trade)


def make_teams(seed: int, calendar: Days, days: int, lines: int, calls_per_line_day: float) -> Teams:
    """The teams of a company of `lines` lines; their mean pace over the days 0 .. days-1 is `calls_per_line_day`."""
    rng = stream(seed, "teams")
    n = max(4, lines // 40)
    trade = pick(rng, _SHARES, n)
    trade[:4] = range(4)  # every trade is there, in a small world too
    weight = rng.gamma(3.0, 1.0, n) * np.array([1.0, 1.0, 0.9, 0.6])[trade]
    weight /= weight.sum()
    base = {name: np.array(values)[trade] * np.exp(rng.normal(0, 0.22, n)) for name, values in _TRAITS.items()}
    span = calendar.before + days
    kinds = calendar.kinds[:span]
    rest = np.ones((n, span))
    for kind, name in ((SATURDAY, "saturday"), (SUNDAY, "sunday"), (HOLIDAY, "holiday")):
        rest[:, kinds == kind] = np.minimum(base[name], 1.0)[:, None]
    by_day = {name: np.repeat(base[name][:, None], span, axis=1) for name in ("pace", "complain", "scan", "burst", "short")}
    by_day["pace"] *= rest
    _drift(by_day, rng)
    for team in range(n):
        _events(by_day, team, trade[team], rng)
    by_day["scan"] = np.clip(by_day["scan"], 0, 0.8)
    by_day["burst"] = np.clip(by_day["burst"], 0, 0.7)
    by_day["short"] = np.clip(by_day["short"], 0.02, 0.75)
    by_day["pace"] *= calls_per_line_day / (weight @ by_day["pace"][:, calendar.before :]).mean()
    gateway = rng.random(n) < np.array([0.0, 0.06, 0.1, 0.45])[trade]
    gateway[3] |= not gateway.any()
    agents = np.maximum(2, np.round(weight * lines * rng.uniform(0.7, 1.6, n))).astype(np.int64)
    people = max(400_000, int(lines * calls_per_line_day * 60))
    size = np.maximum(5_000, weight * lines * calls_per_line_day * rng.uniform(20, 90, n))
    return Teams(
        trade=trade,
        profile=np.array([rng.choice(len(row), p=row) for row in _PROFILES[trade]]),
        handles=np.clip(np.array([0.7, 0.35, 0.25, 0.1])[trade] + rng.normal(0, 0.15, n), 0, 0.9),
        careful=np.clip(np.array([0.5, 0.3, 0.2, 0.05])[trade] + rng.normal(0, 0.1, n), 0, 0.7),
        agents=agents,
        agent_from=np.concatenate(([0], np.cumsum(agents)[:-1])),
        gateway=gateway,
        sends_bursts=np.array([0.002, 0.01, 0.008, 0.05])[trade] * np.exp(rng.normal(0, 0.6, n)),
        answer=np.clip(base["answer"], 0.08, 0.85),
        talk=base["talk"],
        repeat=np.clip(base["repeat"], 0, 0.75),
        customers=base["customers"] * max(0.2, calls_per_line_day / 40),
        turnover=base["turnover"] * max(0.2, calls_per_line_day / 40),
        messages=base["messages"],
        list_from=rng.random(n) * people,
        list_size=size,
        weight=weight,
        usual=calls_per_line_day,
        **by_day,
    )


def _drift(by_day: dict[str, NDArray[np.float64]], rng: np.random.Generator) -> None:
    """Slow change of habits: a mean-reverting walk for pace, quality of lists and of talk."""
    n, span = by_day["pace"].shape
    for name, size in (("pace", 0.06), ("complain", 0.09), ("short", 0.05), ("scan", 0.10)):
        walk, steps = np.zeros((n, span)), rng.normal(0, size, (n, span))
        for day in range(1, span):
            walk[:, day] = 0.97 * walk[:, day - 1] + steps[:, day]
        by_day[name] *= np.exp(walk)


def _events(by_day: dict[str, NDArray[np.float64]], team: int, trade: int, rng: np.random.Generator) -> None:
    """Campaigns of a week or so; now and then a training that lasts, or a bought list that spoils the team for a month."""
    span = by_day["pace"].shape[1]
    day = int(rng.integers(0, 30))
    while day < span:
        days = slice(day, day + int(rng.integers(4, 13)))
        by_day["pace"][team, days] *= rng.uniform(1.2, (1.4, 2.0, 1.6, 2.1)[trade])
        by_day["complain"][team, days] *= rng.uniform(0.9, 2.0)
        if trade in (1, 3):
            by_day["scan"][team, days] += rng.uniform(0, 0.22) * (rng.random() < 0.5)
            by_day["burst"][team, days] += rng.uniform(0, 0.25)
        day += int(rng.integers(12, 55))
    if rng.random() < 0.5:
        days = slice(int(rng.integers(0, span)), span)
        by_day["short"][team, days] *= 0.7
        by_day["complain"][team, days] *= 0.6
    if rng.random() < 0.4:
        day = int(rng.integers(0, span))
        days = slice(day, day + 30)
        by_day["short"][team, days] *= 1.4
        by_day["complain"][team, days] *= 1.9
