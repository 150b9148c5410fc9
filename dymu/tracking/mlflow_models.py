"""Models in MLflow: logged with a run, registered under a name, fetched by URI.

Beside :mod:`dymu.tracking.mlflow` the one module that imports MLflow. Everything is asked of the server that
is named; MLflow's own notion of a current server, which is one for the whole process, is left alone.
"""

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from dymu.errors import TrackingError
from dymu.tracking.faults import Unavailable, classified, shown
from dymu.tracking.mlflow import Server

_NAME = re.compile(r"[A-Za-z0-9_. -]+")
_VERSION = re.compile(r"models:/(?P<name>[^/@]+)(/(?P<version>\d+|latest)|@(?P<alias>[^/@]+))")
_LOGGED = re.compile(r"models:/(?P<model>m-[0-9a-f]+)")
_OF_RUN = re.compile(r"runs:/(?P<run>[^/]+)/(?P<name>[^/]+)")
_ALREADY = "RESOURCE_ALREADY_EXISTS"


@dataclass(frozen=True, kw_only=True)
class ModelParam:
    """A parameter of a request.

    Attributes:
        name: As requests spell it.
        default: What holds where a request does not have it; a list of numbers, a number or a text.
    """

    name: str
    default: Sequence[float] | float | str


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """What a logged model is made of.

    Attributes:
        data: Folder that the loader is given; keeps its name below ``data/``.
        loader: Module with a function ``_load_pyfunc(path)``.
        code: Folder of the package that holds the loader.
        requirements: What pip has to install beside it, pinned.
        inputs: Shape of a request, -1 for the number of images; float32.
        outputs: Shapes of the answers by name.
        params: Parameters of a request.
        tags: Where the model comes from.
    """

    data: Path
    loader: str
    code: Path
    requirements: Sequence[str]
    inputs: tuple[int, ...]
    outputs: Mapping[str, tuple[int, ...]]
    params: Sequence[ModelParam]
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelHome:
    """Where a logged model belongs.

    Attributes:
        experiment: Its name; made if need be.
        artifacts: Where a new experiment keeps files; ``None`` leaves it to the server.
        run_tag: Tag and value of the run that made the model, if the experiment has it.
        name: Of the logged model: the second part of ``runs:/RUN/NAME``.
    """

    experiment: str
    artifacts: str | None
    run_tag: tuple[str, str]
    name: str


@dataclass(frozen=True, kw_only=True)
class RegisteredVersion:
    """A version of a model in the registry.

    Attributes:
        name: Of the registered model.
        version: Its number.
        model_id: The logged model behind it.
        run_id: The run that it was logged with; empty if there is none.
    """

    name: str
    version: str
    model_id: str
    run_id: str

    @property
    def uri(self) -> str:
        """As MLflow and :func:`dymu.load` take it."""
        return f"models:/{self.name}/{self.version}"


def check_model_name(name: str) -> None:
    """Refuse what MLflow does not take as a name.

    Raises:
        TrackingError: If it is none.
    """
    if _NAME.fullmatch(name) is None:
        raise TrackingError(
            f"{name!r} does not name a model; expected letters, digits, '-', '_', '.' and spaces."
        )


