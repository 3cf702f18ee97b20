"""What a training published, as those who score read it."""

from __future__ import annotations

from data_schemas.home import Home
from data_schemas.settings import Settings
from models.tracking import connect
from serving.published import Forecast


def registered(home: Home, settings: Settings, version: str) -> Forecast:
    """The forecast of a registered version, such as `bancast/3`, read from the registry of `home` and from nothing else."""
    registry = connect(home, settings)
    name, number = version.rsplit("/", 1)
    return Forecast.read(registry.download(registry.resolve(name, number), home.model_cache))
