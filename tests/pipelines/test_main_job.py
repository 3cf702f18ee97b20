"""`bancast run` on a simulated world, and each command after it on the same home."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest

from data_schemas.home import Home
from data_schemas.lake import Lake
from features.catalogue import CATALOGUE
from tests.checks import wrong_with_scores

FAMILIES = {feature.name: feature.family for feature in CATALOGUE}


@pytest.fixture(scope="module")
def raw(world: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(world / f"{name}.parquet") for name in ("lines", "bans", "calls")}


def test_the_main_job_leaves_scores_that_pass_every_check(job, raw):
    as_of = date.fromisoformat(job.summary["as_of"])
    last = raw["calls"]["started_at"].max().tz_convert("Asia/Shanghai").date()
    assert as_of == last + timedelta(days=1)
    path = Home(job.home).scores_file(as_of)
    assert job.summary["score"]["file"] == str(path)
    assert not wrong_with_scores(path, as_of, raw, FAMILIES)


def test_the_main_job_leaves_the_ranking_and_a_registered_model(job):
    folder = Home(job.home).report_folder(date.fromisoformat(job.summary["as_of"]))
    assert sorted(path.name for path in folder.iterdir()) == [
        "model-card.html",
        "ranking.csv",
        "ranking.html",
        "ranking.xlsx",
    ]
    assert all(path.stat().st_size > 1000 for path in folder.iterdir())
    trained = job.summary["train"]
    assert trained["version"] == "bancast/1" and trained["bans"] >= 20 and trained["trained_until"] == job.summary["as_of"]
    assert {"model", "rule", "logistic"} <= set(trained["metrics"])
    assert not {path.name for path in job.home.iterdir()} & {"mlruns"}


def test_prefect_shows_what_a_person_would_want_to_see_of_it(job):
    from prefect.settings import PREFECT_API_URL

    answer = httpx.post(f"{PREFECT_API_URL.value()}/artifacts/filter", json={"limit": 200}).raise_for_status()
    shown = {artifact["key"]: artifact["data"] for artifact in answer.json()}
    assert {"validation-counts", "metrics", "mlflow-run", "top-lines", "ranking-files"} <= set(shown)
    day = job.summary["as_of"]  # the server also keeps what other tests left
    tops = [a["data"] for a in answer.json() if a["key"] == "top-lines" and day in (a["description"] or "")]
    top = max((json.loads(data) for data in tops), key=len)
    assert len(top) == 20 and [row["rank"] for row in top] == list(range(1, 21))
    assert "logistic" in shown["metrics"] and "/runs/" in shown["mlflow-run"]


def test_the_rows_of_every_table_are_accounted_for(job):
    for table in job.summary["ingest"]["tables"].values():
        assert table["rows_in"] == table["accepted"] + table["duplicates"] + sum(table["quarantined"].values())


def test_the_summary_is_plain_json_and_says_what_was_done(job):
    assert job.summary["command"] == "run" and job.summary["status"] == "done" and job.summary["lacking"] is None
    assert json.loads(json.dumps(job.summary)) == job.summary
    assert sum(job.summary["score"]["levels"].values()) == job.summary["score"]["lines"]


def test_a_re_run_doubles_nothing(job, world, bancast):
    home = Home(job.home)
    before = (Lake(home.lake).rows("calls"), Lake(home.lake).rows("bans"))
    again = bancast("run", world, "--home", home.root, "--json")
    assert again.code == 0 and again.summary["ingest"]["changed"] is False
    assert before == (Lake(home.lake).rows("calls"), Lake(home.lake).rows("bans"))
    assert len(list(home.scores.rglob("scores.parquet"))) == 1
    assert again.summary["score"]["lines"] == job.summary["score"]["lines"]


def test_past_days_can_be_scored_shown_and_monitored(job, raw, bancast):
    as_of = date.fromisoformat(job.summary["as_of"]) - timedelta(days=21)
    model = job.summary["score"]["alias"]
    scored = bancast("score", "--as-of", as_of, "--model", model, "--home", job.home, "--json")
    assert scored.code == 0
    assert not wrong_with_scores(Path(scored.summary["file"]), as_of, raw, FAMILIES)
    shown = bancast("report", "--as-of", as_of, "--home", job.home)
    assert shown.code == 0 and f"{job.home}/reports/{as_of}/ranking.html" in shown.out
    watched = bancast("monitor", "--home", job.home, "--json").summary
    mature = [row for row in watched["outcomes"] if row["as_of"] == as_of.isoformat()]
    assert [row["horizon"] for row in mature] == [1, 3, 7, 14]
    risk = pd.read_parquet(scored.summary["file"])
    local = raw["bans"]["banned_at"].dt.tz_convert("Asia/Shanghai").dt.tz_localize(None)
    start = pd.Timestamp(as_of)
    hit = set(raw["bans"]["line_id"][(local >= start) & (local < start + pd.Timedelta(days=7))])
    assert mature[2]["observed"] == len(hit & set(risk["line_id"]))
    assert {row["kind"] for row in watched["drift"]} == {"risk", "feature"}


def test_the_labelled_table_has_every_feature_at_every_step(job, bancast, tmp_path):
    last = date.fromisoformat(job.summary["as_of"])
    out = tmp_path / "table.parquet"
    first = last - timedelta(days=28)
    done = bancast("features", "--from", first, "--to", last, "--every", "14d", "--out", out, "--home", job.home, "--json")
    assert done.code == 0 and done.summary["days"] == 3
    table = pd.read_parquet(out)
    assert len(table) == done.summary["rows"] and set(FAMILIES) <= set(table)
    assert sorted(table["as_of"].dt.date.unique()) == [first, first + timedelta(days=14), last]
    assert [path.name for path in tmp_path.iterdir()] == ["table.parquet"]


def test_a_finished_table_goes_the_same_way(bancast, tmp_path):
    rng = np.random.default_rng(5)
    calls = rng.gamma(2.0, 30.0, 800)
    share = rng.random(800)
    banned = (rng.random(800) < 1 / (1 + np.exp(4 - calls / 30 + 2 * share))).astype(int)
    table = pd.DataFrame({"phone": [f"P{n:04d}" for n in range(800)], "calls": calls, "answered": share, "banned": banned})
    table.to_csv(tmp_path / "lines.csv", index=False)
    table.drop(columns="banned").to_csv(tmp_path / "new.csv", index=False)
    from tests.pipelines.conftest import quick_home

    home = quick_home(tmp_path / "home")
    trained = bancast("train", "--table", tmp_path / "lines.csv", "--label", "banned", "--id", "phone", "--home", home, "--json")
    assert trained.code == 0 and trained.summary["version"] == "bancast-table/1"
    number = trained.summary["version"].split("/")[1]
    out = tmp_path / "scores.csv"
    done = bancast("score", "--table", tmp_path / "new.csv", "--out", out, "--model", number, "--home", home)
    assert done.code == 0
    scores = pd.read_csv(out)
    assert list(scores) == ["phone", "risk", "rank", "level", "reasons"] and len(scores) == 800
    assert scores["rank"].tolist() == list(range(1, 801)) and scores["risk"].between(0, 1).all()
