"""The model card: both languages, numbers as measured, no markup from names, and where a training leaves it."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from babel.messages.pofile import read_po

from features.catalogue import CATALOGUE, FAMILIES
from models import card, tracking
from models.card.content import sections
from models.evaluation import Judged, calibration_table, evaluate
from models.groups import by_group, findings
from models.pages.texts import CATALOGUE_FILE, FAMILY_LABELS, LANGUAGES, Texts, messages
from tests.models import worlds
from tests.models.conftest import Trained

CHINESE = re.compile(r"[一-鿿]")
EVIL = "<b>x</b>|`*"


def made(seed: int = 1) -> dict[str, Any]:
    """A card of made-up rows in which one carrier, with a name that is markup, is flagged without cause."""
    rng = np.random.default_rng(seed)
    line, week = np.repeat(np.arange(300), 3), np.tile([0, 7, 14], 300)
    risk = np.repeat(rng.gamma(1.0, 0.08, 300), 3).clip(0.001, 0.6)
    label = (rng.random(900) < risk).astype(float)
    carrier = np.where(line % 3 == 0, EVIL, np.where(line % 3 == 1, "CM", "CU")).astype(object)
    score = np.where(carrier == EVIL, risk + 0.2, risk)
    judged = Judged(label, np.ones(900), week, np.where(label == 1, 1.0, np.inf), line)
    groups = by_group(pd.DataFrame({"carrier": carrier, "team": EVIL}), judged, score, 30)
    values = rng.gamma(1.0, 50.0, 200)
    values[:20] = np.nan
    metrics = {"model": evaluate(judged, score, 30, 7), "rule": evaluate(judged, risk, 30, 7, False)}
    names = ["calls_1d", EVIL]
    return card._plain(
        {
            "model": "bancast",
            "run_id": "r1",
            "made": "2026-04-01",
            "bancast": "0.1.0",
            "seed": 7,
            "horizon": 7,
            "flags": 30,
            "gap": 14,
            "trained_until": "2026-03-30",
            "fingerprint": "f1",
            "period": {"first": "2026-01-19", "last": "2026-03-23", "test_from": "2026-03-02", "test_to": "2026-03-23"},
            "lines": 300,
            "calls": 123456,
            "bans": 70,
            "rows": {"all": 5000, "unknown": 40, "test": 900},
            "missing": {"policies": ["a", "b"]},
            "metrics": metrics,
            "horizons": {"7": metrics["model"]},
            "calibration": calibration_table(judged, score).to_dict("records"),
            "groups": groups.to_dict("records"),
            "findings": findings(groups),
            "carriers_without_ban": [EVIL],
            "sample": 200,
            "families": [{"family": "frequency", "share": 0.7}, {"family": "table", "share": 0.3}],
            "features": [{"feature": name, "family": "frequency", "share": 0.5} for name in names],
            "dependence": [{"feature": name, **band} for name in names for band in card.bands(values, -values)],
            "curves": [{"feature": name, **card.curve(values, -values)} for name in names],
        }
    )


def rendered(found: dict[str, Any], language: str = "zh") -> dict[str, str]:
    return card.render(found, card.draw(found)["dependence"], language)


class Page(HTMLParser):
    """Tags, and the text of each language."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: dict[str, str] = {"zh": "", "en": ""}
        self._in: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [str(value) for name, value in attrs if name.endswith(("href", "src"))]
        if tag == "article":
            self._in = str(dict(attrs)["lang"])[:2]

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._in = None

    def handle_data(self, data: str) -> None:
        if self._in:
            self.text[self._in] += f" {data.strip()}"


def parsed(html: str) -> Page:
    page = Page()
    page.feed(html)
    return page


