"""A finished feature table, from file to registry to scores; and what a user can get wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data_schemas.errors import BadInput
from data_schemas.home import Home
from models import tracking
from models.report import TrainReport
from models.table import TABLE_MODEL, numeric_columns, read_table, train_table
from serving.published import Forecast
from serving.scoring import score_table
from tests.models import worlds


def phones(n: int = 700, seed: int = 0) -> pd.DataFrame:
    """Lines that are banned when they call far more or far less than usual, which no straight line can tell."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"phone": [f"{number:05d}" for number in rng.permutation(n)]})
    frame["calls"], frame["hangups"] = rng.normal(0, 1, n).round(3), rng.normal(0, 1, n).round(3)
    frame["noise"] = rng.normal(0, 1, n).round(3)
    frame["night"] = rng.random(n) < 0.5
    odd = frame["calls"].abs() > 1
    frame["banned"] = (rng.random(n) < np.where(odd, 0.75, 0.08)).astype(int)
    frame.loc[rng.random(n) < 0.1, "noise"] = np.nan
    return frame


def written(path: Path, frame: pd.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path, index=False)
    return path


def train(home: Home, file: Path, label: str = "banned", **more: object) -> TrainReport:
    settings = worlds.settings(home.root, rounds=40, **more.pop("train", {}))
    return train_table(home, settings, file=file, label=label, id="phone", **more)


def registry(home: Home) -> tracking.Registry:
    return tracking.connect(home, worlds.settings(home.root))


def aliases(home: Home) -> dict[str, str | None]:
    found = {alias: registry(home).find(TABLE_MODEL, alias) for alias in ("champion", "challenger")}
    return {alias: version and version.label for alias, version in found.items()}


@dataclass
class Step:
    """One training of a story: what it reported, and where the aliases stood afterwards."""

    report: TrainReport
    champion: str | None
    challenger: str | None


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, dict[str, Step]]:
    """Four trainings of one home: the first, one on labels half of which are shuffled, the first again, one more
    after the champion's files were tampered with."""
    folder = tmp_path_factory.mktemp("table")
    home, steps, frame = Home(folder / "home"), {}, phones()

    def step(name: str, file: Path, **more: object) -> None:
        report = train(home, file, **more)
        steps[name] = Step(report, **aliases(home))

    words = frame.assign(banned=frame["banned"].map({1: " Yes", 0: "no"}), note="text", opened="2026-01-01")
    words.loc[[3, 5, 8], "banned"] = [None, "", None]
    step("first", written(folder / "words.csv", words))
    mixed = frame.copy()
    learnt = np.arange(len(frame)) < 0.75 * len(frame)
    some = learnt & (np.random.default_rng(1).random(len(frame)) < 0.55)
    mixed.loc[some, "banned"] = np.random.default_rng(2).permutation(mixed.loc[some, "banned"])
    step("worse", written(folder / "mixed.parquet", mixed))
    written(folder / "numbers.parquet", frame)
    step("again", folder / "words.csv")  # the same rows, settings and seed: exactly as good
    version = registry(home).resolve(TABLE_MODEL, "champion")
    same = [path for path in home.mlflow_artifacts.rglob("evaluation/model.json") if _sha(path) == version.manifest_sha256]
    assert len(same) == 2, "the first and the same again: equal to the last byte"
    right = same[0].read_text()
    for model in same:
        model.write_text(right + " ")
    step("tampered", folder / "numbers.parquet", train={"seed": 8})
    for model in same:
        model.write_text(right)
    return home, steps


def _sha(model: Path) -> str:
    import hashlib

    return hashlib.sha256((model.parent.parent / "manifest.json").read_bytes()).hexdigest()


def test_the_first_model_that_beats_its_baseline_becomes_champion(story):
    first = story[1]["first"]
    assert first.report.promoted and "there was no champion yet" in first.report.why
    assert first.champion == first.challenger == first.report.version == f"{TABLE_MODEL}/1"
    metrics = first.report.metrics
    assert set(metrics) == {"model", "logistic"}
    assert metrics["model"]["average_precision"] > metrics["logistic"]["average_precision"] + 0.1
    assert metrics["model"]["rows"] == metrics["logistic"]["rows"] == 175  # a quarter of the 697 with a label


def test_a_worse_challenger_leaves_the_champion_and_the_run_says_why(story):
    home, steps = story
    worse = steps["worse"]
    assert not worse.report.promoted and worse.champion == f"{TABLE_MODEL}/1" and worse.challenger == f"{TABLE_MODEL}/2"
    own, champion = (worse.report.metrics[who]["average_precision"] for who in ("model", "champion"))
    assert own < champion, "both measured on the same rows"
    tags = registry(home)._client.get_run(worse.report.run_id).data.tags
    assert tags["gate"] == worse.report.why and tags["promoted"] == "false" and tags["version"] == f"{TABLE_MODEL}/2"
    assert "champion stays" in tags["gate"] and f"{own:.3f}" in tags["gate"]


