"""What an input changes in one scope of the lake: a local day of a big table, or the whole of a small one.

A row of the lake is a version of what its key names: `known_at` says since when, `gone_day` until when. Versions
follow each other by the time they became known; no version is ever deleted or changed, but for the columns in
FILLED_LATER.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from data_schemas.checks import WallClock, has_block
from data_schemas.manifest import Cell
from data_schemas.sources import file_list, quoted, text
from data_schemas.tables import Table

FILLED_LATER: dict[str, tuple[str, ...]] = {"lines": ("deactivated_at",), "bans": ("lifted_at", "appealed_at", "appeal_won")}
"""Columns that are empty at first and carry the time of their own event: filling them in is no correction, the
version stays and is known since it was."""
SHOWS_WITH: dict[str, dict[str, str]] = {"bans": {"appeal_won": "lifted_at"}}
"""Of these, the columns without a time of their own: each shows with another one. Told after that one was, it is a correction."""
WHOLE_DAY = 0.75
"""Share of the stretch of an earlier input from which an input of one day counts as that day anew."""
MOST_ROWS = 0.67
"""Share of an earlier input's rows beyond which an input that holds them is that one anew, and not some corrections to it."""
_FORMAT = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, PARQUET_VERSION v2"
"""As small as by the usual level and version, a sixth less time to write and to read."""
_SYSTEM = ("known_at", "day", "known_day", "gone_day", "local_second", "fragment")


