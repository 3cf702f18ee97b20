"""Batch scoring: the registered model on one morning's lines, or on a finished feature table; each written in one step."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.atomic import replacing
from data_schemas.clock import day_date, day_number
from data_schemas.errors import BadInput, check_place
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings
from features.build import build_features, missing_features
from features.catalogue import CATALOGUE
from features.feature import Feature
from features.localtime import calendar
from models.counts import expected_bans
from serving.actions import for_model, load_playbook
from serving.advice import USUAL, advise
from serving.published import Forecast
from serving.trust import AnyVersion, Registry, Version, trusted_forecast

Progress = Callable[[str, float], None]
COLOURS = ("red", "orange", "yellow", "green")
REASONS = pa.list_(
    pa.struct(
        {
            "family": pa.string(),
            "feature": pa.string(),
            "value": pa.float64(),
            "usual": pa.float64(),
            "contribution": pa.float64(),
        }
    )
)
PLAN = pa.struct(
    {
        "daily_calls": pa.int32(),
        "rest_days": pa.int32(),
        "from": pa.string(),
        "to": pa.string(),
        "leave_out": pa.int32(),
    }
)
ACTIONS = pa.list_(pa.struct({"action": pa.string(), "risk_after": pa.float64(), "plan": PLAN, "below": pa.bool_()}))
_TOP = 20
"""Lines that the summary names."""


def score_day(
    lake: Lake,
    settings: Settings,
    home: Home,
    registry: Registry[AnyVersion],
    *,
    as_of: date,
    name: str = "bancast",
    alias: str = "champion",
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Score every line eligible at local midnight `as_of` and write scores.parquet, with summary.json beside it.

    registry: the home's, or any that gives a bundle (the rule baseline's). alias: or the number of a version.
    Returns the file and the summary. BadInput, with nothing written, when there is no such model or it is refused, when the
    lake knows nothing of the day before, when no line is eligible, or when the model asks for features that are not made here.
    """
    started = perf_counter()
    tell = progress or (lambda step, share: None)
    tell("model", 0.0)
    forecast, version = trusted_forecast(registry, home, name, alias, settings.threads)
    if forecast.meta["kind"] == "table":
        raise BadInput(
            f"model {_label(version)} scores finished tables, not the lake; use `bancast score --table FILE --out FILE`"
        )
    wanted = _features(forecast, version)
    playbook = load_playbook(settings.actions.playbook)
    check_day(lake, settings, as_of)
    check_place(home.scores)
    day = day_number(as_of)
    made = wanted if USUAL in wanted else [*wanted, USUAL]
    table = build_features(lake, settings, [day], lambda step, share: tell(step, 0.05 + 0.45 * share), made, home.scratch)
    if table.empty:
        raise BadInput(
            f"as_of {as_of}: none of the lake's {sum(lake.rows('lines').values())} lines is eligible, each is banned, deactivated"
            " or not yet active; nothing was written, choose another day"
        )
    tell("scores", 0.5)
    levels = forecast.levels(levels_over(settings))
    told = for_model(playbook, forecast.meta["features"])
    scores = forecast.score(table, levels=levels, actions=told, most=len(told), model_version=_label(version))
    scores["data_fingerprint"] = lake.fingerprint(day)
    scores = scores.sort_values("rank", ignore_index=True)
    advice = advise(
        forecast,
        playbook,
        told,
        lake,
        settings,
        home,
        day=day,
        scores=scores,
        table=table,
        levels=levels,
        catalogue=wanted,
        progress=lambda step, share: tell(step, 0.55 + 0.4 * share),
    )
    scores["actions"] = pd.Series(advice.actions, index=scores.index, dtype=object)
    tell("writing", 0.95)
    summary = {
        "as_of": as_of.isoformat(),
        **_summary(forecast, version, alias, scores, f"risk_{forecast.meta['headline']}d"),
        "bans_by": _bans_by(scores, table, forecast) if forecast.meta["kind"] != "rule" else [],
        "actions": advice.summary,
        "spread": forecast.meta.get("spread", {}),
        "data_fingerprint": scores["data_fingerprint"].iloc[0],
        "trained_until": forecast.meta.get("trained_until"),
        "missing_features": missing_features(table, wanted, lake),
        "seconds": round(perf_counter() - started, 1),
    }
    path = home.scores_file(as_of)
    _write(path, lambda temporary: pq.write_table(to_arrow(scores, forecast), temporary))
    _write(path.with_name("summary.json"), lambda temporary: _write_json(temporary, summary))
    tell("done", 1.0)
    return path, summary


