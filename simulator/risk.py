"""What carriers watch, and the chance that they ban a line on a day. The one place where the truth is stated.

At the midnight before a day each driver stands between 0 (nothing to see) and 1 (full effect); the log hazard is their
weighted sum, with weights that differ by carrier, how strict the carrier is just now, and what nobody can see.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.carriers import DRIVERS, Carriers
from simulator.chance import saturate
from simulator.days import MS_PER_DAY, WORKDAY
from simulator.fleet import Fleet, Pools

REASONS = (
    "high_frequency", "high_frequency", "complaints", "nuisance_marked", "nuisance_marked", "number_scanning", "roaming",
    "off_hours", "message_burst", "unverified_registrant", "new_number_abuse", "repeated_violation", "pool_review", "pool_review",
)  # fmt: skip
"""The reason a carrier gives, by driver."""
COUNTS = ("calls", "peak", "answered", "short", "scanned", "away", "off_hours", "message_peak", "complaints")
_MEMORY = {"load": 0.75, "peak": 0.75, "complaints": 0.89, "messages": 0.7}
_SHARES = 0.87
_PLACES = 0.82


@dataclass
class DayCounts:
    """What one day added, one value a line.

    In order: calls, most in one hour, answered, hung up within 5 s, scanned, away, outside
    permitted hours, most messages in one hour, and the weight of complaints made that day.
    """

    calls: NDArray[np.float64]
    peak: NDArray[np.float64]
    answered: NDArray[np.float64]
    short: NDArray[np.float64]
    scanned: NDArray[np.float64]
    away: NDArray[np.float64]
    off_hours: NDArray[np.float64]
    message_peak: NDArray[np.float64]
    complaints: NDArray[np.float64]

    @classmethod
    def none(cls, lines: int) -> DayCounts:
        """A day without anything."""
        return cls(**{name: np.zeros(lines) for name in COUNTS})


class Watch:
    """The carriers' memory of every line, pool and segment."""

    def __init__(self, carriers: Carriers, pools: Pools, before: int) -> None:
        self.carriers, self.pools, self.before = carriers, pools, before
        self.state: dict[str, NDArray[np.float64]] = {
            name: np.empty(0) for name in (*_MEMORY, "calls", "answered", "short", "scanned", "away", "off_hours")
        }
        self.pool_bans = np.zeros(len(pools.carrier))
        self.segment_bans = np.zeros(len(pools.prefixes))
        self.base = 0.0
        self.recent = np.full(len(carriers.lift_days), np.nan)

    def grow(self, lines: int) -> None:
        """Make room for lines leased since."""
        for name, values in self.state.items():
            self.state[name] = np.concatenate((values, np.zeros(lines - len(values))))

    def drivers(self, fleet: Fleet, day: int) -> NDArray[np.float64]:
        """[line, driver] at the midnight that begins `day`."""
        s, now = self.state, day * MS_PER_DAY
        n = s["calls"] + 6.0
        seen = s["calls"] / n
        answered = s["answered"] / n
        live = (fleet.activated <= now) & (fleet.deactivated > now)
        pool_size = np.bincount(fleet.pool[live], minlength=len(self.pool_bans)) + 8.0
        segment_size = np.bincount(fleet.segment[live], minlength=len(self.segment_bans)) + 6.0
        since_ban = np.maximum(now - fleet.banned_until, 0) / MS_PER_DAY
        columns = {
            "load": saturate(s["load"], 0.8),
            "peak": saturate(s["peak"], 1.2),
            "complaints": saturate(s["complaints"], 3.0),
            "short": seen * np.clip((s["short"] / (s["answered"] + 3.0) - 0.14) / 0.34, 0, 1),
            "unanswered": seen * np.clip((0.42 - answered) / 0.30, 0, 1),
            "scan": np.clip(s["scanned"] / n / 0.30, 0, 1),
            "away": np.clip(s["away"] / n / 0.40, 0, 1),
            "off_hours": np.clip(s["off_hours"] / n / 0.25, 0, 1),
            "messages": saturate(s["messages"], 1.0),
            "unverified": (~fleet.verified).astype(float),
            "young": np.exp(-np.maximum(now - fleet.activated, 0) / MS_PER_DAY / 12),
            "banned_before": np.where(fleet.bans > 0, np.exp(-since_ban / 35), 0.0),
            "pool": saturate((self.pool_bans / pool_size)[fleet.pool], 0.06),
            "segment": saturate((self.segment_bans / segment_size)[fleet.segment], 0.08),
        }
        return np.stack([columns[name] for name in DRIVERS], axis=1)

    def rate(self, fleet: Fleet, day: int, drivers: NDArray[np.float64], kind: int) -> NDArray[np.float64]:
        """Bans per line and day, times exp(-base): what the carriers make of it, given their mood on that day."""
        c = fleet.carrier
        push = np.einsum("ij,ij->i", drivers, self.carriers.weight[c])
        hidden = fleet.frailty - 0.35 * self.pools.quality[fleet.pool]
        effort = 1.0 if kind == WORKDAY else self.carriers.weekend[c]
        active = saturate(self.state["calls"], 8.0)  # who hardly calls is hardly seen
        mood = self.carriers.strict[c, day + self.before] + self.eased()[c]
        return np.exp(push + hidden + mood) * effort * (0.1 + 0.9 * active)

    def eased(self) -> NDArray[np.float64]:
        """[carrier] log hazard by which carriers hold back after many bans, and look closer after few: reviewers are few."""
        return np.nan_to_num(np.clip(-0.7 * np.log(self.recent), -1.2, 0.5))

    def hazard(self, rate: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probability of a ban on the day."""
        return np.minimum(1 - np.exp(-rate * np.exp(self.base)), 0.35)

    def settle(self, rate: NDArray[np.float64], daily: float) -> None:
        """Set the base so that these lines are banned with mean probability `daily`."""
        low, high = -25.0, 5.0
        for _ in range(60):
            self.base = (low + high) / 2
            low, high = (self.base, high) if self.hazard(rate).mean() < daily else (low, self.base)

    def see(self, fleet: Fleet, day: int, counts: DayCounts) -> None:
        """Take in what lines did on a day."""
        c, s, at = fleet.carrier, self.state, day + self.before
        fresh = {
            "load": np.maximum(0, counts.calls / self.carriers.daily[c, at] - 0.6),
            "peak": np.maximum(0, counts.peak / self.carriers.hourly[c, at] - 0.6),
            "complaints": counts.complaints,
            "messages": np.maximum(0, counts.message_peak / 30.0 - 0.5),
        }
        for name, memory in _MEMORY.items():
            s[name] = memory * s[name] + fresh[name]
        for name in ("calls", "answered", "short", "scanned", "away", "off_hours"):
            s[name] = _SHARES * s[name] + getattr(counts, name)

    def banned(self, fleet: Fleet, lines: NDArray[np.int64], usual: NDArray[np.float64]) -> None:
        """Remember the bans of a day in their carriers, pools and segments; the older ones fade.

        usual: [carrier] bans that the carrier's reviewers are used to on a day.
        """
        today = np.bincount(fleet.carrier[lines], minlength=len(self.recent)) / np.maximum(usual, 1e-9)
        self.recent = np.maximum(np.where(np.isnan(self.recent), 1.0, 0.94 * self.recent + 0.06 * today), 0.05)
        self.pool_bans = _PLACES * self.pool_bans + np.bincount(fleet.pool[lines], minlength=len(self.pool_bans))
        self.segment_bans = _PLACES * self.segment_bans + np.bincount(fleet.segment[lines], minlength=len(self.segment_bans))
