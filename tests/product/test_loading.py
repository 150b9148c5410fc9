"""``dymu.load``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import dymu
from dymu.artifacts.record import read_record
from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.predict import predict_network
from dymu.spec.study import Study


def test_it_gives_the_trees_and_costs_that_the_record_has(trained: Store, study: Study) -> None:
    address = study.evaluation_step(0).address
    controller = dymu.load(address, store=trained)
    assert controller.source == address
    assert controller.statistics == "batch"
    for point in read_record(trained.path(address)).points:
        assert point.resource_preference is not None
        for number, preference in enumerate(point.preferences):
            tree = controller.architecture(preference, point.resource_preference)
            assert [list(row) for row in tree.parents] == point.parents[number]
            cost = controller.cost(preference, point.resource_preference)
            assert (cost.parameters, cost.macs) == (point.parameters[number], point.macs[number])


def test_it_agrees_with_the_command_that_predicts(trained: Store, study: Study) -> None:
    controller = dymu.load(study.evaluation_step(0).address, store=str(trained.root))
    told = predict_network(trained, study, 0, task_preference=[0.6, 0.3, 0.1], resource_preference=0.5)
    assert {
        task: list(path) for task, path in controller.architecture([0.6, 0.3, 0.1], 0.5).paths.items()
    } == (told.paths)


def test_the_store_is_found_as_by_commands(
    trained: Store, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYMU_STORE", str(trained.root))
    controller = dymu.load(study.evaluation_step(0).inputs["weight"].address)
    assert controller.tasks == ("left", "right", "parity")


def test_nothing_of_it_takes_gradients(trained: Store, study: Study) -> None:
    network = dymu.load(study.evaluation_step(0).address, store=trained).network([0.2, 0.3, 0.5])
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network(torch.zeros(2, *network.image_shape))["left"].requires_grad


def test_a_text_that_is_no_address_is_refused(trained: Store) -> None:
    with pytest.raises(SpecError, match="address"):
        dymu.load("no address", store=trained)


def test_importing_dymu_loads_no_torch(root: Path, tmp_path: Path) -> None:
    code = "import sys, dymu; print([name for name in ('torch', 'mlflow', 'numpy') if name in sys.modules])"
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(root)}
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout == "[]\n"


def test_dymu_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="module 'dymu' has no attribute 'lode'"):
        dymu.lode  # type: ignore[attr-defined]  # noqa: B018
