"""Models that are logged in a database of MLflow, registered and fetched again."""

import json
import socket
from pathlib import Path

import pytest

from dymu.errors import TrackingError
from dymu.tracking.mlflow import Server, create_database
from dymu.tracking.mlflow_models import (
    ModelFiles,
    ModelHome,
    ModelParam,
    Models,
    RegisteredVersion,
    check_model_name,
    save_model,
)

RUN_TAG = ("dymu.evaluation", "evaluate/0a1b")


class Shelf:
    """A database of MLflow with one experiment, one run and two versions of a model of that run."""

    def __init__(self, root: Path) -> None:
        self.uri = f"sqlite:///{root / 'mlflow.db'}"
        create_database(root / "mlflow.db")
        self.artifacts = (root / "artifacts").as_uri()
        self.server = Server(self.uri)
        experiment_id = self.server.experiment("study", self.artifacts)
        self.run_id = self.server.create(experiment_id, "baseline 0", dict([RUN_TAG])).run_id
        self.files = make_files(root)
        self.models = Models(self.uri)
        self.versions = [self.register() for _ in range(2)]

    def register(self, tag: tuple[str, str] = RUN_TAG, name: str = "toy") -> RegisteredVersion:
        home = ModelHome(experiment="study", artifacts=self.artifacts, run_tag=tag, name="controller")
        return self.models.register(self.files, home, name=name)


def make_files(root: Path) -> ModelFiles:
    data, code = root / "controller", root / "code" / "toy_package"
    for folder in (data, code):
        folder.mkdir(parents=True)
    (data / "words.json").write_text(json.dumps(["anchor", "edge"]))
    (code / "__init__.py").write_text("")
    return ModelFiles(
        data=data,
        loader="toy_package",
        code=code,
        requirements=["numpy==2.0.0"],
        inputs=(-1, 1, 4, 4),
        outputs={"left": (-1, 10)},
        params=[
            ModelParam(name="r", default=[0.5, 0.5]),
            ModelParam(name="c", default=0.0),
            ModelParam(name="statistics", default="batch"),
        ],
        tags={"dymu.address": "evaluate/0a1b"},
    )


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    return Shelf(tmp_path_factory.mktemp("shelf"))


def words(folder: Path) -> object:
    return json.loads((folder / "words.json").read_text())


def test_versions_count_up_and_know_their_run(shelf: Shelf) -> None:
    assert [version.uri for version in shelf.versions] == ["models:/toy/1", "models:/toy/2"]
    assert {version.run_id for version in shelf.versions} == {shelf.run_id}
    known = shelf.server.client.get_model_version("toy", "1")
    assert known.run_id == shelf.run_id
    assert known.tags["dymu.address"] == "evaluate/0a1b"


def test_a_model_is_fetched_by_every_kind_of_uri(shelf: Shelf, tmp_path: Path) -> None:
    shelf.server.client.set_registered_model_alias("toy", "best", "1")
    uris = ["models:/toy/1", "models:/toy/latest", "models:/toy@best", f"runs:/{shelf.run_id}/controller"]
    uris.append(f"models:/{shelf.versions[0].model_id}")
    for number, uri in enumerate(uris):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert words(shelf.models.fetch(uri, "data/controller", folder)) == ["anchor", "edge"]


def test_a_model_without_a_run_is_registered_too(shelf: Shelf, tmp_path: Path) -> None:
    version = shelf.register(("dymu.evaluation", "evaluate/none"), name="alone")
    assert (version.uri, version.run_id) == ("models:/alone/1", "")
    assert words(shelf.models.fetch(version.uri, "data/controller", tmp_path)) == ["anchor", "edge"]


@pytest.mark.parametrize(
    ("uri", "message"),
    [
        ("models:/toy/99", "toy"),
        ("models:/nobody/1", "nobody"),
        ("models:/nobody/latest", "no model 'nobody'"),
        ("runs:/RUN/nothing", "has no model 'nothing'"),
        ("models:/toy", "does not name a model; expected models:/NAME/VERSION"),
    ],
)
def test_what_is_not_there_is_named(shelf: Shelf, tmp_path: Path, uri: str, message: str) -> None:
    with pytest.raises(TrackingError, match=message):
        shelf.models.fetch(uri.replace("RUN", shelf.run_id), "data/controller", tmp_path)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(TrackingError, match=uri):
            Models(uri).fetch("models:/toy/1", "data/controller", tmp_path)


@pytest.mark.parametrize("name", ["", "a/b", "a:b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(TrackingError, match="does not name a model"):
        check_model_name(name)


def test_a_saved_model_holds_code_requirements_signature_and_no_pickle(shelf: Shelf, tmp_path: Path) -> None:
    save_model(shelf.files, tmp_path / "model")
    description = (tmp_path / "model" / "MLmodel").read_text()
    for part in ("loader_module: toy_package", '"name": "r"', '"name": "c"', '"name": "statistics"'):
        assert part in description
    assert (tmp_path / "model" / "requirements.txt").read_text().split()[-1] == "numpy==2.0.0"
    assert (tmp_path / "model" / "code" / "toy_package" / "__init__.py").exists()
    assert not [path for path in (tmp_path / "model").rglob("*") if path.suffix in (".pkl", ".pickle")]
