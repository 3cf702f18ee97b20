"""The keyed hash that stands for a personal id: keyed BLAKE2b (RFC 7693), 64 bits, as a signed integer.

Distinct ids are hashed once, in memory; where memory does not hold them, those of some files at a time (`staging`), or the id of
each row as it passes. Every later step reads the hash. While raw ids are about the engine may not spill, so that none reaches a
disk.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import FunctionNullHandling, PythonUDFType
from joblib import Parallel, delayed

from data_schemas.errors import BadInput
from data_schemas.settings import Settings
from data_schemas.sources import as_text, quoted, threads

KEY_FILE = "callee.key"
MASK = "#######"
_DIGIT_RUN = r"\d(?:[ ().-]*\d){6,}"
"""Seven digits or more, also with the marks people set between them."""
_BYTES = 8
_BATCH = 500_000
"""Ids hashed at a time."""
_MANY = 200_000
"""Ids from which on machine code is worth loading, in half a second."""
_IDS = "ids_of_callees_"
_HASH, _BLOCK = "hash_of_callee", "block_of_callee"
_WITH_NULLS = FunctionNullHandling.SPECIAL
SPACES = "".join(map(chr, (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000)))
"""Unicode's space separators: what the engine's trim takes away, the wide space of Chinese exports included."""
BLOCK = "__callee_block"
"""The column of a hashed view that holds the hash of a callee's number without its last two digits."""


@dataclass(frozen=True)
class CalleeKey:
    """The secret of the hash."""

    secret: bytes

    @property
    def fingerprint(self) -> str:
        """Names the key without giving it away; the lake's manifest keeps it."""
        return hashlib.sha256(b"bancast callee key\0" + self.secret).hexdigest()[:16]

    @cached_property
    def _key(self) -> bytes:
        most = hashlib.blake2b.MAX_KEY_SIZE
        return self.secret if len(self.secret) <= most else hashlib.blake2b(self.secret, digest_size=most).digest()

    def hash(self, value: str) -> int:
        """The hash of one id."""
        return int(self.hashes(pa.array([value], pa.string()))[0])

    def hashes(self, ids: pa.Array, many: bool = False) -> np.ndarray:
        """The hashes (int64) of ids (texts, no nulls); SPACES around an id do not count. many: worth loading machine code."""
        return self._digests(pc.utf8_trim(ids, SPACES), b"bancast id", many)

    def blocks(self, ids: pa.Array, many: bool = False) -> pa.Array:
        """The hashes (int64) of numbers without their last two digits; null for ids that are no number of 5 digits or more."""
        if pc.all(pc.ascii_is_decimal(ids)).as_py():  # as most are: a third of the time
            numbers, known = ids, pc.greater_equal(pc.binary_length(ids), 5)
        else:
            numbers = pc.replace_substring_regex(ids, "[-+ ]", "")
            known = pc.match_substring_regex(numbers, "^[0-9]{5,}$")
        found = self._digests(pc.utf8_slice_codeunits(numbers, 0, -2), b"bancast block", many)
        return pc.if_else(known, pa.array(found), pa.scalar(None, pa.int64()))

    def _digests(self, texts: pa.Array, person: bytes, many: bool) -> np.ndarray:
        if many:
            from data_schemas import blake  # numba takes its time to load

            return blake.digests(self._key, person, texts)
        # Copies of one hash that holds the key already: two thirds of the time that giving each the key takes.
        fresh = hashlib.blake2b(digest_size=_BYTES, key=self._key, person=person).copy
        found = []
        for value in texts.cast(pa.binary()).to_pylist():
            one = fresh()
            one.update(value)
            found.append(one.digest())
        digests = b"".join(found)
        return np.frombuffer(digests, dtype=">i8").astype(np.int64)


def hashed_view(
    con: duckdb.DuckDBPyConnection, key: CalleeKey, view: str, columns: Mapping[str, str], personal: tuple[str, ...], block: bool
) -> str:
    """A view over `view` in which hashes (BIGINT) stand for the ids of `personal` columns; its (quoted) name.

    columns: column -> type of the engine. block: adds BLOCK, from the first personal column.
    The raw ids live in tables of the engine until `forget`. duckdb.OutOfMemoryException where they don't fit: see `passing_view`.
    """
    forget(con)
    workers = threads(con)
    replaced, joins, extra = [], [], ""
    for place, name in enumerate(personal):
        ids = f"{_IDS}{place}"
        rows = con.execute(f"SELECT DISTINCT {as_text(name, columns[name])} AS raw FROM {view}")
        _keep(con, ids, _hashed(key, rows.to_arrow_reader(_BATCH), block and not place, workers))
        replaced.append(f"{ids}.hash AS {quoted(name)}")
        joins.append(f"LEFT JOIN {ids} ON {ids}.raw = {as_text(name, columns[name], 'v.')}")
        extra = f", {ids}.block AS {BLOCK}" if block and not place else extra
    return _view(con, view, replaced, extra, joins)


