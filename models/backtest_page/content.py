"""What the page of a backtest says, in one language, from plain data.

It first answers what a reader of a watch list asks, and then shows what the answers rest on. Where an interval holds "no
difference", the page says so: a figure that looks better is not called better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

from models import plots
from models.backtest import EARLY, WHO
from models.backtest_page.groups import group_tables
from models.pages.content import Block, Cell, Section, facts, horizon_table, quality_table, span
from models.pages.recorded import recorded
from models.pages.texts import N_, Texts
from models.replay import CHAMPION, LOGISTIC, MODEL, RULE
from models.resampling import share_interval

NAMES = {
    MODEL: N_("model"),
    CHAMPION: N_("champion"),
    LOGISTIC: N_("logistic regression"),
    RULE: N_("rule of today"),
}
DEGREES = {"full": N_("full"), "regularised": N_("regularised (few bans)")}
TOLD = 0.3
"""The risk that the page asks about by way of example."""


def sections(report: dict[str, Any], say: Texts) -> list[Section]:
    """The whole page. Parts of which the report says nothing are left out, but for those that would be missed."""
    parts = (
        _red,
        _warning,
        _calibration,
        _compared,
        *group_tables(),
        _horizons,
        _trainings,
        _policy,
        _counts,
        _ablation,
        _learning,
    )
    found = [part(report, say) for part in (_about, *parts, _notes)]
    return [part for part in found if part is not None]


def _about(report: dict[str, Any], say: Texts) -> Section:
    said = [
        say(
            "History, replayed: on each scored day a model that knew only what was known then gave every line its risk, and what "
            "came afterwards judged it. No risk on this page is of a row that its model had learnt from."
        ),
        say(
            "A row is one line on one scored day. It counts as banned when a ban began within {n} days.",
            n=say.number(report["horizon"]),
        ),
        say(
            "Model: the newest one trained. Champion: the newest one that had passed the gate. Logistic regression: learnt from "
            "the same rows. Rule of today: what ops did before, without a model. All are judged on the same rows."
        ),
    ]
    if report["every"] < report["horizon"]:
        said.append(
            say(
                "Days were scored more often than every {n} days, so one ban counts in several rows; intervals by rows are then "
                "narrower than they should be.",
                n=say.number(report["horizon"]),
            )
        )
    table = facts(
        say,
        (say("Scored days"), span(report["first"], report["last"])),
        (say("Scored every, days"), say.number(report["every"])),
        (say("Trained anew every, days"), say.number(report["retrain"])),
        (say("Rows judged"), say.number(report["rows"])),
        (say("Rows banned"), say.number(report["bans"])),
        (say("Share banned"), say.percent(_ratio(report["bans"], report["rows"]))),
        (say("Flags each scored day"), say.number(report["flags"])),
        (say("Bans known until"), report["known_until"]),
        (say("Data fingerprint"), report["fingerprint"]),
    )
    return Section(say("What was done"), [Block(items=said), table])


def _red(report: dict[str, Any], say: Texts) -> Section:
    red, n = report["red"], say.number(report["horizon"])
    rows, banned, level = red["rows"], red["banned"], say.percent(red["level"])
    if not rows:
        lead = say("No line reached red, a risk of {level}, so there is nothing to count.", level=level)
        said = []
    else:
        lead = say("{share} of the lines at red were banned within {n} days.", share=say.percent(banned / rows), n=n)
        said = [
            say(
                "Red is a risk of {level} or more. {rows} times a line was red on a scored day; {banned} times a ban followed (95 % "
                "interval of the share: {low} – {high}). The risks had added up to {expected} bans.",
                level=level,
                rows=say.number(rows),
                banned=say.number(banned),
                expected=say.number(red["expected"], 1),
                **_ends(share_interval(banned, rows), say.percent),
            ),
            say(
                "Of all {bans} banned rows {share} were red; red alone misses the rest.",
                bans=say.number(report["bans"]),
                share=say.percent(_ratio(banned, report["bans"])),
            ),
        ]
    said += _promise(red["promise"], report["rows"], say)
    return Section(say("Of the lines we call red, how many are banned?"), [Block(text=lead, lead=True), Block(items=said)])


def _promise(promise: dict[str, Any], judged: int, say: Texts) -> list[str]:
    rows, banned, due = promise["rows"], promise["banned"], promise["precision"]
    wanted = say.percent(due)
    if not rows:
        said = [
            say(
                "Promise: from a risk that each model names itself, at least {due} are banned. No row fell under it, so it was "
                "neither kept nor broken.",
                due=wanted,
            )
        ]
    else:
        low, high = share_interval(banned, rows)
        said = [
            say(
                "Promise: from a risk that each model names itself, at least {due} are banned. {rows} rows fell under it and "
                "{banned} were banned: {share} (95 % interval {low} – {high}).",
                due=wanted,
                rows=say.number(rows),
                banned=say.number(banned),
                share=say.percent(banned / rows),
                **_ends((low, high), say.percent),
            ),
            _kept(banned / rows, low, high, due, say),
        ]
    if promise["without"]:
        said.append(
            say(
                "For {n} of {all} rows their model promised nothing, for want of checked rows that bear a promise out.",
                n=say.number(promise["without"]),
                all=say.number(judged),
            )
        )
    return said


def _kept(share: float, low: float | None, high: float | None, due: float, say: Texts) -> str:
    if share >= due:
        if low is not None and low >= due:
            return say("✓ The promise was kept.")
        return say("✓ The promise was kept, though with so few rows luck may have helped.")
    if high is not None and high >= due:
        return say("✗ The promise was not kept; with so few rows that may be bad luck.")
    return say("✗ The promise was not kept.")


def _warning(report: dict[str, Any], say: Texts) -> Section:
    title = say("How long before do you tell me?")
    found = [entry for entry in report["warning"] if entry["bans"]]
    own = _entry(found, MODEL, report["flags"])
    if own is None:
        return Section(title, [Block(text=say("No ban could be judged, so nothing can be said of warnings."), lead=True)])
    early, flags = say.number(EARLY), say.number(report["flags"])
    if own.get("median") is None:
        lead = say("None of {bans} bans was warned of.", bans=say.number(own["bans"]))
        said = []
    else:
        lead = say(
            "{share} of the bans were warned of {early} days ahead or more; half of all warnings came {median} days ahead or more.",
            share=say.percent(own["early"]),
            early=early,
            median=say.number(own["median"], 1),
        )
        said = [
            say(
                "Warned means: the line was among the {flags} riskiest of a scored day before the ban. Of {bans} bans {warned} were "
                "warned of at all, the middle half of them {low} to {high} days ahead; the others came without a warning.",
                flags=flags,
                bans=say.number(own["bans"]),
                warned=say.percent(own["warned"]),
                low=say.number(own["q25"], 1),
                high=say.number(own["q75"], 1),
            )
        ]
    rule = _entry(found, RULE, report["flags"])
    if rule is not None:
        values = {"warned": say.percent(rule["warned"]), "early": say.percent(rule["early"]), "days": early}
        said.append(
            say("The rule of today, with as many flags: {warned} warned of, {early} at least {days} days ahead.", **values)
        )
        if rule["early"] >= own["early"]:
            said.append(say("✗ The model warns of no more bans early than the rule of today does."))
    head = [say("Who"), say("bans"), say("warned of"), say("early, {n} days or more", n=early)]
    head += [say("a quarter within, days"), say("median, days"), say("three quarters within, days")]
    rows = [
        [
            Cell(f"{say(NAMES[entry['who']])} · {_size(entry['flags'], say)}"),
            Cell(say.number(entry["bans"])),
            *(Cell(say.percent(entry.get(name)), entry.get(name)) for name in ("warned", "early")),
            *(Cell(say.number(entry.get(name), 1)) for name in ("q25", "median", "q75")),
        ]
        for entry in found
    ]
    return Section(title, [Block(text=lead, lead=True), Block(items=said), Block(head=head, rows=rows, numbers=True)])


def _entry(found: list[dict[str, Any]], who: str, flags: float) -> dict[str, Any] | None:
    return next((entry for entry in found if entry["who"] == who and entry["flags"] == flags), None)


def _size(flags: float, say: Texts) -> str:
    """How many lines are flagged on each scored day: a number, or a share of all."""
    return say("{share} of all lines", share=say.percent(flags)) if flags < 1 else say("{n} flags", n=say.number(flags))


def _calibration(report: dict[str, Any], say: Texts) -> Section:
    title = say("Is {share} really {share}?", share=say.percent(TOLD))
    bands = [{**band, "ends": share_interval(band["observed"] * band["rows"], band["rows"])} for band in report["bands"]]
    if not bands:
        return Section(title, [Block(text=say("There was nothing to judge the risks by."), lead=True)])
    near = next((band for band in bands if band["low"] <= TOLD <= band["high"]), None)
    near = near or min(bands, key=lambda band: abs(band["expected"] - TOLD))
    words = {
        "from_": say.percent(near["low"]),
        "to": say.percent(near["high"]),
        "told": say.percent(near["expected"]),
        "came": say.percent(near["observed"]),
    }
    answer = say("Lines that were told a risk of {from_} to {to}, {told} on average: {came} were banned.", **words)
    inside = [_inside(band) for band in bands]
    said = [
        say("✓ That fits: the 95 % interval of what came, {low} – {high}, holds it.", **_ends(near["ends"], say.percent))
        if _inside(near)
        else say("✗ That does not fit: the 95 % interval of what came is {low} – {high}.", **_ends(near["ends"], say.percent)),
        say(
            "Over all {all} bands of risk, {n} hold what was told within the 95 % interval of what came.",
            all=say.number(len(bands)),
            n=say.number(sum(inside)),
        ),
    ]
    ratio, error = (_interval(report, name) for name in ("expected_over_observed", "calibration_error"))
    if ratio is not None:
        said.append(_total(report, ratio, say))
    if error is not None:
        said.append(
            say(
                "On average over the bands, told and came lie {error} percentage points apart (95 % interval {low} – {high}).",
                error=say.number(100 * error["value"], 2),
                **_ends((error["low"], error["high"]), lambda value: say.number(_times(value, 100), 2)),
            )
        )
    head = [say("Risk told"), say("rows"), say("told on average"), say("banned"), say("95 % interval"), say("fits")]
    rows = [
        [
            Cell(f"{say.percent(band['low'])} – {say.percent(band['high'])}"),
            Cell(say.number(band["rows"])),
            Cell(say.percent(band["expected"])),
            Cell(say.percent(band["observed"])),
            Cell("{low} – {high}".format(**_ends(band["ends"], say.percent))),
            Cell(say("✓ yes") if fits else say("✗ more came") if band["observed"] > band["expected"] else say("✗ fewer came")),
        ]
        for band, fits in zip(bands, inside, strict=True)
    ]
    picture = _picture(
        plots.reliability_plot(report["bands"], say),
        say("Told against came, by band of risk. On the dashed line both are equal; dots above it: more bans than told."),
        say,
        "reliability",
    )
    return Section(title, [Block(text=answer, lead=True), Block(items=said), picture, Block(head=head, rows=rows, numbers=True)])


def _inside(band: dict[str, Any]) -> bool:
    low, high = band["ends"]
    return low is not None and low <= band["expected"] <= high


def _total(report: dict[str, Any], ratio: dict[str, Any], say: Texts) -> str:
    words = {
        "expected": say.number(ratio["value"] * report["bans"], 1),
        "bans": say.number(report["bans"]),
        "ratio": say.number(ratio["value"], 2),
        **_ends((ratio["low"], ratio["high"]), lambda value: say.number(value, 2)),
    }
    if ratio["low"] is not None and ratio["low"] > 1:
        return say(
            "✗ In total the risks were too high: {expected} banned rows expected, {bans} came; {ratio} times as many (95 % interval "
            "{low} – {high}).",
            **words,
        )
    if ratio["high"] is not None and ratio["high"] < 1:
        return say(
            "✗ In total the risks were too low: {expected} banned rows expected, {bans} came; {ratio} times as many (95 % interval "
            "{low} – {high}).",
            **words,
        )
    return say(
        "In total {expected} banned rows were expected and {bans} came: {ratio} times as many (95 % interval {low} – {high}), not "
        "clearly too many or too few.",
        **words,
    )


def _compared(report: dict[str, Any], say: Texts) -> Section | None:
    if not report["overall"]:
        return None
    name = "average_precision"
    found = [(who, _interval(report, f"{name} {who}"), _interval(report, f"{name} {MODEL} - {who}")) for who in WHO]
    rows = [
        [
            Cell(say(NAMES[who])),
            Cell(say.number(own["value"], 3), own["value"]),
            Cell("{low} – {high}".format(**_ends((own["low"], own["high"]), lambda value: say.number(value, 3)))),
            Cell("" if gap is None else say.number(gap["value"], 3)),
            Cell("" if gap is None else "{low} – {high}".format(**_ends((gap["low"], gap["high"]), lambda v: say.number(v, 3)))),
            Cell("" if gap is None else verdict(gap["low"], gap["high"], say)),
        ]
        for who, own, gap in found
        if own is not None
    ]
    said = [verdict_of(who, gap, say) for who, _, gap in found if gap is not None]
    text = say(
        "Average precision tells how well the riskiest lines come first: 1 is perfect, and by chance it would be {rate}. Intervals "
        "are by drawing lines anew; differences are of the same draws.",
        rate=say.number(_ratio(report["bans"], report["rows"]), 3),
    )
    head = [say("Who"), say("average precision"), say("95 % interval"), say("model less this"), say("95 % interval")]
    blocks = [Block(items=said), Block(text=text), Block(head=[*head, say("in words")], rows=rows, numbers=True)]
    quality = quality_table(report["overall"], report["flags"], NAMES, say)
    quality.numbers = True
    return Section(say("Is it better than what there is?"), [*blocks, quality])


def verdict(low: float | None, high: float | None, say: Texts) -> str:
    """What the interval of a difference allows to say of the model."""
    if low is not None and low > 0:
        return say("✓ clearly better")
    if high is not None and high < 0:
        return say("✗ clearly worse")
    return say("? not clearly better")


def verdict_of(who: str, gap: dict[str, Any], say: Texts) -> str:
    """The same as a sentence."""
    words = {
        "who": say(NAMES[who]),
        "value": say.number(gap["value"], 3),
        **_ends((gap["low"], gap["high"]), lambda value: say.number(value, 3)),
    }
    if gap["low"] is not None and gap["low"] > 0:
        return say("✓ The model is clearly better than the {who}: by {value} (95 % interval {low} – {high}).", **words)
    if gap["high"] is not None and gap["high"] < 0:
        return say("✗ The model is clearly worse than the {who}: by {value} (95 % interval {low} – {high}).", **words)
    return say(
        "? The model is not clearly better than the {who}: the difference is {value}, and its 95 % interval {low} – {high} holds 0.",
        **words,
    )


def _horizons(report: dict[str, Any], say: Texts) -> Section | None:
    if not report["horizons"]:
        return None
    table = horizon_table(report["horizons"], say)
    table.numbers = True
    text = say("The model at each horizon, on the rows whose outcome is known there. Nearer bans are rarer and harder to rank.")
    return Section(say("By horizon"), [Block(text=text), table])


def _trainings(report: dict[str, Any], say: Texts) -> Section:
    trainings = report["trainings"]
    head = [say("Knew until"), say("rows"), say("bans"), say("degree"), say("promise from a risk of"), say("gate")]
    rows = [
        [
            Cell(one["until"]),
            Cell(say.number(one["rows"])),
            Cell(say.number(one["bans"])),
            Cell(say(DEGREES.get(one.get("degree") or "", one.get("degree") or "")) or "–"),
            Cell(_promised(one.get("promised_from") or {}, say)),
            Cell(f"{say('✓ becomes champion') if one['promoted'] else say('✗ does not pass')}: {recorded(one['why'], say)}"),
        ]
        for one in trainings
    ]
    text = say(
        "The model of each training scored the days until the next. The gate lets it replace the champion only where it is at "
        "least as good on the same recent rows."
    )
    blocks = [Block(text=text), Block(head=head, rows=rows)]
    notes = list(dict.fromkeys(note for one in trainings for note in one.get("notes") or []))
    said = []
    for note in notes:
        days = [one["until"] for one in trainings if note in (one.get("notes") or [])]
        everyone = len(days) == len(trainings)
        said.append(recorded(note, say) if everyone else f"{', '.join(days)}: {recorded(note, say)}")
    if said:
        blocks += [Block(text=say("Notes of the trainings (of all, where no day is named):")), Block(items=said)]
    return Section(say("Trainings"), blocks)


def _promised(known: dict[str, float], say: Texts) -> str:
    """From which risk a training promises its precision: for all, and for carriers that have their own."""
    found = [f"{name or say('all carriers')} {say.percent(value)}" for name, value in known.items() if value is not None]
    return "; ".join(found) or say("nothing promised")


def _policy(report: dict[str, Any], say: Texts) -> Section:
    title = say("Alarms of the policy watch")
    alarms = sorted(
        ((alarm, entry["carrier"]) for entry in report["policy"] for alarm in entry["alarms"]),
        key=lambda pair: (pair[0]["day"], pair[1]),
    )
    if not alarms:
        text = (
            say("The watch would have raised no alarm: no carrier seemed to have become stricter.")
            if report["policy"]
            else say("There was not enough to watch the carriers by.")
        )
        return Section(title, [Block(text=text)])
    head = [say("Day of the alarm"), say("Carrier"), say("bans from"), say("to"), say("expected"), say("observed")]
    rows = [
        [
            Cell(alarm["day"]),
            Cell(carrier),
            Cell(alarm["since"]),
            Cell(alarm["to"]),
            Cell(say.number(alarm["expected"], 1)),
            Cell(say.number(alarm["observed"])),
            Cell(say.number(alarm["ratio"], 2)),
            Cell("{low} – {high}".format(**_ends((alarm["low"], alarm["high"]), lambda value: say.number(value, 2)))),
        ]
        for alarm, carrier in alarms
    ]
    text = say("On these days the watch would have said that a carrier seems stricter, since more bans came than the risks said.")
    return Section(title, [Block(text=text), Block(head=[*head, say("times as many"), say("90 % interval")], rows=rows)])


def _counts(report: dict[str, Any], say: Texts) -> Section | None:
    if not report["counts"]:
        return None
    kinds = {"carrier": say("Carrier"), "team": say("Team")}
    said = []
    for entry in report["counts"]:
        low, high = share_interval(entry["covered"] * entry["groups"], entry["groups"])
        words = {
            "kind": kinds.get(entry["name"], entry["name"]),
            "level": say.percent(entry["level"]),
            "covered": say.percent(entry["covered"]),
            "groups": say.number(entry["groups"]),
        }
        if low is not None and high is not None and low <= entry["level"] <= high:
            said.append(say("{kind}: {covered} of {groups} intervals held what came, as they should ({level}).", **words))
        elif entry["covered"] > entry["level"]:
            said.append(
                say("{kind}: {covered} of {groups} intervals held what came, wider than they need be ({level}).", **words)
            )
        else:
            said.append(say("✗ {kind}: {covered} of {groups} intervals held what came, too narrow ({level} were due).", **words))
    text = say(
        "The ranking says how many bans to expect for a carrier or team, as an interval. Its width was learnt from earlier days "
        "alone."
    )
    return Section(say("How many bans: do the intervals hold?"), [Block(text=text), Block(items=said)])


def _ablation(report: dict[str, Any], say: Texts) -> Section | None:
    found = sorted(report.get("ablation") or [], key=lambda entry: -entry["difference"])
    if not found:
        return None
    head = [
        say("Without the family"),
        say("features"),
        say("average precision"),
        say("lost"),
        say("95 % interval"),
        say("in words"),
    ]
    rows = [
        [
            Cell(say.family(entry["family"])),
            Cell(say.number(entry["features"])),
            Cell(say.number(entry["average_precision"], 3)),
            Cell(say.number(entry["difference"], 3)),
            Cell("{low} – {high}".format(**_ends((entry["low"], entry["high"]), lambda value: say.number(value, 3)))),
            Cell(_needed(entry, say)),
        ]
        for entry in found
    ]
    text = say(
        "The model trained again without one family of features, and what that cost. A family may cost nothing because others say "
        "the same."
    )
    return Section(say("What each family of features is worth"), [Block(text=text), Block(head=head, rows=rows, numbers=True)])


def _needed(entry: dict[str, Any], say: Texts) -> str:
    if entry["low"] is not None and entry["low"] > 0:
        return say("✓ clearly helps")
    if entry["high"] is not None and entry["high"] < 0:
        return say("✗ clearly harms")
    return say("? not clear that it helps")


def _learning(report: dict[str, Any], say: Texts) -> Section | None:
    found = sorted(report.get("learning") or [], key=lambda entry: entry["days"])
    if not found:
        return None
    head = [say("Days of history"), say("rows"), say("bans"), say("average precision")]
    rows = [
        [
            Cell(say.number(entry["days"])),
            Cell(say.number(entry["rows"])),
            Cell(say.number(entry["bans"])),
            Cell(say.number(entry["average_precision"], 3)),
        ]
        for entry in found
    ]
    text = say("The same days judged after learning from less history. A curve that still rises says that more would help.")
    picture = _picture(
        plots.learning_plot(found, say), say("Average precision against the days of history learnt from."), say, "learning"
    )
    return Section(say("Would more history help?"), [Block(text=text), picture, Block(head=head, rows=rows, numbers=True)])


def _notes(report: dict[str, Any], say: Texts) -> Section:
    said = [
        say("Bans become known late: rows whose outcome is not yet sure are left out, so the newest days are not judged."),
        say("A line given up without a ban within the horizon is censored: left out, not counted as safe."),
        say(
            "What the model says did not change what was done in this history. Where ops now act on its warnings, fewer of them "
            "will seem to come true."
        ),
        say("It is one stretch of time of one company; other carriers, and rules changed since, were not tested."),
    ]
    return Section(say("Notes and limits"), [Block(items=[*(recorded(note, say) for note in report["notes"]), *said])])


def _interval(report: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((entry for entry in report["intervals"] if entry["name"] == name), None)


def _ends(ends: Sequence[float | None], shown: Callable[[float | None], str]) -> dict[str, str]:
    return {"low": shown(ends[0]), "high": shown(ends[1])}


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan


def _picture(figure: Figure, text: str, say: Texts, name: str) -> Block:
    return Block(text=text, picture=Markup(plots.svg_text(figure, f"{name}-{say.language}")))
