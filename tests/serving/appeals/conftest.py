import pytest

from data_schemas.home import Home
from tests.serving.appeals.worlds import BANNED, NASTY, NASTY_BAN, World, at


@pytest.fixture(scope="package")
def home(tmp_path_factory) -> Home:
    """GOOD and a line of a hostile name kept every limit; each other line has one thing against it, which its name says."""
    world = World("GOOD", NASTY, "LOUD", "RUSH", "NIGHT", "COMPLAINED", "PESTER", "RISKY", "OLD", "LIFTED", "APPEALED")
    world.policy(at(BANNED - 200, 0), daily_call_limit=30.0, hourly_call_limit=12.0, permitted_from="09:00", permitted_to="21:00")
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
    world.ban("LIFTED", lifted_at=at(BANNED + 1))
    world.ban("APPEALED", appealed_at=at(BANNED + 1))
    world.ban(NASTY, ban_id=NASTY_BAN, reason="<img src=x onerror=alert(2)>")
    return world.store(tmp_path_factory.mktemp("appeals"), {"RISKY": 0.4})
