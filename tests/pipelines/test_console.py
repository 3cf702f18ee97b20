"""What a person reads at the end of a command."""

from __future__ import annotations

from pipelines.console import _next_lines
from pipelines.verbs_data import ingest_lines
from pipelines.verbs_model import _score_notes

TABLE = {"rows_in": 4300, "accepted": 4270, "added": 2093, "duplicates": 28, "quarantined": {"a rule": 2}}


def test_rows_that_an_ingest_corrected_or_retracted_are_told_where_there_are_any():
    (_, said), (_, plain) = ingest_lines(
        {"tables": {"calls": {**TABLE, "replaced": 1200, "retracted": 7}, "lines": {**TABLE, "replaced": 0, "retracted": 0}}}
    )
    assert plain == "4,300 rows in: 4,270 accepted (2,093 new), 28 duplicates, 2 quarantined"
    assert said == (
        "4,300 rows in: 4,270 accepted (2,093 new, 1,200 corrected), 28 duplicates, 2 quarantined, 7 earlier ones retracted"
    )


def test_a_comment_that_does_not_fit_beside_its_command_is_below_it():
    long = "PREFECT_HOME=/somewhere/far/away/prefect prefect server start"
    lines = _next_lines(
        [
            ("bancast score --home h", "score with the champion"),
            ("bancast report --as-of 2026-03-01 --home h", "the ranking"),
            (long, "Prefect UI: flows and artifacts, then http://127.0.0.1:4200"),
            ("bancast ingest DIR --home h", "every morning: new tables; then score and report, and whatever else"),
        ]
    )
    assert lines == [
        f"  {'bancast score --home h':<42}  score with the champion",
        "  bancast report --as-of 2026-03-01 --home h  the ranking",
        f"  {long}",
        "      Prefect UI: flows and artifacts, then http://127.0.0.1:4200",
        "  bancast ingest DIR --home h",
        "      every morning: new tables; then score and report, and whatever else",
    ]
    assert max(map(len, lines)) <= 100


def test_scores_of_a_finished_table_have_no_day_to_be_late_for():
    assert _score_notes({"alias": "champion"}, "champion") == []


def test_one_feature_is_one_feature():
    report = {"as_of": "2026-03-01", "alias": "champion", "missing_features": {"messages": ["a", "b"], "calls.region": ["c"]}}
    assert _score_notes(report, "champion") == [
        "scored without 2 features: the input lacks messages",
        "scored without 1 feature: the input lacks calls.region",
    ]
