"""What becomes of rows: counted, checked, kept by local day, versioned."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_schemas.clock import day_date
from data_schemas.errors import BadInput
from data_schemas.ingest import ingest
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
from tests.data_schemas import disk
from tests.data_schemas.disk import FIRST, at, ban, call, line, load, number, rows, small, write


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_every_row_is_accepted_and_read_back(tmp_path, home, form):
    report = load(write(tmp_path / "in", small(), form), home)
    assert disk.balanced(report)
    assert {name: table.accepted for name, table in report.tables.items()} == {
        "lines": 2,
        "calls": 15,
        "complaints": 2,
        "bans": 1,
    }
    got = rows(home, "calls", "call_id", "line_id", "duration_s", "answered", "day", "known_day", "gone_day", "local_second")
    want = [
        (c["call_id"], c["line_id"], 12.5, True, FIRST + day, FIRST + day, None, (9 + n) * 3600)
        for day in range(3)
        for n, c in enumerate(small()["calls"][5 * day : 5 * day + 5])
    ]
    assert got == sorted(want, key=repr)


def test_parquet_and_csv_give_the_same_lake(tmp_path):
    load(write(tmp_path / "p", small()), tmp_path / "one", callee_key="k")
    load(write(tmp_path / "c", small(), "csv"), tmp_path / "two", callee_key="k")
    for table in small():
        assert rows(tmp_path / "one", table) == rows(tmp_path / "two", table)
    until = FIRST + 9
    assert disk.lake_of(tmp_path / "one").fingerprint(until) == disk.lake_of(tmp_path / "two").fingerprint(until)


def test_a_bad_row_goes_to_quarantine_with_its_rule_and_source_row(tmp_path, home):
    tables = small(days=4, calls=20)
    tables["calls"] += [call(901, duration_s=-1.0), call(902, line_id=None)]
    report = load(write(tmp_path / "in", tables), home)
    told = report.tables["calls"]
    assert told.quarantined == {"duration_s is not between 0 and 86400 s": 1, "line_id is empty": 1}
    assert disk.balanced(report) and told.accepted == 80
    kept = disk.quarantine(home)
    assert sorted(zip(kept["column"], kept["rule"], strict=True)) == [
        ("duration_s", "is not between 0 and 86400 s"),
        ("line_id", "is empty"),
    ]
    assert set(kept["source"]) == {"calls.parquet"}
    assert {json.loads(row)["call_id"] for row in kept["row"]} == {"c901", "c902"}
    assert json.loads(kept.set_index("column").loc["duration_s", "row"])["duration_s"] == "-1.0"
    assert any("2 rows in quarantine" in note for note in report.notes)


def test_duplicates_by_key_are_counted_and_one_stays(tmp_path, home):
    tables = small()
    tables["calls"] += [tables["calls"][0], call(0, 0, 9, duration_s=99.0), call(1, 0, 10)]
    report = load(write(tmp_path / "in", tables), home)
    assert disk.balanced(report)
    assert report.tables["calls"].duplicates == 3 and report.tables["calls"].accepted == 15
    assert len({row[0] for row in rows(home, "calls", "call_id")}) == len(rows(home, "calls", "call_id")) == 15


def test_duplicates_across_files_of_a_folder_are_found(tmp_path, home):
    tables = small()
    folder = write(tmp_path / "in", {name: tables[name] for name in ("lines", "complaints", "bans")})
    disk.put(folder / "calls" / "a.parquet", tables["calls"][:9])
    disk.put(folder / "calls" / "b.parquet", tables["calls"][6:])
    told = load(folder, home).tables["calls"]
    assert (told.rows_in, told.accepted, told.duplicates) == (18, 15, 3)


def test_unknown_columns_are_kept_aside_beside_the_key_and_named(tmp_path, home):
    tables = small()
    for n, row in enumerate(tables["calls"]):
        row |= {"campaign": f"camp{n}", "their_phone": number(n)}
    report = load(write(tmp_path / "in", tables), home)
    assert report.tables["calls"].unknown == ["campaign", "their_phone"]
    assert "calls: unknown columns kept aside: campaign, their_phone" in report.notes
    (kept,) = (home / "lake" / "aside" / "calls").glob("*.parquet")
    frame = pq.read_table(kept).to_pandas().set_index("call_id")
    assert frame.loc["c0", "campaign"] == "camp0" and len(frame) == 15
    assert set(frame["their_phone"]) == {"#######"}


def test_no_raw_id_is_anywhere_in_the_home(tmp_path, home):
    tables = small(days=3, calls=40)
    for n, row in enumerate(tables["calls"]):
        row["ref"] = f"to {number(n)} / +86 138-0013-{n:04d}"
    tables["calls"] += [call(5001, duration_s=-5.0, ref=number(5001)), call(5002, answered=None), call(5003, 900)]
    tables["messages"] = [{"message_id": "m1", "line_id": "L1", "sent_at": at(0), "recipient_id": number(77)}]
    ids = {number(n) for n in range(10_000)}
    for form in ("parquet", "csv"):
        folder = write(tmp_path / form, tables, form)
        if form == "csv":
            with (folder / "calls.csv").open("a") as handle:
                handle.write(f"c7001,L1,2026-02-17 09:00:00+00:00,{number(7001)},1.0,True,x,{number(7002)}\n")
        report = load(folder, tmp_path / f"home-{form}")
        assert sum(report.tables["calls"].quarantined.values()) == (4 if form == "csv" else 3)
        said = disk.contents(tmp_path / f"home-{form}")
        assert not [n for n in ids if n in said] and "138-0013" not in said
        assert "c5001" in said, "the quarantined row itself is kept"


def test_no_raw_id_stands_in_what_a_refused_input_leaves(tmp_path, home):
    tables = small()
    for row in tables["calls"][:8]:
        row["duration_s"] = -1.0
    with pytest.raises(BadInput) as error:
        load(write(tmp_path / "in", tables), home)
    said = disk.contents(home) + str(error.value)
    assert "c100" in said or "c0" in said
    assert not [n for n in range(1000) if number(n) in said]


def test_equal_ids_have_equal_hashes_in_all_tables_and_types(tmp_path, home):
    tables = small()
    tables["calls"] = [call(1, callee_id=13_800_130_001)]
    tables["complaints"] = [disk.complaint(1, callee_id=" 13800130001 ")]
    load(write(tmp_path / "in", tables), home, callee_key="secret")
    ((one,),) = rows(home, "calls", "callee_id")
    ((two,),) = rows(home, "complaints", "callee_id")
    assert one == two


def test_a_float_column_of_ids_keeps_whole_numbers(tmp_path, home):
    tables = small()
    tables["complaints"] = [disk.complaint(1, callee_id=13_800_130_001.0), disk.complaint(2, callee_id=None)]
    tables["calls"] = [call(1)]
    load(write(tmp_path / "in", tables), home)
    assert rows(home, "calls", "callee_id")[0] in rows(home, "complaints", "callee_id")
    assert (None,) in rows(home, "complaints", "callee_id")


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "UTC"])
def test_days_are_local_days_of_the_zone_through_clock_changes(tmp_path, home, zone):
    # 2026-03-08 and 2026-04-05 are days on which New York and Lord Howe change their clocks.
    start = day_date(0)
    days = [(datetime(2026, 3, 8).date() - start).days, (datetime(2026, 4, 5).date() - start).days]
    tables = small()
    tables["calls"] = [
        call(n) | {"started_at": at(day - FIRST, hour, zone)}
        for n, (day, hour) in enumerate((day, hour) for day in days for hour in (0, 0.5, 1.25, 3.5, 12, 23.9999))
    ]
    load(write(tmp_path / "in", tables), home, zone=zone)
    for call_id, day, second in rows(home, "calls", "call_id", "day", "local_second"):
        moment = tables["calls"][int(call_id[1:])]["started_at"].astimezone(ZoneInfo(zone))
        assert (day_date(day), second) == (moment.date(), moment.hour * 3600 + moment.minute * 60 + moment.second)
    for day in days:
        assert (home / "lake" / "calls" / f"day={day_date(day)}").is_dir()


def test_the_same_input_twice_changes_nothing(tmp_path, home):
    tables = small()
    tables["calls"] += [tables["calls"][3], call(801, line_id="L9")]
    for row in tables["calls"]:
        row["extra"] = "x"
    tables["calls"][2]["duration_s"] = -3.0
    folder = write(tmp_path / "in", tables)
    assert load(folder, home, ingest={"max_bad_share": 0.2}).changed
    before, names = disk.manifest_bytes(home), disk.files(home)
    again = load(folder, home, ingest={"max_bad_share": 0.2})
    assert not again.changed
    assert disk.manifest_bytes(home) == before and disk.files(home) == names
    assert again.tables["calls"].unchanged == again.tables["calls"].accepted == 15
    assert again.tables["calls"].added == again.tables["calls"].replaced == 0 and disk.balanced(again)


def test_the_same_rows_in_other_files_and_order_add_nothing(tmp_path, home):
    tables = small()
    load(write(tmp_path / "in", tables), home)
    before = rows(home, "calls")
    folder = write(tmp_path / "again", {name: tables[name] for name in ("lines", "complaints", "bans")})
    for n, row in enumerate(reversed(tables["calls"])):
        disk.put(folder / "calls" / f"{n % 4}" / f"part-{n}.parquet", [row])
    report = load(folder, home)
    assert rows(home, "calls") == before
    assert report.tables["calls"].unchanged == 15


def test_a_corrected_day_replaces_that_day_and_earlier_days_still_see_the_old_rows(tmp_path, home):
    tables = small()
    load(write(tmp_path / "in", tables), home)
    day1 = [row | {"duration_s": 77.0} for row in tables["calls"][5:10]]
    fixed = tables | {"calls": day1[:-1] + [call(555, 1, 20)]}  # four changed, one gone, one new
    report = load(write(tmp_path / "fix", fixed), home, known_at=at(10, 8))
    told = report.tables["calls"]
    assert (told.replaced, told.added, told.retracted) == (4, 1, 1)
    assert told.days == [day_date(FIRST + 1).isoformat()]
    old = [(row["call_id"], 12.5) for row in tables["calls"]]
    new = [(c, d) for c, d in old if not "c100" <= c <= "c104"] + [(row["call_id"], 77.0) for row in day1[:-1]]
    late = [("c555", 12.5)]  # says nothing of when it was known: known when it happened
    for as_of in (3, 9, 10):
        assert rows(home, "calls", "call_id", "duration_s", as_of=as_of) == sorted(old + late, key=repr), as_of
    assert rows(home, "calls", "call_id", "duration_s", as_of=11) == sorted(new + late, key=repr)
    assert disk.lake_of(home).rows("calls") == {FIRST: 5, FIRST + 1: 5, FIRST + 2: 5}


def test_a_corrected_day_without_its_last_rows_retracts_them(tmp_path, home):
    tables = small(calls=10)
    load(write(tmp_path / "in", tables), home)
    fixed = [row for row in tables["calls"] if row["call_id"] not in ("c108", "c109", "c103")]
    report = load(write(tmp_path / "fix", tables | {"calls": fixed}), home, known_at=at(5))
    assert report.tables["calls"].retracted == 3
    assert disk.lake_of(home).rows("calls")[FIRST + 1] == 7
    assert any("3 rows retracted" in note for note in report.notes)
    assert not load(tmp_path / "fix", home).changed


def test_half_a_day_sent_again_retracts_nothing(tmp_path, home):
    tables = small(calls=10)
    load(write(tmp_path / "in", tables), home)
    half = [row for row in tables["calls"] if row["started_at"] < at(1, 13) and row["started_at"] >= at(1, 0)]
    report = load(write(tmp_path / "half", tables | {"calls": half}), home)
    assert report.tables["calls"].retracted == 0 and report.tables["calls"].unchanged == 4
    assert disk.lake_of(home).rows("calls")[FIRST + 1] == 10


def test_a_row_put_back_after_a_correction_stands_again(tmp_path, home):
    tables = small()
    folder = write(tmp_path / "in", tables)
    load(folder, home)
    fixed = tables | {"calls": [row | {"duration_s": 1.0} for row in tables["calls"]]}
    load(write(tmp_path / "fix", fixed), home, known_at=at(6))
    load(folder, home, known_at=at(8))
    assert {row[1] for row in rows(home, "calls", "call_id", "duration_s", as_of=5)} == {12.5}
    assert {row[1] for row in rows(home, "calls", "call_id", "duration_s", as_of=7)} == {1.0}
    assert {row[1] for row in rows(home, "calls", "call_id", "duration_s", as_of=9)} == {12.5}
    assert disk.lake_of(home).rows("calls") == {FIRST: 5, FIRST + 1: 5, FIRST + 2: 5}


def test_knowledge_time_comes_from_the_row_and_is_never_before_the_event(tmp_path, home):
    tables = small()
    tables["calls"] = [
        call(1, 0, recorded_at=at(2)),
        call(2, 0, recorded_at=at(-5)),
        call(3, 0, recorded_at=None),
    ]
    tables["complaints"] = [disk.complaint(1, 0, received_at=at(4))]
    tables["bans"] = [ban(1, 1, reported_at=at(3))]
    load(write(tmp_path / "in", tables), home)
    assert [row[1] - FIRST for row in rows(home, "calls", "call_id", "known_day")] == [2, 0, 0]
    assert rows(home, "complaints", "known_day") == [(FIRST + 4,)]
    assert rows(home, "bans", "known_day") == [(FIRST + 3,)]


def test_a_later_version_that_says_when_it_was_recorded_is_known_from_then(tmp_path, home):
    tables = small()
    tables["calls"] = [call(1, 0, recorded_at=at(0, 13))]
    load(write(tmp_path / "in", tables), home)
    tables["calls"] = [call(1, 0, recorded_at=at(4), duration_s=50.0)]
    load(write(tmp_path / "in", tables), home, known_at=at(20))
    assert rows(home, "calls", "duration_s", "known_day", "gone_day") == [
        (12.5, FIRST, FIRST + 4),
        (50.0, FIRST + 4, None),
    ]


def test_a_ban_lifted_later_is_no_correction(tmp_path, home):
    tables = small()
    load(write(tmp_path / "in", tables), home)
    tables["bans"] = [ban(1, 1, lifted_at=at(6))]
    tables["lines"][1]["deactivated_at"] = at(9)
    load(write(tmp_path / "in", tables), home, known_at=at(10))
    assert rows(home, "bans", "known_day", "gone_day") == [(FIRST + 1, None)]
    assert rows(home, "lines", "line_id", "gone_day") == [("L1", None), ("L2", None)]


def test_the_outcome_of_an_appeal_shows_with_the_lift_and_told_after_it_counts_from_then(tmp_path, home):
    tables = small()

    def told(day: int, **more: object) -> None:
        tables["bans"] = [ban(1, 1, appealed_at=at(2), **more)]
        load(write(tmp_path / "in", tables), home, known_at=at(day))

    def known(as_of: int) -> list[tuple]:
        return rows(home, "bans", "appeal_won", as_of=as_of)

    told(3)
    told(6, appeal_won=True)
    told(7, appeal_won=True, lifted_at=at(6))
    assert known(9) == [(True,)] and len(rows(home, "bans")) == 1, "told before the lift and with it"
    told(12, appeal_won=False, lifted_at=at(6))
    assert known(9) == known(12) == [(True,)] and known(13) == [(False,)]


def test_an_outcome_told_after_the_lift_changes_nothing_of_the_days_before(tmp_path, home):
    tables = small()
    for day, outcome in ((14, None), (20, True)):
        tables["bans"] = [ban(1, 1, lifted_at=at(4), appeal_won=outcome)]
        before = disk.lake_of(home).fingerprint(FIRST + 15)
        load(write(tmp_path / "in", tables), home, known_at=at(day))
    assert [rows(home, "bans", "appeal_won", as_of=day) for day in (15, 20, 21)] == [[(None,)], [(None,)], [(True,)]]
    assert disk.lake_of(home).fingerprint(FIRST + 15) == before != disk.lake_of(home).fingerprint(FIRST + 21)


def test_an_input_without_a_column_that_is_filled_in_later_says_nothing_of_it(tmp_path, home):
    tables = small()
    tables["bans"] = [ban(1, 1, lifted_at=at(6), appealed_at=at(2), appeal_won=True)]
    load(write(tmp_path / "in", tables), home)
    tables["bans"] = [ban(1, 1, lifted_at=at(6))]
    assert not load(write(tmp_path / "in", tables), home, known_at=at(10)).changed
    assert rows(home, "bans", "appeal_won", "gone_day") == [(True, None)]
    tables["bans"] = [ban(1, 1, lifted_at=at(6), reason="volume")]
    load(write(tmp_path / "in", tables), home, known_at=at(10))
    assert rows(home, "bans", "reason", "appeal_won", "gone_day") == [("volume", True, None), (None, True, FIRST + 10)]


def test_a_part_of_the_tables_is_enough_where_a_lake_has_the_others(tmp_path, home):
    folder = disk.put(tmp_path / "part" / "bans.parquet", [ban(2, 2)]).parent
    sources, settings = find_sources(folder), load_settings(home)
    with pytest.raises(BadInput, match="required table `lines` is missing"):
        ingest(sources, home, settings, part=True)
    load(write(tmp_path / "in", small()), home)
    calls = rows(home, "calls")
    assert ingest(sources, home, settings, part=True).tables["bans"].added == 1
    assert rows(home, "calls") == calls and ("b2",) in rows(home, "bans", "ban_id")
    with pytest.raises(BadInput, match="required table `lines` is missing"):
        ingest(sources, home, settings)


def test_a_changed_line_keeps_both_versions(tmp_path, home):
    tables = small()
    load(write(tmp_path / "in", tables), home)
    tables["lines"][0] = line(1, team="T9")
    report = load(write(tmp_path / "in", tables), home, known_at=at(4))
    assert report.tables["lines"].replaced == 1 and report.tables["lines"].unchanged == 1
    assert ("L1", None) in rows(home, "lines", "line_id", "team", as_of=4)
    assert ("L1", "T9") in rows(home, "lines", "line_id", "team", as_of=5)


def test_columns_that_come_later_are_taken_from_then_on(tmp_path, home):
    tables = small(days=2)
    folder = write(tmp_path / "in", {name: tables[name] for name in ("lines", "complaints", "bans")})
    disk.put(folder / "calls" / "1.parquet", tables["calls"][:5])
    disk.put(folder / "calls" / "2.parquet", [row | {"region": "SC", "ring_s": 3} for row in tables["calls"][5:]])
    report = load(folder, home)
    assert report.tables["calls"].accepted == 10
    assert sorted(rows(home, "calls", "day", "region")) == [(FIRST, None)] * 5 + [(FIRST + 1, "SC")] * 5
    assert {"region", "ring_s"} <= disk.lake_of(home).present_columns("calls")


def test_optional_tables_may_be_missing_or_without_rows(tmp_path, home):
    folder = write(tmp_path / "in", small() | {"messages": [], "complaints": []})
    report = load(folder, home)
    lake = disk.lake_of(home)
    assert report.tables["messages"].rows_in == 0
    assert lake.has("messages") and not lake.has("policies")
    assert lake.days("messages") == [] and rows(home, "messages") == [] and rows(home, "policies") == []


def test_rows_of_lines_that_lines_lacks_are_accepted_and_told(tmp_path, home):
    tables = small()
    tables["calls"].append(call(700, 0, 20, line_id="ghost"))
    report = load(write(tmp_path / "in", tables), home)
    assert report.tables["calls"].accepted == 16
    assert "calls: 1 rows of lines that `lines` lacks, e.g. ghost; accepted" in report.notes


def test_times_without_zone_are_read_on_the_wall_clock_and_told(tmp_path, home):
    folder = write(tmp_path / "in", small())
    naive = pa.table(
        {
            "ban_id": ["b1"],
            "line_id": ["L1"],
            "banned_at": pa.array([at(1).replace(tzinfo=None) + timedelta(hours=8)], pa.timestamp("us")),
        }
    )
    disk.put(folder / "bans.parquet", naive)
    report = load(folder, home)
    assert rows(home, "bans", "day", "local_second") == [(FIRST + 1, 12 * 3600)]
    assert "bans.banned_at: times without zone, read as Asia/Shanghai" in report.notes


def test_a_file_of_corrections_alone_retracts_nothing(tmp_path, home):
    tables = small(calls=10)
    load(write(tmp_path / "in", tables), home)
    some = [row | {"duration_s": 77.0} for row in tables["calls"] if row["call_id"] in ("c101", "c104", "c108", "c203")]
    report = load(write(tmp_path / "fix", tables | {"calls": some}), home, known_at=at(10, 8))
    told = report.tables["calls"]
    assert (told.replaced, told.added, told.retracted) == (4, 0, 0)
    assert disk.lake_of(home).rows("calls") == {FIRST: 10, FIRST + 1: 10, FIRST + 2: 10}


@pytest.mark.parametrize("hours", [2, 8, 30])
def test_windows_that_move_on_retract_nothing(tmp_path, home, hours):
    calls = [call(n, n // 48, n % 48 / 2) for n in range(3 * 48)]
    tables = small()
    for end in range(hours, min(72, hours + 24), max(1, hours // 4)):
        window = [row for row in calls if at(0, end - hours) <= row["started_at"] < at(0, end)]
        report = load(write(tmp_path / f"at{end}", tables | {"calls": window}), home)
        assert report.tables["calls"].retracted == 0, end
    last = [row for row in calls if row["started_at"] < at(0, end)]
    assert sum(disk.lake_of(home).rows("calls").values()) == len(last)


def test_a_week_sent_again_each_night_keeps_the_hours_before_it(tmp_path, home):
    calls = [call(n, n // 24, n % 24) for n in range(9 * 24)]
    for day in (7, 8):
        window = [row for row in calls if at(day - 7, 3) <= row["started_at"] < at(day, 3)]
        load(write(tmp_path / f"d{day}", small() | {"calls": window}), home)
    assert disk.lake_of(home).rows("calls")[FIRST + 1] == 24


def test_rows_that_a_corrected_export_of_some_days_lacks_are_retracted_within_it(tmp_path, home):
    calls = [call(n, n // 24, n % 24) for n in range(4 * 24)]
    load(write(tmp_path / "in", small() | {"calls": calls}), home)
    gone = {24, 30, 47, 48, 60, 71}
    window = [row for n, row in enumerate(calls) if at(0, 6) <= row["started_at"] < at(3, 18) and n not in gone]
    report = load(write(tmp_path / "again", small() | {"calls": window}), home)
    assert report.tables["calls"].retracted == len(gone)
    assert disk.lake_of(home).rows("calls") == {FIRST: 24, FIRST + 1: 21, FIRST + 2: 21, FIRST + 3: 24}


def test_nothing_is_retracted_where_the_settings_say_so(tmp_path, home):
    tables = small(calls=10)
    load(write(tmp_path / "in", tables), home)
    fixed = [row for row in tables["calls"] if row["call_id"] != "c103"]
    report = load(write(tmp_path / "fix", tables | {"calls": fixed}), home, ingest={"retract": False})
    assert report.tables["calls"].retracted == 0 and disk.lake_of(home).rows("calls")[FIRST + 1] == 10


def test_a_row_of_the_day_before_1970_is_a_row(tmp_path, home):
    calls = [*small()["calls"], call(900) | {"started_at": datetime(1970, 1, 1, 3, tzinfo=UTC)}]
    report = load(write(tmp_path / "in", small() | {"calls": calls}), home, zone="America/New_York")
    told = report.tables["calls"]
    assert told.rows_in == told.accepted + told.duplicates + sum(told.quarantined.values()) == 16
