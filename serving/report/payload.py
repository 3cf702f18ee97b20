"""The data of the page: a small part as plain values, and the columns of all its lines packed (see pack)."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from data_schemas.clock import day_number
from serving.actions import Action
from serving.grades import GRADES
from serving.report.data import FLAGGED, KINDS, LEVELS, WEEKS, DayTotals, PerLine, Ranking
from serving.report.groups import groups
from serving.report.pack import Packer, rounded
from serving.report.texts import ABOUT_RISK, ABOUT_RULE, LANGUAGES, SYMBOLS, dictionary, features, texts
from serving.report.texts import LEVELS as LEVEL_WORDS

MOST_NAMES = 500
"""Lines no longer scored that the page names."""
SHARE = 10_000
"""Shares are kept as whole numbers of so many."""
NONE = 65_535
"""No value, in a column of uint16."""
_LEVEL_BITS = 14
_TIE = 1e-3  # of a step: 0.57 x 10,000 is a little less than 5,700 in floating point
_PLAN = ("daily_calls", "rest_days", "from", "to", "leave_out")


def payload(ranking: Ranking, playbook: dict[str, Action]) -> tuple[dict[str, Any], str]:
    """The plain part, and the packed columns of the shown lines."""
    packer = Packer()
    names = _lines(packer, ranking)
    known = _reasons(packer, ranking.details["reasons"].head(ranking.shown))
    actions, plans = _actions(packer, ranking.details["actions"].head(ranking.shown), playbook)
    _weeks(packer, ranking)
    _history(packer, ranking)
    gone = list(ranking.gone.items())
    plain = {
        "asOf": ranking.as_of.isoformat(),
        "horizons": ranking.horizons,
        "headline": ranking.horizons.index(ranking.headline),
        "days": 7 * WEEKS,
        "total": len(ranking.lines),
        "shown": ranking.shown,
        "levels": [[level, SYMBOLS[level], LEVEL_WORDS[level]] for level in LEVELS],
        "totals": _day(ranking.totals),
        "previous": _day(ranking.previous) if ranking.previous else None,
        "trend": [_day(day) for day in ranking.trend],
        "forecasts": ranking.forecasts,
        "about": ABOUT_RISK if ranking.forecasts else ABOUT_RULE,
        "interval": total_interval(ranking),
        "newLines": ranking.new,
        "upLines": ranking.up,
        "clearedLines": len(ranking.cleared),
        "goneLines": len(gone),
        "goneBanned": len(ranking.gone_banned),
        "gone": [[name, LEVELS.index(level), name in ranking.gone_banned] for name, level in gone[:MOST_NAMES]],
        "names": names,
        "features": known,
        "actions": actions,
        "plans": plans,
        "acks": _acks(ranking),
        "grades": [name for name in GRADES if ranking.lines[name].notna().any()],
        "gradeWords": {name: asdict(grade) for name, grade in GRADES.items()},
        "groups": {kind: [_group(one) for one in groups(ranking, kind)] for kind in KINDS},
        "families": families(ranking),
        "sections": {name: getattr(ranking.extras, name) for name in ("scorecard", "continuity", "coaching", "appeals")},
        "languages": list(LANGUAGES),
        "zh": dictionary(),
        "columns": packer.shape,
    }
    return plain, packer.text()


def _acks(ranking: Ranking) -> dict[str, list[str | None]]:
    """Shown lines that somebody looks after: until when (None: until they have left red), and the note."""
    shown = set(ranking.lines["line_id"].head(ranking.shown))
    acks = {line: ack.to_dict() for line, ack in sorted(ranking.extras.acks.items()) if line in shown}
    return {line: [ack["until"], ack["note"]] for line, ack in acks.items()}


def families(ranking: Ranking) -> list[dict[str, Any]]:
    """How many lines on the list have their strongest reason in each family, most first: name, label, lines."""
    reasons = ranking.details["reasons"]
    listed = ranking.lines["level"].isin(FLAGGED).to_numpy() & (reasons.counts > 0)
    first = (np.cumsum(reasons.counts) - reasons.counts)[listed]
    field = reasons.field("family")
    if field is None or not len(first):
        return []
    counts = pd.Series(field.take(pa.array(first)).to_pylist()).value_counts()
    return [{"name": str(name), "label": _family(str(name)), "lines": int(count)} for name, count in counts.items()]


def total_interval(ranking: Ranking) -> list[int] | None:
    """The bans to expect of all lines within the headline horizon, at the least and at the most.

    None where the scores do not say how bans cluster, which alone makes a range worth telling.
    """
    plan = ranking.extras.continuity
    weeks = [7 * week for week in plan["weeks"]] if plan else []
    if not plan or not ranking.summary.get("spread") or ranking.headline not in weeks:
        return None
    place = weeks.index(ranking.headline)
    return [plan["total"]["low"][place], plan["total"]["high"][place]]


def _lines(packer: Packer, ranking: Ranking) -> dict[str, list[str]]:
    """Who the lines are, how much and since when; returns the names of teams, carriers and pools."""
    lines = ranking.lines.head(ranking.shown)
    ids = json.dumps([str(name) for name in lines["line_id"]], ensure_ascii=False, separators=(",", ":"))
    packer.add("ids", np.frombuffer(ids.encode("utf-8"), dtype=np.uint8), "uint8")
    packer.add("rank", lines["rank"].to_numpy(), "uint32")
    packer.add("level", _places(lines["level"]), "uint8")
    packer.add("level_before", _places(lines["level_before"]), "uint8")
    for place, days in enumerate(ranking.horizons):
        packer.add(f"risk_{place}", _shares(lines[f"risk_{days}d"].to_numpy()), "uint16")
    packer.add("risk_before", _shares(lines["risk_before"].to_numpy()), "uint16")
    red = np.ceil(lines["days_to_red"].to_numpy(dtype=float))
    packer.add("days_to_red", np.where(np.isnan(red), NONE, red), "uint16")
    listed = lines["since"].notna().to_numpy()
    on = np.where(listed, day_number(ranking.as_of) - ranking.history.since[: len(lines)], NONE)
    packer.add("listed", on, "uint16")
    packer.add("new", lines["new"].to_numpy(), "uint8")
    packer.add("up", lines["up"].to_numpy(), "uint8")
    for name in ("calls_7d", "talk_7d", "complaints_28d", "bans"):
        packer.add(name, lines[name].to_numpy(), "uint32")
    for name in GRADES:
        letters = lines[name].map({letter: place for place, letter in enumerate("ABCD", 1)})
        packer.add(f"grade_{name}", letters.fillna(0).to_numpy(dtype=float), "uint8")
    names = {}
    for kind in KINDS:
        codes, found = pd.factorize(lines[kind].astype(object), use_na_sentinel=True)
        packer.add(kind, codes + 1, "uint32")
        names[kind] = [str(name) for name in found]
    return names


def _reasons(packer: Packer, reasons: PerLine) -> list[dict[str, Any]]:
    """Why; returns the features that the codes stand for, with words and unit."""
    packer.add("reasons", reasons.counts, "uint8")
    feature, family = reasons.field("feature"), reasons.field("family")
    if feature is None or family is None:
        packer.add("reason", np.empty(0), "uint16")
        return []
    encoded = feature.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    packer.add("reason", codes, "uint16")
    for name in ("value", "usual"):
        values = reasons.field(name)
        numbers = np.full(len(codes), np.nan) if values is None else values.to_numpy(zero_copy_only=False)
        packer.add(f"reason_{name}", rounded(numbers), "float32")
    _, first = np.unique(codes, return_index=True)
    kinds = family.take(pa.array(first)).to_pylist()
    known = features()
    return [
        {
            "name": kind,
            "family": _family(kind),
            "doc": [texts(language).feature(name) for language in LANGUAGES],
            "unit": known[name].unit if name in known else "",
        }
        for name, kind in zip(encoded.dictionary.to_pylist(), kinds, strict=True)
    ]


def _actions(
    packer: Packer, actions: PerLine, playbook: dict[str, Action]
) -> tuple[list[dict[str, Any]], list[list[int | str | None]]]:
    """What to do, the risk expected after it, and the plan tried; returns the actions and the plans of the codes."""
    packer.add("actions", actions.counts, "uint8")
    names, after = actions.field("action"), actions.field("risk_after")
    if names is None or after is None:
        packer.add("action", np.empty(0), "uint16")
        return [], []
    encoded = names.dictionary_encode()
    packer.add("action", encoded.indices.to_numpy(zero_copy_only=False), "uint16")
    packer.add("action_after", _shares(after.to_numpy(zero_copy_only=False)), "uint16")
    below = actions.field("below")
    said = np.zeros(len(after)) if below is None else pc.add(pc.fill_null(below.cast(pa.int8()), -1), 1).to_numpy()
    packer.add("action_below", said, "uint8")
    fields = {name: found for name in _PLAN if (found := actions.field("plan", name)) is not None}
    plans: list[list[int | str | None]] = []
    if fields:
        table = pa.table(fields).to_pandas(types_mapper=None).astype(object)
        table = table.where(table.notna(), None)
        keys = pd.Series(list(table.reindex(columns=list(_PLAN)).itertuples(index=False, name=None)), dtype=object)
        codes, distinct = pd.factorize(keys)
        plans = [[_plain(part) for part in plan] for plan in distinct]
        packer.add("action_plan", codes, "uint32")
    found = [_action(name, playbook) for name in encoded.dictionary.to_pylist()]
    return found, plans


def _weeks(packer: Packer, ranking: Ranking) -> None:
    """Calls of each of the last days; complaints and bans where there were any."""
    packer.add("calls", ranking.calls, "uint16")
    for name, (place, day, count) in (("complaints", ranking.complaints), ("banned", ranking.bans)):
        packer.add(name, np.bincount(place, minlength=ranking.shown), "uint8")
        packer.add(f"{name}_day", day, "uint8")
        packer.add(f"{name}_count", count, "uint16")


def _history(packer: Packer, ranking: Ranking) -> None:
    """Risk and level on earlier scored days, in 16 bits: the level above, the risk below; all set where not scored."""
    level = ranking.history.levels[:, : ranking.shown].astype(np.int32)
    risk = _shares(ranking.history.risks[:, : ranking.shown]).astype(np.int32)
    unknown = (level < 0) | (risk == NONE)
    packer.add("history", np.where(unknown, NONE, (level << _LEVEL_BITS) | risk), "uint16")


def _places(levels: pd.Series) -> np.ndarray:
    """Levels as places in LEVELS; 255 where there is none."""
    return levels.map({level: place for place, level in enumerate(LEVELS)}).fillna(255).to_numpy(dtype=float)


def _shares(values: np.ndarray) -> np.ndarray:
    """Shares in whole steps of SHARE, cut and not rounded: the page rounds what it shows, and twice would be once too often.

    Where it rounds lies on a step, so that a cut share falls on the side of the whole one. None above 0 becomes 0.
    """
    values = np.asarray(values, dtype=float)
    steps = np.floor(values * SHARE + _TIE)
    return np.where(np.isnan(values), NONE, np.where(values > 0, np.maximum(steps, 1), steps))


def _plain(value: Any) -> int | str | None:
    return value if value is None or isinstance(value, str) else int(value)


def _family(name: str) -> list[str]:
    return [texts(language).family(name) for language in LANGUAGES]


def _group(found: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: found[name] for name in ("name", "lines", "levels", "range")},
        "expected": _rounded(found["expected"]),
    }


def _day(day: DayTotals) -> dict[str, Any]:
    return {
        "day": day.as_of.isoformat(),
        "lines": day.lines,
        "levels": [day.levels[level] for level in LEVELS],
        "flagged": sum(day.levels[level] for level in FLAGGED),
        "expected": _rounded(day.expected),
    }


def _rounded(expected: float | None) -> float | None:
    return None if expected is None else round(expected, 6)


def _action(name: str, playbook: dict[str, Action]) -> dict[str, Any]:
    known = playbook.get(name)
    return {
        "title": [known.title[language] if known else name for language in LANGUAGES],
        "text": [known.text[language] if known else "" for language in LANGUAGES],
    }
