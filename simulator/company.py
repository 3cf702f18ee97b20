"""How the company works on a day: what each line is set to do, and the messages it sends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.chance import saturate
from simulator.days import MS_PER_DAY, WORKDAY
from simulator.fleet import REGIONS, Fleet
from simulator.teams import Teams
from simulator.traffic import Plan, number_of

_HOUR = 3_600_000
PER_GATEWAY = 16
"""Lines in one SIM gateway."""


def plan_day(fleet: Fleet, teams: Teams, day: int, before: int, caution: NDArray[np.float64], rng: np.random.Generator) -> Plan:
    """What the lines that can call on a day will do. caution: [team] share by which a team slows down just now."""
    now = day * MS_PER_DAY
    today = (fleet.banned_from >= now) & (fleet.banned_from < now + MS_PER_DAY)
    since = np.where(today, 0, np.maximum(np.maximum(fleet.activated, fleet.banned_until) - now, 0))
    until = np.minimum(np.where(today, np.minimum(fleet.deactivated, fleet.banned_from), fleet.deactivated) - now, MS_PER_DAY)
    line = np.flatnonzero((since < until) & (until > 0))
    since, until = since[line], until[line]
    n, at, team = len(line), day + before, fleet.team[line]
    age = np.maximum(now - fleet.activated[line], 0) / MS_PER_DAY
    rested = np.maximum(now - fleet.banned_until[line], 0) / MS_PER_DAY
    warm = np.minimum(1.0, 0.45 + 0.08 * age)
    shy = np.where((fleet.bans[line] > 0) & (rested < 10), 0.7, 1.0)
    manner = np.exp(fleet.manner[line])
    mean = teams.pace[team, at] * fleet.own_pace[line] * np.exp(fleet.drift[line]) * warm * shy * (1 - caution[team])
    mean = np.minimum(mean, 5.0 * teams.usual)  # nobody dials faster all day
    bursting = rng.random(n) < 0.35
    gateway = teams.gateway[team]
    agent = (fleet.scans[line] * 1e6).astype(np.int64) + rng.integers(0, 2, n)  # one of two who share the line
    return Plan(
        line=line,
        calls=rng.poisson(mean * rng.gamma(5.0, 0.2, n)),
        profile=teams.profile[team],
        burst=np.where(bursting, np.minimum(teams.burst[team, at] * 2.4, 0.8), 0.01),
        burst_at=(rng.uniform(9.0, 18.0, n) * _HOUR).astype(np.int64),
        answer=teams.answer[team] * (1 - 0.5 * saturate(fleet.mark[line], 1.5)),
        short=np.clip(teams.short[team, at] * manner**0.6 * (1 + 0.4 * saturate(fleet.mark[line], 1.5)), 0.01, 0.85),
        talk=teams.talk[team] * manner**-0.2,
        refuse=np.clip(0.15 + 0.25 * saturate(fleet.mark[line], 1.0), 0, 0.6),
        scan=np.clip(teams.scan[team, at] * fleet.scans[line], 0, 0.9),
        repeat=teams.repeat[team],
        customers=teams.customers[team],
        turnover=teams.turnover[team],
        list_from=teams.list_from[team],
        list_size=teams.list_size[team],
        complain=teams.complain[team, at] * manner,
        away=np.where(rng.random(n) < 0.85, fleet.away[line], 0.0),
        regions=np.full(n, len(REGIONS)),
        region=fleet.region[line],
        agent=teams.agent_from[team] + agent % teams.agents[team],
        device=np.where(gateway, (line + day // 9) // PER_GATEWAY * PER_GATEWAY, line),
        since_ms=since,
        until_ms=until,
    )


def messages_of(
    plan: Plan, fleet: Fleet, teams: Teams, kind: int, rng: np.random.Generator
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Place in the plan, local ms and recipient of each message of a day, sorted by line and time."""
    n, team = len(plan.line), fleet.team[plan.line]
    usual = rng.poisson(teams.messages[team] * (1.0 if kind == WORKDAY else 0.3) * rng.gamma(2.0, 0.5, n))
    bursts = np.where(
        rng.random(n) < teams.sends_bursts[team] * np.minimum(fleet.scans[plan.line], 3), rng.integers(40, 260, n), 0
    )
    row = np.concatenate((np.repeat(np.arange(n), usual), np.repeat(np.arange(n), bursts)))
    u = rng.random(len(row))
    ms = ((9.0 + 9.5 * u) * _HOUR).astype(np.int64)
    burst = np.arange(len(row)) >= usual.sum()
    ms[burst] = plan.burst_at[row[burst]] + (u[burst] * 0.8 * _HOUR).astype(np.int64)
    order = np.lexsort((ms, row))
    row, ms = row[order], ms[order]
    keep = (ms >= plan.since_ms[row]) & (ms < plan.until_ms[row])
    row, ms = row[keep], ms[keep]
    to = number_of((plan.list_from[row] + rng.random(len(row)) * plan.list_size[row]).astype(np.uint64))
    return row, ms, to
