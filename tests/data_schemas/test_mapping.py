"""Mapping files: what they make of the cells of a user's own exports."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.ingest import ingest
from tests.data_schemas.mappings import HEADER, LINES, REST, SETTINGS, calls, mapped, one, rows


@pytest.mark.parametrize(
    ("unit", "cell", "seconds"),
    [
        ("ms", "1500", 1.5),
        ("us", "2500000", 2.5),
        ("min", "1.5", 90.0),
        ("h", "2", 7200.0),
        ("s", "7", 7.0),
        ("HH:MM:SS", "1:02:03", 3723.0),
        ("HH:MM:SS", "00:00:01.5", 1.5),
        ("MM:SS", "65:01", 3901.0),
    ],
)
def test_durations_are_read_in_their_unit(tmp_path, unit, cell, seconds):
    row = one(
        tmp_path, calls(duration=f'{{ column = "talk", unit = "{unit}" }}'), f"{HEADER}1,L,2026-01-01 00:00:00,5,{cell},1,\n"
    )
    assert float(row["duration_s"]) == seconds


@pytest.mark.parametrize(("unit", "cell"), [("HH:MM:SS", "75"), ("HH:MM:SS", "00:75:00"), ("MM:SS", "1:00:00"), ("ms", "1:00")])
def test_a_duration_in_another_unit_than_the_mapping_says_does_not_convert_and_stays_in_sight(tmp_path, unit, cell):
    row = one(
        tmp_path, calls(duration=f'{{ column = "talk", unit = "{unit}" }}'), f"{HEADER}1,L,2026-01-01 00:00:00,5,{cell},1,\n"
    )
    assert row["duration_s"] == f"unread: {cell}"


@given(
    moment=st.datetimes(datetime(1980, 1, 1), datetime(2027, 1, 1)).map(lambda m: m.replace(microsecond=0)),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "UTC", "Asia/Kathmandu"]),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_times_without_zone_are_read_on_the_wall_clock_that_the_mapping_names(tmp_path, moment, zone):
    toml = calls(started=f'{{ column = "at", format = "%d.%m.%Y %H:%M:%S", zone = "{zone}" }}')
    row = one(tmp_path, toml, f"{HEADER}1,L,{moment:%d.%m.%Y %H:%M:%S},5,1,1,\n")
    wall = moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if wall.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == moment:  # a time that the clock skipped has no one reading
        assert datetime.fromisoformat(row["started_at"]) == wall


@pytest.mark.parametrize(
    ("format", "cell"),
    [
        ('"epoch_s"', "1767225600"),
        ('"epoch_ms"', "1767225600000"),
        ('"epoch_us"', "1767225600000000"),
        ('"epoch_s"', "1767225600.000000"),
        ('"iso"', "2026-01-01 08:00:00"),
        ('"iso"', "2026-01-01T00:00:00Z"),
        ('"%Y-%m-%dT%H:%M:%S%z"', "2026-01-01T05:30:00+05:30"),
        ('["%Y/%m/%d %H:%M:%S", "%m/%d/%Y %I:%M %p"]', "01/01/2026 08:00 AM"),
        ('["%Y/%m/%d %H:%M:%S", "epoch_ms"]', "1767225600000"),
    ],
)
def test_each_time_format_gives_the_same_instant(tmp_path, format, cell):
    row = one(tmp_path, calls(started=f'{{ column = "at", format = {format} }}'), f"{HEADER}1,L,{cell},5,1,1,\n")
    assert datetime.fromisoformat(row["started_at"]) == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_date_and_a_time_in_two_columns_are_joined(tmp_path):
    toml = calls(started='{ columns = ["at", "x"], join = " ", format = "%Y%m%d %H%M%S" }')
    row = one(tmp_path, toml, f"{HEADER}1,L,20260101,5,1,1,080000\n")
    assert datetime.fromisoformat(row["started_at"]) == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("rule", "cell", "value"),
    [
        ('{ column = "ok", is = "ANSWERED" }', " answered ", "true"),
        ('{ column = "ok", is = ["ANSWERED", "ok"] }', "busy", "false"),
        ('{ column = "ok", is = "ANSWERED" }', "", None),
        ('{ column = "ok", is = 16 }', "16", "true"),
        ('{ column = "talk", over = 0 }', "x", "true"),
        ('{ column = "ok", codes = { yes = true, no = false } }', "YES", "true"),
        ('{ column = "ok", codes = { yes = true, no = false } }', "maybe", "unread: maybe"),
        ('{ column = "ok", codes = { yes = true }, others = false }', "maybe", "false"),
        ('{ column = "ok", codes = { yes = true, no = false }, default = false }', "", "false"),
        ('{ column = "ok", codes = { yes = true, no = false }, default = false }', "maybe", "unread: maybe"),
    ],
)
def test_codes_become_true_or_false(tmp_path, rule, cell, value):
    assert one(tmp_path, calls(answered=rule), f"{HEADER}1,L,2026-01-01 00:00:00,5,4,{cell},\n")["answered"] == value


@pytest.mark.parametrize(
    ("rule", "cell", "value"),
    [
        ('{ column = "x", strip_prefix = ["+86", "0086"] }', "008613", "13"),
        ('{ column = "x", strip_prefix = "86" }', "868613", "8613"),
        ('{ column = "x", extract = "sip:([^@]+)@" }', "<sip:4711@example.org>", "4711"),
        ('{ column = "x", extract = "[0-9]+" }', "tel 4711", "4711"),
        ('{ column = "x", extract = "sip:([^@]+)@" }', "tel 4711", None),
        ('{ column = "x", codes = { 1 = "busy" } }', "1", "busy"),
        ('{ column = "x", codes = { 1 = "busy" } }', "2", "2"),
        ('{ column = "x", codes = { 1 = "busy" }, others = "failed" }', "2", "failed"),
        ('{ column = "x", default = "none" }', "", "none"),
        ('{ columns = ["line", "x"], join = "/" }', "7", "L/7"),
        ('{ value = "it\'s" }', "7", "it's"),
        ('"__file"', "7", "calls.csv"),
    ],
)
def test_free_text_is_cut_joined_and_translated(tmp_path, rule, cell, value):
    row = one(tmp_path, calls(more=f"disposition = {rule}"), f"{HEADER}1,L,2026-01-01 00:00:00,5,4,1,{cell}\n")
    assert row["disposition"] == value


def test_the_difference_of_two_columns_is_a_duration(tmp_path):
    numbers = calls(more='ring_s = { column = "x", minus = "talk", unit = "ms" }')
    assert float(one(tmp_path, numbers, f"{HEADER}1,L,2026-01-01,5,4000,1,9500\n")["ring_s"]) == 5.5
    times = calls(more='ring_s = { column = "x", minus = "at", format = "%Y-%m-%d %H:%M:%S" }')
    row = one(tmp_path, times, f"{HEADER}1,L,2026-01-01 23:59:58,5,4,1,2026-01-02 00:00:05\n")
    assert float(row["ring_s"]) == 7


def test_only_the_rows_that_where_names_are_read(tmp_path):
    content = HEADER + "".join(
        f"{n},L,2026-01-01,5,4,1,{x}\n" for n, x in enumerate(["Dial", "dial", "Queue", "", "it's", "Queue2"])
    )

    def kept(where: str) -> list[str]:
        return [row["call_id"] for row in rows(mapped(tmp_path, calls(keys=where), calls__csv=content)["calls"])]

    assert kept('where.x = "Dial"') == ["0", "1"]
    assert kept('where.x = ["queue", "it\'s"]') == ["2", "4"]
    assert kept('where.x = ""') == ["3"]
    assert kept('where.x = { not = ["Dial", ""] }') == ["2", "4", "5"]
    assert kept('where.x = { matches = "^Queue", not = "Queue2" }') == ["2"]
    assert kept('where = { x = "Dial", id = 1 }') == ["1"]


def test_names_with_quotes_and_sql_in_them_are_names(tmp_path):
    name = "a\"b'); DROP TABLE x; --"
    toml = calls(keys=f"where.{json.dumps(name)} = {json.dumps(name)}", more=f"disposition = {json.dumps(name)}")
    cell = '"' + name.replace('"', '""') + '"'
    row = one(tmp_path, toml, f"id,line,at,to,talk,ok,{cell}\n1,L,2026-01-01,5,4,1,{cell}\n")
    assert row["disposition"] == name


def test_cells_that_do_not_convert_go_to_quarantine_with_what_they_were(tmp_path):
    toml = calls(
        started='{ column = "at", format = "%Y/%m/%d %H:%M" }',
        duration='{ column = "talk", unit = "HH:MM:SS" }',
        answered='{ column = "ok", codes = { J = true, N = false } }',
    )
    content = HEADER + (
        "1,L,2026/01/02 10:00,5,00:00:10,J,\n"
        "2,L,2026-01-02 10:00:00,5,00:00:10,J,\n"  # a time, in another format than the mapping says
        "3,L,2026/01/02 10:00,5,10,J,\n"
        "4,L,2026/01/02 10:00,5,00:00:10,X,\n"
        "5,,2026/01/02 10:00,5,00:00:10,J,\n"
        "6,L,broken line\n"
    )
    tables = mapped(tmp_path, toml + LINES + REST, calls__csv=content)
    told = ingest(tables, tmp_path / "home", SETTINGS).tables["calls"]
    assert (told.rows_in, told.accepted, sum(told.quarantined.values())) == (6, 1, 5)
    assert set(told.quarantined) == {
        "started_at is not a time",
        "duration_s is not a number",
        "answered is not true or false",
        "line_id is empty",
        "is a broken line (too many or too few fields, or a stray quote)",
    }
    kept = duckdb.sql(
        f"SELECT string_agg(\"row\") FROM read_parquet('{tmp_path}/home/lake/quarantine/calls/*.parquet')"
    ).fetchone()[0]
    for cell in ("unread: dddd-dd-dd dd:dd:dd", "unread: 10", "unread: X"):
        assert cell in kept


def test_the_zone_of_the_mapping_holds_for_times_of_any_kind_that_carry_none(tmp_path):
    lines = """
    [lines]
    files = "lines.csv"
    columns = { line_id = "n", carrier = "c", number_pool = "p", activated_at = { value = 2026-01-05 }, deactivated_at = "gone" }
    """
    tables = mapped(
        tmp_path,
        'zone = "UTC"\n' + calls() + lines,
        calls__csv=HEADER + "1,L,2026-01-01 00:00:00,5,4,1,\n2,L,2026-01-01T08:00:00+08:00,5,4,1,\n",
        lines__csv="n,c,p,gone\nL,C,P,2026-02-01\n",
    )
    (line,) = rows(tables["lines"])
    assert datetime.fromisoformat(line["activated_at"]) == datetime(2026, 1, 5, tzinfo=UTC)
    assert datetime.fromisoformat(line["deactivated_at"]) == datetime(2026, 2, 1, tzinfo=UTC)
    assert {datetime.fromisoformat(row["started_at"]) for row in rows(tables["calls"])} == {datetime(2026, 1, 1, tzinfo=UTC)}


ODD = [
    "infinity",
    "nan",
    "1e308",
    "9" * 30,
    "-9223372036854775807",
    "290309-12-22 (BC)",
    "294247-01-10 04:00:54.775806+00",
    "epoch",
]
ODD += ["2026-02-30", "2026-01-01 00:00:00+99:99", "9" * 300 + ":00:00", "\u0661\u0662", "'", '"', "0001-01-01"]


@given(cells=st.lists(st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["C", "Z"])), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cell_however_odd_stops_the_scan(tmp_path, cells):
    pq.write_table(pa.table({"odd": cells, "even": cells[::-1]}), tmp_path / "odd.parquet")
    forms = '["iso", "%Y-%m-%d", "%H:%M:%S%z", "epoch_s", "epoch_ms", "epoch_us"]'
    toml = f"""
    [calls]
    files = "odd.parquet"
    where.odd = {{ not = "never" }}
    [calls.columns]
    call_id = {{ column = "odd", extract = "(.)" }}
    line_id = "odd"
    callee_id = {{ value = "5" }}
    started_at = {{ column = "odd", format = {forms}, zone = "America/New_York" }}
    recorded_at = {{ column = "odd", format = "epoch_us" }}
    duration_s = {{ column = "odd", minus = "even", unit = "HH:MM:SS" }}
    ring_s = {{ column = "odd", minus = "even", format = {forms} }}
    answered = {{ column = "odd", over = 0 }}
    """
    assert len(rows(mapped(tmp_path, toml)["calls"])) == len(cells)
