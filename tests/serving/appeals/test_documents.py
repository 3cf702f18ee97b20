import dataclasses
import hashlib
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path

import pytest
from docx import Document

from data_schemas.clock import day_date
from data_schemas.lake import Lake
from serving.appeals import documents, overview, write_documents
from serving.appeals.content import letter
from serving.appeals.files import fingerprint
from serving.appeals.judging import candidates
from serving.report.texts import texts
from tests.serving.appeals.worlds import AS_OF, BANNED, END, NASTY, NASTY_BAN, callee, opened
from tests.serving.report.test_texts import CHINESE


class Page(HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text, self.inside = "", ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.inside = tag
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data):
        if self.inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def made(home, tmp_path_factory):
    """The documents of both candidates, and what the overview says of them."""
    folder = tmp_path_factory.mktemp("documents")
    with opened(home) as (known, settings):
        found = candidates(home, known, settings)
        source = documents.source_of(known, settings, AS_OF)
        paths = write_documents(found, source, folder, suffixes=("html", "docx"))
        told = overview(home, known, settings, AS_OF, found=found)
        callees = known.engine.frame(known.rows("calls").select("callee_id").distinct())["callee_id"]
        yield folder, paths, told, [str(value) for value in callees], found, source


def words(path: Path) -> str:
    if path.suffix == ".html":
        return Page(path).text
    document = Document(str(path))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([*(paragraph.text for paragraph in document.paragraphs), *cells])


def test_each_candidate_has_a_document_in_both_languages_under_the_name_that_the_overview_gives(made):
    folder, paths, told, *_ = made
    names = {one["document"][language] for one in told["candidates"] for language in ("zh", "en")}
    assert {path.name for path in folder.iterdir()} == {path.name for path in paths}
    assert {path.name for path in paths if path.suffix == ".html"} == names and len(paths) == 8


def test_a_document_names_line_ban_reason_limits_and_where_they_come_from(made):
    folder, *_ = made
    for suffix in ("html", "docx"):
        english = words(folder / documents.name("b-GOOD", "en", suffix))
        for part in (
            "To: X",
            "Request to review the ban of line GOOD",
            f"{day_date(BANNED)} 12:00 (Asia/Shanghai)",
            "volume",
            f"published by the carrier, in force since {day_date(BANNED - 200):%-d %B %Y}",
            str(day_date(BANNED - 28)),
            "10:00–11:00",
            "We know of no complaint",
            "no proof that the line kept your rules",
            "To be attached by the company: consent records",
        ):
            assert part in english, (suffix, part)


def test_chinese_is_chinese(made):
    folder, *_ = made
    for suffix in ("html", "docx"):
        text = words(folder / documents.name("b-GOOD", "zh", suffix))
        assert CHINESE.search(text)
        assert not re.search(r"[a-z]{3,} [a-z]{3,}", text), re.findall(r".*[a-z]{3,} [a-z]{3,}.*", text)


def test_a_name_in_the_data_is_shown_as_it_is_and_never_runs(made):
    folder, *_ = made
    for language in ("zh", "en"):
        path = folder / documents.name(NASTY_BAN, language)
        page = Page(path)
        assert page.text.count(NASTY) >= 3 and "<img src=x onerror=alert(2)>" in page.text
        assert not page.tags & {"script", "img", "b", "iframe", "link", "object", "a"}
        assert not [name for name in page.attributes if name.startswith("on") or name in ("src", "href")]
        assert "default-src 'none'" in path.read_text()
        text = words(folder / documents.name(NASTY_BAN, language, "docx"))
        assert NASTY in text and "../x/<b>&封号�" in text


def test_no_callee_is_named_by_number_or_by_hash(made):
    _, paths, _, callees, *_ = made
    assert len(callees) > 3000
    for path in paths:
        raw = path.read_text() if path.suffix == ".html" else "".join(_parts(path))
        numbers = set(re.findall(r"-?\d{6,}", raw))
        assert not numbers & set(callees)
        assert not [number for number in numbers if number.startswith(callee(0)[:7])]


def _parts(path: Path) -> list[str]:
    with zipfile.ZipFile(path) as archive:
        return [archive.read(name).decode() for name in archive.namelist() if name.startswith("word/")]


def test_a_document_says_how_it_was_counted(home, made):
    folder, _, _, _, _, source = made
    text = words(folder / documents.name("b-GOOD", "en"))
    assert source.fingerprint == Lake(home.lake).fingerprint(END)
    assert source.fingerprint in text and f"bancast {source.version}" in text and "bancast/3" in text
    assert f"as they were known on {AS_OF:%-d %B %Y}, 00:00" in text


def test_a_score_of_the_rule_is_no_estimate_to_show_a_carrier(made, home):
    found, source = made[4], made[5]
    ranked = dataclasses.replace(found[0], model_version="rule/1")
    with opened(home) as (known, settings):
        (row,) = overview(home, known, settings, AS_OF, found=[ranked])["candidates"]
    assert found[0].estimate == 0.01 and row["risk"] is None and not [point for point in row["points"] if "estimate" in point[1]]
    parts = {part.title: part.paragraphs for part in letter(ranked, source, (), texts("en"))}
    assert parts["Our own estimate before the ban"] == ["There is none of this line."]


def test_files_with_consent_are_named_with_their_sums(made, tmp_path):
    *_, found, source = made
    file = tmp_path / "consent & 同意.pdf"
    file.write_bytes(b"yes")
    told = fingerprint(file)
    assert told == {"name": file.name, "sha256": hashlib.sha256(b"yes").hexdigest(), "bytes": 3}
    for path in documents.write(found[0], source, tmp_path / "out", [told]):
        text = words(path)
        assert file.name in text and told["sha256"] in text and "To be attached" not in text
