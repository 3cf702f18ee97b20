"""The ranking as one HTML page that holds all it needs: data, words of both languages, styles, scripts and charts."""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections import Counter
from typing import Any

import jinja2
from markupsafe import Markup

from serving.actions import Action
from serving.report.data import FLAGGED, LEVELS, WEEKS, DayTotals, Ranking
from serving.report.texts import FOLDER, LANGUAGES, SYMBOLS, dictionary, texts
from serving.report.texts import LEVELS as LEVEL_WORDS

ASSETS = FOLDER / "assets"
SCRIPTS = ("vendor/echarts.common.min.js", "words.js", "charts.js", "detail.js", "table.js", "main.js")
GROUPS = ("team", "carrier", "number_pool")
MOST_GROUPS = 200
"""Groups of one kind that the page lists; the rest is summed up in one row."""


def render(ranking: Ranking, playbook: dict[str, Action], language: str) -> str:
    """The page, opening in `language`."""
    scripts = [(ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS]
    say = texts(language)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["_"] = say
    return environment.get_template("ranking.html.j2").render(
        language=language,
        say=say,
        ranking=ranking,
        levels=[(level, SYMBOLS[level], LEVEL_WORDS[level]) for level in LEVELS],
        style=Markup((ASSETS / "page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        policy=_policy(scripts),
        data=Markup(_script_safe(payload(ranking, playbook))),
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


class _Table:
    """Values that recur, each kept once; rows name them by place."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[Any, int] = {}

    def place(self, key: Any, value: Any = None) -> int:
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(key if value is None else value)
        return self._places[key]


def payload(ranking: Ranking, playbook: dict[str, Action]) -> dict[str, Any]:
    """The data of the page as plain values."""
    names = {kind: _Table() for kind in GROUPS}
    features, quantities, actions = _Table(), _Table(), _Table()
    rows = []
    for line in ranking.lines.head(ranking.shown).to_dict("records"):
        identity = line["line_id"]
        reasons = [
            [
                features.place(reason["feature"], _feature(reason)),
                *(quantities.place(_both(reason["feature"], reason[key])) for key in ("value", "usual")),
            ]
            for reason in line["reasons"]
        ]
        rows.append(
            {
                "id": str(identity),
                "rank": int(line["rank"]),
                "level": LEVELS.index(line["level"]),
                "risk": [_share(line[f"risk_{days}d"]) for days in ranking.horizons],
                "groups": [names[kind].place(line[kind]) if isinstance(line[kind], str) else -1 for kind in GROUPS],
                "since": line["since"].isoformat() if line["since"] else "",
                "new": int(line["new"]),
                "reasons": reasons,
                "actions": [
                    [actions.place(one["action"], _action(one["action"], playbook)), _share(one["risk_after"])]
                    for one in line["actions"]
                ],
                "calls": _daily(ranking, identity),
                "complaints": ranking.complaints.get(identity, []),
                "bans": ranking.bans.get(identity, []),
                "facts": [int(line[name]) for name in ("calls_7d", "talk_7d", "complaints_28d", "bans")],
            }
        )
    return {
        "asOf": ranking.as_of.isoformat(),
        "horizons": ranking.horizons,
        "headline": ranking.horizons.index(ranking.headline),
        "days": 7 * WEEKS,
        "hasPrevious": ranking.previous is not None,
        "total": len(ranking.lines),
        "levels": [[level, SYMBOLS[level], LEVEL_WORDS[level]] for level in LEVELS],
        "totals": _day(ranking.totals),
        "previous": _day(ranking.previous) if ranking.previous else None,
        "trend": [_day(day) for day in ranking.trend],
        "cleared": [str(line) for line in ranking.cleared],
        "gone": [str(line) for line in ranking.gone],
        "newLines": ranking.new,
        "names": {kind: table.values for kind, table in names.items()},
        "features": features.values,
        "quantities": quantities.values,
        "actions": actions.values,
        "groups": {kind: groups(ranking, kind) for kind in GROUPS},
        "families": families(ranking),
        "familyNames": [{"name": name, "label": _family(name)} for name in sorted({one["name"] for one in features.values})],
        "rows": rows,
        "languages": list(LANGUAGES),
        "zh": dictionary(),
    }


def groups(ranking: Ranking, kind: str) -> list[dict[str, Any]]:
    """Teams, carriers or pools by the bans expected among their lines, most first; over all lines.

    Each has name (None: not known), lines, levels (counts, worst first) and expected (bans within the headline horizon).
    """
    lines = ranking.lines
    keys = lines[kind].astype(object).where(lines[kind].notna(), None)
    by = lines.assign(
        _expected=lines[ranking.risk], **{level: (lines["level"] == level).astype("int64") for level in LEVELS}
    ).groupby(keys, dropna=False, sort=True)
    table = (
        by[[*LEVELS, "_expected"]].sum().join(by.size().rename("lines")).sort_values("_expected", ascending=False, kind="stable")
    )
    found = [
        {
            "name": str(name) if isinstance(name, str) else None,
            "lines": int(row["lines"]),
            "levels": [int(row[level]) for level in LEVELS],
            "expected": round(float(row["_expected"]), 2),
        }
        for name, row in table.iterrows()
    ]
    return found[:MOST_GROUPS]


def families(ranking: Ranking) -> list[dict[str, Any]]:
    """How many lines on the list have their strongest reason in each family, most first: name, label, lines."""
    listed = ranking.lines.loc[ranking.lines["level"].isin(FLAGGED), "reasons"]
    counts = Counter(reasons[0]["family"] for reasons in listed if len(reasons))
    return [{"name": name, "label": _family(name), "lines": count} for name, count in counts.most_common()]


def _family(name: str) -> list[str]:
    return [texts(language).family(name) for language in LANGUAGES]


def _day(day: DayTotals) -> dict[str, Any]:
    return {
        "day": day.as_of.isoformat(),
        "lines": day.lines,
        "levels": [day.levels[level] for level in LEVELS],
        "flagged": sum(day.levels[level] for level in FLAGGED),
        "expected": round(day.expected, 2),
    }


def _share(value: float) -> float:
    return round(float(value), 4)


def _daily(ranking: Ranking, line: str) -> list[int]:
    calls = ranking.daily.get(line)
    return [] if calls is None or not calls.any() else [int(count) for count in calls]


def _both(feature: str, value: float | None) -> tuple[str, ...]:
    """A quantity in every language; the languages share it where it reads the same."""
    known = None if value is None or math.isnan(value) else float(value)
    words = [texts(language).quantity(feature, known) for language in LANGUAGES]
    return tuple(words) if len(set(words)) > 1 else (words[0],)


def _feature(reason: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": reason["family"],
        "family": _family(reason["family"]),
        "doc": [texts(language).feature(reason["feature"]) for language in LANGUAGES],
    }


def _action(name: str, playbook: dict[str, Action]) -> dict[str, Any]:
    known = playbook.get(name)
    return {
        "title": [known.title[language] if known else name for language in LANGUAGES],
        "text": [known.text[language] if known else "" for language in LANGUAGES],
    }
