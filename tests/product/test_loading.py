"""Controllers from a store, by address."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

import dymu
from dymu.artifacts.config import changed
from dymu.artifacts.record import read_record
from dymu.artifacts.store import Store
from dymu.errors import SpecError
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.predict import predict_network
from dymu.run.provenance import CodeVersion
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


def test_what_is_no_text_is_refused(trained: Store) -> None:
    with pytest.raises(SpecError, match="3 is int; expected the name of a study"):
        dymu.load(3, store=trained)  # type: ignore[arg-type]


def test_a_controller_of_a_users_own_dataset(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lab_shapes.py").write_text(
        "from dymu.artifacts.config import config\n"
        "from dymu.data.digits import Digits\n\n\n"
        "@config\n"
        "class Shapes(Digits):\n"
        '    """Digits under another name."""\n'
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    own = changed(study, {"dataset": importlib.import_module("lab_shapes").Shapes(num_train=40, num_val=20)})
    store = Store(tmp_path / "store")
    step = own.evaluation_step(0).inputs["edge"]
    for below in step.closure():
        execute_step(
            below, store, Place(code=CodeVersion(revision=None, dirty=None, lock=None)), lambda: False
        )
    monkeypatch.setattr(sys, "path", sys.path[1:])
    monkeypatch.delitem(sys.modules, "lab_shapes")
    with pytest.raises(SpecError, match=r"anchor/\w+ needs lab_shapes.Shapes, which is not a class of dymu"):
        dymu.load(step.address, store=store)
    monkeypatch.chdir(tmp_path)
    assert dymu.load(step.address, store=store).tasks == ("left", "right", "parity")
