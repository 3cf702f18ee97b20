from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from data_schemas.clock import day_number
from data_schemas.home import Home
from data_schemas.lake import Lake
from data_schemas.settings import Settings, load_settings
from features.engine import open_engine
from serving.known import Known
from tests.serving.appeals.worlds import AS_OF, BANNED, NASTY, NASTY_BAN, World


@contextmanager
def opened(home: Home, as_of=AS_OF, **settings) -> Iterator[tuple[Known, Settings]]:
    """What was known of a home at a midnight."""
    chosen = load_settings(home.root, threads=1, **settings)
    with open_engine(chosen) as engine:
        yield Known(engine, Lake(home.lake), day_number(as_of)), chosen


@pytest.fixture(scope="package")
def home(tmp_path_factory) -> Home:
    """GOOD and a line of a hostile name kept every limit; each other line has one thing against it, which its name says."""
    bad = ["LOUD", "RUSH", "NIGHT", "COMPLAINED", "PESTER", "RISKY", "OLD", "LIFTED", "APPEALED"]
    world = World("GOOD", NASTY, *bad)
    world.policies.append(
        {
            "carrier": "X",
            "effective_at": f"{AS_OF.year}-01-01T00:00:00+08:00",
            "daily_call_limit": 30.0,
            "hourly_call_limit": 12.0,
            "permitted_from": "09:00",
            "permitted_to": "21:00",
        }
    )
    for n in range(21):
        world.call("LOUD", BANNED - 3, 13 + (n % 7) + n / 60)
    for n in range(12):
        world.call("RUSH", BANNED, 11 + n / 60)
    for n in range(5):
        world.call("NIGHT", BANNED - 2 - n, 23)
    world.complain("COMPLAINED", BANNED - 4, channel="regulator")
    world.complain("COMPLAINED", BANNED, 11)
    world.complain("COMPLAINED", BANNED, 13)  # after the ban
    world.call("PESTER", BANNED - 4, 15, number=5000)  # who had complained about A
    world.bans = [row for row in world.bans if row["line_id"] not in ("OLD", "LIFTED", "APPEALED", NASTY)]
    world.ban("OLD", BANNED - 26)
    world.ban("LIFTED", lifted_at=world.bans[0]["banned_at"] + (noon := __import__("datetime").timedelta(days=1)))
    world.ban("APPEALED", appealed_at=world.bans[0]["banned_at"] + noon)
    world.ban(NASTY, ban_id=NASTY_BAN, reason="<img src=x onerror=alert(2)>")
    return world.store(tmp_path_factory.mktemp("appeals"), {"RISKY": 0.4, "OLD": 0.01})
