"""Commands that learn and rank: train, score, report, monitor, and run, the main job."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from data_schemas.errors import BadInput
from data_schemas.home import Home as HomeFiles
from pipelines import options
from pipelines.console import Outcome, command, work
from pipelines.options import DEFAULT_HOME, AsOf, Home, Json, Mapping, text, tool
from pipelines.verbs_data import Folder, check_source, ingest_lines

Table = Annotated[
    Path | None, typer.Option("--table", metavar="FILE", help="A finished feature table, one row a line: Parquet or CSV.")
]
Name = Annotated[str, typer.Option(metavar="NAME", help="With --table: name the model is registered under.")]
_CARRIERS = 5
"""Carriers whose expected bans a summary names."""
_SHOWN = ("average_precision", "roc_auc", "precision_top_5pct", "brier")


@command("train")
def train(
    until: Annotated[
        date | None,
        typer.Option("--until", parser=options.read_day, metavar="DATE", help="Learn only from what was known before this day."),
    ] = None,
    table: Table = None,
    label: Annotated[str | None, typer.Option(metavar="COLUMN", help="With --table: column that is 1 for banned lines.")] = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="COLUMN", help="With --table: column that names the line.")] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="With --table: column by which rows are ordered; as in the file without it."),
    ] = None,
    name: Name = "bancast-table",
    tune: Annotated[
        float | None,
        typer.Option(
            "--tune",
            parser=options.read_minutes,
            metavar="TIME",
            help="First look for better settings of the learner, for 90s, 10m or 1h; a search that was stopped goes on.",
        ),
    ] = None,
    tune_trials: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="The same until N settings were tried: reproducible, as no time can be."),
    ] = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Train a challenger, judge it beside the champion and both baselines, and promote it if it is as good."""
    if table is not None:
        if until is not None:
            raise BadInput("--until goes with the lake; with --table give --time COLUMN, or leave it out")
        if label is None or id_ is None:
            raise BadInput("--table needs --label COLUMN and --id COLUMN; name the two columns")
        if not table.is_file():
            raise BadInput(f"{table}: no such file; give a Parquet or CSV file with one row a line")
    elif (label, id_, time) != (None, None, None):
        raise BadInput("--label, --id and --time go with --table FILE; give the table")
    else:
        _check_until(home, until)
    with work(home):
        from pipelines.flows import train_flow, train_table_flow

        if table is not None and label is not None and id_ is not None:
            report = train_table_flow(
                file=str(table),
                label=label,
                id=id_,
                time=time,
                name=name,
                home=str(home),
                tune_minutes=tune,
                tune_trials=tune_trials,
            )
        else:
            report = train_flow(home=str(home), until=until, tune_minutes=tune, tune_trials=tune_trials)
    extra = f" --table FILE --out FILE{'' if name == 'bancast-table' else f' --name {name}'}" if table else ""
    return Outcome(
        summary={"home": str(home), **report},
        notes=report["notes"],
        results=[*_training_lines(report), *_tuning_lines(report["tuning"], home)],
        next=[(f"bancast score{extra} --home {home}", "score with the champion"), *ui(home, "mlflow")],
    )


