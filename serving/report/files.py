"""The ranking as files: XLSX with a sheet of each language, and CSV in the language of the settings.

Names in data never run: XLSX cells are written as texts, never as formulas or links; a CSV text that a spreadsheet
might take for a formula gets an apostrophe before it, as OWASP advises.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import xlsxwriter

from serving.actions import Action
from serving.report.data import FLAGGED, LEVELS, Ranking
from serving.report.page import GROUPS, groups
from serving.report.texts import LEVELS as LEVEL_WORDS
from serving.report.texts import N_, Texts, texts

XLSX_LINES = 10_000
"""Lines that the XLSX holds at most, from the top; the CSV holds all."""
REASONS = 3
ACTIONS = 3
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_GROUP_WORDS = {"team": N_("Team"), "carrier": N_("Carrier"), "number_pool": N_("Number pool")}
_COLOURS = {
    "red": ("#fdeeec", "#a51d14"),
    "orange": ("#fdf2e4", "#93480a"),
    "yellow": ("#fcf8dd", "#6f5800"),
    "green": ("#eaf6ef", "#1d6a43"),
}


def guarded(text: str) -> str:
    """A text for CSV that no spreadsheet runs: one that could begin a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip(" ").startswith(_FORMULA) else text


def columns(ranking: Ranking, say: Texts) -> list[tuple[str, str, int]]:
    """(heading, kind, width) of each column of the list; kind is text, number, percent or date."""
    risks = [(say("Risk within {n} days", n=days), "percent", 9) for days in ranking.horizons]
    reasons = [(say("Reason {n}", n=n), "text", 58) for n in range(1, REASONS + 1)]
    actions = [
        part
        for n in range(1, ACTIONS + 1)
        for part in ((say("Action {n}", n=n), "text", 34), (say("Expected risk after {n}", n=n), "percent", 11))
    ]
    return [
        (say("Rank"), "number", 7),
        (say("Line"), "text", 20),
        (say("Level"), "text", 11),
        *risks,
        (say("Team"), "text", 14),
        (say("Carrier"), "text", 14),
        (say("Number pool"), "text", 14),
        (say("Listed since"), "date", 13),
        (say("New on the list"), "text", 9),
        *reasons,
        *actions,
        (say("Calls, 7 days"), "number", 9),
        (say("Talk time, 7 days (s)"), "number", 10),
        (say("Complaints, 28 days"), "number", 10),
        (say("Bans so far"), "number", 9),
    ]


def rows(ranking: Ranking, playbook: dict[str, Action], say: Texts, most: int | None = None) -> Iterator[list[Any]]:
    """The cells of each line, in the order of `columns`; None where there is nothing to say."""
    usual, new = say("usual for the carrier: {usual}"), say("new")
    levels = {level: say.level(level) for level in LEVELS}
    lines = ranking.lines if most is None else ranking.lines.head(most)
    for line in lines.to_dict("records"):
        reasons: list[Any] = [
            f"{say.family(one['family'])} | {say.feature(one['feature'])}{say(': ')}{say.quantity(one['feature'], one['value'])}"
            f" | {usual.format(usual=say.quantity(one['feature'], one['usual']))}"
            for one in line["reasons"][:REASONS]
        ]
        actions: list[Any] = []
        for one in line["actions"][:ACTIONS]:
            known = playbook.get(one["action"])
            actions += [known.title[say.language] if known else one["action"], float(one["risk_after"])]
        yield [
            int(line["rank"]),
            str(line["line_id"]),
            levels[line["level"]],
            *(float(line[f"risk_{days}d"]) for days in ranking.horizons),
            *(line[kind] if isinstance(line[kind], str) else None for kind in GROUPS),
            line["since"],
            new if line["new"] else None,
            *(reasons + [None] * (REASONS - len(reasons))),
            *(actions + [None] * (2 * ACTIONS - len(actions))),
            *(int(line[name]) for name in ("calls_7d", "talk_7d", "complaints_28d", "bans")),
        ]


def write_csv(path: Path, ranking: Ranking, playbook: dict[str, Action], language: str) -> None:
    """All lines as CSV, UTF-8 with a byte order mark so that Excel opens Chinese right."""
    say = texts(language)
    shape = columns(ranking, say)
    with path.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\r\n")
        writer.writerow([guarded(heading) for heading, _, _ in shape])
        for cells in rows(ranking, playbook, say):
            writer.writerow([_csv(cell, kind) for cell, (_, kind, _) in zip(cells, shape, strict=True)])


def _csv(cell: Any, kind: str) -> str:
    if cell is None:
        return ""
    if kind == "percent":
        return f"{cell:.6f}"
    return guarded(cell) if kind == "text" else str(cell)


