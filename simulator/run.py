"""The world, day by day: calls, messages, complaints, bans; written as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from data_schemas.errors import BadInput
from simulator import bans as banning
from simulator import complaints as complaining
from simulator import encode
from simulator.carriers import NAMES, make_carriers
from simulator.chance import saturate, stream
from simulator.company import messages_of, plan_day
from simulator.days import MS_PER_DAY, WORKDAY, Days
from simulator.fleet import NEVER, first_fleet, make_pools, new_lines
from simulator.output import Output
from simulator.risk import DayCounts, Watch
from simulator.teams import make_teams
from simulator.traffic import Calls, Plan, place

Progress = Callable[[str, float], None]
WEEKLY_BANS = 0.023
"""Share of the lines that the carriers would ban in a week of ordinary strictness."""
_BEFORE = 24
"""Days that pass unseen before day 0, so that lines and carriers have a past."""
_FIRST_BANS = -14
"""The day on which carriers begin to ban: had they not, the worst lines would all be banned in the first weeks."""
_BLOCK = 4096
"""Lines whose calls are made at once; part of what the seed means."""
_ONE_FILE = 5_000_000
"""Calls up to which they are one file."""


@dataclass(frozen=True)
class Summary:
    """What was simulated. weekly_ban_rate: bans per line that could be banned and week; seconds: how long it took."""

    folder: str
    first: str
    last: str
    days: int
    lines: int
    calls: int
    complaints: int
    bans: int
    messages: int
    weekly_ban_rate: float
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        return asdict(self)


def simulate(
    folder: Path,
    *,
    lines: int = 300,
    days: int = 120,
    calls_per_line_day: float = 40,
    start: date = date(2026, 1, 5),
    seed: int = 7,
    zone: str = "Asia/Shanghai",
    progress: Progress | None = None,
) -> Summary:
    """Write the tables of a made-up company to `folder`, and truth.parquet (line_id, day, hazard) beside them.

    lines: how many it keeps at a time (lines given up are replaced, so the table has more). days: how many, from `start`.
    calls_per_line_day: calls a line places a day, holidays included, on average. The same arguments give the same rows.
    hazard is the true probability, at the midnight before `day`, that the line is banned on it; one row a line that could be.
    progress: called with what is being done and the share of the whole that is done. Raises BadInput for numbers that are too
    small, and for a folder that holds tables of another origin.
    """
    for name, value, least in (("lines", lines, 8), ("days", days, 1), ("calls_per_line_day", calls_per_line_day, 0.1)):
        if not value >= least:
            raise BadInput(f"simulate: {name} = {value}; give {least} or more")
    began = time.monotonic()
    with Output(folder, by_day=lines * days * calls_per_line_day > _ONE_FILE) as output:
        world = _World(output, lines, days, calls_per_line_day, start, seed, zone)
        for day in range(-_BEFORE, days):
            if progress:
                progress(f"simulate {world.calendar.date(max(day, 0))}", max(day, 0) / days)
            world.live(day)
        world.close()
        output.finish()
    if progress:
        progress("simulated", 1.0)
    told = world.told
    return Summary(
        folder=str(folder),
        first=start.isoformat(),
        last=(start + timedelta(days=days - 1)).isoformat(),
        days=days,
        lines=len(world.fleet),
        weekly_ban_rate=round(7 * told["bans"] / max(told["eligible"], 1), 5),
        seconds=round(time.monotonic() - began, 2),
        **{name: told[name] for name in ("calls", "complaints", "bans", "messages")},
    )


class _World:
    """All that changes from day to day."""

    def __init__(
        self, output: Output, lines: int, days: int, calls_per_line_day: float, start: date, seed: int, zone: str
    ) -> None:
        self.output, self.days, self.seed = output, days, seed
        self.calendar = Days(start, _BEFORE, days + 1, zone)
        self.teams = make_teams(seed, self.calendar, days, lines, calls_per_line_day)
        self.pools = make_pools(seed, days, lines)
        self.carriers = make_carriers(seed, _BEFORE, days, calls_per_line_day * 1.3)
        self.fleet = first_fleet(seed, self.pools, self.teams, lines, _BEFORE)
        self.watch = Watch(self.carriers, self.pools, _BEFORE)
        self.watch.grow(lines)
        self.bans, self.pending = banning.Bans(), complaining.Pending()
        self.caution = np.zeros(len(self.teams))
        self.leases: dict[int, list[int]] = {}
        self.end = days * MS_PER_DAY
        self.told = dict.fromkeys(("calls", "complaints", "bans", "messages", "eligible"), 0)
        self.names = {
            "agents": encode.numbered("agent-", int(self.teams.agents.sum())),
            "devices": pa.array([]),
            "lines": pa.array([]),
        }
        self._name_lines()

    def live(self, day: int) -> None:
        """One day."""
        rng = stream(self.seed, "day", day + _BEFORE)
        self._lease(day, rng)
        if day in (_FIRST_BANS, 0):
            self._settle(day)
        hit = np.empty(0, dtype=np.int64)
        if day >= _FIRST_BANS:
            hit = self._ban(day, rng)
            leased = np.bincount(self.fleet.carrier[self._eligible(day)], minlength=len(NAMES))
            self.watch.banned(self.fleet, hit, leased * WEEKLY_BANS / 7)
        counts = DayCounts.none(len(self.fleet))
        plan = plan_day(self.fleet, self.teams, day, _BEFORE, self.caution, rng)
        late = rng.random(len(self.teams)) < 0.015  # a recorder that delivers the next morning
        running = 0
        for block, first in enumerate(range(0, len(plan.line), _BLOCK)):
            part = plan.part(first, first + _BLOCK)
            running += self._calls(part, day, block, running, late, counts)
        self._messages(plan, day, rng, counts)
        self._complaints(day, counts)
        self.watch.see(self.fleet, day, counts)
        self._evening(day, rng, hit)

    def close(self) -> None:
        """What is only known in the end: lines, bans, policies; and the big tables, should they have no row."""
        for table, rows in (
            ("lines", encode.line_rows(self.fleet, self.pools, self.end, self.calendar)),
            ("bans", encode.ban_rows(self.bans, self.end, self.calendar)),
            ("policies", encode.policy_rows(self.carriers, self.calendar)),
        ):
            self.output.write(table, rows, "")

    def _name_lines(self) -> None:
        if len(self.names["lines"]) < len(self.fleet):
            self.names["lines"] = encode.line_ids(np.arange(len(self.fleet)))
            self.names["devices"] = pa.array([f"device-{n:06d}" for n in range(len(self.fleet) + self.days)])

    def _eligible(self, day: int) -> NDArray[np.bool_]:
        now, fleet = day * MS_PER_DAY, self.fleet
        return (fleet.activated < now) & (fleet.deactivated > now) & (fleet.banned_until <= now)

    def _settle(self, day: int) -> None:
        """From what carriers saw so far, find how ready to ban they are."""
        able = self._eligible(day)
        drivers = self.watch.drivers(self.fleet, day)
        usual = np.exp((self.carriers.strict[:, day + _BEFORE] + self.watch.eased())[self.fleet.carrier])
        self.watch.settle((self.watch.rate(self.fleet, day, drivers, WORKDAY) / usual)[able], WEEKLY_BANS / 6)

    def _ban(self, day: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Write the truth of a day and draw its bans; the lines banned."""
        able = np.flatnonzero(self._eligible(day))
        drivers = self.watch.drivers(self.fleet, day)
        hazard = self.watch.hazard(self.watch.rate(self.fleet, day, drivers, self.calendar.kind(day)))[able]
        hit = able[rng.random(len(able)) < hazard]
        reason = banning.give_reasons(rng, drivers[hit] * self.carriers.weight[self.fleet.carrier[hit]])
        rows = banning.ban(rng, self.fleet, self.carriers, day, hit, reason)
        given_up = self.fleet.deactivated[hit] < NEVER
        self._order(self.fleet.team[hit[given_up]], self.fleet.deactivated[hit[given_up]] // MS_PER_DAY)
        if day >= 0:
            self.bans.rows.append(rows)
            when = pa.array(np.full(len(able), np.datetime64(self.calendar.date(day))))
            truth = {"line_id": encode.coded(able, self.names["lines"]), "day": when, "hazard": hazard}
            self.output.write("truth", pa.table(truth), "")
            self.told["bans"] += len(hit)
            self.told["eligible"] += len(able)
        return hit

    def _order(self, team: NDArray[np.int64], day: NDArray[np.int64]) -> None:
        """A new line for each of these teams, on these days."""
        for which, when in zip(team.tolist(), day.tolist(), strict=True):
            self.leases.setdefault(when, []).append(which)

    def _lease(self, day: int, rng: np.random.Generator) -> None:
        """Take up the lines ordered for a day."""
        if team := self.leases.pop(day, []):
            activated = (day * MS_PER_DAY + rng.uniform(8.5, 17.0, len(team)) * 3_600_000).astype(np.int64)
            self.fleet.add(new_lines(rng, self.pools, self.teams, day, np.array(team), activated))
            self.watch.grow(len(self.fleet))
            self._name_lines()

    def _calls(self, part: Plan, day: int, block: int, running: int, late: NDArray[np.bool_], counts: DayCounts) -> int:
        """Place, count and write the calls of one block of lines; how many are written."""
        rng = stream(self.seed, "calls", day + _BEFORE, block)
        calls = place(part, day, rng)
        self._count(part, calls, day, counts)
        self.pending.add(complaining.complain(calls, day, rng))
        ended = calls.ms + (calls.ring + calls.duration) * 1000
        soon = ended + 1000 + (rng.random(len(ended)) * 20_000).astype(np.int64)
        batch = late[self.fleet.team[calls.line]]
        morning = MS_PER_DAY + 2 * 3_600_000 + (calls.ms // 20)
        recorded = day * MS_PER_DAY + np.where(batch, np.maximum(soon, morning), soon)
        if day < 0:
            return 0
        agent, device = part.agent[calls.row], part.device[calls.row]
        rows = encode.call_rows(calls, day, running, self.calendar, self.names, recorded, agent, device)
        if day >= self.days - 2:
            rows = rows.filter(pa.array(recorded < self.end))  # the company's export ends with the last day
        self.output.write("calls", rows, self.calendar.date(day).isoformat())
        self.told["calls"] += len(rows)
        return len(calls.line)

    def _count(self, part: Plan, calls: Calls, day: int, counts: DayCounts) -> None:
        n, line, at = len(part.line), part.line, day + _BEFORE

        def per_line(chosen: NDArray[np.bool_] | None = None) -> NDArray[np.int64]:
            return np.bincount(calls.row if chosen is None else calls.row[chosen], minlength=n)

        hour = calls.ms // 3_600_000
        starts, ends = self.carriers.permitted[self.fleet.carrier[line], at].T * 3_600_000
        lunch = (calls.ms >= 12 * 3_600_000) & (calls.ms < 13 * 3_600_000)
        outside = (calls.ms < starts[calls.row]) | (calls.ms >= ends[calls.row])
        counts.calls[line] = per_line()
        counts.peak[line] = np.bincount(calls.row * 24 + hour, minlength=n * 24).reshape(n, 24).max(axis=1)
        counts.answered[line] = per_line(calls.answered)
        counts.short[line] = per_line(calls.answered & (calls.duration <= 5))
        counts.scanned[line] = per_line(calls.scanned)
        counts.away[line] = per_line(calls.away)
        counts.off_hours[line] = per_line(outside) + 0.3 * per_line(lunch)

    def _messages(self, plan: Plan, day: int, rng: np.random.Generator, counts: DayCounts) -> None:
        row, ms, to = messages_of(plan, self.fleet, self.teams, self.calendar.kind(day), rng)
        n = len(plan.line)
        counts.message_peak[plan.line] = np.bincount(row * 24 + ms // 3_600_000, minlength=n * 24).reshape(n, 24).max(axis=1)
        if day >= 0:
            sent = day * MS_PER_DAY + ms
            recorded = sent + 500 + (rng.random(len(sent)) * 9000).astype(np.int64)
            keep = recorded < self.end
            line, sent, to, recorded = plan.line[row][keep], sent[keep], to[keep], recorded[keep]
            rows = encode.message_rows(line, sent, to, recorded, day, self.calendar, self.names["lines"])
            self.output.write("messages", rows, self.calendar.date(day).isoformat())
            self.told["messages"] += len(rows)

    def _complaints(self, day: int, counts: DayCounts) -> None:
        """Complaints made on a day: carriers weigh them, apps mark the number, the table gets those that will be known."""
        rows = self.pending.due(day)
        marks = np.zeros(len(self.fleet))
        if rows:
            line, channel = rows["line"], rows["channel"]
            weight = complaining.WEIGHT[channel] * (1 - 0.6 * self.teams.handles[self.fleet.team[line]] * (channel >= 2))
            counts.complaints += np.bincount(line, weight, minlength=len(self.fleet))
            marks = np.bincount(line[channel == 0], minlength=len(self.fleet)).astype(float)
        self.fleet.now["mark"] = 0.985 * self.fleet.mark + 0.25 * marks
        if day < 0:
            return
        rows = rows if rows else complaining.Pending.none()
        known = rows["received"] < self.end
        rows = {name: values[known] for name, values in rows.items()}
        self.output.write("complaints", encode.complaint_rows(rows, day, self.calendar, self.names["lines"]), "")
        self.told["complaints"] += int(known.sum())

    def _evening(self, day: int, rng: np.random.Generator, hit: NDArray[np.int64]) -> None:
        """Habits move on; teams that lost lines slow down; some lines are given up."""
        fleet, n = self.fleet, len(self.fleet)
        fleet.now["drift"] = 0.94 * fleet.drift + rng.normal(0, 0.085, n)
        lost = np.bincount(fleet.team[hit], minlength=len(self.teams)) > 0
        self.caution = np.where(lost, np.maximum(self.caution, 0.5 * self.teams.careful), 0.8 * self.caution)
        quits = self._eligible(day) & (rng.random(n) < 0.0012 * (1 + saturate(fleet.mark, 2.0))) & (fleet.deactivated == NEVER)
        quits[hit] = False
        fleet.deactivated[quits] = (day + 1) * MS_PER_DAY - 1000
        self._order(fleet.team[quits], rng.integers(day + 1, day + 6, int(quits.sum())))
