"""Pretrained weights: where every key goes, what is refused, and what the net computes with them."""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.errors import DataError, SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.norm import Node, Norm, NormCall
from dymu.networks.pretrained import (
    MOBILENET_V2,
    MOBILENET_V2_OFFICIAL,
    PretrainedWeights,
    load_pretrained,
    read_weights,
)
from dymu.spec.task import Task

TASKS = (
    Task(name="rooms", kind="segmentation", num_outputs=2),
    Task(name="depth", kind="depth", num_outputs=1),
)
Write = Callable[..., PretrainedWeights]


def torchvision_like() -> dict[str, Tensor]:
    """Random tensors in the layout of torchvision's MobileNetV2, classifier included."""
    net = make_net(MobileNetV2(final_affine=True), TASKS[:1])
    generator = torch.Generator().manual_seed(7)
    state: dict[str, Tensor] = {}
    for node in (module for module in net.modules() if isinstance(module, Node)):
        for ours, theirs in node.pretrained_names.items():
            module = node.get_submodule(ours)
            for name, tensor in module.state_dict().items():
                state[f"{theirs}.{name}"] = torch.rand(tensor.shape, generator=generator)
            if isinstance(module, Norm):
                state[f"{theirs}.num_batches_tracked"] = torch.tensor(3)
    return state | {
        "features.18.0.weight": torch.ones(1280, 320, 1, 1),
        "classifier.1.bias": torch.ones(1000),
    }


def make_net(backbone: MobileNetV2, tasks: tuple[Task, ...] = TASKS) -> AnchorNet:
    return single_task_nets(backbone, tasks, (3, 32, 32), torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    return torchvision_like()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of weights below ``tmp_path``."""

    def write(content: Any, name: str = "weights.pt") -> PretrainedWeights:
        path = tmp_path / "weights" / name
        path.parent.mkdir(exist_ok=True)
        if name.endswith(".safetensors"):
            safetensors.torch.save_file(content, path)
        else:
            torch.save(content, path)
        return PretrainedWeights(file=name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())

    return write


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
def test_every_stream_starts_from_the_file(
    state: dict[str, Tensor], write: Write, tmp_path: Path, stems: Any, name: str
) -> None:
    net = make_net(MobileNetV2(pretrained=write(state, name), stems=stems))
    report = load_pretrained(net, tmp_path)
    first = net.stem if stems == "shared" else net.block(0, 1)
    assert first is not None
    assert torch.equal(first.state_dict()["unit.conv.weight"], state["features.0.0.weight"])
    for stream in range(2):
        for layer, ours, theirs in (
            (3, "expand.conv.weight", "features.4.conv.0.0.weight"),
            (3, "spatial.norm.running_var", "features.4.conv.1.1.running_var"),
            (16, "project.conv.weight", "features.17.conv.2.weight"),
            (16, "project.norm.running_mean", "features.17.conv.3.running_mean"),
        ):
            assert torch.equal(net.block(layer, stream).state_dict()[ours], state[theirs])
    assert "features.1.conv.0.0.weight" in report.loaded


def test_the_report_accounts_for_every_key(state: dict[str, Tensor], write: Write, tmp_path: Path) -> None:
    net = make_net(MobileNetV2(pretrained=write(state)))
    report = load_pretrained(net, tmp_path)
    assert {*report.loaded, *report.unused} == set(state)
    assert not {*report.loaded} & {*report.unused}
    others = [key for key in report.unused if not key.endswith("num_batches_tracked")]
    assert [key for key in others if "conv" not in key] == ["classifier.1.bias", "features.18.0.weight"]
    assert len(others) == 2 + 2 * 17  # scale and shift of the last normalisation of 17 blocks
    assert "features.2.conv.3.bias" in others
    assert {name.split(".")[0] for name in report.fresh} == {"streams", "heads"}
    assert {name.split(".")[2] for name in report.fresh if name.startswith("streams")} == {"17"}
    assert report.summary().startswith(f"weights.pt: {len(report.loaded)} keys loaded, ")


def test_with_affine_last_normalisations_their_scale_and_shift_are_loaded(
    state: dict[str, Tensor], write: Write, tmp_path: Path
) -> None:
    report = load_pretrained(make_net(MobileNetV2(pretrained=write(state), final_affine=True)), tmp_path)
    assert "features.2.conv.3.bias" in report.loaded


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"features.4.conv.0.0.weight": None}, "1 missing: features.4.conv.0.0.weight"),
        ({"features.19.weight": torch.ones(1)}, "1 unexpected: features.19.weight"),
        ({"features.0.1.bias": torch.ones(31)}, r"1 of another shape: features.0.1.bias \(31,\) for \(32,\)"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_and_changes_nothing(
    state: dict[str, Tensor], write: Write, tmp_path: Path, change: dict[str, Tensor | None], told: str
) -> None:
    content = {key: value for key, value in (state | change).items() if value is not None}
    net = make_net(MobileNetV2(pretrained=write(content)))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with pytest.raises(DataError, match=rf"weights.pt does not fit MobileNetV2: {told}\. Use a file"):
        load_pretrained(net, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())


def test_another_content_is_refused(state: dict[str, Tensor], write: Write, tmp_path: Path) -> None:
    weights = changed(write(state), {"sha256": "0123456789"})
    with pytest.raises(DataError, match=r"has SHA-256 [0-9a-f]{64}, expected 0123456789\.\.\.: it is"):
        load_pretrained(make_net(MobileNetV2(pretrained=weights)), tmp_path)


def test_the_first_digits_of_the_checksum_are_enough(write: Write, tmp_path: Path) -> None:
    weights = write({"a": torch.ones(2)})
    assert read_weights(tmp_path / "weights" / weights.file, weights.sha256[:8])["a"].sum() == 2


def test_a_missing_file_and_a_missing_root_say_what_to_do(tmp_path: Path) -> None:
    net = make_net(MobileNetV2(pretrained=MOBILENET_V2_OFFICIAL))
    where = r"it is at https://download.pytorch.org/models/mobilenet_v2-b0353104.pth\."
    with pytest.raises(DataError, match=rf"cannot be read \(No such file .* of the data root; {where}"):
        load_pretrained(net, tmp_path)
    with pytest.raises(DataError, match="there is no data root; name one with --data-root or DYMU_DATA"):
        load_pretrained(net, None)


class Evil:
    """A pickle that would run something."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("ran",)


def test_a_pickle_that_would_run_something_is_refused(
    tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = write({"a": Evil()})
    with pytest.raises(DataError, match="is not a file of tensors"):
        read_weights(tmp_path / "weights" / weights.file, weights.sha256)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {"a": 1}, {"state_dict": {"a": torch.ones(1)}}])
