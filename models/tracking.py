"""The one module that talks to MLflow: runs, the registry, and the files of a registered version.

MLflow is imported when it is first needed, and told beforehand to stay quiet and off the network.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data_schemas.errors import BadInput, disk_full
from data_schemas.home import Home
from data_schemas.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXPERIMENT = "bancast"
SHA_TAG, UNTIL_TAG = "manifest_sha256", "trained_until"
_QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
}
_PUBLISHED = Path(__file__).parent.parent / "serving" / "published.py"


def mlflow_module() -> Any:
    """MLflow, imported quietly."""
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import logging

    import mlflow

    for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking", "mlflow.models", "mlflow.utils", "mlflow.pyfunc"):
        logging.getLogger(name).setLevel(logging.ERROR)
    return mlflow


@contextmanager
def _silent() -> Iterator[None]:
    """What MLflow prints past its loggers ("Successfully registered model ...") is not shown meanwhile."""
    from mlflow.utils.logging_utils import MLFLOW_LOGGING_STREAM

    stream: Any = MLFLOW_LOGGING_STREAM
    before = stream.write
    stream.write = len  # its own switch is turned on again by what logs a model
    try:
        yield
    finally:
        stream.write = before


def store_uri(home: Home, settings: Settings) -> str:
    """Where runs and models are kept: the server of the settings, or the home's own SQLite file."""
    return settings.mlflow_uri or f"sqlite:///{home.mlflow_db.resolve()}"


@dataclass(frozen=True)
class ModelVersion:
    """A registered version: its name and number, the run that made it, and the SHA-256 of its manifest.

    trained_until: the day (ISO) before which all that it learnt from was known, "" where that is not said.
    """

    name: str
    version: str
    run_id: str
    manifest_sha256: str
    trained_until: str = ""

    @property
    def label(self) -> str:
        """As scores name it."""
        return f"{self.name}/{self.version}"


class Registry:
    """The registry of a home or a server: which version an alias stands for, and its files as data."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self._mlflow = mlflow_module()
        self._client = self._mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)

    def find(self, name: str, alias: str) -> ModelVersion | None:
        """The version behind an alias (or of that number); None when there is none."""
        try:
            if alias.isdigit():
                found = self._client.get_model_version(name, alias)
            else:
                found = self._client.get_model_version_by_alias(name, alias)
        except self._mlflow.exceptions.MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        return ModelVersion(
            name, str(found.version), found.run_id or "", found.tags.get(SHA_TAG, ""), found.tags.get(UNTIL_TAG, "")
        )

    def resolve(self, name: str, alias: str = "champion") -> ModelVersion:
        """The version behind an alias (or of that number); BadInput when there is none."""
        found = self.find(name, alias)
        if found is None:
            raise BadInput(f"model `{name}` has no `{alias}` in {self.uri}; train one first with `bancast train`")
        return found

    def standing(self, name: str, alias: str) -> str:
        """`alias`, or `challenger` in place of a champion that no training has earned yet."""
        if alias == "champion" and not self.find(name, alias) and self.find(name, "challenger"):
            return "challenger"
        return alias

    def download(self, version: ModelVersion, folder: Path) -> Path:
        """The bundle of a version below `folder` (kept there by its SHA-256). Only files are moved; nothing of it is run."""
        target = folder / (version.manifest_sha256[:16] or f"{version.name}-{version.version}")
        if target.is_dir():
            return target
        folder.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".download-", dir=folder))
        try:
            with self._global_uri():
                uri = f"models:/{version.name}/{version.version}"
                try:
                    got = Path(self._mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(work)))
                except (self._mlflow.exceptions.MlflowException, OSError) as error:
                    if disk_full(error):  # here, not where the files come from
                        raise
                    what = (str(error).splitlines() or [type(error).__name__])[0]
                    raise BadInput(f"model {version.label}: its files cannot be had from {self.uri} ({what})") from None
            bundle = got / "artifacts" / "bundle"
            if not bundle.is_dir():
                raise BadInput(f"model {version.label} holds no bundle; register one with `bancast train`")
            try:
                os.replace(bundle, target)
            except OSError:
                if not target.is_dir():  # another process was faster
                    raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
        return target

    def point(self, version: ModelVersion, alias: str) -> None:
        """Let an alias stand for a version."""
        self._client.set_registered_model_alias(version.name, alias, version.version)

    def tag(self, version: ModelVersion, tags: dict[str, str]) -> None:
        """Set tags on a version."""
        for key, value in tags.items():
            self._client.set_model_version_tag(version.name, version.version, key, value)

    @contextmanager
    def _global_uri(self) -> Iterator[None]:
        """Some of MLflow's calls know only one store a process: this one, for as long as it takes."""
        before = self._mlflow.get_tracking_uri(), self._mlflow.get_registry_uri()
        self._mlflow.set_tracking_uri(self.uri)
        self._mlflow.set_registry_uri(self.uri)
        try:
            yield
        finally:
            self._mlflow.set_tracking_uri(before[0])
            self._mlflow.set_registry_uri(before[1])


