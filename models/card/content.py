"""What the model card says, in one language, from plain data: sections of texts, lists and tables (Mitchell et al., 2019)."""

from __future__ import annotations

from typing import Any

from models.groups import FEW_FLAGGED, FEW_LINES, RATIO
from models.pages.content import Block, Cell, Section, band_table, facts, horizon_table, quality_table, span
from models.pages.texts import N_, Texts

WHO = {
    "model": N_("this model"),
    "rule": N_("rule of today"),
    "logistic": N_("logistic regression"),
    "champion": N_("champion before"),
}
KINDS = {
    "carrier": N_("Carrier"),
    "number_pool": N_("Number pool"),
    "team": N_("Team"),
    "pool_size": N_("Lines in the pool"),
    "line_age": N_("Days since activation"),
}
SOURCES = {
    "complaints": N_("complaints"),
    "messages": N_("messages"),
    "policies": N_("policies"),
    "calls": N_("calls"),
    "bans": N_("bans"),
}
ENTRIES = {"others": N_("others, put together"), "unknown": N_("not known")}


def sections(card: dict[str, Any], say: Texts) -> list[Section]:
    """The whole card. `card` is what models.card.measure gives, with version, promoted and why once they are known."""
    parts = (_about, _use, _data, _training, _quality, _calibration, _groups, _fairness, _importance, _limits)
    return [part(card, say) for part in parts]


def _about(card: dict[str, Any], say: Texts) -> Section:
    promoted = card.get("promoted")
    standing = (
        None if promoted is None else say("champion: it scores the lines") if promoted else say("challenger: on trial only")
    )
    table = facts(
        say,
        (say("Model"), card.get("version") or card["model"]),
        (say("Standing after this training"), standing),
        (say("Verdict as recorded in MLflow"), card.get("why")),
        (say("Date of training"), card["made"]),
        (say("bancast version"), card["bancast"]),
        (say("MLflow run"), card["run_id"]),
        (say("Random seed"), str(card["seed"])),
    )
    return Section(say("Model"), [table])


def _use(card: dict[str, Any], say: Texts) -> Section:
    what = (
        say(
            "It estimates how likely the carrier bans a phone line within {n} days, so that lines can be helped to comply "
            "in time.",
            n=say.number(card["horizon"]),
        )
        if card["horizon"]
        else say("It estimates how likely a row of the feature table is labelled 1.")
    )
    return Section(
        say("What it is for, and what not"),
        [
            Block(text=what),
            Block(
                items=[
                    say(
                        "For: pacing calls, raising call quality, settling complaints, choosing clean pools, appealing "
                        "wrongful bans."
                    ),
                    say("For: planning capacity, so that a ban does not stop the business."),
                    say("Not for: evading the controls of a carrier or a regulator, such as rotating numbers to hide volume."),
                    say(
                        "Not for: judging, paying or punishing people; a risk says something about a line, not about who uses it."
                    ),
                    say("Not for: acting without a person who looks at the line and its reasons."),
                ]
            ),
        ],
    )


def _data(card: dict[str, Any], say: Texts) -> Section:
    period, rows = card["period"], card["rows"]
    blocks = [
        facts(
            say,
            (say("Known strictly before"), card["trained_until"]),
            (say("First and last snapshot"), span(period.get("first"), period.get("last"))),
            (say("Last snapshot that the judged twin learnt from"), period.get("train_until")),
            (say("Test snapshots"), span(period.get("test_from"), period.get("test_to"))),
            (say("Lines"), say.number(card["lines"])),
            (say("Calls"), None if card["calls"] is None else say.number(card["calls"])),
            (say("Rows"), say.number(rows["all"])),
            (say("Rows whose outcome is not known yet or censored"), say.number(rows["unknown"])),
            (say("Bans learnt from"), say.number(card["bans"])),
            (say("Test rows"), say.number(rows["test"])),
            (say("Data fingerprint"), card["fingerprint"]),
        )
    ]
    blocks.append(
        Block(
            items=[
                say("Not given: {source}; {n} features are missing.", source=source, n=say.number(len(lost)))
                for source, lost in ((say(SOURCES.get(name, name)), lost) for name, lost in card["missing"].items())
            ]
            or [say("No optional source of features was missing.")]
        )
    )
    return Section(say("Data"), blocks)


