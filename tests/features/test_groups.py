"""What is worked out of groups of rows in memory is what joins would give."""

import ibis
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features import inmemory
from features.engine import Engine
from features.feature import PeerNeed
from features.local import open_local

few = st.none() | st.sampled_from(["a", "b", "c"])
rows = st.lists(
    st.tuples(
        st.integers(0, 6), st.sampled_from([80, 81, 90]), few, few, st.none() | st.integers(-2, 3), st.none() | st.floats(0, 1)
    ),
    min_size=1,
    max_size=40,
    unique_by=lambda row: row[:2],
)


def needs(frame) -> dict[str, PeerNeed]:
    """Every question of both groups: integers, a number that has fractions, and one that is worked out of several columns."""
    asked = {}
    for by in ("team", "carrier"):
        asked |= {f"{how}_{by}": PeerNeed(how, by, frame.calls) for how in ("total", "count", "rank")}
        asked[f"share_{by}"] = PeerNeed("rank", by, frame.share)
        asked[f"more_{by}"] = PeerNeed("total", by, frame.calls * 2 + frame.line)
    return asked


@how(max_examples=20, deadline=None)
@given(rows, st.integers(1, 3))
@example([(0, 80, "a", None, 1, 0.5)], 1)
@example([(line, 80, "a", "b", None, None) for line in range(3)], 2)
@example([(line, 80, "a", "b", line // 2, 0.5) for line in range(5)], 2)
def test_groups_in_memory_are_those_of_joins(rows, threads):
    """Lines without a group or a value, alone in one, and of equal values; several days."""
    names = {"line": "int32", "as_of_day": "int32", "team": "string", "carrier": "string", "calls": "int64", "share": "float64"}
    table = pa.table({name: pa.array([row[at] for row in rows], kind) for at, (name, kind) in enumerate(names.items())})
    days = sorted({row[1] for row in rows})
    with open_local(Settings(threads=threads)) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr(inmemory, "_LEAST_ROWS", 3)
        known = engine.store("known", ibis.memtable(table))
        snapshots = engine.rows("snapshots", pd.DataFrame({"as_of_day": pd.array(days, dtype="int32")}))
        held = engine.with_windows("held", engine.looked_back(known, [], snapshots), [], days)
        found = engine.with_peers("beside", held, needs(held))
        joined = Engine.with_peers(engine, "joined", known, needs(known))
        assert dict(found.drop("row").schema()) == dict(joined.schema()) == dict(engine.con.table("beside").drop("row").schema())
        order = [("as_of_day", "ascending"), ("line", "ascending")]
        in_memory, by_joins = (engine.arrow(made).select(list(joined.columns)).sort_by(order) for made in (found, joined))
        assert in_memory.to_pylist() == by_joins.to_pylist()
        engine.drop("held", "beside")
        assert not {"held", "beside"} & set(engine.con.list_tables())