class Run:
    """One MLflow run that is being written."""

    def __init__(self, registry: Registry, run_id: str, experiment_id: str) -> None:
        self.registry = registry
        self.run_id = run_id
        self.experiment_id = experiment_id
        self._mlflow = registry._mlflow

    def parameters(self, values: dict[str, Any]) -> None:
        """Log parameters."""
        self._mlflow.log_params({key: str(value)[:500] for key, value in values.items()})

    def metrics(self, prefix: str, values: dict[str, float]) -> None:
        """Log finite metrics under `prefix/`."""
        good = {f"{prefix}/{key}": float(value) for key, value in values.items() if value == value and abs(value) != float("inf")}
        self._mlflow.log_metrics(good)

    def step(self, name: str, value: float, step: int) -> None:
        """Log one value of a metric that has one a step."""
        self._mlflow.log_metric(name, value, step=step)

    @contextmanager
    def child(self, name: str) -> Iterator[Run]:
        """A run below this one; marked as failed when the body raises."""
        with self._mlflow.start_run(run_name=name, nested=True) as run:
            yield Run(self.registry, run.info.run_id, self.experiment_id)

    def tags(self, values: dict[str, str]) -> None:
        """Set tags."""
        self._mlflow.set_tags(values)

    def figure(self, figure: Figure, name: str) -> None:
        """Keep a picture."""
        self._mlflow.log_figure(figure, name)

    def table(self, rows: Any, name: str) -> None:
        """Keep a frame as CSV."""
        self._mlflow.log_text(rows.to_csv(index=False), name)

    def text(self, text: str, name: str) -> None:
        """Keep a text."""
        self._mlflow.log_text(text, name)

    def files(self, folder: Path, name: str) -> None:
        """Keep the files of a folder below `name`."""
        self._mlflow.log_artifacts(str(folder), name)

    def json(self, value: Any, name: str) -> None:
        """Keep plain data as JSON."""
        self._mlflow.log_dict(value, name)

    def publish(self, bundle: Path, name: str, sha256: str, tags: dict[str, str]) -> ModelVersion:
        """Log the bundle as a model from code, with signature and input example, and register it."""
        from serving.published import Forecast, python_model

        forecast = Forecast.read(bundle)
        example = forecast.example()
        model = python_model()
        model.forecast = forecast
        signature = self._mlflow.models.infer_signature(example, model.predict(None, example))
        info = self._mlflow.pyfunc.log_model(
            name="model",
            python_model=str(_PUBLISHED),
            artifacts={"bundle": str(bundle)},
            signature=signature,
            input_example=example,
            pip_requirements=_requirements(),
            registered_model_name=name,
        )
        version = ModelVersion(name, str(info.registered_model_version), self.run_id, sha256)
        self.registry.tag(version, {SHA_TAG: sha256, **tags})
        return version


def _requirements() -> list[str]:
    """What the published file imports, in the versions it was tried with."""
    from importlib.metadata import version

    return [f"{name}=={version(name)}" for name in ("mlflow", "lightgbm", "pandas", "numpy", "scikit-learn", "scipy")]


@contextmanager
def start_run(home: Home, settings: Settings, name: str) -> Iterator[Run]:
    """A run of the experiment `bancast`; marked as failed when the body raises."""
    registry = Registry(store_uri(home, settings))
    mlflow = registry._mlflow
    with registry._global_uri(), _silent():
        if mlflow.get_experiment_by_name(EXPERIMENT) is None:
            place = None if settings.mlflow_uri else home.mlflow_artifacts.resolve().as_uri()
            mlflow.create_experiment(EXPERIMENT, artifact_location=place)
        experiment = mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=name) as run:
            yield Run(registry, run.info.run_id, experiment.experiment_id)


def connect(home: Home, settings: Settings) -> Registry:
    """The registry of a home."""
    return Registry(store_uri(home, settings))
