"""Files that a command leaves where the user says: whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from data_schemas.errors import BadInput

if TYPE_CHECKING:
    import pandas as pd

_SUFFIXES = (".parquet", ".csv")


def check_out(out: Path) -> None:
    """BadInput when a table cannot be written there, before any work is done for it."""
    if out.suffix not in _SUFFIXES:
        raise BadInput(f"--out {out}: name it .parquet or .csv")
    if out.is_dir():
        raise BadInput(f"--out {out}: is a folder; name a file")
    if not out.parent.is_dir():
        raise BadInput(f"--out {out}: no folder {out.parent}; make it first")
    if not os.access(out.parent, os.W_OK):
        raise BadInput(f"--out {out}: folder {out.parent} cannot be written; choose another")


def write_frame(frame: pd.DataFrame, out: Path) -> None:
    """Write a frame as Parquet or CSV (by its suffix), under a temporary name first."""
    check_out(out)
    temporary = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        if out.suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        else:
            frame.to_csv(temporary, index=False)
        os.replace(temporary, out)
    finally:
        temporary.unlink(missing_ok=True)
