import json
from datetime import date, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from markupsafe import escape

from data_schemas.clock import day_number
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving import report
from serving.actions import PLAYBOOK
from serving.report import data as data_module
from serving.report import files, page, write_report
from serving.report.extras import Extras
from serving.report.payload import NONE
from serving.report.texts import ABOUT_RISK, ABOUT_RULE, BY_RULE, LANGUAGES, texts
from serving.scored import LEVELS
from tests.serving.report.pages import columns_of, data_of, ids_of
from tests.serving.report.worlds import AS_OF, CARRIERS, TableLake, identities, lake_of, save_scores, scores_of, table

SETTINGS = Settings(threads=1)


def small(tmp_path: Path) -> tuple[Home, TableLake]:
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(identities(30), ["rest_line"]))
    return home, lake_of(30, calls=False)


@pytest.fixture
def without_sections(monkeypatch):
    """Reports are written in a third of the time without the sections beside the ranking."""
    monkeypatch.setattr(data_module, "gather", lambda *_: Extras())


def test_it_says_where_the_files_are_and_the_headline_numbers(written):
    _, told = written
    assert {kind: Path(path).name for kind, path in told["files"].items()} == {
        "html": "ranking.html",
        "xlsx": "ranking.xlsx",
        "csv": "ranking.csv",
    }
    assert all(Path(path).stat().st_size for path in told["files"].values())
    assert told["lines"] == 300 == told["red"] + told["orange"] + told["yellow"] + told["green"]
    assert told["previous"] == "2026-11-16" and told["trained_until"] == "2026-10-26"
    assert json.loads(json.dumps(told)) == told
    html = Path(told["files"]["html"]).read_text(encoding="utf-8")
    for text in ("bancast/3", "2026-10-26", told["data_fingerprint"]):
        assert text in html


@pytest.mark.parametrize("name", ["ranking.html", "ranking.xlsx", "ranking.csv"])
def test_a_crash_leaves_the_old_report(tmp_path, monkeypatch, without_sections, name):
    home, lake = small(tmp_path)
    write_report(home, SETTINGS, AS_OF, lake=lake)
    folder = home.report_folder(AS_OF)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    save_scores(home, AS_OF, scores_of(identities(30), ["rest_line"], seed=5, model="bancast/4"))

    def crash(*_):
        raise OSError("disk full")

    where = {"ranking.html": (page, "render"), "ranking.xlsx": (files, "write_xlsx"), "ranking.csv": (files, "write_csv")}
    with monkeypatch.context() as patch:
        patch.setattr(*where[name], crash)
        with pytest.raises(OSError, match="disk full"):
            write_report(home, SETTINGS, AS_OF, lake=lake)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    write_report(home, SETTINGS, AS_OF, lake=lake)
    assert "bancast/4" in (folder / "ranking.html").read_text(encoding="utf-8")
    assert sorted(path.name for path in folder.iterdir()) == sorted(report.FILES)


def test_the_card_of_the_model_that_scored_the_day_lies_beside_and_leaves_with_it(tmp_path, without_sections):
    home, lake = small(tmp_path)
    card = home.model_card("bancast/3")
    card.parent.mkdir(parents=True)
    card.write_text("what it is for", encoding="utf-8")
    told = write_report(home, SETTINGS, AS_OF, lake=lake)
    folder = home.report_folder(AS_OF)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*report.FILES, report.CARD])
    assert Path(told["files"]["card"]).read_text(encoding="utf-8") == "what it is for"
    card.unlink()
    told = write_report(home, SETTINGS, AS_OF, lake=lake)
    assert "card" not in told["files"] and sorted(path.name for path in folder.iterdir()) == sorted(report.FILES)


def test_a_version_in_a_scores_file_leads_to_no_file_outside(tmp_path):
    home = Home(tmp_path / "home")
    for place in ("home/3", "3", "home/models/bancast/3"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / report.CARD).write_text(place)
    assert report._card(home, "bancast/3") == home.model_card("bancast/3")
    for version in ("bancast/4", "", "4f0c1d2e3a4b", "../3", "../../3", "bancast/../bancast/3", "/3", "..\\3"):
        assert report._card(home, version) is None, version


