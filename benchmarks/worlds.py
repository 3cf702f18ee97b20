"""Worlds for judging forecasts, with other mechanisms and other file habits than the simulator's.

`python -m benchmarks.worlds KIND FOLDER --lines N --days N --calls N --seed N`. Calls are placed by the simulator's machinery
(`simulator.traffic`); how lines behave, what carriers do about it and how the tables lie on disk are stated here and in
`benchmarks.mechanisms`. truth.parquet (line_id, day, hazard) lies beside the tables.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from benchmarks.mechanisms import MECHANISMS, Lines, Mechanism, Seen
from simulator.chance import scramble, stream, unit
from simulator.days import MS_PER_DAY, Days
from simulator.traffic import Calls, Plan, place

_HOUR = 3_600_000
_NEVER = np.int64(1 << 60)
_REGIONS = 12
_CHANNELS = np.array(["carrier", "regulator", "app_mark", "internal"])


@dataclass(frozen=True)
class Habit:
    """How a world's export looks. csv, hive: the files; integers: ids are numbers; zone: of the times as written.

    absent: tables that are not there. without: table -> columns that are not there.
    """

    csv: bool = False
    hive: bool = False
    integers: bool = False
    zone: str = "UTC"
    absent: tuple[str, ...] = ()
    without: dict[str, tuple[str, ...]] | None = None


HABITS = {
    "threshold": Habit(csv=True, zone="Asia/Shanghai"),
    "complaints": Habit(
        zone="+00:00",
        absent=("messages", "policies"),
        without={"calls": ("region", "device_id", "agent_id"), "lines": ("home_region", "registrant_verified")},
    ),
    "pool": Habit(hive=True),
    "quality": Habit(
        integers=True,
        absent=("policies",),
        without={"calls": ("recorded_at", "ring_s"), "bans": ("reported_at",), "messages": ("recorded_at",)},
    ),
}


class _Files:
    """Writes tables in one habit into a temporary folder, then moves them into place."""

    def __init__(self, folder: Path, habit: Habit) -> None:
        self.folder, self.habit, self.temporary = folder, habit, folder / ".world"
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)
        self.writers: dict[str, Any] = {}

    def write(self, table: str, day: str, columns: dict[str, Any]) -> None:
        """Append rows; `day` names the part of a table that has one."""
        habit = self.habit
        if table in habit.absent:
            return
        skip = (habit.without or {}).get(table, ())
        made = {name: self._cells(name, values) for name, values in columns.items() if name not in skip}
        rows = pa.table(made)
        plain_csv = habit.csv and table != "truth"
        path = f"{table}/day={day}/part-0.parquet" if habit.hive and day else f"{table}.{'csv' if plain_csv else 'parquet'}"
        if path not in self.writers:
            if habit.hive and day:
                for other in [key for key in self.writers if key.startswith(f"{table}/")]:
                    self.writers.pop(other).close()
            target = self.temporary / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self.writers[path] = (
                pc.CSVWriter(target, rows.schema) if plain_csv else pq.ParquetWriter(target, rows.schema, compression="zstd")
            )
        self.writers[path].write_table(rows)

    def _cells(self, name: str, values: Any) -> pa.Array:
        values = values if isinstance(values, pa.Array) else pa.array(values)
        if pa.types.is_timestamp(values.type):
            return values.cast(pa.timestamp("ms" if self.habit.csv else "us", self.habit.zone), safe=False)
        if pa.types.is_integer(values.type) and not self.habit.integers:
            return values.cast(pa.string())
        return values

    def finish(self) -> None:
        """Close every file and put it in its place."""
        for writer in self.writers.values():
            writer.close()
        for path in sorted(self.temporary.iterdir()):
            target = self.folder / path.name
            shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
            path.replace(target)
        self.temporary.rmdir()


def make_world(
    kind: str,
    folder: Path,
    lines: int,
    days: int,
    calls_per_line_day: float,
    seed: int,
    stricter: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Write a world of a kind (threshold, complaints, pool, quality) and its truth; what it holds, as counts.

    stricter: a carrier (0 to 4) and the day from which it bans at twice the hazard.
    lines: rows of the table; about a quarter is activated, and a tenth given up, while the world runs.
    """
    files = _Files(folder, HABITS[kind])
    world = _World(kind, files, lines, days, calls_per_line_day, seed, stricter)
    for day in range(days):
        world.live(day)
    world.close()
    files.finish()
    weekly = 7 * world.told["bans"] / max(world.told["eligible"], 1)
    return {"kind": kind, "lines": lines, **world.told, "weekly_ban_rate": round(weekly, 4)}


