"""Expected branches of a random refinement, against walks through everything that can be drawn."""

from itertools import product

import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.networks.tree import nodes_on_paths, paths, refined_tree
from dymu.objectives.partitions import check_num_tasks, expected_branches


def random_choices(layers: int, tasks: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(layers, tasks, tasks, generator=generator, dtype=torch.float64).softmax(dim=-1)


@pytest.mark.parametrize(("layers", "tasks"), [(1, 2), (3, 2), (2, 3), (1, 4)])
def test_it_is_the_mean_size_of_the_trees_that_draws_are_refined_to(layers: int, tasks: int) -> None:
    probs = random_choices(layers, tasks)
    expected = torch.zeros(layers, dtype=torch.float64)
    for draw in product(range(tasks), repeat=layers * tasks):
        choices = torch.tensor(draw).reshape(layers, tasks)
        weight = probs.gather(2, choices.unsqueeze(-1)).prod()
        tree = refined_tree(choices)
        expected += weight * nodes_on_paths(paths(tree.unsqueeze(0)))[0].sum(dim=1)
    torch.testing.assert_close(expected_branches(probs), expected)


def test_sure_choices_give_whole_numbers() -> None:
    together = torch.eye(5)[torch.zeros(2, 5, dtype=torch.long)]
    assert expected_branches(together).tolist() == [1.0, 1.0]
    choices = torch.tensor([[0, 0, 0, 1, 1], [0, 0, 0, 0, 0], [2, 2, 3, 0, 0], [0, 1, 2, 3, 4]])
    assert expected_branches(torch.eye(5)[choices]).tolist() == [2.0, 2.0, 3.0, 5.0]


def test_branches_never_become_fewer_from_layer_to_layer() -> None:
    branches = expected_branches(random_choices(6, 5))
    assert (branches.diff() >= 0).all()
    assert branches[0] > 1
    assert branches[-1] <= 5


def test_its_gradient_is_that_of_finite_differences() -> None:
    logits = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: expected_branches(x.softmax(dim=-1)), logits.requires_grad_())


def test_too_many_tasks_are_refused_with_their_number_of_partitions() -> None:
    check_num_tasks(5)
    for count in (6, 20):
        with pytest.raises(SpecError, match=rf"over {count} tasks .* 51,724,158,235,372 for 20.*\(LTB\)"):
            check_num_tasks(count)
    with pytest.raises(SpecError, match="over 6 tasks"):
        expected_branches(torch.full((1, 6, 6), 1 / 6))
