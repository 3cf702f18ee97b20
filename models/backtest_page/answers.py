"""What a reader of a watch list asks of a backtest, answered in plain sentences.

Where an interval holds "no difference", the page says so: a figure that looks better is not called better.
"""

from __future__ import annotations

from typing import Any

from models import plots
from models.backtest import EARLY, WHO
from models.backtest_page.common import NAMES, between, ends, level_text, picture, ratio_of
from models.pages.content import Block, Cell, Section, quality_table
from models.pages.texts import Texts
from models.replay import MODEL, RULE
from models.resampling import share_interval

TOLD = 0.3
"""The risk that the page asks about by way of example."""


def opening(report: dict[str, Any], say: Texts) -> str:
    """What the page is, for a reader who has just opened it."""
    return say(
        "History, replayed: on each scored day a model that knew only what was known then gave every line its risk of a ban "
        "within {n} days, and what came judged it: {rows} rows (a line on a scored day), {bans} of them banned.",
        n=say.number(report["horizon"]),
        rows=say.number(report["rows"]),
        bans=say.number(report["bans"]),
    )


def red(report: dict[str, Any], say: Texts) -> Section:
    """Of the lines at red, how many were banned, and whether the promise was kept."""
    found, n = report["red"], say.number(report["horizon"])
    rows, banned, level = found["rows"], found["banned"], level_text(found["level"], say)
    if not rows:
        lead = say("No line reached red, a risk of {level}, so there is nothing to count.", level=level)
        said = []
    else:
        lead = say("{share} of the lines at red were banned within {n} days.", share=say.percent(banned / rows), n=n)
        said = [
            say(
                "Red is a risk of {level} or more. {rows} times a line was red on a scored day; {banned} times a ban followed "
                "(95 % interval of the share: {low} to {high}). The risks had added up to {expected} bans.",
                level=level,
                rows=say.number(rows),
                banned=say.number(banned),
                expected=say.decimals(found["expected"], 1),
                **ends(share_interval(banned, rows), say.percent),
            ),
            say(
                "Of all {bans} banned rows {share} were red; red alone misses the rest.",
                bans=say.number(report["bans"]),
                share=say.percent(ratio_of(banned, report["bans"])),
            ),
        ]
    said += _promise(found["promise"], report["rows"], say)
    return Section(say("Of the lines we call red, how many are banned?"), [Block(text=lead, lead=True), Block(items=said)])


def _promise(promise: dict[str, Any], judged: int, say: Texts) -> list[str]:
    rows, banned, due = promise["rows"], promise["banned"], promise["precision"]
    wanted = level_text(due, say)
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
                "{banned} were banned: {share} (95 % interval {low} to {high}).",
                due=wanted,
                rows=say.number(rows),
                banned=say.number(banned),
                share=say.percent(banned / rows),
                **ends((low, high), say.percent),
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


def warning(report: dict[str, Any], say: Texts) -> Section:
    """How long before the ban a line was flagged, against the rule of today at as many flags."""
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
            "{share} of the bans were warned of at least {early} days ahead; half of all warnings came at least {median} "
            "days ahead.",
            share=say.percent(own["early"]),
            early=early,
            median=say.number(own["median"], 1),
        )
        said = [
            say(
                "Warned means: the line was among the {flags} riskiest of a scored day, at most {days} days before the ban. "
                "Of {bans} bans {warned} were warned of at all, the middle half of them {low} to {high} days ahead; the others "
                "came without a warning.",
                days=say.number(max([report["horizon"], *map(int, report["horizons"])])),
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
    head += [say("lower quartile, days"), say("median, days"), say("upper quartile, days")]
    rows = [
        [
            Cell(f"{say(NAMES[entry['who']])} · {_size(entry['flags'], say)}"),
            Cell(say.number(entry["bans"])),
            *(Cell(say.percent(entry.get(name))) for name in ("warned", "early")),
            *(Cell(say.number(entry.get(name), 1)) for name in ("q25", "median", "q75")),
        ]
        for entry in found
    ]
    return Section(title, [Block(text=lead, lead=True), Block(items=said), Block(head=head, rows=rows, numbers=True)])


def _entry(found: list[dict[str, Any]], who: str, flags: float) -> dict[str, Any] | None:
    return next((entry for entry in found if entry["who"] == who and entry["flags"] == flags), None)


def _size(flags: float, say: Texts) -> str:
    """How many lines are flagged on each scored day: a number, or a share of all."""
    return say("{share} of all lines", share=level_text(flags, say)) if flags < 1 else say("{n} flags", n=say.number(flags))


def calibration(report: dict[str, Any], say: Texts) -> Section:
    """Whether what was told came as often as it was told."""
    title = say("Is {share} really {share}?", share=level_text(TOLD, say))
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
        say("✓ That fits: the 95 % interval of what came, {low} to {high}, holds it.", **ends(near["ends"], say.percent))
        if _inside(near)
        else say("✗ That does not fit: the 95 % interval of what came is {low} to {high}.", **ends(near["ends"], say.percent)),
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
                "On average over the bands, told and came lie {error} percentage points apart (95 % interval {low} to {high}).",
                error=say.decimals(100 * error["value"], 2),
                **ends((error["low"], error["high"]), lambda value: say.decimals(100 * value, 2)),
            )
        )
    head = [say("Risk told"), say("rows"), say("told on average"), say("banned"), say("95 % interval"), say("fits")]
    rows = [
        [
            Cell(f"{say.percent(band['low'])} – {say.percent(band['high'])}"),
            Cell(say.number(band["rows"])),
            Cell(say.percent(band["expected"])),
            Cell(say.percent(band["observed"])),
            Cell(between(band["ends"], say.percent, say)),
            Cell(say("✓ yes") if fits else say("✗ more came") if band["observed"] > band["expected"] else say("✗ fewer came")),
        ]
        for band, fits in zip(bands, inside, strict=True)
    ]
    drawn = picture(
        plots.reliability_plot(report["bands"], say),
        say("Told against came, by band of risk. On the dashed line both are equal; dots above it: more bans than told."),
        say,
        "reliability",
    )
    return Section(title, [Block(text=answer, lead=True), Block(items=said), drawn, Block(head=head, rows=rows, numbers=True)])


