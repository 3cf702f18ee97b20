"""The keyed hash that stands for a personal id: HMAC-SHA256 (RFC 2104), cut to a signed 64-bit integer.

The engine computes it in the very query that reads the source, so that no raw id reaches a disk.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from data_schemas.errors import BadInput
from data_schemas.settings import Settings

_BLOCK = 64
"""Bytes in a block of SHA-256."""
KEY_FILE = "callee.key"
MASK = "#######"
_DIGIT_RUN = r"\d(?:[ ().-]*\d){6,}"
"""Seven digits or more, also with the marks people set between them."""


@dataclass(frozen=True)
class CalleeKey:
    """The secret of the hash."""

    secret: bytes

    @property
    def fingerprint(self) -> str:
        """Names the key without giving it away; the lake's manifest keeps it."""
        return hashlib.sha256(b"bancast callee key\0" + self.secret).hexdigest()[:16]

    def hash(self, value: str) -> int:
        """The hash of one id, in Python; `sql` gives the same."""
        digest = hmac.new(self.secret, value.strip(" ").encode(), hashlib.sha256).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def sql(self, expression: str) -> str:
        """SQL of the hash (BIGINT) of a VARCHAR expression; NULL stays NULL."""
        padded = (self.secret if len(self.secret) <= _BLOCK else hashlib.sha256(self.secret).digest()).ljust(_BLOCK, b"\0")
        inner, outer = (_blob(bytes(byte ^ pad for byte in padded)) for pad in (0x36, 0x5C))
        digest = f"sha256({outer} || unhex(sha256({inner} || encode(trim({expression}, ' ')))))"
        return f"(unhex(left({digest}, 16))::BIT::BIGINT)"

    def block_sql(self, expression: str) -> str:
        """SQL of the hash of a number without its last two digits; NULL for ids that are no number of 5 digits or more."""
        digits = f"translate({expression}, '+- ', '')"
        return f"(CASE WHEN regexp_full_match({digits}, '[0-9]{{5,}}') THEN {self.sql(f'left({digits}, -2)')} END)"


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


def _blob(value: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02X}" for byte in value) + "'::BLOB"