def _training(card: dict[str, Any], say: Texts) -> Section:
    said = [
        say(
            "One discrete-time hazard model of all horizons: LightGBM's trees beside a ridge regression, by the weight that "
            "out-of-time rows gave each, calibrated on rows that they have not learnt from."
        ),
        say(
            "All figures of this card are of an evaluation twin: the same procedure, which learnt only from what precedes the "
            "test rows. The published model learnt from all rows, the test rows too."
        ),
    ]
    if card["gap"]:
        said.append(
            say(
                "Learning and test rows are parted by time, with {n} days between them; no row is drawn at random into the test.",
                n=say.number(card["gap"]),
            )
        )
    return Section(say("How it was trained"), [Block(items=said)])


def _quality(card: dict[str, Any], say: Texts) -> Section:
    said = say("All on the same test rows. Where rows were thinned, those kept weigh more, here and below.")
    blocks = [Block(text=said), quality_table(card["metrics"], card["flags"], WHO, say)]
    if card["horizon"]:
        blocks.append(horizon_table(card["horizons"], say))
    return Section(say("How good it is, beside the baselines"), blocks)


def _calibration(card: dict[str, Any], say: Texts) -> Section:
    return Section(
        say("Do the risks mean what they say?"),
        [
            Block(text=say("Rows by band of risk, with about as many bans expected in each.")),
            band_table(card["calibration"], say),
        ],
    )


def _groups(card: dict[str, Any], say: Texts) -> Section:
    blocks = [
        Block(
            text=say(
                "Flagged: among the {n} riskiest lines of a snapshot, over all lines. Found: share of banned rows that were "
                "flagged. False flags: share of rows without a ban that were flagged. Brackets: 95 % interval by distinct bans.",
                n=say.number(card["flags"]),
            )
        )
    ]
    measures = (
        say("lines"),
        say("rows"),
        say("bans"),
        say("expected"),
        say("observed"),
        say("expected / observed"),
        say("average precision"),
        say("precision"),
        say("found"),
        say("false flags"),
        say("false flags elsewhere"),
    )
    for kind, label in KINDS.items():
        own = [row for row in card["groups"] if row["kind"] == kind]
        if own:
            blocks.append(Block(head=[say(label), *measures], rows=[_group_row(row, say) for row in own]))
    if len(blocks) == 1:
        blocks.append(Block(text=say("The rows name no carrier, pool or team, so no groups were compared.")))
    return Section(say("By group of lines"), blocks)


def _group_row(row: dict[str, Any], say: Texts) -> list[Cell]:
    ratio = say.number(row["expected_over_observed"], 2)
    interval = "–".join(say.number(row[f"expected_over_observed_{end}"], 2).replace("–", "∞") for end in ("low", "high"))
    cells = [
        name_of(row, say),
        say.number(row["lines"]),
        say.number(row["rows"]),
        say.number(row["bans"]),
        say.number(row["expected"], 1),
        say.number(row["observed"]),
        f"{ratio} [{interval}]",
        say.number(row["average_precision"], 3),
        *(say.percent(row[name]) for name in ("precision", "true_positive_rate")),
        *(say.percent(row[name]) for name in ("false_positive_rate", "rest_false_positive_rate")),
    ]
    return [Cell(cell) for cell in cells]


def name_of(row: dict[str, Any], say: Texts) -> str:
    """What a group is called."""
    entry = row["entry"]
    return row["group"] if entry == "named" else say(ENTRIES[entry])


def _value(value: float, say: Texts) -> str:
    return say.number(value, 0 if abs(value) >= 1000 else 2 if abs(value) >= 1 else 3)


def _chance(p: float, say: Texts) -> str:
    return f"= {say.number(p, 4)}" if p >= 0.0001 else f"< {say.number(0.0001, 4)}"


def _kind(row: dict[str, Any], say: Texts) -> str:
    kind = KINDS[row["kind"]]
    return say(kind)