def _inside(band: dict[str, Any]) -> bool:
    low, high = band["ends"]
    return low is not None and low <= band["expected"] <= high


def _total(report: dict[str, Any], ratio: dict[str, Any], say: Texts) -> str:
    words = {
        "expected": say.decimals(ratio["value"] * report["bans"], 1),
        "bans": say.number(report["bans"]),
        "ratio": say.decimals(ratio["value"], 2),
        **ends((ratio["low"], ratio["high"]), lambda value: say.decimals(value, 2)),
    }
    if ratio["low"] is not None and ratio["low"] > 1:
        return say(
            "✗ In total the risks were too high: {expected} banned rows expected, {bans} came; {ratio} times as many (95 % "
            "interval {low} to {high}).",
            **words,
        )
    if ratio["high"] is not None and ratio["high"] < 1:
        return say(
            "✗ In total the risks were too low: {expected} banned rows expected, {bans} came; {ratio} times as many (95 % "
            "interval {low} to {high}).",
            **words,
        )
    return say(
        "In total {expected} banned rows were expected and {bans} came: {ratio} times as many (95 % interval {low} to {high}), "
        "not clearly too many or too few.",
        **words,
    )


def compared(report: dict[str, Any], say: Texts) -> Section | None:
    """Average precision of everybody, and what the differences allow to say."""
    if not report["overall"]:
        return None
    name = "average_precision"
    found = [(who, _interval(report, f"{name} {who}"), _interval(report, f"{name} {MODEL} - {who}")) for who in WHO]
    rows = [
        [
            Cell(say(NAMES[who])),
            Cell(say.decimals(own["value"], 3)),
            Cell(between((own["low"], own["high"]), lambda value: say.decimals(value, 3), say)),
            Cell("" if gap is None else say.decimals(gap["value"], 3)),
            Cell("" if gap is None else between((gap["low"], gap["high"]), lambda v: say.decimals(v, 3), say)),
            Cell("" if gap is None else verdict(gap["low"], gap["high"], say)),
        ]
        for who, own, gap in found
        if own is not None
    ]
    said = [verdict_of(who, gap, say) for who, _, gap in found if gap is not None]
    text = say(
        "Average precision tells how well the riskiest lines come first: 1 is perfect, and by chance it would be {rate}. "
        "Intervals are by drawing lines anew; differences are of the same draws.",
        rate=say.decimals(ratio_of(report["bans"], report["rows"]), 3),
    )
    head = [say("Who"), say("average precision"), say("95 % interval"), say("model less this"), say("95 % interval")]
    blocks = [Block(items=said), Block(text=text), Block(head=[*head, say("in words")], rows=rows, numbers=True)]
    # Warnings are told above, where a ban may come later than the headline; two shares of bans warned of would puzzle.
    shown = {
        who: {key: value for key, value in metrics.items() if key not in ("bans_warned_share", "days_of_warning_median", name)}
        for who, metrics in report["overall"].items()
    }
    quality = quality_table(shown, report["flags"], NAMES, say)
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
        "value": say.decimals(gap["value"], 3),
        **ends((gap["low"], gap["high"]), lambda value: say.decimals(value, 3)),
    }
    if gap["low"] is not None and gap["low"] > 0:
        return say("✓ The model is clearly better than the {who}: by {value} (95 % interval {low} to {high}).", **words)
    if gap["high"] is not None and gap["high"] < 0:
        return say("✗ The model is clearly worse than the {who}: by {value} (95 % interval {low} to {high}).", **words)
    return say(
        "? The model is not clearly better than the {who}: the difference is {value}, its 95 % interval {low} to {high} holds 0.",
        **words,
    )


def _interval(report: dict[str, Any], name: str) -> dict[str, Any] | None:
    return next((entry for entry in report["intervals"] if entry["name"] == name), None)