@command("backtest")
def backtest(
    first: Annotated[
        date,
        typer.Option("--from", parser=options.read_day, metavar="DATE", help="First as_of day; bans must lie before."),
    ],
    last: Annotated[date, typer.Option("--to", parser=options.read_day, metavar="DATE", help="Last as_of day, inclusive.")],
    every: Annotated[
        int, typer.Option(parser=options.read_days, metavar="DAYS", help="Days between the scored days, as 7d.")
    ] = 7,
    retrain: Annotated[
        int, typer.Option(parser=options.read_days, metavar="DAYS", help="Days after which a new model is trained, as 28d.")
    ] = 28,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Also what each family of features and more history are worth (takes minutes).")
    ] = False,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Replay history: train and score as of past days on what was known then, and judge by the bans that came."""
    with work(home):
        from pipelines.flows import backtest_flow

        made = backtest_flow(first=first, last=last, every=every, retrain=retrain, ablation=ablation, home=str(home))
    return Outcome(
        summary={"home": str(home), **made},
        notes=made["notes"],
        results=_backtest_lines(made),
        next=[(f"xdg-open {made['files']['html']}", "open the page (macOS: open)"), *ui(home, "mlflow")],
    )


@command("score")
def score(
    as_of: AsOf = None,
    table: Table = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="With --table: where the scores go.")] = None,
    name: Name = "bancast-table",
    model: Annotated[
        str, typer.Option(metavar="ALIAS", help="Alias or version number to score with; `rule` for the rule baseline.")
    ] = "champion",
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Score every line eligible at a day with the published model; or, with --table, the rows of a feature table."""
    if table is not None:
        return _score_table(table, out, name, model, as_of, home)
    if out is not None:
        raise BadInput("--out goes with --table FILE; scores of a day lie in the home")
    from pipelines.runtime import choose_day, open_lake

    day = choose_day(open_lake(HomeFiles(home)), as_of)
    with work(home):
        from pipelines.flows import score_flow

        report = score_flow(home=str(home), as_of=day, model=model)
    return Outcome(
        summary={"home": str(home), **report},
        notes=_score_notes(report, model),
        results=_score_lines(report),
        next=[(f"bancast report --as-of {day} --home {home}", "the ranking page for ops")],
    )


def _score_table(table: Path, out: Path | None, name: str, model: str, as_of: date | None, home: Path) -> Outcome:
    from pipelines.files import check_out

    if as_of is not None:
        raise BadInput("--as-of goes with the lake; a table is scored as it stands")
    if out is None:
        raise BadInput("--table needs --out FILE: where the scores go, .parquet or .csv")
    check_out(out)
    if not table.is_file():
        raise BadInput(f"{table}: no such file; give a Parquet or CSV file with one row a line")
    with work(home):
        from pipelines.flows import score_table_flow

        report = score_table_flow(file=str(table), out=str(out), name=name, model=model, home=str(home))
    return Outcome(
        summary={"home": str(home), **report},
        notes=_score_notes(report, model),
        results=_score_lines(report),
        next=[("docs/quality.md", "how good such a model is")],
    )


