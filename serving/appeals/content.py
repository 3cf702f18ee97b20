"""What the document of an appeal says, in one language, as plain parts that a page and a text file are made from.

No callee is named, by a number or by its hash: the document leaves the company.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import Any
from zoneinfo import ZoneInfo

from data_schemas.clock import day_date
from serving.appeals.counts import DAYS
from serving.appeals.judging import Judged, Point
from serving.report.texts import N_, Texts

LABELS = {
    "risk": N_("Risk of a ban before it, by our own estimate"),
    "daily_calls": N_("Calls on the busiest day"),
    "hourly_calls": N_("Calls in the busiest clock hour"),
    "off_hours": N_("Share of calls outside permitted hours"),
    "complaints": N_("Complaints per 1,000 calls"),
    "complainers": N_("Calls to people who had complained before"),
}
HINDRANCES = {
    "unknown_line": N_("The lines table does not hold this line, so its carrier is not known."),
    "old": N_("The ban began too long ago."),
    "lifted": N_("The ban has been lifted."),
    "appealed": N_("The ban has been appealed against already."),
    "case": N_("There is a case for this ban already."),
    "no_score": N_("The line was not scored in the days before the ban."),
}
CHANNELS = {
    "carrier": N_("through the carrier"),
    "regulator": N_("through the regulator"),
    "app_mark": N_("marks in caller-id apps"),
    "internal": N_("made to the company"),
    None: N_("channel not known"),
}
STATES = {
    "drafted": N_("Drafted"),
    "sent": N_("Sent, awaiting an answer"),
    "answered": N_("Answered"),
    "won": N_("Won"),
    "lost": N_("Lost"),
    "withdrawn": N_("Withdrawn"),
}
"""Every state of an appeal, with its words."""


@dataclass(frozen=True)
class Table:
    """A table. numbers: places of the columns that hold numbers. dated: the first one holds days or hours."""

    head: list[str]
    rows: list[list[str]]
    numbers: tuple[int, ...] = ()
    dated: bool = False


@dataclass(frozen=True)
class Part:
    """A heading and what stands below it. chart: the daily calls are drawn here. blank: a place for the company to fill in."""

    title: str
    paragraphs: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)
    table: Table | None = None
    chart: bool = False
    blank: str = ""


@dataclass(frozen=True)
class Source:
    """What the counts rest on: midnight `as_of`, zone, data fingerprint, version of bancast, first day of call records."""

    as_of: date
    zone: str
    horizon: int
    fingerprint: str
    version: str
    records_from: date | None


def title(judged: Judged, say: Texts) -> str:
    """The heading of the document."""
    return say("Request to review the ban of line {line}", line=judged.line_id)


def letter(judged: Judged, source: Source, attachments: Sequence[dict[str, Any]], say: Texts) -> list[Part]:
    """The parts of the document, in order."""
    return [
        _request(judged, say),
        _about(judged, source, say),
        _limits(judged, say),
        _days(judged, say),
        _hours(judged, say),
        _complaints(judged, say),
        _consent(attachments, say),
        _estimate(judged, source, say),
        _counted(judged, source, say),
        _signature(say),
    ]


def sentence(point: Point, judged: Judged, say: Texts) -> str:
    """A point of evidence in one line: value, limit, where the limit comes from."""
    value, limit, source = _cells(point, judged, say)
    return say("{what}: {value}; limit {limit} ({source})", what=say(LABELS[point.name]), value=value, limit=limit, source=source)


def _cells(point: Point, judged: Judged, say: Texts) -> tuple[str, str, str]:
    shown = say.percent if point.name in ("risk", "off_hours") else lambda value: say.number(value, 1)
    value = say("not known") if point.value is None else shown(point.value)
    limit = say("not known") if point.limit is None else shown(point.limit)
    return value, limit, _source(point, judged, say)


def _source(point: Point, judged: Judged, say: Texts) -> str:
    if point.name in ("daily_calls", "hourly_calls"):
        if point.since is None:
            return say("our own rule; no published limit is known")
        return say("published by the carrier, in force since {date}", date=say.date(point.since))
    if point.name == "off_hours":
        last = judged.daily.iloc[-1]
        hours = {"opens": last["opens"], "closes": last["closes"]}
        if point.since is None:
            return say("our own rule; hours {opens} to {closes}, no published ones are known", **hours)
        return say("our own rule; hours {opens} to {closes} as published, since {date}", date=say.date(point.since), **hours)
    if point.name == "complaints":
        return say("median of our lines with this carrier in the {n} days before", n=DAYS)
    if point.name == "complainers":
        return say("our own rule")
    return say("our own threshold for lines to watch")


def _request(judged: Judged, say: Texts) -> Part:
    first = say(
        "We respectfully ask you to review the ban of line {line}, which began on {date}. The records below show how the line "
        "was used before it. If your review agrees with them, please lift the ban.",
        line=judged.line_id,
        date=say.date(judged.banned),
    )
    second = say(
        "Should you have found a breach that these records do not show, please tell us which, so that we can put it right. We "
        "will gladly send further records."
    )
    return Part(say("What we ask"), [first, second])


def _about(judged: Judged, source: Source, say: Texts) -> Part:
    began = judged.banned_at.replace(tzinfo=UTC).astimezone(ZoneInfo(source.zone))
    known = {True: say("yes"), False: say("no"), None: say("not known")}
    rows = [
        [say("Line"), judged.line_id],
        [say("Carrier"), judged.carrier or say("not known")],
        [say("Active since"), say.date(judged.activated) if judged.activated else say("not known")],
        [say("Registrant verified"), known[judged.verified]],
        [say("Ban began"), f"{began:%Y-%m-%d %H:%M} ({source.zone})"],
        [say("Reason as given to us"), judged.reason or say("none was given")],
        [say("Our reference"), judged.ban_id],
    ]
    return Part(say("The line and the ban"), table=Table([say("What"), say("Value")], rows))


def _limits(judged: Judged, say: Texts) -> Part:
    rows = [[say(LABELS[point.name]), *_cells(point, judged, say)] for point in judged.points if point.name != "risk"]
    head = [say("What"), say("Value"), say("Limit"), say("Where the limit comes from")]
    words = say("The {n} days before the ban, and its own day until it began:", n=DAYS)
    return Part(say("The line's use against the limits"), [words], table=Table(head, rows, (1, 2)))


def _days(judged: Judged, say: Texts) -> Part:
    head = [
        say("Day"),
        say("Calls"),
        say("Limit a day"),
        say("Calls in the busiest hour"),
        say("Limit an hour"),
        say("Outside permitted hours"),
    ]
    columns = ("calls", "daily", "busiest_hour", "hourly", "off_hours")
    rows = [
        [day_date(int(day["day"])).isoformat(), *(say.number(float(day[name]), 1) for name in columns)]
        for day in judged.daily.to_dict("records")
    ]
    return Part(say("Calls by day"), table=Table(head, rows, (1, 2, 3, 4, 5), dated=True), chart=True)


def _hours(judged: Judged, say: Texts) -> Part:
    rows = [
        [f"{hour:02d}:00–{hour + 1:02d}:00", say.number(calls), say.number(off)]
        for hour, calls, off in judged.hourly[["hour", "calls", "off_hours"]].astype(int).itertuples(index=False)
    ]
    if not rows:
        return Part(say("Calls by hour of the day"), [say("The line placed no calls in this time.")])
    head = [say("Hour"), say("Calls"), say("Outside permitted hours")]
    return Part(say("Calls by hour of the day"), table=Table(head, rows, (1, 2), dated=True))


def _complaints(judged: Judged, say: Texts) -> Part:
    if not judged.channels:
        return Part(say("Complaints"), [say("We know of no complaint about the line in this time.")])
    rows = [[say(CHANNELS.get(channel, channel or "")), say.number(number)] for channel, number in judged.channels.items()]
    return Part(say("Complaints"), table=Table([say("Channel"), say("Complaints")], rows, (1,)))


def _consent(attachments: Sequence[dict[str, Any]], say: Texts) -> Part:
    if not attachments:
        blank = say("[To be attached by the company: consent records of the people called, where they gave consent]")
        return Part(say("Consent records"), blank=blank)
    items = [
        say("{name} ({n} bytes, SHA-256 {sum})", name=one["name"], n=say.number(one["bytes"]), sum=one["sha256"])
        for one in attachments
    ]
    return Part(say("Consent records"), [say("Attached to this letter:")], items)


def _estimate(judged: Judged, source: Source, say: Texts) -> Part:
    heading = say("Our own estimate before the ban")
    if judged.estimate is None or judged.scored is None:
        return Part(heading, [say("There is none of this line.")])
    first = say(
        "On {date}, before the ban, our software bancast estimated the risk that this line is banned within {n} days at {risk}.",
        date=say.date(judged.scored),
        n=source.horizon,
        risk=say.percent(judged.estimate),
    )
    second = say(
        "This is a statistical estimate from the records of all our lines. It is no proof that the line kept your rules; it says "
        "that the line did not resemble lines that were banned before."
    )
    return Part(heading, [first, second])


def _counted(judged: Judged, source: Source, say: Texts) -> Part:
    words = [
        say(
            "Counted from our own call and complaint records, as they were known on {date}, 00:00. A day is a local day of "
            "{zone}. The day of the ban counts until the ban began. A limit is that in force on the day.",
            date=say.date(source.as_of),
            zone=source.zone,
        )
    ]
    if source.records_from and source.records_from > day_date(int(judged.daily["day"].iloc[0])):
        words.append(say("Our call records begin on {date}.", date=say.date(source.records_from)))
    rows = [
        [say("Data fingerprint"), source.fingerprint],
        [say("Software"), f"bancast {source.version}"],
        [say("Model"), judged.model_version or "–"],
    ]
    return Part(say("How this was counted"), words, table=Table([say("What"), say("Value")], rows))


def _signature(say: Texts) -> Part:
    blank = say("[To be filled in by the company: name, contact person, telephone, date and signature]")
    return Part(say("Sender"), blank=blank)
