"""What loops over many events make is what sorting and joins make of few, and groups of their own on any engine."""

from collections import Counter

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features import presence, tallies
from features.build import build_features
from features.engine import Engine
from features.local import DuckEngine, open_local
from features.tallies import Tally
from tests.features.worlds import merged, random_world

numbers = st.one_of(st.none(), st.integers(-2, 4))
events = st.lists(st.tuples(st.integers(0, 2), st.integers(7, 8), numbers, st.integers(0, 3)), max_size=60)


@pytest.fixture
def any_rows(monkeypatch):
    """Loops are used however few rows there are."""
    monkeypatch.setattr(DuckEngine, "many_rows", 0)


def _sorted(table, *by):
    frame = table.to_pandas() if isinstance(table, pa.Table) else table
    return frame.sort_values(list(by), ignore_index=True).convert_dtypes()


@how(max_examples=12, deadline=None)
@given(events, st.sampled_from([1, 2**60]))
def test_tallies_by_loops_sorting_and_groups_agree(rows, apart):
    """Of each group how often each value occurs, and how many different callees each block has; nulls are no values."""
    rows = [(line, day, None if callee is None else callee * apart, second) for line, day, callee, second in rows]
    frame = pd.DataFrame(rows, columns=["line", "day", "callee", "second"])
    frame = frame.astype({"line": "int32", "day": "int32", "callee": "Int64", "second": "int64"})
    frame["block"] = (frame["callee"] // 2).mask(frame["callee"] == 4 * apart)  # a callee of no block
    found = []
    for many in (0, 10**6):
        with open_local(Settings(threads=2)) as engine:
            engine.many_rows = many
            told = engine.store("told", ibis.memtable(pa.Table.from_pandas(frame, preserve_index=False)))
            wanted = {
                "seconds": Tally(told.second, often=2),
                "callees": Tally(told.callee),
                "blocks": Tally(told.block, of=told.callee, often=2),
            }
            found.append(_sorted(engine.frame(engine.tallied("told", told, ["line", "day"], wanted)), "line", "day"))
            by_groups = engine.frame(Engine.tallied(engine, "groups", told, ["line", "day"], wanted))
    pd.testing.assert_frame_equal(found[0], found[1])
    pd.testing.assert_frame_equal(_sorted(by_groups, "line", "day"), found[1])
    for row in found[0].to_dict("records"):
        own = frame[(frame["line"] == row["line"]) & (frame["day"] == row["day"])]
        placed = own.dropna(subset="block").drop_duplicates("callee")
        for name, values, often in (("seconds", own["second"], 2), ("callees", own["callee"], 3), ("blocks", placed["block"], 2)):
            counts = values.value_counts()
            assert row[f"{name}_different"] == len(counts)
            assert pd.isna(row[f"{name}_most"]) if counts.empty else row[f"{name}_most"] == counts.max()
            assert row[f"{name}_often"] == (counts >= often).sum()
            assert row[f"{name}_shared"] == counts[counts > 1].sum()


@how(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from([-(2**63), -(2**40), 0, 1, 2**62, 2**62 + 1, 2**63 - 1]))),
    st.booleans(),
)
def test_values_of_which_the_same_is_left_are_told_apart(rows, blind):
    """The numbers that rows are put in order by need not tell values apart."""
    group, value = (np.array([row[at] for row in rows], dtype="int64") for at in range(2))
    with pytest.MonkeyPatch.context() as patch:
        if blind:
            patch.setattr(tallies, "_MIXER", np.uint64(0))
        found, at, times = tallies._different(group, value)
    told = sorted(zip(found.tolist(), value[at].tolist(), times.tolist(), strict=True))
    assert told == sorted((*pair, many) for pair, many in Counter(rows).items())
    assert found.tolist() == sorted(found.tolist()) and group[at].tolist() == found.tolist()


records = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from([-(2**62), -1, 0, 7, 2**62]),
        st.integers(-3, 60),
        st.sampled_from([0, 0, 0, 1, 2, 9]),
        st.sampled_from([None, None, None, 1, 8]),
    ),
    max_size=60,
)


@how(max_examples=20, deadline=None)
@given(records, st.integers(-3, 60), st.sampled_from([1, 3]))
def test_values_met_before_by_a_loop_as_by_joins(rows, first, columns):
    """Facts of days from `first` on, and the records of values that were taken back or told out of turn."""
    held = [(line, value, day, day + late, None if gone is None else day + late + gone) for line, value, day, late, gone in rows]
    if columns > 1:
        held = [(line, abs(value), *rest) for line, value, *rest in held]  # numbers of texts are not negative
    names = ("line", "value", "day", "known_day", "gone_day")
    kinds = {name: pa.int64() if name == "value" else pa.int32() for name in names}
    table = pa.table({name: pa.array([row[at] for row in held], kinds[name]) for at, name in enumerate(names)})
    found = []
    for many in (0, 10**6):
        with open_local(Settings(threads=2)) as engine:
            engine.many_rows = many
            everything = engine.store("told", ibis.memtable(table))
            met, past = everything.filter(everything.day >= first), everything.filter(everything.day < first)
            several = {"columns": columns} if columns > 1 else {"what": 3}
            facts, odd = presence.met_before(engine, "told", met, past, **several)
            found.append((_sorted(engine.frame(facts), *facts.columns), _sorted(engine.frame(odd), *odd.columns)))
    for looped, joined in zip(*found, strict=True):
        pd.testing.assert_frame_equal(looped, joined)


def test_features_are_the_same_however_many_events_there_are(any_rows, monkeypatch):
    lake = merged(*[random_world(70 + seed) for seed in range(3)])
    days = [20_512, 20_538, 20_544]
    looped = build_features(lake, Settings(threads=2), days)
    monkeypatch.undo()
    pd.testing.assert_frame_equal(looped, build_features(lake, Settings(threads=2), days))


def test_a_file_that_names_too_far_days_is_no_worse_for_it(any_rows):
    """Group keys that don't fit into one number together are numbered first."""
    frame = pa.table(
        {
            "line": pa.array([0, 2**31 - 1, 0], pa.int32()),
            "day": pa.array([-(2**31), 2**31 - 1, -(2**31)], pa.int32()),
            "second": pa.array([1, 1, 1], pa.int64()),
        }
    )
    with open_local(Settings(threads=1)) as engine:
        told = engine.store("told", ibis.memtable(frame))
        found = engine.frame(engine.tallied("told", told, ["line", "day"], {"seconds": Tally(told.second)}))
    assert sorted(found["seconds_most"]) == [1, 2]
