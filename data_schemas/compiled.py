"""Loops over millions of values as machine code.

Numba compiles them when their module is first loaded, in seconds, and keeps the result beside it or in the user's cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def compiled(signature: Any) -> Callable[[Any], Any]:
    """Makes machine code of a function with this signature, which other threads may run beside Python."""

    def made(function: Any) -> Any:
        try:
            return numba.njit(signature, nogil=True, cache=True)(function)
        except RuntimeError:  # no folder to keep it in
            return numba.njit(signature, nogil=True)(function)

    return made
