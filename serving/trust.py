"""From an alias in the registry to a forecast that may be trusted: files only, each held against what was published.

Nothing that comes with a model is run or unpickled: the bundle is text and JSON, and `published.verify` refuses the rest.
"""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Protocol, TypeVar

from data_schemas.errors import BadInput
from data_schemas.home import Home
from serving.published import Forecast
from serving.treeshap import TreeShap


class Version(Protocol):
    """A registered version (models.tracking.ModelVersion)."""

    @property
    def name(self) -> str:
        """The registered name."""

    @property
    def version(self) -> str:
        """Its number."""

    @property
    def run_id(self) -> str:
        """The run that made it."""

    @property
    def manifest_sha256(self) -> str:
        """SHA-256 of the bundle's manifest, as kept in the registry."""


AnyVersion = TypeVar("AnyVersion", bound=Version)


class Registry(Protocol[AnyVersion]):
    """What scoring needs of a registry (models.tracking.Registry)."""

    def resolve(self, name: str, alias: str) -> AnyVersion:
        """The version behind an alias; BadInput when there is none."""

    def download(self, version: AnyVersion, folder: Path) -> Path:
        """The folder of its bundle, somewhere below `folder`."""


def trusted_forecast(
    registry: Registry[AnyVersion], home: Home, name: str, alias: str, threads: int = 0
) -> tuple[Forecast, AnyVersion]:
    """The verified forecast behind an alias, and which version that is.

    BadInput when there is none, when the registry does not know the SHA-256 of its manifest, or when any file differs.
    A copy that is refused leaves the cache, so that a later run fetches it anew.
    """
    version = registry.resolve(name, alias)
    label = f"{version.name}/{version.version}"
    if not version.manifest_sha256:
        raise BadInput(f"model {label}: the registry has no manifest_sha256 for it; publish it with `bancast train`")
    folder = registry.download(version, home.model_cache)
    try:
        return _checked(folder, version.manifest_sha256, threads), version
    except ValueError as error:
        if folder.resolve().is_relative_to(home.model_cache.resolve()):
            shutil.rmtree(folder, ignore_errors=True)
        raise BadInput(f"model {label} is refused: {error}; choose another version or train again") from None


def _checked(folder: Path, sha256: str, threads: int) -> Forecast:
    path = folder / "manifest.json"
    if not path.is_file():
        raise ValueError(f"{path}: not there; this is no model bundle")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(f"{path}: SHA-256 differs from the one in the registry")
    forecast = _read(folder, threads)
    if forecast.version != sha256[:12]:
        raise ValueError(f"{path}: changed while it was read")
    return forecast


def _read(folder: Path, threads: int) -> Forecast:
    """A verified bundle, explained the quick way."""
    forecast = Forecast.read(folder, threads=threads)
    forecast.explain = TreeShap()
    return forecast
