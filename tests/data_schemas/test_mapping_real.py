"""The two shipped mappings, on records that a real Kamailio wrote and on a sample written after Asterisk's documentation."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from data_schemas.clock import day_number
from data_schemas.ingest import ingest
from data_schemas.lake import Lake
from data_schemas.mapping import load_mapping
from data_schemas.settings import Settings
from features.build import build_features
from features.catalogue import CATALOGUE

ROOT = Path(__file__).parents[2]
SHANGHAI = ZoneInfo("Asia/Shanghai")


def prepared(tmp_path: Path, name: str) -> Path:
    """The fixture and its shipped mapping in one folder, as a user puts them; the mapping's path."""
    shutil.copytree(ROOT / "tests" / "data" / name, tmp_path, dirs_exist_ok=True)
    return Path(shutil.copy(ROOT / "mappings" / f"{name}.toml", tmp_path))


def taken_in(mapping: Path, home: Path, settings: Settings):
    return ingest(load_mapping(mapping, settings), home, settings)


def features(home: Path, settings: Settings, last: datetime, catalogue=CATALOGUE):
    """Features of the morning after `last`, by line."""
    day = day_number((last.astimezone(SHANGHAI) + timedelta(days=1)).date())
    return build_features(Lake(home / "lake"), settings, [day], catalogue=catalogue).set_index("line_id")


@pytest.fixture(scope="module")
def kamailio(tmp_path_factory):
    """Kamailio's records taken in: report, features by line, and the raw lines read by plain Python."""
    folder, settings = tmp_path_factory.mktemp("kamailio"), Settings(threads=1)
    report = taken_in(prepared(folder, "kamailio"), folder / "home", settings)
    raw = [line.split("|") for path in folder.glob("acc_[0-9]*.log") for line in path.read_text().splitlines()]
    invites = [cells for cells in raw if cells[0] == "INVITE"]
    talks = [line.split("|") for path in folder.glob("acc_cdrs_*.log") for line in path.read_text().splitlines()]
    last = datetime.fromtimestamp(max(float(cells[-1]) for cells in invites), UTC)
    return folder, report, features(folder / "home", settings, last), invites, talks


def test_every_call_that_kamailio_recorded_is_taken_in_once(kamailio):
    _, report, _, invites, talks = kamailio
    calls = report.tables["calls"]
    assert len(invites) == calls.rows_in == calls.accepted == 312
    assert not calls.quarantined and not calls.unknown
    assert len({cells[3] for cells in invites}) == 312  # call ids
    assert Counter(cells[4] for cells in invites) == {"200": 166, "408": 29, "486": 53, "487": 19, "603": 45}
    assert {cells[3] for cells in talks} == {cells[3] for cells in invites if cells[4] == "200"}
    assert report.tables["lines"].accepted == 6
    assert report.tables["bans"].rows_in == report.tables["complaints"].rows_in == 0


def test_the_records_are_those_of_the_calls_that_the_plan_places(kamailio, tmp_path):
    subprocess.run([sys.executable, ROOT / "tools" / "kamailio" / "plan.py", tmp_path], check=True)
    planned = [
        line.split(";")[:2] for name in ("calls", "cancelled") for line in (tmp_path / f"{name}.csv").read_text().split()[1:]
    ]
    assert sorted(planned) == sorted([cells[8], cells[10]] for cells in kamailio[3])
    assert (tmp_path / "lines.csv").read_bytes() == (kamailio[0] / "lines.csv").read_bytes()


