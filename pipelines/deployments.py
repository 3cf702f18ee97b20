"""The timetable: flows that a Prefect server starts by itself. Run as `python -m pipelines.deployments --home DIR`.

One process serves them all on one host, one at a time, since each takes the home for itself. With --pool they are registered
for the workers of a work pool instead (docs/prefect.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.options import DEFAULT_HOME, Home, text

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment
    from prefect.schedules import Schedule


@dataclass(frozen=True)
class Timed:
    """A flow of pipelines.flows (by name), when it starts (cron, local time of the settings' zone) and why then."""

    name: str
    flow: str
    cron: str
    why: str
    parameters: dict[str, Any] = field(default_factory=dict)


TIMETABLE = (
    Timed("daily-ingest", "ingest_flow", "0 6 * * *", "Yesterday's records are complete by then."),
    Timed("daily-score", "score_flow", "30 6 * * *", "The watch list is there before the first call."),
    Timed("daily-alert", "alert_flow", "15 7 * * *", "The scores are there, and the teams have not begun to call."),
    Timed(
        "daily-monitor",
        "monitor_flow",
        "30 7 * * *",
        "A carrier that has become stricter is seen on the first morning it can be.",
    ),
    Timed("weekly-report", "report_flow", "0 7 * * 1", "Ops plan their week on Monday."),
    Timed("weekly-train", "train_flow", "0 3 * * 0", "Sunday night, when nothing else runs."),
)


def deployments(
    home: Path, source: Path | None, mapping: Path | None, every: float | None = None, only: str | None = None
) -> list[RunnerDeployment]:
    """The timetable of a home. Without `source` and `mapping` (files that come new every day) nothing is ingested, without
    a channel in the settings nobody is alerted.

    every: seconds from one start to the next, in place of the timetable. only: the name of the one deployment to serve.
    """
    from prefect.deployments.runner import EntrypointType

    from data_schemas.settings import load_settings
    from pipelines import flows

    settings = load_settings(home)
    zone = settings.zone
    made = []
    for timed in TIMETABLE:
        parameters: dict[str, Any] = {**timed.parameters, "home": str(home.absolute())}
        if timed.flow == "ingest_flow":
            if source is None and mapping is None:
                continue
            parameters |= {"source": text(source and source.absolute()), "mapping": text(mapping and mapping.absolute())}
        if timed.flow == "alert_flow" and not (settings.alerts.urls or settings.alerts.channels):
            continue
        if only in (None, timed.name):
            made.append(
                getattr(flows, timed.flow).to_deployment(
                    name=timed.name,
                    description=timed.why,
                    parameters=parameters,
                    schedule=_schedule(timed, zone, every),
                    tags=["bancast"],
                    concurrency_limit=1,
                    entrypoint_type=EntrypointType.MODULE_PATH,
                )
            )
    return made


def _schedule(timed: Timed, zone: str, every: float | None) -> Schedule:
    from prefect.schedules import Cron, Interval

    return Interval(timedelta(seconds=every)) if every else Cron(timed.cron, timezone=zone)


def main(
    source: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of tables that is read anew every day.")] = None,
    mapping: Annotated[Path | None, typer.Option(metavar="FILE", help="The same, through a mapping file.")] = None,
    every: Annotated[float | None, typer.Option(help="Seconds between starts, in place of the timetable: to try it.")] = None,
    only: Annotated[str | None, typer.Option(metavar="NAME", help="Serve this deployment alone, e.g. daily-score.")] = None,
    pool: Annotated[str | None, typer.Option(metavar="NAME", help="Register for the workers of this pool, and end.")] = None,
    home: Home = DEFAULT_HOME,
) -> None:
    """Serve the timetable of a home until stopped; PREFECT_API_URL names the server that keeps the time."""
    import os

    if not os.environ.get("PREFECT_API_URL"):
        raise typer.BadParameter("set PREFECT_API_URL to a server, e.g. http://127.0.0.1:4200/api (prefect server start)")
    from pipelines.runtime import QUIET

    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    found = deployments(home, source, mapping, every, only)
    if not found:
        raise typer.BadParameter("nothing to serve; --only takes one of " + ", ".join(timed.name for timed in TIMETABLE))
    if pool is not None:
        for deployment in found:
            deployment.apply(work_pool_name=pool)
            print(f"registered {deployment.flow_name}/{deployment.name} for pool {pool}")
        return
    from prefect import serve

    serve(*found, limit=1, pause_on_shutdown=False)


if __name__ == "__main__":
    typer.run(main)
