"""The ranking as files: a workbook in the language of the settings, with list and summary in the other, and CSV.

Names in data never run: cells of the workbook are written as texts, never as formulas or links; a CSV text that a
spreadsheet might take for a formula gets an apostrophe before it, as OWASP advises.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from serving.actions import Action
from serving.report.cells import GROUPS, columns, rows
from serving.report.data import FLAGGED, Ranking
from serving.report.extra_sheets import SHEETS, write_extra
from serving.report.groups import groups
from serving.report.sheets import Book, Sheet, sheet_name
from serving.report.texts import ABOUT_RULE, BY_RULE, LANGUAGES, Texts, texts
from serving.report.texts import LEVELS as LEVEL_WORDS

XLSX_LINES = 10_000
"""Lines that the workbook holds at most, from the top; the CSV holds all."""
TEAM_SHEETS = 50
"""Sheets of teams past which teams without a line on the list have none."""
MOST_TEAM_SHEETS = 200
"""Sheets of teams at the most: programs open workbooks of more slowly."""
# A sign that begins a formula, also full-width, behind what a spreadsheet may skip: spaces, control and invisible
# characters, quotes. Not only at the beginning: where lists are separated by semicolons, a text is cut at each.
_SKIPPED = r"[\s\"\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]*"
_FORMULA = re.compile(rf"(^|[;\t\r\n])(?={_SKIPPED}[=+\-@＝＋－＠])|^(?=[\t\r\n])")


def guarded(text: str) -> str:
    """A text for CSV that no spreadsheet runs: an apostrophe stands before each sign that could begin a formula."""
    return _FORMULA.sub(r"\g<1>'", text)


def write_csv(path: Path, ranking: Ranking, playbook: Mapping[str, Action], language: str) -> None:
    """All lines as CSV, UTF-8 with a byte order mark so that Excel opens Chinese right."""
    say = texts(language)
    shape = columns(ranking, say)
    kinds = [column.kind for column in shape]
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow([guarded(column.heading) for column in shape])
        for cells in rows(ranking, playbook, say):
            writer.writerow([_csv(cell, kind) for cell, kind in zip(cells, kinds, strict=True)])


def _csv(cell: Any, kind: str) -> str:
    if cell is None:
        return ""
    if kind in ("percent", "decimal"):
        return f"{cell:.6f}" if kind == "percent" else f"{cell:.1f}"
    return guarded(cell) if isinstance(cell, str) else str(cell)


def write_xlsx(
    path: Path,
    ranking: Ranking,
    playbook: Mapping[str, Action],
    language: str,
    extras: Mapping[str, Mapping[str, Any] | None] | None = None,
) -> None:
    """A workbook of summary, list and a sheet a team in `language`, then list and summary in the other language.

    extras: the dictionaries of the scorecard, continuity, coaching and appeals by name (SHEETS), each of which may be None;
    those given have a sheet each, after the teams'.
    """
    say = texts(language)
    others = [texts(other) for other in LANGUAGES if other != language]
    found = {name: extra for name in SHEETS if (extra := (extras or {}).get(name))}
    used: set[str] = set()
    summary, listing = sheet_name(say("Summary"), used), sheet_name(say("Ranking"), used)
    beside = {name: sheet_name(say(SHEETS[name]), used) for name in found}
    names = [(other, sheet_name(other("Ranking"), used), sheet_name(other("Summary"), used)) for other in others]
    teams = _teams(ranking, say, used)
    with Book(path) as book:
        book.about(
            say("Line ban risk, ranked"),
            say("As of {date}, 00:00", date=say.date(ranking.as_of)),
            {"as_of": ranking.as_of.isoformat(), "model": ranking.model_version, "data_fingerprint": ranking.data_fingerprint},
        )
        _summary(_sheet(book, summary, say, ranking), ranking, teams)
        cells = list(rows(ranking, playbook, say, XLSX_LINES))
        shape = columns(ranking, say)
        _sheet(book, listing, say, ranking).main_table(shape, cells, keep=2)
        for team in teams.shown:
            _sheet(book, team.sheet, say, ranking).main_table(shape, (cells[place] for place in team.lines), keep=2)
        for name, extra in found.items():
            write_extra(_sheet(book, beside[name], say, ranking), name, extra)
        for other, its_listing, its_summary in names:
            sheet = _sheet(book, its_listing, other, ranking)
            sheet.main_table(columns(ranking, other), rows(ranking, playbook, other, XLSX_LINES), keep=2)
            _summary(_sheet(book, its_summary, other, ranking), ranking, teams)


def _sheet(book: Book, name: str, say: Texts, ranking: Ranking) -> Sheet:
    return book.sheet(name, say, f"{say('Line ban risk, ranked')} · {say('As of {date}, 00:00', date=say.date(ranking.as_of))}")


@dataclass(frozen=True)
class _Team:
    """A team with a sheet: name (None: not known), the sheet's name, places of its lines in the list, flagged ones first."""

    name: str | None
    sheet: str
    lines: list[int]


@dataclass(frozen=True)
class _Teams:
    """The teams that have a sheet, most expected bans first, those with flagged lines before the others; and all there are."""

    shown: list[_Team]
    count: int


