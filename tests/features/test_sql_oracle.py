"""Window sums worked out a third time: plain SQL that joins every event to every snapshot."""

from __future__ import annotations

import duckdb
import numpy as np
import pandas as pd

from data_schemas.settings import Settings
from features.build import build_features
from tests.features.worlds import merged, random_world

SUMS = {
    "calls": ("calls", "count(e.line_id)", (1, 3, 7, 14, 28)),
    "short_calls": ("calls", "count(*) filter (e.answered and e.duration_s <= 5)", (1, 7)),
    "night_calls": ("calls", "count(*) filter (e.local_second >= 75600 or e.local_second < 28800)", (1, 7)),
    "talk_total": ("calls", "coalesce(sum(e.duration_s), 0)", (7,)),
    "callees": ("calls", "count(distinct e.callee_id)", (1, 3, 7, 28)),
    "active_days": ("calls", "count(distinct e.day)", (7, 28)),
    "complaints": ("complaints", "count(e.line_id)", (1, 3, 7, 14, 28)),
    "complaints_app_mark": ("complaints", "count(*) filter (e.channel = 'app_mark')", (3, 7, 28)),
    "messages": ("messages", "count(e.line_id)", (1, 3, 7, 28)),
    "recipients": ("messages", "count(distinct e.recipient_id)", (1, 7)),
    "own_bans": ("bans", "count(e.line_id)", (28, 90)),
}


def test_window_sums_agree_with_plain_sql():
    lake = merged(*[random_world(50 + seed) for seed in range(5)])
    days = [20_512, 20_526, 20_538, 20_544]
    built = build_features(lake, Settings(threads=2), days)
    at = built[["line_id"]].assign(day=(built["as_of"] - pd.Timestamp(0)).dt.days)
    con = duckdb.connect()
    con.register("snapshots", at)
    for name, (table, sum_, windows) in SUMS.items():
        con.register("events", pd.DataFrame(lake.tables[table]).assign(gone=lambda t: t["gone_day"].astype("float64")))
        for w in windows:
            rows = con.execute(
                f"""select {sum_} from snapshots s left join events e on e.line_id = s.line_id
                and e.day < s.day and e.day >= s.day - {w} and e.known_day < s.day and (e.gone is null or e.gone >= s.day
                or isnan(e.gone)) group by s.day, s.line_id order by s.day, s.line_id"""
            ).fetchall()
            got = built[f"{name}_{w}d"].to_numpy()
            assert np.allclose(got, [row[0] for row in rows], rtol=1e-6), f"{name}_{w}d"
            assert got.any(), f"{name}_{w}d is 0 everywhere: this proves nothing"
