"""The page of a backtest: honest words, both languages, numbers as measured, no markup from names, and as a browser shows it."""

from __future__ import annotations

import copy
import json
import re
import shutil
from dataclasses import fields
from datetime import date, timedelta
from itertools import chain
from typing import Any

import numpy as np
import pytest

from models import gate, plots
from models.backtest import WHO, BacktestReport
from models.backtest_page import render
from models.backtest_page.answers import verdict
from models.backtest_page.content import sections
from models.evaluation import Judged, calibration_table, evaluate
from models.pages.recorded import FORMS, recorded
from models.pages.texts import Texts
from models.resampling import share_interval
from tests.models.test_card import CHINESE, parsed

EVIL = "<b>x</b>|`*"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def group(name: str, bans: int, expected: float, rows: int = 300) -> dict[str, Any]:
    """An entry by week, carrier and so on."""
    found: dict[str, Any] = {"name": name, "rows": rows, "bans": bans, "brier": 0.02}
    for place, who in enumerate(WHO):
        if who != "rule":
            found[f"{who}_expected"] = expected + place
        found |= {
            f"{who}_average_precision": 0.3 - 0.05 * place,
            f"{who}_recall": 0.5,
            f"{who}_precision": 0.25,
            f"{who}_flags": 20,
        }
    return found


def made() -> dict[str, Any]:
    """A small report in which the model is clearly better than the rule alone, and one carrier's name is markup."""
    rng = np.random.default_rng(3)
    risk = rng.gamma(1.0, 0.05, 1200).clip(0.001, 0.6)
    label = (rng.random(1200) < risk).astype(float)
    judged = Judged(
        label, np.ones(1200), np.repeat([0, 7, 14], 400), np.where(label == 1, 1.0, np.inf), np.tile(np.arange(400), 3)
    )
    bands = calibration_table(judged, risk).to_dict("records")
    overall = {who: evaluate(judged, risk, 20, 7, who != "rule") for who in WHO}
    ends = {"champion": (-0.01, 0.02), "logistic": (-0.05, -0.01), "rule": (0.1, 0.3)}
    intervals = [{"name": f"average_precision {who}", "value": 0.2, "low": 0.15, "high": 0.25} for who in WHO]
    intervals += [
        {"name": f"average_precision model - {who}", "value": (low + high) / 2, "low": low, "high": high}
        for who, (low, high) in ends.items()
    ]
    intervals += [
        {"name": "expected_over_observed", "value": 0.95, "low": 0.85, "high": 1.05},
        {"name": "calibration_error", "value": 0.0041, "low": 0.003, "high": 0.0072},
    ]
    days = {"warned": 0.4107, "early": 0.3363, "q25": 2.0, "median": 5.0, "q75": 8.0}
    warning = [{"who": who, "flags": size, "bans": 336, **days} for size in (20.0, 0.05) for who in WHO]
    warning[WHO.index("rule")] |= {"warned": 0.1101, "early": 0.0863}
    return BacktestReport(
        first="2026-03-26",
        last="2026-04-09",
        every=7,
        retrain=28,
        horizon=7,
        flags=20,
        rows=1200,
        bans=int(label.sum()),
        known_until="2026-04-30",
        fingerprint="f1",
        overall=overall,
        intervals=intervals,
        warning=warning,
        weeks=[group("2026-03-26", 30, 12.0), group("2026-04-02", 12, 12.5), group("2026-04-09", 3, 12.0)],
        months=[group("2026-03", 30, 12.0), group("2026-04", 15, 24.5)],
        carriers=[group(EVIL, 18, 17.0), group("CM", 27, 20.0)],
        pools=[group("P1", 45, 37.0)],
        reasons=[{"name": EVIL, "bans": 9, **{f"{who}_{what}": 0.5 for who in WHO for what in ("warned", "early")}}],
        horizons={"1": overall["model"], "7": overall["model"], "14": overall["model"]},
        bands=bands,
        red={
            "level": 0.3,
            "rows": 66,
            "banned": 32,
            "expected": 29.3,
            "promise": {"precision": 0.3, "rows": 72, "banned": 26, "without": 400},
        },
        trainings=[
            {
                "until": "2026-03-26",
                "rows": 20805,
                "bans": 220,
                "promoted": True,
                "why": "average precision 0.244 is above the best baseline's (logistic: 0.157); there was no champion yet",
                "degree": "full",
                "promised_from": {"": 0.243, EVIL: 0.17},
                "notes": ["calls.ring_s not given: 2 features missing", f"something new of {EVIL}"],
            }
        ],
        policy=[
            {
                "carrier": EVIL,
                "day": "2026-04-12",
                "since": "2026-04-01",
                "to": "2026-04-09",
                "expected": 3.2,
                "observed": 9,
                "ratio": 2.81,
                "low": 1.4,
                "high": 4.9,
                "days_to_alarm": 11,
                "model_before": 0.21,
                "frozen_before": 0.2,
                "model_after": 0.19,
                "frozen_after": None,
            }
        ],
        counts=[
            {"name": "carrier", "level": 0.8, "groups": 45, "covered": 0.8222},
            {"name": "team", "level": 0.8, "groups": 300, "covered": 0.6},
        ],
        ablation=[
            {"family": "frequency", "features": 40, "average_precision": 0.15, "difference": 0.05, "low": 0.02, "high": 0.08},
            {"family": "hours", "features": 9, "average_precision": 0.199, "difference": 0.001, "low": -0.01, "high": 0.01},
            {"family": "policy", "features": 4, "average_precision": 0.2, "difference": 0.0, "low": None, "high": None},
        ],
        learning=[
            {"days": 60, "rows": 9000, "bans": 90, "average_precision": 0.17},
            {"days": 30, "rows": 4000, "bans": 40, "average_precision": 0.12},
        ],
        notes=["1,023 of 13,319 scored rows are not judged: not mature yet, or censored"],
    ).to_dict()