class _World:
    def __init__(
        self,
        kind: str,
        files: _Files,
        n: int,
        days: int,
        calls: float,
        seed: int,
        stricter: tuple[int, int] | None = None,
    ) -> None:
        self.stricter = stricter
        rng = stream(seed, f"benchmark {kind}")
        self.kind, self.files, self.n, self.days, self.seed, self.usual = kind, files, n, days, seed, calls
        self.calendar = Days(date(2026, 1, 1), 0, days + 1, "Asia/Shanghai")
        pools = max(6, n // 45)
        pool_carrier = rng.integers(0, 5, pools)
        pool = np.minimum((rng.beta(1.0, 1.6, n) * pools).astype(np.int64), pools - 1)
        activated = -rng.exponential(250, n).clip(1, 1500)
        fresh = rng.random(n) < 0.25
        activated[fresh] = rng.uniform(0, days, fresh.sum())
        left = np.where(rng.random(n) < 0.1, np.maximum(activated, 0) + rng.uniform(20, days + 20, n), np.inf)
        self.lines = Lines(
            pool_carrier[pool], pool, pool * 3 + rng.integers(0, 3, n), (activated * MS_PER_DAY).astype(np.int64), 5
        )
        self.left = np.where(np.isinf(left), _NEVER, np.minimum(left, 1e6) * MS_PER_DAY).astype(np.int64)
        self.until = np.full(n, -_NEVER)  # end of the last ban
        self.team = rng.integers(0, max(3, n // 30), n)
        self.region = rng.integers(0, _REGIONS, n)
        self.verified = rng.random(n) < 0.9
        self.pace, self.mode = rng.gamma(2.5, 0.4, n), rng.integers(0, 4, n)
        self.answer, self.short = rng.beta(6, 8, n), rng.beta(2.2, 8, n)
        self.complain = 0.0008 * np.exp(rng.normal(0, 1.0, n))
        self.mechanism: Mechanism = MECHANISMS[kind](self.lines, rng)
        self.bans: list[dict[str, NDArray[Any]]] = []
        self.told = dict.fromkeys(("calls", "complaints", "bans", "messages", "eligible"), 0)
        self.end = days * MS_PER_DAY
        self.late: list[dict[str, NDArray[Any]]] = []

    def ids(self, lines: NDArray[Any]) -> pa.Array:
        """Line ids: 8600000001 and on where ids are numbers, else LN00001."""
        if self.files.habit.integers:
            return pa.array(8_600_000_001 + lines)
        return pa.array([f"LN{line:05d}" for line in range(self.n)]).take(pa.array(lines))

    def live(self, day: int) -> None:
        """A day: bans are drawn at its midnight, then lines call until the moment of their ban."""
        rng = stream(self.seed, "day", day)
        now, name = day * MS_PER_DAY, self.calendar.date(day).isoformat()
        able = (self.lines.activated < now) & (self.left > now) & (self.until <= now)
        hazard, hit = self.mechanism.draw(day, able, rng)
        if self.stricter and day >= self.stricter[1]:
            # A second toss at the same odds, from chance of its own, so that all else stays as it was.
            mine = self.lines.carrier == self.stricter[0]
            hit = hit | (mine & (stream(self.seed, "stricter", day).random(self.n) < hazard))
            hazard = np.where(mine, 1 - (1 - hazard) ** 2, hazard)
        self._truth(day, np.flatnonzero(able), hazard)
        until = self._ban(now, np.flatnonzero(hit), rng)
        self.mechanism.banned(day, np.flatnonzero(hit))
        plan = self._plan(day, until, rng)
        calls = place(plan, day, rng)
        self._calls(now, name, calls, plan, rng)
        complainant, reaches = self._complaints(now, calls, rng)
        self.mechanism.see(day, self._seen(calls, complainant, reaches), rng)
        self._messages(now, name, plan, rng)
        self._habits(day, rng)

    def _truth(self, day: int, able: NDArray[np.int64], hazard: NDArray[np.float64]) -> None:
        when = pa.array(np.full(len(able), np.datetime64(self.calendar.date(day))))
        self.files.write("truth", "", {"line_id": self.ids(able), "day": when, "hazard": hazard[able]})
        self.told["eligible"] += len(able)

    def _ban(self, now: int, hit: NDArray[np.int64], rng: np.random.Generator) -> NDArray[np.int64]:
        """Ban lines; for each line the moment at which it stops for today, in ms of the world."""
        n = len(hit)
        banned = now + (rng.triangular(0, 14, 24, n) * _HOUR).astype(np.int64)
        lasts = np.where(rng.random(n) < 0.2, np.inf, rng.gamma(2.0, 4.0, n) + 1)
        lifted = np.where(np.isinf(lasts), float(_NEVER), banned + lasts * MS_PER_DAY).astype(np.int64)
        reported = banned + (rng.weibull(0.8, n) * 9 * _HOUR).astype(np.int64).clip(0, 5 * MS_PER_DAY)
        if self.kind == "quality":
            reported = banned
        self.bans.append({"line": hit, "banned": banned, "lifted": lifted, "reported": reported})
        self.told["bans"] += n
        until = np.full(self.n, _NEVER)
        until[hit], self.until[hit] = banned, lifted
        return until

    def _plan(self, day: int, until: NDArray[np.int64], rng: np.random.Generator) -> Plan:
        """Four ways to work: steadily, pushing, hardly, and hunting for new customers."""
        now, mode = day * MS_PER_DAY, self.mode
        since = np.where(until < _NEVER, 0, np.maximum(np.maximum(self.lines.activated, self.until) - now, 0))
        stop = np.minimum(np.minimum(until, self.left) - now, MS_PER_DAY)
        line = np.flatnonzero(since < stop)
        mode, n = mode[line], len(line)
        rest = (1.22, 0.6, 0.35, 0.12)[self.calendar.kind(day)]
        mean = self.usual * rest * self.pace[line] * np.array([0.9, 1.9, 0.3, 1.1])[mode]
        return Plan(
            line=line,
            calls=rng.negative_binomial(4, 4 / (4 + mean)),
            profile=np.array([0, 2, 0, 3])[mode],
            burst=np.where((mode == 1) & (rng.random(n) < 0.3), 0.35, 0.02),
            burst_at=(rng.integers(9, 18, n) * _HOUR + 600_000).astype(np.int64),
            answer=np.clip(self.answer[line] - 0.08 * (mode == 3), 0.05, 0.95),
            short=np.clip(self.short[line] + np.array([0, 0.06, 0, 0.12])[mode], 0.01, 0.9),
            talk=np.full(n, 45.0),
            refuse=np.full(n, 0.2),
            scan=np.array([0, 0.03, 0, 0.25])[mode],
            repeat=np.array([0.4, 0.2, 0.45, 0.05])[mode],
            customers=np.full(n, 40.0),
            turnover=np.full(n, 1.5),
            list_from=self.team[line] * 40_000.0,
            list_size=np.full(n, 90_000.0),
            complain=self.complain[line] * np.array([0.7, 1.2, 0.6, 2.0])[mode],
            away=np.where(self.team[line] % 9 == 0, 0.3, 0.01),
            regions=np.full(n, _REGIONS),
            region=self.region[line],
            agent=self.team[line] * 50 + (line + day // 7) % 50,
            device=line,
            since_ms=since[line],
            until_ms=stop[line],
        )

    def _calls(self, now: int, name: str, calls: Calls, plan: Plan, rng: np.random.Generator) -> None:
        n = len(calls.ms)
        ended = now + calls.ms + (calls.ring + calls.duration) * 1000
        recorded = ended + (rng.exponential(40, n) * 1000).astype(np.int64)
        at = np.flatnonzero(recorded < self.end)
        columns = {
            "call_id": (now // MS_PER_DAY + 1) * 10**8 + np.arange(n),
            "line_id": self.ids(calls.line),
            "started_at": self.calendar.instants(now + calls.ms),
            "callee_id": calls.callee,
            "duration_s": calls.duration.astype(float),
            "answered": calls.answered,
            "ring_s": calls.ring.astype(float),
            "region": pa.array([f"region {r}" for r in range(_REGIONS)]).take(pa.array(calls.region)),
            "agent_id": plan.agent[calls.row],
            "device_id": plan.device[calls.row],
            "recorded_at": self.calendar.instants(recorded),
        }
        self.files.write(
            "calls", name, {k: (v if isinstance(v, pa.Array) else pa.array(v)).take(pa.array(at)) for k, v in columns.items()}
        )
        self.told["calls"] += len(at)

    def _complaints(self, now: int, calls: Calls, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Make the complaints about a day's calls; their lines, and the days on which the carrier has them."""
        at = np.flatnonzero(calls.complained)
        n = len(at)
        occurred = now + calls.ms[at] + ((0.1 + rng.exponential(6, n)) * _HOUR).astype(np.int64)
        channel = rng.choice(4, n, p=[0.35, 0.15, 0.35, 0.15])
        delay = rng.lognormal(np.array([1.0, 1.9, 0.0, -2.0])[channel], 0.5) * MS_PER_DAY
        received = occurred + delay.astype(np.int64)
        rows = {
            "line": calls.line[at],
            "occurred": occurred,
            "received": received,
            "channel": channel,
            "callee": calls.callee[at],
        }
        known = received < self.end
        self.late.append({name: values[known] for name, values in rows.items()})
        self.told["complaints"] += int(known.sum())
        return calls.line[at], (occurred // MS_PER_DAY + rng.integers(1, 7, n)).astype(np.int64)

    def _seen(self, calls: Calls, complainant: NDArray[np.int64], reaches: NDArray[np.int64]) -> Seen:
        def of(chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
            return np.bincount(calls.line[chosen], minlength=self.n).astype(float)

        hours = np.bincount(calls.line * 24 + calls.ms // _HOUR, minlength=self.n * 24).reshape(self.n, 24)
        guarded = unit(scramble(calls.callee.astype(np.uint64) ^ np.uint64(0xBEEF))) < 0.04
        short = calls.answered & (calls.duration <= 5)
        return Seen(
            calls=hours.sum(axis=1).astype(float),
            peak=hours.max(axis=1).astype(float),
            answered=of(calls.answered),
            short=of(short),
            strangers=of(~calls.repeated),
            guarded=of(guarded & ~calls.repeated),
            complainant=complainant,
            reaches=reaches,
        )

    def _messages(self, now: int, name: str, plan: Plan, rng: np.random.Generator) -> None:
        row = np.repeat(np.arange(len(plan.line)), rng.poisson(2.0, len(plan.line)))
        ms = (rng.uniform(9, 19, len(row)) * _HOUR).astype(np.int64)
        keep = (ms >= plan.since_ms[row]) & (ms < plan.until_ms[row])
        row, sent = row[keep], now + ms[keep]
        columns = {
            "message_id": (now // MS_PER_DAY + 1) * 10**8 + np.arange(len(row)),
            "line_id": self.ids(plan.line[row]),
            "sent_at": self.calendar.instants(sent),
            "recipient_id": rng.integers(13_000_000_000, 19_900_000_000, len(row)),
            "recorded_at": self.calendar.instants(sent + 1000),
        }
        self.files.write("messages", name, columns)
        self.told["messages"] += len(row)

    def _habits(self, day: int, rng: np.random.Generator) -> None:
        """On any day one line in ten changes its way of working; tempers move slowly."""
        change = rng.random(self.n) < 0.1
        self.mode[change] = rng.choice(4, int(change.sum()), p=[0.5, 0.2, 0.15, 0.15])
        self.answer = np.clip(self.answer + rng.normal(0, 0.008, self.n), 0.1, 0.85)
        self.short = np.clip(self.short + rng.normal(0, 0.006, self.n), 0.02, 0.6)
        self.complain = np.clip(self.complain * np.exp(rng.normal(0, 0.05, self.n)), 1e-5, 0.01)

    def close(self) -> None:
        """The small tables, as known in the end."""
        when, write = self.calendar.instants, self.files.write
        lines = self.lines
        write("lines", "", {
            "line_id": self.ids(np.arange(self.n)),
            "carrier": pa.array([f"carrier {c + 1}" for c in lines.carrier]),
            "number_pool": lines.pool + 100,
            "activated_at": when(lines.activated),
            "team": self.team + 1,
            "home_region": pa.array([f"region {r}" for r in self.region]),
            "deactivated_at": when(self.left, self.left >= self.end),
            "registrant_verified": self.verified,
            "number_segment": lines.segment + 1_650_000,
        })  # fmt: skip
        rows = {name: np.concatenate([part[name] for part in self.late]) for name in self.late[0]}
        order = np.lexsort((rows["callee"], rows["occurred"]))
        rows = {name: values[order] for name, values in rows.items()}
        write("complaints", "", {
            "complaint_id": np.arange(1, len(order) + 1),
            "line_id": self.ids(rows["line"]),
            "occurred_at": when(rows["occurred"]),
            "received_at": when(rows["received"]),
            "channel": pa.array(_CHANNELS[rows["channel"]]),
            "callee_id": rows["callee"],
        })  # fmt: skip
        bans = {name: np.concatenate([part[name] for part in self.bans]) for name in self.bans[0]}
        bans = {name: values[bans["reported"] < self.end] for name, values in bans.items()}
        write("bans", "", {
            "ban_id": np.arange(1, len(bans["line"]) + 1),
            "line_id": self.ids(bans["line"]),
            "banned_at": when(bans["banned"]),
            "lifted_at": when(bans["lifted"], bans["lifted"] >= self.end),
            "reported_at": when(bans["reported"]),
        })  # fmt: skip
        notices = [notice for notice in self.mechanism.notices if notice["day"] < self.days] or [
            {"carrier": c, "day": 0, "daily_call_limit": 400.0, "hourly_call_limit": None} for c in range(5)
        ]
        write("policies", "", {
            "carrier": pa.array([f"carrier {notice['carrier'] + 1}" for notice in notices]),
            "effective_at": when(np.array([notice["day"] for notice in notices]) * MS_PER_DAY),
            "daily_call_limit": pa.array([notice["daily_call_limit"] for notice in notices], pa.float64()),
            "hourly_call_limit": pa.array([notice["hourly_call_limit"] for notice in notices], pa.float64()),
        })  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.worlds", description=__doc__)
    parser.add_argument("kind", choices=sorted(MECHANISMS))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lines", type=int, default=1500, help="rows of the table of lines")
    parser.add_argument("--days", type=int, default=180, help="days of history")
    parser.add_argument("--calls", type=float, default=40, help="calls a line places a day, about")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same world")
    parser.add_argument(
        "--stricter", metavar="CARRIER@DAY", help="carrier 1 to 5 that bans at twice the hazard from a day on, as 3@120"
    )
    given = parser.parse_args()
    stricter = None
    if given.stricter:
        carrier, day = given.stricter.split("@")
        stricter = int(carrier) - 1, int(day)
    print(make_world(given.kind, given.folder, given.lines, given.days, given.calls, given.seed, stricter))


if __name__ == "__main__":
    main()
