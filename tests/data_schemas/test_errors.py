"""Errors of a disk are told from errors of the input, whoever met them: the system, the engine or a database."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest

from data_schemas import errors
from data_schemas.errors import BadInput, check_room, disk_full, disk_says


def failed(number: int, path: Path | None = None) -> OSError:
    return OSError(number, os.strerror(number), *([str(path)] if path else []))


@pytest.mark.parametrize(
    "error",
    [
        failed(errno.ENOSPC),
        failed(errno.EDQUOT),
        duckdb.IOException('IO Error: Could not write file "/nowhere/0.parquet": No space left on device'),
        sqlite3.OperationalError("database or disk is full"),
    ],
)
def test_a_full_disk_is_one_line_that_says_which(error, tmp_path):
    assert disk_full(error)
    said = str(disk_says(error, tmp_path))
    assert said.startswith("the disk that holds /") and said.endswith("is full; free space and run it again")


def test_the_place_named_is_one_that_is_there(tmp_path):
    path = tmp_path / "lake" / ".tmp" / "0.parquet"
    assert f"holds {tmp_path} is full" in str(disk_says(failed(errno.ENOSPC, path), Path()))
    assert f"holds {tmp_path} is full" in str(disk_says(duckdb.IOException(f'"{path}": No space left on device'), Path()))


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR])
def test_a_place_that_refuses_is_named_with_what_to_do(tmp_path, number):
    within = str(disk_says(failed(number, tmp_path / "scores" / ".x"), tmp_path))
    assert within == f"{tmp_path}: {os.strerror(number)}; let bancast write there, or give a --home that can be written"
    outside = str(disk_says(failed(number, tmp_path / "x"), Path()))
    assert outside == f"{tmp_path}: {os.strerror(number)}; let bancast write there, or give a place that can be written"


def test_a_database_that_cannot_be_written_is_said_of_the_home(tmp_path):
    said = str(disk_says(sqlite3.OperationalError("attempt to write a readonly database"), tmp_path))
    assert said.startswith(f"{tmp_path}: its database cannot be written")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        FileNotFoundError(errno.ENOENT, "No such file", "/nowhere"),
        failed(errno.EPERM),  # of a socket, say
        duckdb.IOException('IO Error: Could not read "/x/y": too short'),
        RuntimeError("Permission denied by the server"),
    ],
)
def test_other_errors_are_left_as_they_are(error, tmp_path):
    assert not disk_full(error) and disk_says(error, tmp_path) is None


def test_a_disk_that_is_full_before_anything_begins_is_said_at_once(tmp_path, monkeypatch):
    check_room(tmp_path / "new")
    monkeypatch.setattr(errors.shutil, "disk_usage", lambda place: SimpleNamespace(free=2**20))
    with pytest.raises(BadInput, match=f"the disk that holds {tmp_path} is full; free space"):
        check_room(tmp_path / "new" / "home")
