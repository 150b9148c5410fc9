"""The branching regularizer: Eqs. 3 to 6 and 9, Appendix E.

``parent_probs_PLNN[p, l, child, parent]`` holds what the paper writes as nu: the (soft) choice of node
``child`` of layer l + 1 among the nodes of layer l, for l = 0 .. L-1. Layer L are the task heads. Letters: P
preferences in a batch, L layers of choices, N tasks and so nodes a layer. P stands for any leading
dimensions, also none. ``active_PN`` is boolean: the tasks whose preference reaches the threshold.

The paper leaves several points of Eqs. 3 and 5 open; :class:`BranchingReading` names them and the numbers in
its docstring are those of docs/protocol.md.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from dymu.artifacts.config import config


@config
class BranchingReading:
    """How Eqs. 3 and 5 are read where the paper is silent or does not fit its own notation.

    Attributes:
        layer_weight: No. 2, the factor (L - l) / L of Eq. 3, whose sum is printed over l = 1 .. L although
            nu^L does not exist. ``parent_layer``: (L - l) / L for l = 0 .. L-1. ``child_layer``: l is the
            layer of the choosing nodes, (L - 1 - l) / L, so the heads' choice is free. ``printed_range``:
            l = 1 .. L-1, so the first choice is free. ``none``: 1 (Table 6, "no layer weighting").
        usage_of: No. 3, whose use weighs a pair. ``child``: of the two nodes that choose, layer l + 1, as the
            text of Section 3.3.1 says. ``parent``: of nodes i and j of layer l, as Eq. 3 is printed.
        usage_gradient: No. 5. ``attached`` lets the active loss fall by making nodes unused.
        pairs: No. 6. ``ordered``: every pair counts twice, with A(i, j) and A(j, i), as printed.
            ``unordered``: once, with the mean of the two.
        inactive_target: No. 21. ``detached`` makes the active row a mere target in Eq. 5; ``attached`` is
            Eq. 5 as printed.
        reduction: No. 45. ``sum`` as printed; ``mean`` divides Eq. 3 by L and its number of pairs, and Eq. 5
            by L and its number of inactive tasks.
    """

    layer_weight: Literal["parent_layer", "child_layer", "printed_range", "none"] = "parent_layer"
    usage_of: Literal["child", "parent"] = "child"
    usage_gradient: Literal["detached", "attached"] = "detached"
    pairs: Literal["ordered", "unordered"] = "ordered"
    inactive_target: Literal["attached", "detached"] = "attached"
    reduction: Literal["sum", "mean"] = "sum"


DEFAULT_READING = BranchingReading()


class BranchingTerms(NamedTuple):
    """Eq. 6 and its parts, each (P,).

    Attributes:
        total: The regularizer, to be added to the task loss of each preference.
        active: Eq. 3, without its weight and without c.
        inactive: Eq. 5, without its weight.
    """

    total: Tensor
    active: Tensor
    inactive: Tensor


def active_tasks(preference_PN: Tensor, threshold: float) -> Tensor:
    """Which tasks are active: those whose preference is at least tau (section 3.3.1).

    Args:
        preference_PN: Task preferences.
        threshold: tau; 0 makes all active.

    Returns:
        (P, N) of bool.
    """
    return preference_PN >= threshold


def standard_gumbel(uniform: Tensor) -> Tensor:
    """Gumbel noise from uniform draws in [0, 1]; finite also for the draws 0 and 1."""
    limits = torch.finfo(uniform.dtype)
    return -torch.log(-torch.log(uniform.clamp(limits.tiny, 1 - limits.eps)))


def gumbel_softmax(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Soft samples of a categorical distribution over the last dimension, Eq. 4.

    Args:
        logits: (..., N) of any scale; alpha of Eq. 4 is their softmax.
        noise: Standard Gumbel noise of the same shape, see :func:`standard_gumbel`.
        temperature: zeta of Eq. 4, positive.

    Returns:
        Probabilities, rows sum to one.
    """
    assert temperature > 0, f"temperature must be positive, got {temperature}"
    return ((logits.log_softmax(dim=-1) + noise) / temperature).softmax(dim=-1)


