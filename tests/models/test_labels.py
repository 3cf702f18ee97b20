"""Labels, maturity and censoring (DESIGN.md section 4), by hand and against a slow reference."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as how
from hypothesis import strategies as st

from data_schemas.clock import day_date
from data_schemas.settings import Settings
from models.labels import Outcomes, as_of_days, days_to_ban, label_name, labels, read_outcomes
from tests.features.worlds import MemoryLake, instant, stamp

ZONE = "Asia/Shanghai"
T = 20_500
"""The as_of day of the cases by hand."""
HORIZONS = (1, 3, 7, 14)


def keys(*lines: object, day: int = T) -> pd.DataFrame:
    return pd.DataFrame({"as_of": pd.Series([pd.Timestamp(day_date(day))] * len(lines), dtype="datetime64[s]"), "line_id": lines})


def known(bans: list[tuple], left: list[tuple] = (), until: int = T + 100, delay: int = 0) -> Outcomes:
    """Bans (line, day) and deactivations (line, day) that are known."""
    struck = pd.DataFrame([(line, day, day) for line, day in bans], columns=["line_id", "day", "known_day"])
    return Outcomes(struck, pd.DataFrame(list(left), columns=["line_id", "left_day"]), until, delay)


def of(outcomes: Outcomes, horizon: int = 7, line: object = "A") -> float:
    return float(labels(keys(line), outcomes, [horizon])[label_name(horizon)].iloc[0])


@pytest.mark.parametrize("horizon", HORIZONS)
def test_a_ban_counts_from_the_day_of_as_of_to_the_last_day_of_the_horizon_and_no_further(horizon):
    assert of(known([("A", T)]), horizon) == 1
    assert of(known([("A", T + horizon - 1)]), horizon) == 1
    assert of(known([("A", T + horizon)]), horizon) == 0
    assert of(known([("A", T - 1)]), horizon) == 0


def test_a_line_given_up_within_the_horizon_is_censored_and_one_given_up_after_it_is_not():
    for day, label in ((T, math.nan), (T + 6, math.nan), (T + 7, 0.0)):
        assert of(known([], [("A", day)])) == pytest.approx(label, nan_ok=True)


def test_a_ban_within_the_horizon_counts_even_where_the_line_was_given_up_before_or_after_it():
    assert of(known([("A", T + 2)], [("A", T + 4)])) == 1
    assert of(known([("A", T + 4)], [("A", T + 2)])) == 1
    assert math.isnan(of(known([("A", T + 9)], [("A", T + 2)])))


def test_a_row_is_mature_once_horizon_and_reporting_delay_have_passed_and_not_a_day_sooner():
    assert of(known([], until=T + 7)) == 0
    assert math.isnan(of(known([], until=T + 6)))
    assert math.isnan(of(known([], until=T + 9, delay=3)))
    assert of(known([], until=T + 10, delay=3)) == 0


def test_a_row_that_is_not_mature_is_unknown_even_where_its_ban_is_known_already():
    assert math.isnan(of(known([("A", T)], until=T + 6)))


def test_the_first_ban_at_or_after_as_of_decides_not_an_earlier_one_nor_a_later():
    several = known([("A", T - 3), ("A", T + 20), ("A", T + 2), ("B", T)])
    assert of(several, 1) == 0 and of(several, 3) == 1
    assert days_to_ban(keys("A", "B", "C"), several).tolist() == [2, 0, math.inf]


def test_line_ids_that_are_numbers_find_their_bans():
    rows = keys(17, 18)
    found = labels(rows, known([("17", T + 1)], [("18", T + 1)]), [7])["ban_7d"]
    assert found.iloc[0] == 1 and math.isnan(found.iloc[1])
    assert days_to_ban(rows, known([(17, T + 1)])).tolist() == [1, math.inf]


def test_labels_keep_the_order_and_index_of_the_rows():
    rows = pd.concat([keys("A", "B", day=T + 5), keys("A", "B", day=T)], ignore_index=True)
    rows.index = [40, 30, 20, 10]
    found = labels(rows, known([("B", T + 2), ("A", T + 6)]), [3])["ban_3d"]
    assert found.to_dict() == {40: 1, 30: 0, 20: 0, 10: 1}
    assert as_of_days(rows).tolist() == [T + 5, T + 5, T, T]


# --- what is known of bans, from the lake -----------------------------------------------------------------------------


def moment(day: int, hour: float = 12) -> datetime:
    return instant(ZONE, day, hour * 3600)


def ban(line: str, day: int, known: int | None = None, gone: int | None = None, n: int = 0) -> dict:
    row = {"ban_id": f"b-{line}-{n}", "line_id": line, "banned_at": moment(day)}
    return stamp(row, "bans", ZONE, None if known is None else moment(known), gone)


def line(name: str, left: int | None = None, start: int = T - 60, known: int | None = None, gone: int | None = None) -> dict:
    row = {"line_id": name, "carrier": "CM", "number_pool": "P", "activated_at": moment(start)}
    row["deactivated_at"] = None if left is None else moment(left)
    return stamp(row, "lines", ZONE, None if known is None else moment(known), gone)


def outcomes(bans: list[dict], lines: list[dict], until: int, delay: int | None = 0) -> Outcomes:
    return read_outcomes(
        MemoryLake({"bans": bans, "lines": lines}), Settings(threads=1, train={"reporting_delay_days": delay}), until
    )


def test_a_ban_reported_late_is_no_label_before_it_was_reported():
    late = [ban("A", T + 1, known=T + 30)]
    assert of(outcomes(late, [line("A")], T + 30)) == 0
    assert of(outcomes(late, [line("A")], T + 31)) == 1


def test_a_retracted_ban_stands_until_the_day_it_was_retracted():
    wrong = [ban("A", T + 1, gone=T + 12)]
    assert of(outcomes(wrong, [line("A")], T + 12)) == 1
    assert of(outcomes(wrong, [line("A")], T + 13)) == 0


def test_a_corrected_ban_moves_when_the_correction_is_known_and_is_one_ban_at_any_time():
    corrected = [ban("A", T + 1, gone=T + 12), ban("A", T + 9, known=T + 12)]
    before, after = outcomes(corrected, [line("A")], T + 12), outcomes(corrected, [line("A")], T + 13)
    assert (of(before, 3), of(before, 7)) == (1, 1) and len(before.bans) == 1
    assert (of(after, 3), of(after, 7)) == (0, 0) and after.bans["day"].tolist() == [T + 9]


def test_a_deactivation_of_the_last_day_counts_and_one_at_or_after_until_does_not_exist():
    lines = [line("A", left=T + 19), line("B", left=T + 20)]
    assert outcomes([], lines, T + 20).left.to_numpy().tolist() == [["A", T + 19]]


def test_a_corrected_deactivation_censors_as_known_then():
    lines = [line("A", left=T + 2, gone=T + 20), line("A", left=T + 9, known=T + 20)]
    assert math.isnan(of(outcomes([], lines, T + 20)))
    assert of(outcomes([], lines, T + 21)) == 0


def test_the_reporting_delay_is_taken_from_the_data_unless_the_settings_give_it():
    bans = [ban("A", T, known=T, n=1), ban("B", T, known=T + 4, n=2)]
    lines = [line("A"), line("B")]
    assert outcomes(bans, lines, T + 50, delay=None).delay == 4  # the 99th percentile of 0 and 4, rounded up
    assert outcomes(bans, lines, T + 50, delay=2).delay == 2
    assert outcomes([], lines, T + 50, delay=None).delay == 0
    assert outcomes(bans, lines, T + 4, delay=None).delay == 0, "what was reported late is not known to be late yet"


def test_a_correction_of_a_ban_is_no_late_report():
    bans = [ban("A", T, known=T, gone=T + 40, n=1), ban("A", T, known=T + 40, n=1), ban("B", T, known=T + 2, n=2)]
    found = outcomes(bans, [line("A"), line("B")], T + 50, delay=None)
    assert found.delay == 2 and found.bans["known_day"].tolist() == [T, T + 2]


def test_a_ban_corrected_to_a_later_day_was_no_sooner_known_than_it_began():
    bans = [ban("A", T, known=T, gone=T + 3, n=1), ban("A", T + 2, known=T + 3, n=1)]
    assert outcomes(bans, [line("A")], T + 50, delay=None).delay == 0


# --- against a slow reference -------------------------------------------------------------------------------------------

NAMES = ("A", "B", "C")
DAY = st.integers(T - 12, T + 22)
BAN = st.tuples(st.sampled_from(NAMES), DAY, st.integers(0, 9), st.one_of(st.none(), st.integers(0, 15)))


def quantile99(values: list[int]) -> int:
    """The 99th percentile, rounded up to a whole day."""
    ordered = sorted(values)
    place = 0.99 * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return math.ceil(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def slowly(name: str, day: int, horizon: int, bans: list[tuple], left: dict[str, int | None], until: int, delay: int | None):
    """A label by looking at each ban, as a person would."""
    seen = []
    for who, begun, wait, stood in bans:
        reported = begun + wait
        retracted = None if stood is None else reported + stood
        if begun < until and reported < until and (retracted is None or retracted >= until):
            seen.append((who, begun, reported))
    if delay is None:
        delay = quantile99([reported - begun for _, begun, reported in seen]) if seen else 0
    if day + horizon + delay > until:
        return math.nan
    for who, begun, _ in seen:
        if who == name and begun in range(day, day + horizon):
            return 1.0
    gone = left[name]
    return math.nan if gone is not None and gone < until and gone in range(day, day + horizon) else 0.0


@how(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bans=st.lists(BAN, max_size=7),
    left=st.fixed_dictionaries({name: st.one_of(st.none(), DAY) for name in NAMES}),
    until=st.integers(T, T + 24),
    delay=st.sampled_from([None, 0, 2]),
    rows=st.lists(st.tuples(st.sampled_from(NAMES), st.integers(T - 6, T + 20)), min_size=1, max_size=12),
)
def test_labels_agree_with_a_slow_reference(bans, left, until, delay, rows):
    made = [
        ban(who, begun, begun + wait, None if stood is None else begun + wait + stood, n)
        for n, (who, begun, wait, stood) in enumerate(bans)
    ]
    found = outcomes(made, [line(name, left[name], start=T - 90) for name in NAMES], until, delay)
    table = pd.concat([keys(name, day=day) for name, day in rows], ignore_index=True)
    quick = labels(table, found, HORIZONS)
    slow = [[slowly(name, day, horizon, bans, left, until, delay) for horizon in HORIZONS] for name, day in rows]
    np.testing.assert_array_equal(quick.to_numpy(), np.array(slow, dtype="float32"))
