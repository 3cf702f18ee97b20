"""What the engine adds up in memory is what joins would give."""

from dataclasses import replace

import ibis
import ibis.expr.datatypes as dt
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features import classes, counted
from features.engine import Engine
from features.feature import Measure, Need, Presence
from features.local import DuckEngine, open_local
from features.lookback import Lookback
from features.presence import sorted_out
from features.windows import NEVER

DAYS = st.integers(60, 100)
MEASURES = [Measure("calls", "calls"), Measure("rings", "calls", optional=True)]
MET = [Presence("callees", "calls", "callee"), Presence("regions", "calls", "region", few=True)]
ASKED = [Need(measure, how, days) for measure in MEASURES for how in ("total", "peak") for days in (1, 7, 28)]
ASKED += [Need(one, "distinct", days) for met in MET for one in (met, met.fresh_ones(f"new_{met.name}")) for days in (1, 3, 28)]
line_days = st.lists(
    st.tuples(st.integers(0, 4), DAYS, st.integers(0, 9), st.one_of(st.none(), st.integers(1, 9)), st.integers(-3, 9)),
    max_size=30,
)
late = st.one_of(st.integers(0, 9), st.integers(27, 29))
few_facts = st.tuples(
    st.integers(0, 1), st.integers(0, 4), DAYS, late, st.one_of(st.none(), st.integers(1, 28)), st.integers(1, 4)
)
odd_records = st.tuples(
    st.integers(0, 1),
    st.integers(0, 4),
    st.integers(0, 1),
    DAYS,
    st.integers(0, 28),
    st.integers(0, 9),
    st.none() | st.integers(1, 9),
)
placed = st.lists(
    st.tuples(st.one_of(st.none(), st.integers(0, 3)), st.sampled_from([80, 81, 82, 90, 97])),
    min_size=1,
    max_size=12,
    unique=True,
)


@how(max_examples=24, deadline=None)
@given(
    placed,
    line_days,
    st.lists(few_facts, max_size=30),
    st.lists(odd_records, max_size=8),
    st.sampled_from([0, 0.5, 9]),
    st.sampled_from([0, 10**6]),
    st.booleans(),
)
@example([(1, 90)], [], [(0, 1, 62, late, None, 1) for late in (27, 28)], [], 0, 0, False)
def test_windows_added_up_in_memory_are_those_of_joins(frame, tiles, facts, odd, wide, cells, shared):
    """However many of the lines a class has that is added as a whole, whether there is a cell for each, and at once or in shares.

    Late facts and void ones, no values, lines that the frame lacks or that have no number, records judged at an as_of."""
    rows, days = _frame(frame)
    with open_local(Settings(threads=2)) as engine:
        past = _lookback(engine, tiles, facts, odd)
        known = engine.store("rows", ibis.memtable(rows))
        snapshots = engine.rows("snapshots", pd.DataFrame({"as_of_day": pd.array(days, dtype="int32")}))
        joined = Engine.with_windows(engine, "by_join", Engine.looked_back(engine, known, [past], snapshots), [past], days)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(classes, "_WIDE", wide)
            patch.setattr(counted, "_CELLS", cells)
            patch.setattr(counted, "_BATCH", 4)
            patch.setattr(engine, "_memory", 1000 if shared else 2**30)
            added = engine.with_windows("in_memory", engine.looked_back(known, [past], snapshots), [past], days)
        shape = {**joined.schema(), "row": dt.int32}
        assert dict(added.schema()) == dict(engine.con.table("in_memory").schema()) == shape
        columns = list(joined.columns)
        pd.testing.assert_frame_equal(_by_name(engine.frame(added), columns), _by_name(engine.frame(joined), columns))
        engine.drop("in_memory", "by_join")
        assert not {"in_memory", "by_join"} & set(engine.con.list_tables())


