"""Brings the days that features look back on up to date: worked out once, in chunks, and kept (`kept`) where the engine can."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import zip_longest
from math import ceil
from pathlib import Path

import ibis
import ibis.expr.types as ir

from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features import daily, presence
from features.catalogue import CATALOGUE, fingerprint
from features.daily import Kinds
from features.engine import Engine, Work, own_folder
from features.events import Surroundings, line_versions, of_lines
from features.feature import LONGEST, Need
from features.kept import Kept, digest
from features.local import DuckEngine
from features.localtime import HOLIDAYS, calendar, kept_calendar
from features.programs import Place
from features.spans import between, chunks, spans
from features.windows import with_longest

BIG = ("calls", "messages")
"""Event tables kept by day; the others are small."""
CHUNK_ROWS = 1_000_000
"""Events, for each GB of the engine's memory, that are worked on at a time."""
MET_ROWS = 5_000_000
"""Records, for each GB of the engine's memory, that are looked up at a time, with those of the days before."""
PROGRAMS = "programs"
"""The folder of kept statements, beside the kept days."""
MET_DAYS = 2 * LONGEST
"""Days that are looked up at a time: the fewer, the more often the days before them are read."""
Progress = Callable[[float], None]


class Days:
    """What `daily` makes of the days that some as_of days look back on, as tables of an engine."""

    def __init__(self, kinds: dict[str, Kinds], numbers: ir.Table):
        self.kinds = kinds
        self.numbers = numbers

    def tiles(self, source: str, first: int, last: int) -> ir.Table | None:
        """The line-days of an event table from `first` to `last`; None where it has no rows then."""
        return self._part(source, "tiles", first, last)

    def met(self, source: str, first: int, last: int, since: int) -> tuple[ir.Table, ir.Table] | None:
        """The values met from `first` to `last`, facts alone from `since` on; see `presence.met_before`.

        None where the table has no rows then.
        """
        facts, odd = self._part(source, "facts", since, last), self._part(source, "odd", first, last)
        return None if facts is None or odd is None else (facts, odd)

    def place(self, *made_of: object) -> Place | None:
        """Where a program that reads these tables is kept; None where none is."""
        return None

    def _part(self, source: str, part: str, first: int, last: int) -> ir.Table | None:
        raise NotImplementedError


@contextmanager
def open_days(
    engine: Engine,
    lake: Lake,
    settings: Settings,
    as_of: Sequence[int],
    needs: Sequence[Need],
    scratch: Path | None,
    progress: Progress,
) -> Iterator[Days]:
    """The days that `as_of` days look back on, up to date. What is kept stays beside the lake; else it goes at the end."""
    asked = {source: daily.kinds_of(source, needs) for source in (*BIG, "complaints")}
    if not isinstance(engine, DuckEngine):
        yield _HeldDays(engine, lake, settings, as_of, asked)
        return
    standard = _standard()
    ours = all(
        set(kinds.measures) <= set(standard[source].measures) and set(kinds.columns) <= set(standard[source].columns)
        for source, kinds in asked.items()
    )
    beside = lake.derived if ours else None
    kinds = standard if beside else asked
    told = [(own.source, [measure.name for measure in own.measures], own.columns, own.few) for own in kinds.values()]
    where = partial(Place, beside and beside / PROGRAMS, told) if ours else None
    folder = beside or own_folder("bancast-days-", scratch)
    try:
        yield _FiledDays(engine, lake, settings, as_of, kinds, Kept(folder), where, progress)
    finally:
        if not beside:
            shutil.rmtree(folder, ignore_errors=True)


@cache
def _standard() -> dict[str, Kinds]:
    """What is kept whatever is asked: everything that the catalogue reads."""
    needs = with_longest({need for feature in CATALOGUE for need in feature.asked.needs})
    return {source: daily.kinds_of(source, needs) for source in (*BIG, "complaints")}


def _ids(engine: Engine, lake: Lake, spans: dict[str, Iterable[tuple[int, int]]]) -> ir.Table:
    """Every line_id of the lines and complaints, and of the events of some spans of days."""
    reads = [engine.known(lake, "lines"), lake.read(engine.con, "complaints")]
    reads += [lake.read(engine.con, source, *span) for source, found in spans.items() for span in found]
    return ibis.union(*[rows.select("line_id") for rows in reads], distinct=True)