def write_xlsx(path: Path, ranking: Ranking, playbook: dict[str, Action], language: str) -> None:
    """A workbook with a list and a summary in each language, the language of the settings first."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "default_date_format": "yyyy-mm-dd",
    }
    with xlsxwriter.Workbook(str(path), options) as book:
        formats = {
            "head": book.add_format({"bold": True, "bg_color": "#e8f0f7", "bottom": 1, "text_wrap": True, "valign": "top"}),
            "text": book.add_format({"valign": "top"}),
            "number": book.add_format({"num_format": "#,##0", "valign": "top"}),
            "decimal": book.add_format({"num_format": "#,##0.0", "valign": "top"}),
            "percent": book.add_format({"num_format": "0.0%", "valign": "top"}),
            "date": book.add_format({"num_format": "yyyy-mm-dd", "valign": "top", "align": "left"}),
            "title": book.add_format({"bold": True, "font_size": 14}),
        }
        paint = {level: book.add_format({"bg_color": ground, "font_color": ink}) for level, (ground, ink) in _COLOURS.items()}
        order = [language, *(other for other in ("zh", "en") if other != language)]
        for one in order:
            _list_sheet(book, ranking, playbook, texts(one), formats, paint)
            _summary_sheet(book, ranking, texts(one), formats)


def _list_sheet(
    book: Any, ranking: Ranking, playbook: dict[str, Action], say: Texts, formats: dict[str, Any], paint: dict[str, Any]
) -> None:
    sheet = book.add_worksheet(say("Ranking"))
    shape = columns(ranking, say)
    sheet.freeze_panes(1, 2)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    for place, (_, kind, width) in enumerate(shape):
        sheet.set_column(place, place, width, formats[kind])
    sheet.set_row(0, 32)
    for place, (heading, _, _) in enumerate(shape):
        sheet.write_string(0, place, heading, formats["head"])
    write: dict[str, Callable[..., Any]] = {
        "text": sheet.write_string,
        "number": sheet.write_number,
        "percent": sheet.write_number,
        "date": sheet.write_datetime,
    }
    last = 0
    for last, cells in enumerate(rows(ranking, playbook, say, XLSX_LINES), 1):
        for place, (cell, (_, kind, _)) in enumerate(zip(cells, shape, strict=True)):
            if cell is not None:
                write[kind](last, place, cell, formats[kind])
    sheet.autofilter(0, 0, last, len(shape) - 1)
    for level in LEVELS:
        word = say.level(level)
        rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": paint[level]}
        sheet.conditional_format(1, 2, max(last, 1), 2, rule)
    headline = 3 + ranking.horizons.index(ranking.headline)
    bar = {
        "type": "data_bar",
        "bar_color": "#9db8d2",
        "bar_solid": True,
        "min_type": "num",
        "min_value": 0,
        "max_type": "num",
        "max_value": 1,
    }
    sheet.conditional_format(1, headline, max(last, 1), headline, bar)


def _summary_sheet(book: Any, ranking: Ranking, say: Texts, formats: dict[str, Any]) -> None:
    sheet = book.add_worksheet(say("Summary"))
    sheet.set_column(0, 0, 34)
    sheet.set_column(1, 6, 14)
    place = 0

    def put(*cells: tuple[Any, str]) -> None:
        nonlocal place
        for column, (cell, kind) in enumerate(cells):
            if isinstance(cell, str):
                sheet.write_string(place, column, cell, formats[kind])
            else:
                sheet.write_number(place, column, cell, formats[kind])
        place += 1

    totals = ranking.totals
    put((say("Line ban risk, ranked"), "title"))
    put((say("As of {date}, 00:00", date=say.date(ranking.as_of)), "text"))
    if ranking.previous:
        put(("", "head"), (say("Now"), "head"), (say.date(ranking.previous.as_of), "head"))
    else:
        put(("", "head"), (say("Now"), "head"))
    before = ranking.previous
    for level in FLAGGED:
        put((say.level(level), "text"), (totals.levels[level], "number"), *([(before.levels[level], "number")] if before else []))
    expected = say("Bans expected in the next {n} days", n=ranking.headline)
    put((expected, "text"), (totals.expected, "decimal"), *([(before.expected, "decimal")] if before else []))
    put((say("Lines scored"), "text"), (totals.lines, "number"), *([(before.lines, "number")] if before else []))
    put((say("Model"), "text"), (ranking.model_version or "–", "text"))
    put((say("Trained on what was known before"), "text"), (ranking.trained_until or "–", "text"))
    put((say("Data fingerprint"), "text"), (ranking.data_fingerprint or "–", "text"))
    put((say("Risks, also those after an action, are a model's estimates and no promise."), "text"))
    if len(ranking.lines) > XLSX_LINES:
        note = say(
            "This workbook holds the top {shown} of {all} lines; ranking.csv beside it has them all.",
            shown=say.number(XLSX_LINES),
            all=say.number(len(ranking.lines)),
        )
        put((note, "text"))
    for kind in GROUPS:
        place += 1
        words = [say(_GROUP_WORDS[kind]), say("Lines"), *(say(LEVEL_WORDS[level]) for level in FLAGGED)]
        put(*((word, "head") for word in (*words, say("Expected bans"), say("Per 100 lines"))))
        for group in groups(ranking, kind):
            put(
                (say("not known") if group["name"] is None else group["name"], "text"),
                (group["lines"], "number"),
                *((n, "number") for n in group["levels"][: len(FLAGGED)]),
                (group["expected"], "decimal"),
                (100 * group["expected"] / group["lines"], "decimal"),
            )
