"""The words of an alert: plain text, short, in one language, and never longer than its service takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from data_schemas.settings import AlertSettings
from serving.actions import Action
from serving.alerts.choice import Alert
from serving.report.texts import N_, Texts

_UNKNOWN = {"team": N_("Team not known"), "carrier": N_("Carrier not known"), "number_pool": N_("Number pool not known")}
_VERBATIM = {"jsons", "forms", "mailtos", "dingtalk", "slack"}
"""Services whose text is text (Slack's is sent as plain_text blocks). Others know markup in any message, as Feishu's <at>."""
WORD_JOINER = "\u2060"
"""A sign without width."""
_MARKUP = str.maketrans({sign: sign + WORD_JOINER for sign in "<[]@*~`"})
_BIDI = set("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Message:
    """A title and a text; named: how many lines it names, of all that it tells of."""

    title: str
    text: str
    named: int


def compose(
    alerts: Sequence[Alert],
    rules: AlertSettings,
    say: Texts,
    actions: dict[str, Action],
    *,
    as_of: date,
    headline: int,
    service: str,
    again: bool = False,
    fits: Callable[[str, str], bool] = lambda title, text: True,
) -> Message:
    """The message of one channel: grouped, the first lines of each group with what to do, the rest counted.

    headline: horizon of the risk, days. again: whether an interrupted run may have sent it already. fits: whether title and
    text are short enough; lines are left out until they are.
    """
    writer = _Writer(rules.group_by, say, actions, as_of, service)
    title = say.plural("bancast: {n} line at red, {date}", "bancast: {n} lines at red, {date}", len(alerts), date=say.date(as_of))
    head = [say("An interrupted run may have sent this already.")] if again else []
    foot = say("#: rank. %: risk of a ban within {days} days.", days=headline)
    for most in range(min(rules.lines, len(alerts)), -1, -1):
        named = _first(alerts, rules, most)
        text = "\n".join([*head, *writer.groups(alerts, named), foot])
        if fits(title, text):
            break
    return Message(title, text, len(named))


def shown(name: str, service: str) -> str:
    """A name from data on one line, as it is; where the service knows markup, a sign that has no width takes its force."""
    plain = "".join("\ufffd" if unicodedata.category(sign) in ("Cc", "Zl", "Zp") or sign in _BIDI else sign for sign in name)
    cut = plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"
    return cut if service in _VERBATIM else cut.translate(_MARKUP)


def _first(alerts: Sequence[Alert], rules: AlertSettings, most: int) -> set[str]:
    """The lines that are named: by rank, so many of a group and so many in all."""
    named: set[str] = set()
    counts: dict[str | None, int] = {}
    for alert in alerts:
        group = alert.red.names[rules.group_by]
        if len(named) < most and counts.get(group, 0) < rules.lines_per_group:
            named.add(alert.red.line_id)
            counts[group] = counts.get(group, 0) + 1
    return named


class _Writer:
    def __init__(self, group_by: str, say: Texts, actions: dict[str, Action], as_of: date, service: str) -> None:
        self.group_by, self.say, self.actions, self.as_of, self.service = group_by, say, actions, as_of, service

    def groups(self, alerts: Sequence[Alert], named: set[str]) -> list[str]:
        """The lines of the text: groups with a named line by their highest rank, the others counted together at the end."""
        say = self.say
        by_group: dict[str | None, list[Alert]] = {}
        for alert in alerts:
            by_group.setdefault(alert.red.names[self.group_by], []).append(alert)
        lines, elsewhere = [], 0
        for name, members in by_group.items():
            told = [alert for alert in members if alert.red.line_id in named]
            if not told:
                elsewhere += len(members)
                continue
            heading = say(_UNKNOWN[self.group_by]) if name is None else shown(name, self.service)
            lines.append(say.plural("{group}: {n} line", "{group}: {n} lines", len(members), group=heading))
            lines += [self.line(alert) for alert in told]
            if len(told) < len(members):
                lines.append(say.plural("and {n} more", "and {n} more", len(members) - len(told)))
        if elsewhere:
            lines.append(say.plural("and {n} more in other groups", "and {n} more in other groups", elsewhere))
        return lines

    def line(self, alert: Alert) -> str:
        """Rank, line, risk, what has changed, the first reason and the first action."""
        say, red = self.say, alert.red
        parts = [f"#{red.rank} {shown(red.line_id, self.service)} {say.percent(red.risk)}{self.change(alert)}"]
        if red.reason is not None:
            family, feature = say.family(red.reason["family"]), say.feature(red.reason["feature"])
            value = say.quantity(red.reason["feature"], red.reason["value"])
            parts.append(say("{family}: {value} ({feature})", family=family, value=value, feature=feature))
        if red.action is not None:
            known = self.actions.get(red.action)
            parts.append(known.title[say.language] if known else red.action)
        return " | ".join(parts)

    def change(self, alert: Alert) -> str:
        """What an alert repeats, or how late it comes."""
        say = self.say
        if alert.why == "risk" and alert.before is not None:
            return " " + say("(was {risk})", risk=say.percent(alert.before))
        if alert.why == "reason":
            return " " + say("(new main reason)")
        return "" if alert.since == self.as_of else " " + say("(red since {date})", date=say.date(alert.since))
