"""Tables of a backtest by week, month, carrier, pool and reason, with everybody side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from scipy.stats import poisson

from models import plots
from models.backtest import EARLY, LARGEST, PROBABLE, WHO
from models.backtest_page.common import picture
from models.pages.content import Block, Cell, Section
from models.pages.texts import N_, Texts
from models.replay import CHAMPION, FROZEN, LOGISTIC, MODEL, RULE

Part = Callable[[dict[str, Any], Texts], Section | None]
SHORT = {
    MODEL: N_("model"),
    CHAMPION: N_("champion"),
    FROZEN: N_("never renewed"),
    LOGISTIC: N_("logistic"),
    RULE: N_("rule"),
}
"""Names for columns, which are narrow."""
CHANCE = 0.05


def group_tables() -> tuple[Part, ...]:
    """The sections, in order."""
    return (_weeks, _months, _carriers, _pools, _reasons)


def _weeks(report: dict[str, Any], say: Texts) -> Section | None:
    weeks = report["weeks"]
    if not weeks:
        return None
    pictures = [
        picture(
            plots.expected_plot(weeks, say),
            say("Rows banned of each scored day (bars), and how many the model expected (line)."),
            say,
            "expected",
        ),
        picture(
            plots.weekly_plot(weeks, say),
            say("Average precision of each scored day. With few bans a day it jumps; look at the whole."),
            say,
            "weekly",
        ),
    ]
    return Section(say("By scored day"), [*pictures, *_explained(report, say), _table(report, weeks, say("Scored day"), say)])


def _months(report: dict[str, Any], say: Texts) -> Section | None:
    return _section(report, "months", say("By month"), say("Month"), say)


def _carriers(report: dict[str, Any], say: Texts) -> Section | None:
    return _section(report, "carriers", say("By carrier"), say("Carrier"), say)


def _pools(report: dict[str, Any], say: Texts) -> Section | None:
    title = say("By number pool (those with most bans, {n} at most)", n=say.number(LARGEST))
    return _section(report, "pools", title, say("Number pool"), say)


def _section(report: dict[str, Any], key: str, title: str, first: str, say: Texts) -> Section | None:
    return Section(title, [_table(report, report[key], first, say)]) if report[key] else None


def _explained(report: dict[str, Any], say: Texts) -> list[Block]:
    """What the columns of this table and of those that follow mean."""
    said = [
        say(
            "Precision: share of the flagged rows that were banned. Recall: share of the banned rows that were flagged. Flags "
            "are the {n} riskiest lines of each scored day, over all groups together.",
            n=say.number(report["flags"]),
        )
    ]
    if _marked(report):
        said.append(
            say(
                "▲ more and ▼ fewer bans than the model's risks and chance alone explain (Poisson, 95 %). One mark in twenty "
                "entries means nothing, more where bans come in clusters."
            )
        )
    return [Block(items=said)]


def _marked(report: dict[str, Any]) -> bool:
    """Whether chance can be told: not where one ban counts in several rows."""
    return bool(report["every"] >= report["horizon"])


def _table(report: dict[str, Any], entries: list[dict[str, Any]], first: str, say: Texts) -> Block:
    probable, everybody = ([who for who in some if who in report["overall"]] for some in (PROBABLE, WHO))
    marked = _marked(report)
    names = {who: say(SHORT[who]) for who in WHO}
    groups = [("", 1), ("", 1), (say("rows banned"), 1), (say("expected by"), len(probable))]
    groups += [(title, len(everybody)) for title in (say("average precision"), say("precision"), say("recall"))]
    head = [first, say("rows"), say("observed"), *(names[who] for who in probable)]
    head += [names[who] for _ in range(3) for who in everybody]
    rows = [
        [
            Cell(entry["name"]),
            Cell(say.number(entry["rows"])),
            Cell(_mark(entry) * marked + say.number(entry["bans"])),
            *(Cell(say.decimals(entry.get(f"{who}_expected"), 1)) for who in probable),
            *(Cell(say.decimals(entry.get(f"{who}_average_precision"), 2)) for who in everybody),
            *(Cell(say.percent(entry.get(f"{who}_precision"), 0)) for who in everybody),
            *(Cell(say.percent(entry.get(f"{who}_recall"), 0)) for who in everybody),
        ]
        for entry in entries
    ]
    return Block(head=head, groups=[group for group in groups if group[1]], rows=rows, numbers=True)


def _mark(entry: dict[str, Any]) -> str:
    expected, bans = entry.get(f"{MODEL}_expected"), entry["bans"]
    if expected is None:
        return ""
    if poisson.sf(bans - 1, expected) < CHANCE / 2:
        return "▲ "
    return "▼ " if poisson.cdf(bans, expected) < CHANCE / 2 else ""


def _reasons(report: dict[str, Any], say: Texts) -> Section:
    title = say("By the carrier's reason")
    entries = report["reasons"]
    if not entries:
        return Section(title, [Block(text=say("The records give no reason of any ban."))])
    everybody = [who for who in WHO if who in report["overall"]]
    names = [say(SHORT[who]) for who in everybody]
    early = say("early, {n} days or more", n=say.number(EARLY))
    rows = [
        [
            Cell(say("(none given)") if entry["name"] == "(none given)" else entry["name"]),
            Cell(say.number(entry["bans"])),
            *(Cell(say.percent(entry.get(f"{who}_{name}"), 0)) for name in ("warned", "early") for who in everybody),
        ]
        for entry in entries
    ]
    text = say(
        "Bans by the reason that the carrier gave, and how many of them were warned of, with {n} flags each scored day.",
        n=say.number(report["flags"]),
    )
    table = Block(
        head=[say("Reason"), say("bans"), *names, *names],
        groups=[("", 1), ("", 1), (say("warned of"), len(everybody)), (early, len(everybody))],
        rows=rows,
        numbers=True,
    )
    return Section(title, [Block(text=text), table])
