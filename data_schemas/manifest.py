"""The manifest of the lake: which files are live, what they hold by day, and what has been seen.

A lake is what its manifest says; files it does not name are leftovers. It is replaced in one step, so that a
crash leaves the old lake or the new one, and written in one order, so that equal lakes have equal bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from data_schemas.atomic import replacing
from data_schemas.errors import BadInput
from data_schemas.garbage import settle

FORMAT = 1
NAME = "manifest.json"
WHOLE = "all"
"""The scope of a small table: its rows are kept in one piece, those of a big one by local day."""


class Cell(NamedTuple):
    """The rows of one table that happened on one day, became known on one and, perhaps, were gone on one.

    rows: how many. content: the sum of their content hashes, which no order or chunking changes.
    """

    known_day: int
    gone_day: int | None
    rows: int
    content: int

    def visible(self, day: int, until: int) -> bool:
        """Whether rows of `day` are visible at local midnight `until`; see Lake."""
        return day < until and self.known_day < until and (self.gone_day is None or self.gone_day >= until)


@dataclass
class TableState:
    """What the lake holds of one table.

    columns: contract columns seen in any accepted input.
    files: scope (a day number as text, or WHOLE) -> names of live files below the table's folder.
    cells: day -> its cells. fragments: scope -> (rows, content) of inputs taken over as they are.
    quarantine, aside: files kept beside the table.
    """

    columns: list[str] = field(default_factory=list)
    files: dict[str, list[str]] = field(default_factory=dict)
    cells: dict[int, list[Cell]] = field(default_factory=dict)
    fragments: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    quarantine: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)

    def set_cells(self, day: int, cells: Iterable[Cell]) -> None:
        """Replace the cells of a day."""
        self.cells[day] = sorted(cells, key=lambda cell: (cell.known_day, cell.gone_day is not None, cell.gone_day or 0))

    def add_cells(self, day: int, cells: Iterable[Cell]) -> None:
        """Add rows to the cells of a day."""
        sums = {(cell.known_day, cell.gone_day): cell for cell in self.cells.get(day, [])}
        for cell in cells:
            old = sums.get((cell.known_day, cell.gone_day))
            rows, content = (old.rows, old.content) if old else (0, 0)
            sums[cell.known_day, cell.gone_day] = Cell(cell.known_day, cell.gone_day, rows + cell.rows, content + cell.content)
        self.set_cells(day, sums.values())


@dataclass
class Manifest:
    """The state of a lake; `zone` and `key` (a fingerprint of the callee key) never change in its life."""

    zone: str
    key: str
    tables: dict[str, TableState] = field(default_factory=dict)

    def dump(self) -> str:
        """The manifest as text: equal lakes, equal text."""
        tables = {
            name: {
                "columns": state.columns,
                "files": {scope: state.files[scope] for scope in sorted(state.files)},
                "cells": {
                    str(day): [[cell.known_day, cell.gone_day, cell.rows, str(cell.content)] for cell in state.cells[day]]
                    for day in sorted(state.cells)
                },
                "fragments": {
                    scope: [[rows, str(content)] for rows, content in sorted(state.fragments[scope])]
                    for scope in sorted(state.fragments)
                },
                "quarantine": sorted(state.quarantine),
                "aside": sorted(state.aside),
            }
            for name, state in sorted(self.tables.items())
        }
        return json.dumps({"format": FORMAT, "zone": self.zone, "key": self.key, "tables": tables}, indent=1) + "\n"

    def save(self, root: Path) -> None:
        """Replace the manifest of the lake at `root` in one step."""
        with replacing(root / NAME) as temporary:
            temporary.write_text(self.dump(), encoding="utf-8")

    def fingerprint(self, until: int) -> str:
        """SHA-256 over what is visible at local midnight `until`; see Lake.fingerprint."""
        visible: list[list[Any]] = []
        for name, state in sorted(self.tables.items()):
            rows = content = 0
            for day, cells in state.cells.items():
                for cell in cells:
                    if cell.visible(day, until):
                        rows, content = rows + cell.rows, content + cell.content
            if rows:
                visible.append([name, rows, str(content)])
        return hashlib.sha256(json.dumps(visible).encode()).hexdigest()


def load(root: Path, zone: str | None = None) -> Manifest | None:
    """The manifest of the lake at `root`; None when there is none yet.

    BadInput when it cannot be read, or when the lake is kept by days of another zone than `zone`, that of the settings.
    """
    path = root / NAME
    settle()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BadInput(f"{path}: not readable ({error}); restore it from a backup, or ingest into a new --home") from None
    if data.get("format") != FORMAT:
        raise BadInput(f"{path}: format {data.get('format')}, this bancast reads {FORMAT}; ingest into a new --home")
    if zone is not None and data["zone"] != zone:
        raise BadInput(
            f"{root}: kept by days of {data['zone']}, the settings say zone = {zone}; set it back, or ingest into a new --home"
        )
    return Manifest(data["zone"], data["key"], {name: _state(state) for name, state in data["tables"].items()})


def _state(data: dict[str, Any]) -> TableState:
    return TableState(
        columns=data["columns"],
        files=data["files"],
        cells={int(day): [Cell(k, g, n, int(content)) for k, g, n, content in cells] for day, cells in data["cells"].items()},
        fragments={scope: [(n, int(content)) for n, content in seen] for scope, seen in data["fragments"].items()},
        quarantine=data["quarantine"],
        aside=data["aside"],
    )