def passing_view(
    con: duckdb.DuckDBPyConnection, key: CalleeKey, view: str, columns: Mapping[str, str], personal: tuple[str, ...], block: bool
) -> str:
    """The view of `hashed_view`, which hashes the id of each row as it passes: slower, and it holds nothing in memory."""
    forget(con)
    for name, made in ((_HASH, lambda ids: pa.array(key.hashes(ids, True))), (_BLOCK, lambda ids: key.blocks(ids, True))):
        con.create_function(name, _by_row(made), ["VARCHAR"], "BIGINT", type=PythonUDFType.ARROW, null_handling=_WITH_NULLS)
    texts = {name: as_text(name, columns[name], "v.") for name in personal}
    extra = f", {_BLOCK}({texts[personal[0]]}) AS {BLOCK}" if block else ""
    return _view(con, view, [f"{_HASH}({text}) AS {quoted(name)}" for name, text in texts.items()], extra, [])


def _view(con: duckdb.DuckDBPyConnection, view: str, replaced: list[str], extra: str, joins: list[str]) -> str:
    hashed = quoted("hashed_" + view.strip('"'))
    stars = f"v.* REPLACE ({', '.join(replaced)}){extra}"
    con.execute(f"CREATE OR REPLACE TEMP VIEW {hashed} AS SELECT {stars} FROM {view} v {' '.join(joins)}")
    return hashed


def _by_row(made: Callable[[pa.Array], pa.Array]) -> Callable[[pa.ChunkedArray], pa.ChunkedArray]:
    """A function of the engine: what is made of the ids of some rows, null where a row has none."""

    def by_row(column: pa.ChunkedArray) -> pa.ChunkedArray:
        known = pc.is_valid(column)
        found = made(column.filter(known).combine_chunks())
        return pa.chunked_array([pc.replace_with_mask(pa.nulls(len(column), pa.int64()), known.combine_chunks(), found)])

    return by_row


def forget(con: duckdb.DuckDBPyConnection) -> None:
    """Drop what stands behind hashed views, which can't be read any more."""
    for name in (_HASH, _BLOCK):
        with suppress(duckdb.InvalidInputException):  # there is none
            con.remove_function(name)
    for (name,) in con.execute(f"SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, '{_IDS}')").fetchall():
        con.execute(f"DROP TABLE {quoted(name)}")


def _keep(con: duckdb.DuckDBPyConnection, ids: str, made: Iterator[pa.Table]) -> None:
    """Fill the table `ids` with ids beside their hashes; through a cursor, for a statement on `con` would end what it gives."""
    with con.cursor() as writer:
        writer.execute(f"CREATE OR REPLACE TABLE {ids} (raw VARCHAR, hash BIGINT, block BIGINT)")
        for part in made:
            writer.register("part", part)
            writer.execute(f"INSERT INTO {ids} BY NAME FROM part")
            writer.unregister("part")


def _hashed(key: CalleeKey, batches: Iterable[pa.RecordBatch], block: bool, workers: int) -> Iterator[pa.Table]:
    """Ids beside their hashes: raw, hash and, where asked for, block; of many, so many batches at a time as there are workers."""
    ids = (batch.column(0).drop_null() for batch in batches)
    first = next(ids, pa.array([], pa.string()))
    many = len(first) >= _MANY
    pool = Parallel(workers if many else 1, prefer="threads", return_as="generator", batch_size=1, pre_dispatch="2*n_jobs")
    yield from pool(delayed(_beside)(key, raw, block, many) for raw in chain([first], ids))


def _beside(key: CalleeKey, raw: pa.Array, block: bool, many: bool) -> pa.Table:
    columns = {"raw": raw, "hash": pa.array(key.hashes(raw, many))}
    return pa.table({**columns, "block": key.blocks(raw, many)} if block else columns)


def load_key(settings: Settings, home: Path) -> CalleeKey:
    """The key from the settings, else from the key file, else the home's own; a new one, yet to be kept, when it has none."""
    if settings.callee_key:
        return CalleeKey(settings.callee_key.encode())
    path = settings.callee_key_file or home / KEY_FILE
    if settings.callee_key_file is None and not path.exists():
        return CalleeKey(secrets.token_hex(32).encode())
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise BadInput(f"{path}: callee key not readable ({error.strerror}); set callee_key_file to one that is") from None
    if not secret:
        raise BadInput(f"{path}: callee key is empty; put the key there, or set BANCAST_CALLEE_KEY")
    return CalleeKey(secret)


def mask_sql(expression: str) -> str:
    """SQL that blots out what may be a number of a person in a VARCHAR expression."""
    return f"regexp_replace({expression}, '{_DIGIT_RUN}', '{MASK}', 'g')"


def keep_key(key: CalleeKey, settings: Settings, home: Path) -> None:
    """Write the home's own key (mode 0600), once, when the settings give none."""
    path = home / KEY_FILE
    if settings.callee_key or settings.callee_key_file or path.exists():
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as handle:
        handle.write(key.secret)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(temporary, path)
