"""The words of all that ops read, the ranking and what lies beside it.

English msgids, Chinese from a Babel catalogue, and quantities in the reader's form. The catalogue is
`locale/zh/LC_MESSAGES/bancast.po`; it is compiled in memory when it is first read, so there is no build step.
`tools/texts.py` brings it up to date with the code.
"""

from __future__ import annotations

import gettext
import io
import math
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel.dates import format_date
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from features.catalogue import CATALOGUE, FAMILIES
from models.pages.texts import FAMILY_LABELS, LANGUAGES, LOCALES, N_, features

FOLDER = Path(__file__).parent
CATALOGUE_FILE = FOLDER / "locale" / "zh" / "LC_MESSAGES" / "bancast.po"
_METHODS = [("**.py", "python"), ("**/templates/**.j2", "jinja2.ext.babel_extract"), ("report/assets/*.js", "javascript")]
_KEYWORDS = {"N_": None, "say": None, "plural": (1, 2), "w": None, "attr": (2,), "t": None, "tn": (1, 2)}


LEVELS = {"red": N_("Red"), "orange": N_("Orange"), "yellow": N_("Yellow"), "green": N_("Green")}
"""Every level, worst first, with its word."""
SYMBOLS = {"red": "▲", "orange": "◆", "yellow": "●", "green": "○"}
"""A sign beside the colour, for those who do not see it."""

BY_RULE = N_(
    "Ranked by the rule of thumb: nothing has been learnt yet, since too few bans are known. Levels and risks say how near a line"
    " comes to the rule's limits; how many lines will be banned is not forecast."
)
"""What stands above a list that no model has made."""
ABOUT_RISK = N_(
    "A risk is the model's estimate of how likely a ban of the line begins within so many days; {n} days rank the list. Risks"
    " after an action are estimates too, and no promise."
)
ABOUT_RULE = N_(
    "A risk is the rule of thumb's: the nearer a line comes to one of its limits, the higher. It was not learnt from bans and"
    " says only which lines come first; {n} days rank the list. Risks after an action are the rule's too, and no promise."
)


@lru_cache(maxsize=1)
def catalog() -> Catalog:
    """The Chinese catalogue as it stands in its file."""
    with CATALOGUE_FILE.open("rb") as handle:
        return read_po(handle, locale="zh")


@lru_cache(maxsize=2)
def _translations(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    write_mo(compiled, catalog())
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def dictionary() -> dict[str, str]:
    """English msgid -> Chinese, for the page; a plural is found under its singular, as Chinese has one form."""
    found = {}
    for message in catalog():
        if message.id:
            msgid, text = (part[0] if isinstance(part, list | tuple) else part for part in (message.id, message.string))
            found[str(msgid)] = str(text or "")
    return found


class Texts:
    """Everything that is said in one language, "zh" or "en"."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"language {language!r}: one of {', '.join(LANGUAGES)}")
        self.language = language
        self.locale = LOCALES[language]
        self._known = _translations(language)

    def __call__(self, msgid: str, **values: Any) -> str:
        """The text of an English msgid, with {names} filled in."""
        text = self._known.gettext(msgid) if msgid else ""
        return text.format(**values) if values else text

    def plural(self, one: str, many: str, n: float, **values: Any) -> str:
        """The text for `n` things; {n} is filled in."""
        return self._known.ngettext(one, many, 1 if n == 1 else 2).format(n=self.number(n), **values)

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the reader's separators."""
        return _number(self.language, round(value, digits))

    def percent(self, value: float) -> str:
        """A share as percent: one decimal below 10 %, none above."""
        return _percent(self.language, round(value, 3 if value < 0.0995 else 2), value < 0.0995)

    def date(self, day: Any) -> str:
        """A calendar day, in full."""
        return format_date(day, format="long", locale=self.locale)

    def level(self, level: str) -> str:
        """Symbol and word of a level."""
        return f"{SYMBOLS[level]} {self(LEVELS[level])}"

    def family(self, family: str) -> str:
        """The label of a family of reasons."""
        return self(FAMILY_LABELS.get(family, family))

    def feature(self, name: str) -> str:
        """What a feature measures, with its window; the name itself when the catalogue does not know it."""
        return _feature(self, name)

    def quantity(self, name: str, value: float | None) -> str:
        """A feature's value with its unit; "not known" when it is missing."""
        return _quantity(self, features()[name].unit if name in features() else "", value)


@lru_cache(maxsize=2)
def texts(language: str) -> Texts:
    """The texts of a language."""
    return Texts(language)


# A large company's files say the same numbers and features hundreds of thousands of times: each is formatted once.
@lru_cache(maxsize=100_000)
def _number(language: str, value: float) -> str:
    return format_decimal(value, locale=LOCALES[language])


@lru_cache(maxsize=10_000)
def _percent(language: str, value: float, fine: bool) -> str:
    return format_percent(value, format="#,##0.0%" if fine else "#,##0%", locale=LOCALES[language])


@lru_cache(maxsize=10_000)
def _feature(say: Texts, name: str) -> str:
    known = features().get(name)
    if known is None:
        return name
    doc = say(known.doc)
    return doc if known.window is None else say.plural("{doc}, last day", "{doc}, last {n} days", known.window, doc=doc)


def _quantity(say: Texts, unit: str, value: float | None) -> str:
    if value is None or math.isnan(value):
        return say("not known")
    if unit == "share":
        return say.percent(value) if value >= 0 else "−" + say.percent(-value)
    if unit == "yes/no":
        return say("yes") if value >= 0.5 else say("no")
    if unit == "times":
        return "×" + say.number(value, 1 if value < 100 else 0)
    if unit == "s":
        return talk_time(say, value)
    number = say.number(value, 1 if abs(value) < 100 else 0)
    if unit.startswith("per "):
        return f"{number} {say(unit)}"
    word = say(unit)
    if say.language == "en" and number == "1" and word.endswith("s"):
        word = word[:-1]
    return f"{number} {word}".strip()


def talk_time(say: Texts, seconds: float) -> str:
    """A length of time: seconds, minutes or hours, whichever reads best."""
    if seconds < 120:
        return say("{n} s", n=say.number(seconds, 1 if seconds < 10 else 0))
    if seconds < 7200:
        return say("{n} min", n=say.number(seconds / 60, 1 if seconds < 600 else 0))
    return say("{n} h", n=say.number(seconds / 3600, 1 if seconds < 36_000 else 0))


def messages() -> dict[str, tuple[str, ...]]:
    """Every text that must have a translation: msgid (the singular) -> all its forms.

    From the code, the templates, the scripts and the declarations of the features.
    """
    found: dict[str, tuple[str, ...]] = {}
    for _, _, message, _, _ in extract_from_dir(FOLDER.parent, method_map=_METHODS, keywords=_KEYWORDS, comment_tags=()):
        forms = (message,) if isinstance(message, str) else tuple(message)
        if forms[0]:
            found[forms[0]] = forms
    for text in _declared():
        found.setdefault(text, (text,))
    return found


def _declared() -> Iterable[str]:
    for feature in CATALOGUE:
        yield feature.doc
        yield feature.unit
    yield from FAMILY_LABELS.values()
    missing = set(FAMILIES) - set(FAMILY_LABELS)
    yield from sorted(missing)
