"""Where alerts go: the channels of the settings, each called by a name that gives nothing of its URL away."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from data_schemas.errors import BadInput
from data_schemas.settings import Settings

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

_SCHEME = re.compile(r"([a-z]{2,20})://")


@dataclass(frozen=True)
class Channel:
    """One channel.

    name: what the log, the terminal and errors call it. service: Apprise's name of the service (its secure scheme, e.g. jsons).
    teams: whose lines it is told of, all when empty. language: "zh" or "en". url: Apprise's, never shown.
    """

    name: str
    service: str
    teams: tuple[str, ...]
    language: str
    url: str = field(repr=False)


def channels_of(settings: Settings) -> list[Channel]:
    """The channels of the settings; BadInput names the entry that Apprise does not take, and never shows it."""
    alerts = settings.alerts
    given = [(f"alerts.urls, entry {place}", url, None, (), None) for place, url in enumerate(alerts.urls, 1)]
    tables = [
        (f"alerts.channels, entry {place}", one.url, one.name, one.teams, one.language)
        for place, one in enumerate(alerts.channels, 1)
    ]
    channels: dict[str, Channel] = {}
    for where, secret, name, teams, language in [*given, *tables]:
        url = secret.get_secret_value()
        service = service_of(url)
        if service is None:
            scheme = _SCHEME.match(url)
            says = f"begins `{scheme[0]}`" if scheme else "has no scheme like `dingtalk://`"
            raise BadInput(f"setting `{where}`: no URL that Apprise takes ({says}); docs/alerts.md shows the forms")
        name = name or f"{_scheme(url, service)}-{_mark(url)}"
        if name in channels:
            raise BadInput(f"setting `{where}`: channel {name} is there twice; remove one, or give each its own `name`")
        channels[name] = Channel(name, service, teams, language or settings.language, url)
    return list(channels.values())


def plugin_of(url: str) -> NotifyBase | None:
    """Apprise's plugin for a URL, None when it takes no such URL; anew each time, as a plugin waits between its messages."""
    import apprise

    # What it is told it is called stands in messages; no emoji may come of a name like `:x:`.
    asset = apprise.AppriseAsset(app_id="bancast", app_desc="bancast", app_url="", async_mode=False, interpret_emojis=False)
    with hushed():
        plugin = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
    return plugin if plugin is not None and hasattr(plugin, "notify") else None


def service_of(url: str) -> str | None:
    """The secure scheme of the service that a URL belongs to, None when Apprise takes no such URL."""
    plugin = plugin_of(url)
    if plugin is None:
        return None
    scheme = plugin.secure_protocol or plugin.protocol
    return scheme if isinstance(scheme, str) else str(next(iter(scheme or [plugin.service_name])))


@contextmanager
def hushed() -> Iterator[None]:
    """Apprise and what it stands on log nothing meanwhile: their lines quote tokens, of URLs that do not fit above all."""
    loggers = [logging.getLogger(name) for name in ("apprise", "urllib3", "requests")]
    before = [logger.disabled for logger in loggers]
    children = [logging.getLogger(name) for name in list(logging.root.manager.loggerDict) if name.startswith("urllib3.")]
    loggers, before = [*loggers, *children], [*before, *(child.disabled for child in children)]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, was in zip(loggers, before, strict=True):
            logger.disabled = was


def _scheme(url: str, service: str) -> str:
    found = _SCHEME.match(url)
    return found[1] if found and found[1] not in ("http", "https") else service


@lru_cache(maxsize=100)
def _mark(url: str) -> str:
    """Eight hexadecimal digits of a URL, by a hash too slow to try passwords on."""
    return hashlib.scrypt(url.encode(), salt=b"bancast alert channel", n=2**14, r=8, p=1, dklen=4).hex()
