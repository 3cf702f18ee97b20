"""The sheets beside the list: how good the lists were, what is left to call with, how teams talk, which bans to appeal.

Each is written from the plain dictionary that the page shows too, and is left out where there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serving.appeals.content import STATES
from serving.report.cells import Column, Kind, number
from serving.report.sheets import Sheet
from serving.report.texts import LANGUAGES, N_, Texts

SHEETS = {
    "scorecard": N_("Scorecard"),
    "continuity": N_("Continuity"),
    "coaching": N_("Coaching"),
    "appeals": N_("Appeals"),
}
"""Every sheet beside the list, in order, with its name."""
_BY = {"team": N_("Team"), "carrier": N_("Carrier"), "agent": N_("Agent")}


def write_extra(sheet: Sheet, name: str, found: Mapping[str, Any]) -> None:
    """Fill a sheet of SHEETS from its dictionary."""
    {"scorecard": _scorecard, "continuity": _continuity, "coaching": _coaching, "appeals": _appeals}[name](sheet, found)


def _scorecard(sheet: Sheet, card: Mapping[str, Any]) -> None:
    """Each week's list against the bans that followed it, and who was caught, missed and warned of for nothing last."""
    say, weeks = sheet.say, list(card.get("weeks") or [])
    # Where all lists were the rule's, no number of bans was ever forecast.
    forecast = not weeks or any(week.get("expected") is not None for week in weeks)
    shape = [
        Column(say("As of"), "date", 13),
        Column(say("Until"), "date", 13),
        Column(say("Lines scored"), "number", 11),
        Column(say("On the list"), "number", 11),
        Column(say("Red"), "number", 9),
        Column(say("Bans"), "number", 9),
        Column(say("Caught"), "number", 9),
        Column(say("Missed"), "number", 9),
        Column(say("False alarms"), "number", 9),
        Column(say("Precision"), "percent", 10, "share"),
        Column(say("Recall"), "percent", 10, "share"),
        *([Column(say("Expected bans"), "decimal", 10)] if forecast else []),
        Column(say("Days of warning: quarter"), "decimal", 10),
        Column(say("Days of warning: half"), "decimal", 10),
        Column(say("Days of warning: three quarters"), "decimal", 13),
        Column(say("State"), "text", 14),
    ]
    names = ("as_of", "until", "scored", "flagged", "red", "bans", "hits", "misses", "false_alarms", "precision", "recall")
    sheet.main_table(
        shape,
        (
            [
                *(week.get(name) for name in names),
                *([week.get("expected")] if forecast else []),
                *(week.get("warning") or [None] * 3),
                _state(say, week),
            ]
            for week in weeks
        ),
        keep=2,
    )
    last, more = card.get("last") or {}, card.get("more") or {}
    headings = {
        "hits": say("Caught: on the list of {day} and banned", day=last.get("as_of", "")),
        "misses": say("Missed: banned without being on the list of {day}", day=last.get("as_of", "")),
        "false_alarms": say("False alarms: on the list of {day} and not banned", day=last.get("as_of", "")),
    }
    for name, heading in headings.items():
        if last.get(name):
            _heading(sheet, heading)
            sheet.table(_line_columns(say, name), ([*_line_cells(say, one, name)] for one in last[name]))
            if more.get(name):
                sheet.line((say.plural("and {n} more line", "and {n} more lines", more[name]), "text"))
    _note(sheet, card)


def _state(say: Texts, week: Mapping[str, Any]) -> str:
    """Whether what came of a week's list may still change, and whether anybody had the list at the time."""
    words = say("final") if week.get("final") else say("not final yet")
    return say("{state}, scored later", state=words) if week.get("hindsight") else words


def _line_columns(say: Texts, name: str) -> list[Column]:
    found = [
        Column(say("Line"), "text", 13),
        Column(say("Level"), "level", 13),
        Column(say("Rank"), "number", 11),
        Column(say("Risk"), "percent", 11),
    ]
    if name != "false_alarms":
        found.append(Column(say("Banned on"), "date", 13))
    return [*found, Column(say("Days of warning"), "decimal", 9)] if name == "hits" else found