def _fairness(card: dict[str, Any], say: Texts) -> Section:
    found = card["findings"]
    said = [
        say(
            "Over-flagged at equal outcome: {kind} “{group}”. Of its rows without a ban {own} were flagged, elsewhere {rest}: "
            "{ratio} times as many (p {p}).",
            kind=_kind(row, say),
            group=name_of(row, say),
            own=say.percent(row["false_positive_rate"]),
            rest=say.percent(row["rest_false_positive_rate"]),
            ratio=say.number(row["false_positive_ratio"], 1).replace("–", "∞"),
            p=_chance(row["p_flags"], say),
        )
        for row in found["over_flagged"]
    ]
    for name in ("over_expected", "under_expected"):
        for row in found[name]:
            words = {
                "kind": _kind(row, say),
                "group": name_of(row, say),
                "expected": say.number(row["expected"], 1),
                "observed": say.number(row["observed"]),
                "p": _chance(row["p_level"], say),
            }
            if name == "over_expected":
                said.append(
                    say(
                        "Risks too high: {kind} “{group}”. {expected} banned rows were expected, {observed} came (p {p}).",
                        **words,
                    )
                )
            else:
                said.append(
                    say(
                        "Risks too low: {kind} “{group}”. {expected} banned rows were expected, {observed} came (p {p}).",
                        **words,
                    )
                )
    compared = sum(row["kind"] != "all" for row in card["groups"])
    if compared and not found["over_flagged"]:
        said.insert(0, say("No group was found to be over-flagged. With few bans that is no proof that none is."))
    if found["too_few"]:
        said.append(
            say(
                "{n} of {all} groups have too few flags to be judged: fewer than {few} lines flagged without a ban.",
                n=say.number(len(found["too_few"])),
                all=say.number(compared),
                few=say.number(FEW_FLAGGED),
            )
        )
    how = say(
        "A group is called over-flagged when its share of false flags is more than {ratio} times that of all other lines and "
        "chance explains such a gap in fewer than 5 % of cases (by lines, corrected for the number of groups). Groups of "
        "fewer than {lines} lines are put together.",
        ratio=say.number(RATIO, 1),
        lines=say.number(FEW_LINES),
    )
    return Section(say("Fairness among lines"), [Block(items=said), Block(text=how)] if compared else [Block(text=how)])


def _importance(card: dict[str, Any], say: Texts) -> Section:
    families = [[Cell(say.family(row["family"])), Cell(say.percent(row["share"]), row["share"])] for row in card["families"]]
    features = [
        [
            Cell(say.feature(row["feature"])),
            Cell(row["feature"]),
            Cell(say.family(row["family"])),
            Cell(say.percent(row["share"])),
        ]
        for row in card["features"]
    ]
    bands = [
        [
            Cell(row["feature"]),
            Cell(say("not known") if row["low"] is None else span(_value(row["low"], say), _value(row["high"], say)) or ""),
            Cell(say.number(row["rows"])),
            Cell(say.number(row["shap"], 3)),
        ]
        for row in card["dependence"]
    ]
    return Section(
        say("What it looks at"),
        [
            Block(
                text=say(
                    "Mean absolute SHAP value (in log-odds) on {n} test rows drawn at random, of the evaluation twin, summed "
                    "over the features of a family. It tells what the model uses, not what causes a ban.",
                    n=say.number(card["sample"]),
                )
            ),
            Block(head=[say("Family"), say("share")], rows=families),
            Block(head=[say("Feature"), say("name"), say("Family"), say("share")], rows=features),
            Block(text=say("What the strongest features add to the log-odds, by their value; the pictures show the same rows.")),
            Block(head=[say("Feature"), say("value"), say("rows"), say("mean SHAP")], rows=bands),
        ],
    )


def _limits(card: dict[str, Any], say: Texts) -> Section:
    tested = card["metrics"]["model"].get("bans")
    items = [
        say(
            "The test has {n} rows banned; with so few, small differences between figures are not to be read as an order.",
            n=say.number(tested),
        )
    ]
    if card["horizon"]:
        items += [
            say("Bans become known late: rows whose outcome is not yet sure are left out, so the newest days are not judged."),
            say("A line given up without a ban within the horizon is censored: left out, not counted as safe."),
            say("A risk is as of a local midnight: what happens during the day shows from the next day on."),
            say(
                "Judged on one stretch of time of one company. Not tested: other companies, carriers or countries that are not "
                "in the data, and changes of the carriers' rules after it."
            ),
        ]
        without = card["carriers_without_ban"]
        if without:
            names = "; ".join(without)
            items.append(say("No ban was seen of carriers: {names}. Risks there rest on other carriers.", names=names))
    else:
        items.append(say("Judged on rows of one file. Not tested: rows from elsewhere or of another time."))
    return Section(say("Limits"), [Block(items=items)])
