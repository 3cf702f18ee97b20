"""The playbook: what a company can do for a line at risk. Read from playbook.toml, checked, and put into the model."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from data_schemas.errors import BadInput
from features.catalogue import CATALOGUE, FAMILIES

PLAYBOOK = Path(__file__).parent / "playbook.toml"
LANGUAGES = ("zh", "en")
PLAN_DAYS = 7
"""Days before the scored one that a plan is tried on: no rest is longer."""
_KEYS = {"name", "families", "reasons", "features", "plan", "title", "text"}
_LADDERS = {
    "daily_calls": "shares of the line's usual calls a day, above 0 and up to 1, each smaller than the one before",
    "rest": f"whole days, 1 to {PLAN_DAYS}, each more than the one before",
    "hours": "",
    "leave_out": "",
}
"""Kind of a plan -> what its ladder holds; "": it has none."""


@dataclass(frozen=True)
class Ladder:
    """How a line's calls are changed, from the smallest change to the greatest.

    kind: daily_calls (steps: calls a day at most, shares of the line's usual ones), rest (steps: last days without calls), hours
    (calls in the carrier's permitted hours only) or leave_out (no calls to those who had complained); the last two have one step.
    """

    kind: str
    steps: tuple[float, ...]


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    families: families of reasons that call for it. reasons: patterns `family:name` of single reasons that do too.
    features: patterns `family:name` of what it eases. title, text: language -> words for people. plan: how the line's calls
    would change, where the action says so.
    """

    name: str
    families: tuple[str, ...]
    reasons: tuple[str, ...]
    features: tuple[str, ...]
    title: Mapping[str, str]
    text: Mapping[str, str]
    plan: Ladder | None = None


def load_playbook(path: Path | None = None) -> tuple[Action, ...]:
    """The actions in the order of the file, bancast's own when None; BadInput names the action and what it lacks."""
    path = path or PLAYBOOK
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable as TOML ({error}); correct it or restore the one that bancast brings") from None
    entries = data.get("action")
    if not isinstance(entries, list) or not entries:
        raise BadInput(f"{path}: has no [[action]]; restore the one that bancast brings")
    actions = tuple(_action(path, entry) for entry in entries)
    names = [action.name for action in actions]
    for name in names:
        if names.count(name) > 1:
            raise BadInput(f"{path}: action `{name}` is there twice; give each its own name")
    return actions


def for_model(actions: Iterable[Action], features: Iterable[Mapping[str, Any]] | None = None) -> list[dict[str, Any]]:
    """The actions as model.json keeps them: name, families, reasons and features, patterns resolved to names of features.

    features: those of the model, with name and family each; the whole catalogue when None. Actions that no reason of such
    a model can call for are left out.
    """
    described = [feature.describe() for feature in CATALOGUE] if features is None else features
    known = [(str(feature["family"]), str(feature["name"])) for feature in described]
    own = {family for family, _ in known}

    def matching(patterns: tuple[str, ...]) -> list[str]:
        return [name for family, name in known if any(fnmatchcase(f"{family}:{name}", pattern) for pattern in patterns)]

    found = []
    for action in actions:
        families, reasons = [family for family in action.families if family in own], matching(action.reasons)
        if families or reasons:
            eased = matching(action.features)
            found.append({"name": action.name, "families": families, "reasons": reasons, "features": eased})
    return found


def _action(path: Path, entry: dict[str, Any]) -> Action:
    name = entry.get("name")
    if not isinstance(name, str) or not name:
        raise BadInput(f"{path}: an action has no name; give each a `name`")
    strange = sorted(set(entry) - _KEYS)
    if strange:
        raise BadInput(f"{path}: action `{name}` has `{strange[0]}`, which is none of {', '.join(sorted(_KEYS))}; remove it")
    lists: dict[str, tuple[str, ...]] = {}
    for key in ("families", "reasons", "features"):
        value = entry.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise BadInput(f"{path}: action `{name}`: `{key}` must be a list of words")
        if key != "families" and not all(":" in item for item in value):
            raise BadInput(f"{path}: action `{name}`: `{key}` must be written as family:name, e.g. complaints:complaint_rate*")
        lists[key] = tuple(value)
    for family in lists["families"]:
        if family not in FAMILIES:
            raise BadInput(
                f"{path}: action `{name}`: `families` has `{family}`, which is none of {', '.join(FAMILIES)}; correct it"
            )
    for key in ("reasons", "features"):
        for pattern in lists[key]:
            if not any(fnmatchcase(f"{feature.family}:{feature.name}", pattern) for feature in CATALOGUE):
                raise BadInput(
                    f"{path}: action `{name}`: `{key}` has `{pattern}`, which no feature matches; see docs/features.md"
                )
    if not lists["families"] and not lists["reasons"]:
        raise BadInput(f"{path}: action `{name}` has no families and no reasons, so nothing calls for it; add one")
    for key in ("title", "text"):
        words = entry.get(key)
        for language in LANGUAGES:
            if not isinstance(words, dict) or not isinstance(words.get(language), str) or not words[language].strip():
                raise BadInput(f"{path}: action `{name}` lacks {key}.{language}; add it")
    return Action(
        name, lists["families"], lists["reasons"], lists["features"], entry["title"], entry["text"], _plan(path, name, entry)
    )


def _plan(path: Path, name: str, entry: dict[str, Any]) -> Ladder | None:
    if "plan" not in entry:
        return None
    plan = entry["plan"]
    if not isinstance(plan, dict) or set(plan) - {"kind", "ladder"}:
        raise BadInput(
            f"{path}: action `{name}`: `plan` must be a table of `kind` and, where that has steps, `ladder`; correct it"
        )
    kind = plan.get("kind")
    if not isinstance(kind, str) or kind not in _LADDERS:
        raise BadInput(f"{path}: action `{name}`: `plan.kind` is `{kind}`, which is none of {', '.join(_LADDERS)}; correct it")
    if not _LADDERS[kind]:
        if "ladder" in plan:
            raise BadInput(f"{path}: action `{name}`: `plan.ladder` has no meaning for a plan of kind `{kind}`; remove it")
        return Ladder(kind, (1.0,))
    steps = plan.get("ladder")
    if not isinstance(steps, list) or not steps or not _climbs(kind, steps):
        raise BadInput(
            f"{path}: action `{name}`: `plan.ladder` must be {_LADDERS[kind]}, from the smallest change on; correct it"
        )
    return Ladder(kind, tuple(float(step) for step in steps))


def _climbs(kind: str, steps: list[Any]) -> bool:
    if any(isinstance(step, bool) or not isinstance(step, int | float) for step in steps):
        return False
    if kind == "daily_calls":
        return all(0 < step <= 1 for step in steps) and all(later < one for one, later in pairwise(steps))
    whole = all(isinstance(step, int) and 1 <= step <= PLAN_DAYS for step in steps)
    return whole and all(later > one for one, later in pairwise(steps))
