"""The training table: which days, which rows, what weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from models.dataset import Dataset, labelled_batches, snapshot_days, thin
from models.labels import as_of_days
from models.pipeline import distinct_bans, last_midnight
from tests.models import worlds
from tests.models.worlds import UNTIL


@dataclass
class Days:
    """Calls on some days, each known on some day: what a lake says of itself."""

    calls: dict[int, int]
    root: Path = field(default_factory=lambda: Path("home/lake"))
    zone: str = "Asia/Shanghai"

    def days(self, table: str, until: int | None = None) -> list[int]:
        return sorted(day for day, known in self.calls.items() if until is None or (day < until and known < until))

    def rows(self, table: str, until: int | None = None) -> dict[int, int]:
        return {day: 1 for day in self.days(table, until)}


def every(first: int, last: int) -> Days:
    return Days({day: day for day in range(first, last + 1)})


def test_snapshots_lie_evenly_from_the_end_of_warm_up_to_the_last_that_can_be_mature():
    settings = Settings(train={"every_days": 3, "warmup_days": 14})
    days = snapshot_days(every(100, 150), settings, 140)
    assert days == [114, 117, 120, 123, 126, 129, 132, 135, 138], "139 is the last of which a day is known, and 3 divides 138"
    assert snapshot_days(every(100, 150), settings, 139)[-1] == 138


@given(st.integers(20, 60), st.integers(1, 9), st.integers(15, 59), st.integers(0, 20))
def test_a_later_training_looks_at_the_same_days_and_some_more(length, step, until, more):
    settings = Settings(train={"every_days": step, "warmup_days": 14})
    lake = every(100, 100 + length)
    early, late = (snapshot_days(lake, settings, 100 + min(end, length)) for end in (until, until + more))
    assert late[: len(early)] == early
    last = 99 + min(until, length)
    assert early == [day for day in range(114, last + 1) if day % step == 0]


def test_calls_that_became_known_later_move_no_snapshot():
    settings = Settings(train={"every_days": 3, "warmup_days": 14})
    late = every(100, 150)
    late.calls[60] = 141
    assert snapshot_days(late, settings, 140) == snapshot_days(every(100, 150), settings, 140)


def test_no_calls_before_until_is_bad_input_that_says_when():
    with pytest.raises(BadInput, match=f"no calls known before {day_date(90)}"):
        snapshot_days(every(100, 150), Settings(), 90)


def test_training_ends_with_the_last_day_of_calls_that_was_known_then():
    lake = every(20_500, 20_550)
    lake.calls[20_560] = 20_561
    assert last_midnight(lake, None) == 20_561
    assert last_midnight(lake, day_date(20_540)) == 20_540
    assert last_midnight(lake, day_date(20_560)) == 20_551, "nine days without a call end where the calls end"
    assert last_midnight(lake, day_date(20_561)) == 20_551, "and what is known on the day itself is not known before it"
    assert last_midnight(lake, day_date(29_000)) == 20_561
    with pytest.raises(BadInput, match="no calls known before"):
        last_midnight(lake, day_date(20_500))
    with pytest.raises(BadInput, match="run `bancast ingest` first"):
        last_midnight(Days({}), None)


def rows(n: int = 6000) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(1)
    days = pd.to_datetime("2026-01-01") + pd.to_timedelta(rng.integers(0, 20, n), unit="D")
    table = pd.DataFrame({"as_of": days.astype("datetime64[s]"), "line_id": [f"L{number}" for number in range(n)]})
    outcome = pd.DataFrame({"ban_1d": rng.random(n) < 0.01, "ban_7d": rng.random(n) < 0.05}).astype("float32")
    return table, outcome.mask(rng.random(outcome.shape) < 0.1)


def test_thinning_keeps_every_ban_and_the_weighted_rates():
    table, outcome = rows()
    weight = thin(table, outcome, 0.2, seed=7)
    banned = (outcome == 1).any(axis=1).to_numpy()
    assert (weight[banned] == 1).all() and set(weight[~banned]) == {0.0, 5.0}
    others = int((~banned).sum())
    assert abs((weight[~banned] > 0).sum() - 0.2 * others) < 4 * np.sqrt(others * 0.2 * 0.8)
    label = outcome["ban_7d"].to_numpy()
    known = ~np.isnan(label)
    assert np.average(label[known], weights=weight[known]) == pytest.approx(label[known].mean(), rel=0.1)


def test_thinning_draws_by_line_day_and_seed_alone():
    table, outcome = rows()
    weight = thin(table, outcome, 0.2, seed=7)
    order = np.random.default_rng(2).permutation(len(table))[:3000]
    np.testing.assert_array_equal(thin(table.iloc[order], outcome.iloc[order], 0.2, seed=7), weight[order])
    assert (thin(table, outcome, 0.2, seed=8) != weight).mean() > 0.1
    assert (thin(table, outcome, 1.0, seed=7) == 1).all()


def test_a_dataset_holds_rows_with_a_label_once_each_and_all_bans(few: Dataset, tables):
    assert not few.table.duplicated(["as_of", "line_id"]).any()
    assert few.labels.notna().any(axis=1).all() and len(few.table) == len(few.labels) == len(few.weight)
    day = as_of_days(few.table)
    assert day.max() < UNTIL and (day.max() - day.min()) / 2 <= len(set(day))
    # Every ban that was known in time, of a mature snapshot before it, is seen.
    bans = few.outcomes.bans
    assert distinct_bans(few, 7) <= len(bans)
    assert 0 < len(bans) < len(tables["bans"])
    names = [feature.name for feature in few.features]
    assert [name for name in few.table.columns if name in names] == names and few.missing == {}


def test_a_table_with_labels_has_every_eligible_line_of_the_days_asked_for(lake: Lake, home):
    settings = worlds.settings(home.root)
    table = pd.concat(labelled_batches(lake, settings, [UNTIL - 30, UNTIL], UNTIL, catalogue=worlds.FEW))
    per_day = table.groupby("as_of")["line_id"].nunique()
    assert len(per_day) == 2 and per_day.min() > worlds.LINES / 2
    late = table["as_of"] == pd.Timestamp(day_date(UNTIL))
    names = [f"ban_{horizon}d" for horizon in settings.train.horizons]
    assert table.loc[late, names].isna().all(axis=None), "nothing after the last day is known"
    assert table.loc[~late, "ban_7d"].notna().mean() > 0.8 and (table.loc[~late, names].diff(axis=1).iloc[:, 1:] >= 0).any(
        axis=None
    )


def test_parts_of_a_dataset_stay_aligned(few: Dataset):
    odd = few.take(np.arange(len(few.table)) % 2 == 1)
    assert odd.table["line_id"].tolist() == few.table["line_id"][1::2].tolist()
    assert odd.labels["ban_7d"].equals(few.labels["ban_7d"][1::2].reset_index(drop=True))
    np.testing.assert_array_equal(odd.weight, few.weight[1::2])