def test_names_cannot_end_the_script_that_holds_them(tmp_path):
    name = "</script><script>alert(1)</script><!--"
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of([name], ["rest_line"]))
    rows = {"line_id": [name], "carrier": [name], "number_pool": [name], "team": [name]}
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 9])})
    told = write_report(home, SETTINGS, AS_OF, lake=lake)
    html = Path(told["files"]["html"]).read_text(encoding="utf-8")
    assert "alert(1)</script>" not in html
    data = data_of(html)
    assert ids_of(html) == [name] and data["names"]["team"] == [name]


def test_the_page_holds_every_line_as_it_was_scored(written):
    home, told = written
    html = (home.report_folder(AS_OF) / "ranking.html").read_text(encoding="utf-8")
    scores = pd.read_parquet(home.scores_file(AS_OF)).sort_values("rank")
    columns = columns_of(html)
    assert ids_of(html) == scores["line_id"].tolist()
    assert columns["rank"].tolist() == list(range(1, told["lines"] + 1))
    assert [LEVELS[level] for level in columns["level"]] == scores["level"].tolist()
    for place, days in enumerate((1, 3, 7, 14)):
        assert columns[f"risk_{place}"] / 10_000 == pytest.approx(scores[f"risk_{days}d"], abs=0.0001)
    assert columns["reasons"].tolist() == scores["reasons"].map(len).tolist()
    values = [reason["value"] for reasons in scores["reasons"] for reason in reasons]
    assert columns["reason_value"] == pytest.approx(values, rel=1e-5)
    after = [action["risk_after"] for actions in scores["actions"] for action in actions]
    assert columns["action_after"] / 10_000 == pytest.approx(after, abs=0.0001)
    assert columns["calls"].reshape(300, 56)[:, -7:].sum(axis=1).tolist() == columns["calls_7d"].tolist()


def test_a_line_shows_its_risk_on_earlier_days(written):
    home, _ = written
    html = (home.report_folder(AS_OF) / "ranking.html").read_text(encoding="utf-8")
    days = [day["day"] for day in data_of(html)["trend"]]
    assert len(days) == 9 and days[-1] == AS_OF.isoformat()
    history = columns_of(html)["history"].reshape(8, 300)
    names = ids_of(html)
    for day, packed in zip(days, history, strict=False):
        then = pd.read_parquet(home.scores_file(date.fromisoformat(day))).set_index("line_id")
        for name, value in zip(names, packed.tolist(), strict=True):
            if name not in then.index:
                assert value == NONE
            else:
                assert LEVELS[value >> 14] == then.at[name, "level"]
                assert (value & 0x3FFF) / 10_000 == pytest.approx(then.at[name, "risk_7d"], abs=0.0001)


def test_a_page_of_a_hundred_thousand_lines_stays_under_thirty_megabytes(pages):
    html = pages(100_000).read_text(encoding="utf-8")
    assert len(html.encode()) < 30_000_000
    assert len(ids_of(html)) == 100_000


def test_a_playbook_of_ones_own_gives_the_words(tmp_path, without_sections):
    home, lake = small(tmp_path / "home")
    own = tmp_path / "own.toml"
    own.write_text(PLAYBOOK.read_text(encoding="utf-8").replace("Rest the line for some days", "Let it sleep"), encoding="utf-8")
    told = write_report(home, Settings(threads=1, language="en", actions={"playbook": own}), AS_OF, lake=lake)
    assert "Let it sleep" in Path(told["files"]["csv"]).read_text(encoding="utf-8-sig")
    own.write_text(own.read_text(encoding="utf-8").replace("title.zh", "title.xx"), encoding="utf-8")
    with pytest.raises(BadInput, match=r"own.toml: action `stop_calling_complainers` lacks title.zh"):
        write_report(home, Settings(threads=1, actions={"playbook": own}), AS_OF, lake=lake)


def test_expected_bans_have_the_interval_that_scoring_and_capacity_worked_out(written):
    home, told = written
    data = data_of((home.report_folder(AS_OF) / "ranking.html").read_text(encoding="utf-8"))
    ranges = {group["name"]: group["range"] for group in data["groups"]["carrier"]}
    assert ranges == {"North Telecom": [5, 14], "Harbour Mobile": None, "Lakeside Voice": None}
    low, high = data["interval"]
    assert low < told["expected_bans"] < high


def test_a_first_day_without_anything_beside_it_has_every_section_empty(tmp_path):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(["A"], ["rest_line"]))
    told = write_report(home, SETTINGS, AS_OF, lake=TableLake())
    data = data_of(Path(told["files"]["html"]).read_text(encoding="utf-8"))
    sections = data["sections"]
    assert sections["scorecard"]["weeks"] == [] and sections["scorecard"]["last"] is None
    assert sections["appeals"]["candidates"] == sections["appeals"]["cases"] == []
    assert data["previous"] is None and data["groups"]["team"][0]["name"] is None


