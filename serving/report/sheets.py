"""Sheets of a workbook that nobody has to set up: heading that stays, filter, formats, coloured levels, print.

Texts of the data are written as texts, never as formulas or links. Rows are written in order and not kept in memory.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import xlsxwriter

from serving.report.cells import Column, Kind, number
from serving.report.data import LEVELS
from serving.report.texts import Texts

Cell = tuple[Any, Kind | Literal["head", "title"]]
"""A value and what it is."""
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
    "default_date_format": "yyyy-mm-dd",
}
_COLOURS = {
    "red": ("#fdeeec", "#a51d14"),
    "orange": ("#fdf2e4", "#93480a"),
    "yellow": ("#fcf8dd", "#6f5800"),
    "green": ("#eaf6ef", "#1d6a43"),
}
_GRADE_COLOURS = {"A": "green", "C": "yellow", "D": "red"}
_NAME_LENGTH = 31
_NOT_IN_NAMES = frozenset("[]:*?/\\\ufffe\uffff")
_RESERVED = "history"
# Workbooks write a character that XML cannot hold as _xHHHH_, and programs read it back, in names of sheets too.
_ESCAPED = re.compile(r"_(?=x[0-9a-f]{4}_)", re.IGNORECASE)
_PAGES_WIDE = 3
_A4 = 9


def sheet_name(wanted: str, used: set[str]) -> str:
    """A name for a sheet that Excel takes and that is not in `used` (to which it is added), as close to `wanted` as can be.

    Excel allows 31 UTF-16 units, no brackets, colons, asterisks, question marks, slashes and control characters, no
    apostrophe at either end, no two names that differ in case alone, and not "History".
    """
    shown = (" " if char in _NOT_IN_NAMES or unicodedata.category(char) == "Cc" else char for char in wanted)
    plain = " ".join(_ESCAPED.sub("_ ", "".join(shown)).split())
    name, count = _cut(plain, _NAME_LENGTH) or "-", 1
    while _key(name) in used or _key(name) == _RESERVED:
        count += 1
        ending = f" ({count})"
        name = _cut(plain, _NAME_LENGTH - len(ending)) + ending
    used.add(_key(name))
    return name


def _cut(name: str, room: int) -> str:
    """The beginning of a name that takes at most `room` UTF-16 units, without apostrophes and spaces at its ends."""
    name = name.strip("' ")[:room]
    while len(name.encode("utf-16-le", "surrogatepass")) > 2 * room:
        name = name[:-1]
    return name.strip("' ")


def _key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().lower()


class Book:
    """A workbook being written to `path`, closed at the end of a `with`."""

    def __init__(self, path: Path) -> None:
        self.book: Any = xlsxwriter.Workbook(str(path), _OPTIONS)
        styles: dict[str, dict[str, Any]] = {
            "text": {"indent": 1},
            "words": {"indent": 1, "text_wrap": True},
            "level": {"indent": 1},
            "grade": {"align": "center"},
            "number": {"num_format": "#,##0"},
            "decimal": {"num_format": "#,##0.0"},
            "percent": {"num_format": "0.0%"},
            "date": {"num_format": "yyyy-mm-dd", "align": "left", "indent": 1},
            "head": {"indent": 1, "bold": True, "bg_color": "#e8f0f7", "bottom": 1, "text_wrap": True},
            "title": {"bold": True, "font_size": 14},
        }
        self.formats = {kind: self.book.add_format({"valign": "top", **style}) for kind, style in styles.items()}
        self.paint = {
            level: self.book.add_format({"bg_color": ground, "font_color": ink}) for level, (ground, ink) in _COLOURS.items()
        }

    def __enter__(self) -> Book:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.book.close()

    def about(self, title: str, subject: str, facts: dict[str, str]) -> None:
        """The properties of the document: what it is, and single facts by name."""
        self.book.set_properties({"title": title, "subject": subject, "author": "bancast", "company": ""})
        for name, value in facts.items():
            self.book.set_custom_property(name, value[:255], "text")

    def sheet(self, name: str, say: Texts, footer: str) -> Sheet:
        """One more sheet, of a name that `sheet_name` made; footer: what stands at the foot of each printed page."""
        return Sheet(self, self.book.add_worksheet(name), say, footer)


class Sheet:
    """A sheet that is written from the top down; `row` is the next free row."""

    def __init__(self, book: Book, sheet: Any, say: Texts, footer: str) -> None:
        self.book, self.sheet, self.say, self.row = book, sheet, say, 0
        sheet.set_landscape()
        sheet.set_paper(_A4)
        sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
        sheet.set_footer(f"&L{footer.replace('&', '&&')}&C&A&R&P / &N")
        sheet.fit_to_pages(1, 0)

    def widths(self, *widths: int) -> None:
        """The widths of the first columns, in characters."""
        for place, width in enumerate(widths):
            self.sheet.set_column(place, place, width)

    def line(self, *cells: Cell) -> None:
        """One row of cells; None leaves a cell empty."""
        for place, (value, kind) in enumerate(cells):
            self._write(place, value, kind)
        self.row += 1

    def heading(self, *words: str, lines: int = 2) -> None:
        """One row of headings, high enough for so many lines of words."""
        self.sheet.set_row(self.row, 15 * lines)
        self.line(*((word, "head") for word in words))

    def main_table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], keep: int) -> None:
        """The table that the sheet is about, at its top.

        The heading and the first `keep` columns stay in sight, rows can be filtered, each printed page repeats the heading.
        """
        self.widths(*(column.width for column in columns))
        self.sheet.freeze_panes(1, keep)
        self.sheet.repeat_rows(0)
        if sum(column.width for column in columns) > 200:
            self.sheet.fit_to_pages(_PAGES_WIDE, 0)
            self.sheet.repeat_columns(0, keep - 1)
        self.table(columns, rows, lines=3)
        self.sheet.autofilter(0, 0, self.row - 1, len(columns) - 1)

    def table(self, columns: Sequence[Column], rows: Iterable[Sequence[Any]], lines: int = 2) -> None:
        """A table from the next free row: a heading of so many lines, then a row for each of `rows`."""
        self.heading(*(column.heading for column in columns), lines=lines)
        first = self.row
        kinds = [column.kind for column in columns]
        for cells in rows:
            self.line(*zip(cells, kinds, strict=True))
        for place, column in enumerate(columns):
            self._mark(place, column, first, max(self.row - 1, first))

    def colour_levels(self, place: int, first: int, last: int) -> None:
        """Colour the cells of a column that say a level, from row `first` to `last`."""
        self._colour(place, first, last, {self.say.level(level): level for level in LEVELS})

    def _colour(self, place: int, first: int, last: int, words: dict[str, str]) -> None:
        for word, level in words.items():
            rule = {"type": "cell", "criteria": "==", "value": f'"{word}"', "format": self.book.paint[level]}
            self.sheet.conditional_format(first, place, last, place, rule)

    def _write(self, place: int, value: Any, kind: str) -> None:
        style = self.book.formats[kind]
        if kind == "date":
            value = date.fromisoformat(value[:10]) if isinstance(value, str) else value
            if value is not None:
                self.sheet.write_datetime(self.row, place, value, style)
        elif kind in ("number", "decimal", "percent"):
            value = number(value)
            if value is not None:
                self.sheet.write_number(self.row, place, value, style)
        elif value is not None:
            self.sheet.write_string(self.row, place, str(value), style)

    def _mark(self, place: int, column: Column, first: int, last: int) -> None:
        """Colours and bars of a column; the words in the cells say the same without them."""
        if column.kind == "level":
            self.colour_levels(place, first, last)
        if column.kind == "grade":
            self._colour(place, first, last, _GRADE_COLOURS)
        if column.bar:
            bar = {"type": "data_bar", "bar_color": "#9db8d2", "bar_solid": True, "min_type": "num", "min_value": 0}
            full = {"max_type": "num", "max_value": 1} if column.bar == "share" else {}
            self.sheet.conditional_format(first, place, last, place, bar | full)
