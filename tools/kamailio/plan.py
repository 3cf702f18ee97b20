"""The calls to place: six lines, each with habits of its own. Numbers are fictitious (none begins like a subscriber's).

    python plan.py FOLDER    writes calls.csv (talk), cancelled.csv (give up) for SIPp and lines.csv for the mapping

The last digit of the callee decides how the far end behaves (kamailio.cfg): 0 to 4 answers, 5 and 9 busy, 6 refuses,
7 rings until the proxy gives up, 8 rings until the caller gives up. The third column is the talk time, or for 8 the time
until the caller gives up, in ms.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

SEED = 20
LINES = {
    "10900000001": "steady: regular customers, real talks",
    "10900000002": "scans: sequential numbers",
    "10900000003": "short: hung up at once",
    "10900000004": "refused: mostly turned down",
    "10900000005": "few calls, long talks",
    "10900000006": "nobody answers",
}


def plan(rng: random.Random) -> list[tuple[str, str, int]]:
    """(caller, callee, ms) of every call."""
    steady, scans, short, refused, few, unanswered = LINES
    calls: list[tuple[str, str, int]] = []

    def place(line: str, callee: int, low: int, high: int) -> None:
        gives_up = callee % 10 == 8
        calls.append((line, str(callee), rng.randint(300, 1500) if gives_up else rng.randint(low, high)))

    customers = [10_000_020_000 + 10 * rng.randint(0, 900) + rng.randint(0, 5) for _ in range(25)]
    for _ in range(70):
        place(steady, rng.choice(customers), 2000, 6000)
    for number in range(80):
        place(scans, 10_000_010_000 + number, 300, 2500)
    for _ in range(60):
        place(short, 10_000_030_000 + 10 * rng.randint(0, 900) + rng.choice([0, 1, 2, 3, 4, 4, 5]), 100, 1200)
    for _ in range(50):
        place(refused, 10_000_040_000 + 10 * rng.randint(0, 900) + rng.choice([6, 6, 6, 1, 5]), 500, 3000)
    for _ in range(12):
        place(few, 10_000_050_000 + 10 * rng.randint(0, 90) + rng.choice([0, 1, 2]), 6000, 8000)
    for _ in range(40):
        place(unanswered, 10_000_060_000 + 10 * rng.randint(0, 900) + rng.choice([7, 7, 8, 9]), 500, 500)
    rng.shuffle(calls)
    return calls


def main(folder: Path) -> None:
    """Write the files."""
    calls = plan(random.Random(SEED))
    for name, given_up in (("calls", False), ("cancelled", True)):
        rows = [";".join(map(str, call)) for call in calls if call[1].endswith("8") == given_up]
        (folder / f"{name}.csv").write_text("\n".join(["SEQUENTIAL", *rows, ""]), encoding="utf-8")
    lines = [f"{line},CARRIER-A,POOL-{1 + place // 3},2026-01-05" for place, line in enumerate(LINES)]
    (folder / "lines.csv").write_text("\n".join(["number,carrier,pool,since", *lines, ""]), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
