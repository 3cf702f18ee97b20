"""A backtest as one page that a person reads, in Chinese and English: no network, no script."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models import pages
from models.backtest_page.answers import opening
from models.backtest_page.content import sections
from models.pages.texts import LANGUAGES, Texts


def render(report: dict[str, Any], language: str) -> str:
    """The page of a report (BacktestReport.to_dict(), or its JSON); it opens in `language`, "zh" or "en", and holds both."""
    opens = Texts(language)
    said = [(Texts(name), sections(report, Texts(name))) for name in LANGUAGES]
    openings = {name: opening(report, Texts(name)) for name in LANGUAGES}
    title = f"{report['first']} – {report['last']}"
    template = pages.environment(Path(__file__).parent / "templates").get_template("backtest.html.j2")
    return template.render(said=said, title=title, language=opens.language, openings=openings)