@dataclass
class Changes:
    """What became of the rows of one scope.

    rows: taken from the input, duplicates out. file: the new file in the staging folder, None when nothing changed.
    rewritten: the new file stands for all earlier ones of the scope. fragments: inputs taken over as they are.
    cells: day -> what the new file holds of it.
    """

    rows: int = 0
    duplicates: int = 0
    unchanged: int = 0
    added: int = 0
    replaced: int = 0
    retracted: int = 0
    file: Path | None = None
    rewritten: bool = False
    cells: dict[int, list[Cell]] = field(default_factory=dict)
    fragments: list[tuple[int, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Scope:
    """One scope to be brought up to date.

    staged, live: files of the input's good rows and of the lake. seen: fragments of the scope in the manifest.
    known_us: when a correction became known, microseconds since the epoch. out: where a new file is written.
    silent: columns of FILLED_LATER that the input does not have at all: it says nothing of them.
    spans: source -> the first and the last day of its rows. retract: whether rows that an input lacks may be retracted.
    """

    table: Table
    wall: WallClock
    staged: list[Path]
    live: list[Path]
    seen: list[tuple[int, int]]
    known_us: int
    out: Path
    silent: tuple[str, ...] = ()
    spans: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    retract: bool = True

    @property
    def _fills(self) -> tuple[str, ...]:
        return FILLED_LATER.get(self.table.name, ())

    def _with(self, name: str) -> list[str]:
        """The column that a column of FILLED_LATER shows with, if it has no time of its own."""
        other = SHOWS_WITH.get(self.table.name, {}).get(name)
        return [other] if other else []

    @property
    def _key(self) -> str:
        return ", ".join(map(quoted, self.table.key))

    def _columns(self) -> str:
        block = ("callee_block",) if has_block(self.table) else ()
        return ", ".join(map(quoted, (*self.table.names, *block, *_SYSTEM)))

    def _own_known_us(self, row: str) -> str:
        """SQL of when a row of the source says that it could be known."""
        event = f'epoch_us({row}."{self.table.event_time}")'
        knowledge = self.table.knowledge_time
        return f'greatest({event}, coalesce(epoch_us({row}."{knowledge}"), {event}))' if knowledge else event

    def _own_word(self, row: str) -> str:
        """SQL of whether a row says itself when it could be known."""
        return f'({row}."{self.table.knowledge_time}" IS NOT NULL)' if self.table.knowledge_time else "false"

    def _same_key(self, one: str, other: str) -> str:
        return " AND ".join(f"{one}.{quoted(name)} = {other}.{quoted(name)}" for name in self.table.key)

    def merge(self, con: duckdb.DuckDBPyConnection) -> Changes:
        """Compare, and write what the scope holds from now on."""
        changes = Changes()
        given, sums = self._take(con, changes)
        new = [(source, (rows, int(content))) for source, rows, content in sums if (rows, int(content)) not in self.seen]
        if not new:
            changes.unchanged = changes.rows
            return changes
        numbers = ", ".join(f"({text(source)}, {_fragment(sums)})" for source, sums in new)
        fragments = f"(VALUES {numbers}) f(source, number)"
        fresh = f"(SELECT g.*, CAST(number AS BIGINT) AS fragment FROM {given} g JOIN {fragments} USING (source))"
        changes.fragments = [sums for _, sums in new]
        changes.added = sum(rows for _, (rows, _) in new)
        changes.unchanged = changes.rows - changes.added
        if self.live:  # the names that a comparison goes by; where there is none they are not worth their milliseconds
            con.execute(f"CREATE OR REPLACE TEMP VIEW given AS FROM {given}")
            con.execute(f"CREATE OR REPLACE TEMP VIEW fresh AS FROM {fresh}")
            con.execute(
                "CREATE OR REPLACE TEMP TABLE live AS SELECT *, "
                f"{row_hash(self.table)} AS content FROM read_parquet({file_list(self.live)}, hive_partitioning = false)"
            )
        if self.live and _count(con, f"FROM fresh SEMI JOIN live USING ({self._key})"):
            self._compare(con, changes, [source for source, _, _ in sums])
            if not (changes.added or changes.replaced or changes.retracted):
                return changes
            changes.rewritten = True
            self._write(con, changes, "merged")
        elif self.live and not self.table.big:
            changes.rewritten = True
            self._write(con, changes, f"(SELECT {self._columns()} FROM live UNION ALL SELECT {self._columns()} FROM fresh)")
        else:
            self._write(con, changes, fresh, "content")
        return changes

    def _take(self, con: duckdb.DuckDBPyConnection, changes: Changes) -> tuple[str, list[tuple[str, int, int]]]:
        """SQL of the rows of the input, each version of a key once; of each source its rows and their sum of contents.

        Rows of one key and one content: one stays. Of other contents that became known at the same time (or say
        nothing about it) the fullest stays, then the one with the greatest hash, so that no order matters; those
        known at different times are successive versions.
        """
        rows = f"read_parquet({file_list(self.staged)}, hive_partitioning = false)"
        given = f"(SELECT *, NULL::INTEGER AS gone_day FROM {rows})"
        taken, keys, content, one, other = con.execute(
            f"SELECT count(*), count(DISTINCT hash({self._key})), sum(content), min(source), max(source) FROM {given}"
        ).fetchall()[0]
        if taken > keys:
            told = quoted(self.table.knowledge_time) if self.table.knowledge_time else "NULL"
            full = " + ".join(f"({quoted(name)} IS NOT NULL)::INTEGER" for name in self.table.names)
            con.execute(
                "CREATE OR REPLACE TEMP TABLE single AS "
                f"WITH one AS (FROM {given} QUALIFY row_number() OVER (PARTITION BY {self._key}, content ORDER BY source) = 1), "
                f"best AS (FROM one QUALIFY row_number() OVER (PARTITION BY {self._key}, {told} "
                f"ORDER BY known_at DESC, {full} DESC, content DESC) = 1) "
                f"SELECT * REPLACE (lead(known_day) OVER (PARTITION BY {self._key} ORDER BY known_at, content) AS gone_day) "
                "FROM best"
            )
            given = "single"
        if taken == keys and one == other:  # a file a day, as most exports are: told already
            sums = [(one, taken, content)]
        else:
            sums = con.execute(f"SELECT source, count(*), sum(content) FROM {given} GROUP BY source ORDER BY source").fetchall()
        changes.rows = sum(rows for _, rows, _ in sums)
        changes.duplicates = taken - changes.rows
        return given, sums

    def _compare(self, con: duckdb.DuckDBPyConnection, changes: Changes, sources: list[str]) -> None:
        """The versions from now on, as `merged`; sources: those of the input's rows."""
        same_key = self._same_key("f", "l")
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE latest AS FROM live SEMI JOIN fresh USING ({self._key}) "
            f"QUALIFY row_number() OVER (PARTITION BY {self._key} ORDER BY gone_day IS NULL DESC, known_at DESC) = 1"
        )
        if self.silent:
            kept = ", ".join(f"l.{quoted(name)} AS {quoted(name)}" for name in self.silent)
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE told AS SELECT *, {row_hash(self.table)} AS content FROM "
                f"(SELECT f.* EXCLUDE (content) REPLACE ({kept}) FROM fresh f LEFT JOIN latest l ON {same_key})"
            )
        fresh = "told" if self.silent else "fresh"
        known = "epoch_us(f.known_at)"
        later = f"({self._own_word('f')} AND {known} > epoch_us(l.known_at))"
        earlier = (
            f"({self._own_word('f')} AND {self._own_word('l')} AND epoch_us(l.known_at) = {self._own_known_us('l')} "
            f"AND {known} < epoch_us(l.known_at))"
        )
        told = " OR ".join(f"f.{quoted(name)} IS DISTINCT FROM l.{quoted(name)}" for name in self._fills) or "false"
        same = {n: f"l.{quoted(n)} IS NOT DISTINCT FROM f.{quoted(n)}" for n in self._fills}
        new = {n: " AND ".join(f"l.{quoted(column)} IS NULL" for column in (n, *self._with(n))) for n in self._fills}
        fits = " AND ".join(f"({new[n]} OR {same[n]})" for n in self._fills)
        rest = {row: f"hash({', '.join(f'{row}.{quoted(n)}' for n in self.table.names if n not in self._fills)})" for row in "fl"}
        filled = f"(l.gone_day IS NULL AND ({told}) AND {fits} AND {rest['f']} = {rest['l']})" if self._fills else "false"
        event = f'epoch_us(f."{self.table.event_time}")'
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE moves AS SELECT f.*,
            CASE WHEN l.content IS NULL THEN 'added'
                 WHEN l.content = f.content AND l.gone_day IS NULL THEN 'unchanged'
                 WHEN {earlier} AND EXISTS (FROM live v WHERE {self._same_key("f", "v")} AND v.content = f.content
                      AND v.known_at = f.known_at) THEN 'unchanged'
                 WHEN {filled} THEN 'filled' ELSE 'replaced' END AS move,
            CASE WHEN l.content IS NULL OR {later} OR {earlier} THEN {known}
                 ELSE greatest({self.known_us}, epoch_us(l.known_at), {event}) END AS since_us,
            l.known_at AS stood_since, l.known_day AS stood_since_day
            FROM {fresh} f LEFT JOIN latest l ON {same_key}"""
        )
        moved = dict(con.execute("SELECT move, count(*) FROM moves GROUP BY move").fetchall())
        changes.added = moved.get("added", 0)
        changes.replaced = moved.get("replaced", 0) + moved.get("filled", 0)
        changes.unchanged += moved.get("unchanged", 0)
        con.execute(f"CREATE OR REPLACE TEMP TABLE missing AS {self._missing(sources)}")
        changes.retracted = _count(con, "FROM missing")
        gone = self.wall.day(str(self.known_us))
        block = ("callee_block",) if has_block(self.table) else ()
        contract = ", ".join(f"f.{quoted(name)}" for name in (*self.table.names, *block))
        con.execute(
            f"""CREATE OR REPLACE TEMP TABLE merged AS
            WITH versions AS (
                SELECT {self._columns()}, 0 AS turn FROM live
                WHERE gone_day IS NOT NULL
                    OR NOT EXISTS (FROM moves f WHERE f.move = 'filled' AND {self._same_key("f", "live")})
                UNION ALL
                SELECT {contract}, stood_since, f.day, stood_since_day, NULL, f.local_second, f.fragment, 0
                FROM moves f WHERE move = 'filled'
                UNION ALL
                SELECT {contract}, make_timestamp(since_us), f.day, {self.wall.day("since_us")},
                       CASE WHEN move = 'added' THEN gone_day END, f.local_second, f.fragment, 1
                FROM moves f WHERE move IN ('added', 'replaced'))
            SELECT v.* EXCLUDE (turn, gone_day), least(
                v.gone_day, CASE WHEN m.fragment IS NOT NULL AND v.gone_day IS NULL THEN {gone} END,
                lead(v.known_day) OVER (PARTITION BY {", ".join(f"v.{quoted(n)}" for n in self.table.key)}
                    ORDER BY v.known_at, turn, {self._own_known_us("v")}, {row_hash(self.table)})
            ) AS gone_day
            FROM versions v LEFT JOIN missing m USING ({self._key})"""
        )

    def _missing(self, sources: list[str]) -> str:
        """SQL of the keys that the input should hold and does not: they are retracted.

        Exports overlap, and a file of corrections holds little else, so a row that an input lacks says nothing by itself. It
        does in a big table, for the rows of one earlier input (a fragment) of which this one holds more than MOST_ROWS, where
        it reaches: between its first and its last row of the day, and beyond them where a source goes on to the day before or
        after. A source of that day alone reaches over all of it when it covers WHOLE_DAY of the fragment's time, unless it is
        a window that has moved on. And only rows that became known on days that the input covers.
        """
        if not (self.table.big and self.retract):
            return f"SELECT {self._key}, fragment FROM live WHERE false"
        own_day = self.wall.day(self._own_known_us("live"))
        us = f'epoch_us("{self.table.event_time}")'
        day, spans = int(self.out.stem), [self.spans[source] for source in sources]
        before, after = any(first < day for first, _ in spans), any(last > day for _, last in spans)
        anew = f"least(until, its_last) - greatest(since, its_first) >= {WHOLE_DAY} * (its_last - its_first)"
        early = before if before or after else f"(until <= its_last AND {anew})"
        late = after if before or after else f"(since >= its_first AND {anew})"
        return (
            f"WITH reach AS (SELECT min({us}) AS since, max({us}) AS until FROM given), "
            f"own AS (SELECT {self._key}, fragment, {us} AS us, {own_day} AS own_day FROM live WHERE gone_day IS NULL "
            f"AND fragment IN (SELECT fragment FROM live SEMI JOIN fresh USING ({self._key}))), "
            f"held AS (SELECT own.*, g.us IS NOT NULL AS held FROM own "
            f"LEFT JOIN (SELECT {self._key}, any_value({us}) AS us FROM given GROUP BY ALL) g USING ({self._key})), "
            "earlier AS (SELECT fragment, min(us) AS its_first, max(us) AS its_last, count(*) AS n, count_if(held) AS n_held, "
            "count_if(us BETWEEN since AND until) AS n_within FROM held, reach GROUP BY fragment) "
            f"SELECT {self._key}, fragment FROM held JOIN earlier USING (fragment), reach WHERE NOT held "
            f"AND CASE WHEN us < since THEN {early} AND n_held > {MOST_ROWS} * n "
            f"WHEN us > until THEN {late} AND n_held > {MOST_ROWS} * n ELSE n_held > {MOST_ROWS} * n_within END "
            f"AND own_day IN (SELECT {self.wall.day(self._own_known_us('fresh'))} FROM fresh)"
        )

    def _write(self, con: duckdb.DuckDBPyConnection, changes: Changes, rows: str, content: str = "") -> None:
        """Write `rows`; content: their column that holds the hash of the contract's columns, if they have it."""
        content = content or row_hash(self.table)
        changes.file = self.out
        order = f"line_id, {quoted(self.table.event_time)}, {self._key}, known_at" if self.table.big else f"{self._key}, known_at"
        self.out.parent.mkdir(parents=True, exist_ok=True)
        con.execute(f"COPY (SELECT {self._columns()} FROM {rows} ORDER BY {order}, {content}) TO {text(self.out)} ({_FORMAT})")
        cells = con.execute(
            f"SELECT day, known_day, gone_day, sum(n), sum(content) FROM ({self._cells(rows, content)}) GROUP BY ALL"
        ).fetchall()
        for day, known_day, gone_day, count, content in cells:
            changes.cells.setdefault(day, []).append(Cell(known_day, gone_day, int(count), int(content)))

    def _cells(self, rows: str, content: str) -> str:
        """SQL of what fingerprints are summed from: each version, and what was filled in later as of its own day."""
        key = self._key
        stays = row_hash(self.table, self._fills) if self._fills else content
        parts = [f"SELECT day, known_day, gone_day, 1 AS n, hash({stays}, known_at) AS content FROM {rows}"]
        for name in self._fills:
            shown = [name, *self._with(name)]
            since = f"greatest(known_day, {self.wall.day(f'epoch_us({quoted(shown[-1])})')})"
            parts.append(
                f"SELECT day, {since}, gone_day, 0, hash({key}, {text(name)}, {quoted(name)}, known_at) FROM {rows} "
                f"WHERE {' AND '.join(f'{quoted(n)} IS NOT NULL' for n in shown)}"
            )
        return " UNION ALL ".join(parts)


def row_hash(table: Table, skip: tuple[str, ...] = ()) -> str:
    """SQL of the hash of a row's contract columns, but for some."""
    return f"hash({', '.join(quoted(name) for name in table.names if name not in skip)})"


def _fragment(sums: tuple[int, int]) -> int:
    """The number that rows of an input carry in the lake: it follows from the input's content, so no order matters."""
    return int.from_bytes(hashlib.sha256(repr(sums).encode()).digest()[:7], "big")


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    found = con.execute(f"SELECT count(*) {rows}").fetchone()
    return int(found[0]) if found else 0
