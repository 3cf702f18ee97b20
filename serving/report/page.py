"""The ranking as one HTML page that holds all it needs: data, words of both languages, styles, scripts and charts."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import jinja2
from markupsafe import Markup

from serving.actions import Action
from serving.report.data import LEVELS, Ranking
from serving.report.extra_sheets import SHEETS
from serving.report.payload import payload
from serving.report.texts import BY_RULE, FOLDER, N_, SYMBOLS, texts
from serving.report.texts import LEVELS as LEVEL_WORDS

ASSETS = FOLDER / "assets"
SCRIPTS = (
    "vendor/echarts.common.min.js",
    "words.js",
    "lines.js",
    "charts.js",
    "parts.js",
    "table.js",
    "export.js",
    "line.js",
    "where.js",
    "scorecard.js",
    "sections.js",
    "main.js",
)
VIEWS = {
    "lines": N_("Ranking"),
    "changes": N_("What changed"),
    "where": N_("Teams, carriers, pools"),
    "scorecard": SHEETS["scorecard"],
    "capacity": SHEETS["continuity"],
    "coaching": SHEETS["coaching"],
    "appeals": SHEETS["appeals"],
    "about": N_("About"),
}
"""Each view of the page, with the word that leads to it: that of its sheet, where the workbook has one."""


def render(ranking: Ranking, playbook: dict[str, Action], language: str) -> str:
    """The page, opening in `language`."""
    scripts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    say = texts(language)
    plain, columns = payload(ranking, playbook)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["_"] = say
    return environment.get_template("ranking.html.j2").render(
        language=language,
        say=say,
        ranking=ranking,
        by_rule=BY_RULE,
        about=plain["about"],
        views=VIEWS,
        levels=[(level, SYMBOLS[level], LEVEL_WORDS[level]) for level in LEVELS],
        style=Markup((ASSETS / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        interval=plain["interval"],
        data=Markup(_script_safe(plain)),
        columns=Markup(columns),
    )


def _policy(scripts: list[str]) -> str:
    """A content security policy: nothing is fetched, and no script runs but the page's own, by fingerprint."""
    sums = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in sums)
    rest = "style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
    return f"default-src 'none'; script-src {allowed}; {rest}"


def _script_safe(value: Any) -> str:
    """JSON that cannot end the script element it stands in, whatever the names in it."""
    plain = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for char in "<>&\u2028\u2029":
        plain = plain.replace(char, f"\\u{ord(char):04x}")
    return plain
