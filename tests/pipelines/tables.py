"""Tables in the contracts, by hand and small: for what goes wrong with input."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-01-01", tz="Asia/Shanghai")


def frames(lines: int = 20, days: int = 40, bans: int = 2, seed: int = 1) -> dict[str, pd.DataFrame]:
    """A few lines that call every day; `bans` bans of different lines spread over the middle of the time."""
    rng = np.random.default_rng(seed)
    names = [f"L{number:03d}" for number in range(lines)]
    count = lines * days * 3
    answered = rng.random(count) < 0.5

    def moments(number: int) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(START + pd.to_timedelta(rng.integers(0, days * 86_400, number), unit="s"))

    calls = pd.DataFrame(
        {
            "call_id": [f"c{number}" for number in range(count)],
            "line_id": rng.choice(names, count),
            "started_at": moments(count),
            "callee_id": [f"138{number:08d}" for number in rng.integers(0, 10**6, count)],
            "duration_s": np.where(answered, rng.integers(1, 90, count), 0),
            "answered": answered,
        }
    )
    banned = rng.permutation(names)[: min(bans, lines)]
    return {
        "lines": pd.DataFrame(
            {
                "line_id": names,
                "carrier": [("CM", "CU")[number % 2] for number in range(lines)],
                "number_pool": [f"P{number % 3}" for number in range(lines)],
                "activated_at": START - pd.Timedelta(days=30),
            }
        ),
        "calls": calls,
        "complaints": pd.DataFrame(
            {"complaint_id": [f"k{n}" for n in range(60)], "line_id": rng.choice(names, 60), "occurred_at": moments(60)}
        ),
        "bans": pd.DataFrame(
            {
                "ban_id": [f"b{n}" for n in range(len(banned))],
                "line_id": banned,
                "banned_at": [START + pd.Timedelta(days=days // 2 + n % (days // 4), hours=5) for n in range(len(banned))],
                "lifted_at": [START + pd.Timedelta(days=days // 2 + 3 + n % (days // 4), hours=5) for n in range(len(banned))],
            }
        ),
    }


def write(folder: Path, tables: dict[str, pd.DataFrame], suffix: str = ".csv") -> Path:
    """One file a table."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in tables.items():
        if suffix == ".csv":
            frame.to_csv(folder / f"{name}.csv", index=False)
        else:
            frame.to_parquet(folder / f"{name}.parquet", index=False)
    return folder
