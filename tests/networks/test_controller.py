"""The controller: preferences in, trees and adapted predictions out."""

import pytest
import torch

from dymu.errors import SpecError
from dymu.networks.anchor_net import single_task_nets
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.controller import Controller
from dymu.networks.edge_hypernet import make_edge_hypernet
from dymu.networks.forward import Conditions, tree_forward
from dymu.networks.preference_embedding import HypernetConfig
from dymu.networks.tree import most_likely_parents
from dymu.networks.weight_hypernet import make_weight_hypernet
from dymu.spec.task import Task

SIZE = HypernetConfig(embedding_dim=4, hidden_dim=8, embedding_std=2.0)
TASKS = tuple(Task(name=name, kind="classification", num_outputs=3) for name in ("a", "b", "c"))
PREFERENCES = torch.tensor([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]])


def make(*, adapted: bool) -> Controller:
    generator = torch.Generator().manual_seed(0)
    backbone = SmallBackbone(channels=(2, 3), resolutions=("halve", "keep"))
    net = single_task_nets(backbone, TASKS, (1, 8, 8), generator, common_initialisation=False)
    edge = make_edge_hypernet(SIZE, generator, num_tasks=3, num_layers=2)
    weight = make_weight_hypernet(SIZE, net, generator)
    with torch.no_grad():
        weight.heads.weight.normal_(0.0, 0.1, generator=generator)
    return Controller(net, edge, weight if adapted else None)


def test_trees_are_the_most_likely_ones() -> None:
    controller = make(adapted=False)
    expected = most_likely_parents(controller.edge(PREFERENCES, torch.full((2,), 0.5)))
    assert torch.equal(controller.parents(PREFERENCES, 0.5), expected)


def test_trees_follow_the_preference() -> None:
    grid = torch.eye(3)
    parents = make(adapted=False).parents(grid, 0.0)
    assert len({str(tree.tolist()) for tree in parents}) > 1


def test_without_a_weight_hypernet_nothing_is_adapted() -> None:
    assert make(adapted=False).adaptation(PREFERENCES, 0.5) is None


@pytest.mark.parametrize("adapted", [False, True])
def test_predictions_are_those_of_the_predicted_tree(adapted: bool) -> None:
    controller = make(adapted=adapted)
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    conditions = Conditions("batch", controller.adaptation(PREFERENCES, 0.25))
    together = tree_forward(controller.net, images, controller.parents(PREFERENCES, 0.25), conditions)
    alone = controller.predict(images, PREFERENCES[0], 0.25)
    for out, rows in zip(alone, together, strict=True):
        torch.testing.assert_close(out, rows[:, 0])


def test_control_parameters_are_those_of_both_hypernets() -> None:
    controller = make(adapted=True)
    assert controller.weight is not None
    both = [*controller.edge.parameters(), *controller.weight.parameters()]
    assert controller.num_control_parameters() == sum(parameter.numel() for parameter in both)


@pytest.mark.parametrize(
    ("preference", "resource", "message"),
    [
        ([0.5, 0.5], 0.0, "expected 3, one per task"),
        ([0.5, 0.6, 0.2], 0.0, "divide it by its sum"),
        ([1.5, -0.5, 0.0], 0.0, "not >= 0"),
        ([0.2, 0.3, 0.5], 1.5, r"expected a number in \[0, 1\]"),
    ],
)
def test_what_is_no_preference_is_refused(preference: list[float], resource: float, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        make(adapted=True).adaptation(torch.tensor([preference]), resource)