def _numbered(ids: ir.Table, after: int) -> ir.Table:
    return ids.select("line_id", line=(ibis.row_number().over(order_by=ids.line_id) + (after + 1)).cast("int32"))


def _complaints(
    engine: Engine, lake: Lake, kinds: Kinds, numbers: ir.Table, first: int, last: int, place: Place | None = None
) -> ir.Table | None:
    if not kinds.measures or not any(first <= day <= last for day in lake.days("complaints")):
        return None
    raw = engine.view("complaints_chunk", lake.read(engine.con, "complaints", first, last))

    def work() -> Work:
        placed = daily.read_events(engine, "complaints", raw, numbers)
        return {"tiles": engine.store("complaints_days", daily.line_days(engine, kinds, placed, None, None))}

    tiles = engine.again(("complaints", "days"), work, place)["tiles"]
    engine.drop(*daily.passing("complaints"))
    return tiles


def _within(rows: ir.Table, first: int, last: int) -> ir.Table:
    day = rows["target"] if "target" in rows.columns else rows["day"]
    return rows.filter(day.between(first, last))


class _HeldDays(Days):
    """All days worked out in one go and held by the engine while it is open."""

    def __init__(self, engine: Engine, lake: Lake, settings: Settings, as_of: Sequence[int], kinds: dict[str, Kinds]):
        first, last = min(as_of) - LONGEST, max(as_of) - 1
        sources = [source for source in BIG if any(first - LONGEST <= day <= last for day in lake.days(source))]
        ids = _ids(engine, lake, {source: [(first - LONGEST, last)] for source in sources})
        super().__init__(kinds, engine.store("line_numbers", _numbered(ids, -1)))
        self._tables: dict[tuple[str, str], ir.Table] = {}
        days = engine.rows("calendar", calendar(range(first, last + 1), settings.country))
        for source in sources:
            own = kinds[source]
            raw = lake.read(engine.con, source, first, last)
            past = lake.read(engine.con, source, first - LONGEST, first - 1)
            if own.measures:
                placed = daily.read_events(engine, source, raw, self.numbers)
                around = None
                if source == "calls":
                    lines = line_versions(engine, lake, self.numbers)
                    around = Surroundings(engine, lake, settings, lines, first, last)
                line_days = daily.line_days(engine, own, placed, around, days)
                self._tables[source, "tiles"] = engine.store(f"{source}_days", line_days)
            if own.columns:
                few = []
                if own.few:
                    # One after the other: both go through a table of the same name.
                    for name, rows in (("now", raw), ("then", past)):
                        few.append(engine.store(f"{source}_{name}", daily.day_values(engine, own, rows, self.numbers)))
                    codes = daily.codes(engine, own, few[0])
                    few = [presence.coded(values, codes) for values in few]
                met = daily.met_before(engine, own, raw, past, self.numbers, few)
                self._tables[source, "facts"], self._tables[source, "odd"] = met
            engine.drop(*daily.passing(source))
        if (complaints := _complaints(engine, lake, kinds["complaints"], self.numbers, first, last)) is not None:
            self._tables["complaints", "tiles"] = complaints

    def _part(self, source: str, part: str, first: int, last: int) -> ir.Table | None:
        held = self._tables.get((source, part))
        return None if held is None else _within(held, first, last)


