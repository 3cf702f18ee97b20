"""The page as a person meets it, in headless Chromium; skipped only where there is no Chromium."""

import csv
import io
import json
import re
import shutil
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from playwright.sync_api import sync_playwright

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from serving.coaching import NOBODY
from serving.report import write_report
from serving.report.files import guarded
from serving.report.payload import SHARE, _shares
from serving.report.texts import texts
from tests.serving.report.test_files import NASTY
from tests.serving.report.worlds import AS_OF, TableLake, identities, lake_of, save_scores, scores_of, table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
VIEWS = ("lines", "changes", "where", "scorecard", "capacity", "coaching", "appeals", "about")
PHONE = {"width": 390, "height": 780}
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def tabs():
    """Tabs that no test uses: one that was open already takes half the time of a new one, and pages keep nothing in it."""
    return []


@pytest.fixture
def open_page(browser, tabs):
    """Opens a page file; at the end fails on any request, console message or error of it."""
    pages, wrong = [], []

    def opened(path, width=1500, height=900, at=""):
        page = tabs.pop() if tabs else browser.new_page()
        page.set_viewport_size({"width": width, "height": height})
        told = {
            "request": lambda request: request.url.startswith(("data:", "blob:", path.as_uri())) or wrong.append(request.url),
            "console": lambda message: wrong.append(message.text),
            "pageerror": lambda error: wrong.append(str(error)),
            "dialog": lambda dialog: (wrong.append(dialog.message), dialog.dismiss()),
        }
        pages.append((page, told))
        for event, tell in told.items():
            page.on(event, tell)
        page.goto(path.as_uri() + at)
        page.wait_for_selector("html[data-ready=true]")
        return page

    yield opened
    for page, told in pages:
        page.evaluate("0")  # what was on its way has arrived
        for event, tell in told.items():
            page.remove_listener(event, tell)
        page.emulate_media(media="null")
        page.goto("about:blank")
        tabs.append(page)
    assert wrong == []


@pytest.fixture
def page(written, open_page):
    home, _ = written
    return open_page(home.report_folder(AS_OF) / "ranking.html")


def ids(page) -> list[str]:
    return page.locator("#rows tr.line .id > a").all_inner_texts()


def column(page, name: str) -> list[str]:
    return page.locator(f"#rows tr.line .{name}").all_inner_texts()


def go(page, view: str) -> str:
    """Follow the link to a view; its text."""
    page.click(f'#views a[href="#view={view}"]')
    page.wait_for_selector(f"#view-{view}:not([hidden])")
    return page.locator(f"#view-{view}").inner_text()


@pytest.mark.parametrize("count", [100, 10_000, 100_000])
def test_search_sort_filter_a_line_language_and_print_on_companies_of_any_size(pages, open_page, tmp_path, count):
    page = open_page(pages(count))
    assert f"of {count:,} lines" in page.locator("#count").inner_text() or count == 100
    assert len(ids(page)) == 100
    page.click("[data-sort=id]")
    assert ids(page) == [f"L{place:06d}" for place in range(1, 101)]
    page.click("[data-sort=calls]")
    calls = [int(text.split()[0]) for text in column(page, "stake")]
    assert calls == sorted(calls, reverse=True)
    page.fill("#search", f"l{count:06d}")
    assert ids(page) == [f"L{count:06d}"]
    page.click("button[type=reset]")
    page.click(".chip.red")
    assert set(column(page, "level.red")) == {"▲ Red"} and column(page, "level.green") == []
    name = ids(page)[0]
    page.locator("#rows .id > a").first.click()
    assert page.locator("#line h2").inner_text().endswith(name)
    page.click("[data-language=zh]")
    assert page.title().startswith(name) and "风险" in page.locator("#line").inner_text()
    page.go_back()
    assert ids(page)[0] == name
    page.pdf(path=tmp_path / "print.pdf", prefer_css_page_size=True)
    assert (tmp_path / "print.pdf").read_bytes().startswith(b"%PDF")


def test_it_lists_lines_by_rank_a_page_at_a_time(page, written):
    _, told = written
    assert [int(text) for text in column(page, "rank")] == list(range(1, 101))
    assert page.locator("#cards b").first.inner_text() == str(told["red"])
    assert page.locator("#table thead th[aria-sort]").count() == 1
    assert page.locator("#page-back").is_disabled()
    page.click("#page-on")
    page.click("#page-on")
    assert [int(text) for text in column(page, "rank")] == list(range(201, 301))
    assert page.locator("#page-on").is_disabled() and page.locator("#count").inner_text() == "201–300 of 300 lines"


