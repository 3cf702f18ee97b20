"""The contract files that other tools and people read follow from the declaration."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import yaml
from open_data_contract_standard.model import OpenDataContractStandard

from data_schemas import export
from data_schemas.tables import TABLES

DOCS = Path(__file__).parents[2] / "docs"


def test_the_committed_files_are_up_to_date(tmp_path):
    for path in export.write(tmp_path):
        committed = (DOCS / path.name).read_text(encoding="utf-8")
        assert committed == path.read_text(encoding="utf-8"), "run `python -m data_schemas.export docs`"


def test_the_contract_is_valid_by_the_open_data_contract_standard():
    made = OpenDataContractStandard.from_string(export.yaml_text())
    assert [table.name for table in made.schema_] == list(TABLES)
    jsonschema.validate(yaml.safe_load(export.yaml_text()), json.loads(OpenDataContractStandard.json_schema()))


def test_the_contract_says_what_the_declaration_says():
    made = {table.name: table for table in OpenDataContractStandard.from_string(export.yaml_text()).schema_}
    for name, table in TABLES.items():
        columns = {column.name: column for column in made[name].properties}
        assert list(columns) == list(table.names)
        assert {key: columns[key].primaryKeyPosition for key in table.key} == {key: n for n, key in enumerate(table.key, 1)}
        for column in table.columns:
            said = columns[column.name]
            options = said.logicalTypeOptions or {}
            assert said.required == column.required
            assert (options.get("minimum"), options.get("maximum")) == (column.low, column.high)
            assert (said.classification == "personal") == column.personal
            allowed = said.quality[0].arguments["validValues"] if said.quality else []
            assert allowed == list(column.allowed)


def test_the_page_documents_every_column():
    page = export.page()
    for table in TABLES.values():
        section = page.split(f"## {table.name}\n")[1].split("\n## ")[0]
        assert f"Event time: `{table.event_time}`" in section and (table.knowledge_time or "the event time") in section
        for column in table.columns:
            (row,) = (line for line in section.splitlines() if line.startswith(f"| `{column.name}` |"))
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            assert cells[2] == ("yes" if column.required else "no") and cells[3] == column.unit
            assert column.doc == cells[7] and bool(cells[6]) == column.personal
            assert all(value in cells[5] for value in column.allowed)
