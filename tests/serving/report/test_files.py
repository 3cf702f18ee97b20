import csv
import re

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.report import write_report
from serving.report.files import guarded
from tests.serving.report.worlds import AS_OF, TableLake, save_scores, scores_of, table

NASTY = [
    "=1+1",
    "+cmd",
    "-2",
    "@SUM(A1)",
    "\tx",
    "<script>alert(1)</script>",
    "https://example.com/x",
    "名称",
    "00123",
    " =1",
    "＝1",
    "\u200b=1+1",
    "a;=1+1",
    'a";"=1+1',
]
SIGNS = "=+-@＝＋－＠"
SKIPPED = '\t\r\n\x00\x1f\x7f \u00a0\u3000\u200b\ufeff"'


@pytest.fixture(scope="module")
def nasty(tmp_path_factory):
    home = Home(tmp_path_factory.mktemp("nasty"))
    save_scores(home, AS_OF, scores_of(NASTY, ["=an action that nobody knows"]))
    rows = {"line_id": NASTY, "carrier": NASTY[::-1], "number_pool": NASTY, "team": NASTY}
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 90] * len(NASTY))})
    write_report(home, Settings(threads=1, language="zh"), AS_OF, lake=lake)
    return home.report_folder(AS_OF)


def rows_of(path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return list(csv.reader(handle))


def test_the_csv_has_a_mark_for_excel_and_every_line_in_order(written):
    home, told = written
    path = home.report_folder(AS_OF) / "ranking.csv"
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    head, *rows = rows_of(path)
    assert head[:4] == ["Rank", "Line", "Level", "Risk within 1 day"]
    assert [int(row[0]) for row in rows] == list(range(1, told["lines"] + 1))
    risks = [float(row[head.index("Risk within 7 days")]) for row in rows]
    assert risks == sorted(risks, reverse=True)
    assert sum(risks) == pytest.approx(told["expected_bans"], abs=0.01)


def test_the_csv_has_the_columns_of_the_list_of_the_workbook(written):
    home, told = written
    head, *rows = rows_of(home.report_folder(AS_OF) / "ranking.csv")
    sheet = openpyxl.load_workbook(home.report_folder(AS_OF) / "ranking.xlsx", read_only=True)["Ranking"]
    shown = list(sheet.iter_rows(values_only=True))
    assert head == list(shown[0]) and len(rows) == len(shown) - 1 == told["lines"]
    for row, cells in zip(rows, shown[1:], strict=True):
        assert [cell == "" for cell in row] == [cell is None for cell in cells]


def test_no_cell_of_the_csv_can_run(nasty):
    head, *rows = rows_of(nasty / "ranking.csv")
    assert head[1] == "线路"
    assert {row[1].replace("'", "") for row in rows} == set(NASTY)
    for row in rows:
        for cell in row:
            assert not cell.lstrip(SKIPPED).startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell


@settings(max_examples=300)
@given(st.text() | st.text(alphabet=SIGNS + SKIPPED + ";,'a"))
def test_a_guarded_text_never_begins_a_formula_wherever_it_is_cut_and_loses_nothing(text):
    safe = guarded(text)
    assert safe.replace("'", "") == text.replace("'", "")
    assert not safe.startswith(("\t", "\r", "\n"))
    for part in re.split("[;\t\r\n]", safe):
        assert not part.lstrip(SKIPPED).startswith(tuple(SIGNS)), safe
