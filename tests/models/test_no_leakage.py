"""Invariant 1 beyond features: labels, weights, calibration, thresholds and the whole bundle know nothing of the future."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from data_schemas.clock import day_date
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.catalogue import CATALOGUE
from models.dataset import Dataset, build_dataset
from models.labels import read_outcomes
from models.pipeline import last_midnight, snapshot_task
from models.training import write_bundle
from tests.models import worlds
from tests.models.conftest import Trained
from tests.models.worlds import FEW, UNTIL, Tables


def learnt(lake: Lake, settings: Settings, folder: Path, data: Dataset | None = None) -> tuple[Dataset, dict[str, bytes]]:
    """What `train_lake` learns from a lake until UNTIL: the dataset, and every file of the bundle."""
    day = last_midnight(lake, day_date(UNTIL))
    data = data or build_dataset(lake, settings, day, catalogue=FEW)
    write_bundle(snapshot_task(data, settings), folder, settings)
    return data, {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def assert_same(one: tuple[Dataset, dict[str, bytes]], other: tuple[Dataset, dict[str, bytes]]) -> None:
    assert_frame_equal(one[0].table, other[0].table, check_exact=True)
    assert_frame_equal(one[0].labels, other[0].labels, check_exact=True)
    np.testing.assert_array_equal(one[0].weight, other[0].weight)
    assert_frame_equal(one[0].outcomes.bans, other[0].outcomes.bans)
    assert one[0].outcomes.delay == other[0].outcomes.delay and one[0].outcomes.until == other[0].outcomes.until
    assert [feature.name for feature in one[0].features] == [feature.name for feature in other[0].features]
    assert one[0].fingerprint == other[0].fingerprint
    assert one[1] == other[1]


@pytest.fixture(scope="module")
def reference(lake: Lake, home: Home, few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, bytes]]:
    return learnt(lake, worlds.settings(home.root), tmp_path_factory.mktemp("reference") / "bundle", few)


def test_the_world_puts_every_part_to_the_test(reference, lake, tables):
    """Thinned rows, a reporting delay, calibration with bans, a future that would show."""
    data, files = reference
    assert (data.weight > 1).any() and data.outcomes.delay > 0 and (data.labels == 1).sum().min() > 5
    assert lake.days("calls")[-1] >= UNTIL + 10
    for part in ("", "evaluation/"):
        model = json.loads(files[f"{part}model.json"])
        assert model["notes"] == [] and all(len(set(curve["y"])) > 10 for curve in model["calibration"].values())
        assert model["degree"] == "full" and model["linear"]["share"] < 1 and f"{part}boosters/0.txt" in files
    late = worlds.known_at("bans", tables["bans"]) >= worlds.midnight(UNTIL)
    assert late.sum() > 3 and (tables["bans"]["banned_at"][late] < worlds.midnight(UNTIL)).any()


@pytest.mark.parametrize("seed", [1, 2])
def test_another_future_changes_nothing_of_what_is_learnt(reference, tables, tmp_path, seed):
    lake = worlds.lake_of(tmp_path / "home", worlds.other_future(tables, seed))
    assert_same(reference, learnt(lake, worlds.settings(tmp_path / "home"), tmp_path / "bundle"))


def test_corrections_that_came_later_change_nothing_of_what_was_learnt(reference, lake, home, tables, tmp_path):
    """Calls, bans, complaints and lines of the past are changed, retracted and added, all known after UNTIL."""
    shutil.copytree(home.lake, tmp_path / "home" / "lake")

    def corrected(own: Tables) -> None:
        rng = np.random.default_rng(5)
        day = (own["calls"]["started_at"] - worlds.START).dt.days
        calls = own["calls"][day.isin([5, 30, 31, 60, 75, 83])].reset_index(drop=True)
        some = calls.index[(rng.random(len(calls)) < 0.2) & calls["recorded_at"].isna()]
        calls.loc[some, "duration_s"] = 77
        calls.loc[some, "line_id"] = "L001"
        gone = calls.index[(rng.random(len(calls)) < 0.05) & calls["recorded_at"].isna()]
        own["calls"] = calls.drop(gone)
        after = worlds.midnight(UNTIL) + pd.Timedelta(days=3)
        own["bans"]["banned_at"] += pd.Timedelta(days=4)
        own["bans"]["lifted_at"] = pd.NaT
        own["bans"]["reported_at"] = after
        own["bans"] = own["bans"][own["bans"]["banned_at"] < after]
        own["complaints"]["line_id"] = "L002"
        own["complaints"]["received_at"] = after
        own["complaints"] = own["complaints"][own["complaints"]["occurred_at"] < after]
        own["lines"]["number_pool"] = "P9"

    changed = worlds.changed(tables, corrected)
    now = worlds.lake_of(tmp_path / "home", changed, worlds.midnight(UNTIL) + pd.Timedelta(days=5, hours=4))
    settings = worlds.settings(tmp_path / "home")
    assert_same(reference, learnt(now, settings, tmp_path / "bundle"))
    # The same changes, once they are known, are all but nothing.
    standing = [[sum(own.rows("calls", day).values()) for own in (lake, now)] for day in (UNTIL, UNTIL + 8)]
    assert standing[0][0] == standing[0][1] and standing[1][0] > standing[1][1], "calls were retracted"
    assert now.fingerprint(UNTIL + 8) != lake.fingerprint(UNTIL + 8)
    assert not read_outcomes(now, settings, UNTIL + 8).bans.equals(read_outcomes(lake, settings, UNTIL + 8).bans)


def test_with_every_feature_the_registered_bundle_is_what_a_home_without_the_future_learns(trained: Trained, past, tmp_path):
    """The whole of `train_lake(until=D)`: the SHA-256 of the manifest covers every file of the bundle."""
    from models.tracking import connect

    settings = worlds.settings(tmp_path / "home")
    lacking = sum(len(lost) for lost in past.missing.values())
    assert len(past.features) == len(CATALOGUE) - lacking > len(CATALOGUE) / 2
    _, sha256 = write_bundle(snapshot_task(past, settings), tmp_path / "bundle", settings)
    registered = connect(trained.home, settings).resolve("bancast", "challenger")
    assert registered.run_id == trained.report.run_id
    assert registered.manifest_sha256 == sha256
