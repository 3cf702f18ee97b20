"""The words of the pages about models: English msgids, Chinese from Babel catalogues, numbers in the reader's form.

Their own catalogue is `locale/zh/LC_MESSAGES/pages.po`; what features measure is translated once, in the ranking's, which is
read as data. `tools/texts.py` brings both up to date with the code.
"""

from __future__ import annotations

import gettext
import io
import math
from functools import lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent

from features.catalogue import CATALOGUE, FAMILIES

_MODELS = Path(__file__).parent.parent
CATALOGUE_FILE = Path(__file__).parent / "locale" / "zh" / "LC_MESSAGES" / "pages.po"
LANGUAGES = ("zh", "en")
_RANKING = _MODELS.parent / "serving" / "report" / "locale" / "zh" / "LC_MESSAGES" / "bancast.po"
LOCALES = {"zh": Locale("zh", "CN", script="Hans"), "en": Locale("en", "GB")}
_METHODS = [(f"{part}/**.py", "python") for part in ("pages", "card", "backtest_page")]
_METHODS += [("plots.py", "python"), ("**/templates/**.j2", "jinja2.ext.babel_extract")]
_KEYWORDS = {"N_": None, "say": None}


def N_(text: str) -> str:
    """Marks a text for the catalogue where it is declared; it is translated where it is shown."""
    return text


FAMILY_LABELS = {
    "frequency": N_("Call frequency"),
    "complaints": N_("Complaints and marks"),
    "roaming": N_("Roaming"),
    "behaviour": N_("Unusual behaviour"),
    "quality": N_("Call quality"),
    "hours": N_("Calling hours"),
    "number_pool": N_("Number pool"),
    "policy": N_("Carrier policy"),
    "history": N_("The line's record"),
    "table": N_("Feature table"),
}


@lru_cache(maxsize=2)
def _translations(language: str) -> gettext.NullTranslations:
    if language == "en":
        return gettext.NullTranslations()
    own = _compiled(CATALOGUE_FILE)
    own.add_fallback(_compiled(_RANKING))
    return own


def _compiled(path: Path) -> gettext.GNUTranslations:
    compiled = io.BytesIO()
    with path.open("rb") as handle:
        write_mo(compiled, read_po(handle, locale="zh"))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


class Texts:
    """Everything that is said in one language, "zh" or "en"."""

    def __init__(self, language: str) -> None:
        if language not in LANGUAGES:
            raise ValueError(f"language {language!r}: one of {', '.join(LANGUAGES)}")
        self.language = language
        self._locale = LOCALES[language]
        self._known = _translations(language)

    def __call__(self, msgid: str, **values: Any) -> str:
        """The text of an English msgid, with {names} filled in."""
        text = self._known.gettext(msgid) if msgid else ""
        return text.format(**values) if values else text

    def number(self, value: float | None, digits: int = 0) -> str:
        """A number with the reader's separators and at most so many decimals; a dash where it is not known."""
        if value is None or not math.isfinite(value):
            return "–"
        return format_decimal(round(value, digits), format="#,##0." + "#" * max(digits, 1), locale=self._locale)

    def decimals(self, value: float | None, digits: int) -> str:
        """A number with exactly so many decimals, as a column of them wants; a dash where it is not known."""
        if value is None or not math.isfinite(value):
            return "–"
        return format_decimal(value, format="#,##0" + "." * (digits > 0) + "0" * digits, locale=self._locale)

    def percent(self, value: float | None, digits: int = 1) -> str:
        """A share as percent with so many decimals; a dash where it is not known."""
        if value is None or not math.isfinite(value):
            return "–"
        return format_percent(value, format="#,##0" + "." * (digits > 0) + "0" * digits + "%", locale=self._locale)

    def family(self, family: str) -> str:
        """The label of a family of features."""
        return self(FAMILY_LABELS.get(family, family))

    def feature(self, name: str) -> str:
        """What a feature measures, with its window; the name itself when the catalogue does not know it."""
        known = features().get(name)
        if known is None:
            return name
        doc = self(known.doc)
        if known.window is None:
            return doc
        many = 1 if known.window == 1 else 2
        return self._known.ngettext("{doc}, last day", "{doc}, last {n} days", many).format(doc=doc, n=known.window)


@lru_cache(maxsize=1)
def features() -> dict[str, Any]:
    """The catalogue by name."""
    return {feature.name: feature for feature in CATALOGUE}


def messages() -> dict[str, tuple[str, ...]]:
    """Every text of the pages that must have a translation: msgid -> all its forms (here always one)."""
    found: dict[str, tuple[str, ...]] = {}
    for _, _, message, _, _ in extract_from_dir(_MODELS, method_map=_METHODS, keywords=_KEYWORDS, comment_tags=()):
        assert isinstance(message, str)
        if message:
            found[message] = (message,)
    found.update({family: (family,) for family in FAMILIES if family not in FAMILY_LABELS})
    return found