def said(report: dict[str, Any], language: str = "en") -> str:
    return parsed(render(report, language)).text[language]


def test_it_answers_the_three_questions_first_and_in_plain_sentences():
    titles = [part.title for part in sections(made(), Texts("en"))]
    assert titles[:3] == [
        "Of the lines we call red, how many are banned?",
        "How long before do you tell me?",
        "Is 30% really 30%?",
    ]
    english = said(made())
    low, high = share_interval(32, 66)
    for part in (
        "48.5% of the lines at red were banned within 7 days.",
        f"interval of the share: {low:.1%} to {high:.1%}",
        "26 were banned: 36.1%",
        "✓ The promise was kept, though with so few rows luck may have helped.",
        "33.6% of the bans were warned of at least 2 days ahead; half of all warnings came at least 5 days ahead.",
        "The rule of today, with as many flags: 11.0% warned of, 8.6% at least 2 days ahead.",
        "told and came lie 0.41 percentage points apart (95 % interval 0.30 to 0.72)",
    ):
        assert part in english, part


@pytest.mark.parametrize(
    ("banned", "word"),
    [
        (60, "✓ The promise was kept."),
        (26, "✓ The promise was kept, though"),
        (18, "✗ The promise was not kept; with so few rows"),
        (2, "✗ The promise was not kept."),
    ],
)
def test_it_says_whether_the_promise_was_kept(banned: int, word: str):
    report = made()
    report["red"]["promise"]["banned"] = banned
    assert word in said(report)


def test_what_is_not_clear_is_not_called_better():
    english = said(made())
    assert "? The model is not clearly better than the champion: the difference is 0.005" in english
    assert "✗ The model is clearly worse than the logistic regression" in english
    assert "✓ The model is clearly better than the rule of today: by 0.200" in english
    say = Texts("en")
    assert verdict(None, None, say) == verdict(0.0, 0.1, say) == "? not clearly better"
    assert "✗ Team: 60.0% of 300 intervals held what came, too narrow" in english
    assert english.count("? not clear that it helps") == 2 and english.count("✓ clearly helps") == 1


