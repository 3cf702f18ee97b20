"""What the engine counts by lists is what groups of their own would count."""

import pandas as pd
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features.engine import DuckEngine, Engine, open_local
from features.tallies import Tally

numbers = st.one_of(st.none(), st.integers(0, 4))
events = st.lists(st.tuples(st.integers(0, 2), numbers, st.integers(0, 3)), min_size=1, max_size=40)


@how(max_examples=40, deadline=None)
@given(events)
def test_lists_count_what_groups_count(rows):
    """Of each group how often each value occurs, and how many different callees each block has; nulls are no values."""
    frame = pd.DataFrame(rows, columns=["line", "callee", "second"]).astype({"callee": "Int64"})
    frame["block"] = (frame["callee"] // 2).mask(frame["callee"] == 4)  # a callee of no block
    with open_local(Settings()) as engine:
        told = engine.rows("told", frame)
        tallies = {"seconds": Tally(told.second), "callees": Tally(told.callee), "blocks": Tally(told.block, of=told.callee)}
        sums = {"late": engine.total(told.second > 1), "callee_sum": engine.total(told.callee)}
        by_lists = _sorted(engine.frame(engine.counted("told", told, ["line"], tallies, **sums)), tallies)
        by_groups = _sorted(engine.frame(Engine.counted(engine, "told", told, ["line"], tallies, **sums)), tallies)
    assert by_lists == by_groups
    for line, found in by_lists.items():
        own = frame[frame["line"] == line]
        placed = own.dropna(subset="block").drop_duplicates("callee")
        assert found["seconds"] == sorted(own["second"].value_counts())
        assert found["callees"] == sorted(own["callee"].value_counts())
        assert found["blocks"] == sorted(placed["block"].value_counts())
        assert found["late"] == (own["second"] > 1).sum()
        assert (found["callee_sum"] or 0) == own["callee"].sum()


def test_small_jobs_stay_on_this_machine_whatever_works_out_the_features():
    with open_local(Settings(engine="spark")) as engine:
        assert isinstance(engine, DuckEngine)


def _sorted(frame, tallies):
    """line -> what was counted, lists in order, no list as an empty one."""
    found = {}
    for row in frame.to_dict("records"):
        lists = {name: sorted(row[name]) if hasattr(row[name], "__len__") else [] for name in tallies}
        sums = {name: None if pd.isna(row[name]) else int(row[name]) for name in ("late", "callee_sum")}
        found[row["line"]] = {**sums, **lists}
    return found
