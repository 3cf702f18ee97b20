"""What a page about a model is made of, in one language: sections of texts, lists, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from models.pages.texts import Texts


@dataclass(frozen=True)
class Cell:
    """A cell of a table; share (0 to 1) is drawn as a bar where it is given."""

    text: str
    share: float | None = None


@dataclass
class Block:
    """One of a paragraph, a list, a table and a picture.

    lead: the paragraph is the answer that the section gives. head: one heading a column. groups: headings above them, each with
    the number of columns that it spans. numbers: all columns but the first are numbers. picture: an SVG element, which `text`
    describes.
    """

    text: str = ""
    items: list[str] = field(default_factory=list)
    head: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)
    groups: list[tuple[str, int]] = field(default_factory=list)
    numbers: bool = False
    lead: bool = False
    picture: str = ""


@dataclass
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: list[Block]


def facts(say: Texts, *known: tuple[str, str | None]) -> Block:
    """A table of two columns, without what is not known."""
    rows = [[Cell(name), Cell(value)] for name, value in known if value]
    return Block(head=[say("What"), say("Value")], rows=rows)


def quality_table(metrics: Mapping[str, Mapping[str, float]], flags: int, who: Mapping[str, str], say: Texts) -> Block:
    """Metrics of everybody side by side. who: what each is called, as a msgid."""
    at = f"top_{flags}"
    n = say.number(flags)
    names: list[tuple[str, str, Callable[[float | None], str]]] = [
        ("rows", say("rows"), say.number),
        ("bans", say("rows banned"), say.number),
        ("average_precision", say("average precision"), lambda value: say.number(value, 3)),
        ("roc_auc", say("ROC AUC"), lambda value: say.number(value, 3)),
        (f"precision_{at}", say("precision of the {n} flags of a snapshot", n=n), say.percent),
        (f"attainable_precision_{at}", say("highest that any list could reach"), say.percent),
        (f"recall_{at}", say("recall of the {n} flags", n=n), say.percent),
        ("bans_warned_share", say("bans warned of"), say.percent),
        ("days_of_warning_median", say("days of warning, median"), lambda value: say.number(value, 1)),
        ("brier", say("Brier score"), lambda value: say.number(value, 4)),
        ("log_loss", say("log loss"), lambda value: say.number(value, 4)),
        ("calibration_error", say("calibration error"), lambda value: say.number(value, 4)),
        ("expected_over_observed", say("expected / observed"), lambda value: say.number(value, 2)),
    ]
    return Block(
        head=[say("Metric"), *(say(who.get(name, name)) for name in metrics)],
        rows=[
            [Cell(label), *(Cell(shown(metrics[one].get(name))) for one in metrics)]
            for name, label, shown in names
            if any(metrics[one].get(name) is not None for one in metrics)
        ],
    )


def horizon_table(horizons: Mapping[str, Mapping[str, float]], say: Texts) -> Block:
    """How good the forecast is at each horizon."""
    head = [
        say("Days ahead"),
        say("rows"),
        say("rows banned"),
        say("average precision"),
        say("ROC AUC"),
        say("expected / observed"),
    ]
    shown = [
        [
            Cell(horizon),
            Cell(say.number(found.get("rows"))),
            Cell(say.number(found.get("bans"))),
            *(Cell(say.number(found.get(name), 3)) for name in ("average_precision", "roc_auc")),
            Cell(say.number(found.get("expected_over_observed"), 2)),
        ]
        for horizon, found in horizons.items()
    ]
    return Block(head=head, rows=shown)


def band_table(bands: list[dict[str, Any]], say: Texts) -> Block:
    """Bands of risk, as models.evaluation.calibration_table gives them."""
    rows = [
        [
            Cell(f"{say.percent(band['low'])} – {say.percent(band['high'])}"),
            Cell(say.number(band["rows"])),
            Cell(say.percent(band["expected"])),
            Cell(say.percent(band["observed"])),
        ]
        for band in bands
    ]
    return Block(head=[say("Risk"), say("rows"), say("mean risk"), say("share banned")], rows=rows)


def span(first: str | None, last: str | None) -> str | None:
    """From the first to the last, once where they are one; None where either is not known."""
    if first is None or last is None:
        return None
    return first if first == last else f"{first} – {last}"