def _line_cells(say: Texts, one: Mapping[str, Any], name: str) -> Iterable[Any]:
    yield from (one.get("line_id"), _level(say, one.get("level")), one.get("rank"), one.get("risk"))
    if name != "false_alarms":
        yield one.get("banned")
    if name == "hits":
        yield one.get("days")


def _continuity(sheet: Sheet, found: Mapping[str, Any]) -> None:
    """Bans to expect of each team and carrier, the calls a day that they would cost, and the lines to keep in hand."""
    say, weeks = sheet.say, list(found.get("weeks") or [])
    shape = [
        Column(say("By"), "text", 11),
        Column(say("Name"), "text", 24),
        Column(say("Lines"), "number", 9),
        Column(say("Calls a day"), "number", 10),
    ]
    for n in weeks:
        shape += [
            Column(say.plural("Expected bans, {n} week", "Expected bans, {n} weeks", n), "decimal", 11),
            Column(say.plural("At least, {n} week", "At least, {n} weeks", n), "number", 10),
            Column(say.plural("At most, {n} week", "At most, {n} weeks", n), "number", 10),
            Column(say.plural("Calls a day lost, {n} week", "Calls a day lost, {n} weeks", n), "decimal", 11, "amount"),
            Column(say.plural("Spare lines, {n} week", "Spare lines, {n} weeks", n), "number", 10),
        ]
    parts = ("expected", "low", "high", "lost_calls_day", "spare_lines")

    def cells(by: str, row: Mapping[str, Any], name: str) -> list[Any]:
        lists = [_padded(row.get(part), len(weeks)) for part in parts]
        return [by, name, row.get("lines"), row.get("calls_day"), *(values[n] for n in range(len(weeks)) for values in lists)]

    groups = found.get("groups") or {}
    rows = [
        cells(say(_BY[kind]), row, say("not known") if row.get("name") is None else row["name"])
        for kind in ("team", "carrier")
        for row in groups.get(kind) or []
    ]
    if found.get("total"):
        rows.append(cells(say("All"), found["total"], say("All lines")))
    sheet.main_table(shape, rows, keep=2)
    _worth(sheet, found.get("plan") or {})
    _note(sheet, found)


def _worth(sheet: Sheet, plan: Mapping[str, Any]) -> None:
    """What acting on the list is worth, where the settings say what a ban and an action cost."""
    if plan.get("cost_nothing") is None:
        return
    say = sheet.say
    _heading(sheet, say.plural("Expected cost, {n} day", "Expected cost, {n} days", plan["days"]))
    for words, name in (
        (say("Nothing is done"), "cost_nothing"),
        (say("All lines on the list are acted on"), "cost_flagged"),
        (say("The lines that pay are acted on"), "cost_best"),
    ):
        sheet.line(
            (say("{what} ({unit})", what=words, unit=plan.get("currency")), "text"), (None, "text"), (plan.get(name), "number")
        )
    sheet.line((say("Lines that pay"), "text"), (None, "text"), (plan.get("best_lines"), "number"))
    sheet.line((say("Risk from which acting pays"), "text"), (None, "text"), (plan.get("threshold"), "percent"))


