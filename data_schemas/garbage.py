"""Python's search for garbage, for processes that make many small things that last and many that go soon."""

from __future__ import annotations

import gc
from functools import cache


@cache
def settle() -> None:
    """What is loaded by now stays, and is not looked through again; what is made from here on is, more seldom.

    A manifest of half a year has 10,000 objects and expressions are many more: to go through all that a process has loaded,
    again and again while these are made, costs a morning 0.4 s.
    """
    gc.freeze()
    gc.set_threshold(50_000)