def test_features_of_kamailio_records_are_those_that_plain_python_counts(kamailio):
    _, _, table, invites, talks = kamailio
    by_line = defaultdict(list)
    for cells in invites:
        by_line[cells[8]].append(cells)
    seconds = defaultdict(list)
    for cells in talks:
        seconds[cells[4]].append(float(cells[2]))
    assert set(table.index) == set(by_line) and len(by_line) == 6
    for line, calls in by_line.items():
        row = table.loc[line]
        codes = Counter(cells[4] for cells in calls)
        minutes = Counter(int(float(cells[12])) // 60 for cells in calls)
        assert row["calls_1d"] == row["calls_28d"] == len(calls)
        assert row["calls_busiest_minute_1d"] == max(minutes.values())
        assert row["callees_1d"] == row["new_callees_1d"] == len({cells[10] for cells in calls})
        assert row["refused_share_7d"] == pytest.approx(codes["603"] / len(calls))
        assert row["busy_share_7d"] == pytest.approx(codes["486"] / len(calls))
        assert row["answer_rate_7d"] == pytest.approx(codes["200"] / len(calls))
        assert len(seconds[line]) == codes["200"]
        assert row["talk_total_7d"] == pytest.approx(sum(seconds[line]), rel=1e-5)
        assert row["short_calls_7d"] == sum(talk <= 5 for talk in seconds[line])


def test_the_habits_of_the_lines_show_in_the_features_of_kamailio_records(kamailio):
    table = kamailio[2]
    steady, scans, short, refused, few, unanswered = (f"1090000000{n}" for n in range(1, 7))
    assert table["sequential_share_7d"].idxmax() == scans
    assert table["refused_share_7d"].idxmax() == refused
    assert table["repeat_share_7d"].idxmax() == steady
    assert table["answer_rate_7d"].idxmin() == unanswered and table.loc[unanswered, "answer_rate_7d"] == 0
    assert table["calls_1d"].idxmin() == few and table["talk_per_answered_7d"].idxmax() == few
    answered = table.drop(index=unanswered)
    assert answered["talk_per_answered_7d"].idxmin() == short


def test_times_of_kamailio_records_are_those_of_the_server(kamailio):
    folder, _, _, invites, _ = kamailio
    rows = duckdb.sql(
        f"SELECT call_id, epoch(started_at), ring_s, disposition FROM read_parquet('{folder}/home/lake/calls/**/*.parquet')"
    )
    told = {cells[3]: cells for cells in invites}
    names = {"200": "answered", "408": "no_answer", "486": "busy", "487": "cancelled", "603": "refused"}
    for call_id, started, ring, disposition in rows.fetchall():
        cells = told[call_id]
        assert started == pytest.approx(float(cells[12]), abs=1e-6)
        assert ring == pytest.approx(
            float(cells[7]) - float(cells[12]), abs=0.05
        )  # the proxy's clock at the reply and at the record
        assert disposition == names[cells[4]]


def test_no_number_called_stays_in_a_home_made_from_kamailio_records(kamailio):
    folder, _, _, invites, _ = kamailio
    numbers = {cells[10] for cells in invites}
    for path in (folder / "home").rglob("*"):
        if path.suffix == ".parquet":
            for row in duckdb.sql(f"SELECT CAST(t AS VARCHAR) FROM read_parquet('{path}') t").fetchall():
                assert not any(number in row[0] for number in numbers)
        elif path.is_file():
            assert not any(number.encode() in path.read_bytes() for number in numbers)


def test_the_same_kamailio_records_again_change_nothing(kamailio):
    folder = kamailio[0]
    again = taken_in(folder / "kamailio.toml", folder / "home", Settings(threads=1))
    assert not again.changed and again.tables["calls"].unchanged == 312


def test_the_documented_asterisk_file_gives_the_calls_that_went_out(tmp_path):
    settings = Settings(threads=1)
    report = taken_in(prepared(tmp_path, "asterisk"), tmp_path / "home", settings)
    with (tmp_path / "Master.csv").open(newline="") as handle:
        rows = list(csv.reader(handle))
    assert {len(row) for row in rows} == {18}
    out = [row for row in rows if row[3] == "outbound" and row[7] == "Dial"]
    good = [row for row in out if row[14] != "UNKNOWN"]
    calls = report.tables["calls"]
    assert (calls.rows_in, calls.accepted) == (len(out), len(good)) == (20, 19)
    assert calls.quarantined == {"answered is not true or false": 1}
    start = [datetime.strptime(row[9], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC) for row in good]
    names = {"calls_1d", "calls_7d", "answer_rate_7d", "talk_total_7d", "callees_7d", "ring_time_7d", "off_hours_calls_7d"}
    table = features(tmp_path / "home", settings, max(start), [feature for feature in CATALOGUE if feature.name in names])
    assert set(table.index) == {row[1] for row in out} and len(table) == 3
    as_of = table["as_of"].iloc[0].date()
    for line, row in table.iterrows():
        mine = [(cells, when) for cells, when in zip(good, start, strict=True) if cells[1] == line]
        yesterday = [cells for cells, when in mine if (as_of - when.astimezone(SHANGHAI).date()).days == 1]
        assert row["calls_7d"] == len(mine) and row["calls_1d"] == len(yesterday)
        assert row["answer_rate_7d"] == pytest.approx(sum(cells[14] == "ANSWERED" for cells, _ in mine) / len(mine))
        assert row["talk_total_7d"] == sum(int(cells[13]) for cells, _ in mine)
        assert row["callees_7d"] == len({cells[2][-11:] for cells, _ in mine})
        rings = [int(cells[12]) - int(cells[13]) for cells, _ in mine]
        assert row["ring_time_7d"] == pytest.approx(sum(rings) / len(rings), rel=1e-5)
        off_hours = sum(not 8 <= when.astimezone(SHANGHAI).hour < 20 for _, when in mine)
        assert row["off_hours_calls_7d"] == off_hours
    assert table.loc["10900000102", "off_hours_calls_7d"] == 2  # 15:30 and 16:30 UTC: evening and night in Shanghai
