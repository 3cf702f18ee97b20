"""The page as a person meets it, in headless Chromium; skipped only where there is no Chromium."""

import re
import shutil

import pytest
from playwright.sync_api import sync_playwright

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.report import write_report
from tests.serving.report.worlds import AS_OF, TableLake, save_scores, scores_of, table

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser):
    """Opens a page file; at the end fails on any request, console message or error of it."""
    pages, wrong = [], []

    def opened(path, width=1400, height=900):
        page = browser.new_page(viewport={"width": width, "height": height})
        pages.append(page)
        page.on("request", lambda request: request.url.startswith(("data:", path.as_uri())) or wrong.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append(dialog.message), dialog.dismiss()))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=true]")
        return page

    yield opened
    for page in pages:
        page.close()
    assert wrong == []


@pytest.fixture
def page(written, open_page):
    home, _ = written
    return open_page(home.report_folder(AS_OF) / "ranking.html")


def ids(page) -> list[str]:
    return page.locator("#rows tr.line .id button").all_inner_texts()


def column(page, name: str) -> list[str]:
    return page.locator(f"#rows tr.line .{name}").all_inner_texts()


def test_it_lists_every_flagged_line_by_rank(page, written):
    _, told = written
    ranks = [int(text) for text in column(page, "rank")]
    assert ranks == list(range(1, max(50, told["red"] + told["orange"] + told["yellow"]) + 1))
    assert page.locator("#cards b").first.inner_text() == str(told["red"])
    assert page.locator("#table thead th[aria-sort]").count() == 1


def test_search_finds_a_line_by_any_part_of_its_name_or_groups(page):
    page.fill("#search", "l000240")
    assert ids(page) == ["L000240"]
    page.fill("#search", "surveys north")
    assert len(ids(page)) > 0
    for row in page.locator("#rows tr.line").all_inner_texts():
        assert "Surveys" in row and "North" in row
    page.fill("#search", "nobody at all")
    assert ids(page) == [] and page.locator("#none").is_visible()
    page.click("button[type=reset]")
    assert len(ids(page)) >= 50


def test_a_click_on_a_heading_sorts_and_says_so(page):
    page.click("[data-sort=id]")
    names = ids(page)
    assert names == sorted(names) and page.locator("th[aria-sort=ascending]").inner_text().startswith("Line")
    page.click("[data-sort=id]")
    names = ids(page)
    assert names == sorted(names, reverse=True) and page.locator("th[aria-sort=descending]").count() == 1
    page.click("[data-sort=risk14]")
    shares = [float(text.rstrip("%")) for text in page.locator("#rows tr.line td.col-other:nth-child(7)").all_inner_texts()]
    assert shares == sorted(shares, reverse=True)


def test_filters_by_level_group_and_reason_narrow_the_list(page, written):
    _, told = written
    page.click(".chip.orange")
    assert len(ids(page)) == told["orange"] and set(column(page, "level")) == {"◆ Orange"}
    page.click(".chip.red")
    assert len(ids(page)) == told["orange"] + told["red"]
    page.select_option("#filter-team", label="Surveys")
    assert set(page.locator("#rows tr.line td.col-group").all_inner_texts()[::3]) == {"Surveys"}
    page.click("button[type=reset]")
    page.select_option("#filter-family", label="Roaming")
    page.locator("#rows .id button").first.click()
    assert "Roaming" in page.locator("tr.detail .reasons").first.inner_text()
    page.click("button[type=reset]")
    page.click("#only-new")
    assert len(ids(page)) == told["new"]


def test_more_lines_show_on_demand(page):
    shown = len(ids(page))
    page.click("#more")
    assert len(ids(page)) == min(300, shown + 200)
    assert "of 300 lines" in page.locator("#count").inner_text()


def test_a_line_opens_with_risks_reasons_actions_and_its_weeks(page):
    button = page.locator("#rows .id button").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-expanded") == "true"
    sheet = page.locator("tr.detail").first
    text = sheet.inner_text()
    for part in ("1 day", "3 days", "7 days", "14 days", "usual for the carrier:", "A model's estimate, no promise."):
        assert part in text
    assert sheet.locator(".reasons li").count() == 3
    assert sheet.locator(".todo li").count() == 3 and re.search(r"\d%\s*→\s*\d", sheet.locator(".todo").inner_text())
    assert sheet.locator(".weeks svg").count() == 1
    button.click()
    assert page.locator("tr.detail").count() == 0 and button.get_attribute("aria-expanded") == "false"


def test_the_whole_page_changes_its_language_and_back(page):
    page.locator("#rows .id button").first.click()
    before = page.locator("body").inner_text()
    page.click("[data-language=zh]")
    assert page.evaluate("document.documentElement.lang") == "zh-CN" and page.title().startswith("线路封号风险排名")
    text = page.locator("main").inner_text()
    names = "Renewals Onboarding Surveys Service calls Regional east west North Telecom Harbour Mobile Lakeside Voice"
    names += " ranking csv xlsx bancast"
    assert set(re.findall(r"[A-Za-z]{4,}", text)) - set(names.split()) <= {"calls"}, "left untranslated"
    assert "2026年11月23日" in page.locator("#as-of").inner_text()
    assert page.locator("#search").get_attribute("placeholder") == "搜索线路、团队、运营商或号码池"
    page.click("[data-language=en]")
    assert page.locator("body").inner_text() == before


def test_the_charts_group_by_what_is_chosen_and_filter_on_a_click(page):
    assert page.locator("#group-chart svg").count() == page.locator("#trend-chart svg").count() == 1
    page.click("[data-kind=carrier]")
    assert "North Telecom" in page.locator("#group-chart").inner_text()
    page.click("#group-details summary")
    page.click("#group-table button >> text=North Telecom")
    assert set(page.locator("#rows tr.line td.col-group").all_inner_texts()[1::3]) == {"North Telecom"}


def test_names_that_look_like_markup_show_as_they_are(tmp_path, open_page):
    name = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of([name, "plain"], [name]))
    rows = {"line_id": [name, "plain"], "carrier": [name] * 2, "number_pool": [name] * 2, "team": [name] * 2}
    lake = TableLake({"lines": table("lines", rows, [day_number(AS_OF) - 9] * 2)})
    write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake)
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    assert name in ids(page)
    page.locator("#rows .id button").first.click()
    page.hover("#group-chart svg", position={"x": 200, "y": 30}, force=True)
    page.wait_for_timeout(200)
    assert page.locator("img").count() == 0
    assert name in page.locator("#filter-team").inner_text()


def test_it_opens_in_the_language_of_the_settings(tmp_path, open_page):
    home = Home(tmp_path)
    save_scores(home, AS_OF, scores_of(["A"], ["rest_line"]))
    write_report(home, Settings(threads=1, language="zh"), AS_OF, lake=TableLake())
    page = open_page(home.report_folder(AS_OF) / "ranking.html")
    assert page.title().startswith("线路封号风险排名") and "首个评分日" in page.locator("#changes").inner_text()


def test_a_phone_shows_it_without_scrolling_sideways(written, open_page):
    home, _ = written
    page = open_page(home.report_folder(AS_OF) / "ranking.html", width=375, height=740)
    page.locator("#rows .id button").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= 375
    assert page.locator("#rows tr.line .risk").first.is_visible()


def test_it_prints(page, tmp_path):
    path = tmp_path / "print.pdf"
    page.pdf(path=path, prefer_css_page_size=True)
    assert path.read_bytes().startswith(b"%PDF") and path.stat().st_size > 20_000