def temperature_at(step: int, *, start: float, decay: float, every: int, floor: float) -> float:
    """Temperature of Eq. 4 in a training step (Appendix G).

    Args:
        step: Training steps done.
        start: Temperature of step 0.
        decay: Factor after each ``every`` steps.
        every: Training steps.
        floor: Least temperature.
    """
    return max(floor, start * decay ** (step // every))


def usage(parent_probs_PLNN: Tensor) -> Tensor:
    """Probability that a node is part of the sampled tree, Eq. 9.

    Exact for one-hot choices. For soft ones the children of a node are treated as independent, as in the
    paper; that is exact only where they share no descendants.

    Args:
        parent_probs_PLNN: Choices, rows sum to one.

    Returns:
        (P, L + 1, N); the last row, the heads, is one.
    """
    child_use = torch.ones_like(parent_probs_PLNN[..., 0, :, 0])
    one = child_use.new_ones(())
    rows = [child_use]
    for layer_PNN in reversed(parent_probs_PLNN.unbind(dim=-3)):
        not_chosen = torch.addcmul(one, child_use.unsqueeze(-1), layer_PNN, value=-1)
        child_use = 1 - not_chosen.prod(dim=-2)
        rows.append(child_use)
    return torch.stack(rows[::-1], dim=-2)


def active_loss(
    parent_probs_PLNN: Tensor,
    affinity_NN: Tensor,
    active_PN: Tensor,
    *,
    reading: BranchingReading = DEFAULT_READING,
) -> Tensor:
    """Eq. 3: active tasks that are alike and whose nodes are used should choose the same parents.

    Args:
        parent_probs_PLNN: Choices.
        affinity_NN: A(i, j), need not be symmetric; all ones for "no affinity" (Table 6).
        active_PN: Active tasks.
        reading: Open points of the equation.

    Returns:
        (P,); exactly zero with fewer than two active tasks, and where all active rows agree.
    """
    gap_PLNN = _squared_gaps(parent_probs_PLNN, parent_probs_PLNN)
    return _active_loss(gap_PLNN, parent_probs_PLNN, affinity_NN, active_PN, reading)


def inactive_loss(
    parent_probs_PLNN: Tensor, active_PN: Tensor, *, reading: BranchingReading = DEFAULT_READING
) -> Tensor:
    """Eq. 5: each inactive task should choose as the most similar active one, layer by layer.

    Args:
        parent_probs_PLNN: Choices.
        active_PN: Active tasks.
        reading: Open points of the equation.

    Returns:
        (P,); exactly zero where no task or every task is active (docs/protocol.md, nos. 20 and 22).
    """
    return _inactive_loss(_gaps_to_target(parent_probs_PLNN, reading), active_PN, reading)


def branching_regularizer(
    parent_probs_PLNN: Tensor,
    affinity_NN: Tensor,
    active_PN: Tensor,
    *,
    resource_preference_P: Tensor,
    active_weight: float,
    inactive_weight: float,
    reading: BranchingReading = DEFAULT_READING,
) -> BranchingTerms:
    """Eq. 6: ``c * active_weight * active_loss + inactive_weight * inactive_loss``.

    Args:
        parent_probs_PLNN: Choices.
        affinity_NN: Task affinity.
        active_PN: Active tasks.
        resource_preference_P: c of each preference.
        active_weight: lambda_A.
        inactive_weight: lambda_I.
        reading: Open points of Eqs. 3 and 5.
    """
    gap_PLNN = _squared_gaps(parent_probs_PLNN, parent_probs_PLNN)
    active_P = _active_loss(gap_PLNN, parent_probs_PLNN, affinity_NN, active_PN, reading)
    if reading.inactive_target == "detached":
        gap_PLNN = _gaps_to_target(parent_probs_PLNN, reading)
    inactive_P = _inactive_loss(gap_PLNN, active_PN, reading)
    total_P = resource_preference_P * active_weight * active_P + inactive_weight * inactive_P
    return BranchingTerms(total_P, active_P, inactive_P)


def _squared_gaps(row_PLNN: Tensor, target_PLNN: Tensor) -> Tensor:
    """(P, L, N, N) squared distance of row i to target row j; agreeing rows give exactly zero."""
    return (row_PLNN.unsqueeze(-2) - target_PLNN.unsqueeze(-3)).square().sum(dim=-1)


def _gaps_to_target(parent_probs_PLNN: Tensor, reading: BranchingReading) -> Tensor:
    attached = reading.inactive_target == "attached"
    return _squared_gaps(parent_probs_PLNN, parent_probs_PLNN if attached else parent_probs_PLNN.detach())


def _active_loss(
    gap_PLNN: Tensor,
    parent_probs_PLNN: Tensor,
    affinity_NN: Tensor,
    active_PN: Tensor,
    reading: BranchingReading,
) -> Tensor:
    attached = reading.usage_gradient == "attached"
    usage_PLN = usage(parent_probs_PLNN if attached else parent_probs_PLNN.detach())
    usage_PLN = usage_PLN[..., 1:, :] if reading.usage_of == "child" else usage_PLN[..., :-1, :]
    node_PLN = usage_PLN * active_PN.unsqueeze(-2)
    layer_weight_L = _layer_weights(parent_probs_PLNN, reading)
    # i = j needs no exclusion: the gap of a row to itself is exactly zero, and so is its gradient.
    pair_PLNN = (
        node_PLN.unsqueeze(-1) * node_PLN.unsqueeze(-2) * (layer_weight_L[:, None, None] * affinity_NN)
    )
    loss_P = (pair_PLNN * gap_PLNN).sum(dim=(-3, -2, -1))
    if reading.reduction == "mean":
        # The mean over ordered pairs with A(i, j) is the mean over unordered ones with the mean affinity.
        num_active_P = active_PN.sum(dim=-1)
        num_terms_P = num_active_P * (num_active_P - 1) * len(layer_weight_L)
        return loss_P / num_terms_P.clamp(min=1)
    return loss_P if reading.pairs == "ordered" else 0.5 * loss_P


def _layer_weights(parent_probs_PLNN: Tensor, reading: BranchingReading) -> Tensor:
    """(L,) factor of each layer in Eq. 3."""
    num_layers = parent_probs_PLNN.shape[-3]
    falling_L = torch.arange(
        num_layers, 0, -1, dtype=parent_probs_PLNN.dtype, device=parent_probs_PLNN.device
    )
    match reading.layer_weight:
        case "parent_layer":
            return falling_L / num_layers
        case "child_layer":
            return (falling_L - 1) / num_layers
        case "printed_range":
            return falling_L * (falling_L < num_layers) / num_layers
        case "none":
            return torch.ones_like(falling_L)


def _inactive_loss(gap_PLNN: Tensor, active_PN: Tensor, reading: BranchingReading) -> Tensor:
    """Eq. 5 from gaps whose first index is the inactive row and whose second is the active one."""
    some_active_P1 = active_PN.any(dim=-1, keepdim=True)
    # With no active task every row is its own target: the minimum stays finite and its gap is zero.
    target_PN = active_PN | ~some_active_P1
    not_target_P1N = ~target_PN[..., None, None, :]
    nearest_PLN = gap_PLNN.masked_fill(not_target_P1N, torch.inf).amin(dim=-1)
    # An active row is its own nearest active row, so only inactive rows contribute.
    loss_P = nearest_PLN.sum(dim=(-2, -1))
    if reading.reduction == "mean":
        num_terms_P = (~active_PN).sum(dim=-1) * gap_PLNN.shape[-3]
        return loss_P / num_terms_P.clamp(min=1)
    return loss_P
