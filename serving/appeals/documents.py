"""The documents of an appeal: a page to print, and a text file to edit, in each language."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from data_schemas.clock import day_date
from data_schemas.settings import Settings
from serving.appeals.content import Part, Source, letter, title
from serving.appeals.files import case_id, put
from serving.appeals.judging import Judged
from serving.known import Known
from serving.report.texts import LANGUAGES, Texts, texts

_WIDTH, _HEIGHT, _BOTTOM = 640, 150, 16
_NOT_XML = re.compile(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def name(ban_id: str, language: str, suffix: str = "html") -> str:
    """The name of a ban's document."""
    return f"{case_id(ban_id)}-{language}.{suffix}"


def write(
    judged: Judged,
    source: Source,
    folder: Path,
    attachments: Sequence[dict[str, Any]] = (),
    suffixes: Sequence[str] = ("html", "docx"),
) -> list[Path]:
    """Write the documents of one ban into a folder, each in one step; their paths, Chinese first."""
    written = []
    for language in LANGUAGES:
        say = texts(language)
        parts = letter(judged, source, attachments, say)
        for suffix in suffixes:
            path = folder / name(judged.ban_id, language, suffix)
            page = suffix == "html"
            put(path, render(judged, source, parts, say).encode() if page else word(judged, source, parts, say))
            written.append(path)
    return written


def source_of(known: Known, settings: Settings, as_of: date) -> Source:
    """What all documents of one midnight rest on."""
    days = known.lake.days("calls", known.day)
    return Source(
        as_of=as_of,
        zone=settings.zone,
        horizon=settings.train.headline,
        fingerprint=known.lake.fingerprint(known.day),
        version=version("bancast"),
        records_from=day_date(days[0]) if days else None,
    )


def render(judged: Judged, source: Source, parts: Sequence[Part], say: Texts) -> str:
    """The page: it fetches nothing and runs nothing."""
    return _template().render(
        say=say,
        title=title(judged, say),
        carrier=judged.carrier or say("not known"),
        as_of=source.as_of,
        parts=parts,
        chart=_chart(judged.daily),
    )


@lru_cache(maxsize=1)
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("appeal.html.j2")


def _chart(daily: pd.DataFrame) -> dict[str, Any]:
    """Bars of calls a day beside the line of the day's limit."""
    step = _WIDTH / len(daily)
    scale = (_HEIGHT - _BOTTOM - 4) / max(float(daily[["calls", "daily"]].max().max()), 1.0)

    def height(value: float) -> float:
        return round(value * scale, 1)

    base = _HEIGHT - _BOTTOM
    bars, line = [], []
    for place, (calls, most) in enumerate(daily[["calls", "daily"]].astype(float).itertuples(index=False)):
        x, y = round(place * step, 1), round(base - height(most), 1)
        bars.append(
            {
                "x": x + 2,
                "y": round(base - height(calls), 1),
                "width": round(step - 4, 1),
                "height": height(calls),
                "over": calls > most,
            }
        )
        line.append(f"{'M' if place == 0 else 'L'}{x} {y}L{round((place + 1) * step, 1)} {y}")
    days = [day_date(int(day)).isoformat() for day in (daily["day"].iloc[0], daily["day"].iloc[-1])]
    return {"width": _WIDTH, "height": _HEIGHT, "bars": bars, "limit": "".join(line), "first": days[0], "last": days[1]}


def word(judged: Judged, source: Source, parts: Sequence[Part], say: Texts) -> bytes:
    """The same as DOCX, without the chart: its table says the same."""
    from docx import Document
    from docx.enum.text import WD_ALIGN_PARAGRAPH
    from docx.oxml.ns import qn
    from docx.shared import Mm, Pt

    document = Document()
    for section in document.sections:
        section.page_width, section.page_height = Mm(210), Mm(297)
        section.left_margin = section.right_margin = Mm(20)
    normal = document.styles["Normal"]
    normal.font.size = Pt(10.5)
    normal.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), "SimSun")
    document.core_properties.author, document.core_properties.title = "", _plain(title(judged, say))
    document.add_paragraph(_plain(say("To: {carrier}", carrier=judged.carrier or say("not known"))))
    document.add_paragraph(say.date(source.as_of))
    document.add_heading(_plain(title(judged, say)), 1)
    for part in parts:
        document.add_heading(part.title, 2)
        for paragraph in part.paragraphs:
            document.add_paragraph(_plain(paragraph))
        for item in part.items:
            document.add_paragraph(_plain(item), style="List Bullet")
        if part.blank:
            document.add_paragraph().add_run(part.blank).bold = True
        if part.table:
            rows = [part.table.head, *part.table.rows]
            table = document.add_table(rows=len(rows), cols=len(part.table.head), style="Table Grid")
            for row, cells in zip(table.rows, rows, strict=True):
                for place, (cell, text) in enumerate(zip(row.cells, cells, strict=True)):
                    paragraph = cell.paragraphs[0]
                    paragraph.add_run(_plain(text)).font.size = Pt(9)
                    if place in part.table.numbers:
                        paragraph.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _plain(text: str) -> str:
    """A text that XML can hold: control characters in names are shown as unknown ones."""
    return _NOT_XML.sub("\ufffd", text)
