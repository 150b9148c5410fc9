"""Controllers as registered models: logged, loaded, and run where there is nothing but the model."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dymu
from dymu.artifacts.store import Store
from dymu.data.examples import DataPlace
from dymu.data.splits import Split
from dymu.errors import SpecError, TrackingError
from dymu.product.controller import TrainedController
from dymu.product.published import published_step
from dymu.product.registering import calibration_batches, controller_with_images, model_files, register
from dymu.spec.study import Study
from dymu.stages.context import RunContext
from dymu.stages.inputs import dataset_of
from dymu.stages.measure import Bench
from dymu.tracking.mlflow_models import RegisteredVersion, save_model
from dymu.tracking.relocation import relocate

R = [0.2, 0.3, 0.5]
# Loads a model folder with dymu's own dependencies out of reach, but for those that the model lists.
FRESH = """
import importlib.abc, json, sys
import numpy as np

class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"{name} is not in the model's requirements", name=name)

REFUSED = {"ray", "optuna", "moocore", "obstore", "filelock", "typer", "rich", "mpltern", "moto"}
sys.meta_path.insert(0, Refuse())
import mlflow.pyfunc
model = mlflow.pyfunc.load_model(sys.argv[1])
images = np.load(sys.argv[2])
found = model.predict(images, params={"r": [0.2, 0.3, 0.5], "c": 0.5})
import dymu
print(json.dumps({"dymu": dymu.__file__, "left": found["left"].tolist()}))
"""


@pytest.fixture(scope="module")
def controller(trained: Store, study: Study) -> TrainedController:
    step = published_step(trained, study.evaluation_step(0).address)
    return controller_with_images(trained, step, data=DataPlace(cache_dir=trained.data_cache), num_batches=2)


@pytest.fixture(scope="module")
def registered(controller: TrainedController, trained: Store) -> RegisteredVersion:
    return register(controller, name="digits", experiment="tiny", store=trained)


@pytest.fixture
def digits(controller: TrainedController) -> Tensor:
    return torch.rand(3, *controller.image_shape, generator=torch.Generator().manual_seed(2))


def test_a_registered_version_is_loaded_by_its_uri(
    registered: RegisteredVersion, controller: TrainedController, trained: Store, digits: Tensor
) -> None:
    assert registered.uri == f"models:/digits/{registered.version}"
    found = dymu.load(registered.uri, store=trained)
    assert (found.source, found.statistics) == (controller.source, "recalibrated")
    expected = controller.network(R, 0.5)(digits)
    torch.testing.assert_close(found.network(R, 0.5)(digits), expected, rtol=0, atol=0)


def test_the_database_may_be_named(
    registered: RegisteredVersion, trained: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    uri = f"sqlite:///{trained.mlflow_dir / 'mlflow.db'}"
    assert dymu.load(registered.uri, tracking_uri=uri).tasks == ("left", "right", "parity")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path)
    assert dymu.load(registered.uri).tasks == ("left", "right", "parity")


def test_each_registration_makes_a_version(
    registered: RegisteredVersion, controller: TrainedController, trained: Store
) -> None:
    again = register(controller, name="digits", experiment="tiny", store=trained)
    assert int(again.version) == int(registered.version) + 1
    assert dymu.load("models:/digits/latest", store=trained).source == controller.source


def test_a_copied_store_has_no_models_of_its_own_until_it_is_relocated(
    registered: RegisteredVersion, controller: TrainedController, trained: Store, tmp_path: Path
) -> None:
    copy = Store(shutil.copytree(trained.root, tmp_path / "copy"))
    with pytest.raises(TrackingError, match="copied or moved"):
        dymu.load(registered.uri, store=copy)
    with pytest.raises(TrackingError, match="copied or moved"):
        register(controller, name="digits", experiment="tiny", store=copy)
    relocate(copy)
    assert dymu.load(registered.uri, store=copy).source == controller.source
    for model in (copy.mlflow_dir / "artifacts" / "models").iterdir():
        shutil.rmtree(model)
    with pytest.raises(TrackingError):
        dymu.load(registered.uri, store=copy)


def test_without_a_server_or_database_it_says_what_to_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(TrackingError, match="give tracking_uri= or a store"):
        dymu.load("models:/digits/1", store=tmp_path / "none")


def test_a_bad_name_is_refused_before_anything_is_written(
    controller: TrainedController, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    with pytest.raises(TrackingError, match="'a/b' does not name a model"):
        register(controller, name="a/b", experiment="tiny", store=store)
    assert not store.mlflow_dir.exists()


def test_calibration_images_are_those_of_a_recalibrated_evaluation(
    trained: Store, study: Study, tmp_path: Path
) -> None:
    step = study.evaluation_step(0)
    place = DataPlace(cache_dir=trained.data_cache)
    context = RunContext(step=step, out_dir=tmp_path, work_dir=tmp_path, input_dirs={}, data=place)
    train = dataset_of(step).load(Split.TRAIN, place)
    bench = Bench(examples=train, calibration=train, protocol=study.evaluation, context=context)
    expected = [train.batch(index_B).images for index_B in bench.calibration_batches()]
    torch.testing.assert_close(calibration_batches(step, place, len(expected)), expected, rtol=0, atol=0)


def test_without_images_it_predicts_as_it_was_evaluated(trained: Store, study: Study) -> None:
    step = study.evaluation_step(0)
    found = controller_with_images(trained, step, data=DataPlace(cache_dir=trained.data_cache), num_batches=0)
    assert (found.statistics, found.calibration) == ("batch", ())


def test_requirements_are_pinned_to_public_versions(controller: TrainedController, tmp_path: Path) -> None:
    files = model_files(controller, tmp_path)
    assert [text.partition("==")[0] for text in files.requirements] == [
        "mlflow",
        "numpy",
        "pydantic",
        "safetensors",
        "torch",
    ]
    assert all("==" in text and "+" not in text for text in files.requirements)
    assert not list(files.code.rglob("__pycache__"))
    assert files.tags["dymu.address"] == controller.source


def test_a_backbone_that_the_model_would_not_have_is_refused(
    controller: TrainedController, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(controller.parts.net.backbone), "__module__", "lab.nets")
    with pytest.raises(
        SpecError, match=r"is made of lab\.nets\.SmallBackbone, but a registered model has the"
    ):
        model_files(controller, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_of_own_images_says_so(untrained: TrainedController, images: Tensor, tmp_path: Path) -> None:
    batch = torch.stack([images] * 3, dim=1)
    carries = TrainedController(
        untrained.parts, source="nowhere", statistics="recalibrated", calibration=[batch]
    )
    files = model_files(carries, tmp_path)
    assert files.inputs == (-1, 3, 2, 8, 6)
    assert files.outputs == {"digit": (-1, 4), "rooms": (-1, 3, 8, 6), "depth": (-1, 1, 8, 6)}


@pytest.mark.slow  # a process of its own imports torch and MLflow
def test_the_model_runs_where_there_is_nothing_else(
    controller: TrainedController, digits: Tensor, tmp_path: Path
) -> None:
    save_model(model_files(controller, tmp_path / "files"), tmp_path / "model")
    np.save(tmp_path / "images.npy", digits.numpy())
    said = subprocess.run(
        [sys.executable, "-I", "-c", FRESH, str(tmp_path / "model"), str(tmp_path / "images.npy")],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout.splitlines()[-1])
    assert Path(found["dymu"]).is_relative_to(tmp_path / "model" / "code")
    expected = controller.network(R, 0.5)(digits)["left"]
    torch.testing.assert_close(torch.tensor(found["left"]), expected)


@pytest.mark.slow  # MLflow's server takes ten seconds to start
def test_mlflow_serves_it(
    registered: RegisteredVersion,
    controller: TrainedController,
    trained: Store,
    digits: Tensor,
    tmp_path: Path,
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["models", "serve", "-m", registered.uri, "--env-manager", "local", "-h", "127.0.0.1"]
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MLFLOW_TRACKING_URI": f"sqlite:///{trained.mlflow_dir / 'mlflow.db'}",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "OMP_NUM_THREADS": "1",
        "no_proxy": "127.0.0.1",
    }
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words, "-p", str(port), "--workers", "1"],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        request = {"inputs": digits.tolist(), "params": {"r": R, "c": 0.5}}
        found = ask(f"http://127.0.0.1:{port}", request, tmp_path / "log")
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # the group that this test started
        server.wait(30)
    expected = controller.network(R, 0.5)(digits)
    for task, prediction in expected.items():
        torch.testing.assert_close(torch.tensor(found["predictions"][task]), prediction)


def ask(server: str, request: dict[str, Any], log: Path) -> Any:
    """The answer to a request, once the server answers pings."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + 120
    while True:
        try:
            with opener.open(f"{server}/ping", timeout=5):
                break
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
    content = json.dumps(request).encode()
    asked = urllib.request.Request(
        f"{server}/invocations", data=content, headers={"Content-Type": "application/json"}
    )
    with opener.open(asked, timeout=60) as answer:
        return json.load(answer)
