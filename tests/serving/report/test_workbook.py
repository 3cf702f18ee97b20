"""The workbook as ops open it: what openpyxl reads, and what LibreOffice makes of it."""

import dataclasses
import re
import shutil
import subprocess
import time
import unicodedata

import numpy as np
import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.actions import load_playbook
from serving.report import files
from serving.report.data import FLAGGED, Ranking, read_ranking
from serving.report.files import write_csv, write_xlsx
from serving.report.sheets import sheet_name
from serving.report.texts import texts
from tests.serving.report.worlds import AS_OF, TEAMS, TableLake, identities, lake_of, save_scores, scores_of, table

SOFFICE = shutil.which("soffice") or shutil.which("libreoffice")
LONG = "A team whose name is long and differs "
HOSTILE = [
    "=cmd|'/c calc'!A1",
    '=HYPERLINK("https://example.com","x")',
    "@SUM(1+9)",
    "+1",
    "-2+3",
    "<script>alert(1)</script>",
    "https://example.com/x",
    "00123",
    f"{LONG}A",
    f"{LONG}B",
    "RENEWALS",
    "renewals",
    "'quoted'",
    "History",
    "Ranking",
    "排名",
    "a[1]:*?/\\b",
    "R1C1",
    "☎️📵 团队 😀" * 4,
    "فريق المبيعات",
    "\u202eright to left",
    "bell\x07 and \x00 nul",
    "tab\tand\nline",
    "_x0041_",
    "￾￿",
    "  ",
]
"""Teams, and lines of the same names."""
PLAYBOOK = {action.name: action for action in load_playbook()}
EXTRAS = {
    "scorecard": {
        "days": 7,
        "weeks": [
            {"as_of": "2026-11-09", "until": "2026-11-16", "scored": 300, "flagged": 40, "red": 12, "bans": 9, "hits": 7}
            | {"misses": 2, "false_alarms": 33, "precision": 0.175, "recall": 7 / 9, "expected": 8.4, "warning": [2, 3.5, 6]}
            | {"final": True},
            {"as_of": "2026-11-16", "until": "2026-11-23", "scored": 300, "flagged": 0, "red": 0, "bans": 0, "hits": 0}
            | {"misses": 0, "false_alarms": 0, "precision": None, "recall": None, "expected": 0.4, "warning": None}
            | {"final": False, "hindsight": True},
        ],
        "last": {
            "as_of": "2026-11-09",
            "until": "2026-11-16",
            "final": True,
            "hits": [{"line_id": "=1+1", "level": "red", "rank": 3, "risk": 0.4, "banned": "2026-11-12", "days": 3}],
            "misses": [{"line_id": "+2", "level": "green", "rank": 90, "risk": 0.01, "banned": "2026-11-14"}],
            "false_alarms": [{"line_id": "@x", "level": "yellow", "rank": 9, "risk": 0.07}],
        },
        "more": {"hits": 6, "misses": 1, "false_alarms": 32},
        "note": None,
    },
    "continuity": {
        "weeks": [1, 2],
        "groups": {
            "team": [
                {"name": "=x", "lines": 30, "expected": [1.5, 2.8], "low": [0, 1], "high": [4, 6], "calls_day": 900.0}
                | {"lost_calls_day": [45.0, 84.0], "spare_lines": [4, 6]},
                {"name": None, "lines": 1, "expected": [0.1], "low": None, "high": None, "calls_day": None}
                | {"lost_calls_day": None, "spare_lines": None},
            ],
            "carrier": [],
        },
        "total": {"name": None, "lines": 31, "expected": [1.6, 3], "low": [0, 1], "high": [4, 6], "calls_day": 930.0}
        | {"lost_calls_day": [46.0, 86.0], "spare_lines": [4, 6]},
        "plan": {"days": 7, "currency": "CNY", "cost_nothing": 1600.0, "cost_flagged": 900.0, "cost_best": 800.0}
        | {"best_lines": 9, "flagged_lines": 12, "threshold": 0.1},
        "note": "=NOTE()",
    },
    "coaching": {
        "days": 28,
        "measures": [{"name": "early", "label": "Red", "unit": "share"}, {"name": "talk", "label": "Bans", "unit": "s"}],
        "teams": [
            {"name": "-t", "team": None, "calls": 4000, "lines": 12}
            | {"measures": {"early": {"value": 0.3, "usual": 0.1, "low": 0.2, "high": 0.4, "ratio": 3.0, "stands_out": True}}}
        ],
        "agents": [{"name": "＝a", "team": "-t", "calls": 100, "lines": 2, "measures": {}}],
        "note": None,
    },
    "appeals": {
        "candidates": [
            {"ban_id": "B1", "line_id": "=1", "carrier": "X", "team": None, "banned": "2026-11-20", "level": "green"}
            | {"risk": 0.01, "rank": 200, "scored": "2026-11-16", "points": [["甲", "few complaints"], ["乙", "=SUM(1)"]]}
            | {"document": {"zh": "a-zh.html", "en": "a-en.html"}},
        ],
        "cases": [
            {
                "id": "A1",
                "line_id": "=1",
                "ban_id": "B1",
                "state": "sent",
                "since": "2026-11-21",
                "due": "2026-11-22",
                "late": True,
            }
        ],
        "note": None,
    },
}