def test_a_bad_forecast_is_called_bad():
    report = made()
    for entry in report["warning"]:
        entry["early"] = 0.1
    for band in report["bands"]:
        band["observed"] = min(1.0, 3 * band["expected"])
    for entry in report["intervals"]:
        if entry["name"] == "expected_over_observed":
            entry |= {"value": 0.33, "low": 0.3, "high": 0.4}
    english = said(report)
    assert "✗ The model warns of no more bans early than the rule of today does." in english
    assert "✗ In total the risks were too low" in english and "✗ That does not fit" in english and "✗ more came" in english


def test_more_or_fewer_bans_than_chance_explains_bear_a_sign_unless_a_ban_counts_twice():
    report = made()
    page = parsed(render(report, "en")).text["en"]
    assert "▲ 30" in page and "▼ 3" in page and "▲ 12" not in page
    assert "▲" not in said({**report, "every": 1}) and "one ban counts in several rows" in said({**report, "every": 1})


def test_what_the_chinese_page_says_is_chinese_and_the_english_one_english():
    report = json.loads(json.dumps(made()).replace(EVIL, "CU"))
    report["trainings"][0]["notes"].pop()
    english, chinese = (sections(report, Texts(language)) for language in ("en", "zh"))
    for one, other in zip(english, chinese, strict=True):
        assert CHINESE.search(other.title) and not CHINESE.search(one.title)
        for left, right in zip(one.blocks, other.blocks, strict=True):
            texts = [
                (left.text, right.text),
                *zip(left.items, right.items, strict=True),
                *zip(left.head, right.head, strict=True),
            ]
            texts += [(a, b) for (a, _), (b, _) in zip(left.groups, right.groups, strict=True)]
            texts += [(a.text, b.text) for a, b in zip(chain(*left.rows), chain(*right.rows), strict=True)]
            for english_text, chinese_text in texts:
                assert not CHINESE.search(english_text)
                words = re.sub(r"average_precision|CU|CM|P1|f1|calls\.ring_s", "", english_text)
                assert not re.search("[a-z]{2}", words) or CHINESE.search(chinese_text), english_text
            words = re.sub(r"<[^>]*>", " ", re.sub(r"<(style|metadata|defs).*?</\1>", "", right.picture, flags=re.S))
            assert not re.search("[A-Za-z]{3}", words), "a picture's words"


def test_lines_of_the_record_are_said_in_chinese_and_unknown_ones_stay():
    chinese = Texts("zh")
    good, bad = {"average_precision": 0.3}, {"average_precision": 0.1}
    verdicts = [
        gate.decide({}, {}, None),
        gate.decide(bad, {"rule": good}, None),
        gate.decide(good, {"rule": bad}, None),
        gate.decide(bad, {}, good),
        gate.decide(good, {"logistic": bad}, bad),
    ]
    for one in verdicts:
        assert CHINESE.search(recorded(one.why, chinese)), one.why
        assert recorded(one.why, Texts("en")) == one.why
    assert "逻辑回归" in recorded(verdicts[-1].why, chinese)
    assert recorded("calls.ring_s not given: 2 features missing", chinese) == "未提供 calls.ring_s：缺少 2 个特征"
    assert recorded("something {new}", chinese) == "something {new}"
    assert all(CHINESE.search(chinese(form)) for form in FORMS)


def test_a_name_that_is_markup_stays_a_name_and_nothing_comes_from_elsewhere():
    html = render(made(), "zh")
    page = parsed(html)
    assert "<b>" not in html and "b" not in page.tags and "script" not in page.tags
    assert EVIL in page.text["zh"] and EVIL in page.text["en"]
    assert page.tags.count("article") == 2 and page.tags.count("svg") == 8
    assert all(link.startswith(("#", "data:")) for link in page.links), page.links
    assert "default-src 'none'" in html and 'id="show-zh" checked' in html and 'id="show-en" checked' not in html
    assert html == render(made(), "zh"), "equal reports, equal pages"
    # Of two pictures one is hidden: neither may refer to what the other defines.
    defined = re.findall(r'<(?:clipPath|path|g)[^>]* id="((?:[pm])[0-9a-f]{10})"', html)
    assert defined and len(defined) == len(set(defined))
    with pytest.raises(ValueError, match="language"):
        render(made(), "fr")


