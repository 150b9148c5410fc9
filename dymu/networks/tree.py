"""Trees inside an N-stream anchor net, as parent indices.

``parents_LN[l, j] = i``: node j of layer l + 1 reads node i of layer l. Layer L are the heads. The same
order as the parent probabilities of :mod:`dymu.objectives.branching`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from dymu.errors import SpecError


def most_likely_parents(parent_logits_PLNN: Tensor) -> Tensor:
    """(P, L, N) index of the most likely parent; ties go to the lowest stream (docs/protocol.md, no. 46).

    Args:
        parent_logits_PLNN: [preference, layer, child, parent].
    """
    best = parent_logits_PLNN.max(dim=-1, keepdim=True).values
    return (parent_logits_PLNN == best).to(torch.uint8).argmax(dim=-1)


def paths(parents_PLN: Tensor) -> Tensor:
    """(P, N, L) streams through which each head's features pass, layer 0 first.

    Args:
        parents_PLN: Trees as parent indices.
    """
    num_layers = parents_PLN.shape[1]
    current_PN = parents_PLN[:, num_layers - 1]
    out = [current_PN]
    for layer in reversed(range(num_layers - 1)):
        current_PN = parents_PLN[:, layer].gather(1, current_PN)
        out.append(current_PN)
    return torch.stack(out[::-1], dim=-1)


def task_paths(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """:func:`paths` of one tree as plain lists: for a single tree, faster than tensors of a few numbers."""
    out = []
    for task in range(len(parents[-1])):
        path = [task]
        for row in reversed(parents):
            path.append(row[path[-1]])
        out.append(path[:0:-1])
    return out


def nodes_on_paths(paths_PNL: Tensor) -> Tensor:
    """(P, L, N) whether node (l, i) lies on the path of some task: the nodes that run.

    Args:
        paths_PNL: By :func:`paths`.
    """
    used_PLN = torch.zeros(len(paths_PNL), paths_PNL.shape[2], paths_PNL.shape[1], dtype=torch.bool)
    return used_PLN.scatter_(2, paths_PNL.transpose(1, 2), True)


def separate_streams(num_layers: int, num_tasks: int) -> Tensor:
    """(1, L, N) the tree of N single-task nets: nothing is shared."""
    return torch.arange(num_tasks).expand(1, num_layers, num_tasks).contiguous()


def shared_stream(num_layers: int, num_tasks: int, stream: int = 0) -> Tensor:
    """(1, L, N) the tree in which all heads read one stream."""
    return torch.full((1, num_layers, num_tasks), stream)


def refined_tree(choices_LN: Tensor) -> Tensor:
    """(L, N) the tree of tasks that choose an operation a layer each: tasks that have parted stay apart.

    Args:
        choices_LN: Operation of each task in each layer.

    Returns:
        Parents; tasks that have chosen alike from layer 0 on share the stream of the first of them.
    """
    num_layers, num_tasks = choices_LN.shape
    rows = []
    for layer in range(num_layers):
        so_far = [tuple(column) for column in choices_LN[: layer + 1].T.tolist()]
        rows.append([so_far.index(so_far[task]) for task in range(num_tasks)])
    return torch.tensor(rows)


def check_preference(task_preference: Sequence[float], resource_preference: float, *, num_tasks: int) -> None:
    """Refuse a preference that no controller can follow.

    Raises:
        SpecError: If the task preference has the wrong length, a negative entry or does not sum to one, or
            the resource preference is outside [0, 1].
    """
    given = list(task_preference)
    if len(given) != num_tasks:
        raise SpecError(
            f"task preference {given} has {len(given)} entries; expected {num_tasks}, one per task."
        )
    if any(not value >= 0 for value in given):
        raise SpecError(
            f"task preference {given} has an entry that is not >= 0; preferences lie on the simplex."
        )
    if abs(sum(given) - 1.0) > 1e-4:
        raise SpecError(f"task preference {given} sums to {sum(given):.6g}; divide it by its sum.")
    if not 0.0 <= resource_preference <= 1.0:
        raise SpecError(f"resource preference is {resource_preference}; expected a number in [0, 1].")
