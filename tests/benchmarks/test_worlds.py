"""The worlds for judging forecasts: clean for ingest, each in its own file habits, true to their own truth."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pandas as pd
import pytest

from benchmarks.mechanisms import MECHANISMS
from benchmarks.worlds import HABITS, make_world
from data_schemas.ingest import ingest
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources

KINDS = sorted(MECHANISMS)
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module", params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, dict[str, object]]:
    folder = tmp_path_factory.mktemp(request.param)
    return request.param, folder, make_world(request.param, folder, 250, 45, 12, seed=5)


def table(folder: Path, name: str) -> pd.DataFrame:
    path = folder / f"{name}.csv"
    if path.exists():
        return pd.read_csv(path, parse_dates=[c for c in pd.read_csv(path, nrows=0) if c.endswith("_at")])
    path = folder / f"{name}.parquet"
    return duckdb.sql(
        f"from read_parquet('{path if path.exists() else folder / name}{'' if path.exists() else '/**/*.parquet'}')"
    ).df()


def test_ingest_accepts_every_row(world: tuple[str, Path, dict[str, object]], tmp_path: Path) -> None:
    kind, folder, told = world
    report = ingest(find_sources(folder), tmp_path, load_settings(tmp_path))
    for name, rows in report.tables.items():
        assert (rows.rows_in, rows.duplicates, rows.quarantined, rows.unknown) == (rows.accepted, 0, {}, []), (kind, name)
    assert report.tables["calls"].rows_in == told["calls"]
    assert set(report.tables) == {"lines", "calls", "complaints", "bans", "messages", "policies"} - set(HABITS[kind].absent)


def test_its_ban_rate_is_realistic_and_its_truth_calibrated(world: tuple[str, Path, dict[str, object]]) -> None:
    kind, folder, told = world
    truth = pd.read_parquet(folder / "truth.parquet")
    assert len(truth) == told["eligible"] and truth.hazard.between(0, 1).all()
    assert 0.003 < float(str(told["weekly_ban_rate"])) < 0.05, told  # pools heat up slowly: lower in a short world
    spread = 2.5 if kind == "pool" else 1.0  # a sweep strikes many lines at once
    deviation = spread * np.sqrt((truth.hazard * (1 - truth.hazard)).sum())
    assert abs(int(str(told["bans"])) - truth.hazard.sum()) < 4 * deviation


def test_a_banned_line_does_not_call(world: tuple[str, Path, dict[str, object]]) -> None:
    _, folder, _ = world
    calls, bans = table(folder, "calls"), table(folder, "bans")
    both = calls[["line_id", "started_at"]].merge(bans[["line_id", "banned_at", "lifted_at"]], on="line_id")
    until = pd.to_datetime(both.lifted_at, utc=True).fillna(pd.Timestamp("2100-01-01", tz="UTC"))
    started, banned = pd.to_datetime(both.started_at, utc=True), pd.to_datetime(both.banned_at, utc=True)
    assert len(both) and not ((started >= banned) & (started < until)).any()


def test_the_worlds_differ_in_how_their_files_look(world: tuple[str, Path, dict[str, object]]) -> None:
    kind, folder, _ = world
    assert (folder / "calls.csv").exists() == (kind == "threshold")
    assert (folder / "calls").is_dir() == (kind == "pool")
    assert pd.api.types.is_integer_dtype(table(folder, "lines").line_id) == (kind == "quality")
    assert ("region" in table(folder, "calls")) == (kind != "complaints")
    assert ("recorded_at" in table(folder, "calls")) == (kind != "quality")


def test_the_command_line_writes_the_same_world_for_the_same_seed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.worlds", "quality", str(tmp_path / "a")]
    command += ["--lines", "60", "--days", "12", "--calls", "6", "--seed", "9"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2])
    again = make_world("quality", tmp_path / "b", 60, 12, 6, seed=9)
    assert str(again) == done.stdout.strip()
    for name in ("calls", "bans", "truth", "lines"):
        pd.testing.assert_frame_equal(table(tmp_path / "a", name), table(tmp_path / "b", name))
