"""Loops over millions of events in machine code, for what an engine would need a hash table with a place for each of them.

Numba compiles them when they are first needed, in seconds, and keeps the result beside this file or in the user's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numba import types

from data_schemas.compiled import compiled
from features.arrays import begins, integers, packed, plain
from features.feature import LONGEST
from features.tallies import FIGURES, figured

_PARTS = 4
"""Parts of the work for each thread."""
_SHORT = 48
"""Values that are put in order by insertion."""
_NONE = -1

_Integers = types.Array(types.int64, 1, "C", readonly=True)
_Days = types.Array(types.int32, 1, "C", readonly=True)
_Flags = types.Array(types.boolean, 1, "C", readonly=True)
_Out = types.Array(types.int64, 1, "C")
_Table = types.Array(types.int64, 2, "C")


@compiled(types.void(_Out, types.int64, types.int64, _Table, types.int64))
def _told(values, n, often, out, group):  # type: ignore[no-untyped-def]
    """Puts n values in order and tells of each run of equal ones."""
    if n > _SHORT:
        values[:n].sort()
    else:
        for i in range(1, n):
            value, j = values[i], i - 1
            while j >= 0 and values[j] > value:
                values[j + 1] = values[j]
                j -= 1
            values[j + 1] = value
    different = most = frequent = shared = first = 0
    while first < n:
        end = first + 1
        while end < n and values[end] == values[first]:
            end += 1
        times = end - first
        different += 1
        most = max(most, times)
        frequent += times >= often
        shared += times if times > 1 else 0
        first = end
    out[0, group], out[1, group], out[2, group], out[3, group] = different, most, frequent, shared


@compiled(
    types.void(_Integers, _Integers, _Integers, types.int64, types.int64, types.int64, _Integers, _Flags, types.int64, _Table)
)
def _tally(begins, ends, groups, low, high, longest, value, valid, often, out):  # type: ignore[no-untyped-def]
    """Tallies of the groups from `low` to `high`: the runs of rows from groups[g] to groups[g + 1]."""
    values = np.empty(longest, np.int64)
    for group in range(low, high):
        n = 0
        for run in range(groups[group], groups[group + 1]):
            for row in range(begins[run], ends[run]):
                if valid[row]:
                    values[n] = value[row]
                    n += 1
        _told(values, n, often, out, group)


@compiled(
    types.void(
        _Integers, _Integers, _Integers, types.int64, types.int64, types.int64, _Integers, _Integers, _Flags, types.int64, _Table
    )
)
def _tally_of(begins, ends, groups, low, high, longest, value, of, valid, often, out):  # type: ignore[no-untyped-def]
    """The same of the different `of`, each of which has one value."""
    values, others = np.empty(longest, np.int64), np.empty(longest, np.int64)
    for group in range(low, high):
        n = 0
        for run in range(groups[group], groups[group + 1]):
            for row in range(begins[run], ends[run]):
                if valid[row]:
                    values[n], others[n] = value[row], of[row]
                    n += 1
        if n > _SHORT:
            order = np.argsort(others[:n])
            values[:n] = values[:n][order]
            others[:n] = others[:n][order]
        else:
            for i in range(1, n):
                value_i, other, j = values[i], others[i], i - 1
                while j >= 0 and others[j] > other:
                    values[j + 1], others[j + 1] = values[j], others[j]
                    j -= 1
                values[j + 1], others[j + 1] = value_i, other
        kept = 0
        for i in range(n):
            if i == 0 or others[i] != others[i - 1]:
                values[kept] = values[i]
                kept += 1
        _told(values, kept, often, out, group)


class _Runs:
    """Rows in groups of one key: they mostly lie together already, so that only runs of them are put in order."""

    def __init__(self, key: np.ndarray):
        runs = begins(key)
        ends = np.append(runs[1:], len(key))[: len(runs)]
        order = np.argsort(key[runs], kind="stable")
        self.begins, self.ends = runs[order], ends[order]
        found = key[self.begins]
        starts = begins(found)
        self.groups = np.append(starts, len(found))
        self.first = self.begins[starts]
        """A row of each group."""
        self.sizes = np.add.reduceat(self.ends - self.begins, starts) if len(starts) else starts
        self.longest = int(self.sizes.max(initial=0))

    def parts(self, threads: int) -> list[tuple[int, int]]:
        """Groups, from and to, in parts of about as many rows."""
        rows = np.cumsum(self.sizes)
        wanted = _PARTS * threads
        cuts = [0, *np.searchsorted(rows, np.arange(1, wanted) * self.sizes.sum() // wanted).tolist(), len(rows)]
        return [(low, high) for low, high in pairwise(cuts) if low < high]


def tally(events: pa.Table, threads: int, keys: Sequence[str], tallies: Sequence[tuple[str, bool, int]]) -> list[pa.Table]:
    """A row a group of events: its keys, and the figures of each tally, named `name_figure`; see `tallies.Tally`.

    keys: int32 columns. tallies: the name x of each, with the int64 column `x_value`, whether there is a column `x_of` beside it,
    and `often`.
    """
    columns = [f"{name}_{part}" for name, of, _ in tallies for part in (("value", "of") if of else ("value",))]
    with ThreadPoolExecutor(threads) as pool:
        read = pool.map(lambda column: integers(events[column]), columns)
        held = [plain(events[key]) for key in keys]
        runs = _Runs(packed(held))
        values = dict(zip(columns, read, strict=True))
        found = {key: pa.array(column[runs.first]) for key, column in zip(keys, held, strict=True)}
        for name, of, often in tallies:
            told, valid = values[f"{name}_value"]
            more = []
            if of:
                others, known = values[f"{name}_of"]
                more, valid = [others], valid & known
            out = np.zeros((len(FIGURES), len(runs.first)), dtype="int64")
            loop = partial(_tally_of if of else _tally, runs.begins, runs.ends, runs.groups)
            rest = (runs.longest, told, *more, valid, often, out)
            list(pool.map(lambda part, loop=loop, rest=rest: loop(*part, *rest), runs.parts(threads)))
            found |= figured(name, list(out))
    return [pa.table(found)]


@compiled(
    types.UniTuple(types.int64, 2)(
        *(_Integers, _Integers, _Integers, types.int64, types.int64, types.int64),
        *(_Integers, _Days, types.int64, _Days, types.int64, _Flags, _Flags, types.int64, _Out, _Table, _Out),
    )
)
def _meet(  # type: ignore[no-untyped-def]
    begins, ends, groups, low, high, longest, value, days, day_from, knowns, known_from, gone, asked, columns, whose, facts, odd
):
    """Facts and rows of odd values of the lines from `low` to `high`; returns how many of each.

    facts: day, since, before (_NONE: not met in the 28 days before), n and what, of the groups `whose`; odd: rows. Days are told
    from `day_from` and `known_from` on.
    """
    size = 16
    while size < 2 * longest:
        size *= 2
    mask = size - 1
    # Each value of a line has a slot, which knows its last record; stamped with the line, so that none need be cleared.
    stamp = np.full(size, _NONE, np.int64)
    held, last, heard = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
    is_odd, is_asked = np.empty(size, np.bool_), np.empty(size, np.bool_)
    rows, slots, earlier = np.empty(longest, np.int64), np.empty(longest, np.int64), np.empty(longest, np.int64)
    codes = np.empty(longest, np.int64)
    n_facts = n_odd = 0
    for group in range(low, high):
        n, ordered = 0, True
        for run in range(groups[group], groups[group + 1]):
            for row in range(begins[run], ends[run]):
                rows[n] = row
                codes[n] = ((days[row] - day_from) << 31) + knowns[row] - known_from
                if n and codes[n] < codes[n - 1]:
                    ordered = False
                n += 1
        if not ordered:
            rows[:n] = rows[:n][np.argsort(codes[:n], kind="mergesort")]
        for i in range(n):
            row = rows[i]
            day, known = days[row] - day_from, knowns[row] - known_from
            mixed = np.uint64(value[row]) * np.uint64(0x9E3779B97F4A7C15)
            slot = np.int64(mixed >> np.uint64(32)) & mask
            while stamp[slot] == group and held[slot] != value[row]:
                slot = (slot + 1) & mask
            slots[i] = slot
            if stamp[slot] == group:
                earlier[i] = last[slot]
                is_odd[slot] |= gone[row] or (last[slot] < day and heard[slot] > known)
                is_asked[slot] |= asked[row]
            else:
                stamp[slot], held[slot] = group, value[row]
                earlier[i] = _NONE
                is_odd[slot], is_asked[slot] = gone[row], asked[row]
            last[slot], heard[slot] = day, known
        m = 0
        for i in range(n):
            row, slot = rows[i], slots[i]
            day, known = days[row] - day_from, knowns[row] - known_from
            if is_odd[slot]:
                if is_asked[slot]:
                    odd[n_odd] = row
                    n_odd += 1
            elif asked[row] and earlier[i] < day:  # of one day's records the one known first
                near = earlier[i] != _NONE and day - earlier[i] <= LONGEST
                age = day - earlier[i] if near else 0
                codes[m] = ((((((value[row] % columns) << 20) + day) << 5) + age) << 31) + known
                m += 1
        codes[:m].sort()
        first = 0
        while first < m:
            end = first + 1
            while end < m and codes[end] == codes[first]:
                end += 1
            age, day = (codes[first] >> 31) & 31, (codes[first] >> 36) & 0xFFFFF
            whose[n_facts] = group
            facts[0, n_facts], facts[1, n_facts] = day, codes[first] & 0x7FFFFFFF
            facts[2, n_facts] = day - age if age else _NONE
            facts[3, n_facts], facts[4, n_facts] = end - first, codes[first] >> 56
            n_facts += 1
            first = end
    return n_facts, n_odd


def meet(records: pa.Table, threads: int, columns: int) -> list[pa.Table]:
    """What `presence.met_before` says of records, with `asked`: facts, and the records of odd values.

    records: line, day, known_day (int32), gone_day (int32 or null), value (int64), asked.
    """
    with ThreadPoolExecutor(threads) as pool:
        gone = pool.submit(lambda: plain(records["gone_day"].is_valid()))
        lines, day, known, value, asked = pool.map(
            lambda name: plain(records[name].cast("int64") if name == "value" else records[name]),
            ("line", "day", "known_day", "value", "asked"),
        )
        runs = _Runs(lines)
        day_from, known_from = int(day.min(initial=2**30)), int(known.min(initial=2**30))
        told = (value, day, day_from, known, known_from, gone.result(), asked, columns)

        def met(part: tuple[int, int]) -> tuple[pa.Table, np.ndarray]:
            rows = int(runs.sizes[part[0] : part[1]].sum())
            whose, facts, odd = np.empty(rows, "int64"), np.empty((5, rows), "int64"), np.empty(rows, "int64")
            n_facts, n_odd = _meet(runs.begins, runs.ends, runs.groups, *part, runs.longest, *told, whose, facts, odd)
            facts = facts[:, :n_facts]
            found = {
                "line": pa.array(lines[runs.first[whose[:n_facts]]]),
                "day": pa.array((facts[0] + day_from).astype("int32")),
                "since": pa.array((facts[1] + known_from).astype("int32")),
                "before": pa.array((facts[2] + day_from).astype("int32"), mask=facts[2] == _NONE),
                "n": pa.array(facts[3]),
                "what": pa.array(facts[4].astype("int32")),
            }
            return pa.table(found), odd[:n_odd].copy()

        made = list(pool.map(met, runs.parts(threads) or [(0, 0)]))
    odd = np.concatenate([rows for _, rows in made])
    return [pa.concat_tables([facts for facts, _ in made]), records.take(pa.array(odd)) if len(odd) else records.slice(0, 0)]