def test_every_text_has_a_chinese_translation_and_none_is_left_over():
    with CATALOGUE_FILE.open("rb") as handle:
        known = {str(message.id): str(message.string or "") for message in read_po(handle, locale="zh") if message.id}
    assert {text for text in messages() if not known.get(text)} == set(), "run tools/texts.py and fill in what it names"
    assert set(known) == set(messages()), "run tools/texts.py: it drops what is no longer used"
    for text, translation in known.items():
        assert CHINESE.search(translation), text
        assert set(re.findall(r"\{(\w+)\}", text)) == set(re.findall(r"\{(\w+)\}", translation)), text
    assert set(FAMILIES) <= set(FAMILY_LABELS)


def test_every_feature_can_be_said_in_both_languages():
    for language in LANGUAGES:
        say = Texts(language)
        for feature in CATALOGUE:
            told = say.feature(feature.name)
            assert bool(CHINESE.search(told)) == (language == "zh") and "{" not in told, told


def test_all_that_the_chinese_card_says_is_chinese_and_the_english_one_english():
    found = made()
    english, chinese = (sections(found, Texts(language)) for language in ("en", "zh"))
    for one, other in zip(english, chinese, strict=True):
        assert CHINESE.search(other.title) and not CHINESE.search(one.title)
        for left, right in zip(one.blocks, other.blocks, strict=True):
            texts = [
                (left.text, right.text),
                *zip(left.items, right.items, strict=True),
                *zip(left.head, right.head, strict=True),
            ]
            for english_text, chinese_text in texts:
                assert not CHINESE.search(english_text)
                assert not english_text or CHINESE.search(chinese_text), english_text


@pytest.mark.parametrize("name", ["model-card.html", "model-card.zh.md", "model-card.en.md"])
def test_a_name_that_is_markup_stays_a_name(name):
    text = rendered(made())[name]
    assert "<b>" not in text
    if name.endswith(".md"):
        cells = [line for line in text.splitlines() if "b&gt;x" in line and line.startswith("|")]
        assert cells and all(r"&lt;b&gt;x&lt;/b&gt;\|\`\*" in line for line in cells)
        for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.M):
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
            assert len(widths) == 1, "each row has a cell for each heading"
    else:
        page = parsed(text)
        assert EVIL in page.text["zh"] and EVIL in page.text["en"] and "b" not in page.tags


def test_the_page_needs_no_network_and_no_script_and_says_both_languages():
    html = rendered(made(), "en")["model-card.html"]
    page = parsed(html)
    assert "script" not in page.tags and page.tags.count("svg") == 1 and page.tags.count("article") == 2
    assert all(link.startswith(("#", "data:")) for link in page.links), page.links
    assert "default-src 'none'" in html and 'id="show-en" checked' in html and 'id="show-zh" checked' not in html
    assert CHINESE.search(page.text["zh"]) and not CHINESE.search(page.text["en"])


def test_numbers_are_those_that_were_measured_and_equal_cards_are_equal_text():
    found = made()
    texts = rendered(found)
    assert texts == rendered(made())
    model = found["metrics"]["model"]
    for part in texts.values():
        for number in (
            f"{model['average_precision']:.3f}".rstrip("0"),
            f"{model['roc_auc']:.3f}".rstrip("0"),
            "123,456",
            "5,000",
        ):
            assert number in part
    english = parsed(texts["model-card.html"]).text["en"]
    assert found["findings"]["over_flagged"], "the world was made so"
    for row in found["findings"]["over_flagged"]:
        assert f"Carrier “{EVIL}”. Of its rows without a ban {row['false_positive_rate']:.1%}" in english
    assert "No group was found" not in english and f"No ban was seen of carriers: {EVIL}." in english
    assert "Not given: policies; 2 features are missing." in english


def test_a_fair_card_says_that_nothing_was_found_and_how_little_that_means():
    found = made()
    found["findings"] = {name: [] for name in found["findings"]}
    assert "no proof that none is" in rendered(found)["model-card.en.md"]