@command("report")
def report(
    as_of: Annotated[
        date | None,
        typer.Option("--as-of", parser=options.read_day, metavar="DATE", help="Scored day to show. [default: the latest]"),
    ] = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """Write the ranking of a scored day for ops: a page, a workbook and a CSV, in Chinese and English."""
    from pipelines.runtime import scored_day

    day = scored_day(HomeFiles(home), as_of)
    with work(home):
        from pipelines.flows import report_flow

        made = report_flow(home=str(home), as_of=day)
    return Outcome(
        summary={"home": str(home), **made},
        results=list(made["files"].items()),
        next=[(f"bancast monitor --home {home}", "how past forecasts fared")],
    )


@command("monitor")
def monitor(home: Home = DEFAULT_HOME, json_: Json = False) -> Outcome:
    """Compare past risks with the bans that came, by carrier too, and the newest scores and features with earlier ones."""
    from pipelines.runtime import open_lake, scored_day

    open_lake(HomeFiles(home))
    scored_day(HomeFiles(home), None)
    with work(home):
        from pipelines.flows import monitor_flow

        made = monitor_flow(home=str(home))
    outcomes = [
        (
            f"{row['as_of']} {row['horizon']:>2} d",
            f"{row['observed']} bans of {row['lines']:,} lines, expected {row['expected']:.1f} (z {row['z']:+.1f})"
            f"{', HINDSIGHT' if row['hindsight'] else ', OFF' if row['off'] else ''}; {row['hit_rate_50']:.0%} of the top 50",
        )
        for row in made["outcomes"]
    ]
    policy = [
        (
            f"carrier {row['carrier']}",
            f"{row['observed']} bans from {row['first']} to {row['last']}, expected {row['expected']:.1f};"
            f" {'STRICTER' if row['standing'] else 'as expected'}, statistic {row['statistic']:.1f} of {row['limit']:.1f},"
            f" {len(row['alarms'])} alarms",
        )
        for row in made["policy"]
    ]
    drift = [(row["name"], f"PSI {row['psi']:.3f}, {row['verdict']}") for row in made["drift"]]
    return Outcome(
        summary={"home": str(home), **made},
        notes=[*made["notes"], made["drift_says"]],
        results=[*outcomes, *policy, *drift],
        next=[(f"bancast train --home {home}", "learn again when forecasts are off, a carrier is stricter, or much has shifted")],
    )


@command("run")
def run(
    source: Folder = None,
    mapping: Mapping = None,
    as_of: AsOf = None,
    home: Home = DEFAULT_HOME,
    json_: Json = False,
) -> Outcome:
    """The main job on a folder of tables: ingest, train, score, and write the ranking page."""
    check_source(source, mapping, home)
    with work(home):
        from pipelines.flows import run_flow

        made = run_flow(home=str(home), source=text(source), mapping=text(mapping), as_of=as_of)
    trained, scored = made["train"], made["score"]
    return Outcome(
        summary={"home": str(home), **made},
        notes=[
            *made["ingest"]["notes"],
            *(trained["notes"] if trained else ()),
            *_score_notes(scored, "champion"),
        ],
        results=[
            *ingest_lines(made["ingest"]),
            *(_training_lines(trained) if trained else ()),
            *_score_lines(scored),
            *made["report"]["files"].items(),
        ],
        next=[
            (f"xdg-open {made['report']['files']['html']}", "open the ranking page (macOS: open)"),
            *ui(home, "mlflow"),
            *ui(home, "prefect"),
            (f"bancast ingest DIR --home {home}", "every morning: new tables; then score and report"),
            *([(_rehearsal(made["as_of"], home), "would it have warned you? replays the last weeks")] if trained else ()),
        ],
        error=made["lacking"],
    )


def _rehearsal(as_of: str, home: Path) -> str:
    """The command that replays the five weeks whose bans are known by a day."""
    last = date.fromisoformat(as_of) - timedelta(days=7)
    return f"bancast backtest --from {last - timedelta(days=35)} --to {last} --home {home}"


def ui(home: Path, which: str) -> list[tuple[str, str]]:
    """The command that opens a UI on what the home keeps, and where it then is; a server that is set is named instead."""
    import os

    from data_schemas.settings import load_settings

    if which == "mlflow":
        if server := load_settings(home).mlflow_uri:
            return [(server, "MLflow UI: runs and models")]
        command_ = f"{tool('mlflow')} ui --backend-store-uri sqlite:///{home}/mlflow.db"
        return [(command_, "MLflow UI: runs and models, then http://127.0.0.1:5000")]
    if server := os.environ.get("PREFECT_API_URL"):
        return [(server.removesuffix("/api"), "Prefect UI: flows and artifacts")]
    where = home.absolute() / "prefect"
    command_ = f"PREFECT_HOME={where} PREFECT_SERVER_ANALYTICS_ENABLED=false {tool('prefect')} server start"
    return [(command_, "Prefect UI: flows and artifacts, then http://127.0.0.1:4200")]


def _check_until(home: Path, until: date | None) -> None:
    from data_schemas.lake import local_today
    from pipelines.runtime import day_range, open_lake

    lake = open_lake(HomeFiles(home))
    earliest, latest = day_range(lake)
    if until is not None and until > local_today(lake):
        raise BadInput(f"--until {until}: in the future; leave it out to learn from all there is")
    if until is not None and not earliest <= until <= latest:
        raise BadInput(f"--until {until}: the lake has calls for --until {earliest} to {latest}; choose a day among them")


def _backtest_lines(made: dict[str, Any]) -> list[tuple[str, str]]:
    """What a reader of a watch list asks: how good, how early, how well calibrated."""
    lines = [("judged", f"{made['rows']:,} rows, {made['bans']:,} of them banned within {made['horizon']} days")]
    known = [
        f"{who} {metrics['average_precision']:.3f}" for who, metrics in made["overall"].items() if "average_precision" in metrics
    ]
    if known:
        lines.append(("average precision", ", ".join(known)))
    for entry in made["intervals"]:
        if entry["name"] == "expected_over_observed" and entry["low"] is not None:
            lines.append(
                ("expected / observed", f"{entry['value']:.2f} (95 % interval {entry['low']:.2f} to {entry['high']:.2f})")
            )
    for entry in made["warning"]:
        if entry["flags"] == float(made["flags"]) and "early" in entry:
            days = f", {entry['median']:.0f} days ahead (median)" if "median" in entry else ""
            lines.append(
                (
                    f"warned by {entry['who']}",
                    f"{entry['warned']:.0%} of {entry['bans']} bans, {entry['early']:.0%} two days before{days}",
                )
            )
    red = made["red"]
    if red["rows"]:
        lines.append(("red lines", f"{red['banned']} of {red['rows']} banned ({red['banned'] / red['rows']:.0%})"))
    lines += [
        (
            "policy alarm",
            f"{alarm['carrier']} on {alarm['day']}: {alarm['ratio']:.1f} times the expected bans since {alarm['since']}",
        )
        for alarm in made["policy"]
    ]
    return [*lines, *made["files"].items()]


def _training_lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The version, what the gate said, and a few metrics beside those of the others on the same rows."""
    verdict = "champion" if report["promoted"] else "not promoted"
    lines = [
        ("model", f"{report['version']}, {verdict}: {report['why']}"),
        ("degree", f"{report['degree']} model"),
        ("learned from", f"{report['rows']:,} rows with {report['bans']:,} bans, until {report['trained_until'] or 'the end'}"),
    ]
    for name in _SHOWN:
        values = [f"{who} {metrics[name]:.3f}" for who, metrics in report["metrics"].items() if name in metrics]
        if values:
            lines.append((name.replace("_", " "), ", ".join(values)))
    return lines


def _tuning_lines(tuning: dict[str, Any] | None, home: Path) -> list[tuple[str, str]]:
    """What the tuning came to, and how to keep it: bancast.toml is the user's own."""
    if tuning is None or tuning["loss"] is None:
        return []
    tried = f"{tuning['trials']} trials, {tuning['pruned']} of them cut short: log loss"
    if not tuning["chosen"]:
        return [("tuned", f"{tried} {tuning['given_loss']:.4f} of the given settings not beaten; they were used")]
    values = ", ".join(f"{key} = {value}" for key, value in tuning["chosen"].items())
    return [
        ("tuned", f"{tried} {tuning['loss']:.4f} against {tuning['given_loss']:.4f} of the given settings"),
        ("to keep it", f"in {home}/bancast.toml under [train]: {values}"),
    ]


def _score_lines(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Where the scores are, how many lines of each level, by which model."""
    levels = ", ".join(f"{count:,} {level}" for level, count in report["levels"].items())
    lines = [("scores", f"{report['file']}: {report['lines']:,} lines ({levels}) by {report['model']}")]
    carriers = [entry for entry in report.get("bans_by", []) if entry["by"] == "carrier"][:_CARRIERS]
    if carriers:
        told = ", ".join(f"{entry['group']} {entry['expected']:.1f} ({entry['low']} to {entry['high']})" for entry in carriers)
        lines.append((f"bans in {report['horizon_days']} days", f"{told}; {carriers[0]['level']:.0%} intervals"))
    return lines


def _score_notes(report: dict[str, Any], model: str) -> list[str]:
    """What the scores had to do without, `model` that was asked for included."""
    missing = report.get("missing_features", {})
    notes = [
        f"scored without {len(names)} {'feature' if len(names) == 1 else 'features'}: the input lacks {source}"
        for source, names in missing.items()
    ]
    until = report.get("trained_until") or ""
    if until > report.get("as_of", until):  # a finished table has no day
        notes.append(
            f"{report['model']} has learnt until {until}, from days after {report['as_of']}: these scores are hindsight and judge"
            f" no model; for a forecast of that day: `bancast train --until {report['as_of']}`"
        )
    if model == "champion" and report["alias"] == "challenger":
        notes.append(
            f"no champion yet: {report['model']} stands in, which did not beat both baselines; train again with more bans"
        )
    if model == "champion" and report["alias"] == "rule":
        notes.append("no model yet: the lines are ranked by the rule; later days with `bancast score --model rule`")
    return notes
