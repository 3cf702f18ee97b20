"""Slips of the pen in the names of settings, and which setting may be meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from difflib import get_close_matches

from pydantic import BaseModel

_PREFIX = "BANCAST_"


def nearly_variables(settings: type[BaseModel]) -> Iterator[tuple[str, str]]:
    """Variables of the environment that are nearly one of a setting or section, and would be passed over, with the one meant.

    Any other name that begins as ours do is somebody else's.
    """
    known = [_PREFIX + name.upper() for name in settings.model_fields]
    for variable in sorted(os.environ):
        name = variable.upper().partition("__")[0]
        if name.startswith(_PREFIX) and name not in known:
            for meant in get_close_matches(name, known, n=1, cutoff=0.9):
                yield variable, meant + variable[len(name) :]


def unknown(name: str, settings: type[BaseModel]) -> str:
    """What to say of a setting that there is none of, with the ones that may be meant."""
    known = list(_names(settings))
    key = name.rpartition(".")[2]
    meant = [other for other in known if other.rpartition(".")[2] == key] or get_close_matches(name, known, cutoff=0.75)
    return "no such setting" + (f" (is `{'` or `'.join(meant)}` meant?)" if meant else "")


def _names(model: type[BaseModel], before: str = "") -> Iterator[str]:
    """Every setting, with its section before it."""
    for name, info in model.model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _names(kind, f"{before}{name}.")
        else:
            yield f"{before}{name}"
