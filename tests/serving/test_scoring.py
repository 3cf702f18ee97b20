"""Batch scoring on a small lake and on a finished table: what is written, and what is refused with nothing written."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.lake import Lake
from features.build import build_features
from features.catalogue import CATALOGUE
from models.pipeline import playbook_actions
from serving import scoring
from serving.advice import USUAL
from serving.published import Forecast
from serving.scoring import read_table, score_day, score_table
from tests.data_schemas import disk
from tests.serving.bundles import LEVELS, as_table, catalogue_bundle, lines, rule_bundle, sealed, table_bundle

DAYS, LINES = 21, 12
HORIZONS = (1, 3, 7, 14)
NAMES = ("calls_1d", "calls_7d", "calls_busiest_hour_1d", "complaints_7d", "pool_ban_rate_28d", "answer_rate_7d", "age_days")


def day(number: int) -> date:
    return day_date(disk.FIRST + number)


@dataclass(frozen=True)
class StoredVersion:
    name: str
    version: str
    run_id: str
    manifest_sha256: str


@dataclass
class FolderRegistry:
    bundle: Path | None

    def resolve(self, name: str, alias: str) -> StoredVersion:
        if self.bundle is None:
            raise BadInput(f"model `{name}` has no `{alias}`; train one first with `bancast train`")
        return StoredVersion(name, "3", "run", sha256((self.bundle / "manifest.json").read_bytes()).hexdigest())

    def download(self, version: StoredVersion, folder: Path) -> Path:
        target = folder / version.manifest_sha256[:16]
        if not target.exists():
            shutil.copytree(self.bundle, target)
        return target


def tables() -> disk.Tables:
    """Twelve lines that call on every day but the 16th; L1 is banned on the 10th day for good, L2 begins on the 19th."""
    rng = np.random.default_rng(4)
    calls = [
        disk.call(number, when, 9 + number % 8, line_id=f"L{1 + number % LINES}", callee_id=disk.number(int(rng.integers(500))))
        for number, when in enumerate(np.repeat([when for when in range(DAYS) if when != 16], 60).tolist())
    ]
    return {
        "lines": [
            disk.line(n, carrier=("CM", "CU")[n % 2], **({"activated_at": disk.at(19)} if n == 2 else {}))
            for n in range(1, LINES + 1)
        ],
        "calls": calls,
        "complaints": [disk.complaint(n, int(rng.integers(DAYS)), line_id=f"L{3 + n % 4}") for n in range(30)],
        "bans": [disk.ban(1, 10, line_id="L1")],
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("filled")
    disk.load(disk.write(root / "in", tables()), root / "home")
    return root / "home"


@pytest.fixture(scope="module")
def bundle(filled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of the lake's own features."""
    folder = tmp_path_factory.mktemp("bundle") / "bundle"
    (folder / "boosters").mkdir(parents=True)
    chosen = [feature for feature in CATALOGUE if feature.name in NAMES]
    table = build_features(Lake(filled / "lake"), disk.settings(filled), [disk.FIRST + n for n in range(3, 19)], catalogue=chosen)
    names = [feature.name for feature in chosen]
    label = (table["complaints_7d"] + table["calls_1d"] / 5 + np.random.default_rng(0).normal(size=len(table)) > 3).astype(int)
    parameters = {"objective": "binary", "num_leaves": 7, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
    interval = np.repeat(np.arange(len(HORIZONS)), len(table))
    columns = np.column_stack([np.tile(table[names].to_numpy(), (len(HORIZONS), 1)), interval])
    booster = lightgbm.train(parameters, lightgbm.Dataset(columns, np.tile(label, len(HORIZONS))), num_boost_round=10)
    (folder / "boosters/0.txt").write_text(booster.model_to_string())
    return catalogue_bundle(
        folder,
        chosen,
        horizons=HORIZONS,
        boosters=["boosters/0.txt"],
        offsets=[0.0, 0.1, 0.2, 0.3],
        linear={"share": 0.0},
        calibration={str(h): {"x": [-3.0, 3.0], "y": [0.01 * h, 0.9]} for h in HORIZONS},
        usual={"": {name: float(table[name].median()) for name in names}},
        levels=LEVELS,
    )


@pytest.fixture(scope="module")
def scored(filled: Path, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, dict]:
    """A home with the last day scored; tests leave its scores as they are."""
    root = tmp_path_factory.mktemp("scored") / "home"
    shutil.copytree(filled, root)
    return Home(root), *run(Home(root), bundle, day(DAYS))


@pytest.fixture
def features_kept(scored: tuple[Home, Path, dict], bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The features of that day are not made again: for tests of what comes after them."""
    chosen = [*(feature for feature in CATALOGUE if feature.name in NAMES), USUAL]
    table = build_features(Lake(scored[0].lake), disk.settings(scored[0].root), [disk.FIRST + DAYS], catalogue=chosen)
    monkeypatch.setattr(scoring, "build_features", lambda *given, **more: table.copy())


@pytest.fixture
def home(filled: Path, tmp_path: Path) -> Home:
    shutil.copytree(filled, tmp_path / "home")
    return Home(tmp_path / "home")


def run(home: Home, bundle: Path | None, as_of: date, **more: object) -> tuple[Path, dict]:
    more = {"actions": {"replay": False}, **more}
    return score_day(Lake(home.lake), disk.settings(home.root, **more), home, FolderRegistry(bundle), as_of=as_of)


def test_a_day_is_scored_for_the_lines_eligible_then(scored: tuple[Home, Path, dict]):
    home, path, summary = scored
    assert path == home.scores_file(day(DAYS))
    table = pq.ParquetFile(path).read()
    assert table.schema == pa.schema(
        [
            ("as_of", pa.date32()),
            ("line_id", pa.string()),
            ("risk_1d", pa.float64()),
            ("risk_3d", pa.float64()),
            ("risk_7d", pa.float64()),
            ("risk_14d", pa.float64()),
            ("days_to_red", pa.float64()),
            ("rank", pa.int32()),
            ("level", pa.string()),
            ("reasons", scoring.REASONS),
            ("actions", scoring.ACTIONS),
            ("model_version", pa.string()),
            ("data_fingerprint", pa.string()),
        ]
    )
    rows = table.to_pylist()
    assert {row["line_id"] for row in rows} == {f"L{n}" for n in range(1, LINES + 1)} - {"L1"}
    assert [row["rank"] for row in rows] == list(range(1, LINES))
    assert {(row["as_of"], row["model_version"]) for row in rows} == {(day(DAYS), "bancast/3")}
    assert {row["data_fingerprint"] for row in rows} == {Lake(home.lake).fingerprint(disk.FIRST + DAYS)}
    assert any(row["reasons"] for row in rows) and any(row["actions"] for row in rows)
    for row in rows:
        assert 0 <= row["risk_1d"] <= row["risk_3d"] <= row["risk_7d"] <= row["risk_14d"] <= 1
    assert json.loads(path.with_name("summary.json").read_text()) == summary
    assert summary["lines"] == LINES - 1 == sum(summary["levels"].values())
    assert summary["top"][0]["line_id"] == rows[0]["line_id"]
    assert sorted(p.name for p in path.parent.iterdir()) == ["scores.parquet", "summary.json"]


def test_the_scores_are_those_of_the_bundle_on_the_days_features(scored: tuple[Home, Path, dict], bundle: Path):
    home, path, _ = scored
    features = build_features(Lake(home.lake), disk.settings(home.root), [disk.FIRST + DAYS])
    expected = Forecast.read(bundle).score(features).sort_values("rank")
    found = pq.ParquetFile(path).read().to_pandas()
    columns = [*(f"risk_{h}d" for h in HORIZONS), "days_to_red"]
    np.testing.assert_array_equal(found[columns].to_numpy(), expected[columns].to_numpy())
    assert found["line_id"].tolist() == expected["line_id"].tolist()
    reasons = [[reason["feature"] for reason in row] for row in expected["reasons"]]
    assert [[reason["feature"] for reason in row] for row in found["reasons"]] == reasons


def test_scoring_again_gives_the_same_bytes(scored: tuple[Home, Path, dict], bundle: Path):
    home, path, _ = scored
    before = path.read_bytes()
    assert run(home, bundle, day(DAYS))[0] == path
    assert path.read_bytes() == before


def test_a_playbook_of_ones_own_says_what_is_advised(home: Home, bundle: Path, features_kept: None, tmp_path: Path):
    own = tmp_path / "own.toml"
    action = {
        "name": '"our_way"',
        "families": '["frequency", "complaints", "quality", "number_pool", "history"]',
        "plan": '{kind = "rest", ladder = [1]}',
        **{f"{part}.{language}": '"words"' for part in ("title", "text") for language in ("zh", "en")},
    }
    own.write_text("[[action]]\n" + "\n".join(f"{key} = {value}" for key, value in action.items()))
    path, _ = run(home, bundle, day(DAYS), actions={"replay": False, "playbook": own, "spare_share": 1.0})
    rows = pq.ParquetFile(path).read().to_pylist()
    assert {one["action"] for row in rows for one in row["actions"]} == {"our_way"}
    assert [action["name"] for action in playbook_actions(disk.settings(home.root, actions={"playbook": own}))] == ["our_way"]
    path, summary = run(home, bundle, day(DAYS), actions={"replay": False, "playbook": own, "spare_share": 0.0})
    assert not any(row["actions"] for row in pq.ParquetFile(path).read().to_pylist())
    assert summary["actions"]["rests_withheld"] == sum(summary["levels"].values()) - summary["levels"]["green"]
    own.write_text(own.read_text().replace("ladder = [1]", "ladder = [9]"))
    with pytest.raises(BadInput, match=r"own.toml: action `our_way`: `plan.ladder` must be whole days"):
        run(home, bundle, day(DAYS - 1), actions={"replay": False, "playbook": own})
    assert not home.scores_file(day(DAYS - 1)).exists()


def test_the_settings_move_levels_where_they_say_anything(home: Home, bundle: Path, features_kept: None):
    _, summary = run(home, bundle, day(DAYS), levels={"mode": "capacity", "red_lines": 1})
    # One by the setting, the rest by what the model was published with.
    assert summary["levels"] == {"red": 1, "orange": 3, "yellow": 4, "green": summary["lines"] - 8}


def test_levels_by_cost_come_from_the_settings_alone(home: Home, bundle: Path, features_kept: None):
    path, summary = run(home, bundle, day(DAYS), levels={"mode": "cost"}, costs={"ban": 100, "action": 10, "effect": 0.4})
    found = pq.ParquetFile(path).read().to_pandas()
    assert summary["levels"]["red"] == (found["risk_7d"] >= 0.25).sum() > 0
    assert summary["levels"]["green"] == (found["risk_7d"] < 0.0625).sum()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"levels": {"mode": "cost"}}, "`ban` and `action` are needed while levels.mode is `cost`"),
        ({"costs": {"ban": 100}}, "give both"),
        ({"costs": {"ban": 100, "action": 1, "effect": 0}}, "setting `costs.effect`"),
    ],
)
def test_costs_that_say_nothing_are_refused(tmp_path: Path, given: dict, words: str):
    with pytest.raises(BadInput) as caught:
        disk.settings(tmp_path, **given)
    assert words in str(caught.value) and "setting `costs" in str(caught.value) and "\n" not in str(caught.value)


def test_a_crash_while_writing_leaves_the_last_good_scores(
    home: Home, bundle: Path, features_kept: None, monkeypatch: pytest.MonkeyPatch
):
    path, _ = run(home, bundle, day(DAYS))
    before = path.read_bytes()

    def half(table: pa.Table, where: Path) -> None:
        Path(where).write_bytes(b"PAR1")
        raise OSError("no space left")

    monkeypatch.setattr(scoring.pq, "write_table", half)
    with pytest.raises(OSError, match="no space"):
        run(home, bundle, day(DAYS), levels={"red": 0.0})
    assert path.read_bytes() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["scores.parquet", "summary.json"]


def test_the_rule_baseline_ranks_where_no_model_could_be_trained(home: Home, tmp_path: Path):
    rule = rule_bundle(tmp_path / "rule")
    path, summary = run(home, rule, day(DAYS))
    found = pq.ParquetFile(path).read().to_pandas()
    assert len(found) == LINES - 1 and found["risk_7d"].is_monotonic_decreasing
    assert summary["kind"] == "rule" and summary["expected_bans"] is None and summary["bans_by"] == []


def refused(home: Home, bundle: Path | None, as_of: date, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        run(home, bundle, as_of)
    assert words in str(caught.value) and "\n" not in str(caught.value)
    assert not home.scores.exists()


def test_a_home_without_a_champion_says_how_to_get_one(home: Home):
    refused(home, None, day(DAYS), "bancast train")


def test_days_of_which_nothing_is_known_are_refused(home: Home, bundle: Path):
    refused(home, bundle, day(DAYS + 1), f"choose {day(DAYS)} at the latest")
    refused(home, bundle, day(4000), "beyond the data")
    refused(home, bundle, day(0), "before the data")
    refused(home, bundle, day(17), "empty day")


def test_a_day_on_which_nobody_ever_calls_is_no_empty_day(home: Home, bundle: Path, tmp_path: Path):
    rows = tables()
    weekday = day(16).weekday()
    first = disk.at(0).replace(hour=0)
    rows["calls"] = [call for call in rows["calls"] if (day(0) + (call["started_at"] - first)).weekday() != weekday]
    other = Home(tmp_path / "other")
    disk.load(disk.write(tmp_path / "in", rows), other.root)
    assert day(9) + timedelta(days=7) == day(16)
    assert run(other, bundle, day(17))[1]["lines"] > 0


def test_an_empty_lake_is_refused(tmp_path: Path, bundle: Path):
    refused(Home(tmp_path / "nothing"), bundle, day(3), "bancast ingest")


def test_all_lines_banned_is_refused(bundle: Path, tmp_path: Path):
    rows = tables()
    rows["bans"] = [disk.ban(n, 10, line_id=f"L{n}") for n in range(1, LINES + 1)]
    home = Home(tmp_path / "banned")
    disk.load(disk.write(tmp_path / "in", rows), home.root)
    refused(home, bundle, day(15), f"none of the lake's {LINES} lines is eligible")


def test_a_model_of_features_unknown_here_is_refused(home: Home, bundle: Path, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(bundle, other)
    path = other / "model.json"
    path.write_text(path.read_text().replace('"calls_7d"', '"moonlight_7d"'))
    refused(home, sealed(other), day(DAYS), "feature `moonlight_7d`")


def test_a_table_model_does_not_score_the_lake(home: Home, tmp_path: Path):
    refused(home, table_bundle(tmp_path / "table"), day(DAYS), "--table")


@pytest.fixture(scope="module")
def of_table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return table_bundle(tmp_path_factory.mktemp("table") / "bundle")


def score_file(file: Path, out: Path, of_table: Path, root: Path) -> tuple[Path, dict]:
    return score_table(file, out, disk.settings(root), Home(root), FolderRegistry(of_table))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_finished_table_is_scored_into_a_file(tmp_path: Path, of_table: Path, suffix: str):
    table = as_table(lines(200, seed=20)).assign(phone=[f"{number:05d}" for number in range(200)], note="kept out")
    file, out = tmp_path / f"in{suffix}", tmp_path / "made" / f"out{suffix}"
    if suffix == ".csv":
        table.to_csv(file, index=False)
    else:
        table.to_parquet(file)
    path, summary = score_file(file, out, of_table, tmp_path)
    found = pd.read_csv(path, dtype={"phone": str}) if suffix == ".csv" else pq.read_table(path).to_pandas()
    assert list(found.columns) == ["phone", "risk", "rank", "level", "reasons"]
    expected = Forecast.read(of_table).score(table).sort_values("rank")
    assert found["phone"].tolist() == expected["phone"].tolist()
    assert found["risk"].to_numpy() == pytest.approx(expected["risk"].to_numpy(), abs=1e-12)
    reasons = found["reasons"].map(json.loads) if suffix == ".csv" else found["reasons"]
    assert [[r["feature"] for r in row] for row in reasons] == [[r["feature"] for r in row] for row in expected["reasons"]]
    assert summary["lines"] == 200 and "alias" in summary and [p.name for p in out.parent.iterdir()] == [out.name]


def test_ids_of_a_parquet_table_keep_their_type(tmp_path: Path, of_table: Path):
    as_table(lines(20, seed=21)).assign(phone=range(20)).to_parquet(tmp_path / "in.parquet")
    path, _ = score_file(tmp_path / "in.parquet", tmp_path / "out.parquet", of_table, tmp_path)
    assert pq.read_schema(path).field("phone").type == pa.int64()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not readable"),
        (b"phone,calls_1d\n", "has no rows"),
        (b"phone,calls_1d\n1,2\n", "feature columns missing: calls_7d"),
        ("phone,note\n1,电销\n".encode("gb18030"), "not UTF-8"),
        (b"", "not readable as csv"),
        (b"phone,calls_1d\n3,4,5\n", "more fields than the header"),
    ],
)
def test_a_table_that_cannot_be_scored_is_refused(tmp_path: Path, of_table: Path, content: bytes | None, words: str):
    file = tmp_path / "in.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(BadInput) as caught:
        score_file(file, tmp_path / "out.csv", of_table, tmp_path)
    assert words in str(caught.value) and str(file) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out.csv").exists()


def test_a_truncated_parquet_table_and_wrong_names_are_refused(tmp_path: Path, of_table: Path):
    file = tmp_path / "in.parquet"
    as_table(lines(20)).to_parquet(file)
    for out, words in ((tmp_path / "out.xlsx", ".csv or .parquet"), (file, "input itself")):
        with pytest.raises(BadInput, match=words):
            score_file(file, out, of_table, tmp_path)
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(BadInput, match="not readable as parquet"):
        read_table(file, "phone")
    with pytest.raises(BadInput, match="must end in"):
        read_table(tmp_path / "in.txt", "phone")


def test_a_lake_model_does_not_score_a_table(tmp_path: Path, bundle: Path):
    as_table(lines(5)).to_csv(tmp_path / "in.csv", index=False)
    with pytest.raises(BadInput, match="scores the lake"):
        score_table(tmp_path / "in.csv", tmp_path / "out.csv", disk.settings(tmp_path), Home(tmp_path), FolderRegistry(bundle))
