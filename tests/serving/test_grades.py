"""The report card of a line, worked out by hand on small frames and held against what was known on random worlds."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_schemas.settings import Settings
from features.engine import open_engine
from serving import grades as module
from serving.grades import GRADES, LETTERS, grades
from serving.known import Known
from tests.features.changes import changed_from
from tests.features.worlds import merged, random_world
from tests.serving.report.worlds import TableLake, table

END = 20_780
SETTINGS = Settings(threads=1)


class Company:
    """Lines with calls and complaints, put together a line at a time."""

    def __init__(self) -> None:
        self.lines: dict[str, tuple[str, int]] = {}
        self.calls: list[tuple] = []
        self.complaints: list[tuple] = []

    def line(
        self,
        name: str,
        calls: int = 100,
        answered: int = 50,
        short: int = 0,
        refused: int | None = 0,
        complaints: int = 0,
        talk: float = 60.0,
        carrier: str = "X",
        age: int = 200,
        days: int = 12,
    ) -> None:
        """talk: seconds of each answered call that is not short; refused None: not recorded. Calls lie on the last `days`."""
        self.lines[name] = (carrier, END - age)
        for place in range(calls):
            length = 0.0 if place >= answered else 5.0 if place < short else talk
            how = None if refused is None else "Refused" if calls - place <= refused else "no_answer"
            self.calls.append((name, END - 1 - place % days, length, place < answered, how))
        self.complaints += [(name, END - 1 - place % 28) for place in range(complaints)]

    def grades(self, lake: TableLake | None = None) -> pd.DataFrame:
        with open_engine(SETTINGS) as engine:
            return grades(Known(engine, lake or self.lake(), END)).set_index("line_id")

    def lake(self) -> TableLake:
        names = list(self.lines)
        lines = {"line_id": names, "carrier": [self.lines[name][0] for name in names], "number_pool": ["P"] * len(names)}
        line, day, length, answered, how = (list(part) for part in zip(*self.calls, strict=True)) if self.calls else [[]] * 5
        calls = {"line_id": line, "duration_s": length, "answered": answered, "disposition": how}
        of, when = (list(part) for part in zip(*self.complaints, strict=True)) if self.complaints else ([], [])
        return TableLake(
            {
                "lines": table("lines", lines, [self.lines[name][1] for name in names]),
                "calls": table("calls", calls, day),
                "complaints": table("complaints", {"line_id": of}, when),
            }
        )


@pytest.mark.parametrize(
    ("age", "days", "letter"),
    [
        (180, 12, "A"),
        (179, 12, "B"),
        (180, 11, "B"),
        (90, 8, "B"),
        (89, 8, "C"),
        (90, 7, "C"),
        (30, 4, "C"),
        (29, 28, "D"),
        (900, 3, "D"),
        (1, 1, "D"),
    ],
)
def test_maturity_is_the_weaker_of_age_and_days_with_calls(age, days, letter):
    company = Company()
    company.line("L", age=age, days=days)
    assert company.grades().loc["L", "maturity"] == letter


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        (80, 40, "AC"),  # (80 + 20) / (60 + 20) = 1.25 exactly
        (79, 41, "BC"),
        (44, 76, "BB"),  # (44 + 20) / 80 = 0.8 exactly
        (43, 77, "CB"),
        (20, 100, "CA"),  # (20 + 20) / 80 = 0.5 exactly
        (19, 101, "DA"),
    ],
)
def test_connection_is_the_answered_share_against_that_of_the_carrier(one, other, letters):
    company = Company()
    company.line("one", 120, one)
    company.line("other", 120, other)
    assert "".join(company.grades()["connection"]) == letters


def test_where_all_lines_do_equally_well_nobody_is_last():
    company = Company()
    for name in "PQRST":
        company.line(name, 200, 180, short=10, refused=10, complaints=1)
    told = company.grades()
    assert (told[["connection", "engagement", "sentiment"]] == "B").all(axis=None)


def test_carriers_are_not_held_against_each_other():
    company = Company()
    for carrier, answered in (("X", 20), ("Y", 150)):
        company.line(f"{carrier}1", 200, answered, carrier=carrier)
        company.line(f"{carrier}2", 200, answered, carrier=carrier)
    assert set(company.grades()["connection"]) == {"B"}


def test_few_calls_earn_no_a_by_luck_and_many_do():
    company = Company()
    company.line("few", 31, 13)  # 13 of 31 answered, where 3 in 10 are usual
    company.line("many", 2000, 840)  # the same share
    company.line("usual", 60_000, 17_800)
    told = company.grades()["connection"]
    assert told.to_dict() == {"few": "B", "many": "A", "usual": "B"}


def test_no_complaint_where_hardly_any_was_due_is_as_usual():
    company = Company()
    company.line("lucky", 500, refused=None)  # half a complaint was due
    company.line("good", 5000, refused=None)
    company.line("usual", 10_000, refused=None, complaints=16)
    assert company.grades()["sentiment"].to_dict() == {"lucky": "B", "good": "A", "usual": "C"}


def test_refusals_are_a_share_of_the_calls_whose_end_is_recorded():
    company = Company()
    company.line("all", 200, 50, refused=40)
    company.line("some", 200, 50, refused=40)
    company.calls = [(*call[:4], None) if call[0] == "some" and at < 340 else call for at, call in enumerate(company.calls)]
    # 80 of 260 refused: 62 were due of all, 18 of the 60 that are recorded of some.
    assert company.grades()["sentiment"].to_dict() == {"all": "A", "some": "C"}


def test_the_weaker_measure_gives_the_grade():
    company = Company()
    company.line("talks", 400, 200, short=150, talk=400.0)  # long talks, and many hang up
    company.line("silent", 400, 200, short=20, talk=25.0)
    company.line("usual", 4000, 2000, short=200, talk=60.0)
    company.line("complained", 2000, 1000, short=100, complaints=20, refused=0)
    company.line("refused", 2000, 1000, short=100, refused=900)
    told = company.grades()
    # 570 of 4,400 hang up, so 26 of the 200 of talks are due: 170 / 46 with 20 more of both. The carrier's calls last 55 s, those
    # of silent as long as 83 usual ones: 123 / 240 with 40 more of both.
    assert told.loc[["talks", "silent", "usual"], "engagement"].tolist() == ["D", "C", "B"]
    assert told.loc[["complained", "refused"], "sentiment"].tolist() == ["D", "D"]


def test_sentiment_counts_complaints_a_call():
    company = Company()
    company.line("good", 5000, 100, refused=None)
    company.line("bad", 1000, 100, refused=None, complaints=12)
    told = company.grades()["sentiment"]
    # 12 complaints over 6,000 calls: 10 were due of good, 4 / 14 of the usual; 2 of bad, 16 / 6 of the usual.
    assert told.to_dict() == {"bad": "D", "good": "A"}


def test_thin_data_have_no_grade():
    company = Company()
    company.line("enough", 30, 15, days=12)
    company.line("thin", 29, 15, days=12)
    company.line("talked", 100, 30, short=3)
    company.line("hardly", 100, 29, short=3)
    company.line("none", 0)
    told = company.grades()
    assert told.loc["enough", ["maturity", "connection", "engagement"]].tolist() == ["A", "B", None]
    assert told.loc["thin"].tolist() == [None] * 4
    assert told.loc["none"].tolist() == [None] * 4
    assert told.loc[["talked", "hardly"], "engagement"].tolist() == ["B", None]
    assert list(told.columns) == list(GRADES)


def test_what_is_not_recorded_is_not_known():
    company = Company()
    company.line("X1", 200, 100, refused=None, short=10)
    company.line("X2", 200, 100, refused=None, short=10)
    company.line("Y1", 200, 0, refused=100, carrier="Y")  # nothing of talk: neither answers nor durations
    company.line("Y2", 200, 0, refused=10, carrier="Y")
    told = company.grades()
    assert told.loc["X1"].tolist() == ["A", "B", "B", None]
    assert told.loc["Y1"].tolist() == ["A", None, None, "C"]
    assert told.loc["Y2"].tolist() == ["A", None, None, "A"]
    lake = company.lake()
    del lake.tables["complaints"]
    assert company.grades(lake).loc["X1", "sentiment"] is None


def test_without_talk_times_the_share_hung_up_is_not_taken_for_none():
    company = Company()
    company.line("A", 200, 100, talk=0.0)
    assert company.grades().loc["A", "engagement"] == "B"  # all are over at once, as is usual here


def test_without_calls_every_line_stands_without_grades():
    company = Company()
    company.lines["A"] = ("X", END - 5)
    told = company.grades()
    assert told.loc["A"].tolist() == [None] * 4
    assert company.grades(TableLake()).empty


def test_the_28_days_end_before_the_midnight():
    company = Company()
    company.line("A", 29, 10, days=1)
    for day, counted in ((END - 28, True), (END - 29, False), (END, False)):
        again = Company()
        again.lines, again.calls = dict(company.lines), [*company.calls, ("A", day, 60.0, True, None)]
        assert (again.grades().loc["A", "connection"] is not None) == counted


def test_every_letter_of_every_grade_is_said():
    assert list(GRADES) == ["maturity", "connection", "engagement", "sentiment"]
    assert all(tuple(grade.letters) == LETTERS and grade.label and grade.about for grade in GRADES.values())


@given(seed=st.integers(0, 10_000), back=st.integers(5, 40))
@settings(max_examples=5, deadline=None)
def test_nothing_known_at_or_after_the_midnight_changes_a_grade(seed, back):
    lake, day = merged(*[random_world(seed + number) for number in range(2)]), 20_500 + back
    before = module.LEAST
    module.LEAST = 1
    try:
        with open_engine(SETTINGS) as engine:
            told = grades(Known(engine, lake, day))
            changed = grades(Known(engine, changed_from(lake, day, "Asia/Shanghai", seed), day))
    finally:
        module.LEAST = before
    pd.testing.assert_frame_equal(told, changed)


def counts_by_hand(lake, day: int) -> dict[str, tuple[int, ...]]:
    """line_id -> days, calls, answered, talk_ms, short_calls, judged, refused, complaints of the 28 days, row by row."""

    def seen(name):
        for row in lake.tables[name]:
            if row["day"] < day and row["known_day"] < day and (row["gone_day"] is None or row["gone_day"] >= day):
                yield row

    found = {}
    for line in {row["line_id"] for row in seen("lines")}:
        calls = [row for row in seen("calls") if row["line_id"] == line and row["day"] >= day - 28]
        found[line] = (
            len({row["day"] for row in calls}),
            len(calls),
            sum(row["answered"] for row in calls),
            sum(round(row["duration_s"] * 1000) for row in calls),
            sum(row["answered"] and row["duration_s"] <= 5 for row in calls),
            sum(row["disposition"] is not None for row in calls),
            sum((row["disposition"] or "").lower() == "refused" for row in calls),
            sum(row["line_id"] == line and row["day"] >= day - 28 for row in seen("complaints")),
        )
    return found


@pytest.mark.parametrize("seed", [3, 4])
def test_the_counts_are_those_of_the_rows_known_then(seed):
    lake = merged(*[random_world(seed * 10 + number) for number in range(3)])
    for day in (20_520, 20_545):
        with open_engine(SETTINGS) as engine:
            told = module._counts(Known(engine, lake, day)).set_index("line_id")
        names = ["days", "calls", "answered", "talk_ms", "short_calls", "judged", "refused", "complaints"]
        assert {line: tuple(map(int, row)) for line, row in told[names].iterrows()} == counts_by_hand(lake, day)
