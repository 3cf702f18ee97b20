"""Mapping files: what they make of a user's own exports."""

from __future__ import annotations

import gc
import gzip
import json
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_schemas.errors import BadInput
from data_schemas.ingest import ingest
from data_schemas.mapping import load_mapping
from data_schemas.settings import Settings
from data_schemas.sources import RawTable

SETTINGS = Settings(threads=1, ingest={"max_bad_share": 0.9})
REST = """
[complaints]
empty = true
[bans]
empty = true
"""
LINES = """
[lines]
from = "calls"
[lines.columns]
carrier = { value = "CMCC" }
number_pool = { value = "P1" }
"""
CALLS = """
[calls]
files = "calls.csv"
{keys}
[calls.columns]
call_id = "id"
line_id = "line"
started_at = {started}
callee_id = "to"
duration_s = {duration}
answered = {answered}
{more}
"""


def calls(keys: str = "", started: str = '"at"', duration: str = '"talk"', answered: str = '"ok"', more: str = "") -> str:
    return CALLS.format(keys=keys, started=started, duration=duration, answered=answered, more=more)


def mapped(folder: Path, toml: str, **files: str | bytes) -> dict[str, RawTable]:
    """The tables of a mapping in `folder`; `files`: name with __ for the dot -> content."""
    for name, content in files.items():
        path = folder / name.replace("__", ".")
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path = folder / "mapping.toml"
    path.write_text(toml, encoding="utf-8")
    return load_mapping(path, SETTINGS)


def rows(table: RawTable) -> list[dict]:
    con = duckdb.connect()
    found = con.execute(f"SELECT * FROM {table.relation(con)}")
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def one(folder: Path, toml: str, content: str) -> dict:
    """The one row of `calls`, whose file has this content."""
    (row,) = rows(mapped(folder, toml, calls__csv=content)["calls"])
    return row


HEADER = "id,line,at,to,talk,ok,x\n"


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


def test_files_without_a_header_with_lines_on_top_and_no_quotes_are_read_as_the_mapping_says(tmp_path):
    keys = 'header = ["id", "line", "at", "to", "talk", "ok"]\nskip = 2\ndelimiter = "|"\nquote = ""\nnulls = ["-", "\\\\N"]'
    content = 'export of May\n\n1|L"1|2026-01-01|5|4|1\n2|L2|2026-01-01|5|-|1\n3|\\N|2026-01-01|5|6|1\n'
    made = rows(mapped(tmp_path, calls(keys=keys), calls__csv=content)["calls"])
    assert [(row["call_id"], row["line_id"], row["duration_s"]) for row in made] == [
        ("1", 'L"1', "4"),
        ("2", "L2", None),
        ("3", None, "6"),
    ]


def test_several_sources_patterns_and_folders_make_one_table(tmp_path):
    for folder, day in (("old", 1), ("new", 2)):
        (tmp_path / folder).mkdir()
        for part in "ab":
            (tmp_path / folder / f"{part}.csv").write_text(f"{HEADER}{folder}{part},L,2026-01-0{day} 00:00:00,5,4,1,\n")
    table = pa.table({"n": [9], "line": ["M"], "t": [datetime(2026, 1, 3, 8)], "to": [13800001111.0], "s": [2.5], "up": [True]})
    pq.write_table(table, tmp_path / "more.parquet")
    second = """
    [[calls]]
    files = "more.parquet"
    columns = { call_id = "n", line_id = "line", started_at = "t", callee_id = "to", duration_s = "s", answered = "up" }
    """
    first = calls().replace("[calls]", "[[calls]]").replace('"calls.csv"', '["old", "new/*.csv"]')
    tables = mapped(tmp_path, first + second + LINES + REST)
    made = rows(tables["calls"])
    assert sorted(row["call_id"] for row in made) == ["9", "newa", "newb", "olda", "oldb"]
    assert next(row for row in made if row["call_id"] == "9")["callee_id"] == "13800001111"
    assert {path.name for path in tables["calls"].files} == {"a.csv", "b.csv", "more.parquet"}
    report = ingest(tables, tmp_path / "home", SETTINGS)
    assert report.tables["calls"].accepted == 5 and report.tables["lines"].accepted == 2
    lake = duckdb.sql(f"SELECT line_id, activated_at FROM read_parquet('{tmp_path}/home/lake/lines/**/*.parquet') ORDER BY 1")
    assert lake.fetchall() == [
        ("L", datetime(2025, 12, 31, 16)),
        ("M", datetime(2026, 1, 3)),
    ]  # 08:00 in Shanghai is midnight UTC