def _teams(ranking: Ranking, say: Texts, used: set[str]) -> _Teams:
    """Which teams have a sheet, and what it is called. None has one where no line's team is known."""
    lines = ranking.lines.head(XLSX_LINES)
    if not any(isinstance(name, str) for name in lines["team"]):
        return _Teams([], 0)
    flagged = lines["level"].isin(FLAGGED).tolist()
    places: dict[str | None, list[int]] = {}
    for place, name in enumerate(lines["team"]):
        places.setdefault(name if isinstance(name, str) else None, []).append(place)
    risk = lines[ranking.risk].to_numpy()
    expected = {name: (any(flagged[place] for place in own), float(risk[own].sum())) for name, own in places.items()}
    order = sorted(places, key=lambda name: expected[name], reverse=True)
    kept = [name for count, name in enumerate(order) if count < TEAM_SHEETS or expected[name][0]][:MOST_TEAM_SHEETS]
    shown = [
        _Team(
            name,
            sheet_name(say("not known") if name is None else name, used),
            sorted(places[name], key=lambda place: not flagged[place]),
        )
        for name in kept
    ]
    return _Teams(shown, len(places))


def _summary(sheet: Sheet, ranking: Ranking, teams: _Teams) -> None:
    say, totals, before = sheet.say, ranking.totals, ranking.previous
    sheet.widths(44, 18, 20, 11, 11, 13, 13, 13, 32)

    def against(words: str, now: float, kind: Literal["number", "decimal"], then: float | None) -> None:
        sheet.line((words, "text"), (now, kind), (then, kind))

    sheet.line((say("Line ban risk, ranked"), "title"))
    sheet.line((say("As of {date}, 00:00", date=say.date(ranking.as_of)), "text"))
    if not ranking.forecasts:
        sheet.line((say(BY_RULE), "text"))
    sheet.heading("", say("Now"), *([say.date(before.as_of)] if before else []), lines=1)
    first = sheet.row
    for level in FLAGGED:
        sheet.line(
            (say.level(level), "level"), (totals.levels[level], "number"), (before.levels[level] if before else None, "number")
        )
    sheet.colour_levels(0, first, sheet.row - 1)
    if totals.expected is not None:
        words = say("Bans expected in the next {n} days", n=ranking.headline)
        against(words, totals.expected, "decimal", before.expected if before else None)
    against(say("Lines scored"), totals.lines, "number", before.lines if before else None)
    listed = ranking.lines["level"].isin(FLAGGED)
    against(say("Calls at stake, 7 days"), int(ranking.lines.loc[listed, "calls_7d"].sum()), "number", None)
    sheet.line((say("Model"), "text"), (ranking.model_version or "–", "text"))
    sheet.line((say("Trained on what was known before"), "text"), (ranking.trained_until or "–", "text"))
    sheet.line((say("Data fingerprint"), "text"), (ranking.data_fingerprint or "–", "text"))
    for note in _notes(say, ranking, teams):
        sheet.line((note, "text"))
    sheets = {team.name: team.sheet for team in teams.shown}
    for kind, heading in GROUPS.items():
        heads = [say(heading), say("Lines"), *(say(LEVEL_WORDS[level]) for level in FLAGGED)]
        heads += [say("Expected bans"), say("Per 100 lines")] if ranking.forecasts else []
        heads += [say("Calls at stake, 7 days")]
        heads += [say("Sheet")] if kind == "team" and sheets else []
        sheet.line()
        sheet.heading(*heads)
        for group in groups(ranking, kind):
            expected = group["expected"]
            sheet.line(
                (say("not known") if group["name"] is None else group["name"], "text"),
                (group["lines"], "number"),
                *((count, "number") for count in group["levels"][: len(FLAGGED)]),
                *(((expected, "decimal"), (100 * expected / group["lines"], "decimal")) if expected is not None else ()),
                (group["stake"], "number"),
                (sheets.get(group["name"]) if kind == "team" else None, "text"),
            )


def _notes(say: Texts, ranking: Ranking, teams: _Teams) -> list[str]:
    """What the reader must know: what numbers mean, and what the workbook leaves out."""
    notes = [
        say("Risks, also those after an action, are a model's estimates and no promise.")
        if ranking.forecasts
        else say(ABOUT_RULE, n=ranking.headline),
        say("At stake: calls and talk time of a line's last 7 days; summed up, of the lines on the list."),
    ]
    if len(ranking.lines) > XLSX_LINES:
        notes.append(
            say(
                "This workbook holds the top {shown} of {all} lines; ranking.csv beside it has them all.",
                shown=say.number(XLSX_LINES),
                all=say.number(len(ranking.lines)),
            )
        )
    if len(teams.shown) < teams.count:
        notes.append(
            say(
                "{shown} of {all} teams have a sheet: past {limit}, only teams with lines on the list, and {most} at the most.",
                shown=say.number(len(teams.shown)),
                all=say.number(teams.count),
                limit=say.number(TEAM_SHEETS),
                most=say.number(MOST_TEAM_SHEETS),
            )
        )
    return notes
