"""What the parts of the page of a backtest share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure

from models import plots
from models.pages.content import Block
from models.pages.texts import N_, Texts
from models.replay import CHAMPION, FROZEN, LOGISTIC, MODEL, RULE

NAMES = {
    MODEL: N_("model"),
    CHAMPION: N_("champion"),
    FROZEN: N_("first model, never renewed"),
    LOGISTIC: N_("logistic regression"),
    RULE: N_("rule of today"),
}


def ends(interval: Sequence[float | None], shown: Callable[[float], str]) -> dict[str, str]:
    """The words low and high of an interval; a dash where an end is not known."""
    return {name: "–" if end is None else shown(end) for name, end in zip(("low", "high"), interval, strict=True)}


def between(interval: Sequence[float | None], shown: Callable[[float], str], say: Texts) -> str:
    """An interval in a cell of a table."""
    return say("{low} to {high}", **ends(interval, shown))


def level_text(share: float, say: Texts) -> str:
    """A share that somebody chose, which is mostly a round one."""
    return say.percent(share, 0 if math.isclose(100 * share, round(100 * share)) else 1)


def ratio_of(part: float, whole: float) -> float:
    """NaN where there is nothing."""
    return part / whole if whole else math.nan


def picture(figure: Figure, text: str, say: Texts, name: str) -> Block:
    """A picture to stand in the page, and what it shows. name: no other picture has it."""
    return Block(text=text, picture=Markup(plots.svg_text(figure, f"{name}-{say.language}")))
