"""What a person has to change: one line that names file, column, rule and remedy, and nothing half-written."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from data_schemas.errors import BadInput
from data_schemas.locking import home_lock
from tests.data_schemas import disk
from tests.data_schemas.disk import at, call, load, number, small, write


@pytest.fixture
def world(tmp_path):
    return write(tmp_path / "world", small(calls=20))


def refused(folder, home, *words, **more):
    """One line with these words; a home as it was."""
    before = disk.files(home)
    with pytest.raises(BadInput) as error:
        load(folder, home, **more)
    said = str(error.value)
    assert "\n" not in said and "Traceback" not in said
    for word in words:
        assert re.search(word, said), f"{word!r} is not in {said!r}"
    assert [name for name in disk.files(home) if "rejected" not in name] == before
    assert not (home / "lake" / ".tmp").exists()
    return said


def both(tmp_path, folder, world, *words, **more):
    """Refused by a home that is new and by one with a lake."""
    refused(folder, tmp_path / "new", *words, **more)
    load(world, tmp_path / "old")
    refused(folder, tmp_path / "old", *words, **more)


def test_missing_folder(tmp_path, world):
    both(tmp_path, tmp_path / "nowhere", world, r"nowhere: no such folder", r"lines, calls", "parquet")


def test_folder_without_tables(tmp_path):
    (tmp_path / "empty").mkdir()
    refused(tmp_path / "empty", tmp_path / "home", "holds none of the tables lines, calls", "--mapping")


def test_missing_required_table(tmp_path, world):
    (write(tmp_path / "less", small()) / "bans.parquet").unlink()
    both(tmp_path, tmp_path / "less", world, "less", "required table `bans` is missing", r"add bans\.parquet")


def test_missing_column(tmp_path, world):
    rows = [{k: v for k, v in row.items() if k != "callee_id"} for row in small()["calls"]]
    write(tmp_path / "less", small() | {"calls": rows})
    both(
        tmp_path,
        tmp_path / "less",
        world,
        r"calls\.parquet",
        "column `callee_id` of `calls` missing",
        "found: call_id",
        "--mapping",
    )


def test_column_in_other_letters_is_named(tmp_path):
    rows = [{("Line_ID" if k == "line_id" else k): v for k, v in row.items()} for row in small()["bans"]]
    write(tmp_path / "in", small() | {"bans": rows})
    refused(tmp_path / "in", tmp_path / "home", r"bans\.parquet", "`line_id` of `bans` missing", "Line_ID", "rename")


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("started_at", 1_700_000_000, "not a time"),
        ("duration_s", True, "not a number"),
        ("answered", datetime(2026, 1, 1), "not true or false"),
        ("callee_id", [1, 2], "not a text"),
    ],
)
def test_wrong_type(tmp_path, world, column, value, says):
    write(tmp_path / "wrong", small() | {"calls": [row | {column: value} for row in small()["calls"]]})
    both(tmp_path, tmp_path / "wrong", world, r"calls\.parquet", f"column `{column}` is [A-Z]", says, "convert it", "--mapping")


def test_cells_of_a_wrong_type_in_csv(tmp_path, world):
    rows = [row | {"duration_s": "2 min"} for row in small()["calls"]]
    write(tmp_path / "wrong", small() | {"calls": rows}, "csv")
    both(
        tmp_path,
        tmp_path / "wrong",
        world,
        r"calls\.csv",
        "15 of 15 rows",
        "`duration_s` is not a number",
        "'2 min'",
        "max_bad_share",
    )


@pytest.mark.parametrize("table", ["lines", "calls"])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_no_rows(tmp_path, table, form):
    write(tmp_path / "in", small() | {table: []}, form)
    refused(tmp_path / "in", tmp_path / "home", rf"{table}\.{form}: no rows", f"`{table}` must have some", "check the export")


def test_many_dates_in_the_future_stop_the_run(tmp_path, world):
    later = datetime.now(UTC) + timedelta(days=3)
    rows = [row | {"started_at": later} if n % 4 == 0 else row for n, row in enumerate(small(calls=20)["calls"])]
    write(tmp_path / "future", small() | {"calls": rows})
    both(tmp_path, tmp_path / "future", world, r"calls\.parquet", "15 of 60 rows", "`started_at` is in the future", r"e\.g\. '20")


def test_few_dates_in_the_future_go_to_quarantine(tmp_path):
    tables = small(calls=20)
    tables["calls"].append(call(900) | {"started_at": datetime.now(UTC) + timedelta(hours=2)})
    report = load(write(tmp_path / "in", tables), tmp_path / "home")
    assert report.tables["calls"].quarantined == {"started_at is in the future": 1}


def test_a_policy_of_next_month_is_no_date_in_the_future(tmp_path):
    policies = [{"carrier": "CM", "effective_at": datetime.now(UTC) + timedelta(days=30), "daily_call_limit": 100}]
    report = load(write(tmp_path / "in", small() | {"policies": policies}), tmp_path / "home")
    assert report.tables["policies"].accepted == 1


@pytest.mark.parametrize("encoding", ["gbk", "utf-16"])
def test_csv_in_another_encoding(tmp_path, world, encoding):
    write(tmp_path / "in", small() | {"bans": [disk.ban(1, reason="投诉过多")]}, "csv")
    path = tmp_path / "in" / "bans.csv"
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    both(tmp_path, tmp_path / "in", world, r"bans\.csv: not UTF-8 at byte \d+", "save it as UTF-8", "mapping")


def test_truncated_parquet(tmp_path, world):
    path = write(tmp_path / "cut", small(calls=200)) / "calls.parquet"
    path.write_bytes(path.read_bytes()[:-300])
    both(tmp_path, tmp_path / "cut", world, r"calls\.parquet: not a readable Parquet file", "cut short", "write it anew")


def test_parquet_damaged_amid_its_rows(tmp_path, world):
    path = write(tmp_path / "bad", small(calls=2000)) / "calls.parquet"
    data = bytearray(path.read_bytes())
    data[2000:6000] = bytes(4000)
    path.write_bytes(data)
    both(tmp_path, tmp_path / "bad", world, r"calls\.parquet: not readable to its end", "write it anew")


@pytest.mark.parametrize("name", ["calls.parquet", "calls.csv"])
def test_empty_file(tmp_path, world, name):
    folder = write(tmp_path / "in", small())
    (folder / "calls.parquet").unlink()
    (folder / name).touch()
    both(tmp_path, folder, world, name, "empty" if name.endswith("csv") else "not a readable Parquet file")


def test_csv_without_header(tmp_path, world):
    folder = write(tmp_path / "in", small(), "csv")
    path = folder / "calls.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    said = refused(folder, tmp_path / "home", r"calls\.csv: no header line", "add one", "--mapping")
    assert number(0) not in said


def test_mixed_formats(tmp_path, world):
    folder = write(tmp_path / "in", small())
    (folder / "calls").mkdir()
    (folder / "calls.parquet").rename(folder / "calls" / "a.parquet")
    disk.put(folder / "calls" / "b.csv", small()["calls"])
    both(tmp_path, folder, world, "calls: mixes .parquet and .csv files", "keep one")


def test_one_table_twice(tmp_path):
    folder = write(write(tmp_path / "in", small()), {"bans": small()["bans"]}, "csv")
    refused(folder, tmp_path / "home", r"`bans` is there as bans\.parquet and bans\.csv; keep one")


def test_table_folder_without_files(tmp_path):
    folder = write(tmp_path / "in", small())
    (folder / "messages").mkdir()
    refused(folder, tmp_path / "home", r"messages: no \.parquet or \.csv file", "put the rows of `messages` there")


def test_header_with_one_column_twice(tmp_path):
    folder = write(tmp_path / "in", small(), "csv")
    path = folder / "bans.csv"
    path.write_text(path.read_text().replace("banned_at", "line_id", 1))
    refused(folder, tmp_path / "home", r"bans\.csv: the header has column `line_id` twice", "rename it")


def test_too_large_a_share_of_bad_rows_keeps_the_rows_for_a_look(tmp_path, world):
    rows = [row | {"line_id": None} if n < 5 else row for n, row in enumerate(small(calls=20)["calls"])]
    write(tmp_path / "in", small() | {"calls": rows})
    both(
        tmp_path,
        tmp_path / "in",
        world,
        r"5 of 60 rows of `calls` \(8.3%\)",
        "max_bad_share = 5.0%",
        "`line_id` is empty",
        "the rows are in",
    )
    kept = next((tmp_path / "old" / "lake" / "rejected").rglob("calls.parquet"))
    assert len(disk.pq.read_table(kept, partitioning=None)) == 5
    assert load(tmp_path / "in", tmp_path / "old", ingest={"max_bad_share": 0.1}).tables["calls"].accepted == 55


def test_another_zone_than_the_lake_has(tmp_path, world):
    load(world, tmp_path / "home")
    refused(world, tmp_path / "home", "kept by days of Asia/Shanghai", "zone = UTC", "set it back", zone="UTC")


def test_another_key_than_the_lake_has(tmp_path, world):
    load(world, tmp_path / "home")
    refused(world, tmp_path / "home", "another callee key", "BANCAST_CALLEE_KEY", callee_key="other")


def test_damaged_manifest(tmp_path, world):
    load(world, tmp_path / "home")
    (tmp_path / "home" / "lake" / "manifest.json").write_text('{"format": 1')
    with pytest.raises(BadInput, match=r"manifest\.json: not readable .*restore it"):
        load(world, tmp_path / "home")


def test_a_home_that_another_run_writes_to(tmp_path):
    says = r"home .*home is being written by another bancast run \(pid \d+\); wait or use another --home"
    with home_lock(tmp_path / "home"), pytest.raises(BadInput, match=says), home_lock(tmp_path / "home"):
        raise AssertionError("two holders")
    with home_lock(tmp_path / "home"):
        pass


def test_a_holder_that_was_killed_holds_no_longer(tmp_path):
    import subprocess
    import sys

    code = "import sys, os, signal, pathlib; from data_schemas.locking import home_lock\n"
    code += "with home_lock(pathlib.Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "home")]).returncode == -9
    with home_lock(tmp_path / "home"):
        assert (tmp_path / "home" / ".lock").read_text() != ""


def test_a_disk_that_refuses_writing_leaves_the_lake(tmp_path, world, monkeypatch):
    from data_schemas import ingest as module

    load(world, tmp_path / "home")
    before = disk.manifest_bytes(tmp_path / "home")
    other = write(tmp_path / "other", small() | {"calls": [call(1, 0, 10, duration_s=1.0), call(9, 7)]})

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        load(other, tmp_path / "home", known_at=at(20))
    assert disk.manifest_bytes(tmp_path / "home") == before
    monkeypatch.undo()
    assert load(other, tmp_path / "home", known_at=at(20)).changed


def test_arrow_types_that_hold_no_text_are_named(tmp_path):
    table = disk.arrow(small()["bans"]).append_column("reason", pa.array([[b"x"]], pa.list_(pa.binary())))
    folder = write(tmp_path / "in", small())
    disk.put(folder / "bans.parquet", table)
    refused(folder, tmp_path / "home", r"bans\.parquet: column `reason` is BLOB\[\], not a text")
