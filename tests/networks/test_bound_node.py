"""A node with scales, shifts and statistics of its own."""

import torch

from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.bound_node import BoundNode
from dymu.networks.norm import Moments, Node

CHANNELS = {0: slice(0, 3), 1: slice(3, 6)}
AFFINE = (torch.arange(6.0), torch.arange(6.0) + 10)


def part() -> Node:
    block = SmallBackbone(channels=(3,), resolutions=("keep",)).block(0, (2, 4, 4))
    block.number_norms()
    return block


def moments(low: float, count: int) -> Moments:
    return Moments(torch.arange(low, low + 3), torch.arange(low, low + 3) + 1, count)


def test_a_call_brings_its_scales_and_shifts() -> None:
    call = BoundNode(part(), CHANNELS, AFFINE, None).call("batch", {})
    assert call.mode == "batch"
    assert call.scale_PD is not None
    assert call.shift_PD is not None
    torch.testing.assert_close((call.scale_PD.data, call.shift_PD.data), (AFFINE[0][None], AFFINE[1][None]))


def test_a_node_without_affine_channels_brings_none() -> None:
    node = BoundNode(part(), {}, (torch.empty(0), torch.empty(0)), None)
    assert node.scale is None
    assert node.call("batch", {}).scale_PD is None
    assert {name.partition(".")[0] for name in node.state_dict()} == {"part"}


def test_statistics_are_stored_as_means_over_batches_and_replayed() -> None:
    node = BoundNode(part(), CHANNELS, AFFINE, None)
    node.store({0: moments(2.0, 2), 1: moments(8.0, 4)})
    assert node.mean is not None
    assert node.mean.tolist() == [[1.0, 1.5, 2.0, 2.0, 2.25, 2.5]]
    memory = node.call("replay", {}).memory
    assert memory[1].mean_sum.tolist() == [2.0, 2.25, 2.5]
    assert memory[1].variance_sum.tolist() == [2.25, 2.5, 2.75]
    assert memory[1].count == 1


def test_images_side_by_side_have_statistics_of_their_own() -> None:
    node = BoundNode(part(), {0: slice(0, 3)}, (AFFINE[0][:3], AFFINE[1][:3]), None)
    node.store({0: Moments(torch.arange(6.0), torch.ones(6))})
    assert node.mean is not None
    assert node.mean.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


def test_without_stored_statistics_nothing_is_replayed() -> None:
    collected: dict[int, Moments] = {}
    assert BoundNode(part(), CHANNELS, AFFINE, None).call("collect", collected).memory is collected