def test_search_finds_a_line_by_any_part_of_its_name_or_groups(page):
    page.fill("#search", "l000240")
    assert ids(page) == ["L000240"]
    page.fill("#search", "surveys north")
    assert len(ids(page)) > 0
    for row in page.locator("#rows tr.line").all_inner_texts():
        assert "Surveys" in row and "North" in row
    page.fill("#search", "nobody at all")
    assert ids(page) == [] and page.locator("#none").is_visible() and page.locator("#count").inner_text() == "No lines"
    page.click("button[type=reset]")
    assert len(ids(page)) == 100


def test_a_click_on_a_heading_sorts_and_says_so(page):
    page.click("[data-sort=id]")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Line")
    page.click("[data-sort=id]")
    names = ids(page)
    assert names == sorted(names, reverse=True) and page.locator("th[aria-sort=descending]").count() == 1
    page.click("[data-sort=risk3]")
    shares = [float(text.rstrip("%")) for text in page.locator("#rows tr.line td.col-other:nth-child(7)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)
    page.click("[data-sort=listed]")
    assert column(page, "listed")[0] == "56" and page.evaluate("document.activeElement.dataset.sort") == "listed"


def test_filters_by_level_group_change_and_reason_narrow_the_list(page, written):
    _, told = written
    page.click(".chip.orange")
    assert len(ids(page)) == told["orange"] and set(page.locator("#rows .level").all_inner_texts()) == {"◆ Orange"}
    page.click(".chip.red")
    assert len(ids(page)) == told["orange"] + told["red"]
    page.select_option("#filter-team", label="Surveys")
    assert set(page.locator("#rows tr.line td.col-group").all_inner_texts()[::3]) == {"Surveys"}
    page.click("button[type=reset]")
    page.select_option("#filter-family", label="Roaming")
    page.locator("#rows .id > a").first.click()
    assert "Roaming" in page.locator("#line .reasons").inner_text()
    page.go_back()
    page.click("button[type=reset]")
    page.click("[data-change=new]")
    assert len(ids(page)) == told["new"]
    page.click("[data-change=up]")
    assert len(ids(page)) == told["up"] and all("was" in text for text in column(page, "lvl"))


def test_a_line_has_a_page_of_its_own_that_an_address_leads_to(pages, open_page):
    page = open_page(pages(100), at="#line=L000042")
    text = page.locator("#line").inner_text()
    for part in ("1 day", "3 days", "7 days", "14 days", "usual for the carrier:", "Days on the list", "Risk through time"):
        assert part in text
    assert page.locator("#line .chart svg").count() == 2 and page.locator("#line .grade").count() == 4
    assert "Looked after until 25 November 2026: 名单<b>已核查</b>" in text
    assert page.title().startswith("L000042") and not page.locator("#view-lines").is_visible()
    page.click("text=← All lines")
    assert page.locator("#rows tr.line", has=page.locator(".badge.ack")).locator(".id > a").all_inner_texts() == ["L000042"]
    page.locator("#rows .id > a").nth(1).focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("#line h2", state="visible")
    assert page.evaluate("document.activeElement.tagName") == "H2", "the keyboard goes where the page goes"
    text = page.locator("#line .todo").inner_text()
    assert re.search(r"\d%\s*→\s*then\s*\d", text) and re.search(r"at most [\d,]+ calls a day", text)
    assert "A model's estimate, no promise." in page.locator("#line").inner_text()
    first = page.locator("#line h2").inner_text()
    page.click("text=Next line ›")
    page.wait_for_function("name => document.querySelector('#line h2').innerText !== name", arg=first)
    assert page.locator("#line h2").inner_text() != first
    page.go_back()
    page.wait_for_function("name => document.querySelector('#line h2').innerText === name", arg=first)
    page.go_back()
    page.wait_for_selector("#view-lines", state="visible")
    # Back to where it came from.
    page.wait_for_function("name => document.activeElement.textContent === name", arg=ids(page)[1])
    page.evaluate("location.hash = '#line=' + encodeURIComponent('nobody')")
    page.wait_for_selector("text=This line is not on the page")


def test_days_to_red_are_told_as_adding_up_and_not_of_red_lines(pages, open_page):
    page = open_page(pages(10_000))
    page.click(".chip.red")
    assert not [text for text in column(page, "lvl") if "adds up" in text]
    page.click("button[type=reset]")
    page.click(".chip.orange")
    told = [text for text in column(page, "lvl") if "adds up" in text]
    assert told and all(re.search(r"adds up to red in \d+ days", text) for text in told)
    page.locator("#rows .id > a").first.click()
    assert re.search(r"its risk adds up to the red level within \d+ days", page.locator("#line").inner_text())
    page.click("[data-language=zh]")
    assert re.search(r"照此下去，累计风险 \d+ 天后达到红色水平。", page.locator("#line").inner_text())


def test_the_whole_page_changes_its_language_and_back(pages, open_page):
    page = open_page(pages(100))
    page.click("[data-language=zh]")
    assert page.evaluate("document.documentElement.lang") == "zh-CN" and page.title().startswith("线路封号风险排名")
    assert "2026年11月23日" in page.locator("#as-of").inner_text()
    assert page.locator("#search").get_attribute("placeholder") == "搜索线路、团队、运营商或号码池"
    names = set(
        [
            "Renewals",
            "Onboarding",
            "Surveys",
            "Service",
            "calls",
            "Regional",
            "east",
            "west",
            "North",
            "Telecom",
            "Harbour",
            "Mobile",
            "Lakeside",
            "Voice",
        ]
    )
    names |= set(
        [
            "ranking",
            "csv",
            "xlsx",
            "bancast",
            "agent",
            "banned",
            "line",
            "longer",
            "here",
            "page",
            "gone",
            "answered",
            "shorter",
            "than",
            "share",
            "average",
            "talk",
            "time",
        ]
    )
    for view in VIEWS:
        left = set(re.findall(r"[A-Za-z]{4,}", go(page, view))) - names
        assert left == set(), f"left untranslated in {view}"
    page.evaluate("location.hash = '#line=L000042'")
    page.wait_for_selector("#line h2")
    assert set(re.findall(r"[A-Za-z]{4,}", page.locator("#line").inner_text())) - names == set()
    page.click("[data-language=en]")
    assert page.locator("#line h3").first.inner_text() == "Risk of a ban within"


def test_quantities_read_on_the_page_as_in_the_files(page):
    values = [0.0, 0.04, 0.5, 1.0, 3.26, 42.0, 250.0, 5400.0, 123456.0, None]
    units = sorted({feature.unit for feature in CATALOGUE})
    names = {feature.unit: feature.name for feature in CATALOGUE}
    for language in ("en", "zh"):
        page.click(f"[data-language={language}]")
        told = page.evaluate(
            "([units, values]) => units.map((unit) => values.map((value) => bancast.words.quantity(unit, value)))",
            [units, values],
        )
        for unit, row in zip(units, told, strict=True):
            assert row == [texts(language).quantity(names[unit], value) for value in values], unit


@pytest.fixture(scope="module")
def scored_once_and_oftener(tmp_path_factory) -> list[tuple[list[date], Path]]:
    """The page of a day after one, two and four days were scored, with these days."""
    folder = tmp_path_factory.mktemp("charts")
    home, days, found = Home(folder / "home"), [AS_OF], []
    for earlier in ([], [1], [7, 3]):
        days = [*days, *[AS_OF - timedelta(days=back) for back in earlier]]
        for day in days:
            save_scores(home, day, scores_of(identities(20), ["rest_line"], as_of=day))
        write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake_of(20))
        found.append((days, shutil.copy(home.report_folder(AS_OF) / "ranking.html", folder / f"{len(days)}.html")))
    return found


@pytest.mark.parametrize("zone", ["UTC", "Asia/Shanghai", "America/New_York"])
def test_charts_say_each_scored_day_once_and_right_in_every_zone(scored_once_and_oftener, browser, zone):
    page = browser.new_page(timezone_id=zone)
    for days, path in scored_once_and_oftener:
        page.goto(path.as_uri() + "#line=L000001")
        page.wait_for_selector("#line .chart svg text")
        for at, view in ((0, "#line .chart"), (1, "#line .chart"), *([(0, "#trend-chart")] if len(days) > 1 else [])):
            if view == "#trend-chart":
                go(page, "where")
            labels = page.locator(view).nth(at).locator("svg text").all_text_contents()
            said = [text for text in labels if re.fullmatch(r"\d{1,2} \w{3}", text)]
            assert len({*said}) == len(said) > 0, (view, said)
            if (view, at) != ("#line .chart", 1):
                assert {*said} <= {f"{day:%-d %b}" for day in days} and f"{AS_OF:%-d %b}" in said, said
    page.close()


def test_a_share_is_rounded_once_however_it_reached_the_page(page):
    rng = np.random.default_rng(5)
    edges = np.concatenate([np.arange(5, 1000, 10) / 10_000, np.arange(50, 9999, 100) / 10_000])
    values = np.concatenate([[0.072469, 0.00003, 0.57], rng.uniform(0, 1, 500), edges - 2e-7, edges + 2e-7])
    told = [page.evaluate("(all) => all.map(bancast.words.percent)", list(one)) for one in (values, _shares(values) / SHARE)]
    assert told[0] == told[1] and told[0][0] == "7.2%"


def test_the_charts_group_by_what_is_chosen_and_filter_on_a_click(page):
    go(page, "where")
    assert page.locator("#group-chart svg").count() == page.locator("#trend-chart svg").count() == 1
    page.click("[data-kind=carrier]")
    assert (
        "North Telecom" in page.locator("#group-chart").inner_text() and "(5 to 14)" in page.locator("#group-table").inner_text()
    )
    page.click("#group-table button >> text=North Telecom")
    assert set(page.locator("#rows tr.line td.col-group").all_inner_texts()[1::3]) == {"North Telecom"}


def test_each_section_says_what_its_module_found(pages, open_page):
    page = open_page(pages(100))
    assert page.locator("#last-main").inner_text() == "7 of 11" and page.locator("#interval").inner_text() == "likely 20 to 39"
    assert "Went up a level" in go(page, "changes")
    text = go(page, "scorecard")
    assert "11 lines were banned. The list had warned of 7 of them" in text and "and 31 more" in text
    assert page.locator("#view-scorecard tbody tr").count() == 3 + 1 + 3 + 12
    text = go(page, "capacity")
    assert "91 lines are expected to be banned (70 to 112)" in text and "Every line at 8.3% or more".lower() in text.lower()
    text = go(page, "coaching")
    assert "Regional west" in text and "usual 22%; ×2 as much, likely ×1.7 to ×2.4" in text
    text = go(page, "appeals")
    assert "No complaint in the last 28 days" in text and "⚠ overdue" in text
    assert page.locator("#view-appeals a[href='appeals/appeal-B1-en.html']").count() == 2


def test_a_list_made_later_is_no_warning_in_the_headline(pages, open_page, tmp_path):
    html = pages(100).read_text(encoding="utf-8")
    path = tmp_path / "later.html"
    path.write_text(html.replace('"hindsight":false', '"hindsight":true'), encoding="utf-8")
    page = open_page(path)
    assert (page.locator("#last-main").inner_text(), "made later" in page.locator("#last-sub").inner_text()) == ("–", True)
    assert "it warned nobody" in go(page, "scorecard")


def test_where_nobody_stands_out_the_coaching_part_says_why_that_is_usual(pages, open_page, tmp_path):
    path = tmp_path / "nobody.html"
    html = pages(100).read_text(encoding="utf-8").replace('"stands_out":true', '"stands_out":false')
    path.write_text(html.replace('"nobody":null', f'"nobody":{json.dumps(NOBODY)}'), encoding="utf-8")
    page = open_page(path)
    text = go(page, "coaching")
    assert "No team stands out." in text and NOBODY in text
    page.click("[data-language=zh]")
    assert "并不等于没有问题" in page.locator("#view-coaching").inner_text()


def test_a_section_without_anything_is_one_quiet_sentence(tmp_path, open_page):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(["A"], ["rest_line"]))
    write_report(home, Settings(threads=1, language="zh"), AS_OF, lake=TableLake())
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    assert page.title().startswith("线路封号风险排名") and "首个评分日" in page.locator("#changes").inner_text()
    page.click("[data-language=en]")
    for view in ("changes", "scorecard", "coaching", "appeals"):
        go(page, view)
        assert page.locator(f"#view-{view} .quiet-words").count() == 1, view
    assert not page.locator("[data-change=new]").is_visible()