def score_table(
    file: Path,
    out: Path,
    settings: Settings,
    home: Home,
    registry: Registry[AnyVersion],
    *,
    name: str = "bancast-table",
    alias: str = "champion",
    progress: Progress | None = None,
) -> tuple[Path, dict[str, Any]]:
    """Score a finished feature table (one row a line) and write <id>, risk, rank, level, reasons, sorted by rank.

    file, out: Parquet or CSV by their suffix; in a CSV the reasons are JSON text. BadInput as for `score_day`.
    """
    started = perf_counter()
    tell = progress or (lambda step, share: None)
    if out.suffix.lower() not in (".csv", ".parquet"):
        raise BadInput(f"{out}: the output must end in .csv or .parquet; name it so")
    if out.is_dir() or (out.exists() and file.exists() and out.samefile(file)):
        raise BadInput(f"{out}: is a folder or the input itself; name another file")
    tell("model", 0.0)
    forecast, version = trusted_forecast(registry, home, name, alias, settings.threads)
    if forecast.meta["kind"] != "table":
        raise BadInput(f"model {_label(version)} scores the lake, not a table; train one with `bancast train --table FILE`")
    tell("table", 0.1)
    table = read_table(file, forecast.meta["id"])
    tell("scores", 0.2)
    try:
        scores = forecast.score(table, levels=levels_over(settings)).sort_values("rank", ignore_index=True)
    except ValueError as error:
        raise BadInput(f"{file}: {error}") from None
    tell("writing", 0.9)
    if out.suffix.lower() == ".csv":
        text = scores.assign(reasons=[json.dumps(reasons, ensure_ascii=False) for reasons in scores["reasons"]])
        _write(out, lambda temporary: text.to_csv(temporary, index=False))
    else:
        _write(out, lambda temporary: pq.write_table(to_arrow(scores, forecast), temporary))
    summary = {
        **_summary(forecast, version, alias, scores, "risk"),
        "out": str(out),
        "seconds": round(perf_counter() - started, 1),
    }
    tell("done", 1.0)
    return out, summary


