"""Pictures of a home's newest ranking for the README: `python tools/screenshots.py HOME [--out docs/images]`.

Writes ranking-en.png and ranking-zh.png, 1500 pixels wide. Needs Playwright (a development dependency) and a Chromium.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, HEIGHT = 1500, 1300
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]


def chromium() -> str | None:
    """Where a Chromium of this machine is; None when there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def newest(home: Path) -> Path:
    """The newest ranking of a home; exits with a word when there is none."""
    pages = sorted(home.glob("reports/*/ranking.html"))
    if not pages:
        raise SystemExit(f"{home}: no reports yet; run `bancast report --home {home}` first")
    return pages[-1]


def take(page_file: Path, out: Path, width: int = WIDTH, height: int = HEIGHT) -> list[Path]:
    """A picture in each language."""
    out.mkdir(parents=True, exist_ok=True)
    made = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("html[data-ready=true]")
        for language in ("en", "zh"):
            page.click(f"[data-language={language}]")
            page.evaluate("window.scrollTo(0, 0); document.activeElement.blur()")
            made.append(out / f"ranking-{language}.png")
            page.screenshot(path=made[-1])
        browser.close()
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("home", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent.parent / "docs" / "images")
    options = parser.parse_args()
    for path in take(newest(options.home), options.out):
        print(path)
