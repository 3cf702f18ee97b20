"""What the page of a backtest says, in one language, from plain data: first the answers, then what they rest on."""

from __future__ import annotations

from typing import Any

from models import plots
from models.backtest_page.answers import calibration, compared, red, warning
from models.backtest_page.common import between, level_text, picture, ratio_of
from models.backtest_page.groups import group_tables
from models.pages.content import Block, Cell, Section, facts, horizon_table, span
from models.pages.recorded import recorded
from models.pages.texts import N_, Texts
from models.replay import FROZEN, MODEL
from models.resampling import share_interval

DEGREES = {"full": N_("full"), "regularised": N_("regularised (few bans)")}


def sections(report: dict[str, Any], say: Texts) -> list[Section]:
    """The whole page. Parts of which the report says nothing are left out, but for those that would be missed."""
    answers = (red, warning, calibration, compared)
    rest = (*group_tables(), _horizons, _trainings, _policy, _counts, _ablation, _learning, _notes)
    found = [part(report, say) for part in (*answers, _about, *rest)]
    return [part for part in found if part is not None]


def _about(report: dict[str, Any], say: Texts) -> Section:
    said = [
        say(
            "A row is one line on one scored day. It counts as banned when a ban began within {n} days. No risk on this page is "
            "of a row that its model had learnt from.",
            n=say.number(report["horizon"]),
        ),
        say(
            "Model: the newest one trained. Champion: the newest one that had passed the gate. Logistic regression: learnt from "
            "the same rows. Rule of today: fixed limits, as ops watched them without a model. All are judged on the same rows."
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
        (say("Share banned"), say.percent(ratio_of(report["bans"], report["rows"]))),
        (say("Flags each scored day"), say.number(report["flags"])),
        (say("Bans known until"), report["known_until"]),
        (say("Data fingerprint"), report["fingerprint"]),
    )
    return Section(say("How this was measured"), [Block(items=said), table])


def _horizons(report: dict[str, Any], say: Texts) -> Section | None:
    if not report["horizons"]:
        return None
    table = horizon_table(report["horizons"], say)
    table.numbers = True
    text = say(
        "The model at each horizon, on the rows whose outcome is known there. Nearer bans are rarer, which alone lowers "
        "average precision."
    )
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
            Cell(say("✓ becomes champion") if one["promoted"] else say("✗ does not pass")),
        ]
        for one in trainings
    ]
    whys = [f"{one['until']}: {recorded(one['why'], say)}" for one in trainings if one["why"]]
    text = say(
        "The model of each training scored the days until the next. The gate lets it replace the champion only where it is at "
        "least as good on the same recent rows."
    )
    blocks = [Block(text=text), Block(head=head, rows=rows, numbers=True), Block(items=whys)]
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
    everyone = say("all carriers")
    found = [f"{name or everyone} {say.percent(value)}" for name, value in known.items() if value is not None]
    return "; ".join(found) or say("nothing promised")


def _policy(report: dict[str, Any], say: Texts) -> Section:
    title = say("Alarms of the policy watch")
    alarms = sorted(report["policy"], key=lambda alarm: (alarm["day"], alarm["carrier"]))
    if not alarms:
        return Section(
            title, [Block(text=say("The watch would have raised no alarm: no carrier seemed to have become stricter."))]
        )
    head = [say("Day of the alarm"), say("Carrier"), say("bans from"), say("to"), say("expected"), say("observed")]
    rows = [
        [
            Cell(alarm["day"]),
            Cell(alarm["carrier"]),
            Cell(alarm["since"]),
            Cell(alarm["to"]),
            Cell(say.decimals(alarm["expected"], 1)),
            Cell(say.number(alarm["observed"])),
            Cell(say.decimals(alarm["ratio"], 2)),
            Cell(between((alarm["low"], alarm["high"]), lambda value: say.decimals(value, 2), say)),
            Cell(say.number(alarm["days_to_alarm"])),
            *(Cell(_known(alarm[f"{who}_{when}"], say)) for when in ("before", "after") for who in (MODEL, FROZEN)),
        ]
        for alarm in alarms
    ]
    text = say(
        "On these days the watch would have said that a carrier seems stricter, since more bans came than the risks said. The "
        "last columns are average precision on that carrier's lines, of the model and of one that is never renewed."
    )
    head += [
        say("times as many"),
        say("90 % interval"),
        say("days to the alarm"),
        say("before: model"),
        say("before: never renewed"),
        say("after: model"),
        say("after: never renewed"),
    ]
    return Section(title, [Block(text=text), Block(head=head, rows=rows, numbers=True)])


def _known(value: float | None, say: Texts) -> str:
    return "–" if value is None else say.decimals(value, 3)


def _counts(report: dict[str, Any], say: Texts) -> Section | None:
    if not report["counts"]:
        return None
    kinds = {"carrier": say("Carrier"), "team": say("Team")}
    said = []
    for entry in report["counts"]:
        low, high = share_interval(entry["covered"] * entry["groups"], entry["groups"])
        words = {
            "kind": kinds.get(entry["name"], entry["name"]),
            "level": level_text(entry["level"], say),
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
            Cell(say.decimals(entry["average_precision"], 3)),
            Cell(say.decimals(entry["difference"], 3)),
            Cell(between((entry["low"], entry["high"]), lambda value: say.decimals(value, 3), say)),
            Cell(_needed(entry, say)),
        ]
        for entry in found
    ]
    text = say(
        "The model trained again without one family of features, and what that cost. A family may cost nothing because others "
        "say the same."
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
            Cell(say.decimals(entry["average_precision"], 3)),
        ]
        for entry in found
    ]
    text = say("The same days judged after learning from less history. A curve that still rises says that more would help.")
    drawn = picture(
        plots.learning_plot(found, say), say("Average precision against the days of history learnt from."), say, "learning"
    )
    return Section(say("Would more history help?"), [Block(text=text), drawn, Block(head=head, rows=rows, numbers=True)])


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
