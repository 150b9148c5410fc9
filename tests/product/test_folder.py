"""A controller as a folder."""

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

import dymu
from dymu.errors import CorruptArtifactError, SpecError, StoreError
from dymu.product.controller import TrainedController
from dymu.product.folder import DESCRIPTION, read_folder, save_controller
from dymu.spec.evaluation import Statistics

R = [0.2, 0.3, 0.5]


@pytest.fixture
def folder(untrained: TrainedController, images: Tensor, tmp_path: Path) -> Path:
    carries = TrainedController(
        untrained.parts, source="evaluate/abc", statistics="recalibrated", calibration=[images, images + 1]
    )
    save_controller(carries, tmp_path / "controller")
    return tmp_path / "controller"


def test_what_is_read_predicts_the_same(untrained: TrainedController, images: Tensor, folder: Path) -> None:
    found = read_folder(folder)
    assert found.architecture(R, 0.4) == untrained.architecture(R, 0.4)
    assert found.cost(R, 0.4) == untrained.cost(R, 0.4)
    both: tuple[Statistics, ...] = ("batch", "running")
    for statistics in both:
        expected = untrained.network(R, 0.4, statistics=statistics)(images)
        network = found.network(R, 0.4, statistics=statistics)
        torch.testing.assert_close(network(images), expected, rtol=0, atol=0)


def test_source_statistics_and_images_travel_with_it(folder: Path, images: Tensor) -> None:
    found = dymu.load(folder)
    assert (found.source, found.statistics) == ("evaluate/abc", "recalibrated")
    torch.testing.assert_close(list(found.calibration), [images, images + 1], rtol=0, atol=0)
    assert found.network(R).statistics == "stored"


def test_without_a_weight_hypernet_nothing_is_adapted(untrained: TrainedController, tmp_path: Path) -> None:
    parts = type(untrained.parts)(untrained.parts.net, untrained.parts.edge, None)
    save_controller(TrainedController(parts, source="edge/abc"), tmp_path)
    found = read_folder(tmp_path)
    assert found.parts.weight is None
    assert found.calibration == ()
    assert not (tmp_path / "weight.safetensors").exists()


def test_a_folder_without_a_controller_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="holds no controller"):
        read_folder(tmp_path)


def test_a_later_format_is_refused(folder: Path) -> None:
    form = json.loads((folder / DESCRIPTION).read_text())
    (folder / DESCRIPTION).write_text(json.dumps({**form, "format": 2, "dymu": "9.0"}))
    with pytest.raises(StoreError, match=r"has format 2; this dymu reads format 1.*\(9.0\)"):
        read_folder(folder)


def test_a_class_from_elsewhere_is_not_looked_up(folder: Path) -> None:
    form = json.loads((folder / DESCRIPTION).read_text())
    form["backbone"]["type"] = "os.system"
    (folder / DESCRIPTION).write_text(json.dumps(form))
    with pytest.raises(SpecError, match=r"'os\.system' is not a class of dymu"):
        read_folder(folder)
    form["backbone"]["type"] = "elsewhere.Backbone"
    (folder / DESCRIPTION).write_text(json.dumps(form))
    with pytest.raises(SpecError, match=r"needs elsewhere\.Backbone, .* there is no module elsewhere below"):
        read_folder(folder)


@pytest.mark.parametrize("name", ["anchor", "edge", "weight", "calibration"])
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    (folder / f"{name}.safetensors").write_bytes(b"damaged")
    with pytest.raises(CorruptArtifactError, match=name + r"\.safetensors does not hold"):
        read_folder(folder)