@how(max_examples=16, deadline=None)
@given(
    placed,
    line_days,
    st.lists(few_facts, max_size=30),
    st.sampled_from([0, 0.5, 9]),
    st.sampled_from([0, 10**6]),
    st.lists(st.booleans(), min_size=5, max_size=5),
    st.sampled_from([0, 300, float("inf")]),
)
def test_parts_that_hand_on_what_they_read_have_the_windows_of_the_whole(frame, tiles, facts, wide, cells, shared, most):
    """Whatever parts read at once or for some of the lines at a time, and where there is little memory to hand anything on."""
    rows, days = _frame(frame)
    with open_local(Settings(threads=2)) as engine, pytest.MonkeyPatch.context() as patch:
        patch.setattr(classes, "_WIDE", wide)
        patch.setattr(counted, "_CELLS", cells)
        past = _lookback(engine, tiles, facts, [])

        def windows(name, days, past, carried=None):
            own = engine.store(f"{name}_rows", ibis.memtable(rows[rows["as_of_day"].isin(days)]))
            snapshots = engine.rows(f"{name}_days", pd.DataFrame({"as_of_day": pd.array(days, dtype="int32")}))
            table = engine.with_windows(name, engine.looked_back(own, [past], snapshots), [past], days, carried)
            return engine.frame(table.drop("row"))

        whole = windows("whole", days, past)
        carried = engine.carried(days, engine.store("numbers", ibis.memtable(_table([(line,) for line in range(5)], "line"))))
        carried._most = most
        parts, read = [], []
        for number, day in enumerate(days):
            tiles, odd = past.tiles, past.met[1]
            since = [carried.of("calls", part).since(day - 28) for part in ("sums", "facts")]
            met = past.met[0]
            met = met.filter(met.day.between(since[1], day - 1))
            own = replace(past, tiles=tiles.filter(tiles.day.between(since[0], day - 1)), met=(met, odd))
            patch.setattr(engine, "_memory", 1000 if shared[number] else 2**30)
            parts.append(windows(f"part_{number}", [day], own, carried))
            read += range(since[0], day)
        pd.testing.assert_frame_equal(_by_name(pd.concat(parts), list(whole)), _by_name(whole, list(whole)))
        if most > 300:
            assert len(read) == len(set(read)), "no day is read twice"


def _frame(rows):
    """Lines at as_of days, and these days."""
    made = pd.DataFrame(rows, columns=["line", "as_of_day"]).astype({"line": "Int32", "as_of_day": "int32"})
    made["name"] = [f"{line} at {day}" for line, day in rows]
    return made, sorted({day for _, day in rows})


def _lookback(engine, tiles, facts, odd):
    told = [
        (line, day, day + late, NEVER if void is None else day + late + void, value, None if value < 0 else value)
        for line, day, late, void, value in tiles
    ]
    met = [(what, line, day, day + late, age and day - age, n) for what, line, day, late, age, n in facts]
    behind = [
        (what, line, value, day, day - age, day - age + late, gone and day - age + late + gone)
        for what, line, value, day, age, late, gone in odd
    ]
    return Lookback(
        "calls",
        ASKED,
        engine.store("tiles", ibis.memtable(_table(told, "line day since until", "calls rings"))),
        (
            engine.store("facts", sorted_out(ibis.memtable(_table(met, "what line day since before", "n")))),
            engine.store("odd", ibis.memtable(_table(behind, "what line", "value", "target day known_day gone_day"))),
        ),
        ["callee", "region"],
    )


def _table(rows, *columns):
    """Arrow: integers, the columns of every second name list wider ones."""
    names = [(name, "int64" if place == 1 else "int32") for place, part in enumerate(columns) for name in part.split()]
    return pa.table({name: pa.array([row[at] for row in rows], type=kind) for at, (name, kind) in enumerate(names)})


def _by_name(frame, columns):
    return frame[columns].sort_values("name", ignore_index=True).convert_dtypes()


def test_small_jobs_stay_on_this_machine_whatever_works_out_the_features():
    with open_local(Settings(engine="spark")) as engine:
        assert isinstance(engine, DuckEngine)
