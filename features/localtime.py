"""Local days and calendar facts inside the engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import holidays
import ibis
import ibis.expr.types as ir
import pandas as pd

from data_schemas.clock import Clock, day_date
from data_schemas.errors import BadInput

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
