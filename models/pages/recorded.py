"""Lines that the machinery wrote into a record in English, in the reader's language where their form is known."""

from __future__ import annotations

import re
from functools import lru_cache

from models.pages.texts import N_, Texts

FORMS = (
    N_("{source} not given: {n} features missing"),
    N_("no ban in the checked rows; calibrated on the rows learnt from"),
    N_("horizon {n}: no ban in the checked rows; calibrated on the rows learnt from"),
    N_("carrier {carrier} seems stricter since {day}: its earlier rows count {weight}"),
    N_("{n} bans to learn from: a regularised model alone, trees are grown from {few} bans on (degree: regularised)"),
    N_("{n} of {all} scored rows are not judged: not mature yet, or censored"),
    N_("judged from the first model on: {n} earlier rows are left out"),
    N_("{day}: nothing could be learnt: {why}"),
    N_("the test period has no ban (or nothing but bans), so nothing can be compared; champion stays"),
    N_("the test period has no ban (or nothing but bans), so nothing can be compared; there is no champion yet"),
    N_("average precision {own} is not above the {who} baseline's {other}; champion stays"),
    N_("average precision {own} is not above the {who} baseline's {other}; there is no champion yet"),
    N_("average precision {own} is below the champion's {other} on the same rows; champion stays"),
    N_("average precision {own} is above the best baseline's ({who}: {other}); there was no champion yet"),
    N_(
        "average precision {own} is above the best baseline's ({who}: {other}) and not below the champion's ({champion}) on the "
        "same rows"
    ),
)
NAMES = {"rule": N_("rule of today"), "logistic": N_("logistic regression")}


def recorded(text: str, say: Texts) -> str:
    """A recorded line, said in the reader's language; as it stands where its form is not known."""
    for pattern, form in _patterns():
        found = pattern.fullmatch(text)
        if found and say.language != "en":
            return say(form, **{name: say(NAMES[part]) if part in NAMES else part for name, part in found.groupdict().items()})
    return text


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], str]]:
    return [(re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(form))), form) for form in FORMS]
