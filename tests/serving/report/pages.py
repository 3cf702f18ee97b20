"""What a page holds, read back from its file."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np

from serving.report.pack import TYPES

_BACK = {script: name for name, script in TYPES.items()}


def data_of(html: str) -> dict[str, Any]:
    return json.loads(html.split('<script type="application/json" id="data">')[1].split("</script>")[0])


def columns_of(html: str) -> dict[str, np.ndarray]:
    packed = html.split('<script type="text/plain" id="columns">')[1].split("</script>")[0]
    raw = gzip.decompress(base64.b64decode(packed))
    return {
        name: np.frombuffer(raw, np.dtype(_BACK[kind]).newbyteorder("<"), length, offset)
        for name, (kind, offset, length) in data_of(html)["columns"].items()
    }


def ids_of(html: str) -> list[str]:
    return json.loads(columns_of(html)["ids"].tobytes().decode())
