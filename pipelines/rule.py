"""The rule baseline in the place of a registered model, for a company with too few bans to learn from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from data_schemas.settings import Settings

RULE = "rule"
"""In place of an alias: the rule that ops teams use today, with no model."""


@dataclass(frozen=True)
class RuleVersion:
    """The rule as scores name it: rule/1, made by no run."""

    manifest_sha256: str
    name: str = RULE
    version: str = "1"
    run_id: str = ""


class RuleRegistry:
    """Looks like a registry to serving.scoring; the one version in it is the rule with the limits of the settings.

    folder: where its bundle is written; empty before. fingerprint: of the data that is scored.
    """

    def __init__(self, folder: Path, settings: Settings, as_of: date, fingerprint: str) -> None:
        from models.pipeline import rule_bundle

        self.bundle = rule_bundle(folder, settings, as_of, fingerprint)

    def resolve(self, name: str, alias: str) -> RuleVersion:
        """The rule, whatever is asked for."""
        return RuleVersion(hashlib.sha256((self.bundle / "manifest.json").read_bytes()).hexdigest())

    def download(self, version: RuleVersion, folder: Path) -> Path:
        """The bundle where it was written."""
        return self.bundle