PLAN = {"daily_calls": 40, "rest_days": 2, "from": "09:00", "to": "18:30", "leave_out": 1}
NO_PLAN = dict.fromkeys(PLAN)
ACTIONS = [
    {"action": "pace_calls", "risk_after": 0.12, "plan": PLAN, "below": True},
    {"action": "=nobody", "risk_after": 0.6, "plan": None, "below": None},
    {"action": "rest_line", "risk_after": 0.4, "plan": NO_PLAN | {"rest_days": 3}, "below": False},
]


def with_plans(scores: pa.Table) -> pa.Table:
    """Scores with days until red, and plans for the first line."""
    kinds = {name: pa.string() if name in ("from", "to") else pa.int32() for name in PLAN}
    action = pa.struct({"action": pa.string(), "risk_after": pa.float64(), "plan": pa.struct(kinds), "below": pa.bool_()})
    given = [[one | {"plan": None, "below": None} for one in own] for own in scores["actions"].to_pylist()]
    actions = pa.array([ACTIONS, *given[1:]], pa.list_(action))
    scores = scores.set_column(scores.column_names.index("actions"), "actions", actions)
    return scores.append_column("days_to_red", pa.array([0.0, None, *([12.34] * (len(scores) - 2))]))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Ranking:
    """A ranking of lines and teams with hostile names, with plans, days until red and grades."""
    home, count = Home(tmp_path_factory.mktemp("hostile")), len(HOSTILE)
    save_scores(home, AS_OF, with_plans(scores_of(HOSTILE, list(PLAYBOOK), risk=np.linspace(0.6, 0.01, count))))
    rows = {"line_id": HOSTILE, "carrier": HOSTILE, "number_pool": HOSTILE, "team": HOSTILE[::-1]}
    calls = table("calls", {"line_id": [HOSTILE[0]] * 10, "duration_s": [30.0] * 10}, [day_number(AS_OF) - 1] * 10)
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 90] * count), "calls": calls})
    ranking = read_ranking(home, Settings(threads=1), AS_OF, lake)
    maturity = ["A", "B", "C", "D", None] + ["A"] * (count - 5)
    grades = {"maturity": maturity, "connection": [None] * count, "engagement": ["=B"] * count, "sentiment": ["D"] * count}
    return dataclasses.replace(ranking, lines=ranking.lines.assign(**grades))


@pytest.fixture(scope="module")
def folder(hostile, tmp_path_factory):
    """ranking.xlsx and ranking.csv of the hostile names, with every extra sheet."""
    folder = tmp_path_factory.mktemp("files")
    write_xlsx(folder / "ranking.xlsx", hostile, PLAYBOOK, "en", EXTRAS)
    write_csv(folder / "ranking.csv", hostile, PLAYBOOK, "en")
    return folder


@pytest.fixture(scope="module")
def book(folder):
    return openpyxl.load_workbook(folder / "ranking.xlsx")


