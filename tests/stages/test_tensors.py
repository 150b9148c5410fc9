"""Tensors on disk: whole, or an error that names the file and what should be in it."""

from pathlib import Path

import pytest
import torch
from torch import nn

from dymu.errors import CorruptArtifactError, StoreError
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.initialise import build
from dymu.stages.tensors import load_module, load_tensor, save_module, save_tensors

BACKBONE = SmallBackbone(channels=(2,), resolutions=("keep",))


def module(*, seed: int = 0, channels: int = 1) -> nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return build(lambda: BACKBONE.block(0, (channels, 4, 4)), generator)


def test_weights_and_buffers_come_back(tmp_path: Path) -> None:
    saved, loaded = module(), module(seed=1)
    saved.get_buffer("norm1.running_mean").fill_(0.5)
    save_module(saved, tmp_path / "net")
    load_module(loaded, tmp_path / "net")
    assert set(saved.state_dict()) == set(loaded.state_dict())
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_equal_weights_are_equal_bytes(tmp_path: Path) -> None:
    save_module(module(), tmp_path / "one")
    save_module(module(), tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_a_tensor_comes_back_with_its_type(tmp_path: Path) -> None:
    values = torch.arange(6, dtype=torch.float64).reshape(2, 3).T
    save_tensors({"values": values}, tmp_path / "file")
    found = load_tensor(tmp_path / "file", "values")
    assert found.dtype == torch.float64
    assert torch.equal(found, values)


def test_a_tensor_that_is_not_there_is_named(tmp_path: Path) -> None:
    save_tensors({"values": torch.zeros(1)}, tmp_path / "file")
    with pytest.raises(
        CorruptArtifactError, match=r"file does not hold the tensor 'other'.*`dymu cache verify`"
    ):
        load_tensor(tmp_path / "file", "other")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 10, None], ids=["empty", "nonsense", "absent"])
def test_a_file_that_is_no_file_of_tensors_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CorruptArtifactError, match=f"{path} does not hold the weights of SmallBlock"):
        load_module(module(), path)
    with pytest.raises(CorruptArtifactError, match=f"{path} does not hold the tensor 'values'"):
        load_tensor(path, "values")


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net"
    save_module(module(), path)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CorruptArtifactError, match="does not hold the weights of SmallBlock"):
        load_module(module(), path)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    save_module(module(channels=2), tmp_path / "net")
    with pytest.raises(CorruptArtifactError, match="does not hold the weights of SmallBlock"):
        load_module(module(channels=3), tmp_path / "net")


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"cannot write .*missing/net"):
        save_module(module(), tmp_path / "missing" / "net")
