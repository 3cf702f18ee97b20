"""Files of appeals: written aside and put in place in one step, under names that no ban id can bend."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from data_schemas.atomic import replacing
from data_schemas.errors import BadInput

_SLUG = 40
_BLOCK = 1 << 20


def case_id(ban_id: str) -> str:
    """The id of a ban's case, fit for a file name on any system: its plain letters and digits, and a sum of the whole."""
    plain = re.sub(r"[^A-Za-z0-9-]+", "_", ban_id)[:_SLUG].strip("_-")
    digest = hashlib.sha256(ban_id.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain}-{digest}" if plain else digest


def put(path: Path, content: bytes) -> None:
    """Write a file beside its place and put it there in one step, lasting through a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def fingerprint(path: Path) -> dict[str, str | int]:
    """name, sha256 and bytes of a file that is sent along; BadInput when it cannot be read."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as handle:
            while block := handle.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise BadInput(f"{path}: not readable ({error.strerror}); give a file that holds consent records") from None
    return {"name": path.name, "sha256": digest.hexdigest(), "bytes": size}
