"""The features of a day as they would be, had some lines placed fewer calls over the days before it.

The lake stays as it is: an `EditedLake` reads other files for the edited days. Line-days are each line's own, so those of all
other lines are taken as they are kept, and only the edited lines' are worked out anew; windows, peers and formulas are then the
code of any other build, over all lines. So what a line's peers do moves with the edit, as it would.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd

from data_schemas.home import clear_stale
from data_schemas.lake import EditedLake, Lake
from data_schemas.settings import Settings
from features.build import batches_in, build_features
from features.engine import own_folder
from features.feature import LONGEST, Feature
from features.kept import Kept
from features.local import DuckEngine, open_local
from features.refresh import open_days
from features.windows import with_longest

_KINDS = ("calls", "calls-met")
"""Kinds of kept days that are made of calls."""
Progress = Callable[[str, float], None]


@contextmanager
def edited_days(
    lake: Lake, settings: Settings, day: int, length: int, catalogue: Sequence[Feature], scratch: Path
) -> Iterator[EditedDays]:
    """The last `length` days before local midnight `day`, to be edited; what is made for it below `scratch` goes at the end."""
    clear_stale(scratch)
    folder = own_folder("bancast-edited-", scratch)
    try:
        # The edit itself is a small job, whatever works out the features.
        with open_local(settings, scratch) as engine:
            yield EditedDays(engine, lake, settings, day, length, catalogue, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class EditedDays:
    """See `edited_days`. engine: DuckDB, for what says which calls to leave out. first: the first edited local day."""

    def __init__(
        self,
        engine: DuckEngine,
        lake: Lake,
        settings: Settings,
        day: int,
        length: int,
        catalogue: Sequence[Feature],
        folder: Path,
    ) -> None:
        self.engine, self.lake, self.day, self.first = engine, lake, day, day - length
        self._settings, self._catalogue, self._folder = settings, catalogue, folder
        self._needs = with_longest({need for feature in catalogue for need in feature.asked.needs})
        self._held = [held for held in lake.days("calls") if self.first - LONGEST <= held < day]
        self._own: dict[int, Path] = {}
        self._kept: _OthersKept | None = None
        self._edits = 0

    def choose(self, lines: Sequence[str]) -> ir.Table:
        """Say, once, which lines may be edited; the table of their line_id."""
        self.lines = self.engine.rows("edited_lines", pd.DataFrame({"line_id": pd.Series(list(lines), dtype="str").array}))
        for held in self._held:
            self._own[held] = self._folder / f"own-{held}.parquet"
            rows = self.lake.read(self.engine.con, "calls", held, held)
            self.engine.save(rows.semi_join(self.lines, "line_id"), self._own[held])
        if self._settings.engine == "duckdb" and self.lake.derived is not None:
            self._kept = _OthersKept(self, self._folder / "days")
        return self.lines

    def features(self, left_out: ir.Table, progress: Progress | None = None) -> pd.DataFrame:
        """The table of `build_features` at `day`, had these calls (day, call_id; of chosen lines) not been placed."""
        self._edits += 1
        engine, edits = self.engine, self.engine.store("edited_calls", left_out.select("day", "call_id"))
        made: dict[int, Path] = {}
        for held in self.edited:
            made[held] = self._folder / f"edit-{self._edits}-{held}.parquet"
            own = self.lake.read_files(engine.con, "calls", [self._own[held]])
            engine.save(own.anti_join(edits.filter(edits.day == held), "call_id"), made[held])
        mark = f"{self._folder.name}-{self._edits}"
        marked = range(self.first, self.day)
        whole = {held: self._whole(held, path) for held, path in made.items()}
        if self._kept is None:
            lake = EditedLake(self.lake, None, whole, mark, marked)
            return build_features(lake, self._settings, [self.day], progress, self._catalogue, self._folder)
        alone = {held: _given(made.get(held, path)) for held, path in self._own.items()}
        self._kept.bring(EditedLake(self.lake, self._kept.folder, alone, mark, marked))
        lake = EditedLake(self.lake, self._kept.folder, whole, mark, marked)
        parts = batches_in(engine, lake, self._settings, [self.day], progress, self._catalogue, self._folder)
        return pd.concat(parts, ignore_index=True)

    @property
    def edited(self) -> list[int]:
        """The edited days that have calls."""
        return [held for held in self._held if held >= self.first]

    def refresh(self, lake: Lake) -> None:
        """Bring what is kept for a lake up to date."""
        with open_days(self.engine, lake, self._settings, [self.day], self._needs, self._folder, lambda share: None):
            pass

    def _whole(self, held: int, own: Path) -> Callable[[], Sequence[Path]]:
        """All calls of a day: the edited lines' and everybody else's, which are written when they are first asked for."""
        others = self._folder / f"others-{held}.parquet"

        def files() -> Sequence[Path]:
            if not others.exists():
                rows = self.lake.read(self.engine.con, "calls", held, held)
                self.engine.save(rows.anti_join(self.lines, "line_id"), others)
            return [others, own]

        return files


class _OthersKept:
    """A copy of the days kept beside the lake, in which the edited days are those of the lines that are not edited."""

    def __init__(self, days: EditedDays, folder: Path) -> None:
        self.folder, self._days = folder, days
        own = days.lake.derived
        assert own is not None
        kept = Kept(own)
        with kept.locked():
            kept.linked(folder, days.day - 2 * LONGEST)
        # Nothing may be missing: what is worked out later is worked out of the edited lines' calls alone.
        days.refresh(EditedLake(days.lake, folder, {}, "", range(0)))
        self._others: dict[str, list[dict[str, Path]]] = {kind: [] for kind in _KINDS}
        kept = Kept(folder)
        with kept.locked():
            assert kept.lines is not None
            numbers = days.engine.load("edited_numbers", [kept.lines]).semi_join(days.lines, "line_id")
            for kind in _KINDS:
                self._cut(kept, kind, days.engine.store("edited_line_numbers", numbers.select("line")))
            kept.save()

    def bring(self, alone: EditedLake) -> None:
        """Work out the edited days of the edited lines, and put the other lines' beside them."""
        self._days.refresh(alone)
        kept = Kept(self.folder)
        with kept.locked():
            for kind, parts in self._others.items():
                keys = {
                    day: key
                    for entry in kept.entries(kind)
                    for day, key in zip(entry.days, entry.keys, strict=True)
                    if day >= self._days.first
                }
                kept.put(kind, sorted(keys), keys.__getitem__, *parts)

    def _cut(self, kept: Kept, kind: str, numbers: ir.Table) -> None:
        """Split what is kept of a kind where the edited days begin; of these, without the edited lines."""
        engine, first, last = self._days.engine, self._days.first, self._days.day - 1

        def save(entry_file: str, part: str, name: str, low: int, high: int, without: bool) -> Path:
            rows = engine.load("edited_kept", [self.folder / entry_file])
            rows = rows.filter((rows["target"] if "target" in rows.columns else rows["day"]).between(low, high))
            path = kept.file(f"{kind}-{part}-{name}")
            engine.save(rows.anti_join(numbers, "line") if without else rows, path)
            return path

        reaching = [entry for entry in kept.entries(kind) if entry.days[-1] >= first]
        kept.forget(kind, {day for entry in reaching for day in entry.days})
        for entry in reaching:
            keys = dict(zip(entry.days, entry.keys, strict=True))
            before = [day for day in entry.days if day < first]
            if before:
                files = {part: save(name, part, "before", before[0], before[-1], False) for part, name in entry.files.items()}
                kept.put(kind, before, keys.__getitem__, files)
            if entry.days[0] <= last:
                self._others[kind].append(
                    {part: save(name, part, "others", first, last, True) for part, name in entry.files.items()}
                )


def _given(path: Path) -> Callable[[], Sequence[Path]]:
    return lambda: [path]
