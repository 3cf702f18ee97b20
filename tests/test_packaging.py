"""The environment that `make install` makes: our packages are the ones that are imported, from any folder."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_every_package_is_ours_when_run_from_another_folder(tmp_path):
    code = "import importlib, json, sys; print(json.dumps({n: importlib.import_module(n).__file__ for n in sys.argv[1:]}))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", code, *PACKAGES], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == {name: str(ROOT / name / "__init__.py") for name in PACKAGES}


def test_every_package_is_typed_and_listed():
    found = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}
    assert found == set(PACKAGES) == set(PROJECT["tool"]["mypy"]["packages"])
    assert all((ROOT / name / "py.typed").exists() for name in PACKAGES)


def test_the_wheel_holds_the_texts_and_templates_too():
    from hatchling.builders.wheel import WheelBuilder

    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    kinds = {".j2", ".po", ".css", ".js", ".toml"}
    ours = {str(path.relative_to(ROOT)) for name in PACKAGES for path in (ROOT / name).rglob("*") if path.suffix in kinds}
    assert {"models/card/templates/card.html.j2", "models/pages/locale/zh/LC_MESSAGES/pages.po"} <= ours <= packed


def test_no_module_of_pipelines_has_the_name_of_a_package():
    """Run as a script, it would hide the package."""
    assert not {path.stem for path in (ROOT / "pipelines").glob("*.py")} & set(PACKAGES)


def test_nothing_imports_pipelines_and_dependencies_point_one_way():
    allowed = {
        "data_schemas": set(),
        "features": {"data_schemas"},
        "models": {"data_schemas", "features"},
        "serving": {"data_schemas", "features", "models"},
        "simulator": {"data_schemas"},
    }
    for package, others in allowed.items():
        for path in (ROOT / package).rglob("*.py"):
            used = set(re.findall(r"^\s*(?:from|import) (\w+)", path.read_text(), flags=re.M)) & set(PACKAGES)
            if package == "models":  # our own file that MLflow carries with the model
                used -= {"serving"}
            assert used <= others | {package}, path


def test_no_file_outgrows_about_four_hundred_lines():
    files = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py")]
    # The published file is one so that MLflow can carry it.
    most = {"published.py": 520}
    assert not [str(path) for path in files if len(path.read_text().splitlines()) > most.get(path.name, 450)]


def test_the_lock_has_a_hash_for_every_package_and_names_no_index():
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=[a-z0-9])", "\n" + re.sub(r"(?m)^\s*#.*\n", "", lock).strip())
    entries = [entry for entry in entries if entry.strip()]
    assert len(entries) > 100
    assert all(re.match(r"\s*[a-z0-9._-]+(\[[a-z0-9,_-]+\])?==\S+", entry) and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in lock and "--index" not in "\n".join(line for line in lock.splitlines() if not line.startswith("#"))


def test_the_ceilings_that_keep_the_stack_running_are_kept():
    version = importlib.metadata.version
    pair = lambda name: tuple(int(part) for part in version(name).split(".")[:2])  # noqa: E731
    assert pair("fastapi") < (0, 155) and pair("sqlalchemy") < (2, 1) and pair("duckdb") < (2, 0) and pair("sqlglot") < (30, 18)


def test_make_and_continuous_integration_run_the_same_suite():
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK) and script.read_text().splitlines()[-1] == "exec make test"
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    said = subprocess.run(["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True, env=alone).stdout
    whole = ".venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder"
    assert said.strip().splitlines()[-1] == whole, "nothing is left out"


def test_the_licence_is_the_plain_apache_licence():
    text = (ROOT / "LICENSE").read_text()
    assert text.lstrip().startswith("Apache License") and "END OF TERMS AND CONDITIONS" in text
    assert PROJECT["project"]["license"] == "Apache-2.0"