def test_a_challenger_that_is_at_least_as_good_moves_the_champion(story):
    again = story[1]["again"]
    assert again.report.promoted and again.champion == again.challenger == f"{TABLE_MODEL}/3"
    assert again.report.metrics["model"]["average_precision"] >= again.report.metrics["champion"]["average_precision"]


def test_a_champion_whose_files_were_changed_is_not_compared_and_stays(story):
    tampered = story[1]["tampered"]
    assert not tampered.report.promoted and tampered.champion == f"{TABLE_MODEL}/3"
    assert "SHA-256 differs" in tampered.report.why and "champion stays" in tampered.report.why
    assert "champion" not in tampered.report.metrics
    assert any("could not be compared" in note for note in tampered.report.notes)


def test_labels_may_be_words_rows_without_one_and_columns_of_text_are_left_out_with_a_note(story):
    report = story[1]["first"].report
    assert report.rows == 697 and report.trained_until is None
    assert "3 rows without `banned` left out" in report.notes
    assert "columns that are not numbers left out: note, opened" in report.notes
    numbers = story[1]["tampered"].report
    assert numbers.rows == 700 and abs(report.bans - numbers.bans) <= 3
    assert not any("left out" in note for note in numbers.notes)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_another_table_is_scored_as_the_registered_bundle_says(story, tmp_path, suffix):
    home, _ = story
    settings = worlds.settings(home.root)
    fresh = phones(120, seed=9).drop(columns="banned")
    fresh.loc[3, "calls"] = np.nan
    file = written(tmp_path / f"in{suffix}", fresh.assign(extra="ignored"))
    out, _ = score_table(file, tmp_path / f"out{suffix}", settings, home, registry(home), alias="1")
    found = pd.read_csv(out, dtype={"phone": str}) if suffix == ".csv" else pd.read_parquet(out)
    assert list(found.columns) == ["phone", "risk", "rank", "level", "reasons"] and len(found) == 120
    bundle = registry(home).download(registry(home).resolve(TABLE_MODEL, "1"), tmp_path / "cache")
    forecast = Forecast.read(bundle)
    assert forecast.meta["kind"] == "table" and forecast.names == ["calls", "hangups", "noise", "night"]
    risk = pd.Series(forecast.risks(fresh)[:, 0], index=fresh["phone"])
    np.testing.assert_allclose(found["risk"], risk[found["phone"]], rtol=1e-6)
    assert (found["rank"] == np.arange(1, 121)).all() and found["risk"].is_monotonic_decreasing
    odd = fresh["calls"].abs() > 1
    assert risk[odd.to_numpy()].mean() > 3 * risk[~odd.to_numpy()].mean()
    with pytest.raises(BadInput, match="feature columns missing: hangups"):
        score_table(written(tmp_path / "less.csv", fresh.drop(columns="hangups")), out, settings, home, registry(home), alias="1")


def test_nothing_that_could_run_code_is_among_the_artifacts(story):
    """LightGBM text, JSON, CSV, pictures, the card, and MLflow's own descriptions; the one .py is our published file."""
    files = [path for path in story[0].mlflow_artifacts.rglob("*") if path.is_file()]
    assert len(files) > 40
    kinds = {".txt", ".json", ".csv", ".png", ".yaml", ".yml", ".py", ".html", ".md"}
    assert {path.name for path in files if path.suffix not in kinds} <= {"MLmodel"}
    assert not [path for path in files if path.suffix in (".html", ".md") and "<script" in path.read_text(encoding="utf-8")]
    published = (Path(__file__).parents[2] / "serving" / "published.py").read_bytes()
    assert {path.read_bytes() for path in files if path.suffix == ".py"} == {published}
    for path in files:
        head = path.read_bytes()[:2]
        assert head[:1] != b"\x80" and head != b"PK", f"{path} begins like a pickle or an archive"


def test_the_bundle_of_a_table_is_plain_and_full(story, tmp_path):
    bundle = registry(story[0]).download(registry(story[0]).resolve(TABLE_MODEL, "1"), tmp_path)
    model = json.loads((bundle / "model.json").read_text())
    assert (model["id"], model["group"], model["horizons"], model["headline"]) == ("phone", None, [0], 0)
    assert model["actions"] == [] and set(model["usual"]) == {""} and set(model["usual"][""]) == set(Forecast.read(bundle).names)
    assert len(model["data_fingerprint"]) == 64 and model["trained_until"] is None


