"""A small company in which line GOOD was banned though it kept every limit, and others were banned with cause."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from data_schemas.clock import day_date, day_number
from data_schemas.home import Home
from data_schemas.ingest import ingest
from data_schemas.lake import Lake, schema
from data_schemas.settings import Settings, load_settings
from data_schemas.sources import find_sources
from data_schemas.tables import TABLES
from features.engine import open_engine
from serving.known import Known
from tests.serving.report.worlds import TableLake, save_scores, scores_of

ZONE = "Asia/Shanghai"
AS_OF = date(2026, 3, 16)
END = day_number(AS_OF)
BANNED = END - 5
DAYS = 34
Tables = dict[str, pd.DataFrame]
NASTY = "<script>alert(1)</script>=1+1"
NASTY_BAN = "../x/<b>&封号\x01"


def at(day: int, hour: float = 12.0) -> pd.Timestamp:
    return pd.Timestamp(day_date(day), tz=ZONE) + pd.Timedelta(hours=hour)


def callee(number: int) -> str:
    return f"1390013{number:04d}"


class World:
    """Tables that grow by hand: lines A, B, C of carrier X call 10 times a day at 10:00 to 19:00, from END - DAYS on."""

    def __init__(self, *banned: str) -> None:
        self.names = ["A", "B", "C", *banned]
        self.calls: list[dict] = []
        self.complaints: list[dict] = []
        self.bans: list[dict] = []
        self.policies: list[dict] = []
        for line in self.names:
            last = BANNED if line in banned else END - 1
            for day in range(END - DAYS, last + 1):
                for hour in range(10, 20):
                    if line not in banned or day < BANNED or hour < 12:
                        self.call(line, day, hour)
        for line in banned:
            self.ban(line)
        for n, line in enumerate(("A", "B", "C")):
            self.complain(line, BANNED - 10, number=5000 + n)

    def call(self, line: str, day: int, hour: float, number: int | None = None, **more: object) -> None:
        n = len(self.calls)
        row = {
            "call_id": f"c{n}",
            "line_id": line,
            "started_at": at(day, hour),
            "callee_id": callee(n % 4000 if number is None else number),
            "duration_s": 20.0,
            "answered": True,
        }
        self.calls.append(row | more)

    def complain(self, line: str, day: int, hour: float = 12.0, number: int | None = None, **more: object) -> None:
        n = len(self.complaints)
        row = {"complaint_id": f"k{n}", "line_id": line, "occurred_at": at(day, hour), "channel": "app_mark"}
        self.complaints.append(row | {"callee_id": None if number is None else callee(number)} | more)

    def ban(self, line: str, day: int = BANNED, **more: object) -> None:
        row = {"ban_id": f"b-{line}", "line_id": line, "banned_at": at(day, 12), "reason": "volume"}
        self.bans.append(row | more)

    def policy(self, effective_at: pd.Timestamp, **limits: object) -> None:
        self.policies.append({"carrier": "X", "effective_at": effective_at, **limits})

    def tables(self) -> Tables:
        lines = pd.DataFrame({"line_id": self.names, "carrier": "X", "number_pool": "P", "activated_at": at(END - 300)})
        made = {"lines": lines, "calls": pd.DataFrame(self.calls), "complaints": pd.DataFrame(self.complaints)}
        made["bans"] = pd.DataFrame(self.bans)
        if self.policies:
            made["policies"] = pd.DataFrame(self.policies)
        return made

    def store(self, folder: Path, risks: dict[str, float] | None = None, scored: int = BANNED) -> Home:
        """Ingest everything into folder/home, with scores of one day: 0.01 for every line unless `risks` says otherwise."""
        for name, frame in self.tables().items():
            (folder / "in").mkdir(parents=True, exist_ok=True)
            frame.to_parquet(folder / "in" / f"{name}.parquet", index=False)
        home = self.scored(folder, risks, scored)
        ingest(find_sources(folder / "in"), home.root, load_settings(home.root, threads=1))
        return home

    def scored(self, folder: Path, risks: dict[str, float] | None = None, scored: int = BANNED) -> Home:
        """The home with its scores alone."""
        home = Home(folder / "home")
        risk = dict.fromkeys(self.names, 0.01) | (risks or {})
        made = scores_of(list(risk), ["rest_line"], as_of=day_date(scored), risk=np.array(list(risk.values())))
        save_scores(home, day_date(scored), made)
        return home

    def lake(self) -> TableLake:
        """What ingest would make of the tables, in memory: every row known when it happened."""
        made = {}
        for name, frame in self.tables().items():
            shape = schema(name).to_pyarrow()
            event = frame[TABLES[name].event_time]
            local = event.dt.tz_convert(ZONE)
            number = (local.dt.tz_localize(None).dt.normalize() - pd.Timestamp("1970-01-01")).dt.days
            second = local.dt.hour * 3600 + local.dt.minute * 60 + local.dt.second
            frame = frame.assign(day=number, known_day=number, known_at=event, local_second=second)
            columns = []
            for field in shape:
                column = frame[field.name] if field.name in frame else pd.Series(None, index=frame.index, dtype=object)
                if field.name == "callee_id":
                    column = column.astype("float64")
                if isinstance(column.dtype, pd.DatetimeTZDtype):
                    column = column.dt.tz_convert("UTC").dt.tz_localize(None)
                columns.append(pa.array(column, type=field.type, from_pandas=True))
            made[name] = pa.table(columns, schema=shape)
        return TableLake(made)


@contextmanager
def opened(home: Home, as_of: date = AS_OF, lake: object = None, **settings: object) -> Iterator[tuple[Known, Settings]]:
    """What was known of a home at a midnight, and its settings."""
    chosen = load_settings(home.root, threads=1, **settings)
    with open_engine(chosen) as engine:
        yield Known(engine, lake or Lake(home.lake), day_number(as_of)), chosen
