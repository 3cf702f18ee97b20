"""What the sections beside the ranking hold, made by hand after the contracts of the modules that work them out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from serving.coaching import NOBODY
from tests.serving.report.worlds import AS_OF, CARRIERS, TEAMS


def scorecard(ids: list[str]) -> dict[str, Any]:
    """Twelve judged weeks, last week's lines by name."""
    weeks = [_week(AS_OF - timedelta(days=7 * back), back) for back in range(12, 0, -1)]
    last = weeks[-1]
    line = {"level": "red", "rank": 3, "risk": 0.62}
    return {
        "days": 7,
        "weeks": weeks,
        "last": {
            "as_of": last["as_of"],
            "until": last["until"],
            "final": False,
            "hits": [line | {"line_id": ids[place], "banned": "2026-11-19", "days": 5 + place} for place in range(3)],
            "misses": [line | {"line_id": "not on the page", "level": "green", "risk": 0.02, "banned": "2026-11-20"}],
            "false_alarms": [line | {"line_id": ids[place], "level": "orange"} for place in range(3, 6)],
        },
        "more": {"hits": 5, "misses": 4, "false_alarms": 31},
        "note": None,
    }


def _week(day: date, back: int) -> dict[str, Any]:
    hits, misses, false_alarms = 6 + back % 5, 5 - back % 3, 30 + back
    return {
        "as_of": day.isoformat(),
        "until": (day + timedelta(days=7)).isoformat(),
        "scored": 300,
        "flagged": hits + false_alarms,
        "red": 20,
        "bans": hits + misses,
        "hits": hits,
        "misses": misses,
        "false_alarms": false_alarms,
        "precision": hits / (hits + false_alarms),
        "recall": hits / (hits + misses),
        "expected": 9.5 + back % 4,
        "warning": [3.0, 9.0, 21.0] if back % 2 else None,
        "final": back > 1,
        "hindsight": back > 11,
    }


def continuity() -> dict[str, Any]:
    """Bans to expect by team and carrier over one, two and four weeks, and what acting is worth."""

    def row(name: str | None, share: float) -> dict[str, Any]:
        return {
            "name": name,
            "lines": round(300 * share),
            "expected": [round(29.2 * share * factor, 2) for factor in (1, 1.8, 3.1)],
            "low": [round(20 * share), round(40 * share), round(70 * share)],
            "high": [round(39 * share), round(66 * share), round(112 * share)],
            "calls_day": round(4300 * share, 1),
            "lost_calls_day": [round(420 * share, 1), round(760 * share, 1), round(1300 * share, 1)],
            "spare_lines": [round(39 * share), round(66 * share), round(112 * share)],
        }

    return {
        "weeks": [1, 2, 4],
        "groups": {"team": [row(team, 1 / 6) for team in TEAMS], "carrier": [row(carrier, 1 / 3) for carrier in CARRIERS]},
        "total": row(None, 1.0),
        "plan": {
            "days": 7,
            "currency": "CNY",
            "flagged_lines": 129,
            "cost_nothing": 87600.0,
            "cost_flagged": 54200.0,
            "cost_best": 49800.0,
            "best_lines": 96,
            "threshold": 0.083,
        },
        "note": None,
    }


def coaching(anybody: bool = True) -> dict[str, Any]:
    """Two measures of teams and agents, of which one team and one agent stand out, or nobody."""

    def row(name: str, team: str | None, value: float) -> dict[str, Any]:
        out = anybody and value > 0.4
        measures = {
            "short": {"value": value, "usual": 0.22, "ratio": value / 0.22, "low": 1.7, "high": 2.4, "stands_out": out},
            "talk": {"value": 44.0, "usual": 41.0, "ratio": 1.07, "low": 0.9, "high": 1.3, "stands_out": False},
            "complaints": {"value": None, "usual": None, "ratio": None, "low": None, "high": None, "stands_out": False},
        }
        return {"name": name, "team": team, "calls": 5400, "lines": 48, "measures": measures}

    return {
        "days": 28,
        "measures": [
            {"name": "short", "label": "answered calls shorter than 5 s, share of answered", "unit": "share"},
            {"name": "talk", "label": "average talk time of answered calls", "unit": "s"},
            {"name": "complaints", "label": "complaints per 1,000 calls", "unit": "per 1,000 calls"},
        ],
        "teams": [row(team, None, 0.2 + 0.05 * place) for place, team in enumerate(TEAMS)],
        "nobody": None if anybody else NOBODY,
        "agents": [row(f"agent {place}", TEAMS[place], 0.2 + 0.05 * place) for place in range(6)],
        "note": None,
    }


def appeals(ids: list[str]) -> dict[str, Any]:
    """Two bans that look wrongful and two cases."""
    candidate = {
        "ban_id": "B1",
        "line_id": ids[0],
        "carrier": CARRIERS[0],
        "team": TEAMS[0],
        "banned": "2026-11-18",
        "level": "green",
        "risk": 0.012,
        "rank": 240,
        "scored": "2026-11-16",
        "points": [["过去 28 天没有投诉", "No complaint in the last 28 days"], ["拨打量低于上限", "Calls below the limit"]],
        "document": {"zh": "appeal-B1-zh.html", "en": "appeal-B1-en.html"},
    }
    case = {
        "id": "C1",
        "line_id": ids[1],
        "ban_id": "B7",
        "state": "sent",
        "since": "2026-11-02",
        "due": "2026-11-16",
        "late": True,
    }
    other = case | {
        "id": "C2",
        "line_id": "no longer here",
        "state": "drafted",
        "since": "2026-11-20",
        "due": None,
        "late": False,
    }
    return {
        "candidates": [candidate, candidate | {"ban_id": "B2", "line_id": "banned line"}],
        "cases": [case, other],
        "note": None,
    }
