"""How far a statement of the engine is, told while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context

import duckdb

EVERY_S = 1.0
"""Seconds between two looks."""


@contextmanager
def watched(con: duckdb.DuckDBPyConnection, tell: Callable[[float], None]) -> Iterator[None]:
    """While statements run on `con`, `tell` hears which part of the running one is done (0 to 1), whenever more of it is.

    It hears so in another thread, with the context of this one. The connection needs `enable_progress_bar`.
    """
    over = threading.Event()

    def look() -> None:
        most = 0.0
        while not over.wait(EVERY_S):
            done = min(con.query_progress() / 100, 1.0)
            if done > most:
                most = done
                tell(done)

    watcher = threading.Thread(target=copy_context().run, args=(look,), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
