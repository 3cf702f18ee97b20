"""What is wrong with a mapping file is said as it is loaded, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_schemas.errors import BadInput
from data_schemas.mapping import load_mapping
from data_schemas.mapping_model import Condition, FieldRule, MappingRule, SourceRule
from data_schemas.settings import Settings

ROOT = Path(__file__).parents[2]
GOOD = """
[calls]
files = "calls.csv"
[calls.columns]
call_id = "id"
line_id = "line"
started_at = "at"
callee_id = "to"
duration_s = "talk"
answered = "ok"
"""
CALLS = "id,line,at,to,talk,ok\n1,L,2026-01-01,5,4,1\n"


def refusal(folder: Path, toml: str | bytes) -> str:
    """The one line in which a mapping is refused, without the path."""
    (folder / "calls.csv").write_text(CALLS)
    path = folder / "m.toml"
    path.write_bytes(toml if isinstance(toml, bytes) else toml.encode())
    with pytest.raises(BadInput) as caught:
        load_mapping(path, Settings())
    message = str(caught.value)
    assert "\n" not in message and message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_the_mapping_that_the_errors_start_from_is_good(tmp_path):
    (tmp_path / "calls.csv").write_text(CALLS)
    (tmp_path / "m.toml").write_text(GOOD)
    assert set(load_mapping(tmp_path / "m.toml", Settings())) == {"calls"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[calls]", "[calls", "not TOML ("),
        ('"ok"', "{ column = 'ok', codes = { 已接通 = true } }", "not TOML (Invalid initial character for a key part"),
        ("[calls]", "[cals]\n[calls]", "unknown table `cals`; the tables are lines, calls, "),
        ("[calls]", 'zonee = "UTC"\n[calls]', "unknown table `zonee`"),
        ("[calls]", 'zone = "Asia/Peking"\n[calls]', "`zone`: no time zone is called 'Asia/Peking'; use an IANA name"),
        ("[calls]", 'folder = "nowhere"\n[calls]', "folder = 'nowhere': no such folder"),
        ("[calls]", "[calls]\ncolour = 1", "[calls]: unknown key `colour`; the keys here are files, format, "),
        (
            "[calls]",
            "[calls]\nempty = true",
            "[calls]: say where its rows are: one of `files`, `from` and `empty` (files and empty",
        ),
        ('files = "calls.csv"', "", "[calls]: say where its rows are: one of `files`, `from` and `empty` (none given)"),
        ("calls.csv", "cdr.csv", "[calls]: files = 'cdr.csv' finds no file in "),
        ("calls.csv", "*.dat", "[calls]: files = '*.dat' finds no file in "),
        ("[calls]", '[calls]\nencoding = "gbq"', "[calls] `encoding`: no encoding is called 'gbq'; try gb18030, "),
        ("[calls]", '[calls]\nformat = "xlsx"', "[calls] `format`: Input should be 'csv' or 'parquet'"),
        ("[calls]", '[calls]\ndelimiter = "||"', "[calls] `delimiter`: give one character, not '||'"),
        ("[calls]", '[calls]\nheader = ["a", "b"]', "[calls]: calls.csv: 6 cells in its first line, 2 names in `header`; "),
        (
            "[calls]",
            '[calls]\nwhere.kind = "x"',
            "[calls] where: calls.csv has no column `kind`; it has id, line, at, to, talk, ok",
        ),
        ("[calls]", '[calls]\nwhere.id = { matches = "(" }', "[calls] where id: `matches` is no regular expression ("),
        ("[calls]", "[calls]\nwhere.id = {}", "[calls] where id: give a value, a list of values, or `is`, `not` or `matches`"),
        ("call_id", "call_idd", "[calls]: unknown field `call_idd`; `calls` has call_id, line_id, "),
        ('callee_id = "to"\n', "", "[calls]: the required field `callee_id` has no column; add callee_id = "),
        ('"talk"', '"seconds"', "[calls] duration_s: calls.csv has no column `seconds`; it has id, line, at, to, talk, ok"),
        ('"talk"', "7", '[calls] duration_s: give a column name in quotes, or a table such as { column = "name" }'),
        (
            '"talk"',
            '{ column = "talk", unit = "sec" }',
            "[calls] duration_s `unit`: Input should be 's', 'ms', 'us', 'min', 'h', ",
        ),
        (
            '"talk"',
            '{ column = "talk", units = "s" }',
            "[calls] duration_s: unknown key `units`; the keys here are column, columns, ",
        ),
        ('"talk"', '{ unit = "s" }', "[calls] duration_s: give one of `column`, `columns` and `value` (none given)"),
        ('"talk"', '{ value = 1, unit = "s" }', "[calls] duration_s: `value` is a constant; take out `unit`"),
        ('"talk"', '{ value = "1" }', "[calls] duration_s: '1' is not a number (without quotes)"),
        ('"talk"', '{ column = "talk", is = "x" }', "[calls] duration_s: `is` is for true-or-false fields; use `codes`"),
        ('"talk"', '{ column = "talk", format = "%s" }', "[calls] duration_s: `format` is for times; take it out"),
        ('"talk"', '{ column = "talk", minus = "x" }', "[calls] duration_s: calls.csv has no column `x`"),
        ('"at"', '{ column = "at", zone = "CST6" }', "[calls] started_at `zone`: no time zone is called 'CST6'"),
        ('"at"', '{ column = "at", format = "%Q" }', "[calls] started_at: format '%Q' is no strptime pattern ("),
        (
            '"at"',
            '{ column = "at", format = "epoch" }',
            "[calls] started_at: format 'epoch' is no strptime pattern (it has no %)",
        ),
        ('"at"', '{ column = "at", unit = "s" }', "[calls] started_at: `unit` is for durations; take it out"),
        ('"at"', '{ value = "5 May" }', "[calls] started_at: '5 May' is no time; write it as 2026-01-05 or "),
        ('"ok"', '{ column = "ok", is = "a", codes = { a = true } }', "[calls] answered: `codes` and `is` exclude each other"),
        ('"ok"', '{ column = "ok", codes = { a = "yes" } }', "[calls] answered: 'yes' is not true or false (without quotes)"),
        ('"ok"', '{ column = "ok", others = true }', "[calls] answered: `others` needs `codes` beside it"),
        ('"ok"', '{ column = "ok", extract = "(" }', "[calls] answered: `extract` is no regular expression ("),
        (
            '"id"',
            '{ columns = ["line", "to", "at"] }',
            "[calls] call_id: column `to` holds the number of a person (callee_id) and would be kept as it is; ",
        ),
    ],
)
def test_a_fault_of_the_mapping_is_one_line_that_says_where_and_what_to_do(tmp_path, old, new, says):
    assert old in GOOD
    assert refusal(tmp_path, GOOD.replace(old, new, 1)).startswith(says)


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("", "names no table; add [lines], [calls], "),
        (b"[calls]\nx = '\xb0\xa1'", "not UTF-8; save the mapping file as UTF-8"),
        ("calls = 3", "`calls` is no table; write [calls] and its keys below it"),
        (f'{GOOD}\n[bans]\nfrom = "calls"', "[bans]: `from` makes `lines` alone; give `files`"),
        (f'{GOOD}\n[lines]\nfrom = "messages"', "[lines]: from = 'messages', but the mapping has no [messages]"),
        (f'{GOOD}\n[lines]\nfrom = "calls"', "[lines]: the required field `carrier` has no column; add carrier = "),
        (f'{GOOD}\n[bans]\nempty = true\ncolumns.ban_id = "x"', "[bans]: a table that is `empty` has no `columns`; take one out"),
        (
            f'{GOOD}\n[complaints]\nfiles = "calls.csv"\n[complaints.columns]\ncomplaint_id = "id"\nline_id = "line"\n'
            'occurred_at = "at"\nchannel = { column = "ok", codes = { 1 = "press" } }',
            "[complaints] channel: 'press' is none of carrier, regulator, app_mark, internal",
        ),
        (
            GOOD.replace("[calls]", "[[calls]]\nfiles = 'calls.csv'\n[[calls]]\nskipp = 1"),
            "[calls] (source 2): unknown key `skipp`",
        ),
    ],
)
def test_a_fault_of_the_whole_is_said_in_one_line(tmp_path, toml, says):
    assert refusal(tmp_path, toml).startswith(says)


def test_a_mapping_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"none\.toml: no such mapping file; check the path"):
        load_mapping(tmp_path / "none.toml", Settings())


def test_a_file_that_is_empty_or_names_a_column_twice_is_named(tmp_path):
    (tmp_path / "m.toml").write_text(GOOD)
    for content, says in (
        ("", "calls.csv: empty, without a header line"),
        ("id,line,line\n", "the first line has column `line` twice"),
    ):
        (tmp_path / "calls.csv").write_text(content)
        with pytest.raises(BadInput, match=says):
            load_mapping(tmp_path / "m.toml", Settings())


def test_every_key_of_a_mapping_is_documented():
    page = (ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    for model in (MappingRule, SourceRule, FieldRule, Condition):
        for name, info in model.model_fields.items():
            key = info.alias or name
            if key != "tables":
                assert f"| `{key}` |" in page, f"docs/own-data.md lacks `{key}` of {model.__name__}"