class Models:
    """The models of a tracking server or database.

    Args:
        uri: Its URI.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        self._server = Server(uri)
        self._client = self._server.client

    def register(self, files: ModelFiles, home: ModelHome, *, name: str) -> RegisteredVersion:
        """Log a model, with the run that made it if there is one, and register it as the next version.

        Raises:
            TrackingError: If the server refuses or cannot be reached.
        """
        check_model_name(name)
        try:
            return self._register(files, home, name)
        except Exception as error:
            raise self._refusal(error) from error

    def fetch(self, uri: str, part: str, folder: Path) -> Path:
        """Download a part of a model: ``models:/NAME/VERSION``, ``models:/NAME@ALIAS``, ``runs:/RUN/NAME``.

        Raises:
            TrackingError: If the URI is of no known kind, or the server has no such model or no such part.
        """
        import mlflow.artifacts

        try:
            place = f"{self._location(uri).rstrip('/')}/{part}"
            return Path(
                mlflow.artifacts.download_artifacts(place, dst_path=str(folder), tracking_uri=self._uri)
            )
        except Exception as error:
            raise self._refusal(error) from error

    def _register(self, files: ModelFiles, home: ModelHome, name: str) -> RegisteredVersion:
        import mlflow.entities

        experiment_id = self._server.experiment(home.experiment, home.artifacts)
        runs = self._server.search(experiment_id, *home.run_tag)
        run_id = runs[0].run_id if runs else None
        model = self._client.create_logged_model(
            experiment_id, name=home.name, source_run_id=run_id, tags=dict(files.tags)
        )
        with TemporaryDirectory() as folder:
            path = Path(folder) / "model"
            save_model(files, path, model_id=model.model_id, run_id=run_id)
            self._client.log_model_artifacts(model.model_id, str(path))
        self._client.finalize_logged_model(model.model_id, "READY")
        if run_id is not None:
            output = mlflow.entities.LoggedModelOutput(model.model_id, step=0)
            self._client.log_outputs(run_id, models=[output])
        try:
            self._client.create_registered_model(name)
        except Exception as error:
            if getattr(error, "error_code", "") != _ALREADY:
                raise
        # A database would look up models:/ID, and a model without a run, on the process's current server.
        version = self._client.create_model_version(
            name,
            model.artifact_location,
            run_id=run_id,
            tags=dict(files.tags),
            model_id=model.model_id if run_id is not None or self._uri.startswith("http") else None,
        )
        return RegisteredVersion(
            name=name, version=str(version.version), model_id=model.model_id, run_id=run_id or ""
        )

    def _location(self, uri: str) -> str:
        """Where the files of a model lie."""
        client = self._client
        if logged := _LOGGED.fullmatch(uri):
            return str(client.get_logged_model(logged["model"]).artifact_location)
        if found := _VERSION.fullmatch(uri):
            if found["alias"] is not None:
                version = client.get_model_version_by_alias(found["name"], found["alias"])
            elif found["version"] == "latest":
                listed = client.search_model_versions(f"name = '{found['name']}'")
                if not listed:
                    raise TrackingError(f"MLflow at {shown(self._uri)} has no model {found['name']!r}.")
                version = max(listed, key=lambda known: int(known.version))
            else:
                version = client.get_model_version(found["name"], found["version"])
            source = str(version.source)
            return self._location(source) if source.startswith(("models:/", "runs:/")) else source
        if of_run := _OF_RUN.fullmatch(uri):
            experiment_id = client.get_run(of_run["run"]).info.experiment_id
            models = client.search_logged_models([experiment_id], f"name = '{of_run['name']}'")
            mine = [model for model in models if model.source_run_id == of_run["run"]]
            if not mine:
                raise TrackingError(f"the run {of_run['run']} has no model {of_run['name']!r}.")
            return str(max(mine, key=lambda model: model.creation_timestamp).artifact_location)
        raise TrackingError(
            f"{uri!r} does not name a model; expected models:/NAME/VERSION, models:/NAME@ALIAS or "
            "runs:/RUN/NAME."
        )

    def _refusal(self, error: Exception) -> BaseException:
        reason = classified(error, self._uri)
        if isinstance(reason, Unavailable):
            return TrackingError(f"MLflow at {shown(self._uri)} refused: {reason}")
        return reason


def save_model(
    files: ModelFiles, path: Path, *, model_id: str | None = None, run_id: str | None = None
) -> None:
    """Write a model folder as MLflow loads and serves it, with code and requirements, without pickles."""
    with warnings.catch_warnings():
        # It wants an example; that would be a request of thousands of pixels, and the signature says it all.
        warnings.filterwarnings("ignore", module=r"mlflow\b")
        import mlflow.models
        import mlflow.pyfunc
        import mlflow.types

        single = np.dtype("float32")
        outputs: list[Any] = [
            mlflow.types.TensorSpec(single, shape, name) for name, shape in files.outputs.items()
        ]
        signature = mlflow.models.ModelSignature(
            inputs=mlflow.types.Schema([mlflow.types.TensorSpec(single, files.inputs)]),
            outputs=mlflow.types.Schema(outputs),
            params=mlflow.types.ParamSchema([_param(param) for param in files.params]),
        )
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=files.loader,
            data_path=str(files.data),
            code_paths=[str(files.code)],
            pip_requirements=list(files.requirements),
            signature=signature,
            metadata=dict(files.tags),
            mlflow_model=mlflow.models.Model(model_id=model_id, model_uuid=model_id, run_id=run_id),
        )


def _param(param: ModelParam) -> Any:
    import mlflow.types

    if isinstance(param.default, str):
        return mlflow.types.ParamSpec(param.name, mlflow.types.DataType.string, param.default)
    if isinstance(param.default, Sequence):
        return mlflow.types.ParamSpec(param.name, mlflow.types.DataType.double, list(param.default), (-1,))
    return mlflow.types.ParamSpec(param.name, mlflow.types.DataType.double, float(param.default))