def test_other_containers_are_refused(write: Write, tmp_path: Path, content: Any) -> None:
    weights = write(content)
    with pytest.raises(DataError, match="expected a state_dict: tensors by name"):
        read_weights(tmp_path / "weights" / weights.file, weights.sha256)


@pytest.mark.parametrize("name", ["weights.pt", "weights.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", pickle.dumps({"a": 1}, protocol=2)[:-3], b"PK\x03\x04" + bytes(40)]
)
def test_what_is_no_file_of_weights_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match="is not a file of tensors"):
        read_weights(path, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"file": "../weights.pt"}, "file"),
        ({"file": ""}, "file"),
        ({"sha256": "abcdef0"}, "sha256"),
        ({"sha256": "ABCDEF00"}, "sha256"),
        ({"sha256": "0" * 65}, "sha256"),
    ],
)
def test_an_identity_that_makes_no_sense_is_refused(wrong: dict[str, str], field: str) -> None:
    with pytest.raises(SpecError, match=f"PretrainedWeights.{field}"):
        PretrainedWeights(**({"file": "weights.pt", "sha256": "0" * 8} | wrong))


@pytest.mark.data
def test_the_shipped_checksum_is_that_of_the_file_and_its_keys_fit() -> None:
    root = Path(os.environ["DYMU_DATA"])
    net = make_net(MobileNetV2(pretrained=MOBILENET_V2))
    report = load_pretrained(net, root)
    assert len(report.loaded) == 221
    assert len([key for key in report.unused if not key.endswith("num_batches_tracked")]) == 5 + 2 * 17


def test_with_torchvision_the_outputs_are_the_same(write: Write, tmp_path: Path) -> None:
    torchvision = pytest.importorskip("torchvision")
    theirs = torchvision.models.mobilenet_v2().eval()
    backbone = MobileNetV2(pretrained=write(theirs.state_dict()), final_affine=True, output_stride=32)
    net = make_net(backbone, TASKS[:1])
    load_pretrained(net, tmp_path)
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        features = net.entry(images.unsqueeze(1))
        for layer in range(17):
            features = net.block(layer, 0)(features, NormCall("running"))
        torch.testing.assert_close(features.squeeze(1), theirs.features[:18](images))
