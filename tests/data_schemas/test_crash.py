"""Invariant 7: a crash at any point leaves the lake as it was; a re-run finishes the work and doubles nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_schemas import ingest as module
from data_schemas import manifest
from tests.data_schemas import disk
from tests.data_schemas.disk import at, call, load, small, write


class Crash(BaseException):
    """As a process that ends: nothing catches it."""


def state(home):
    """All that a reader of the lake can see: its manifest, and the files that it names, whole (a name is a hash)."""
    lake = disk.lake_of(home)
    for table in small():
        for path in lake.files(table):
            assert path.stem == hashlib.sha256(path.read_bytes()).hexdigest()[:20]
    return disk.manifest_bytes(home)


@pytest.fixture
def before_and_after(tmp_path):
    tables = small(days=1)
    tables["calls"][0]["duration_s"] = -1.0
    first = write(tmp_path / "first", tables)
    fixed = small(days=2)
    fixed["calls"] = [row | {"duration_s": 3.0} for row in fixed["calls"] if row["call_id"] != "c4"] + [call(1, 0, 10, ring_s=-3)]
    second = write(tmp_path / "second", fixed)
    return first, second


def fresh(tmp_path, name, first):
    home = tmp_path / name
    load(first, home, callee_key="k", ingest={"max_bad_share": 0.5})
    return home


def again(second, home):
    return load(second, home, callee_key="k", ingest={"max_bad_share": 0.5}, known_at=at(9))


def steps(monkeypatch, crash_at):
    """Counts the calls that touch the lake's files and raises at one of them."""
    seen = []

    def watch(owner, name):
        real = getattr(owner, name)

        def step(*given, **named):
            seen.append(name)
            if len(seen) == crash_at:
                raise Crash
            return real(*given, **named)

        monkeypatch.setattr(owner, name, step)

    for owner, name in (
        (module, "_settle"),
        (module, "keep_key"),
        (module.os, "replace"),
        (module.shutil, "rmtree"),
        (module.merge.Scope, "merge"),
        (module.staging, "stage"),
        (module.staging, "write_quarantine"),
        (manifest.Manifest, "save"),
        (module.Path, "unlink"),
    ):
        watch(owner, name)
    return seen


def test_a_crash_at_any_step_leaves_the_old_lake_or_the_new_one_and_a_rerun_finishes(tmp_path, monkeypatch, before_and_after):
    first, second = before_and_after
    start = fresh(tmp_path, "start", first)
    done = Path(shutil.copytree(start, tmp_path / "done"))
    old = state(done)
    with monkeypatch.context() as patch:
        seen = steps(patch, 0)
        again(second, done)
    new = state(done)
    assert new != old and seen.count("_settle") >= 3
    kept = disk.files(done)
    saved = len(seen) - seen[::-1].index("save") + 1  # the manifest's own replace
    for n in range(1, len(seen) + 1):
        home = Path(shutil.copytree(start, tmp_path / f"home{n}"))
        with monkeypatch.context() as patch:
            steps(patch, n)
            with pytest.raises(Crash):
                again(second, home)
        assert state(home) == (old if n <= saved else new), f"step {n} of {len(seen)}: {seen[n - 1]}"
        again(second, home)
        assert state(home) == new, f"re-run after step {n}: {seen[n - 1]}"
        assert disk.files(home) == kept, f"leftovers after step {n}: {seen[n - 1]}"


def test_a_crash_in_the_very_first_ingest_leaves_no_lake(tmp_path, monkeypatch, before_and_after):
    first, _ = before_and_after
    with monkeypatch.context() as patch:
        seen = steps(patch, 0)
        fresh(tmp_path, "done", first)
    before_save = seen.index("save")
    for n in (1, before_save - 3, before_save, before_save + 1):
        with monkeypatch.context() as patch:
            steps(patch, n)
            with pytest.raises(Crash):
                fresh(tmp_path, f"home{n}", first)
        home = tmp_path / f"home{n}"
        assert disk.lake_of(home).days("calls") == [] and not (home / "lake" / "manifest.json").exists()
        assert load(first, home, callee_key="k", ingest={"max_bad_share": 0.5}).changed
        assert state(home) == state(tmp_path / "done")


KILLED = """
import sys, pathlib
from data_schemas import ingest as module
from data_schemas.settings import load_settings
from data_schemas.sources import find_sources
folder, home, stop = map(pathlib.Path, sys.argv[1:])
real, seen = module._settle, []
def slow(source, target):
    real(source, target)
    seen.append(target)
    if len(seen) == 3:
        stop.write_text("now")
        import time; time.sleep(60)
module._settle = slow
module.ingest(find_sources(folder), home, load_settings(home, callee_key="k", threads=1, ingest={"max_bad_share": 0.5}))
"""


def test_a_process_killed_amid_its_commit_leaves_the_old_lake(tmp_path, before_and_after):
    first, second = before_and_after
    home = fresh(tmp_path, "home", first)
    old = state(home)
    flag = tmp_path / "flag"
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(second), str(home), str(flag)], cwd=os.getcwd())
    deadline = time.monotonic() + 60
    while not flag.exists() and child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    assert len(disk.files(home)) > len(disk.files(fresh(tmp_path, "other", first))), "it had moved files"
    assert state(home) == old
    again(second, home)
    clean = fresh(tmp_path, "clean", first)
    again(second, clean)
    assert state(home) == state(clean) and disk.files(home) == disk.files(clean)