def test_a_card_of_a_finished_table_has_no_groups_no_period_and_no_days():
    found = {**made(), "horizon": 0, "gap": 0, "trained_until": None, "calls": None, "period": {}, "carriers_without_ban": []}
    found["groups"] = [row for row in found["groups"] if row["kind"] == "all"]
    found["findings"] = {name: [] for name in found["findings"]}
    english = rendered(found)["model-card.en.md"]
    assert "no groups were compared" in english and "None" not in english and "over-flagged when" in english


def test_bands_and_curves_hold_every_row_and_stand_what_is_degenerate():
    values, shap = np.array([0.0] * 50 + [1.0, 2.0, np.nan]), np.arange(53.0)
    found = card.bands(values, shap)
    assert sum(row["rows"] for row in found) == 53 and found[-1]["low"] is None and found[-1]["shap"] == 52
    assert sum(row["rows"] * row["shap"] for row in found) == pytest.approx(shap.sum())
    for several in (np.full(3, np.nan), np.zeros(4), np.array([])):
        assert sum(row["rows"] for row in card.bands(several, np.ones(len(several)))) == len(several)
        card.curve(several, np.ones(len(several)))
    line = card.curve(np.linspace(0, 1, 500), np.linspace(0, 2, 500))
    assert len(line["values"]) == 300 and np.diff(line["smooth_y"]).min() > 0
    assert np.interp(0.5, line["smooth_x"], line["smooth_y"]) == pytest.approx(1.0, abs=0.05)


def test_carriers_are_metrics_only_where_they_are_few():
    logged: dict[str, Any] = {}
    run: Any = SimpleNamespace(metrics=lambda prefix, values: logged.update({prefix: values}))
    groups = pd.DataFrame(made()["groups"])
    card._carrier_metrics(run, groups)
    assert set(logged) == {"carrier_CM", "carrier_CU", "carrier__b_x__b____"}
    assert logged["carrier_CM"]["rows"] == 300
    logged.clear()
    carriers = groups[groups["kind"] == "carrier"]
    card._carrier_metrics(run, pd.concat([carriers.assign(group=carriers["group"] + str(n)) for n in range(4)]))
    assert logged == {}


def test_a_training_writes_the_card_into_its_run_and_into_the_home(trained: Trained, tmp_path: Path):
    registry = tracking.connect(trained.home, worlds.settings(trained.home.root))
    with registry._global_uri():
        client, run_id = registry._client, trained.report.run_id
        logged = Path(client.download_artifacts(run_id, "card", str(tmp_path)))
        evaluation = Path(client.download_artifacts(run_id, "evaluation", str(tmp_path)))
    pictures = {"importance_by_family.png", "dependence.png"}
    files = {"model-card.html", "model-card.en.md", "model-card.zh.md", "card.json", *pictures}
    assert {path.name for path in logged.iterdir()} == files
    assert {"by_group.csv", "importance_by_family.csv", "dependence.csv", *pictures} <= {
        path.name for path in evaluation.iterdir()
    }
    page = trained.home.model_card(trained.report.version)
    assert page.name == card.PAGE and {path.name for path in page.parent.iterdir()} == files
    assert page.read_bytes() == (logged / card.PAGE).read_bytes()
    found = json.loads((logged / "card.json").read_text(encoding="utf-8"))
    assert found["version"] == trained.report.version and found["metrics"]["model"] == pytest.approx(
        trained.report.metrics["model"]
    )
    assert sum(row["share"] for row in found["families"]) == pytest.approx(1)
    groups = pd.read_csv(evaluation / "by_group.csv")
    assert groups.loc[0, "rows"] == trained.report.metrics["model"]["rows"]
    assert {"carrier", "number_pool", "pool_size", "line_age"} <= set(groups["kind"])
    metrics = registry._client.get_run(run_id).data.metrics
    carriers = groups[(groups["kind"] == "carrier") & (groups["entry"] == "named")].set_index("group")
    for name, row in carriers.iterrows():
        assert metrics[f"carrier_{name}/expected_over_observed"] == pytest.approx(row["expected_over_observed"])
    assert len(carriers) == 2
