"""The simulated company keeps the contracts, its own rules, and its word about the truth."""

from __future__ import annotations

import hashlib
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from data_schemas.errors import BadInput
from data_schemas.ingest import ingest
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from data_schemas.tables import TABLES
from simulator import run
from simulator.run import Summary, simulate

LINES, DAYS, CALLS = 150, 45, 12
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    simulate(folder, lines=LINES, days=DAYS, calls_per_line_day=CALLS)
    return folder


@pytest.fixture(scope="module")
def tables(world: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in world.glob("*.parquet")}


def fingerprint(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_ingest_accepts_every_row(tmp_path: Path) -> None:
    world = tmp_path / "world"
    simulate(world, lines=LINES, days=12, calls_per_line_day=CALLS)
    report = ingest(find_sources(world), tmp_path, load_settings(tmp_path))
    assert set(report.tables) == set(TABLES)
    for name, told in report.tables.items():
        assert told.rows_in == told.accepted > 0, name
        assert (told.duplicates, told.quarantined, told.missing, told.unknown) == (0, {}, [], []), name
    assert report.notes == []


def test_the_summary_counts_what_is_written(tmp_path: Path) -> None:
    told: list[float] = []
    summary = simulate(tmp_path / "new", lines=30, days=9, calls_per_line_day=5, progress=lambda what, share: told.append(share))
    assert isinstance(summary, Summary)
    for name in ("lines", "calls", "complaints", "messages"):
        assert summary.to_dict()[name] == len(pd.read_parquet(tmp_path / "new" / f"{name}.parquet")), name
    assert (summary.first, summary.last) == ("2026-01-05", "2026-01-13")
    assert told == sorted(told) and told[-1] == 1.0
    assert not list((tmp_path / "new").glob(".*"))


def test_a_seed_gives_the_same_bytes_and_another_seed_another_world(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        simulate(tmp_path / name, lines=40, days=12, calls_per_line_day=8, seed=seed)
    assert fingerprint(tmp_path / "a") == fingerprint(tmp_path / "b")
    assert fingerprint(tmp_path / "a")["calls.parquet"] != fingerprint(tmp_path / "c")["calls.parquet"]


def test_a_file_a_day_holds_the_same_rows_as_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path / "one", lines=40, days=12, calls_per_line_day=8)
    monkeypatch.setattr(run, "_ONE_FILE", 0)
    simulate(tmp_path / "many", lines=40, days=12, calls_per_line_day=8)
    assert len(list((tmp_path / "many" / "calls").glob("*.parquet"))) == 12
    for table in ("calls", "messages"):
        one, many = pd.read_parquet(tmp_path / "one" / f"{table}.parquet"), pd.read_parquet(tmp_path / "many" / table)
        key = one.columns[0]
        pd.testing.assert_frame_equal(one.sort_values(key, ignore_index=True), many.sort_values(key, ignore_index=True))


@pytest.mark.parametrize("table, time", [("calls", "started_at"), ("messages", "sent_at")])
def test_a_banned_line_neither_calls_nor_writes(tables: dict[str, pd.DataFrame], table: str, time: str) -> None:
    both = tables[table].merge(tables["bans"][["line_id", "banned_at", "lifted_at"]], on="line_id")
    assert len(both), "no line was banned: the test would say nothing"
    end = both.lifted_at.fillna(pd.Timestamp("2100-01-01", tz="UTC"))
    assert not ((both[time] >= both.banned_at) & (both[time] < end)).any()
    assert (both[time] >= both.lifted_at).any(), "no line came back"


def test_a_line_calls_only_while_it_is_leased_and_never_twice_at_once(tables: dict[str, pd.DataFrame]) -> None:
    calls = tables["calls"].merge(tables["lines"][["line_id", "activated_at", "deactivated_at"]], on="line_id")
    assert len(calls) == len(tables["calls"])
    assert (calls.started_at >= calls.activated_at).all()
    assert not (calls.started_at >= calls.deactivated_at).any()
    calls = calls.sort_values(["line_id", "started_at"])
    ended = calls.started_at + pd.to_timedelta(calls.ring_s + calls.duration_s, unit="s")
    before = ended.groupby(calls.line_id).shift()
    assert not (calls.started_at < before).any()


def test_lines_are_replaced_while_the_world_runs(tables: dict[str, pd.DataFrame]) -> None:
    fresh = tables["lines"].activated_at > pd.Timestamp("2026-01-05", tz=ZONE)
    assert fresh.any() and tables["lines"].deactivated_at.notna().any()
    assert tables["calls"].line_id.isin(tables["lines"].line_id[fresh]).any()


def test_complaints_arrive_late_and_none_from_the_future(tables: dict[str, pd.DataFrame]) -> None:
    complaints, end = tables["complaints"], pd.Timestamp("2026-01-05", tz=ZONE) + pd.Timedelta(days=DAYS)
    late = complaints.received_at - complaints.occurred_at
    assert (late > pd.Timedelta(0)).all() and (late > pd.Timedelta(days=2)).any()
    assert (complaints.received_at < end).all() and set(complaints.channel) == {"carrier", "regulator", "app_mark", "internal"}
    for table, time in (("calls", "recorded_at"), ("messages", "recorded_at"), ("bans", "reported_at"), ("bans", "banned_at")):
        assert (tables[table][time] < end).all(), (table, time)
    assert not (tables["bans"].lifted_at >= end).any()


def test_calls_keep_working_hours_weekends_and_holidays(tables: dict[str, pd.DataFrame]) -> None:
    local = tables["calls"].started_at.dt.tz_convert(ZONE)
    assert ((local.dt.hour >= 8) & (local.dt.hour < 20)).mean() > 0.9
    assert (local.dt.hour == 12).sum() < 0.8 * (local.dt.hour == 10).sum()
    a_day = local.dt.date.value_counts()
    assert a_day[date(2026, 2, 14)] > 2 * a_day[date(2026, 2, 17)]  # a Saturday that is worked against New Year's Day
    assert a_day[date(2026, 1, 12)] > 1.5 * a_day[date(2026, 1, 11)]  # a Monday against a Sunday


def test_lines_in_gateways_call_from_afar_and_only_answered_calls_last(tables: dict[str, pd.DataFrame]) -> None:
    calls = tables["calls"].merge(tables["lines"][["line_id", "home_region"]], on="line_id")
    away = (calls.region != calls.home_region).groupby(calls.line_id).mean()
    assert away.median() < 0.05 and away.max() > 0.15
    assert (calls.answered == (calls.duration_s > 0)).all()
    assert 0.2 < calls.answered.mean() < 0.7


def test_the_truth_covers_exactly_the_lines_that_can_be_banned(tables: dict[str, pd.DataFrame]) -> None:
    truth, bans, lines = tables["truth"], tables["bans"], tables["lines"]
    assert not truth.duplicated(["line_id", "day"]).any() and truth.hazard.between(0, 1).all()
    for day in (0, 17, 41):
        midnight = pd.Timestamp("2026-01-05", tz=ZONE) + pd.Timedelta(days=day)
        leased = (lines.activated_at < midnight) & ~(lines.deactivated_at <= midnight)
        under = bans[(bans.banned_at < midnight) & ~(bans.lifted_at <= midnight)].line_id
        there = set(truth.line_id[pd.to_datetime(truth.day) == midnight.tz_localize(None)])
        expected = set(lines.line_id[leased]) - set(under)
        assert there <= expected
        assert len(expected - there) <= 3  # banned in the last unseen days before the world begins
    assert set(bans.line_id) <= set(truth.line_id)


def test_bans_come_as_often_as_the_truth_says(tmp_path: Path) -> None:
    """Over a few worlds, in the whole and among the tenth most at risk: the sum of independent draws, within 4 deviations."""
    truth, hit = [], []
    for seed in (1, 2, 3):
        folder = tmp_path / str(seed)
        simulate(folder, lines=120, days=50, calls_per_line_day=6, seed=seed)
        frame = pd.read_parquet(folder / "truth.parquet")
        frame["day"] = pd.to_datetime(frame.day)
        frame = frame[frame.day < frame.day.max() - pd.Timedelta(days=5)]  # later ones may not be reported yet
        bans = pd.read_parquet(folder / "bans.parquet")
        banned = set(zip(bans.line_id, bans.banned_at.dt.tz_convert(ZONE).dt.tz_localize(None).dt.normalize(), strict=True))
        truth.append(frame.hazard.to_numpy())
        hit.append(np.array([pair in banned for pair in zip(frame.line_id, frame.day, strict=True)]))
    hazard, came = np.concatenate(truth), np.concatenate(hit)
    risky = hazard >= np.quantile(hazard, 0.9)
    for some in (np.ones(len(hazard), dtype=bool), risky, ~risky):
        deviation = np.sqrt((hazard[some] * (1 - hazard[some])).sum())
        assert abs(came[some].sum() - hazard[some].sum()) < 4 * deviation
    assert hazard[risky].sum() > 5 * hazard[~risky].sum() / 9  # the truth tells lines apart
    assert 0.008 < 7 * hazard.mean() < 0.06


def test_another_zone_moves_the_clock(tmp_path: Path) -> None:
    simulate(tmp_path, lines=20, days=5, calls_per_line_day=10, zone="Europe/Berlin", start=date(2026, 3, 27))
    local = pd.read_parquet(tmp_path / "calls.parquet").started_at.dt.tz_convert("Europe/Berlin")
    assert ((local.dt.hour >= 7) & (local.dt.hour < 22)).mean() > 0.95


def test_numbers_that_are_too_small_and_foreign_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="lines = 2; give 8 or more"):
        simulate(tmp_path, lines=2)
    (tmp_path / "lines.csv").write_text("line_id\n")
    with pytest.raises(BadInput, match="holds a table `lines`"):
        simulate(tmp_path, lines=20, days=2)
    assert [path.name for path in tmp_path.iterdir()] == ["lines.csv"]


def test_a_failed_run_leaves_the_old_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path, lines=20, days=3, calls_per_line_day=2)
    before = fingerprint(tmp_path)

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("simulator.output.Output._append", fail)
    with pytest.raises(OSError, match="disk full"):
        simulate(tmp_path, lines=20, days=3, calls_per_line_day=2, seed=8)
    assert fingerprint(tmp_path) == before


def test_the_simulator_shares_no_code_with_the_features() -> None:
    folder = Path(run.__file__).parent
    for path in folder.glob("*.py"):
        assert "import features" not in path.read_text() and "from features" not in path.read_text(), path.name
