"""Nodes that networks share: which a tree uses, and what each network has of its own."""

from collections.abc import Callable

import torch
from torch import Tensor

from dymu.metrics.cost import reachable
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.forward import Adaptation
from dymu.networks.norm import Norm
from dymu.networks.shared_nodes import SharedNodes
from dymu.networks.tree import separate_streams, shared_stream

MakeNet = Callable[..., AnchorNet]
MakeTrees = Callable[..., Tensor]


def test_used_nodes_are_those_that_some_head_reaches(make_net: MakeNet, make_trees: MakeTrees) -> None:
    nodes = SharedNodes(make_net())
    for parents_LN in make_trees(6):
        used_LN = reachable(parents_LN[None].numpy())[0, :-1]
        used = nodes.used(parents_LN)
        blocks = [nodes.number(layer, stream) for layer, stream in zip(*used_LN.nonzero(), strict=True)]
        assert used.numbers == [*sorted(blocks), 9, 10, 11]
        assert [sorted(streams) for streams in used.tasks_of] == [
            row.nonzero()[0].tolist() for row in used_LN
        ]


def test_every_task_passes_through_each_layer_once(make_net: MakeNet, make_trees: MakeTrees) -> None:
    nodes = SharedNodes(make_net())
    for parents_LN in make_trees(6):
        used = nodes.used(parents_LN)
        for layer, tasks_of in enumerate(used.tasks_of):
            assert sorted(task for tasks in tasks_of.values() for task in tasks) == [0, 1, 2]
            for stream, tasks in tasks_of.items():
                assert all(used.path_NL[task][layer] == stream for task in tasks)


def test_a_node_is_made_once_and_shared(make_net: MakeNet) -> None:
    nodes = SharedNodes(make_net())
    used = nodes.used(shared_stream(3, 3)[0])
    one, other = (nodes.bound(used, {}, running=False) for _ in range(2))
    for number in used.numbers:
        assert one[number].part is other[number].part


def test_scales_are_the_anchors_unless_they_are_perturbed(make_net: MakeNet) -> None:
    net = make_net()
    nodes = SharedNodes(net)
    scales = torch.cat([norm.weight for norm in net.block(0, 0).norms() if norm.weight is not None])
    perturbed = Adaptation(torch.full_like(scales, 0.5)[None], torch.zeros_like(scales)[None])
    bound = nodes.bound(nodes.used(separate_streams(3, 3)[0]), {0: perturbed}, running=False)
    torch.testing.assert_close(bound[0].scale, torch.nn.Parameter(scales + 0.5, requires_grad=False))
    others = torch.cat([norm.weight for norm in net.block(1, 0).norms() if norm.weight is not None])
    torch.testing.assert_close(bound[1].scale, torch.nn.Parameter(others, requires_grad=False))


def test_what_a_network_has_of_its_own_is_in_memory_of_its_own(make_net: MakeNet) -> None:
    net = make_net()
    nodes = SharedNodes(net)
    used = nodes.used(shared_stream(3, 3)[0])
    perturbed = Adaptation(torch.zeros(1, 6), torch.zeros(1, 6))
    places = [tensor.data_ptr() for tensor in net.state_dict().values()]
    for adaptations in ({}, {}, {0: perturbed}):
        node = nodes.bound(used, adaptations, running=True)[0]
        own = [tensor for tensor in (node.scale, node.shift, node.mean, node.variance) if tensor is not None]
        assert len(own) == 4
        places += [tensor.untyped_storage().data_ptr() for tensor in own]
    assert len(places) == len(set(places))


def test_shared_parts_hold_no_scales_and_no_statistics(make_net: MakeNet) -> None:
    nodes = SharedNodes(make_net())
    for node in nodes.bound(nodes.used(separate_streams(3, 3)[0]), {}, running=False).values():
        for norm in node.part.modules():
            if isinstance(norm, Norm):
                assert not list(norm.parameters())
                assert not list(norm.buffers())