def test_a_list_of_the_rule_opens_and_forecasts_nothing_in_any_part(tmp_path, open_page):
    home = Home(tmp_path)
    for day in (AS_OF - timedelta(days=7), AS_OF):
        save_scores(home, day, scores_of(identities(40), ["rest_line"], model="rule/1"))
    write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake_of(40))
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    assert page.locator("#by-rule").is_visible() and "forecasts none" in page.locator(".card.expected").inner_text()
    for view in VIEWS:
        text = go(page, view)
        assert not re.search(r"bans expected|expected bans|likely|model's estimate|spare lines,", text, re.IGNORECASE), view
    assert page.locator("#view-capacity table").count() == 3
    page.evaluate("location.hash = '#line=L000001'")
    page.wait_for_selector("#line h2")
    page.click("[data-language=zh]")
    assert page.locator("#by-rule").inner_text().startswith("本名单按经验规则排序")


def test_the_list_that_is_shown_saves_as_csv_that_no_spreadsheet_runs(tmp_path, open_page):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(NASTY, ["rest_line"]))
    rows = {"line_id": NASTY, "carrier": NASTY[::-1], "number_pool": NASTY, "team": NASTY}
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 90] * len(NASTY))})
    write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake)
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    with page.expect_download() as download:
        page.click("#save")
    saved = download.value.path().read_bytes()
    assert saved.startswith(b"\xef\xbb\xbf") and download.value.suggested_filename == "bancast-2026-11-23.csv"
    head, *found = csv.reader(io.StringIO(saved.decode("utf-8-sig"), newline=""))
    assert head[:4] == ["Rank", "Line", "Level", "Risk within 1 day"]
    assert {row[1] for row in found} == {guarded(name) for name in NASTY}
    told = page.evaluate("(names) => names.map(bancast.exporting.guarded)", NASTY)
    assert told == [guarded(name) for name in NASTY]
    page.fill("#search", "00123")
    assert page.evaluate("bancast.exporting.csv(bancast.table.found()).trim().split('\\r\\n').length") == 1 + len(ids(page))


