"""A slow, obviously right reading of a world at one midnight: plain Python over raw rows, by the definitions of DESIGN.md.

Nothing here comes from `features`. A number that is not known is NaN, so that it spreads through arithmetic by itself.
`reference_features` holds one function a feature; `reference_table` runs them all.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from math import nan
from zoneinfo import ZoneInfo

import holidays

ALWAYS_LATER = 10**9
PEER_GROUPS = ("number_pool", "carrier", "number_segment", "team", "home_region")


def div(above: float, below: float) -> float:
    """above / below, NaN where there is nothing below."""
    return nan if below != below or below == 0 else above / below


def local_day(moment: datetime | None, zone: str) -> int | None:
    return None if moment is None else (moment.astimezone(ZoneInfo(zone)).date() - date(1970, 1, 1)).days


@lru_cache(maxsize=4096)
def day_kind(day: int, country: str) -> tuple[bool, bool]:
    """Whether a day is a weekend day off, and a public holiday."""
    when = date(1970, 1, 1) + timedelta(days=day)
    known = holidays.country_holidays(country, years=[when.year - 1, when.year, when.year + 1])
    workdays = getattr(known, "weekend_workdays", {})
    return when.weekday() >= 5 and when not in workdays, when in known


def seconds(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[3:5]) * 60


class View:
    """What was known at midnight `t`: visible rows, the eligible lines, and their neighbours."""

    def __init__(self, tables: dict[str, list[dict]], settings, t: int):
        self.tables, self.settings, self.t = tables, settings, t
        self.known_lines = {row["line_id"]: row for row in self.visible("lines")}
        self.bans = self.visible("bans")
        self._memo: dict = {}
        self.calls_of, self.complaints_of, self.messages_of = (
            self._by_line(name) for name in ("calls", "complaints", "messages")
        )
        self.eligible = [
            Line(self, row)
            for _, row in sorted(self.known_lines.items())
            if self.in_hand(row) and not self.under_ban(row["line_id"])
        ]

    def visible(self, table: str) -> list[dict]:
        return [
            row
            for row in self.tables.get(table, [])
            if row["day"] < self.t and row["known_day"] < self.t and (row["gone_day"] is None or row["gone_day"] >= self.t)
        ]

    def _by_line(self, table: str) -> dict[str, list[dict]]:
        rows = defaultdict(list)
        for row in self.visible(table):
            rows[row["line_id"]].append(row)
        return rows

    def left_day(self, row: dict) -> int:
        day = local_day(row.get("deactivated_at"), self.settings.zone)
        return ALWAYS_LATER if day is None or day >= self.t else day

    def in_hand(self, row: dict) -> bool:
        return self.left_day(row) == ALWAYS_LATER

    def lifted_day(self, ban: dict) -> int | None:
        """The day the ban was lifted, when that was before t."""
        day = local_day(ban.get("lifted_at"), self.settings.zone)
        return day if day is not None and day < self.t else None

    def under_ban(self, line_id: str) -> bool:
        return any(ban["line_id"] == line_id and self.lifted_day(ban) is None for ban in self.bans)

    def bans_of(self, line_id: str, days: int = ALWAYS_LATER) -> list[dict]:
        return [ban for ban in self.bans if ban["line_id"] == line_id and ban["day"] >= self.t - days]

    def days_in_hand(self, row: dict, days: int) -> int:
        return sum(row["day"] <= day < self.left_day(row) for day in range(self.t - days, self.t))

    def group(self, by: str, value) -> list[dict]:
        """All known lines of a group, given up ones too."""
        return [row for row in self.known_lines.values() if value is not None and row[by] == value]

    def recorded(self, table: str, has, name: str) -> bool:
        """Whether any eligible line has a row with a value in the last 28 days: else nobody keeps it (`name`d)."""
        if (table, name) not in self._memo:
            self._memo[table, name] = self._recorded(table, has)
        return self._memo[table, name]

    def _recorded(self, table: str, has) -> bool:
        of = {"calls": self.calls_of, "complaints": self.complaints_of, "messages": self.messages_of}[table]
        return any(has(row) for line in self.eligible for row in of[line.id] if row["day"] >= self.t - 28)

    def line_as_of_day(self, line_id: str, day: int) -> dict:
        """The version of a line that was known on `day`; before it was known at all, the first one that ever stood."""
        versions = [row for row in self.tables["lines"] if row["line_id"] == line_id]
        versions = [row for row in versions if row["gone_day"] is None or row["gone_day"] > row["known_day"]]
        standing = [row for row in versions if row["known_day"] <= day and (row["gone_day"] is None or row["gone_day"] > day)]
        first = min(versions, key=lambda row: row["known_day"])
        if not standing and day < first["known_day"]:
            return first
        return standing[0] if standing else {"carrier": None, "home_region": None}

    def permitted(self, carrier: str | None, day: int) -> tuple[int, int]:
        """The hours that the newest policy in force and known on `day` permits."""
        rules = [
            row
            for row in self.tables.get("policies", [])
            if row["carrier"] == carrier
            and row["day"] <= day
            and row["known_day"] <= day
            and (row["gone_day"] is None or row["gone_day"] > day)
        ]
        newest = max(rules, key=lambda row: row["effective_at"], default={})
        defaults = self.settings.features
        opens = newest.get("permitted_from") or defaults.permitted_from
        closes = newest.get("permitted_to") or defaults.permitted_to
        return seconds(opens), seconds(closes)

    def policy(self, carrier: str) -> dict | None:
        rules = [row for row in self.visible("policies") if row["carrier"] == carrier]
        return max(rules, key=lambda row: row["effective_at"], default=None)


class Line:
    """One eligible line at the view's midnight, and what it did in the last days."""

    def __init__(self, view: View, row: dict):
        self.view, self.row, self.id, self.t = view, row, row["line_id"], view.t
        self.memo: dict = {}

    def _rows(self, of: dict[str, list[dict]], days: int) -> list[dict]:
        return [row for row in of[self.id] if row["day"] >= self.t - days]

    def calls(self, days: int) -> list[dict]:
        return self._rows(self.view.calls_of, days)

    def complaints(self, days: int) -> list[dict]:
        return self._rows(self.view.complaints_of, days)

    def messages(self, days: int) -> list[dict]:
        return self._rows(self.view.messages_of, days)

    def daily_calls(self, days: int) -> list[list[dict]]:
        """The calls of each local day that had some."""
        by_day = defaultdict(list)
        for call in self.calls(days):
            by_day[call["day"]].append(call)
        return list(by_day.values())

    def peers(self, by: str) -> list[Line]:
        """Eligible lines of the same group, the line itself among them."""
        mine = self.row[by]
        return [line for line in self.view.eligible if mine is not None and line.row[by] == mine]

    def over_peers(self, by: str, value) -> float:
        peers = self.peers(by)
        return sum(value(line) for line in peers) if peers else nan

    def place(self, value, by: str = "carrier") -> float:
        """The share of the other lines of the group that have a smaller value."""
        mine = value(self)
        others = [value(line) for line in self.peers(by)]
        known = [other for other in others if other == other]
        if mine != mine or not known:
            return nan
        return 0.0 if len(known) == 1 else sum(other < mine for other in known) / (len(known) - 1)

    def home_region(self, call: dict) -> str | None:
        return self.view.line_as_of_day(self.id, call["day"])["home_region"]

    def off_hours(self, call: dict) -> bool:
        opens, closes = self.view.permitted(self.view.line_as_of_day(self.id, call["day"])["carrier"], call["day"])
        second = call["local_second"]
        if opens == closes:
            return False
        inside = opens <= second < closes if opens < closes else second >= opens or second < closes
        return not inside

    def may_call_complainer(self, call: dict) -> bool:
        """Whether any complaint that named its callee was known when the call was placed."""
        rows = self.view.tables.get("complaints", [])
        return any(row.get("callee_id") is not None and row["known_at"] < call["started_at"] for row in rows)

    def to_complainer(self, call: dict) -> bool:
        """Whether a complaint of the callee was known and stood; one that is corrected on the day of the call stands that day."""
        day = call["day"]
        told = [row for row in self.view.tables.get("complaints", []) if row.get("callee_id") is not None]
        own = [row for row in told if row["callee_id"] == call["callee_id"]]
        begun = [row for row in own if row["known_at"] < call["started_at"]]
        until = [ALWAYS_LATER if row["gone_day"] is None else row["gone_day"] for row in begun]
        anew = any(row["known_day"] == day and (row["gone_day"] is None or row["gone_day"] > day) for row in own)
        return any(end > day or (end == day and anew) for end in until)

    def values(self, rows: list[dict], column: str) -> set:
        return {row[column] for row in rows if row.get(column) is not None}

    def new_values(self, column: str, days: int) -> set:
        """Values met on some day of the window and on none of the 28 days before that day."""
        met = defaultdict(set)
        for call in self.view.calls_of[self.id]:
            if call.get(column) is not None:
                met[call[column]].add(call["day"])
        return {
            value
            for value, seen in met.items()
            if any(day >= self.t - days and not seen & set(range(day - 28, day)) for day in seen)
        }

    def switches(self, days: int) -> list[int]:
        """Seconds between two successive calls of a day that came from different regions."""
        pauses = []
        for calls in self.daily_calls(days):
            # By whole seconds; calls of the same second in the order of their regions.
            placed = sorted((int(c["started_at"].timestamp()), c["region"]) for c in calls if c.get("region") is not None)
            for before, after in pairwise(placed):
                if before[1] != after[1]:
                    pauses.append(after[0] - before[0])
        return pauses

    def per_hour(self, rows: list[dict]) -> Counter:
        return Counter((row["day"], row["local_second"] // 3600) for row in rows)

    def per_minute(self, rows: list[dict]) -> Counter:
        return Counter((row["day"], row["local_second"] // 60) for row in rows)

    def per_callee(self, rows: list[dict]) -> Counter:
        return Counter((row["day"], row["callee_id"]) for row in rows if row["callee_id"] is not None)

    def per_block(self, rows: list[dict]) -> dict:
        """(day, block) -> different callees of that block called on that day."""
        blocks = defaultdict(set)
        for row in rows:
            if row["callee_id"] is not None and row["callee_block"] is not None:
                blocks[row["day"], row["callee_block"]].add(row["callee_id"])
        return blocks

    # Neighbours: every known line of the group but this one.

    def others(self, by: str) -> list[dict]:
        return [row for row in self.view.group(by, self.row[by]) if row["line_id"] != self.id]

    def bans_of_others(self, by: str, days: int) -> float:
        if self.row[by] is None:
            return nan
        return sum(len(self.view.bans_of(row["line_id"], days)) for row in self.others(by))

    def usual_ban_rate(self, days: int) -> float:
        """Bans of the line's carrier per line that it had for the whole window, the line itself among them."""
        lines = self.view.group("carrier", self.row["carrier"])
        bans = sum(len(self.view.bans_of(row["line_id"], days)) for row in lines)
        return div(bans, sum(self.view.days_in_hand(row, days) for row in lines)) * days

    def ban_rate_of_others(self, by: str, days: int) -> float:
        exposure = sum(self.view.days_in_hand(row, days) for row in self.others(by)) / days
        return (self.bans_of_others(by, days) + 20 * self.usual_ban_rate(days)) / (exposure + 20)
