"""Groups of blocks as branchable layers: what they compute is what the blocks compute."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save

from dymu.artifacts.config import changed
from dymu.errors import SpecError
from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.coarse import Coarse, Group
from dymu.networks.backbones.mobilenet_v2 import MobileNetV2
from dymu.networks.backbones.protocol import Backbone
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.backbones.units import Stems
from dymu.networks.costs import node_costs
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.forward import Adaptation, Conditions, tree_forward
from dymu.networks.norm import Node
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.pretrained import PretrainedWeights, load_pretrained
from dymu.networks.tree import separate_streams
from dymu.networks.weight_hypernet import num_modulated_channels
from dymu.spec.task import Task

SHAPE = (2, 8, 8)
TASKS = (
    Task(name="digit", kind="classification", num_outputs=4),
    Task(name="depth", kind="depth", num_outputs=1),
)
FINE = SmallBackbone(
    channels=(3, 4, 4, 5, 5), resolutions=("keep", "halve", "keep", "halve", "keep"), skip_layer=1
)
EACH = (0, 1, 2, 3, 4)
GROUPED = Coarse(backbone=FINE, ends=(1, 3, 4))


def net_of(backbone: Backbone) -> AnchorNet:
    """An untrained net of two streams that differ."""
    generator = torch.Generator().manual_seed(0)
    return single_task_nets(backbone, TASKS, SHAPE, generator, common_initialisation=False)


def dense_net(backbone: Backbone) -> AnchorNet:
    """An untrained net of two equal streams, for a backbone with dense heads."""
    return single_task_nets(backbone, TASKS[1:], (3, 32, 32), torch.Generator().manual_seed(0), num_streams=2)


def predictions(net: AnchorNet, *, adapted: bool = False) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(6, *SHAPE, generator=generator)
    adaptation = None
    if adapted:
        scale, shift = 0.3 * torch.randn(2, 1, num_modulated_channels(net), generator=generator)
        adaptation = Adaptation(scale, shift)
    return tree_forward(net, images, separate_streams(net.num_layers, 2), Conditions("batch", adaptation))


def test_a_grouped_backbone_is_a_backbone() -> None:
    assert isinstance(GROUPED, Backbone)
    assert GROUPED.num_layers == 3
    assert GROUPED.skip_layer == 0
    assert [list(GROUPED.members(layer)) for layer in range(3)] == [[0, 1], [2, 3], [4]]


def test_one_group_a_block_is_the_backbone_itself() -> None:
    fine, coarse = net_of(FINE).state_dict(), net_of(Coarse(backbone=FINE, ends=EACH)).state_dict()
    assert list(fine) == list(coarse)
    assert all(torch.equal(fine[name], coarse[name]) for name in fine)


@pytest.mark.parametrize("ends", [EACH, (1, 3, 4), (1, 4)], ids=str)
def test_groups_start_from_the_same_numbers(ends: tuple[int, ...]) -> None:
    fine, coarse = net_of(FINE), net_of(Coarse(backbone=FINE, ends=ends))
    pairs = zip(fine.parameters(), coarse.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


@pytest.mark.parametrize("ends", [EACH, (1, 3, 4), (1, 4)], ids=str)
@pytest.mark.parametrize("adapted", [False, True])
def test_groups_predict_what_the_blocks_predict(ends: tuple[int, ...], adapted: bool) -> None:
    fine, coarse = net_of(FINE), net_of(Coarse(backbone=FINE, ends=ends))
    assert num_modulated_channels(fine) == num_modulated_channels(coarse)
    pairs = zip(predictions(fine, adapted=adapted), predictions(coarse, adapted=adapted), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_a_group_numbers_the_normalisations_of_all_its_blocks() -> None:
    net = net_of(GROUPED)
    group = net.block(0, 1)
    assert isinstance(group, Group)
    assert [norm.position for norm in group.norms()] == [0, 1, 2, 3]
    assert [norm.offset for norm in group.norms()] == [0, 3, 6, 10]
    assert group.num_modulated() == 14


def test_shapes_are_those_at_the_ends_of_groups() -> None:
    fine = net_of(FINE).layer_shapes()
    assert net_of(GROUPED).layer_shapes() == [fine[1], fine[3], fine[4]]


def test_costs_of_a_group_are_the_sum_of_its_blocks() -> None:
    fine, coarse = node_costs(net_of(FINE)), node_costs(net_of(GROUPED))
    for of_blocks, of_groups in (
        (fine.parameters_LS, coarse.parameters_LS),
        (fine.macs_LS, coarse.macs_LS),
    ):
        sums = [of_blocks[list(GROUPED.members(layer))].sum(axis=0) for layer in range(3)]
        assert (of_groups == sums).all()
    assert (fine.head_macs_N == coarse.head_macs_N).all()


def test_the_edge_hypernet_has_a_head_for_each_group() -> None:
    sizes = [
        sum(
            parameter.numel()
            for parameter in make_edge_hypernet(
                HypernetConfig(), torch.Generator(), num_tasks=2, num_layers=backbone.num_layers
            ).parameters()
        )
        for backbone in (FINE, GROUPED)
    ]
    assert sizes[0] - sizes[1] == (5 - 3) * 101 * 2 * 2


@pytest.mark.parametrize("ends", [(), (1,), (1, 1, 4), (3, 1, 4), (-1, 4), (1, 5), (4, 1)], ids=str)
def test_ends_that_are_not_ascending_to_the_last_block_are_refused(ends: tuple[int, ...]) -> None:
    with pytest.raises(SpecError, match=r"Coarse\.ends is .*the last one 4: SmallBackbone has blocks 0 to 4"):
        Coarse(backbone=FINE, ends=ends)


def test_a_skip_layer_within_a_group_is_refused() -> None:
    with pytest.raises(SpecError, match=r"Coarse\.ends is \(0, 2, 4\); expected 1 among them"):
        Coarse(backbone=FINE, ends=(0, 2, 4))


@pytest.mark.parametrize("wrong", [{"backbone": 3}, {"ends": [1, 4]}], ids=str)
def test_fields_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(SpecError, match=rf"Coarse\.{next(iter(wrong))}"):
        changed(GROUPED, wrong)


@pytest.mark.parametrize("stems", ["shared", "per_stream"])
def test_weights_find_their_place_in_groups(stems: Stems, tmp_path: Path) -> None:
    fine = MobileNetV2(stems=stems)
    ends = (2, 5, 9, 14, 17)
    plain, generator = dense_net(fine), torch.Generator().manual_seed(3)
    state = {
        f"{theirs}.{name}": torch.rand(tensor.shape, generator=generator)
        for node in plain.modules()
        if isinstance(node, Node)
        for ours, theirs in node.pretrained_names.items()
        for name, tensor in node.get_submodule(ours).state_dict().items()
    }
    (tmp_path / "weights").mkdir()
    content = save(state)
    (tmp_path / "weights" / "toy.safetensors").write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    fine = changed(fine, {"pretrained": PretrainedWeights(file="toy.safetensors", sha256=digest)})
    one, other = dense_net(fine), dense_net(Coarse(backbone=fine, ends=ends))
    reports = [load_pretrained(net, tmp_path) for net in (one, other)]
    assert other.num_layers == 5
    assert reports[0].loaded == reports[1].loaded == tuple(sorted(state))
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(torch.equal(tensor, same) for tensor, same in pairs)
    assert not torch.equal(next(iter(plain.streams[0].parameters())), next(iter(one.streams[0].parameters())))


def test_the_last_normalisation_of_a_group_is_that_of_its_last_block() -> None:
    fine = MobileNetV2(final_affine=False)
    coarse = dense_net(Coarse(backbone=fine, ends=(2, 5, 9, 14, 17)))
    assert num_modulated_channels(coarse) == num_modulated_channels(dense_net(fine))
    assert coarse.num_parameters() == dense_net(fine).num_parameters()
