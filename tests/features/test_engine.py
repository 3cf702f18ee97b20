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


lines_at = st.lists(st.tuples(st.integers(0, 5), st.sampled_from([7, 8, 15])), max_size=14, unique=True)
parts = st.lists(st.tuples(lines_at, st.integers(0, 3)), max_size=3)


@how(max_examples=40, deadline=None)
@given(lines_at, parts, st.booleans())
def test_put_beside_by_place_as_by_a_join(frame, parts, unknown):
    """Rows of lines and days that the frame lacks go nowhere; a line that has no number is no line's."""
    keys = ("line", "as_of_day")
    rows = pd.DataFrame(frame, columns=keys).astype("int32")
    rows["name"] = [f"{line} at {day}" for line, day in frame]
    rows = rows.astype({"line": "Int32"})
    if unknown:
        rows.loc[len(rows)] = [None, 8, "unknown"]
    with open_local(Settings(threads=2)) as engine:
        told = engine.store("rows", engine.rows("told_rows", rows.convert_dtypes()).select("name", *keys))
        held = []
        for number, (found, nulls) in enumerate(parts):
            part = pd.DataFrame(found, columns=keys).astype("int32")
            part[f"calls_{number}"] = pd.array([line * 100 + day for line, day in found], dtype="Int64")
            part[f"callees_{number}"] = part[f"calls_{number}"].mask(part["line"] <= nulls)
            held.append(engine.rows(f"part_{number}", part))
        joined = _by_name(Engine.joined(engine, "by_join", told, held, keys).to_pandas())
        placed = engine.joined("by_place", told, held, keys)
        assert placed.schema() == engine.con.table("by_place").schema()
        pd.testing.assert_frame_equal(_by_name(engine.frame(placed)), joined)
        engine.drop("by_place", "by_join")
        assert not {"by_place", "by_join"} & set(engine.con.list_tables())


def _by_name(frame):
    return frame.sort_values("name", ignore_index=True).convert_dtypes()


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