@pytest.fixture(scope="module")
def opened(folder, tmp_path_factory):
    """Both files, opened by LibreOffice and saved again: (the workbook, the CSV as a workbook)."""
    if SOFFICE is None:
        pytest.skip("no LibreOffice on this machine (Debian: apt-get install libreoffice-calc)")
    out, profile = tmp_path_factory.mktemp("opened"), tmp_path_factory.mktemp("profile")
    shutil.copyfile(folder / "ranking.csv", out / "list.csv")
    command = [SOFFICE, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--convert-to", "xlsx", "--outdir", str(out)]
    subprocess.run([*command, str(folder / "ranking.xlsx"), str(out / "list.csv")], check=True, capture_output=True, timeout=180)
    return openpyxl.load_workbook(out / "ranking.xlsx"), openpyxl.load_workbook(out / "list.xlsx")


def column(sheet, heading: str) -> list:
    place = [cell.value for cell in sheet[1]].index(heading)
    return [row[place].value for row in sheet.iter_rows(min_row=2)]


def cells_of(book) -> list:
    return [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]


def rules(sheet) -> set:
    return {rule.type for ranges in sheet.conditional_formatting for rule in ranges.rules}


def names(values) -> set[str]:
    """Names as they are shown: a character that XML cannot hold is written as _xHHHH_."""
    return {unescape(value) for value in values}


def test_it_opens_in_libreoffice_as_it_was_written_and_nothing_ran(book, opened):
    again, _ = opened
    assert again.sheetnames == book.sheetnames
    for sheet in book:
        other = again[sheet.title]
        assert (other.auto_filter.ref, other.print_title_rows) == (sheet.auto_filter.ref, sheet.print_title_rows)
        assert rules(other) == rules(sheet)
        for row in sheet.iter_rows():
            for cell in row:
                found, wanted = other.cell(cell.row, cell.column).value, cell.value
                if isinstance(wanted, str):
                    # LibreOffice writes back a name like _x0041_ as it stands, without the escape it read.
                    assert unescape(wanted).split() in ((found or "").split(), unescape(found or "").split()), cell
                else:
                    assert found == (pytest.approx(wanted) if isinstance(wanted, float) else wanted), cell
    assert all(cell.data_type != "f" for cell in cells_of(again))


def test_libreoffice_runs_nothing_of_the_csv(opened):
    _, csv = opened
    assert all(cell.data_type != "f" and cell.hyperlink is None for cell in cells_of(csv))
    assert csv.active.max_row == len(HOSTILE) + 1


def test_names_are_shown_as_they_are_and_never_as_formula_or_link(book, hostile):
    assert all(cell.data_type != "f" and cell.hyperlink is None for cell in cells_of(book))
    assert names(column(book["Ranking"], "Line")) == names(column(book["Ranking"], "Team")) == {*HOSTILE}


def test_every_team_has_a_sheet_of_its_own_and_the_summary_says_which(book):
    fixed = ["Scorecard", "Continuity", "Coaching", "Appeals", "排名", "汇总"]
    assert book.sheetnames[:2] == ["Summary", "Ranking"] and book.sheetnames[-6:] == fixed
    teams = book.sheetnames[2:-6]
    assert len(teams) == len(HOSTILE)
    rows = {row[0].value: row[8].value for row in book["Summary"].iter_rows(max_col=9) if row[8].value}
    assert rows.pop("Team") == "Sheet"
    assert {*rows.values()} == {*teams} and names(rows) == {*HOSTILE}
    for team, name in rows.items():
        assert {*column(book[name], "Team")} == {team}
    assert rows["Ranking"] == "Ranking (2)" and rows["History"] == "History (2)" and rows["R1C1"] == "R1C1"


def test_flagged_lines_stand_first_on_a_teams_sheet(tmp_path):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(identities(60), ["rest_line"]))
    made = read_ranking(home, Settings(threads=1), AS_OF, lake_of(60, calls=False))
    lines = made.lines.copy()
    lines.loc[:9, "level"] = "green"  # as where ops set levels by other means than rank
    write_xlsx(tmp_path / "b.xlsx", dataclasses.replace(made, lines=lines), {}, "en")
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    assert [*column(book["Ranking"], "Rank")] == list(range(1, 61))
    sheets = [book[name] for name in book.sheetnames[2:-2]]
    assert sum(sheet.max_row - 1 for sheet in sheets) == 60
    mixed = 0
    for sheet in sheets:
        listed = [level != texts("en").level("green") for level in column(sheet, "Level")]
        assert listed == sorted(listed, reverse=True)
        for part in (True, False):
            ranks = [rank for rank, on in zip(column(sheet, "Rank"), listed, strict=True) if on == part]
            assert ranks == sorted(ranks)
        mixed += len({*listed}) == 2
    assert mixed


def test_past_a_limit_only_teams_with_flagged_lines_have_a_sheet_and_the_summary_says_so(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "TEAM_SHEETS", 3)
    flagged = int(hostile.lines["level"].isin(FLAGGED).sum())
    write_xlsx(tmp_path / "few.xlsx", hostile, PLAYBOOK, "en")
    book = openpyxl.load_workbook(tmp_path / "few.xlsx")
    assert 3 < flagged < len(HOSTILE) and len(book.sheetnames) == 4 + flagged
    words = [row[0].value for row in book["Summary"].iter_rows(max_col=1)]
    assert (
        f"{flagged} of {len(HOSTILE)} teams have a sheet: past 3, only teams with lines on the list, and 200 at the most."
        in words
    )
    monkeypatch.setattr(files, "MOST_TEAM_SHEETS", 2)
    write_xlsx(tmp_path / "fewer.xlsx", hostile, PLAYBOOK, "en")
    assert len(openpyxl.load_workbook(tmp_path / "fewer.xlsx").sheetnames) == 4 + 2


