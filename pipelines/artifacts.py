"""What a person sees of a run in Prefect's UI: tables and links beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

_TOP = 20


def validation_counts(report: Mapping[str, Any]) -> None:
    """What became of the rows of each table; `report` is IngestReport.to_dict()."""
    rows = [
        {
            "table": name,
            "rows in": table["rows_in"],
            "accepted": table["accepted"],
            "duplicates": table["duplicates"],
            "quarantined": sum(table["quarantined"].values()),
            "new": table["added"],
            "replaced": table["replaced"],
            "retracted": table["retracted"],
            "days changed": len(table["days"]),
        }
        for name, table in report["tables"].items()
    ]
    notes = "; ".join(report["notes"]) or "Nothing to note."
    create_table_artifact(key="validation-counts", table=rows, description=f"Rows by table. {notes}")


def training(report: Mapping[str, Any], tracking_uri: str) -> None:
    """The metrics of a training run and a link to it."""
    metrics(report)
    mlflow_link(report, tracking_uri)


def metrics(report: Mapping[str, Any]) -> None:
    """The metrics of the model beside both baselines, on the same rows; `report` is TrainReport.to_dict()."""
    verdict = "promoted to champion" if report["promoted"] else "not promoted"
    says = f"Version {report['version']}, {verdict}. {report['why']}"
    create_table_artifact(key="metrics", table=metric_rows(report["metrics"]), description=says)


def metric_rows(metrics: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """One row a metric: its name, then the value of each who was judged (model, rule, logistic, champion)."""
    names = list(dict.fromkeys(name for values in metrics.values() for name in values))
    return [
        {"metric": name, **{who: round(values[name], 4) if name in values else "" for who, values in metrics.items()}}
        for name in names
    ]


def mlflow_link(report: Mapping[str, Any], tracking_uri: str) -> None:
    """A link to the run in the MLflow UI, or how to open it where no server is set."""
    run, where = report["run_id"], tracking_uri.rstrip("/")
    page = f"#/experiments/{report['experiment']}/runs/{run}"
    if where.startswith("http"):
        create_link_artifact(key="mlflow-run", link=f"{where}/{page}", link_text=f"MLflow run {run}")
        return
    create_markdown_artifact(
        key="mlflow-run",
        markdown=f"MLflow run `{run}`. Start the UI with `mlflow ui --backend-store-uri {where}`, "
        f"then open [the run](http://127.0.0.1:5000/{page}).",
    )


def backtest(report: Mapping[str, Any]) -> None:
    """The metrics of a backtest, and each scored week; `report` is BacktestReport.to_dict() with `files`."""
    says = f"{report['first']} to {report['last']}: {report['bans']} bans. Page: {report['files']['html']}"
    create_table_artifact(key="backtest", table=metric_rows(report["overall"]), description=says)
    weeks = [
        {name: round(value, 3) if isinstance(value, float) else value for name, value in week.items()} for week in report["weeks"]
    ]
    create_table_artifact(key="backtest-weeks", table=weeks, description="Bans, expected bans and metrics of each scored day")


def top_lines(scores: Path, day: str) -> None:
    """The lines of the highest rank in a scores file."""
    create_table_artifact(key="top-lines", table=top_rows(scores, _TOP), description=f"The {_TOP} lines most at risk as of {day}")


def top_rows(scores: Path, count: int) -> list[dict[str, Any]]:
    """The first `count` ranks of a scores file, short enough to read: risks, level and the strongest reason."""
    import pyarrow.parquet as pq

    table = pq.read_table(scores)
    rows = table.slice(0, count).to_pylist()
    risks = [name for name in table.column_names if name.startswith("risk")]
    return [
        {
            "rank": row["rank"],
            "line": row.get("line_id") or row[table.column_names[0]],
            "level": row["level"],
            **{name: round(row[name], 4) for name in risks},
            "strongest reason": row["reasons"][0]["feature"] if row["reasons"] else "",
        }
        for row in rows
    ]


def report_links(files: Mapping[str, str], day: str) -> None:
    """Where the ranking of a day lies."""
    lines = "\n".join(f"- {name}: `{path}`" for name, path in files.items())
    create_markdown_artifact(key="ranking-files", markdown=f"Ranking as of {day}\n\n{lines}")


def alerts(report: Mapping[str, Any]) -> None:
    """What became of each channel's message; `report` is that of serving.alerts.alert."""
    names = ("channel", "status", "lines", "new", "silenced")
    rows = [{**{name: entry[name] for name in names}, "why": entry["why"] or ""} for entry in report["channels"]]
    create_table_artifact(key="alerts", table=rows, description=f"Alerts as of {report['as_of']}, {report['red']} red lines")


def monitoring(report: Mapping[str, Any]) -> None:
    """Forecasts against what came, carriers that seem stricter, and drift; `report` is models.monitoring's to_dict()."""
    create_table_artifact(
        key="expected-and-observed", table=list(report["outcomes"]), description="Bans by scored day and horizon"
    )
    says = [note for note in report["notes"] if note.startswith("carrier ")] or ["No carrier seems stricter than expected."]
    create_table_artifact(key="policy-watch", table=policy_rows(report["policy"]), description="; ".join(says))
    create_table_artifact(key="drift", table=list(report["drift"]), description=report["drift_says"])


def policy_rows(policy: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a carrier of the policy watch (models.watch.watch), its alarms as the mornings on which they were raised."""
    return [
        {
            "carrier": entry["carrier"],
            "seems stricter": "yes" if entry["standing"] else "",
            "alarms": ", ".join(alarm["day"] for alarm in entry["alarms"]),
            **{name: entry[name] for name in ("first", "last", "expected", "observed", "statistic", "limit")},
            "days to see a change": "over a year" if entry["days_to_detect"] is None else entry["days_to_detect"],
        }
        for entry in policy
    ]