def test_typed_times_of_parquet_are_read_in_the_zone_of_the_mapping(tmp_path):
    naive, aware = datetime(2026, 7, 1, 12), datetime(2026, 7, 1, 16, tzinfo=UTC)
    for value in (naive, aware):
        table = pa.table({"id": ["1"], "line": ["L"], "at": [value], "to": ["5"], "talk": [timedelta(seconds=65)], "ok": [1]})
        table = table.set_column(4, "talk", pa.array([65], pa.int32()))
        pq.write_table(table, tmp_path / "calls.parquet")
        toml = calls(started='{ column = "at", zone = "America/New_York" }').replace("calls.csv", "calls.parquet")
        (row,) = rows(mapped(tmp_path, toml)["calls"])
        assert datetime.fromisoformat(row["started_at"]) == aware


CHINESE = "话单号,主叫,时间,被叫,时长,状态\n" + "".join(
    f"{n},1700001,2026/01/02 0{n % 9}:04:05,1380000{n:04d},00:01:05,{'已接通' if n % 2 else '未接'}\n" for n in range(200)
)
CHINESE_TOML = """
[calls]
files = "话单.csv"
encoding = "ENCODING"
[calls.columns]
call_id = "话单号"
line_id = "主叫"
started_at = { column = "时间", format = "%Y/%m/%d %H:%M:%S" }
callee_id = "被叫"
duration_s = { column = "时长", unit = "HH:MM:SS" }
answered = { column = "状态", codes = { "已接通" = true, "未接" = false } }
"""


