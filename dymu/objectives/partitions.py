"""How many branches a random refinement has: exact expectations over set partitions of the tasks.

In each layer every task draws one of N operations, independently. Tasks share a node of a layer if they drew
alike in this layer and in all before it, so the partition of the tasks in layer l is the meet (the coarsest
common refinement) of the partitions drawn in layers 0 to l. The distribution over partitions is carried from
layer to layer; there are Bell(N) of them: 52 for five tasks, 51,724,158,235,372 for twenty.
"""

from collections.abc import Iterable
from functools import cache
from itertools import product

import torch
from torch import Tensor

from dymu.errors import SpecError

MOST_TASKS = 5

Partition = tuple[int, ...]  # per task the number of its block; blocks are numbered by their first task


def check_num_tasks(num_tasks: int) -> None:
    """Refuse what cannot be enumerated.

    Raises:
        SpecError: For more than five tasks.
    """
    if num_tasks > MOST_TASKS:
        raise SpecError(
            f"the expected cost of a search over {num_tasks} tasks sums over all partitions of the tasks: 52 "
            f"for 5 tasks, 203 for 6, 51,724,158,235,372 for 20. Use at most {MOST_TASKS} tasks, or a search "
            "without a resource term (LTB)."
        )


def expected_branches(choice_probs_LNN: Tensor) -> Tensor:
    """(L,) expected number of nodes that run in each layer, differentiable.

    Args:
        choice_probs_LNN: [layer, task, operation], rows sum to one.

    Raises:
        SpecError: For more than five tasks.
    """
    num_tasks = choice_probs_LNN.shape[1]
    check_num_tasks(num_tasks)
    tables = _tables(num_tasks)
    device = choice_probs_LNN.device
    blocks_K = tables.blocks_K.to(device, choice_probs_LNN.dtype)
    drawn_LK = _drawn(choice_probs_LNN, tables.partition_of_A.to(device), len(blocks_K))
    meet = tables.meet_KK.to(device).flatten()
    reached_K, rows = drawn_LK[0], [drawn_LK[0]]
    for layer_K in drawn_LK[1:]:
        pairs = torch.outer(reached_K, layer_K).flatten()
        reached_K = torch.zeros_like(layer_K).index_add(0, meet, pairs)
        rows.append(reached_K)
    return torch.stack(rows) @ blocks_K


class _Tables:
    """Partitions of N tasks by number.

    Attributes:
        partition_of_A: Partition of each of the N^N assignments of operations to tasks, in lexical order.
        blocks_K: Blocks of each partition.
        meet_KK: Coarsest common refinement of two partitions.
    """

    def __init__(self, num_tasks: int) -> None:
        drawn = [_canonical(assignment) for assignment in product(range(num_tasks), repeat=num_tasks)]
        partitions = sorted(set(drawn))
        number = {partition: index for index, partition in enumerate(partitions)}
        self.partition_of_A = torch.tensor([number[partition] for partition in drawn])
        self.blocks_K = torch.tensor([max(partition) + 1 for partition in partitions])
        self.meet_KK = torch.tensor(
            [[number[_canonical(zip(one, other, strict=True))] for other in partitions] for one in partitions]
        )


@cache
def _tables(num_tasks: int) -> _Tables:
    return _Tables(num_tasks)


def _canonical(labels: Iterable[object]) -> Partition:
    first: dict[object, int] = {}
    return tuple(first.setdefault(label, len(first)) for label in labels)


def _drawn(choice_probs_LNN: Tensor, partition_of_A: Tensor, count: int) -> Tensor:
    """(L, K) probability that a layer's draws are a partition, whatever the layers before it drew."""
    joint_LA = choice_probs_LNN[:, 0]
    for probs_LN in choice_probs_LNN.unbind(1)[1:]:
        joint_LA = (joint_LA.unsqueeze(-1) * probs_LN.unsqueeze(-2)).flatten(1)
    return joint_LA.new_zeros(len(joint_LA), count).index_add(1, partition_of_A, joint_LA)
