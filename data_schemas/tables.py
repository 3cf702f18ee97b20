"""The data contracts, declared once: ingest, the simulator, the docs and the errors all read them here.

Times are timezone-aware and stored as UTC. Each event table has an event time and a knowledge time
(when the company could have known); a table without its knowledge-time column knows each event when it happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "timestamp", "number", "boolean", "clock"]


@dataclass(frozen=True)
class Column:
    """One column of a contract.

    kind: string; timestamp (an instant); number (float64); boolean; clock (a local time of day, "HH:MM").
    required: the column must be there. nullable: a cell may be empty (optional columns always may).
    low, high: the smallest and largest value allowed, both inclusive, in `unit`.
    allowed: the closed set of values, empty when any is allowed.
    personal: holds personal data; ingest replaces it with a keyed hash.
    """

    name: str
    kind: Kind
    doc: str
    required: bool = True
    unit: str = ""
    low: float | None = None
    high: float | None = None
    allowed: tuple[str, ...] = ()
    personal: bool = False

    @property
    def nullable(self) -> bool:
        """Whether a cell may be empty: only in optional columns."""
        return not self.required


@dataclass(frozen=True)
class NotBefore:
    """A rule across two times of a row: `later`, where given, is not before `earlier`."""

    later: str
    earlier: str

    @property
    def name(self) -> str:
        """The rule as it stands in quarantine and in messages."""
        return f"{self.later} is not before {self.earlier}"


@dataclass(frozen=True)
class Table:
    """The contract of one table.

    key: the column that names a row; the same key twice is a duplicate.
    event_time: when it happened. knowledge_time: the optional column that says when it could be known.
    optional: the whole table may be missing.
    big: events by the million, kept by local day; a key of a big table is unique within its local day.
    """

    name: str
    key: tuple[str, ...]
    event_time: str
    columns: tuple[Column, ...]
    doc: str
    knowledge_time: str | None = None
    optional: bool = False
    big: bool = False
    rules: tuple[NotBefore, ...] = ()

    def column(self, name: str) -> Column:
        """The column of that name; KeyError when the contract has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """All column names, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def required_names(self) -> tuple[str, ...]:
        """The names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


LINES = Table(
    "lines",
    key=("line_id",),
    event_time="activated_at",
    doc="Outbound lines (SIM cards or DIDs), one row a line.",
    columns=(
        Column("line_id", "string", "The line."),
        Column("carrier", "string", "The carrier that leases the line and may ban it."),
        Column("number_pool", "string", "The pool of numbers the line was leased from."),
        Column("activated_at", "timestamp", "When the line could first call."),
        Column("team", "string", "The team that uses the line.", required=False),
        Column("home_region", "string", "The region the number belongs to.", required=False),
        Column("deactivated_at", "timestamp", "When the company gave the line up.", required=False),
        Column("registrant_verified", "boolean", "Whether the registrant's identity was verified.", required=False),
        Column("number_segment", "string", "The number segment (prefix) of the line.", required=False),
    ),
    rules=(NotBefore("deactivated_at", "activated_at"),),
)

CALLS = Table(
    "calls",
    key=("call_id",),
    event_time="started_at",
    knowledge_time="recorded_at",
    big=True,
    doc="Outbound calls, one row a call.",
    columns=(
        Column("call_id", "string", "The call; unique within its local day."),
        Column("line_id", "string", "The line that called."),
        Column("started_at", "timestamp", "When the call was placed."),
        Column("callee_id", "string", "The number called.", personal=True),
        Column("duration_s", "number", "Talk time; 0 when it was not answered.", unit="s", low=0, high=86_400),
        Column("answered", "boolean", "Whether the callee answered."),
        Column("ring_s", "number", "Time until answer or end.", required=False, unit="s", low=0, high=86_400),
        Column("region", "string", "The region the line called from.", required=False),
        Column("agent_id", "string", "The agent who called.", required=False),
        Column("device_id", "string", "The device the line was in.", required=False),
        Column("disposition", "string", "How it ended, e.g. answered, no_answer, busy, refused.", required=False),
        Column("recorded_at", "timestamp", "When the record reached the company.", required=False),
    ),
)

COMPLAINTS = Table(
    "complaints",
    key=("complaint_id",),
    event_time="occurred_at",
    knowledge_time="received_at",
    doc="Complaints about a line and marks set on its number.",
    columns=(
        Column("complaint_id", "string", "The complaint."),
        Column("line_id", "string", "The line complained about."),
        Column("occurred_at", "timestamp", "When the subscriber complained."),
        Column("received_at", "timestamp", "When the company learned of it.", required=False),
        Column(
            "channel",
            "string",
            "How it came.",
            required=False,
            allowed=("carrier", "regulator", "app_mark", "internal"),
        ),
        Column("category", "string", "What it is about.", required=False),
        Column("callee_id", "string", "The number that complained.", required=False, personal=True),
    ),
)

BANS = Table(
    "bans",
    key=("ban_id",),
    event_time="banned_at",
    knowledge_time="reported_at",
    doc="Bans of lines by their carriers.",
    columns=(
        Column("ban_id", "string", "The ban."),
        Column("line_id", "string", "The line banned."),
        Column("banned_at", "timestamp", "When the ban began."),
        Column("lifted_at", "timestamp", "When it ended; empty while it lasts.", required=False),
        Column("reported_at", "timestamp", "When the company learned of it.", required=False),
        Column("reason", "string", "The reason the carrier gave.", required=False),
        Column("appealed_at", "timestamp", "When the company appealed.", required=False),
        Column(
            "appeal_won",
            "boolean",
            "Whether the appeal was won; known when the ban is lifted, or when it was told after that.",
            required=False,
        ),
    ),
    rules=(NotBefore("lifted_at", "banned_at"), NotBefore("appealed_at", "banned_at")),
)

MESSAGES = Table(
    "messages",
    key=("message_id",),
    event_time="sent_at",
    knowledge_time="recorded_at",
    optional=True,
    big=True,
    doc="Text messages sent from lines.",
    columns=(
        Column("message_id", "string", "The message; unique within its local day."),
        Column("line_id", "string", "The line that sent it."),
        Column("sent_at", "timestamp", "When it was sent."),
        Column("recipient_id", "string", "The number it was sent to.", required=False, personal=True),
        Column("recorded_at", "timestamp", "When the record reached the company.", required=False),
    ),
)

POLICIES = Table(
    "policies",
    key=("carrier", "effective_at"),
    event_time="effective_at",
    optional=True,
    doc="Published rules of carriers and their changes.",
    columns=(
        Column("carrier", "string", "The carrier."),
        Column("effective_at", "timestamp", "From when the rule holds."),
        Column("daily_call_limit", "number", "Calls a line may place a day.", required=False, unit="calls/day", low=0),
        Column("hourly_call_limit", "number", "Calls a line may place an hour.", required=False, unit="calls/h", low=0),
        Column("permitted_from", "clock", "Start of the permitted hours, local.", required=False),
        Column("permitted_to", "clock", "End of the permitted hours, local.", required=False),
        Column("note", "string", "What was announced.", required=False),
    ),
)

TABLES: dict[str, Table] = {t.name: t for t in (LINES, CALLS, COMPLAINTS, BANS, MESSAGES, POLICIES)}
