"""Days and lines in parts that are worked on one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import ibis.expr.types as ir


def between(low: str | None, high: str | None) -> Callable[[ir.Table], ir.Table]:
    """The rows of lines from `low` on, and before `high`, by line_id."""

    def within(rows: ir.Table) -> ir.Table:
        rows = rows if low is None else rows.filter(rows.line_id >= low)
        return rows if high is None else rows.filter(rows.line_id < high)

    return within


def spans(days: Sequence[int]) -> list[tuple[int, int]]:
    """Days, ascending, as first and last of consecutive ones."""
    found: list[tuple[int, int]] = []
    for day in days:
        found = [*found[:-1], (found[-1][0], day)] if found and found[-1][1] == day - 1 else [*found, (day, day)]
    return found


def chunks(days: Sequence[int], rows: dict[int, int], most: int, longest: int = 10**6) -> Iterator[tuple[list[int], float]]:
    """Consecutive days of about `most` rows together, at the most `longest` days, and the share of the days that is then done."""
    chunk: list[int] = []
    held = done = 0
    for day in days:
        if chunk and (day != chunk[-1] + 1 or held + rows.get(day, 0) > most or len(chunk) == longest):
            done += len(chunk)
            yield chunk, done / len(days)
            chunk, held = [], 0
        chunk.append(day)
        held += rows.get(day, 0)
    if chunk:
        yield chunk, 1.0