def test_the_list_is_made_for_work(written):
    home, told = written
    book = openpyxl.load_workbook(home.report_folder(AS_OF) / "ranking.xlsx")
    assert book.sheetnames[:2] == ["Summary", "Ranking"] and book.sheetnames[-2:] == ["排名", "汇总"]
    for name, headline in (("Ranking", "Risk within 7 days"), ("排名", "7 天风险")):
        sheet = book[name]
        assert sheet.freeze_panes == "C2"
        assert sheet.auto_filter.ref == sheet.dimensions
        heads = [cell.value for cell in sheet[1]]
        risk = sheet.cell(2, heads.index(headline) + 1)
        assert risk.number_format == "0.0%" and 0 < risk.value < 1
        assert sheet.max_row == told["lines"] + 1
        assert rules(sheet) == {"cellIs", "dataBar"}
        assert (sheet.page_setup.orientation, sheet.print_title_rows) == ("landscape", "$1:$1")
    assert {column(book["Ranking"], "Level")[0]} <= {"▲ Red", "◆ Orange", "● Yellow", "○ Green"}
    summary = {row[0].value: row[1].value for row in book["Summary"].iter_rows(max_col=2)}
    assert summary["Lines scored"] == told["lines"]
    assert summary["▲ Red"] == told["red"]
    assert summary["Bans expected in the next 7 days"] == pytest.approx(told["expected_bans"], abs=0.01)
    assert summary["Model"] == "bancast/3"
    assert summary["not known"] == book["not known"].max_row - 1 > 0
    assert sum(summary[team] for team in (*TEAMS, "not known")) == told["lines"]
    assert book.properties.title == "Line ban risk, ranked" and "2026" in book.properties.subject
    assert {fact.name: fact.value for fact in book.custom_doc_props.props}["as_of"] == AS_OF.isoformat()


def test_a_line_says_since_when_what_to_do_and_what_is_at_stake(book, hostile):
    sheet = book["Ranking"]
    assert column(sheet, "Days on the list")[0] == 0 and column(sheet, "Days on the list")[-1] is None
    days, levels = column(sheet, "Days until the risk adds up to red"), column(sheet, "Level")
    assert {value for value, level in zip(days, levels, strict=True) if level == "▲ Red"} == {None}, "there already"
    assert {value for value, level in zip(days, levels, strict=True) if level != "▲ Red"} == {12.34}
    assert column(sheet, "Maturity")[:5] == ["A", "B", "C", "D", None] and column(sheet, "Engagement")[0] == "=B"
    assert column(sheet, "Plan 1")[0] == (
        "at most 40 calls a day, rest for 2 days, call between 09:00 and 18:30, leave out 1 number, "
        "brings the line below the level"
    )
    assert column(sheet, "Expected risk after 1")[0] == 0.12
    assert (column(sheet, "Action 2")[0], column(sheet, "Plan 2")[0]) == ("=nobody", "effect not measured")
    assert column(sheet, "Expected risk after 2")[0] is None
    assert column(sheet, "Plan 3")[0] == "rest for 3 days, not enough alone"
    top = hostile.lines.iloc[0]
    assert top["line_id"] == HOSTILE[0] and top["calls_7d"] == 10
    assert (column(sheet, "Calls at stake, 7 days")[0], column(sheet, "Talk time at stake, 7 days (s)")[0]) == (10, 300)
    assert "Connection" not in [cell.value for cell in sheet[1]]
    summary = {row[0].value: row[1].value for row in book["Summary"].iter_rows(max_col=2)}
    assert summary["Calls at stake, 7 days"] == 10


def test_columns_that_the_scores_lack_are_left_out(written):
    home, _ = written
    heads = [cell.value for cell in openpyxl.load_workbook(home.report_folder(AS_OF) / "ranking.xlsx")["Ranking"][1]]
    assert "Maturity" in heads and "Days until the risk adds up to red" not in heads


