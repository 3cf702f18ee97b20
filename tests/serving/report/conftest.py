import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.actions import load_playbook
from serving.alerts.acks import Ack
from serving.grades import GRADES
from serving.report import page, write_report
from serving.report.extras import Extras
from tests.serving.report import sections
from tests.serving.report.large import ranking_of
from tests.serving.report.worlds import AS_OF, lake_of, scored_home


@pytest.fixture(scope="package")
def written(tmp_path_factory) -> tuple[Home, dict]:
    """A home of 300 lines with nine weeks of scores, and what write_report said of its newest day."""
    home = scored_home(tmp_path_factory.mktemp("ranking"), [action.name for action in load_playbook()])
    summary = home.scores_file(AS_OF).with_name("summary.json")
    groups = [{"by": "carrier", "group": "North Telecom", "lines": 100, "expected": 9.5, "low": 5, "high": 14, "level": 0.8}]
    summary.write_text(json.dumps({"trained_until": "2026-10-26", "bans_by": groups, "spread": {"carrier": 0.05}}))
    return home, write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake_of(300))


@pytest.fixture(scope="package")
def pages(tmp_path_factory):
    """Writes the page of a company of any number of lines, with every section filled: once for each number."""
    folder, made = tmp_path_factory.mktemp("pages"), {}
    playbook = {action.name: action for action in load_playbook()}

    def page_of(count: int) -> Path:
        if count not in made:
            ids = [f"L{place:06d}" for place in range(1, count + 1)]
            letters, rng = np.array([*"ABCD", None], dtype=object), np.random.default_rng(3)
            extras = Extras(
                grades=pd.DataFrame({"line_id": ids, **{name: letters[rng.integers(0, 5, count)] for name in GRADES}}),
                scorecard=sections.scorecard(ids),
                continuity=sections.continuity(),
                coaching=sections.coaching(),
                appeals=sections.appeals(ids),
                acks={"L000042": Ack("L000042", AS_OF, AS_OF + timedelta(days=2), "名单<b>已核查</b>")},
            )
            made[count] = folder / f"{count}.html"
            ranking = ranking_of(count, list(playbook), extras=extras)
            made[count].write_text(page.render(ranking, playbook, "en"), encoding="utf-8")
        return made[count]

    return page_of
