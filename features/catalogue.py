"""The list of all features, in the order of their columns. The families are named here, one by one."""

from __future__ import annotations

from pathlib import Path

from features import behaviour, complaints, frequency, history, hours, number_pool, policy, quality, roaming
from features.feature import Feature
from features.programs import code_of

FAMILIES = {
    "frequency": frequency,
    "complaints": complaints,
    "roaming": roaming,
    "behaviour": behaviour,
    "quality": quality,
    "hours": hours,
    "number_pool": number_pool,
    "policy": policy,
    "history": history,
}


def _collect() -> tuple[Feature, ...]:
    found: dict[str, Feature] = {}
    for family, module in FAMILIES.items():
        for feature in module.FEATURES:
            if feature.name in found:
                raise ValueError(f"feature `{feature.name}` is declared twice: in {found[feature.name].family} and {family}")
            if feature.family != family:
                raise ValueError(f"feature `{feature.name}` of {module.__name__} says it belongs to {feature.family}")
            found[feature.name] = feature
    return tuple(found.values())


CATALOGUE: tuple[Feature, ...] = _collect()
_CODE = code_of(Path(__file__).parent)
"""As it was loaded: a process goes on with it when the files change."""


def fingerprint() -> str:
    """A hash of the code that makes the features: another declaration or formula makes another table."""
    return _CODE
