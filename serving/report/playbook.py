"""The titles and texts of the playbook's actions, for the ranking."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from data_schemas.errors import BadInput

PLAYBOOK = Path(__file__).parent.parent / "playbook.toml"


@dataclass(frozen=True)
class Action:
    """What an action is called and what it asks for, by language ("zh", "en")."""

    name: str
    title: dict[str, str]
    text: dict[str, str]


@lru_cache(maxsize=4)
def read_actions(path: Path = PLAYBOOK) -> dict[str, Action]:
    """name -> Action; BadInput when the file cannot be read or an action lacks a text in a language."""
    try:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable as TOML ({error}); correct it or restore the one that bancast brings") from None
    found = {}
    for entry in data.get("action", data.get("actions", [])):
        action = Action(entry["name"], entry.get("title", {}), entry.get("text", {}))
        for language in ("zh", "en"):
            if not action.title.get(language) or not action.text.get(language):
                raise BadInput(f"{path}: action `{action.name}` lacks title.{language} or text.{language}; add it")
        found[action.name] = action
    return found
