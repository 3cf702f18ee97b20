"""The calendar of a world: local midnights, weekends and the public holidays of China with their make-up working days."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import holidays
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

MS_PER_DAY = 86_400_000
WORKDAY, SATURDAY, SUNDAY, HOLIDAY = range(4)
_BACK = 1700
"""Days before day 0 for which instants are known: the oldest line is younger."""


@dataclass(frozen=True)
class Days:
    """Days from `start` - `before` to `start` + `after`, counted from `start`: day 0 is the first of the world.

    Times inside the simulator are local milliseconds since the midnight at which day 0 begins, every day of 24 hours.
    """

    start: date
    before: int
    after: int
    zone: str

    def date(self, day: int) -> date:
        """The calendar day of a day of the world."""
        return self.start + timedelta(days=int(day))

    @cached_property
    def _midnights(self) -> NDArray[np.int64]:
        zone = ZoneInfo(self.zone)
        starts = [self.date(day) for day in range(-_BACK, self.after + 1)]
        return np.array([int(datetime(d.year, d.month, d.day, tzinfo=zone).timestamp()) * 1_000_000 for d in starts])

    @cached_property
    def kinds(self) -> NDArray[np.int64]:
        """WORKDAY, SATURDAY, SUNDAY or HOLIDAY of each day, from day -before on."""
        days = [self.date(day) for day in range(-self.before, self.after + 1)]
        china = holidays.country_holidays("CN", years=range(days[0].year, days[-1].year + 1))
        plain = (WORKDAY,) * 5 + (SATURDAY, SUNDAY)
        kinds = [HOLIDAY if d in china else WORKDAY if china.is_working_day(d) else plain[d.weekday()] for d in days]
        return np.array(kinds)

    def kind(self, day: int) -> int:
        """What sort of day it is."""
        return int(self.kinds[day + self.before])

    def instants(self, ms: NDArray[np.generic], missing: NDArray[np.bool_] | None = None) -> pa.Array:
        """Local milliseconds of the world as instants (timestamp[us, UTC]); null where `missing`."""
        whole = np.asarray(ms, dtype=np.int64) if missing is None else np.where(missing, 0, ms).astype(np.int64)
        day, rest = np.divmod(whole, MS_PER_DAY)
        us = self._midnights[day + _BACK] + rest * 1000
        return pa.array(us, mask=missing).cast(pa.timestamp("us", "UTC"))
