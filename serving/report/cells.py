"""What the files say of a line: the columns of the list, and the cells under them.

Columns that no line has a value in (grades, days until the risk adds up to red: older scores have none) are left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from serving.actions import Action
from serving.grades import GRADES
from serving.report.data import LEVELS, Ranking
from serving.report.texts import N_, Texts

REASONS = 3
ACTIONS = 3
GROUPS = {"team": N_("Team"), "carrier": N_("Carrier"), "number_pool": N_("Number pool")}
# An action that moves the risk by less eases nothing that the model measures; the page draws the same line.
_NO_EFFECT = 0.0005

Kind = Literal["text", "words", "number", "decimal", "percent", "date", "level", "grade"]
"""What a cell is; "words" are texts that run over several lines."""


class Column(NamedTuple):
    """A column of a table: what stands above it, what its cells are, its width (characters), and bars behind its numbers.

    bar: "share" for bars that are full at 1, "amount" for bars that are full at the largest value, "" for none.
    """

    heading: str
    kind: Kind
    width: int
    bar: Literal["", "share", "amount"] = ""


def columns(ranking: Ranking, say: Texts) -> list[Column]:
    """The columns of the list, in order."""
    found = [Column(say("Rank"), "number", 7), Column(say("Line"), "text", 20), Column(say("Level"), "level", 11)]
    for days in ranking.horizons:
        bar: Literal["share", ""] = "share" if days == ranking.headline else ""
        found.append(Column(say.plural("Risk within {n} day", "Risk within {n} days", days), "percent", 9, bar))
    found += [Column(say(heading), "text", 14) for heading in GROUPS.values()]
    found += [Column(say("Listed since"), "date", 13), Column(say("Days on the list"), "number", 9)]
    found.append(Column(say("New on the list"), "text", 9))
    if _known(ranking, "days_to_red"):
        found.append(Column(say("Days until the risk adds up to red"), "decimal", 13))
    found += [Column(say(grade.label), "grade", 11) for name, grade in GRADES.items() if _known(ranking, name)]
    found += [Column(say("Reason {n}", n=n), "text", 58) for n in range(1, REASONS + 1)]
    for n in range(1, ACTIONS + 1):
        found.append(Column(say("Action {n}", n=n), "text", 34))
        found.append(Column(say("Plan {n}", n=n), "text", 34))
        found.append(Column(say("Expected risk after {n}", n=n), "percent", 11))
    return [
        *found,
        Column(say("Calls at stake, 7 days"), "number", 10, "amount"),
        Column(say("Talk time at stake, 7 days (s)"), "number", 11),
        Column(say("Complaints, 28 days"), "number", 10),
        Column(say("Bans so far"), "number", 9),
    ]


def rows(ranking: Ranking, playbook: Mapping[str, Action], say: Texts, most: int | None = None) -> Iterator[list[Any]]:
    """The cells of each line, in the order of `columns`; None where there is nothing to say."""
    new, dates = say("new"), _known(ranking, "days_to_red")
    levels = {level: say.level(level) for level in LEVELS}
    grades = [name for name in GRADES if _known(ranking, name)]
    lines = ranking.lines if most is None else ranking.lines.head(most)
    for line in lines.to_dict("records"):
        reasons: list[Any] = [_reason(say, one) for one in line["reasons"][:REASONS]]
        risk = float(line[ranking.risk])
        actions = [cell for one in line["actions"][:ACTIONS] for cell in _action(say, playbook, one, risk)]
        yield [
            int(line["rank"]),
            str(line["line_id"]),
            levels[line["level"]],
            *(float(line[f"risk_{days}d"]) for days in ranking.horizons),
            *(text(line[kind]) for kind in GROUPS),
            line["since"],
            (ranking.as_of - line["since"]).days if line["since"] else None,
            new if line["new"] else None,
            *([number(line["days_to_red"])] if dates else []),
            *(text(line[name]) for name in grades),
            *(reasons + [None] * (REASONS - len(reasons))),
            *(actions + [None] * (3 * ACTIONS - len(actions))),
            *(int(line[name]) for name in ("calls_7d", "talk_7d", "complaints_28d", "bans")),
        ]


def plan_words(say: Texts, action: Mapping[str, Any]) -> str | None:
    """What an action of the scores comes to for its line, in figures, and whether that is enough; None without a plan."""
    plan = action.get("plan")
    if not plan:
        return None
    parts = []
    if plan.get("daily_calls") is not None:
        parts.append(say.plural("at most {n} call a day", "at most {n} calls a day", plan["daily_calls"]))
    if plan.get("rest_days") is not None:
        parts.append(say.plural("rest for {n} day", "rest for {n} days", plan["rest_days"]))
    if plan.get("from") and plan.get("to"):
        parts.append(say("call between {start} and {end}", start=plan["from"], end=plan["to"]))
    if plan.get("leave_out") is not None:
        parts.append(say.plural("leave out {n} number", "leave out {n} numbers", plan["leave_out"]))
    if parts and action.get("below") is not None:
        parts.append(say("brings the line below the level") if action["below"] else say("not enough alone"))
    return say(", ").join(parts) or None


def text(value: Any) -> str | None:
    """A text of the data, or None where it is missing in any of the ways in which pandas says so."""
    return value if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """A number of the data, or None where it is missing or not finite."""
    if value is None or isinstance(value, str):
        return None
    plain = float(value)
    return plain if math.isfinite(plain) else None


def _known(ranking: Ranking, name: str) -> bool:
    return name in ranking.lines.columns and bool(ranking.lines[name].notna().any())


def _reason(say: Texts, one: Mapping[str, Any]) -> str:
    measured = f"{say.feature(one['feature'])}{say(': ')}{say.quantity(one['feature'], one['value'])}"
    usual = say("usual for the carrier: {usual}", usual=say.quantity(one["feature"], one["usual"]))
    return f"{say.family(one['family'])} | {measured} | {usual}"


def _action(say: Texts, playbook: Mapping[str, Action], one: Mapping[str, Any], risk: float) -> list[Any]:
    """Title, plan and risk after it; an action without any effect on the risk says so and has no number."""
    known, after, plan = playbook.get(one["action"]), number(one["risk_after"]), plan_words(say, one)
    title = known.title[say.language] if known else str(one["action"])
    if after is None or after > risk - _NO_EFFECT:
        return [title, plan or say("effect not measured"), after if plan else None]
    return [title, plan, after]