def test_a_report_from_json_and_one_of_which_little_is_known_are_pages_too():
    report = made()
    assert render(json.loads(json.dumps(report)), "en") == render(report, "en")
    empty: dict[str, Any] = copy.deepcopy(report)
    for field in fields(BacktestReport):
        if isinstance(empty[field.name], list | dict) and field.name != "red":
            empty[field.name] = type(empty[field.name])()
    empty |= {"rows": 0, "bans": 0}
    empty["red"] = {
        "level": 0.3,
        "rows": 0,
        "banned": 0,
        "expected": 0.0,
        "promise": {"precision": 0.3, "rows": 0, "banned": 0, "without": 0},
    }
    for language in ("en", "zh"):
        text = said(empty, language)
        assert "None" not in text and "nan" not in text.lower()
    assert "neither kept nor broken" in said(empty)
    silent = copy.deepcopy(report)
    silent["warning"] = [{"who": who, "flags": 20.0, "bans": 5, "warned": 0.0, "early": 0.0} for who in WHO]
    silent["carriers"] = [{"name": "CM", "rows": 3, "bans": 0, "model_expected": 0.2, "model_flags": 0}]
    assert "None of 5 bans was warned of." in said(silent)
    old = {key: value for key, value in report.items() if key not in ("ablation", "learning")}
    assert "Would more history help?" not in said(old) and "Would more history help?" in said(report)


def test_pictures_are_drawn_of_the_usual_and_of_the_degenerate():
    report = made()
    bands = [{"low": 0.0, "high": 0.0, "rows": 5, "expected": 0.0, "observed": 0.0}, *report["bands"]]
    for figure in (
        plots.reliability_plot(bands),
        plots.reliability_plot([]),
        plots.reliability_plot([{"low": 1.0, "high": 1.0, "rows": 2, "expected": 1.0, "observed": 1.0}]),
        plots.expected_plot(report["weeks"][:1]),
        plots.weekly_plot([{"name": "2026-01-01", "rows": 2, "bans": 0}]),
        plots.learning_plot(report["learning"]),
    ):
        assert plots.svg_text(figure).startswith("<svg")
    for count in (1, 2, 9, 40):
        weeks = [{"name": (date(2026, 1, 1) + timedelta(days=7 * n)).isoformat(), "bans": n} for n in range(count)]
        shown = re.findall(r">(\d\d-\d\d)<", plots.svg_text(plots.expected_plot(weeks)))
        assert 1 <= len(shown) <= 8 and len({*shown}) == len(shown) and {*shown} <= {week["name"][5:] for week in weeks}
    line = plots.learning_plot(report["learning"]).axes[0].lines[0]
    assert list(line.get_xdata()) == [30, 60] and list(line.get_ydata()) == [0.12, 0.17]


def test_the_interval_of_a_share():
    assert share_interval(0, 0) == (None, None)
    low, high = share_interval(5, 10)
    assert low == pytest.approx(0.2366, abs=1e-4) and high == pytest.approx(0.7634, abs=1e-4)


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt-get install chromium)")
def test_in_a_browser_the_language_changes_and_a_phone_scrolls_tables_not_the_page(tmp_path):
    from playwright.sync_api import sync_playwright

    path = tmp_path / "backtest.html"
    path.write_text(render(made(), "en"), encoding="utf-8")
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.on("request", lambda request: request.url.startswith(("data:", path.as_uri())) or wrong.append(request.url))
        page.on("console", lambda message: wrong.append(message.text))
        page.goto(path.as_uri())
        for language, shown in (("en", "banned within 7 days"), ("zh", "天内被封号")):
            page.check(f"#show-{language}")
            assert shown in page.locator("article:visible").inner_text() and page.locator("article:visible").count() == 1
            assert page.evaluate("document.documentElement.scrollWidth") == 390
        browser.close()
    assert wrong == []
