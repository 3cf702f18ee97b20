"""Keyed BLAKE2b (RFC 7693) of millions of short texts, in machine code: hashlib's digests without an object for each."""

from __future__ import annotations

import numba
import numpy as np
import pyarrow as pa
from numba import types

from data_schemas.compiled import compiled

_IV = np.array(
    [
        0x6A09E667F3BCC908,
        0xBB67AE8584CAA73B,
        0x3C6EF372FE94F82B,
        0xA54FF53A5F1D36F1,
        0x510E527FADE682D1,
        0x9B05688C2B3E6C1F,
        0x1F83D9ABFB41BD6B,
        0x5BE0CD19137E2179,
    ],
    np.uint64,
)
_SIGMA = np.array(
    [
        [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        [14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3],
        [11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4],
        [7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8],
        [9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13],
        [2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9],
        [12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11],
        [13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10],
        [6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5],
        [10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0],
    ],
    np.uint8,
)
_BLOCK = 128
"""Bytes that are mixed in at a time."""
_ROUNDS = 12
_STEPS = 10
_16, _24, _32, _63, _64 = (np.uint64(bits) for bits in (16, 24, 32, 63, 64))
_ALL = np.uint64(2**64 - 1)

_Words = types.Array(types.uint64, 1, "C")
_Start = types.Array(types.uint64, 1, "C", readonly=True)
_Offsets = types.Array(types.int32, 1, "C", readonly=True)
_Bytes = types.Array(types.uint8, 1, "C", readonly=True)


@numba.njit(inline="always")
def _turned(word, bits):  # type: ignore[no-untyped-def]
    """A word whose last bits have become its first."""
    return (word >> bits) | (word << (_64 - bits))


@numba.njit(inline="always")
def _mixed(a, b, c, d, x, y):  # type: ignore[no-untyped-def]
    """The function G of section 3.1."""
    a = a + b + x
    d = _turned(d ^ a, _32)
    c = c + d
    b = _turned(b ^ c, _24)
    a = a + b + y
    d = _turned(d ^ a, _16)
    c = c + d
    b = _turned(b ^ c, _63)
    return a, b, c, d


@compiled(types.void(_Words, _Words, types.uint64, types.boolean))
def _compress(h, m, length, last):  # type: ignore[no-untyped-def]
    """The function F of section 3.2: mixes a block m into the state h; length: bytes so far, with those of the block."""
    v0, v1, v2, v3, v4, v5, v6, v7 = h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
    v8, v9, v10, v11, v12, v13, v14, v15 = _IV[0], _IV[1], _IV[2], _IV[3], _IV[4], _IV[5], _IV[6], _IV[7]
    v12 ^= length
    if last:
        v14 ^= _ALL
    for turn in range(_ROUNDS):
        s = _SIGMA[turn % _STEPS]
        v0, v4, v8, v12 = _mixed(v0, v4, v8, v12, m[s[0]], m[s[1]])
        v1, v5, v9, v13 = _mixed(v1, v5, v9, v13, m[s[2]], m[s[3]])
        v2, v6, v10, v14 = _mixed(v2, v6, v10, v14, m[s[4]], m[s[5]])
        v3, v7, v11, v15 = _mixed(v3, v7, v11, v15, m[s[6]], m[s[7]])
        v0, v5, v10, v15 = _mixed(v0, v5, v10, v15, m[s[8]], m[s[9]])
        v1, v6, v11, v12 = _mixed(v1, v6, v11, v12, m[s[10]], m[s[11]])
        v2, v7, v8, v13 = _mixed(v2, v7, v8, v13, m[s[12]], m[s[13]])
        v3, v4, v9, v14 = _mixed(v3, v4, v9, v14, m[s[14]], m[s[15]])
    h[0] ^= v0 ^ v8
    h[1] ^= v1 ^ v9
    h[2] ^= v2 ^ v10
    h[3] ^= v3 ^ v11
    h[4] ^= v4 ^ v12
    h[5] ^= v5 ^ v13
    h[6] ^= v6 ^ v14
    h[7] ^= v7 ^ v15


@compiled(types.void(_Start, _Start, _Offsets, _Bytes, _Words))
def _digests(start, key, offsets, data, out):  # type: ignore[no-untyped-def]
    """The first word of the digest of each text."""
    keyed, m, h = start.copy(), key.copy(), np.empty(8, np.uint64)
    _compress(keyed, m, np.uint64(_BLOCK), False)
    for i in range(out.size):
        first, end = offsets[i], offsets[i + 1]
        if first == end:  # the key is all there is
            h[:], m[:] = start, key
            _compress(h, m, np.uint64(_BLOCK), True)
        else:
            h[:] = keyed
        at = first
        while at < end:
            here = min(end - at, _BLOCK)
            m[:] = 0
            for j in range(here):
                m[j >> 3] |= np.uint64(data[at + j]) << np.uint64((j & 7) << 3)
            at += here
            _compress(h, m, np.uint64(_BLOCK + at - first), at == end)
        out[i] = h[0]


def digests(key: bytes, person: bytes, texts: pa.Array) -> np.ndarray:
    """Digests of 8 bytes of the texts (no nulls) in UTF-8, as integers (int64) whose first byte is the digest's first.

    key: 1 to 64 bytes; person: at most 16.
    """
    words = np.zeros(8, np.uint64)
    words[0] = 0x01010000 | len(key) << 8 | 8
    words[6:] = np.frombuffer(person.ljust(16, b"\0"), "<u8")
    block = np.frombuffer(key.ljust(_BLOCK, b"\0"), "<u8").astype(np.uint64)
    _, offsets, data = texts.cast(pa.binary()).buffers()
    begins = np.frombuffer(offsets, np.int32)[texts.offset :][: len(texts) + 1]
    out = np.empty(len(texts), np.uint64)
    _digests(_IV ^ words, block, begins, np.frombuffer(data or b"", np.uint8), out)
    return out.byteswap().view(np.int64)