def test_names_that_look_like_markup_show_as_they_are(tmp_path, open_page):
    name = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of([name, "plain"], [name]))
    rows = {"line_id": [name, "plain"], "carrier": [name] * 2, "number_pool": [name] * 2, "team": [name] * 2}
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 9] * 2)})
    write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake)
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    assert name in ids(page)
    page.locator("#rows .id > a", has_text=name).click()
    assert page.locator("#line h2").inner_text().endswith(name)
    go(page, "where")
    page.hover("#group-chart svg", position={"x": 200, "y": 30}, force=True)
    page.wait_for_timeout(100)
    assert page.locator("img").count() == 0
    assert name in page.locator("#filter-team").inner_text(timeout=1000) or name in page.locator("#filter-team").text_content()


@pytest.mark.parametrize(
    ("width", "language", "views"),
    [
        (1500, "en", (*VIEWS, "line")),
        (1500, "zh", ("lines", "line")),
        (PHONE["width"], "en", ("lines", "line")),
        (PHONE["width"], "zh", (*VIEWS, "line")),
    ],
)
def test_the_accessibility_checker_finds_no_serious_fault_and_nothing_scrolls_sideways(pages, open_page, width, language, views):
    page = open_page(pages(20), width=width, height=PHONE["height"])
    page.click(f"[data-language={language}]")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for view in views:
        page.evaluate("(to) => { location.hash = to }", "#line=L000012" if view == "line" else f"#view={view}")
        page.wait_for_selector(f"#view-{view}")
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] }).then((result) => result.violations)")
        bad = [(fault["id"], fault["nodes"][0]["html"]) for fault in found if fault["impact"] in ("serious", "critical")]
        assert bad == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