class _FiledDays(Days):
    """Days kept in files by DuckDB, in chunks of a few days; only what is missing or has changed is worked out."""

    def __init__(
        self,
        engine: DuckEngine,
        lake: Lake,
        settings: Settings,
        as_of: Sequence[int],
        kinds: dict[str, Kinds],
        kept: Kept,
        where: Callable[..., Place] | None,
        progress: Progress,
    ):
        self._where = where
        self._engine, self._lake, self._settings, self._kept, self._progress = engine, lake, settings, kept, progress
        self.kinds = kinds
        self._days = {source: lake.days(source) for source in BIG}
        with kept.locked():
            self._refresh(as_of)
        first, last = min(as_of) - LONGEST, max(as_of) - 1
        place = self.place("complaints", "days")
        self._complaints = _complaints(engine, lake, kinds["complaints"], self.numbers, first, last, place)

    def place(self, *made_of: object) -> Place | None:
        """Where a program that reads these tables is kept; None where measures are not those of this code."""
        return self._where(*made_of) if self._where else None

    def _part(self, source: str, part: str, first: int, last: int) -> ir.Table | None:
        if source == "complaints":
            held = self._complaints if part == "tiles" else None
            return None if held is None else self._engine.view("complaints_tiles", _within(held, first, last))
        kind = source if part == "tiles" else f"{source}-met"
        paths = self._kept.files(kind, part, range(first, last + 1))
        if not paths:
            return None
        return self._engine.view(f"{source}_{part}", _within(self._engine.load(f"{source}_{part}_kept", paths), first, last))

    def _refresh(self, as_of: Sequence[int]) -> None:
        """Work out what is missing: first the days by themselves, then when what they met was met before."""
        settings = self._settings
        keys = {source: self._keys(source) for source in BIG}
        back = {day for at in as_of for day in range(at - LONGEST, at)}
        further = {day for at in as_of for day in range(at - 2 * LONGEST, at)}
        missing: dict[str, list[int]] = {}
        for source in BIG:
            wanted = (further if self.kinds[source].few else back) if self._worth(source) else set()
            missing[source] = self._kept.missing(source, wanted.intersection(self._days[source]), keys[source][0])
        self.numbers = self._engine.view("numbers", self._number(missing))
        if missing["calls"] or self._kept.days("calls"):
            lines = self._lines()
            changed = self._judged_otherwise(lines, sorted(further.intersection(self._kept.days("calls"))))
            missing["calls"] = sorted({*missing["calls"], *changed})
            if missing["calls"]:
                hours = settings.features
                place = self.place("around", hours.permitted_from, hours.permitted_to)
                self._around = Surroundings(self._engine, self._lake, settings, lines, min(further), max(as_of) - 1, place)
        work = []
        for source in BIG:
            if missing[source]:
                work.append((source, missing[source], self._work_out_days))
            if self.kinds[source].columns:
                met = self._kept.missing(f"{source}-met", back.intersection(self._days[source]), keys[source][1])
                work.append((source, met, self._look_up_values))
        for step, (source, days, job) in enumerate(work):
            for share in job(source, days, keys[source]):
                self._progress((step + share) / len(work))
        if settings.features.kept_days:
            # What this build reads stays for it.
            self._kept.trim(min(min(further), max(as_of) - settings.features.kept_days))
        self._kept.save()
        self._kept.sweep()

    def _worth(self, source: str) -> bool:
        return bool(self.kinds[source].measures or self.kinds[source].columns)

    def _keys(self, source: str) -> tuple[Callable[[int], str], Callable[[int], str]]:
        """The keys of a day by itself, and of what was met before on a day."""
        lake, settings = self._lake, self._settings
        made = digest(fingerprint(), HOLIDAYS, lake.zone, settings.zone, settings.country)
        hours = (settings.features.permitted_from, settings.features.permitted_to) if source == "calls" else ()
        around = [lake.known_state(table) for table in (("complaints", "policies") if source == "calls" else ())]

        def alone(day: int) -> str:
            return digest(made, hours, lake.day_state(source, day), [state(day) for state in around])

        def with_past(day: int) -> str:
            return digest(made, [lake.day_state(source, day - age) for age in range(LONGEST + 1)])

        return alone, with_past

    def _number(self, missing: dict[str, list[int]]) -> ir.Table:
        """Gives numbers to lines that have none yet: those that are kept go by theirs."""
        engine, kept = self._engine, self._kept
        found = _ids(engine, self._lake, {source: spans(days) for source, days in missing.items()})
        if kept.lines is None:
            numbers = engine.store("line_numbers", _numbered(found, -1))
        else:
            known = engine.store("line_numbers", engine.load("lines_kept", [kept.lines]))
            fresh = engine.store("new_lines", found.anti_join(known, "line_id"))
            if not engine.scalar(fresh.count()):
                return known
            newest = engine.scalar(known.line.max())
            after = -1 if newest is None else int(newest)  # type: ignore[call-overload]
            numbers = engine.store("all_lines", ibis.union(known, _numbered(fresh, after)))
        path = kept.file("lines")
        engine.save(numbers, path)
        kept.number_lines(path)
        return numbers

    def _lines(self) -> ir.Table:
        """What was known of each line on each day."""
        engine, lake = self._engine, self._lake
        engine.known(lake, "lines")  # it is taken in before: what is written down here knows it by name

        def work() -> Work:
            return {"versions": line_versions(engine, lake, self.numbers)}

        return engine.again("lines", work, self.place("lines"))["versions"]

    def _judged_otherwise(self, lines: ir.Table, days: list[int]) -> list[int]:
        """Days on which a line's carrier or home region, as it is known now, is not the one its calls were judged by."""
        engine, paths = self._engine, self._kept.files("calls", "tiles", days)
        if not paths or not days:
            return []
        tiles = engine.load("calls_kept", paths)

        def work() -> Work:
            judged = tiles.select("line", "day", was_of="carrier", was_at="home_region")
            now = of_lines(judged, lines)
            same = now.was_of.identical_to(now.carrier) & now.was_at.identical_to(now.home_region)
            return {"days": engine.view("calls_otherwise", now.filter(~same).select("day").distinct())}

        changed = engine.arrow(engine.again("judged", work, self.place("judged"))["days"])["day"].to_pylist()
        return sorted(self._kept.forget("calls", set(changed)).intersection(days))

    def _work_out_days(self, source: str, days: list[int], keys: tuple[Callable[[int], str], ...]) -> Iterator[float]:
        """Line-days, and few values met, in chunks; after each the share that is done."""
        engine, kinds = self._engine, self.kinds[source]
        around = self._around if source == "calls" else None
        known = None
        if source == "calls":
            known = engine.rows("calendar", kept_calendar(self._kept.folder / "calendar.json", days, self._settings.country))
        raw: ir.Table

        def work() -> Work:
            parts = {}
            if kinds.measures:
                placed = daily.read_events(engine, source, raw, self.numbers)
                parts["tiles"] = daily.line_days(engine, kinds, placed, around, known)
            if kinds.few:
                parts["values"] = daily.day_values(engine, kinds, raw, self.numbers)
            # They are read once, into their files.
            return {name: engine.view(f"{source}_{name}_made", rows) for name, rows in parts.items()}

        hours = self._settings.features
        place = self.place(source, "days", hours.permitted_from, hours.permitted_to)
        rows = self._lake.rows(source)
        parts = list(chunks(days, rows, int(CHUNK_ROWS * self._settings.memory_gb)))
        for (chunk, done), following in zip_longest(parts, parts[1:]):
            if following:
                self._lake.ahead(source, following[0][0], following[0][-1])
            raw = engine.view(f"{source}_chunk", self._lake.read(engine.con, source, chunk[0], chunk[-1]))
            with engine.few(sum(rows.get(day, 0) for day in chunk)):
                self._kept.put(source, chunk, keys[0], self._saved(source, engine.again((source, "days"), work, place), chunk))
            yield done
        engine.drop(*daily.passing(source))

    def _look_up_values(self, source: str, days: list[int], keys: tuple[Callable[[int], str], ...]) -> Iterator[float]:
        """When what was met on each day was met before, in chunks; after each the share that is done.

        A chunk has many days, for the days before it are read, too; where that is much, some of the lines at a time.
        """
        engine, lake, kinds = self._engine, self._lake, self.kinds[source]
        rows, most = lake.rows(source), MET_ROWS * self._settings.memory_gb / max(1, len(kinds.many))
        raw: ir.Table
        past: ir.Table
        few: list[ir.Table] = []
        values: dict[str, ir.Table] = {}
        codes: ir.Table

        def work() -> Work:
            coded = [presence.coded(met, codes) for met in few]
            facts, odd = daily.met_before(engine, kinds, raw, past, self.numbers, coded)
            return {"facts": engine.view(f"{source}_facts_made", facts), "odd": engine.view(f"{source}_odd_made", odd)}

        def numbered() -> Work:
            return {"codes": daily.codes(engine, kinds, few[0])}

        place, numbering, before = self.place(source, "met"), self.place(source, "codes"), 0.0
        for chunk, done in chunks(days, rows, sum(rows.values()), MET_DAYS):
            first, last = chunk[0], chunk[-1]
            past_days = (first - LONGEST, first - 1)
            read = {"now": self._stored(source, first, last), "then": self._stored(source, *past_days)}
            if kinds.few:
                values = {"now": self._values(source, first, last), "then": self._values_before(source, first, keys[1])}
                # Of all lines: to go through the files once for each range of them would take longer than the rest.
                few = [engine.view(f"{source}_few_{name}", met) for name, met in values.items()]
                codes = engine.again((source, "codes"), numbered, numbering)["codes"]
            ranges = self._ranges(ceil(sum(rows.get(day, 0) for day in range(first - LONGEST, last + 1)) / most))
            written = []
            for number, own in enumerate(ranges, 1):
                raw, past = (engine.view(f"{source}_met_{name}", own(found)) for name, found in read.items())
                if values and len(ranges) > 1:
                    lines = own(self.numbers).select("line")
                    few = [engine.view(f"{source}_few_{name}", met.semi_join(lines, "line")) for name, met in values.items()]
                with engine.few(sum(rows.get(day, 0) for day in chunk)):
                    written.append(self._saved(f"{source}-met", engine.again((source, "met"), work, place), chunk))
                yield before + (done - before) * number / len(ranges)
            self._kept.put(f"{source}-met", chunk, keys[1], *written)
            before = done
        if values:
            self._keep_newest(source, days[-1], values, keys[1])
        names = ["few", *[str(kinds.number(column)) for column in kinds.columns]]
        parts = [f"{part}_{name}" for part in ("facts", "odd") for name in names]
        engine.drop(*[f"{source}_met_{name}" for name in ("records", "pairs", "slow", "codes", *parts)])

    def _stored(self, source: str, first: int, last: int) -> ir.Table:
        """Rows of the lake, or an empty table that a view can be made of."""
        rows = self._lake.read(self._engine.con, source, first, last)
        return rows if any(first <= day <= last for day in self._days[source]) else self._engine.store(f"{source}_none", rows)

    def _values(self, source: str, first: int, last: int) -> ir.Table:
        """The few values met on some days; all files have the same columns, so that any of them does for no days."""
        paths = (
            self._kept.files(source, "values", range(first, last + 1))
            or self._kept.files(source, "values", self._days[source])[:1]
        )
        return _within(self._engine.load(f"{source}_values_{first}_{last}", paths), first, last)

    def _values_before(self, source: str, first: int, key: Callable[[int], str]) -> ir.Table:
        """The few values met on the 28 days before a day: the newest ones alone, where these are kept."""
        kind, earlier = f"{source}-newest", [day for day in self._days[source] if day < first][-1:]
        span = (first - LONGEST, first - 1)
        if not earlier or self._kept.missing(kind, earlier, key):
            return self._values(source, *span)
        return _within(self._engine.load(f"{source}_newest_kept", self._kept.files(kind, "values", earlier)), *span)

    def _keep_newest(self, source: str, last: int, values: dict[str, ir.Table], key: Callable[[int], str]) -> None:
        """Keep what the day after `last` will ask for, where anything stays: a small part of the records of 28 days."""
        engine, kind = self._engine, f"{source}-newest"
        if self._kept.folder != self._lake.derived or any(day > last for day in self._kept.days(kind)):
            return
        span = (last + 1 - LONGEST, last)
        met = [engine.view(f"{source}_newest_{name}", _within(rows, *span)) for name, rows in values.items()]

        def work() -> Work:
            return {"values": engine.view(f"{source}_newest_made", presence.newest(ibis.union(*met)))}

        parts = engine.again((source, "newest"), work, self.place(source, "newest"))
        self._kept.renew(kind, last, key, self._saved(kind, parts, [last]))

    def _saved(self, kind: str, parts: dict[str, ir.Table], days: list[int]) -> dict[str, Path]:
        """Parts of consecutive days in files, which are yet to be put among the kept ones."""
        files = {part: self._kept.place(kind, part, days) for part in parts}
        for part, path in files.items():
            self._engine.save(parts[part], path)
        return files

    def _ranges(self, wanted: int) -> list[Callable[[ir.Table], ir.Table]]:
        """Lines in so many parts, by line_id: files are in its order, so that a part reads little else."""
        if wanted < 2:
            return [between(None, None)]
        ids = sorted(self._engine.frame(self.numbers.select("line_id"))["line_id"])
        cuts = sorted({ids[len(ids) * part // wanted] for part in range(1, wanted)}) if ids else []
        return [between(*ends) for ends in zip([None, *cuts], [*cuts, None], strict=True)]
