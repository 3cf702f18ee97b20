"""Write docs/cli.md from the commands and the settings themselves: `python tools/document_cli.py` (a test compares the two)."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from data_schemas.settings import Settings
from pipelines.cli import EXAMPLES, commands

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
_HEAD = """# The command line

<!-- Written by tools/document_cli.py from the code; change the code, then run `.venv/bin/python tools/document_cli.py`. -->

`bancast` has one command for each step, and `run` for all of them. `make install` puts it into `.venv/bin`.

Every command shows its progress on stderr (bars on a terminal, plain lines elsewhere) and ends with where its results lie and
what to run next. With `--json` it prints a summary as JSON on stdout, and nothing else there.

| exit status | meaning |
| --- | --- |
| 0 | done |
| 1 | failed unexpectedly: one line, and where the log with the traceback lies (`HOME/logs`) |
| 2 | wrong usage, bad input, a full disk: one line that names file, column, rule and what to do; nothing is half-written |
| 130 | interrupted (Ctrl-C or SIGTERM); a re-run finishes the work |

One command writes to a home at a time; a second one ends at once with status 2. A re-run doubles nothing.

When there are too few bans to learn from, `bancast train` ends with status 2 and says how many are needed. `bancast run` then
ranks the lines by the rule that ops teams use today, writes scores and ranking, and ends with status 2 and the same line.
"""
_SETTINGS = """
## Settings

In `bancast.toml` in the home (sections as below), or in the environment, which wins: `zone` is `BANCAST_ZONE`, and `seed` of
`[train]` is `BANCAST_TRAIN__SEED`. A name of either that is no setting is refused: in the environment, where other programs have
theirs, only one that is nearly a setting of this page.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for name, command in commands().items():
        parts.append(f"\n## bancast {name}\n\n{_text(command.help)}\n\n```sh\n{_examples(name)}\n```\n\n")
        parts.append(
            "| argument or option | default | meaning |\n| --- | --- | --- |\n" + "".join(_row(one) for one in command.params)
        )
    parts.append(_SETTINGS)
    parts.append("\n| setting | default | meaning |\n| --- | --- | --- |\n" + "".join(_setting_rows(Settings, "")))
    return "".join(parts)


def _examples(name: str) -> str:
    return "\n".join(f"bancast {example}" for example in EXAMPLES[name])


def _text(words: str | None) -> str:
    return "\n\n".join(" ".join(part.split()) for part in (words or "").split("\n\n"))


def _row(one) -> str:  # type: ignore[no-untyped-def]
    metavar = f" {one.metavar}" if one.metavar else "" if getattr(one, "is_flag", False) else " NUMBER"
    shown = f"`{one.metavar}`" if one.param_type_name == "argument" else f"`{one.opts[0]}{metavar}`"
    default = "required" if one.required else "" if one.default in (None, False) else f"`{one.default}`"
    return f"| {shown} | {default} | {_text(one.help)} |\n"


def _setting_rows(model: type[BaseModel], section: str) -> list[str]:
    rows, sections = [], []
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            sections += _setting_rows(kind, f"[{name}] ")
        else:
            default = "" if field.default in (None, PydanticUndefined) else f"`{field.default}`"
            rows.append(f"| {section}`{name}` | {default} | {field.description} |\n")
    return rows + sections


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(PAGE)
