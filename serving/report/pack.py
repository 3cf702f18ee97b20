"""Columns of numbers in few bytes, as text that stands in a page and that a browser reads at once.

Each column is a typed array, little-endian and aligned to 4 bytes; all of them one after another are compressed (gzip) and
written in base64. `shape` says what lies where.
"""

from __future__ import annotations

import base64
import gzip
from typing import Any

import numpy as np

TYPES = {
    "uint8": "Uint8Array",
    "uint16": "Uint16Array",
    "uint32": "Uint32Array",
    "int32": "Int32Array",
    "float32": "Float32Array",
}
"""Types of NumPy and of JavaScript."""
_ALIGN = 4
_LEVEL = 4


class Packer:
    """Gathers columns by name."""

    def __init__(self) -> None:
        self.shape: dict[str, list[Any]] = {}
        """Name -> type in JavaScript, offset in bytes, number of values."""
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, name: str, values: np.ndarray, kind: str) -> None:
        """Put a column in; values outside the range of its `kind` (one of TYPES) become the nearest that is within."""
        if kind != "float32":
            span = np.iinfo(kind)
            values = np.clip(values, span.min, span.max)
        raw = np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
        self.shape[name] = [TYPES[kind], self._size, values.size]
        self._parts.append(raw + bytes(-len(raw) % _ALIGN))
        self._size += len(self._parts[-1])

    def text(self) -> str:
        """All columns, compressed, in base64."""
        return base64.b64encode(gzip.compress(b"".join(self._parts), _LEVEL, mtime=0)).decode("ascii")


def rounded(values: np.ndarray) -> np.ndarray:
    """Values to 17 bits of their float32, whole numbers up to 131,072 exact: what is not shown need not be kept."""
    bits = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    kept = (bits + np.uint32(0x40)) & np.uint32(0xFFFFFF80)
    return np.where(np.isfinite(values), kept, bits).astype(np.uint32).view(np.float32)
