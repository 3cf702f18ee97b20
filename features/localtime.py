"""Local days and calendar facts inside the engine."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from data_schemas.atomic import replacing
from data_schemas.clock import Clock, day_date, day_number
from data_schemas.errors import BadInput

HOLIDAYS = version("holidays")
"""The edition of the public holidays."""
DAY_SECONDS = 86_400
NIGHT_FROM, NIGHT_TO = 21 * 3600, 8 * 3600
"""Second of the local day from which it is night, and until when, past midnight."""
NOON_FROM, NOON_TO = 12 * 3600, 14 * 3600
"""The midday rest, seconds of the local day."""


def shifts(clock: Clock) -> list[tuple[int, int]]:
    """What `local_day` goes by: from which instant on the zone's clock is how far ahead, microseconds."""
    return clock.offsets(datetime(2000, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC))


def local_day(moment: ir.TimestampValue, clock: Clock) -> ir.IntegerValue:
    """The local day number of an instant, daylight saving included."""
    seconds = moment.epoch_seconds()
    pairs = shifts(clock)
    offset: ir.IntegerValue = ibis.literal(pairs[0][1] // 10**6, type="int64")
    if len(pairs) > 1:
        steps = [(seconds >= start // 10**6, shift // 10**6) for start, shift in reversed(pairs[1:])]
        offset = ibis.cases(*steps, else_=pairs[0][1] // 10**6).cast("int64")
    return ((seconds + offset) / DAY_SECONDS).floor().cast("int32")


def second_of_clock(text: ir.StringValue) -> ir.IntegerValue:
    """Seconds after midnight of a wall-clock time "HH:MM" or "HH:MM:SS"."""
    return (text.substr(0, 2).cast("int32") * 3600 + text.substr(3, 2).cast("int32") * 60).cast("int32")


def clock_seconds(text: str) -> int:
    """The same for a setting."""
    hours, minutes = text.split(":")[:2]
    return int(hours) * 3600 + int(minutes) * 60


def calendar(days: Iterable[int], country: str) -> pd.DataFrame:
    """One row a local day: day, weekend, holiday (0 or 1).

    A weekend day that the country declares a working day (China's make-up days) is not a weekend.
    """
    import holidays  # takes a while to load

    numbers = sorted(set(days))
    dates = [day_date(number) for number in numbers]
    # A holiday may be observed across the turn of a year: the years beside are asked too, whatever days are built together.
    years = range(min(d.year for d in dates) - 1, max(d.year for d in dates) + 2) if dates else range(0)
    try:
        public = holidays.country_holidays(country, years=years)
    except NotImplementedError:
        raise BadInput(f"setting `country`: no public holidays known for `{country}`; give its two-letter ISO code") from None
    working = getattr(public, "weekend_workdays", {})
    return pd.DataFrame(
        {
            "day": pd.array(numbers, dtype="int32"),
            "weekend": pd.array([int(public._is_weekend(d) and d not in working) for d in dates], dtype="int32"),
            "holiday": pd.array([int(d in public) for d in dates], dtype="int32"),
        }
    )


def kept_calendar(path: Path, days: Iterable[int], country: str) -> pd.DataFrame:
    """The same from a file, which is made of whole years where it has not all of the days: to load holidays takes a while."""
    wanted = sorted(set(days))
    made = [HOLIDAYS, country]
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        rows = {int(day): told for day, told in held["days"].items()} if held["made"] == made else {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        rows = {}  # not there, or not to be read: made anew
    if not rows.keys() >= set(wanted):
        years = {day_date(day).year for day in wanted}
        whole = calendar(range(day_number(date(min(years), 1, 1)), day_number(date(max(years) + 1, 1, 1))), country)
        rows |= {int(day): [int(weekend), int(holiday)] for day, weekend, holiday in whole.itertuples(index=False)}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps({"made": made, "days": rows}), encoding="utf-8")
    told = [(day, *rows[day]) for day in wanted]
    return pd.DataFrame(told, columns=["day", "weekend", "holiday"], dtype="int32")
