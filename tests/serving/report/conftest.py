import pytest

from data_schemas.home import Home
from data_schemas.settings import Settings
from serving.actions import load_playbook
from serving.report import write_report
from tests.serving.report.worlds import AS_OF, lake_of, scored_home


@pytest.fixture(scope="package")
def written(tmp_path_factory) -> tuple[Home, dict]:
    """A home of 300 lines with nine weeks of scores, and what write_report said of its newest day."""
    home = scored_home(tmp_path_factory.mktemp("ranking"), [action.name for action in load_playbook()])
    return home, write_report(home, Settings(threads=1, language="en"), AS_OF, lake=lake_of(300))
