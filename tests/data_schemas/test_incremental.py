"""Invariants over random input: rows are balanced, and chunks in any number, with re-runs, give what one build gives."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.clock import day_number
from features.build import build_features
from features.catalogue import CATALOGUE
from tests.data_schemas import disk
from tests.data_schemas.disk import FIRST, at, ban, call, complaint, line, load, rows, write

FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
DAYS = 5
TIMES = [at(0), at(1, 0), at(2, 23.9999), "2026-02-17 08:30:00+08:00", "2026-02-18T00:00:00Z", "no time", "", None, "2999-01-01"]
DIRTY = st.fixed_dictionaries(
    {
        "call_id": st.sampled_from(["c1", "c2", "c3", "", None, " "]),
        "line_id": st.sampled_from(["L1", "L2", "L3", None]),
        "started_at": st.sampled_from(TIMES),
        "callee_id": st.sampled_from(["13800130001", "13800130002", "x", "", None]),
        "duration_s": st.sampled_from(["0", "1.5", "86400", "86401", "-0.1", "nan", "inf", "1e400", "many", None, ""]),
        "answered": st.sampled_from(["true", "FALSE", "1", "0", "maybe", "", None]),
        "ring_s": st.sampled_from(["", "3", "-3", "9e9", "?"]),
    }
)


@FEW
@given(dirty=st.lists(DIRTY, max_size=40), form=st.sampled_from(["parquet", "csv"]))
def test_rows_in_are_accepted_duplicate_or_quarantined_whatever_they_hold(dirty, form):
    with tempfile.TemporaryDirectory() as folder:
        tables = disk.small()
        for row in dirty:
            row["started_at"] = row["started_at"] if row["started_at"] is None else str(row["started_at"])
        good = [row | {"started_at": str(row["started_at"]), "duration_s": "1", "answered": "yes"} for row in tables["calls"]]
        tables["calls"] = good + dirty
        home = Path(folder) / "home"
        report = load(write(Path(folder) / "in", tables, form), home, ingest={"max_bad_share": 1.0})
        told = report.tables["calls"]
        assert told.rows_in == len(good) + len(dirty)
        assert disk.balanced(report)
        bad = sum(told.quarantined.values())
        assert bad == (len(disk.quarantine(home)) if bad else 0)
        assert told.accepted == sum(disk.lake_of(home).rows("calls").values()) == len(rows(home, "calls"))


@st.composite
def histories(draw):
    """Facts of a few days, with late knowledge; every fact belongs to one day."""
    late = st.one_of(st.none(), st.integers(0, 70))
    facts: dict[str, list] = {"calls": [], "complaints": [], "bans": []}
    for n in range(draw(st.integers(3, 25))):
        day, hour, wait = draw(st.integers(0, DAYS - 1)), draw(st.sampled_from([0.0, 9.5, 12.0, 23.9999])), draw(late)
        row = call(n, day, hour, line_id=draw(st.sampled_from(["L1", "L2"])), callee_id=disk.number(draw(st.integers(0, 6))))
        row["answered"] = draw(st.booleans())
        row["recorded_at"] = None if wait is None else row["started_at"] + timedelta(hours=wait)
        facts["calls"].append(row)
    for n in range(draw(st.integers(0, 5))):
        row, wait = complaint(n, draw(st.integers(0, DAYS - 1)), channel="carrier"), draw(late)
        row["received_at"] = None if wait is None else row["occurred_at"] + timedelta(hours=wait)
        facts["complaints"].append(row)
    for n in range(draw(st.integers(0, 3))):
        facts["bans"].append(ban(n, draw(st.integers(0, DAYS - 1)), line_id=draw(st.sampled_from(["L1", "L2"]))))
    return facts


def of_days(facts, days, whole):
    """The facts of some days; small tables whole (an export of all there is) or their days alone."""
    event = {"calls": "started_at", "complaints": "occurred_at", "bans": "banned_at"}
    zone = disk.ZoneInfo("Asia/Shanghai")

    def day(table, row):
        return day_number(row[event[table]].astimezone(zone).date()) - FIRST

    upto = range(max(days) + 1)
    return {
        "lines": [line(1), line(2)],
        **{
            table: [row for row in facts[table] if day(table, row) in (upto if whole and table != "calls" else days)]
            for table in event
        },
    }


@FEW
@given(facts=histories(), data=st.data())
def test_chunks_of_days_with_reruns_give_the_lake_of_one_full_build(facts, data):
    chunks, start = [], 0
    while start < DAYS:
        end = data.draw(st.integers(start + 1, DAYS))
        chunks.append(list(range(start, end)))
        start = end
    whole = data.draw(st.booleans())
    order = [chunk for chunk in chunks for _ in range(data.draw(st.integers(1, 2)))]
    if not whole:
        order = data.draw(st.permutations(order))
    with tempfile.TemporaryDirectory() as folder:
        root, key = Path(folder), "one key"
        load(write(root / "full", of_days(facts, range(DAYS), True)), root / "one", callee_key=key)
        for place, days in enumerate(order):
            part = of_days(facts, days, whole)
            if part["calls"]:
                load(write(root / f"part{place}", part), root / "many", callee_key=key)
        rest = of_days(facts, range(DAYS), True)  # chunks without calls cannot be ingested alone
        load(write(root / "rest", rest), root / "many", callee_key=key)
        for table in ("lines", "calls", "complaints", "bans"):
            assert rows(root / "many", table) == rows(root / "one", table), table
        for as_of in range(DAYS + 3):
            one, many = (disk.lake_of(root / home).fingerprint(FIRST + as_of) for home in ("one", "many"))
            assert one == many
        assert not load(root / "rest", root / "many", callee_key=key).changed


def test_features_of_a_lake_built_day_by_day_equal_those_of_one_full_build(tmp_path):
    rng = np.random.default_rng(1)
    facts = {
        "calls": [
            call(n, int(rng.integers(0, DAYS)), float(rng.uniform(0, 24)), line_id=f"L{rng.integers(1, 3)}", region="SC")
            | {"callee_id": disk.number(int(rng.integers(0, 9))), "answered": bool(rng.random() < 0.5)}
            for n in range(80)
        ],
        "complaints": [complaint(n, int(rng.integers(0, DAYS)), channel="app_mark") for n in range(6)],
        "bans": [ban(1, 2, line_id="L2")],
    }
    load(write(tmp_path / "full", of_days(facts, range(DAYS), True)), tmp_path / "one", callee_key="k")
    for day in rng.permutation(DAYS):
        for _ in range(2):
            load(write(tmp_path / f"d{day}", of_days(facts, [int(day)], False)), tmp_path / "many", callee_key="k")
    some = [feature for feature in CATALOGUE if feature.family in ("frequency", "behaviour", "complaints", "history")][::6]
    assert len(some) > 5
    one, many = (
        build_features(disk.lake_of(home), disk.settings(home), range(FIRST + 1, FIRST + DAYS + 2), catalogue=some)
        for home in (tmp_path / "one", tmp_path / "many")
    )
    assert len(one) > 5 and one.equals(many)


def test_a_full_build_over_an_incremental_one_changes_nothing_but_what_is_new(tmp_path):
    tables = disk.small(days=4)
    for day in range(4):
        load(write(tmp_path / f"d{day}", of_days(tables, [day], False)), tmp_path / "home")
    before = rows(tmp_path / "home", "calls")
    report = load(write(tmp_path / "all", tables), tmp_path / "home", known_at=at(30))
    assert rows(tmp_path / "home", "calls") == before
    assert (report.tables["calls"].added, report.tables["calls"].replaced, report.tables["calls"].retracted) == (0, 0, 0)


@FEW
@given(facts=histories(), data=st.data())
def test_windows_that_overlap_and_files_of_corrections_alone_lose_no_row(facts, data):
    hours = data.draw(st.lists(st.integers(0, 24 * DAYS), min_size=1, max_size=5).map(sorted))
    longest = data.draw(st.integers(1, 30))
    with tempfile.TemporaryDirectory() as folder:
        root, key = Path(folder), "one key"
        whole = of_days(facts, range(DAYS), True)
        load(write(root / "full", whole), root / "one", callee_key=key)
        reached = 0
        for place, end in enumerate([*hours, 24 * DAYS]):
            since = min(reached, max(0, end - longest))
            window = [row for row in facts["calls"] if at(0, since) <= row["started_at"] < at(0, end)]
            # Of three rows two are not that day anew; of four three would be.
            some = data.draw(st.lists(st.sampled_from(window), max_size=2, unique_by=id)) if window else []
            for name, calls in (("window", window), ("some", some)):
                if calls:
                    report = load(write(root / f"{name}{place}", whole | {"calls": calls}), root / "many", callee_key=key)
                    assert report.tables["calls"].retracted == 0
            reached = end
        assert rows(root / "many", "calls") == rows(root / "one", "calls")
