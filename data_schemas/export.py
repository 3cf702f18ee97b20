"""The contracts for people and other tools: an Open Data Contract Standard file and a page, from the one declaration.

`python -m data_schemas.export docs` writes both below a folder.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml

from data_schemas.checks import SQL_TYPES
from data_schemas.tables import TABLES, Column, Table

ODCS = "bancast.odcs.yaml"
PAGE = "contracts.md"
_LOGICAL = {"string": "string", "timestamp": "timestamp", "number": "number", "boolean": "boolean", "clock": "string"}
_KINDS = {
    "string": "text",
    "timestamp": "time (with zone)",
    "number": "number",
    "boolean": "true or false",
    "clock": "time of day, HH:MM, local",
}
_CLOCK = r"^([01]\d|2[0-3]):[0-5]\d$|^24:00$"


def odcs() -> dict[str, Any]:
    """The contracts as one data contract of the Open Data Contract Standard, 3.1."""
    return {
        "version": "1.0.0",
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": "bancast-input",
        "name": "What bancast reads",
        "status": "active",
        "domain": "telephony",
        "description": {
            "purpose": "Tables from which bancast forecasts which outbound lines a carrier will ban.",
            "usage": "Parquet or CSV, one file or a folder of files a table. Times carry a zone; a day is a local day.",
            "limitations": "A row that breaks a rule goes to quarantine. Personal ids are replaced with a keyed hash.",
        },
        "schema": [_table(table) for table in TABLES.values()],
    }


def yaml_text() -> str:
    """`odcs()` as YAML."""
    head = "# Made by `python -m data_schemas.export docs`; change data_schemas/tables.py instead.\n"
    return head + yaml.safe_dump(odcs(), sort_keys=False, allow_unicode=True, width=110)


def page() -> str:
    """The contracts as a page of Markdown: every table, column and rule."""
    parts = [
        "# Data contracts",
        "",
        "Made by `python -m data_schemas.export docs` from `data_schemas/tables.py`, which ingest, the simulator and the errors "
        f"read too. The same as an [Open Data Contract Standard]({ODCS}) file.",
        "",
        "- Each table is one Parquet or CSV file, or a folder of such files (Hive-partitioned ones too), named after the table.",
        "- Times carry a zone and are stored as UTC. Times without one are read on the wall clock of the zone in the settings "
        "(default Asia/Shanghai); ingest says so. A day is a local day of that zone.",
        "- CSV is UTF-8 with a header line; separated by commas, semicolons, tabs or bars. An empty cell is no value.",
        "- Each row has an event time (when it happened) and a knowledge time (when the company could have known). "
        "A row without a knowledge time is known when it happens; a later correction that does not say when it became known "
        "is known from its ingest.",
        "- A row that breaks a rule goes to quarantine with the rule and the source row, and the run goes on. Of rows with the "
        "same key one stays. Rows in = accepted + duplicates + quarantined, always. Past `max_bad_share` ingest stops and the "
        "lake is as it was.",
        "- Deliveries may overlap, and a file of corrections may hold those alone: what stands already stays. Calls and messages "
        "of a day delivered anew (it has more than two thirds of the rows that an earlier delivery brought) are retracted where "
        "it has them no longer, from the day of that ingest on, and a note says how many; `ingest.retract = false` forbids it.",
        "- An event after the moment of ingest breaks a rule (a policy may be announced ahead of its day).",
        "- Columns beyond these are kept aside, named, and not used.",
        "- Personal ids are replaced with a keyed hash (BLAKE2b) as they are read; no raw one is written.",
    ]
    for table in TABLES.values():
        parts += ["", *_section(table)]
    return "\n".join(parts) + "\n"


def write(folder: Path) -> list[Path]:
    """Write both below `folder`; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {folder / ODCS: yaml_text(), folder / PAGE: page()}
    for path, content in made.items():
        path.write_text(content, encoding="utf-8")
    return list(made)


def _section(table: Table) -> list[str]:
    knowledge = f"`{table.knowledge_time}`" if table.knowledge_time else "the event time"
    return [
        f"## {table.name}",
        "",
        f"{table.doc} {'The table is optional.' if table.optional else 'The table is required.'}",
        "",
        f"- Key: {', '.join(f'`{name}`' for name in table.key)}" + (", within a local day." if table.big else "."),
        f"- Event time: `{table.event_time}`. Knowledge time: {knowledge}{', where given' if table.knowledge_time else ''}.",
        *[f"- Rule: `{rule.later}`, where given, is not before `{rule.earlier}`." for rule in table.rules],
        "",
        "| column | kind | required | unit | range | allowed | personal | meaning |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *[_row(column) for column in table.columns],
    ]


def _row(column: Column) -> str:
    low, high = ("" if value is None else f"{value:g}" for value in (column.low, column.high))
    span = f"{low} to {high}" if low and high else f"from {low}" if low else f"up to {high}" if high else ""
    cells = (
        f"`{column.name}`",
        _KINDS[column.kind],
        "yes" if column.required else "no",
        column.unit,
        span,
        ", ".join(f"`{value}`" for value in column.allowed),
        "yes, hashed" if column.personal else "",
        column.doc,
    )
    return "| " + " | ".join(cells) + " |"


def _table(table: Table) -> dict[str, Any]:
    quality = [
        {"type": "text", "name": rule.name, "dimension": "consistency", "description": f"{rule.name}, where both are given."}
        for rule in table.rules
    ]
    about = {
        "eventTime": table.event_time,
        "knowledgeTime": table.knowledge_time or table.event_time,
        "optionalTable": table.optional,
        "keyScope": "local day" if table.big else "table",
    }
    made: dict[str, Any] = {
        "name": table.name,
        "logicalType": "object",
        "physicalType": "table",
        "description": table.doc,
        "properties": [_property(table, column) for column in table.columns],
        "customProperties": [{"property": name, "value": value} for name, value in about.items()],
    }
    return made | ({"quality": quality} if quality else {})


def _property(table: Table, column: Column) -> dict[str, Any]:
    made: dict[str, Any] = {
        "name": column.name,
        "logicalType": _LOGICAL[column.kind],
        "physicalType": SQL_TYPES[column.kind],
        "description": column.doc,
        "required": column.required,
    }
    if column.name in table.key:
        made |= {"primaryKey": True, "primaryKeyPosition": table.key.index(column.name) + 1}
    options: dict[str, Any] = {}
    if column.low is not None:
        options["minimum"] = column.low
    if column.high is not None:
        options["maximum"] = column.high
    if column.kind == "clock":
        options["pattern"] = _CLOCK
    if column.kind == "timestamp":
        options["timezone"] = True
    if options:
        made["logicalTypeOptions"] = options
    if column.personal:
        made |= {"classification": "personal", "transformDescription": "Replaced with a keyed hash as it is read."}
    if column.allowed:
        valid = {"validValues": list(column.allowed)}
        made["quality"] = [
            {"type": "library", "metric": "invalidValues", "arguments": valid, "mustBe": 0, "dimension": "conformity"}
        ]
    if column.unit:
        made["customProperties"] = [{"property": "unit", "value": column.unit}]
    return made


if __name__ == "__main__":
    for done in write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs")):
        print(done)
