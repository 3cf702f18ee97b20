"""What values met before a day must be kept so that the days after it need nothing else."""

import ibis
import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features import presence
from features.feature import LONGEST, WINDOWS, Need, Presence
from features.local import open_local

DAY = 40
COLUMNS = ("agent_id", "region")
KINDS = {
    name: pa.string() if name == "value" else pa.int32() for name in ("line", "what", "value", "day", "known_day", "gone_day")
}
LINES = 300


def drawn(seed: int) -> pa.Table:
    """Records of many lines, a few each: late ones, taken back ones and several of a day among them."""
    rng = np.random.default_rng(seed)
    many = 6 * LINES
    day = DAY + rng.choice([-LONGEST - 1, -LONGEST, 1 - LONGEST, -5, -3, -2, -1, 0, 1, 3], many)
    known = day + rng.choice([0, 0, 0, 1, 2, 9], many)
    gone = pa.array(known + rng.choice([1, 8], many), mask=rng.random(many) < 0.6)
    columns = [rng.integers(0, LINES, many), rng.integers(0, 2, many), rng.choice(["a", "b"], many), day, known, gone]
    return pa.table(columns, names=[*KINDS]).cast(pa.schema(KINDS))


def counts(rows: pa.Table, thinned: bool) -> tuple[pd.DataFrame, int]:
    """Every window of both columns at the as_of days that look back on days from DAY on, and the records read before these."""
    known = [Presence(column, "calls", column) for column in COLUMNS]
    fresh = [Presence(f"fresh_{one.name}", "calls", one.column, fresh_of=one) for one in known]
    needs = [Need(what, "distinct", days) for what in (*known, *fresh) for days in WINDOWS]
    as_of = pa.table({"as_of_day": pa.array(range(DAY + 1, DAY + 20), pa.int32())})
    with open_local(Settings(threads=2)) as engine:
        told = engine.store("told", ibis.memtable(rows))
        met, past = told.filter(told.day >= DAY), told.filter(told.day.between(DAY - LONGEST, DAY - 1))
        past = engine.store("past", presence.newest(past) if thinned else past)
        codes = presence.codes(engine, "told", len(COLUMNS), met)
        now, then = (presence.coded(part, codes) for part in (met, past))
        facts, odd = presence.met_before(engine, "told", now, then, columns=len(COLUMNS))
        facts, days = presence.sorted_out(facts), engine.store("as_of", ibis.memtable(as_of))
        windows = presence.window_counts(engine, "told", facts, odd, needs, COLUMNS, days)
        frame = engine.frame(windows).set_index(["line", "as_of_day"])
        return frame.sort_index().fillna(0), engine.scalar(past.count())


@how(max_examples=4, deadline=None)
@given(st.integers(0, 10**6))
def test_the_newest_records_tell_the_days_after_them_what_all_do(seed):
    (whole, every), (thinned, some) = (counts(drawn(seed), one) for one in (False, True))
    pd.testing.assert_frame_equal(whole, thinned)
    assert whole.to_numpy().sum() > LINES and some < every


def test_of_records_that_hide_nothing_the_newest_of_each_value_is_left():
    """Seven days of the same agent are one record; one that was known late or taken back hides none before it."""
    days = [(0, 0, "a", DAY - age, DAY - age, None) for age in range(1, 8)]
    odd = [(1, 0, "a", 20, 20, None), (1, 0, "a", 21, 24, None), (1, 0, "a", 22, 22, 30), (1, 1, "a", 20, 21, None)]
    table = pa.table([*map(list, zip(*days, *odd, strict=True))], names=[*KINDS]).cast(pa.schema(KINDS))
    with open_local(Settings(threads=1)) as engine:
        left = engine.frame(presence.newest(engine.store("told", ibis.memtable(table))))
    assert sorted(zip(left["line"], left["what"], left["day"], strict=True)) == [
        (0, 0, DAY - 1),
        (1, 0, 20),
        (1, 0, 21),
        (1, 0, 22),
        (1, 1, 20),
    ]