# --- what a user can get wrong: one line, and nothing is registered -------------------------------------------------------


def refused(tmp_path: Path, frame: pd.DataFrame | None, match: str, suffix: str = ".csv", **more: object) -> None:
    home = Home(tmp_path / "home")
    file = tmp_path / f"in{suffix}" if frame is None else written(tmp_path / f"in{suffix}", frame)
    with pytest.raises(BadInput, match=match) as caught:
        train(home, file, **more)
    assert len(str(caught.value).splitlines()) == 1 and str(file) in str(caught.value)
    assert not home.mlflow_db.exists() and not home.mlflow_artifacts.exists()


def test_a_label_of_one_class_alone_is_refused_with_the_counts(tmp_path):
    refused(tmp_path, phones().assign(banned=1), r"`banned` has 700 rows of 1 and 0 of 0, at least 10 of each are needed")
    refused(tmp_path, phones().assign(banned=0), r"`banned` has 0 rows of 1 and 700 of 0")
    refused(tmp_path, phones().assign(banned=np.nan), r"`banned` has 0 rows of 1 and 0 of 0")


def test_a_label_that_is_neither_yes_nor_no_is_refused_with_the_cell(tmp_path):
    refused(tmp_path, phones().assign(banned=["perhaps", *["no"] * 699]), "holds 'perhaps'; a label is 1")
    refused(tmp_path, phones().assign(banned=range(700)), "holds '2'; a label is 1")


@pytest.mark.parametrize("ids", [["00001"] * 700, [None, *[str(n) for n in range(699)]]])
def test_ids_that_are_repeated_or_empty_are_refused(tmp_path, ids):
    refused(tmp_path, phones().assign(phone=ids), "column `phone` has empty or repeated ids")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    refused(tmp_path, phones(), "no column `lost`; it has phone, calls, hangups", label="lost")
    refused(tmp_path, phones(), "no column `when`", time="when")
    refused(tmp_path, phones().drop(columns="phone"), "no column `phone`")


def test_a_table_without_numbers_is_refused(tmp_path):
    refused(tmp_path, phones()[["phone", "banned"]].assign(note="x"), "no numeric column to learn from")


def test_files_that_cannot_be_read_are_refused(tmp_path):
    refused(tmp_path, None, "no such file")
    (tmp_path / "in.csv").write_bytes("phone,banned\n封,1\n".encode("gb18030"))
    refused(tmp_path, None, "not UTF-8 at byte")
    written(tmp_path / "in.parquet", phones())
    (tmp_path / "in.parquet").write_bytes((tmp_path / "in.parquet").read_bytes()[:500])
    refused(tmp_path, None, "not readable as Parquet", ".parquet")


def test_times_that_are_none_are_refused(tmp_path):
    refused(tmp_path, phones().assign(when="soon"), "column `when` has cells that are no time", time="when")


def test_bans_that_all_lie_in_the_rows_that_judge_are_refused(tmp_path):
    """Ordered by time, the first three quarters without a single ban teach nothing."""
    frame = phones().sort_values("banned", kind="stable")
    frame["banned"] = [0] * 600 + [1] * 100
    days = pd.date_range("2026-01-01", periods=700, freq="h")
    refused(tmp_path, frame.assign(when=days), "the first three quarters of the rows by `when` have 0 rows of 1", time="when")


# --- parts ---------------------------------------------------------------------------------------------------------------


def test_ids_of_a_csv_stay_text_so_that_007_stays_007(tmp_path):
    file = written(tmp_path / "in.csv", pd.DataFrame({"phone": ["007", "7"], "calls": [1, 2]}))
    assert read_table(file, "phone")["phone"].tolist() == ["007", "7"]
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbfphone,calls\n01,2\n")
    assert read_table(tmp_path / "bom.csv", "phone").columns.tolist() == ["phone", "calls"]


def test_numbers_and_truths_are_features_and_values_too_large_stay_finite():
    frame = pd.DataFrame(
        {"a": [1e300, -np.inf, np.nan], "b": [True, False, True], "c": pd.array([1, None, 3], dtype="Int64"), "d": "x"}
    )
    values, names, left_out = numeric_columns(frame, {"z"})
    assert names == ["a", "b", "c"] and left_out == ["d"] and values.dtype == np.float32
    most = np.finfo("float32").max
    np.testing.assert_array_equal(values, np.array([[most, 1, 1], [-most, 0, np.nan], [np.nan, 1, 3]], dtype="float32"))
