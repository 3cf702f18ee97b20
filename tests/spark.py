"""A small Spark for the tests that need one, started and stopped within a module."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

QUICK = {
    # Nearly all the time of a tiny build goes into compiling code for a handful of rows, by Spark and by the JVM.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:ReservedCodeCacheSize=240m",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.memory": "1g",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def spark_or_skip(module: bool = True) -> Any:
    """The module pyspark.sql; skips the module (or the test) that calls it where PySpark or Java is missing."""
    sql = pytest.importorskip("pyspark.sql", reason="needs PySpark: install bancast[spark]")
    home = os.environ.get("JAVA_HOME")
    if not shutil.which("java") and not (home and (Path(home) / "bin" / "java").exists()):
        pytest.skip("needs Java 17 or newer for Spark: no java on the PATH, no JAVA_HOME", allow_module_level=module)
    return sql


def local_spark(sql: Any, more: dict[str, str] | None = None) -> Iterator[Any]:
    """A Spark of two workers on this machine, for a fixture to yield from; more: settings of Spark over QUICK."""
    os.environ["PYSPARK_PYTHON"] = sys.executable  # Spark's own choice is the first python3 of the PATH
    builder = sql.SparkSession.builder.master("local[2]")
    for key, value in (QUICK | (more or {})).items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()
