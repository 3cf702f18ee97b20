"""What the parts of the simulated world promise each other."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import date

import numpy as np
import pytest

from simulator.carriers import DRIVERS, NAMES, make_carriers
from simulator.chance import scramble, stream, unit
from simulator.company import plan_day
from simulator.complaints import WEIGHT, Pending, complain
from simulator.days import HOLIDAY, MS_PER_DAY, SATURDAY, WORKDAY, Days
from simulator.fleet import Fleet, Pools, first_fleet, make_pools
from simulator.risk import REASONS, DayCounts, Watch
from simulator.teams import Teams, make_teams
from simulator.traffic import Plan, place

BEFORE, SPAN = 5, 40
CALENDAR = Days(date(2026, 1, 5), BEFORE, SPAN + 1, "Asia/Shanghai")


@pytest.fixture
def parts() -> tuple[Teams, Pools, Fleet, Watch]:
    teams, pools = make_teams(7, CALENDAR, SPAN, 200, 30), make_pools(7, SPAN, 200)
    fleet = first_fleet(7, pools, teams, 200, BEFORE)
    watch = Watch(make_carriers(7, BEFORE, SPAN, 40), pools, BEFORE)
    watch.grow(200)
    return teams, pools, fleet, watch


def a_plan(parts: tuple[Teams, Pools, Fleet, Watch], day: int = 1) -> Plan:
    return plan_day(parts[2], parts[0], day, BEFORE, np.zeros(len(parts[0])), stream(7, "test", day))


def test_streams_depend_on_purpose_and_place_alone() -> None:
    assert stream(1, "a", 2).random() == stream(1, "a", 2).random()
    assert len({stream(*key).random() for key in ((1, "a", 2), (2, "a", 2), (1, "b", 2), (1, "a", 3), (1, "a"))}) == 5


def test_traits_of_people_are_spread_evenly() -> None:
    shares = unit(scramble(np.arange(20_000, dtype=np.uint64)))
    assert np.abs(np.bincount((shares * 10).astype(int), minlength=10) - 2000).max() < 200


def test_the_calendar_knows_holidays_and_the_saturdays_that_are_worked() -> None:
    kinds = {CALENDAR.date(day): CALENDAR.kind(day) for day in range(SPAN + 2)}
    assert kinds[date(2026, 1, 6)] == WORKDAY and kinds[date(2026, 1, 10)] == SATURDAY
    longer = Days(date(2026, 2, 14), 0, 10, "Asia/Shanghai")
    assert [longer.kind(day) for day in (0, 3)] == [WORKDAY, HOLIDAY]


def test_an_instant_is_the_wall_clock_of_the_zone() -> None:
    told = CALENDAR.instants(np.array([9 * 3_600_000, -MS_PER_DAY])).to_pylist()
    assert [moment.isoformat() for moment in told] == ["2026-01-05T01:00:00+00:00", "2026-01-03T16:00:00+00:00"]


def test_calls_follow_their_plan(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    plan = a_plan(parts)
    n = len(plan.line)
    plan = replace(
        plan, until_ms=np.where(np.arange(n) % 2, plan.until_ms, 12 * 3_600_000), scan=np.where(np.arange(n) % 3, 0.0, 0.9)
    )
    calls = place(plan, 1, stream(7, "calls"))
    assert (calls.ms < plan.until_ms[calls.row]).all() and (np.bincount(calls.row, minlength=n) <= plan.calls).all()
    assert not calls.scanned[calls.row % 3 > 0].any()
    scanned = calls.scanned & (calls.row == calls.row[calls.scanned][0])
    assert set(np.diff(calls.callee[scanned])) == {1}
    assert (calls.duration[~calls.answered] == 0).all() and (calls.duration[calls.answered] > 0).all()


def test_a_part_of_a_plan_keeps_every_field_in_step(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    part = a_plan(parts).part(10, 30)
    assert {len(getattr(part, field.name)) for field in fields(part)} == {20}


def test_a_number_that_apps_mark_is_answered_less_and_refused_more(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    before = a_plan(parts)
    parts[2].now["mark"] = np.full(200, 3.0)
    after = a_plan(parts)
    assert (after.answer < before.answer).all() and (after.refuse > before.refuse).all()


def test_every_driver_raises_the_risk_at_every_carrier(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    _, _, fleet, watch = parts
    still = watch.rate(fleet, 1, np.zeros((200, len(DRIVERS))), WORKDAY)
    for place_, name in enumerate(DRIVERS):
        drivers = np.zeros((200, len(DRIVERS)))
        drivers[:, place_] = 0.5
        assert (watch.rate(fleet, 1, drivers, WORKDAY) > still).all(), name
    assert len(DRIVERS) == len(REASONS)


def test_what_carriers_see_moves_the_driver_it_belongs_to(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    _, _, fleet, watch = parts
    usual = DayCounts.none(200)
    usual.calls[:], usual.answered[:] = 40, 20
    watch.see(fleet, 0, usual)
    before = watch.drivers(fleet, 1)
    for count, driver in (("calls", "load"), ("peak", "peak"), ("short", "short"), ("scanned", "scan"), ("away", "away"),
                          ("off_hours", "off_hours"), ("message_peak", "messages"), ("complaints", "complaints")):  # fmt: skip
        _, _, _, other = parts
        other = Watch(watch.carriers, watch.pools, BEFORE)
        other.grow(200)
        more = DayCounts(**{field.name: getattr(usual, field.name).copy() for field in fields(usual)})
        getattr(more, count)[0] += 500
        other.see(fleet, 0, more)
        moved = other.drivers(fleet, 1) - before
        assert moved[0, DRIVERS.index(driver)] > 0.05, driver
        assert not moved[1:].any()


def test_a_ban_heats_its_pool_and_fades(parts: tuple[Teams, Pools, Fleet, Watch]) -> None:
    _, _, fleet, watch = parts
    pool = DRIVERS.index("pool")
    usual = np.ones(len(NAMES))
    watch.banned(fleet, np.array([0]), usual)
    near = fleet.pool == fleet.pool[0]
    hot = watch.drivers(fleet, 1)[:, pool]
    assert (hot[near] > 0).all() and not hot[~near].any()
    watch.banned(fleet, np.empty(0, dtype=np.int64), usual)
    assert (watch.drivers(fleet, 2)[near, pool] < hot[near]).all()


def test_complaints_come_on_their_day_and_those_kept_within_the_company_weigh_nothing(
    parts: tuple[Teams, Pools, Fleet, Watch],
) -> None:
    plan = replace(a_plan(parts), complain=np.full(len(a_plan(parts).line), 0.2))
    rows = complain(place(plan, 1, stream(7, "calls")), 1, stream(7, "complaints"))
    pending = Pending()
    pending.add(rows)
    got = [pending.due(day) for day in range(60)]
    assert sum(len(day["line"]) for day in got if day) == len(rows["line"]) > 50
    for day, due in enumerate(got):
        if due:
            assert (due["occurred"] // MS_PER_DAY == day).all() and (due["received"] > due["occurred"]).all()
    assert got[0] is None and pending.due(1) is None
    assert WEIGHT.tolist() == [1.0, 0.0, 2.0, 3.0]


def test_carriers_publish_limits_in_order_and_change_them() -> None:
    book = make_carriers(3, BEFORE, 400, 60)
    for carrier in range(len(NAMES)):
        days = [notice.day for notice in book.notices if notice.carrier == carrier]
        assert days == sorted(set(days)) and (carrier == 3) == (not days)
    assert len({notice.daily for notice in book.notices if notice.carrier == 0}) > 1
    assert (book.strict.max(axis=1) - book.strict.min(axis=1) > 0.4).all()
