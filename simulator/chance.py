"""Random streams that depend on the seed and on what they are for, never on the order in which work is done."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

U64 = NDArray[np.uint64]


def stream(seed: int, purpose: str, *at: int) -> np.random.Generator:
    """A generator of its own for one purpose at one place (day, block of lines, ...), `at` not negative."""
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *at])))


def scramble(values: U64) -> U64:
    """A fixed hash of integers (the finaliser of SplitMix64), so that traits follow from an id without being kept."""
    x = values + np.uint64(0x9E3779B97F4A7C15)
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def unit(hashed: U64) -> NDArray[np.float32]:
    """A scrambled value as a fraction of 1."""
    return (hashed >> np.uint64(40)).astype(np.float32) * np.float32(2**-24)


def pick(rng: np.random.Generator, weights: NDArray[np.float64], size: int) -> NDArray[np.int64]:
    """Indices drawn in proportion to `weights`."""
    edges = np.cumsum(weights)
    return np.minimum(np.searchsorted(edges, rng.random(size) * edges[-1], side="right"), len(weights) - 1)


def saturate(x: NDArray[np.float64], half: float) -> NDArray[np.float64]:
    """0 at 0, one half at `half`, towards 1 beyond."""
    return x / (x + half)