@pytest.mark.parametrize("encoding", ["gbk", "gb18030", "utf-16", "utf-8"])
def test_exports_in_other_encodings_are_read_and_leave_no_number_on_disk(tmp_path, monkeypatch, encoding):
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    (tmp_path / "话单.csv").write_bytes(CHINESE.encode(encoding))
    tables = mapped(tmp_path, CHINESE_TOML.replace("ENCODING", encoding) + LINES + REST)
    con = duckdb.connect()
    view = tables["calls"].relation(con)
    assert con.execute(f"SELECT count(*), count(*) FILTER (answered = 'true'), any_value(__file) FROM {view}").fetchone() == (
        200,
        100,
        "话单.csv",
    )
    left = [path for path in scratch.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not left  # the copy has no name: a killed process leaves nothing behind
    assert ingest(tables, tmp_path / "home", SETTINGS).tables["calls"].accepted == 200
    for path in (tmp_path / "home").rglob("*.parquet"):
        assert b"1380000" not in path.read_bytes()
    con.close()
    del tables
    gc.collect()
    assert not list(scratch.iterdir())


def test_compressed_exports_are_read(tmp_path):
    (tmp_path / "话单.csv.gz").write_bytes(gzip.compress(CHINESE.encode("gbk")))
    toml = CHINESE_TOML.replace("ENCODING", "gbk").replace("话单.csv", "话单.csv.gz")
    assert len(rows(mapped(tmp_path, toml)["calls"])) == 200


@pytest.mark.parametrize("repeats", [1, 20])
def test_a_byte_that_the_encoding_lacks_is_named_with_its_place(tmp_path, repeats):
    content = CHINESE.encode("gbk") * repeats
    at = content.rindex(b"\n", 0, -1) + 1
    (tmp_path / "话单.csv").write_bytes(content[:at] + b"\xff" + content[at:])
    with pytest.raises(BadInput, match=f"话单.csv: not gbk at byte {at}; set `encoding`"):
        rows(mapped(tmp_path, CHINESE_TOML.replace("ENCODING", "gbk"))["calls"])


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


def test_lines_made_from_calls_begin_with_their_first_call(tmp_path):
    content = (
        HEADER
        + "1,A,03.01.2026 08:00,5,1,1,\n2,A,02.01.2026 08:00,6,1,1,\n3,B,04.01.2026 08:00,6,1,1,\n4,,04.01.2026 08:00,6,1,1,\n"
    )
    toml = (
        calls(started='{ column = "at", format = "%d.%m.%Y %H:%M" }')
        + LINES
        + 'number_segment = { column = "line_id", extract = "^." }\n'
    )
    made = {row["line_id"]: row for row in rows(mapped(tmp_path, toml + REST, calls__csv=content)["lines"])}
    assert {line: row["activated_at"].astimezone(UTC) for line, row in made.items()} == {
        "A": datetime(2026, 1, 2, tzinfo=UTC),
        "B": datetime(2026, 1, 4, tzinfo=UTC),
    }
    assert made["A"]["number_segment"] == "A" and made["A"]["carrier"] == "CMCC"


def test_the_example_of_the_documentation_works_as_it_stands(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "own-data.md").read_text(encoding="utf-8")
    export, toml = (re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL).group(1) for kind in ("csv", "toml"))
    (tmp_path / "cdr_202605.csv").write_bytes(export.encode("gbk"))
    lines = "号码,运营商,号码池,开通日期\n17000001111,CMCC,P1,2026-01-05\n"
    tables = mapped(
        tmp_path, toml, lines__csv=lines, bans__csv="编号,号码,封号时间,解封时间\n1,17000001111,2026-05-07 10:00:00,\n"
    )
    report = ingest(tables, tmp_path / "home", SETTINGS)
    assert {name: told.accepted for name, told in report.tables.items()} == {"lines": 1, "calls": 1, "bans": 1, "complaints": 0}
    (row,) = rows(tables["calls"])
    assert datetime.fromisoformat(row["started_at"]) == datetime(2026, 5, 6, 1, 0, 12, tzinfo=UTC)
    assert (float(row["duration_s"]), row["answered"]) == (65, "true")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_do_not_matter(tmp_path, end, mark):
    content = mark + HEADER.replace("\n", end) + f"1,L,2026-01-01,5,4,1,a{end}2,L,2026-01-01,5,4,1,{end}"
    made = rows(mapped(tmp_path, calls(more='disposition = "x"'), calls__csv=content)["calls"])
    assert [(row["call_id"], row["disposition"]) for row in made] == [("1", "a"), ("2", None)]


def test_lines_made_from_numbers_that_passed_through_a_float_are_those_of_the_calls(tmp_path):
    columns = {"n": [1, 2], "line": [17000000001.0, None], "t": [datetime(2026, 1, 3, 8)] * 2, "to": ["5", "6"], "s": [2.5, 1.0]}
    pq.write_table(pa.table(columns | {"up": [True, False]}), tmp_path / "calls.parquet")
    toml = """
    [calls]
    files = "calls.parquet"
    columns = { call_id = "n", line_id = "line", started_at = "t", callee_id = "to", duration_s = "s", answered = "up" }
    """
    report = ingest(mapped(tmp_path, toml + LINES + REST), tmp_path / "home", SETTINGS)
    assert report.tables["calls"].quarantined == {"line_id is empty": 1}
    for table in ("lines", "calls"):
        lake = duckdb.sql(f"SELECT line_id FROM read_parquet('{tmp_path}/home/lake/{table}/**/*.parquet')")
        assert lake.fetchall() == [("17000000001",)]


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