def _coaching(sheet: Sheet, found: Mapping[str, Any]) -> None:
    """How teams and agents talk, each measure beside what is usual; what stands out is named in words."""
    say, measures = sheet.say, list(found.get("measures") or [])
    shape = [
        Column(say("By"), "text", 11),
        Column(say("Name"), "text", 24),
        Column(say("Team"), "text", 18),
        Column(say("Calls"), "number", 10),
        Column(say("Lines"), "number", 9),
        Column(say("Stands out in"), "text", 34),
    ]
    labels: dict[str, str] = {}
    for one in measures:
        kind: Kind = "percent" if one.get("unit") == "share" else "decimal"
        msgid, unit = one["label"], one.get("unit")
        label = labels[one["name"]] = say(msgid)
        shape += [
            Column(label if unit in (None, "", "share") else say("{what} ({unit})", what=label, unit=say(unit)), kind, 13),
            Column(say("{measure}: usual", measure=label), kind, 12),
            Column(say("{measure}: times the usual", measure=label), "decimal", 12),
        ]

    def cells(kind: str, row: Mapping[str, Any]) -> list[Any]:
        values = [(row.get("measures") or {}).get(one["name"]) or {} for one in measures]
        standing = [labels[one["name"]] for one, value in zip(measures, values, strict=True) if value.get("stands_out")]
        name = say("not known") if row.get("name") is None else row["name"]
        own = [say(_BY[kind]), name, row.get("team"), row.get("calls"), row.get("lines"), say(", ").join(standing) or None]
        return [*own, *(value.get(part) for value in values for part in ("value", "usual", "ratio"))]

    rows = [cells("team", row) for row in found.get("teams") or []]
    rows += [cells("agent", row) for row in found.get("agents") or []]
    sheet.main_table(shape, rows, keep=2)
    if found.get("nobody"):
        sheet.line()
        sheet.line((say(str(found["nobody"])), "text"))
    _note(sheet, found)


def _appeals(sheet: Sheet, found: Mapping[str, Any]) -> None:
    """Bans that an appeal may lift, with what speaks for it, and where each appeal stands."""
    say = sheet.say
    shape = [
        Column(say("Ban"), "text", 16),
        Column(say("Line"), "text", 20),
        Column(say("Carrier"), "text", 16),
        Column(say("Team"), "text", 16),
        Column(say("Banned on"), "date", 13),
        Column(say("Level before the ban"), "level", 12),
        Column(say("Risk before the ban"), "percent", 11),
        Column(say("Rank before the ban"), "number", 11),
        Column(say("Scored"), "date", 13),
        Column(say("What speaks for it"), "words", 70),
        Column(say("Document"), "text", 30),
    ]
    here = LANGUAGES.index(say.language)
    names = ("ban_id", "line_id", "carrier", "team", "banned")
    sheet.main_table(
        shape,
        (
            [
                *(one.get(name) for name in names),
                _level(say, one.get("level")),
                *(one.get(name) for name in ("risk", "rank", "scored")),
                "\n".join(point[here] for point in one.get("points") or []) or None,
                (one.get("document") or {}).get(say.language),
            ]
            for one in found.get("candidates") or []
        ),
        keep=2,
    )
    if found.get("cases"):
        _heading(sheet, say("Appeals under way"))
        shape = [
            Column(say("Appeal"), "text", 16),
            Column(say("Line"), "text", 20),
            Column(say("Ban"), "text", 16),
            Column(say("State"), "text", 16),
            Column(say("Since"), "date", 13),
            Column(say("Due"), "date", 12),
            Column(say("Late"), "text", 11),
        ]
        sheet.table(
            shape,
            (
                [*(one.get(name) for name in ("id", "line_id", "ban_id")), say(STATES.get(one["state"], one["state"]))]
                + [one.get("since"), one.get("due"), say("late") if one.get("late") else None]
                for one in found["cases"]
            ),
        )
    _note(sheet, found)


def _level(say: Texts, level: str | None) -> str | None:
    return say.level(level) if level else None


def _padded(values: Sequence[Any] | None, length: int) -> list[Any]:
    return [number(value) for value in [*(values or []), *([None] * length)][:length]]


def _heading(sheet: Sheet, words: str) -> None:
    sheet.line()
    sheet.line((words, "title"))


def _note(sheet: Sheet, found: Mapping[str, Any]) -> None:
    if found.get("note"):
        sheet.line()
        sheet.line((sheet.say(str(found["note"])), "text"))
