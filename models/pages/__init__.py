"""Pages about models that a person reads, in Chinese and English: words, parts and templates that they have in common."""

from __future__ import annotations

from pathlib import Path

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


def environment(folder: Path) -> jinja2.Environment:
    """Templates of a folder, which can build on those that all pages share; HTML is escaped."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, _TEMPLATES]),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        trim_blocks=True,
        lstrip_blocks=True,
    )
