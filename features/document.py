"""The catalogue as a page and as JSON, made from the declarations: `python -m features.document docs`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from features.catalogue import CATALOGUE, FAMILIES
from features.feature import Feature

_DIRECTION = {1: "raises", -1: "lowers", 0: ""}
_COLUMNS = "| feature | windows, days | unit | risk | needs | meaning |\n|---|---|---|---|---|---|\n"
_HEAD = """# Features

Made by `python -m features.document docs` from the declarations in `features/`; {count} features in {families} families.

A feature at `as_of` uses only what happened and was known strictly before that local midnight; a window of w days is
[as_of - w, as_of). "Risk" says in which direction alone a feature may move the forecast: the models are held to it. "Needs" names
optional tables or columns (and required ones): where they are not given, the feature is missing, and a run says so.

`bancast features --from DATE --to DATE --every 7d --out table` writes a plain Parquet dataset,
`table/as_of=DATE/part-0.parquet`: one row an eligible line, the columns below and a label `ban_7d` a horizon.
`table/_columns.json` says what each column means, and so does the metadata of each field.

| in | read it with |
|---|---|
| pandas | `pd.read_parquet("table")` |
| Polars | `pl.scan_parquet("table/*/*.parquet", hive_partitioning=True)` |
| DuckDB | `from read_parquet('table/*/*.parquet', hive_partitioning = true)` |
| Spark | `spark.read.parquet("table")` |

To add a feature: one `declare(...)` in its family's module, its reference in `tests/features/`, its Chinese words
(`python tools/texts.py` names what lacks them), and this page anew.
"""


def page() -> str:
    """The catalogue as Markdown, a table a family; windows of one declaration share a row."""
    parts = [_HEAD.format(count=len(CATALOGUE), families=len(FAMILIES))]
    for family, module in FAMILIES.items():
        why = (module.__doc__ or "").strip()
        parts.append(f"\n## {family}\n\n{why}\n\n{_COLUMNS}")
        rows: dict[str, list[Feature]] = {}
        for feature in module.FEATURES:
            rows.setdefault(feature.base, []).append(feature)
        for base, several in rows.items():
            first = several[0]
            windows = ", ".join(str(feature.window) for feature in several if feature.window is not None)
            cells = (f"`{base}`", windows, first.unit, _DIRECTION[first.direction], ", ".join(first.sources), first.doc)
            parts.append(f"| {' | '.join(cells)} |\n")
    return "".join(parts)


def listing() -> str:
    """The catalogue as JSON: one object a feature, in the order of the columns."""
    return json.dumps([feature.describe() for feature in CATALOGUE], ensure_ascii=False, indent=1) + "\n"


def write(folder: Path) -> list[Path]:
    """Write features.md and features.json below `folder`."""
    made = []
    for name, text in (("features.md", page()), ("features.json", listing())):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        made.append(path)
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where features.md and features.json go")
    for written in write(parser.parse_args().folder):
        print(written)