def test_documents_of_bans_worth_an_appeal_lie_beside_and_leave_with_them(tmp_path, monkeypatch):
    home, lake = small(tmp_path)
    names = ["b1-zh.html", "b1-en.html"]
    monkeypatch.setattr(data_module, "gather", lambda *_: Extras(write_documents=lambda folder: _write(folder, names)))
    folder = home.report_folder(AS_OF)
    told = write_report(home, SETTINGS, AS_OF, lake=lake)
    assert told["files"]["appeals"] == str(folder / "appeals")
    assert sorted(path.name for path in (folder / "appeals").iterdir()) == sorted(names)
    names[:] = ["b2-en.html"]
    write_report(home, SETTINGS, AS_OF, lake=lake)
    assert [path.name for path in (folder / "appeals").iterdir()] == names
    names.clear()
    told = write_report(home, SETTINGS, AS_OF, lake=lake)
    assert "appeals" not in told["files"] and not (folder / "appeals").exists()


def _write(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).write_text(name)


def test_a_group_sums_its_lines(written):
    home, told = written
    data = data_of((home.report_folder(AS_OF) / "ranking.html").read_text(encoding="utf-8"))
    for kind in ("team", "carrier", "number_pool"):
        groups = data["groups"][kind]
        assert sum(group["lines"] for group in groups) == told["lines"]
        assert [sum(group["levels"][level] for group in groups) for level in range(4)] == data["totals"]["levels"]
        assert sum(group["expected"] for group in groups) == pytest.approx(told["expected_bans"], abs=0.2)
        assert [group["expected"] for group in groups] == sorted((group["expected"] for group in groups), reverse=True)


def test_progress_is_told(tmp_path, without_sections):
    home, lake = small(tmp_path)
    steps = []
    write_report(home, SETTINGS, AS_OF, lake=lake, progress=lambda what, share: steps.append(share))
    assert steps == sorted(steps) and steps[-1] == 1.0


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_list_of_the_rule_says_so_and_forecasts_no_bans(tmp_path, language):
    home, say = Home(tmp_path), texts(language)
    scores = scores_of(identities(40), ["rest_line"], model="rule/1")
    path = save_scores(home, AS_OF, scores.append_column("days_to_red", pa.array([20.0] * 40)), "2026-10-26")
    groups = [{"by": "carrier", "group": CARRIERS[0], "expected": 4.5, "low": 2, "high": 8}]
    path.with_name("summary.json").write_text(json.dumps({"kind": "rule", "bans_by": groups, "spread": {"all": 0.1}}))
    save_scores(home, AS_OF - timedelta(days=7), scores_of(identities(40), ["rest_line"], model="rule/1"))
    told = write_report(home, Settings(threads=1, language=language), AS_OF, lake=lake_of(40))
    assert (told["expected_bans"], told["trained_until"]) == (None, None)
    html = (home.report_folder(AS_OF) / "ranking.html").read_text(encoding="utf-8")
    shown, found = html.split("<script")[0], data_of(html)
    assert escape(say(BY_RULE)) in shown and escape(say(ABOUT_RULE, n=7)) in shown and escape(say(ABOUT_RISK, n=7)) not in shown
    assert (found["interval"], found["sections"]["continuity"]["weeks"]) == (None, [])
    assert found["sections"]["continuity"]["total"]["spare_lines"] == [] and found["sections"]["continuity"]["plan"] is None
    assert {day["expected"] for day in [found["totals"], found["previous"], *found["trend"]]} == {None}
    assert {(group["expected"], tuple(group["range"] or ())) for kind in found["groups"].values() for group in kind} == {
        (None, ())
    }
    assert set(columns_of(html)["days_to_red"].tolist()) == {NONE}, "a rule tells no days"
    book = openpyxl.load_workbook(home.report_folder(AS_OF) / "ranking.xlsx")
    words = {str(cell.value) for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None}
    assert {say(BY_RULE), say(ABOUT_RULE, n=7)} <= words
    forecast = ["Bans expected in the next {n} days", "Expected bans", "Per 100 lines"]
    assert not words & {texts(one)(word, n=7) for word in forecast for one in LANGUAGES}
    assert not [word for word in words if word.startswith(("Spare lines,", "备用线路，", "At most,", "上限，"))]
