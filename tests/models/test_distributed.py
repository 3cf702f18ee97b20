"""What docs/scale.md says of several workers, on workers of this machine: training through Dask, scoring through Spark."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import lightgbm
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from pipelines.files import write_batches
from serving.published import Forecast
from tests.serving.bundles import FEATURES, lines, time_bundle
from tests.spark import local_spark, spark_or_skip

NAMES = [name for name, _, _ in FEATURES]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pd.DataFrame]:
    """Six days of lines as `bancast features` writes them, a folder a day; more complaints, more bans."""
    days = []
    for day in range(6):
        part = lines(400, seed=day)
        part["as_of"] = pd.Series([pd.Timestamp("2026-03-02") + pd.Timedelta(days=7 * day)] * len(part), dtype="datetime64[s]")
        odds = np.exp(-3 + 1.2 * part["complaints_7d"].fillna(0) + 6 * part["pool_ban_rate_7d"].fillna(0))
        part["ban_7d"] = (np.random.default_rng(100 + day).random(len(part)) < odds / (1 + odds)).astype("float32")
        days.append(part)
    folder = tmp_path_factory.mktemp("dataset") / "features"
    write_batches(iter(days), folder, [{"name": name, "doc": name} for name in days[0].columns])
    return folder, pd.concat(days, ignore_index=True)


def test_two_dask_workers_learn_what_one_process_learns(dataset: tuple[Path, pd.DataFrame], tmp_path: Path):
    dask_frames = pytest.importorskip("dask.dataframe")
    distributed = pytest.importorskip("dask.distributed")
    folder, table = dataset
    given = {"n_estimators": 30, "num_leaves": 7, "tree_learner": "data", "verbose": -1, "seed": 1}
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, local_directory=str(tmp_path)
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        files = sorted(str(path) for path in folder.glob("as_of=*/*.parquet"))
        # A file, a partition: Dask's own reader merges small files, differently for features and label.
        read = dask_frames.from_map(lambda path: pd.read_parquet(path, columns=[*NAMES, "ban_7d"]), files)
        rows = client.persist(read.to_dask_array(lengths=True))
        model = lightgbm.DaskLGBMClassifier(client=client, **given)
        model.fit(rows[:, :-1], rows[:, -1])
        model.booster_.save_model(tmp_path / "model.txt")
    several = lightgbm.Booster(model_file=tmp_path / "model.txt").predict(table[NAMES])
    alone = lightgbm.LGBMClassifier(**given).fit(table[NAMES], table["ban_7d"]).predict_proba(table[NAMES])[:, 1]
    assert np.corrcoef(several, alone)[0, 1] > 0.95
    ap = [average_precision_score(table["ban_7d"], score) for score in (several, alone)]
    assert abs(ap[0] - ap[1]) < 0.05 and ap[0] > 2 * table["ban_7d"].mean()


def test_two_spark_workers_score_what_one_process_scores(dataset: tuple[Path, pd.DataFrame], tmp_path: Path):
    sql = spark_or_skip(module=False)
    folder, table = dataset
    bundle = time_bundle(tmp_path / "bundle")
    told = ["as_of", "line_id", "risk_1d", "risk_3d", "risk_7d", "risk_14d", "rank", "level"]

    def score(rows: pd.DataFrame) -> pd.DataFrame:
        rows = rows.assign(as_of=pd.to_datetime(rows["as_of"]))
        scores = Forecast.read(bundle, threads=1).score(rows)[told]
        return scores.assign(as_of=scores["as_of"].dt.date, level=scores["level"].astype(object))

    risks = ", ".join(f"risk_{horizon}d double" for horizon in (1, 3, 7, 14))
    with contextmanager(local_spark)(sql) as spark:
        read = spark.read.option("basePath", str(folder)).parquet(f"{folder}/as_of=*")
        schema = f"as_of date, line_id string, {risks}, rank int, level string"
        # Ranks compare all lines of a day: a day is scored in one place.
        read.groupBy("as_of").applyInPandas(score, schema=schema).write.parquet(str(tmp_path / "scores"))
    found = pd.read_parquet(tmp_path / "scores").assign(as_of=lambda t: pd.to_datetime(t["as_of"]).astype("datetime64[s]"))
    want = Forecast.read(bundle, threads=1).score(table)[told]
    order = ["as_of", "rank"]
    found, want = (frame.sort_values(order, ignore_index=True) for frame in (found, want))
    pd.testing.assert_frame_equal(found, want, check_dtype=False, check_exact=True)
