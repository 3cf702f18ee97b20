"""One number for the values of several columns tells rows apart and orders them as the columns do."""

import numpy as np
import pytest

from features.arrays import packed


@pytest.mark.parametrize(("reach", "columns"), [(3, 3), (2_000, 4), (2**31 - 1, 2), (2**31 - 1, 4)])
def test_packed_numbers_order_rows_as_their_columns_do(reach, columns):
    """However far apart values lie, and where even their numbers would not fit side by side."""
    random = np.random.default_rng(5)
    rows = random.integers(-reach, reach, size=(60_000, columns), dtype="int64", endpoint=True).astype("int32")
    rows[1::2] = np.where(random.random((30_000, columns)) < 0.5, rows[::2], rows[1::2])
    codes = packed(list(rows.T))
    order = np.lexsort(rows.T[::-1])
    same = (rows[order][1:] == rows[order][:-1]).all(axis=1)
    steps = np.diff(codes[order].astype("int64"))
    assert (steps[same] == 0).all()
    assert (steps[~same] > 0).all()
    assert codes.min() >= 0
