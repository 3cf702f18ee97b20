import io
import re

import pytest
from babel.messages.pofile import read_po

from features.catalogue import CATALOGUE, FAMILIES
from models.pages import texts as pages
from serving.actions import load_playbook
from serving.grades import GRADES
from serving.report.extra_sheets import SHEETS
from serving.report.page import VIEWS
from serving.report.sheets import sheet_name
from serving.report.texts import FAMILY_LABELS, LANGUAGES, catalog, dictionary, messages, talk_time, texts

CHINESE = re.compile(r"[一-鿿，。：]")


def test_every_text_has_a_chinese_translation_and_none_is_left_over():
    wanted, known = messages(), dictionary()
    assert {text for text in wanted if not known.get(text)} == set(), "run tools/texts.py and fill in what it names"
    assert set(known) - set(wanted) == set(), "run tools/texts.py: it drops what is no longer used"


def test_translations_are_chinese_and_keep_the_placeholders():
    places, wanted = re.compile(r"\{(\w+)\}"), messages()
    for text, translation in dictionary().items():
        assert CHINESE.search(translation), text
        forms = wanted[text]
        allowed = set().union(*(places.findall(form) for form in forms))
        assert set(places.findall(translation)) == allowed, text


def test_the_catalogue_marks_no_text_as_fuzzy():
    assert [message.id for message in catalog() if message.id and message.fuzzy] == []


def test_every_family_and_feature_can_be_said_in_both_languages():
    assert set(FAMILIES) <= set(FAMILY_LABELS)
    for language in LANGUAGES:
        say = texts(language)
        for feature in CATALOGUE:
            told = say.feature(feature.name) + say.quantity(feature.name, 2.5)
            assert "{" not in told
            assert bool(CHINESE.search(told)) == (language == "zh"), told
        for family in FAMILIES:
            assert bool(CHINESE.search(say.family(family))) == (language == "zh")


def test_a_grade_in_chinese_speaks_of_how_well_and_not_of_how_much():
    """A D of complaints that is "less than half of usual" would read as praise."""
    letters = [grade.letters for grade in GRADES.values() if grade.label != "Maturity"]
    assert all(texts("zh")(text).startswith("表现") for own in letters for text in own.values())


def test_every_action_of_the_playbook_has_both_languages():
    actions = load_playbook()
    assert len(actions) >= 5
    for action in actions:
        assert CHINESE.search(action.title["zh"]) and CHINESE.search(action.text["zh"])
        assert not CHINESE.search(action.title["en"]) and not CHINESE.search(action.text["en"])


@pytest.mark.parametrize(
    ("feature", "value", "english", "chinese"),
    [
        ("calls_7d", 1234.0, "1,234 calls", "1,234 次"),
        ("calls_7d", 1.0, "1 call", "1 次"),
        ("active_days_7d", 0.0, "0 days", "0 天"),
        ("answer_rate_7d", 0.0312, "3.1%", "3.1%"),
        ("answer_change_7d", -0.2, "−20%", "−20%"),
        ("calls_growth_7d", 2.345, "×2.3", "×2.3"),
        ("complaints_per_1k_calls_7d", 3.21, "3.2 per 1,000 calls", "3.2 /千次呼叫"),
        ("registrant_verified", 0.0, "no", "否"),
        ("talk_total_7d", 5400.0, "90 min", "90 分钟"),
        ("calls_7d", float("nan"), "not known", "未知"),
        ("calls_7d", None, "not known", "未知"),
        ("a_feature_of_an_older_model", 3.0, "3", "3"),
    ],
)
def test_a_quantity_reads_with_its_unit(feature, value, english, chinese):
    assert texts("en").quantity(feature, value) == english
    assert texts("zh").quantity(feature, value) == chinese


def test_a_feature_is_said_with_its_window():
    assert texts("en").feature("calls_1d") == "calls placed, last day"
    assert texts("en").feature("calls_7d") == "calls placed, last 7 days"
    assert texts("zh").feature("calls_7d") == "最近 7 天呼出次数"
    assert texts("zh").feature("calls_1d") == "最近 1 天呼出次数"
    assert texts("en").feature("age_days") == "days since activation"
    assert texts("en").feature("unknown_thing") == "unknown_thing"


def test_a_window_and_what_is_counted_do_not_read_as_two_windows():
    say = texts("zh")
    together = [say.feature(feature.name) for feature in CATALOGUE if re.match(r"最近 \d+ 天\d", say.feature(feature.name))]
    assert together == []


def test_a_family_has_one_name_on_all_pages():
    assert [texts("zh").family(name) for name in FAMILY_LABELS] == [pages.Texts("zh").family(name) for name in FAMILY_LABELS]


def test_precision_and_recall_have_one_chinese_name_each():
    said = [*dictionary().values(), *(str(one.string) for one in read_po(io.BytesIO(pages.CATALOGUE_FILE.read_bytes())))]
    assert not [text for text in said if re.search("准确率|检出率|查全率|查准率|收缩", text)]


def test_chinese_sentences_hold_no_half_width_marks():
    said = [*dictionary().values(), *(action.text["zh"] for action in load_playbook())]
    assert not [text for text in said if re.search(r"[一-鿿”][,;:!?()]|[,;:!?()][一-鿿“]", text)]


def test_sheets_are_called_as_the_parts_of_the_page_are():
    views = {"scorecard": "scorecard", "continuity": "capacity", "coaching": "coaching", "appeals": "appeals"}
    for language in LANGUAGES:
        say, used = texts(language), set()
        assert [say(VIEWS[views[name]]) for name in SHEETS] == [sheet_name(say(SHEETS[name]), used) for name in SHEETS]
    assert VIEWS["lines"] == "Ranking"


def test_talk_time_takes_the_unit_that_reads_best():
    say = texts("en")
    assert [talk_time(say, seconds) for seconds in (5.25, 90, 240, 3000, 8000)] == ["5.2 s", "90 s", "4 min", "50 min", "2.2 h"]


def test_another_language_is_refused():
    with pytest.raises(ValueError, match="one of zh, en"):
        texts("fr")