def read_table(file: Path, id: str) -> pd.DataFrame:
    """A feature table from Parquet or CSV; ids of a CSV stay text, so that 007 stays 007. BadInput when that cannot be."""
    try:
        if file.suffix.lower() == ".csv":
            table = pd.read_csv(file, dtype={id: "str"}, encoding="utf-8-sig")
            if not isinstance(table.index, pd.RangeIndex):  # pandas has taken surplus fields for an index
                raise ValueError("rows have more fields than the header")
        elif file.suffix.lower() == ".parquet":
            table = pq.ParquetFile(file).read().to_pandas()
        else:
            raise BadInput(f"{file}: the table must end in .csv or .parquet")
    except UnicodeDecodeError as error:
        raise BadInput(f"{file}: not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise BadInput(f"{file}: not readable ({error.strerror or error}); check the path and the file") from None
    except (pa.ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadInput(f"{file}: not readable as {file.suffix.lower()[1:]} ({reason}); write it anew") from None
    if table.empty:
        raise BadInput(f"{file}: has no rows; give one row a line")
    return table


def to_arrow(scores: pd.DataFrame, forecast: Forecast) -> pa.Table:
    """Scores as they are stored: dates as dates, reasons and actions as lists of structs."""
    types = {"rank": pa.int32(), "level": pa.string(), "reasons": REASONS, "actions": ACTIONS, "as_of": pa.date32()}
    types |= {"days_to_red": pa.float64(), "model_version": pa.string(), "data_fingerprint": pa.string()}
    if forecast.meta["kind"] != "table":
        types[forecast.meta["id"]] = pa.string()
    frame = scores.assign(as_of=scores["as_of"].dt.date) if "as_of" in scores.columns else scores
    arrays = [
        pa.array(frame[column].tolist() if column in types else frame[column], types.get(column), from_pandas=True)
        for column in frame.columns
    ]
    return pa.table(arrays, names=list(frame.columns))


def levels_over(settings: Settings) -> dict[str, Any]:
    """What the settings say of levels, where they say anything: over what the model was published with."""
    costs = {} if settings.costs.ban is None else {"costs": settings.costs.model_dump()}
    return {key: getattr(settings.levels, key) for key in settings.levels.model_fields_set} | costs


def _features(forecast: Forecast, version: Version) -> list[Feature]:
    known = {feature.name: feature for feature in CATALOGUE}
    strange = [name for name in forecast.names if name not in known]
    if strange:
        raise BadInput(
            f"model {_label(version)} needs feature `{strange[0]}`, which this bancast does not make; train again, or score"
            " with the bancast that trained it"
        )
    return [known[name] for name in forecast.names]


def check_day(lake: Lake, settings: Settings, as_of: date) -> None:
    """BadInput when nothing can be known of the day before `as_of`."""
    calls = {day: rows for day, rows in lake.rows("calls").items() if rows}
    if not calls:
        raise BadInput(f"{lake.root}: holds no calls; ingest some first with `bancast ingest`")
    first, last, before = min(calls), max(calls), day_number(as_of) - 1
    if before > last:
        raise BadInput(
            f"as_of {as_of} is beyond the data: the lake's last call is of {day_date(last)}; ingest newer tables or choose"
            f" {day_date(last + 1)} at the latest"
        )
    if before < first:
        raise BadInput(f"as_of {as_of} is before the data: the lake's first call is of {day_date(first)}; choose a later day")
    if before not in calls and not _idle(calls, first, before, settings):
        raise BadInput(
            f"{day_date(before)}, the day before as_of {as_of}, is an empty day: the lake has no calls of it; ingest that day, or"
            " choose another"
        )


def _idle(calls: dict[int, int], first: int, day: int, settings: Settings) -> bool:
    """Whether a day without calls is nothing strange: a public holiday, or a weekday without calls in the four weeks before."""
    same = [earlier for earlier in range(day - 7, max(first, day - 28) - 1, -7)]
    return calendar([day], settings.country).holiday.iloc[0] or (bool(same) and not any(earlier in calls for earlier in same))


def _summary(forecast: Forecast, version: Version, alias: str, scores: pd.DataFrame, headline: str) -> dict[str, Any]:
    counts = scores["level"].value_counts()
    key = forecast.meta["id"]
    top = [
        {
            key: str(row[key]),
            "risk": round(float(row[headline]), 4),
            "level": row["level"],
            "reason": row["reasons"][0]["feature"] if row["reasons"] else None,
        }
        for row in scores.head(_TOP).to_dict("records")
    ]
    return {
        "lines": len(scores),
        "levels": {colour: int(counts.get(colour, 0)) for colour in COLOURS},
        "expected_bans": round(float(scores[headline].sum()), 1) if forecast.meta["kind"] != "rule" else None,
        "horizon_days": forecast.meta["headline"],
        "kind": forecast.meta["kind"],
        "degree": forecast.meta.get("degree", forecast.meta["kind"]),
        "model": _label(version),
        "alias": alias,
        "run_id": version.run_id,
        "manifest_sha256": version.manifest_sha256,
        "top": top,
    }


def _bans_by(scores: pd.DataFrame, table: pd.DataFrame, forecast: Forecast) -> list[dict[str, Any]]:
    """Bans to expect within the headline horizon, by carrier and team, with an interval (models.counts)."""
    spread = forecast.meta.get("spread", {})
    groups = table[["line_id", "carrier", "team"]].merge(scores, on="line_id")
    return expected_bans(groups.rename(columns={f"risk_{forecast.meta['headline']}d": "risk"}), spread)


def _label(version: Version) -> str:
    return f"{version.name}/{version.version}"


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _write(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a file beside its place and put it there in one step, lasting through a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        write(temporary)
