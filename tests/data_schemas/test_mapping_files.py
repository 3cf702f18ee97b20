"""Mapping files: the files of a user's own exports, in any encoding, format and number."""

from __future__ import annotations

import gc
import gzip
import re
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data_schemas.errors import BadInput
from data_schemas.ingest import ingest
from tests.data_schemas.mappings import HEADER, LINES, REST, SETTINGS, calls, mapped, rows

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
