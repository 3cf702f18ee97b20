"""Local days of one zone: the only place that turns instants into days.

A day is an integer: days since 1970-01-01 on the wall calendar of the zone. `as_of` day t means the local
midnight at which day t begins, so "strictly before as_of" is "local day < t".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EPOCH = date(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
_UTC_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIME_OF_DAY = r"([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.0*)?)?|24:00(:00)?"
"""A time of day as people write it, for Python and for the engine: 8:00, 08:00, 08:00:00; 24:00 is the end of a day."""


def known_zone(zone: str) -> str:
    """The IANA zone of this name; ValueError that says what to write where there is none."""
    try:
        ZoneInfo(zone)
    except Exception:
        known = False
    else:
        known = zone != "localtime"  # a file of some systems; the engine does not know it
    if not known:
        raise ValueError(f"no time zone is called {zone!r}; use an IANA name such as Asia/Shanghai or UTC")
    return zone


def day_number(day: date) -> int:
    """The number of a calendar day: days since 1970-01-01."""
    return (day - EPOCH).days


def day_date(number: int) -> date:
    """The calendar day of a day number."""
    return EPOCH + timedelta(days=int(number))


@dataclass(frozen=True)
class Clock:
    """The wall clock of one IANA zone, e.g. Asia/Shanghai."""

    zone: str = "Asia/Shanghai"

    def local_day(self, moment: datetime) -> int:
        """The local day number in which an aware `moment` falls."""
        return day_number(moment.astimezone(ZoneInfo(self.zone)).date())

    def midnight(self, day: int) -> datetime:
        """The instant, in UTC, at which local day `day` begins."""
        start = day_date(day)
        local = datetime(start.year, start.month, start.day, tzinfo=ZoneInfo(self.zone))
        return local.astimezone(UTC)

    def offsets(self, first: datetime, last: datetime) -> list[tuple[int, int]]:
        """UTC offsets in force between two instants, for use inside an engine.

        Returns (from_us, offset_us) pairs, ascending: from instant `from_us` (microseconds since the epoch) the
        local wall clock is `offset_us` ahead of UTC. The first pair holds for all earlier instants too.
        """
        zone = ZoneInfo(self.zone)

        def offset(moment: datetime) -> timedelta:
            value = moment.astimezone(zone).utcoffset()
            assert value is not None
            return value

        step = timedelta(days=7)
        moment = first.astimezone(UTC) - step
        now = offset(moment)
        pairs = [((moment - _UTC_EPOCH) // MICROSECOND, now // MICROSECOND)]
        while moment < last:
            following = moment + step
            later = offset(following)
            if later != now:
                low, high = moment, following
                while high - low > timedelta(seconds=1):  # transitions fall on whole seconds
                    middle = low + timedelta(seconds=(high - low) // timedelta(seconds=2))
                    low, high = (middle, high) if offset(middle) == now else (low, middle)
                pairs.append(((high - _UTC_EPOCH) // MICROSECOND, offset(high) // MICROSECOND))
            moment, now = following, later
        return pairs
