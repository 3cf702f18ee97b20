"""The playbook: what a company can do for a line at risk. Read from playbook.toml, checked, and put into the model."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from data_schemas.errors import BadInput
from features.catalogue import CATALOGUE

PLAYBOOK = Path(__file__).parent / "playbook.toml"
LANGUAGES = ("zh", "en")
_KEYS = {"name", "families", "reasons", "features", "title", "text"}


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    families: families of reasons that call for it. reasons: patterns `family:name` of single reasons that do too.
    features: patterns `family:name` of what it eases. title, text: language -> words for people.
    """

    name: str
    families: tuple[str, ...]
    reasons: tuple[str, ...]
    features: tuple[str, ...]
    title: Mapping[str, str]
    text: Mapping[str, str]


def load_playbook(path: Path = PLAYBOOK) -> tuple[Action, ...]:
    """The actions in the order of the file; BadInput names the action and what it lacks."""
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
    if not lists["families"] and not lists["reasons"]:
        raise BadInput(f"{path}: action `{name}` has no families and no reasons, so nothing calls for it; add one")
    for key in ("title", "text"):
        words = entry.get(key)
        for language in LANGUAGES:
            if not isinstance(words, dict) or not isinstance(words.get(language), str) or not words[language].strip():
                raise BadInput(f"{path}: action `{name}` lacks {key}.{language}; add it")
    return Action(name, lists["families"], lists["reasons"], lists["features"], entry["title"], entry["text"])