def test_the_sheets_beside_the_list_say_what_their_dictionaries_say(book):
    card = [[cell.value for cell in row] for row in book["Scorecard"].iter_rows()]
    assert card[1][2:13] == [300, 40, 12, 9, 7, 2, 33, 0.175, pytest.approx(7 / 9), 8.4, 2]
    assert card[1][13:] == [3.5, 6, "final"] and card[2][9:] == [None, None, 0.4, None, None, None, "not final yet, scored later"]
    words = [row[0] for row in card]
    assert {"=1+1", "+2", "@x", "and 6 more lines", "and 1 more line"} <= {*words}
    assert card[words.index("=1+1")][1:4] == ["▲ Red", 3, 0.4] and card[words.index("=1+1")][5] == 3
    left = [[cell.value for cell in row] for row in book["Continuity"].iter_rows()]
    assert left[1] == ["Team", "=x", 30, 900, 1.5, 0, 4, 45, 4, 2.8, 1, 6, 84, 6]
    assert left[2] == ["Team", "not known", 1, None, 0.1, *([None] * 9)]
    assert left[3][:3] == ["All", "All lines", 31] and left[-1][0] == "=NOTE()"
    assert left[6][:3] == ["Nothing is done (CNY)", None, 1600] and left[9][:3] == ["Lines that pay", None, 9]
    talk = [[cell.value for cell in row] for row in book["Coaching"].iter_rows()]
    assert talk[1] == ["Team", "-t", None, 4000, 12, "Red", 0.3, 0.1, 3, None, None, None]
    assert talk[2][:6] == ["Agent", "＝a", "-t", 100, 2, None]
    bans = [[cell.value for cell in row] for row in book["Appeals"].iter_rows()]
    assert bans[1][:4] == ["B1", "=1", "X", None] and bans[1][5:8] == ["○ Green", 0.01, 200]
    assert bans[1][9:] == ["few complaints\n=SUM(1)", "a-en.html"]
    assert bans[5][:4] == ["A1", "=1", "B1", "Sent, awaiting an answer"] and bans[5][6] == "late"
    for name in ("Scorecard", "Continuity", "Coaching", "Appeals"):
        assert book[name].freeze_panes == "C2" and book[name].auto_filter.ref.startswith("A1:")


def test_empty_dictionaries_make_sheets_and_none_makes_none(hostile, tmp_path):
    write_xlsx(
        tmp_path / "b.xlsx", hostile, {}, "zh", {"scorecard": {"weeks": [], "last": None}, "coaching": None, "appeals": {}}
    )
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    assert book.sheetnames[:2] == ["汇总", "排名"] and book.sheetnames[-2:] == ["Ranking", "Summary"]
    assert texts("zh")("Scorecard") in book.sheetnames and texts("zh")("Coaching") not in book.sheetnames


@settings(max_examples=100)
@given(st.lists(st.text(max_size=40) | st.text(alphabet="aA'[]:*?/\\ 😀ßİＡ_x0", min_size=28, max_size=40), max_size=8))
def test_sheet_names_are_ones_that_excel_takes_and_no_two_are_alike(wanted):
    used: set[str] = set()
    names = [sheet_name(name, used) for name in [*wanted, *wanted, "History", "history"]]
    for name in names:
        assert 0 < len(name.encode("utf-16-le")) <= 62 and not set(name) & set("[]:*?/\\")
        assert not name.startswith("'") and not name.endswith("'") and name.casefold() != "history"
        assert not re.search("_x[0-9a-fA-F]{4}_", name)
        assert not any(unicodedata.category(char) == "Cc" for char in name)
    assert len({name.lower() for name in names}) == len({name.casefold() for name in names}) == len(names)


def test_the_list_ends_at_a_limit_and_the_summary_says_so(hostile, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "XLSX_LINES", 7)
    write_xlsx(tmp_path / "b.xlsx", hostile, PLAYBOOK, "en")
    book = openpyxl.load_workbook(tmp_path / "b.xlsx")
    assert book["Ranking"].max_row == book["排名"].max_row == 8 and len(book.sheetnames) == 4 + 7
    note = f"This workbook holds the top 7 of {len(HOSTILE)} lines; ranking.csv beside it has them all."
    assert note in [row[0].value for row in book["Summary"].iter_rows(max_col=1)]


def test_many_lines_are_written_quickly(tmp_path):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(identities(2000), list(PLAYBOOK)))
    ranking = read_ranking(home, Settings(threads=1), AS_OF, lake_of(2000, calls=False))
    began = time.process_time()
    write_xlsx(tmp_path / "many.xlsx", ranking, PLAYBOOK, "en", EXTRAS)
    assert time.process_time() - began < 10  # about 1 s of one core
