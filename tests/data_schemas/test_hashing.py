"""The keyed hash of personal ids, and the key."""

from __future__ import annotations

import hashlib
import os
import sys
import unicodedata

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data_schemas import hashing, staging
from data_schemas.errors import BadInput
from data_schemas.hashing import CalleeKey, forget, hashed_view, load_key, passing_view
from data_schemas.sources import trimmed
from tests.data_schemas import disk
from tests.data_schemas.disk import load, small, write

SPACES = "".join(char for char in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(char) == "Zs")


def texts(values: list[str]) -> disk.pa.Array:
    return disk.pa.array(values, disk.pa.string())


def hashed(key: CalleeKey, values: list[str]) -> list[tuple]:
    return list(zip(key.hashes(texts(values)).tolist(), key.blocks(texts(values)).to_pylist(), strict=True))


@example(secret=b"k", value="\u3000 13800130001\xa0")
@given(secret=st.binary(min_size=1, max_size=100), value=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
def test_an_id_is_hashed_by_keyed_blake2b_of_its_text(secret, value):
    key = secret if len(secret) <= 64 else hashlib.blake2b(secret, digest_size=64).digest()
    digest = hashlib.blake2b(value.strip(SPACES).encode(), digest_size=8, key=key, person=b"bancast id").digest()
    assert CalleeKey(secret).hash(value) == int.from_bytes(digest, "big", signed=True)


@settings(deadline=None)  # loads machine code
@example(secret=b"k", values=["", *("7" * length for length in (127, 128, 129, 256, 257))], skip=1)
@given(
    secret=st.binary(min_size=1, max_size=100),
    values=st.lists(st.text("0123456789 -é中", max_size=300), max_size=6),
    skip=st.integers(0, 3),
)
def test_many_ids_are_hashed_in_machine_code_as_one_is(secret, values, skip):
    key, ids = CalleeKey(secret), texts(values)[skip:]
    assert key.hashes(ids, True).tolist() == key.hashes(ids).tolist()
    assert key.blocks(ids, True) == key.blocks(ids)


def test_numbers_that_differ_in_their_last_two_digits_share_a_block_and_no_hash():
    key = CalleeKey(b"k")
    values = ["13800130001", "138-0013 0099", "+13800130042", "13800130100", "1234", "alice", ""]
    one, two, three, other, *none = key.blocks(texts(values)).to_pylist()
    assert one == two == three != other and none == [None, None, None]
    assert len({*key.hashes(texts(values)).tolist(), one, other}) == len(values) + 2


def test_another_key_gives_other_hashes():
    assert CalleeKey(b"a").hash("13800130001") != CalleeKey(b"b").hash("13800130001")


@settings(max_examples=20, deadline=None)
@example(values=["\xa0", "\u300013800130001\u3000", "13800130001"])
@given(
    values=st.lists(st.one_of(st.none(), st.sampled_from(["", " ", " a", "a ", "13800130001"]), st.text(max_size=9)), min_size=1)
)
def test_the_view_gives_each_row_the_hash_of_its_id(values):
    values = [value and value.replace("\0", "") for value in values]
    con, key = duckdb.connect(), CalleeKey(b"k")
    con.register("given", disk.pa.table({"n": range(len(values)), "callee_id": disk.pa.array(values, disk.pa.string())}))
    con.execute("CREATE TEMP VIEW raw AS SELECT * FROM given")
    view = hashed_view(con, key, "raw", {"callee_id": "VARCHAR"}, ("callee_id",), True)
    got = con.execute(f"SELECT callee_id, __callee_block FROM {view} ORDER BY n").fetchall()
    clean = [(value or "").strip(SPACES) for value in values]
    assert got == [(key.hash(value), key.blocks(texts([value]))[0].as_py()) if value else (None, None) for value in clean]


@pytest.mark.parametrize(("threads", "many"), [(1, 2000), (2, 2000), (2, 3000)])
def test_ids_of_many_batches_are_hashed_alike_by_one_thread_and_by_several(monkeypatch, threads, many):
    monkeypatch.setattr(hashing, "_BATCH", 2048)
    monkeypatch.setattr(hashing, "_MANY", many)
    con, key, count = duckdb.connect(config={"threads": threads}), CalleeKey(b"k"), 20_000
    con.execute(f"CREATE TEMP VIEW raw AS SELECT '138' || lpad(range::VARCHAR, 8, '0') AS callee_id FROM range({count})")
    view = hashed_view(con, key, "raw", {"callee_id": "VARCHAR"}, ("callee_id",), True)
    values = [f"138{n:08}" for n in range(count)]
    want = set(hashed(key, values))
    got = con.execute(f"SELECT callee_id, __callee_block FROM {view}").fetchall()
    assert len(got) == count and set(got) == want
    forget(con)
    assert con.execute("SELECT count(*) FROM duckdb_tables()").fetchone() == (0,), "raw ids go as soon as they are not needed"


@pytest.mark.parametrize("memory_gb", [1, 0.15])
def test_ids_that_memory_does_not_hold_are_hashed_as_they_pass(tmp_path, monkeypatch, memory_gb):
    ways = []
    for way in (hashed_view, passing_view):
        monkeypatch.setattr(staging, way.__name__, lambda *more, way=way: (ways.append(way.__name__), way(*more))[1])
    count, world = 300_000, small()
    # Of one line and day, so that little but the ids takes memory.
    world["calls"] = [
        world["calls"][0] | {"call_id": f"C{n}", "callee_id": f"{n % 5 and 13_000_000_000 + n:0200d}"} for n in range(count)
    ]
    world["calls"][7]["callee_id"] = None
    load(write(tmp_path / "in", world), tmp_path / "home", callee_key="k", memory_gb=memory_gb)
    assert ways[:2] == (["hashed_view"] * 2 if memory_gb == 1 else ["hashed_view", "passing_view"])
    rows = duckdb.sql(f"SELECT call_id, callee_id, callee_block FROM '{tmp_path}/home/lake/calls/**/*.parquet'").fetchall()
    key, given = CalleeKey(b"k"), {row["call_id"]: row["callee_id"] for row in world["calls"]}
    assert len(rows) == count - 1, "one without an id is set aside"
    ids = [given[call] for call, *_ in rows]
    assert [(hashed, block) for _, hashed, block in rows] == [*hashed(key, ids)]
    assert sorted((tmp_path / "home" / "lake").rglob("*spill*")) == []


@pytest.mark.parametrize(("files", "foreseen"), [(2, True), (3, False)])
def test_where_memory_holds_the_ids_of_some_files_they_are_hashed_part_by_part(tmp_path, monkeypatch, files, foreseen):
    """The lake is that of one part, rows that broke a rule included; the files after the first are each a part of their own.

    Ids that are too many by count are not tried all at once; those that were thought to fit are, first.
    """
    world, ways = small(days=12, calls=7), []
    world["calls"][3]["callee_id"] = None
    world["calls"][4]["duration_s"] = -1.0
    load(write(tmp_path / "in", world), tmp_path / "whole", callee_key="k")
    folder = write(tmp_path / "parts", world)
    whole = pq.read_table(folder / "calls.parquet")
    (folder / "calls.parquet").unlink()
    (folder / "calls").mkdir()
    for number in range(files):
        pq.write_table(whole.take(list(range(number, len(whole), files))), folder / "calls" / f"a\\{number}.parquet")
    parts = hashing.hashed_view

    def first_fails(con, key, view, *more):
        ways.append(view)
        if len(ways) == 1 and not foreseen:
            raise duckdb.OutOfMemoryException("full")
        return parts(con, key, view, *more)

    monkeypatch.setattr(staging, "hashed_view", first_fails)
    monkeypatch.setattr(staging, "_IDS_A_GB", 1)
    if not foreseen:
        monkeypatch.setattr(staging, "_different", lambda *more: 0)
    load(folder, tmp_path / "home", callee_key="k")
    assert ways[:-1] == [*['"raw_calls"'] * (not foreseen), *['"some_raw_calls"'] * files]
    found = []
    for home in ("whole", "home"):
        columns = "call_id, line_id, started_at, callee_id, callee_block, duration_s, day"
        rows = duckdb.sql(f"SELECT {columns} FROM '{tmp_path}/{home}/lake/calls/**/*.parquet' ORDER BY call_id").fetchall()
        kept = duckdb.sql(f"SELECT rule, \"row\" FROM '{tmp_path}/{home}/lake/quarantine/**/*.parquet' ORDER BY ALL").fetchall()
        found.append((rows, kept))
    assert found[0] == found[1] and len(found[0][0]) == len(world["calls"]) - 2


def test_what_fits_into_memory_in_no_way_says_so(tmp_path, monkeypatch):
    def full(*more):
        raise duckdb.OutOfMemoryException("full")

    monkeypatch.setattr(staging, "_scan", full)
    with pytest.raises(BadInput, match="does not fit into memory; set memory_gb higher"):
        load(write(tmp_path / "in", small()), tmp_path / "home")
    assert not (tmp_path / "home" / "lake").exists()


def test_the_home_keeps_a_key_of_its_own_that_only_its_owner_reads(tmp_path):
    folder, home = write(tmp_path / "in", small()), tmp_path / "home"
    load(folder, home)
    path = home / "callee.key"
    assert os.stat(path).st_mode & 0o777 == 0o600 and len(path.read_bytes()) == 64
    before = path.read_bytes()
    load(folder, home)
    assert path.read_bytes() == before
    load(folder, tmp_path / "other")
    assert (tmp_path / "other" / "callee.key").read_bytes() != before, "homes have different keys"


def test_a_key_that_is_given_is_not_written(tmp_path):
    home = tmp_path / "home"
    load(write(tmp_path / "in", small()), home, callee_key="a secret of the company")
    assert not (home / "callee.key").exists()
    assert "a secret of the company" not in disk.contents(home)


@pytest.mark.parametrize(("content", "says"), [(None, "not readable"), (b" \n", "is empty")])
def test_a_key_file_that_gives_no_key_is_named(tmp_path, content, says):
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadInput, match=f"key: callee key {says}"):
        load_key(disk.settings(tmp_path, callee_key_file=path), tmp_path)


@given(st.lists(st.one_of(st.none(), st.text(SPACES + "a1!\t\n\x1f\u200b中é", max_size=6), st.text(max_size=4)), max_size=30))
def test_a_text_without_spaces_around_it_is_what_the_engine_trims(values):
    con = duckdb.connect()
    con.register("rows", disk.pa.table({"x": texts(values)}))
    found = con.execute(f"SELECT {trimmed('x')}, trim(x) FROM rows").fetchall()
    assert found == [(text and text.strip(SPACES),) * 2 for text in values]
