"""The command `bancast`: a thin face on the flows. What is slow to import is imported by the command that needs it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer

from pipelines import interrupts, verbs_alerts, verbs_appeals, verbs_data, verbs_model
from pipelines.console import BAD, INTERRUPTED

EXAMPLES = {
    "simulate": ("simulate demo-world", "simulate big-world --lines 3000 --days 180 --calls 33 --seed 1"),
    "ingest": ("ingest my-data", "ingest --mapping kamailio.toml --home my-home"),
    "features": ("features --from 2026-01-05 --to 2026-03-30 --every 7d --out training.parquet",),
    "train": (
        "train",
        "train --until 2026-03-01",
        "train --tune 10m",
        "train --table lines.csv --label banned --id phone",
    ),
    "backtest": (
        "backtest --from 2026-03-01 --to 2026-06-01",
        "backtest --from 2026-03-01 --to 2026-06-01 --every 7d --retrain 28d --ablation",
    ),
    "score": ("score", "score --as-of 2026-03-01", "score --table new-lines.csv --out scores.csv"),
    "report": ("report", "report --as-of 2026-03-01"),
    "monitor": ("monitor", "monitor --json"),
    "alert": ("alert --dry-run", "alert", "alert --as-of 2026-03-01 --dry-run --json"),
    "ack": ("ack L000012", 'ack L000012 L000047 --days 5 --note "list checked, pace halved"', "ack --list", "ack L000012 --undo"),
    "run": ("run my-data --home my-home", "run --mapping asterisk.toml", "run my-data --as-of 2026-03-01 --json"),
    **{f"appeals {verb}": examples for verb, examples in verbs_appeals.EXAMPLES.items()},
}
_VERBS: dict[str, Callable[..., None]] = {
    "simulate": verbs_data.simulate,
    "ingest": verbs_data.ingest,
    "features": verbs_data.features,
    "train": verbs_model.train,
    "backtest": verbs_model.backtest,
    "score": verbs_model.score,
    "report": verbs_model.report,
    "monitor": verbs_model.monitor,
    "alert": verbs_alerts.alert,
    "ack": verbs_alerts.ack,
    "run": verbs_model.run,
}


def _epilog(verb: str) -> str:
    """The examples of a command, one a line (a backspace mark keeps the lines apart)."""
    return "\b\nExamples:\n" + "\n".join(f"  bancast {example}" for example in EXAMPLES[verb])


# Without Rich's markup --help takes half the time.
app = typer.Typer(
    name="bancast",
    help="Which outbound lines will the carrier ban in the coming days, why, and what to do about it.",
    epilog="\b\nStart here:\n  bancast simulate demo-world\n  bancast run demo-world\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong usage or bad input.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_appeals = typer.Typer(
    help="Appeals against bans of lines whose behaviour and risk were low: candidates, documents, cases and outcomes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(_appeals, name="appeals")
for _app, _group, _verbs in ((app, "", _VERBS), (_appeals, "appeals ", verbs_appeals.VERBS)):
    for _verb, _function in _verbs.items():
        _short = (_function.__doc__ or "").split(":")[0].split(";")[0]
        _app.command(_verb, epilog=_epilog(_group + _verb), short_help=_short)(_function)


def commands() -> dict[str, Any]:
    """Every command by its words, as `train` or `appeals list`."""
    found: dict[str, Any] = {}
    for verb, one in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(one, "commands", None)
        found |= {f"{verb} {name}": each for name, each in inner.items()} if inner else {verb: one}
    return found


def main() -> None:
    """Entry point: one line on stderr for wrong usage, and an orderly end on SIGTERM."""
    interrupts.listen()
    program = typer.main.get_command(app)
    try:
        status = program.main(prog_name="bancast", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        where = context.command_path if context else "bancast"
        says = error.format_message() if hasattr(error, "format_message") else str(error)
        if not says.startswith("Usage:"):  # without any argument the message is the help itself
            says = f"{where}: {' '.join(says.split()).rstrip('.')}; see {where} --help"
        print(says, file=sys.stderr)
        sys.exit(BAD)
    except (typer.Abort, KeyboardInterrupt):
        print("bancast: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    sys.exit(status if isinstance(status, int) else 0)
