"""What an appeal came to, as data: the ban's row in the lake says when the company appealed, and whether it won."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from data_schemas.errors import BadInput
from data_schemas.home import Home
from data_schemas.ingest import IngestReport, ingest
from data_schemas.lake import lake_of
from data_schemas.merge import FILLED_LATER
from data_schemas.settings import Settings
from data_schemas.sources import FileTable
from data_schemas.tables import BANS
from serving.appeals.cases import Case


def record(home: Home, settings: Settings, case: Case) -> tuple[IngestReport, bool]:
    """Ingest the ban's row with the outcome of a case that is won or lost. The same outcome again changes nothing.

    A time that the lake knows already, from the company's own tables, stays. Returns what the ingest did, and whether the
    lake knows now when the ban was lifted. BadInput when it lacks the ban.
    """
    lake = lake_of(home, settings)
    con = ibis.duckdb.connect()
    try:
        rows = lake.read(con, "bans")
        standing = rows.filter(rows.ban_id == case.ban_id, rows.gone_day.isnull()).to_pyarrow().to_pylist()
    finally:
        con.disconnect()
    if not standing:
        raise BadInput(f"{lake.root}: ban {case.ban_id} is not in it any more; ingest the bans again")
    row = standing[0]
    outcome = {"appealed_at": case.sent_at(), "appeal_won": case.state == "won", "lifted_at": case.lifted_at}
    for name in FILLED_LATER["bans"]:
        if row[name] is None or name == "appeal_won":
            row[name] = outcome[name]
    known = lake.present_columns("bans")
    columns = [name for name in BANS.names if name in BANS.required_names or name in known or row[name] is not None]
    with TemporaryDirectory(prefix="bancast-appeal-") as folder:
        path = Path(folder) / "bans.parquet"
        pq.write_table(pa.table({name: pa.array([row[name]], _TYPES[BANS.column(name).kind]) for name in columns}), path)
        source = FileTable("bans", path, (path,), "parquet")
        return ingest({"bans": source}, home.root, settings, part=True), row["lifted_at"] is not None


_TYPES = {"string": pa.string(), "timestamp": pa.timestamp("us", "UTC"), "boolean": pa.bool_()}
