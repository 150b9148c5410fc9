"""The anchor net: streams of blocks, heads, and one common initialisation."""

from collections.abc import Callable

import torch

from dymu.networks.anchor_net import AnchorNet, single_task_nets
from dymu.networks.backbones.protocol import Block, Head
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.norm import NormCall
from dymu.spec.task import Task

MakeNet = Callable[..., AnchorNet]
BACKBONE = SmallBackbone(channels=(2, 3), resolutions=("keep", "halve"))


def make(tasks: tuple[Task, ...], *, common: bool = True, seed: int = 0) -> AnchorNet:
    generator = torch.Generator().manual_seed(seed)
    return single_task_nets(BACKBONE, tasks, (1, 6, 6), generator, common_initialisation=common)


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(one.parameters(), other.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_there_is_a_stream_and_a_head_for_each_task(tasks: tuple[Task, ...]) -> None:
    net = make(tasks)
    assert (net.num_streams, net.num_layers, len(net.heads)) == (3, 2, 3)
    assert isinstance(net.block(1, 2), Block)
    assert isinstance(net.head(2), Head)


def test_one_stream_serves_all_heads_of_a_shared_backbone(tasks: tuple[Task, ...]) -> None:
    net = single_task_nets(BACKBONE, tasks, (1, 6, 6), torch.Generator(), num_streams=1)
    assert (net.num_streams, len(net.streams), len(net.heads)) == (1, 1, 3)


def test_streams_of_a_common_initialisation_start_equal(tasks: tuple[Task, ...]) -> None:
    net = make(tasks)
    assert same(net.streams[0], net.streams[1])
    assert same(net.streams[0], net.streams[2])


def test_streams_of_a_common_initialisation_are_not_one(tasks: tuple[Task, ...]) -> None:
    net = make(tasks)
    with torch.no_grad():
        next(net.streams[1].parameters()).add_(1)
    assert not same(net.streams[0], net.streams[1])


def test_independent_streams_start_apart(tasks: tuple[Task, ...]) -> None:
    net = make(tasks, common=False)
    assert not same(net.streams[0], net.streams[1])
    assert not same(net.streams[1], net.streams[2])


def test_heads_of_like_tasks_start_apart() -> None:
    twins = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("one", "two"))
    net = make(twins)
    assert not same(net.head(0), net.head(1))


def test_the_generator_decides_all_numbers(tasks: tuple[Task, ...]) -> None:
    assert same(make(tasks, seed=4), make(tasks, seed=4))
    assert not same(make(tasks, seed=4), make(tasks, seed=5))


def test_nodes_come_by_stream_and_layer_then_heads(make_net: MakeNet) -> None:
    net = make_net()
    blocks = [net.block(layer, stream) for stream in range(3) for layer in range(3)]
    expected = [*blocks, *(net.head(task) for task in range(3))]
    assert all(a is b for a, b in zip(net.nodes(), expected, strict=True))


def test_layer_shapes_are_what_the_blocks_give(make_net: MakeNet, images: torch.Tensor) -> None:
    net = make_net()
    features = images.unsqueeze(1)
    for layer, shape in enumerate(net.layer_shapes()):
        features = net.block(layer, 0)(features, NormCall())
        assert tuple(features.shape[2:]) == shape


def test_parameters_of_nodes_are_all_parameters(make_net: MakeNet) -> None:
    net = make_net()
    assert net.num_parameters() == sum(parameter.numel() for parameter in net.parameters())


def test_every_node_knows_where_its_channels_begin(make_net: MakeNet) -> None:
    for node in make_net().nodes():
        norms = list(node.norms())
        assert [norm.position for norm in norms] == list(range(len(norms)))
        widths = [norm.num_channels if norm.affine else 0 for norm in norms]
        assert [norm.offset for norm in norms] == [sum(widths[:number]) for number in range(len(widths))]
