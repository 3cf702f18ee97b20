"""The ranking for ops: one page, XLSX and CSV of a scored day, in Chinese and English."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from data_schemas.atomic import sync
from data_schemas.errors import check_place
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings

FILES = ("ranking.html", "ranking.xlsx", "ranking.csv")
APPEALS = "appeals"
"""The folder of documents of bans worth an appeal, beside FILES where there are any."""
CARD = "model-card.html"
"""The card of the model that scored the day, beside FILES where a training of this home has left one."""
_VERSION = re.compile(r"[^/\\.][^/\\]*/\d+")
Progress = Callable[[str, float], None]


def write_report(
    home: Home,
    settings: Settings,
    as_of: date,
    *,
    scores: Path | None = None,
    lake: Lake,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the ranking of a scored day to home.report_folder(as_of), replacing an earlier one.

    scores: a scores file to show instead of the home's own of that day. progress: called with what is being done and the
    share of the whole that is done. Returns the paths and the headline numbers. The files are written aside and renamed
    one by one at the end, so a crash leaves the old report. The documents of bans worth an appeal lie in a folder beside it.
    BadInput when the day has no scores, or they cannot be read.
    """
    from serving.actions import load_playbook
    from serving.report import files, page
    from serving.report.data import LEVELS, read_ranking

    tell = progress or (lambda what, share: None)
    tell("read scores and lines", 0.0)
    folder = home.report_folder(as_of)
    check_place(folder.parent)
    ranking = read_ranking(home, settings, as_of, lake, scores)
    playbook = {action.name: action for action in load_playbook(settings.actions.playbook)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = folder.parent / f".{as_of.isoformat()}-{os.getpid()}-{uuid4().hex[:8]}"
    work.mkdir()
    try:
        tell("ranking.html", 0.4)
        (work / FILES[0]).write_text(page.render(ranking, playbook, settings.language), encoding="utf-8")
        tell("ranking.xlsx", 0.5)
        sections = {name: getattr(ranking.extras, name) for name in files.SHEETS}
        files.write_xlsx(work / FILES[1], ranking, playbook, settings.language, sections)
        tell("ranking.csv", 0.9)
        files.write_csv(work / FILES[2], ranking, playbook, settings.language)
        write_documents = ranking.extras.write_documents
        if write_documents:
            tell(APPEALS, 0.95)
            (work / APPEALS).mkdir()
            write_documents(work / APPEALS)
        page_of_model = _card(home, ranking.model_version)
        if page_of_model:
            shutil.copyfile(page_of_model, work / CARD)
        names = [*FILES, CARD] if page_of_model else [*FILES]
        letters = sorted(f"{APPEALS}/{path.name}" for path in (work / APPEALS).glob("*"))
        for name in [*names, *letters]:
            sync(work / name)
        folder.mkdir(exist_ok=True)
        if letters:
            (folder / APPEALS).mkdir(exist_ok=True)
        if not page_of_model:
            # An earlier report of the day may have shown another model's.
            (folder / CARD).unlink(missing_ok=True)
        # The page comes last: what it leads to is there.
        for name in [*letters, *reversed(names)]:
            os.replace(work / name, folder / name)
        _remove_others(folder / APPEALS, letters)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    tell("report done", 1.0)
    totals = ranking.totals
    return {
        "as_of": as_of.isoformat(),
        "folder": str(folder),
        "files": {
            **{name.rsplit(".", 1)[1]: str(folder / name) for name in FILES},
            **({"card": str(folder / CARD)} if page_of_model else {}),
            **({"appeals": str(folder / APPEALS)} if letters else {}),
        },
        "lines": totals.lines,
        **{level: totals.levels[level] for level in LEVELS},
        "expected_bans": None if totals.expected is None else round(totals.expected, 2),
        "headline_days": ranking.headline,
        "previous": ranking.previous.as_of.isoformat() if ranking.previous else None,
        "new": ranking.new,
        "up": ranking.up,
        "cleared": len(ranking.cleared),
        "gone": len(ranking.gone),
        "model_version": ranking.model_version,
        "data_fingerprint": ranking.data_fingerprint,
        "trained_until": ranking.trained_until,
    }


def _remove_others(folder: Path, kept: list[str]) -> None:
    """Removes what an earlier report of the day has left in a folder of documents, and the folder when it is empty."""
    if not folder.is_dir():
        return
    names = {name.rpartition("/")[2] for name in kept}
    for path in folder.iterdir():
        if path.is_file() and path.name not in names:
            path.unlink()
    if not names:
        with suppress(OSError):
            folder.rmdir()


def _card(home: Home, version: str) -> Path | None:
    """The page of the card of a version that was trained in this home; None where there is none."""
    # The name comes from a scores file: it must not lead out of the folder of cards.
    page = home.model_card(version) if _VERSION.fullmatch(version) else None
    return page if page and page.is_file() else None
