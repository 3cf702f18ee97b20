import csv

import openpyxl
import pytest
from hypothesis import given
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
]


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
    assert head[:4] == ["Rank", "Line", "Level", "Risk within 1 days"]
    assert [int(row[0]) for row in rows] == list(range(1, told["lines"] + 1))
    risks = [float(row[head.index("Risk within 7 days")]) for row in rows]
    assert risks == sorted(risks, reverse=True)
    assert sum(risks) == pytest.approx(told["expected_bans"], abs=0.01)


def test_no_cell_of_the_csv_can_run(nasty):
    head, *rows = rows_of(nasty / "ranking.csv")
    assert head[1] == "线路"
    assert {row[1].removeprefix("'") for row in rows} == set(NASTY)
    for row in rows:
        for cell in row:
            assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell


@given(st.text())
def test_a_guarded_text_never_begins_a_formula_and_loses_nothing(text):
    safe = guarded(text)
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert safe in (text, "'" + text)


def test_the_workbook_runs_nothing_and_keeps_names_as_they_are(nasty):
    book = openpyxl.load_workbook(nasty / "ranking.xlsx")
    assert book.sheetnames == ["排名", "汇总", "Ranking", "Summary"]
    for sheet in book:
        for row in sheet.iter_rows():
            for cell in row:
                assert cell.data_type != "f" and cell.hyperlink is None, cell.value
    assert {cell.value for cell in book["排名"]["B"][1:]} == set(NASTY)


def test_the_workbook_is_made_for_work(written):
    home, told = written
    book = openpyxl.load_workbook(home.report_folder(AS_OF) / "ranking.xlsx")
    assert book.sheetnames == ["Ranking", "Summary", "排名", "汇总"]
    for name, headline in (("Ranking", "Risk within 7 days"), ("排名", "7 天风险")):
        sheet = book[name]
        assert sheet.freeze_panes == "C2"
        assert sheet.auto_filter.ref.startswith("A1:")
        heads = [cell.value for cell in sheet[1]]
        risk = sheet.cell(2, heads.index(headline) + 1)
        assert risk.number_format == "0.0%" and 0 < risk.value < 1
        assert sheet.max_row == told["lines"] + 1
        rules = [rule for ranges in sheet.conditional_formatting for rule in ranges.rules]
        assert {rule.type for rule in rules} == {"cellIs", "dataBar"}
    summary = {row[0].value: row[1].value for row in book["Summary"].iter_rows(max_col=2)}
    assert summary["Lines scored"] == told["lines"]
    assert summary["▲ Red"] == told["red"]
    assert summary["Bans expected in the next 7 days"] == pytest.approx(told["expected_bans"], abs=0.01)
    assert summary["Model"] == "bancast/3"
