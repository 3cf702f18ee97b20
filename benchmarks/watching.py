"""How often the policy watch alarms for nothing, and how soon for a reason: `python -m benchmarks.watching`, a Markdown table.

Histories are drawn by another recipe than the watch's own simulation: bans follow the weekday and cluster by the day and by the
week, and the forecast's level is off. The seed is fixed. Just under a minute; --carriers 20 is quick.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from data_schemas.clock import day_date, day_number
from data_schemas.settings import WatchSettings
from models.watch import policy_alarms

FIRST = day_number(date(2026, 1, 5))
WEEK = np.array([1.2, 1.2, 1.2, 1.2, 1.2, 0.6, 0.4])
CHANGE, AFTER = 120, 90
"""Days until carriers double their strictness, and days watched then."""


@dataclass(frozen=True)
class Case:
    """Bans expected a day, variance to mean of a day, the same of a week beyond the days', and bans to forecast bans."""

    bans: float
    daily: float
    weekly: float
    level: float


CASES = tuple(
    Case(bans, daily, weekly, level)
    for bans in (0.3, 1.0, 2.0, 3.0, 10.0)
    for daily, weekly in ((1.0, 0.0), (1.5, 0.0), (1.5, 0.5), (2.5, 0.0))
    for level in (1.0, 1.15)
)


def histories(case: Case, carriers: int, days: int, rng: np.random.Generator, change: int | None = None) -> pd.DataFrame:
    """Expected and observed bans of carriers that know nothing of each other: the frame of models.watch.watch.

    change: day from which there are twice as many bans.
    """
    expected = case.bans * WEEK[np.arange(days) % 7]
    rate = np.tile(expected * case.level, (carriers, 1))
    if case.weekly:
        # A shared factor of mean 1 and variance v for a week of m bans adds v * m to variance to mean.
        spread = case.weekly / (7 * case.bans)
        rate *= np.repeat(rng.gamma(1 / spread, spread, (carriers, days // 7 + 1)), 7, axis=1)[:, :days]
    if change is not None:
        rate[:, change:] *= 2
    if case.daily > 1:
        rate = rng.gamma(rate / (case.daily - 1), case.daily - 1)
    return pd.DataFrame(
        {
            "carrier": np.repeat([f"C{number:04d}" for number in range(carriers)], days),
            "day": np.tile(FIRST + np.arange(days), carriers),
            "expected": np.tile(expected, carriers),
            "observed": rng.poisson(rate).ravel(),
        }
    )


def false_alarms(case: Case, settings: WatchSettings, carriers: int, rng: np.random.Generator) -> float:
    """Alarms a carrier and year, over the first year of each, while nothing changes."""
    return len(policy_alarms(histories(case, carriers, 365, rng), settings)) / carriers


def delays(case: Case, settings: WatchSettings, carriers: int, rng: np.random.Generator) -> np.ndarray:
    """Days from a doubling until the morning of the first alarm, a carrier each; infinity for none within AFTER days.

    Bans are known at the end of their day: add the reporting delay.
    """
    found = np.full(carriers, np.inf)
    changed = day_date(FIRST + CHANGE)
    for alarm in policy_alarms(histories(case, carriers, CHANGE + AFTER, rng, CHANGE), settings):
        carrier = int(alarm["carrier"][1:])
        if alarm["to"] >= changed.isoformat() and np.isinf(found[carrier]):
            found[carrier] = (date.fromisoformat(alarm["day"]) - changed).days
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.watching", description=__doc__)
    parser.add_argument("--carriers", type=int, default=100, help="carriers of each case (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=5)
    wanted = parser.parse_args()
    settings = WatchSettings()
    heads = ("expected a day", "variance / mean, days", "weeks", "bans / forecast", "false alarms a year", "median delay")
    print(f"| {' | '.join((*heads, 'within 14 days'))} |\n|{' --- |' * 7}")
    for case in CASES:
        rng = np.random.default_rng(wanted.seed)
        alarms = false_alarms(case, settings, wanted.carriers, rng)
        delay = delays(case, settings, wanted.carriers, rng)
        half = float(np.quantile(delay, 0.5, method="higher"))
        print(
            f"| {case.bans:g} | {case.daily:g} | {case.daily + case.weekly:g} | {case.level:g} | {alarms:.2f}"
            f" | {half:g} | {(delay <= 14).mean():.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