@pytest.mark.parametrize("width", [1500, PHONE["width"]])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_numbers_and_short_names_stay_on_one_line(tmp_path, open_page, width, language):
    home, names = Home(tmp_path), [f"138{place:08d}" for place in range(30)]
    scores = scores_of(names, ["rest_line"], risk=np.linspace(0.6, 0.02, 30))
    save_scores(home, AS_OF, scores.append_column("days_to_red", pa.array([22.0] * 30)))
    rows = {
        "line_id": names,
        "carrier": ["China Mobile"] * 30,
        "number_pool": ["pool-beijing-01"] * 30,
        "team": ["team-003"] * 30,
    }
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 90] * 30)})
    write_report(home, Settings(threads=1, language=language), AS_OF, lake=lake)
    page = open_page(home.report_folder(AS_OF) / "ranking.html", width=width)
    shown = page.locator("#rows .id a, #rows .whole").evaluate_all(
        "(all) => all.filter((one) => one.offsetParent).map((one) => [one.textContent, one.getClientRects().length])"
    )
    assert {name for name, _ in shown} >= {names[0], "team-003"} and {rows for _, rows in shown} == {1}, shown
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_phone_shows_why_and_what_to_do_and_can_sort(pages, open_page):
    page = open_page(pages(100), **PHONE)
    assert page.locator("#rows tr.line .risk").first.is_visible() and page.locator("#rows .why").first.is_visible()
    page.select_option("#sort", "id")
    assert ids(page)[0] == "L000001"


def test_paper_has_the_headline_and_the_top_lines_and_no_controls(page, tmp_path):
    page.emulate_media(media="print")
    for control in ("#filters", "#views", "#pager", "#print", "#save"):
        assert not page.locator(control).is_visible(), control
    assert page.locator("#cards").is_visible() and page.locator("#rows tr.line").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1500
    path = tmp_path / "print.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    assert path.stat().st_size > 20_000
