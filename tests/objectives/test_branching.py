"""Eqs. 3 to 6 and 9 against the printed equations as plain loops, then one property a test."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.artifacts.config import changed
from dymu.errors import SpecError
from dymu.objectives.branching import (
    DEFAULT_READING,
    BranchingReading,
    active_loss,
    active_tasks,
    branching_regularizer,
    gumbel_softmax,
    inactive_loss,
    standard_gumbel,
    temperature_at,
    usage,
)

Choices = Callable[..., Tensor]
Affinity = Callable[[int], Tensor]
Rows = Sequence[Sequence[Sequence[float]]]

DTYPES = [torch.float32, torch.float64]
# Of four tasks: some, all, one, none active.
ACTIVE = [(True, False, True, True), (True,) * 4, (False, False, True, False), (False,) * 4]
READINGS = [
    BranchingReading(layer_weight=layer_weight, usage_of=usage_of, pairs=pairs, reduction=reduction)
    for layer_weight in ("parent_layer", "child_layer", "printed_range", "none")
    for usage_of in ("child", "parent")
    for pairs in ("ordered", "unordered")
    for reduction in ("sum", "mean")
]


def usage_as_printed(nu: Rows) -> list[list[float]]:
    """Eq. 9 with nu[l][k][i]: node k of layer l + 1 takes node i of layer l."""
    num_layers, num_tasks = len(nu), len(nu[0])
    use = [[1.0] * num_tasks for _ in range(num_layers + 1)]
    for layer in range(num_layers - 1, -1, -1):
        for i in range(num_tasks):
            product = 1.0
            for k in range(num_tasks):
                product *= 1 - use[layer + 1][k] * nu[layer][k][i]
            use[layer][i] = 1 - product
    return use


def gap_as_printed(a: Sequence[float], b: Sequence[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))


def layer_weight_as_read(layer: int, num_layers: int, reading: BranchingReading) -> float:
    return {
        "parent_layer": (num_layers - layer) / num_layers,
        "child_layer": (num_layers - (layer + 1)) / num_layers,
        "printed_range": (num_layers - layer) / num_layers if layer >= 1 else 0.0,
        "none": 1.0,
    }[reading.layer_weight]


def active_loss_as_printed(
    nu: Rows,
    affinity: Sequence[Sequence[float]],
    active: Sequence[bool],
    *,
    reading: BranchingReading = DEFAULT_READING,
    use: list[list[float]] | None = None,
) -> float:
    """Eq. 3 as loops; ``use`` holds usage fixed, for the derivative of the detached reading."""
    num_layers, tasks = len(nu), [i for i, is_active in enumerate(active) if is_active]
    use = usage_as_printed(nu) if use is None else use
    total, terms = 0.0, 0
    for layer in range(num_layers):
        factor = layer_weight_as_read(layer, num_layers, reading)
        node_use = use[layer + 1] if reading.usage_of == "child" else use[layer]
        if reading.pairs == "ordered":
            pairs = [(i, j, affinity[i][j]) for i in tasks for j in tasks if i != j]
        else:
            pairs = [
                (i, j, (affinity[i][j] + affinity[j][i]) / 2) for i, j in itertools.combinations(tasks, 2)
            ]
        for i, j, alike in pairs:
            total += factor * alike * node_use[i] * node_use[j] * gap_as_printed(nu[layer][i], nu[layer][j])
            terms += 1
    return total / terms if reading.reduction == "mean" and terms else total


def inactive_loss_as_printed(
    nu: Rows, active: Sequence[bool], *, reading: BranchingReading = DEFAULT_READING
) -> float:
    """Eq. 5 as loops."""
    tasks = [i for i, is_active in enumerate(active) if is_active]
    others = [j for j, is_active in enumerate(active) if not is_active]
    if not tasks:
        return 0.0
    total, terms = 0.0, 0
    for rows in nu:
        for j in others:
            total += min(gap_as_printed(rows[i], rows[j]) for i in tasks)
            terms += 1
    return total / terms if reading.reduction == "mean" and terms else total


def one_hot_trees(*leading: int, layers: int, tasks: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    parents = torch.randint(tasks, (*leading, layers, tasks), generator=generator)
    return torch.nn.functional.one_hot(parents, tasks).double()


# --- Eq. 9 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("layers", "tasks"), [(1, 2), (3, 4), (5, 3), (8, 20)])
def test_usage_is_eq_9(choices: Choices, layers: int, tasks: int) -> None:
    probs = choices(3, layers=layers, tasks=tasks)
    expected = torch.tensor([usage_as_printed(nu.tolist()) for nu in probs], dtype=torch.float64)
    torch.testing.assert_close(usage(probs), expected, rtol=1e-13, atol=1e-13)


def test_usage_of_a_fixed_tree_is_its_reachable_set() -> None:
    trees = one_hot_trees(200, layers=4, tasks=4, seed=1)
    for tree, use in zip(trees, usage(trees), strict=True):
        parents = tree.argmax(dim=-1).tolist()
        reached = {(4, head) for head in range(4)}
        for layer in range(3, -1, -1):
            reached |= {(layer, parents[layer][k]) for k in range(4) if (layer + 1, k) in reached}
        assert {tuple(node) for node in use.nonzero().tolist()} == reached
        assert set(use.unique().tolist()) <= {0.0, 1.0}


def test_usage_accepts_any_leading_dimensions(choices: Choices) -> None:
    probs = choices(2, 3)
    assert usage(probs).shape == (2, 3, 4, 4)
    torch.testing.assert_close(usage(probs)[1, 2], usage(probs[1, 2]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_usage_is_a_probability(choices: Choices, dtype: torch.dtype) -> None:
    use = usage(choices(50, layers=8, tasks=20, dtype=dtype))
    assert use.dtype == dtype
    assert bool(((use >= 0) & (use <= 1)).all())


# --- Eq. 3 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reading", READINGS)
def test_active_loss_is_eq_3_in_every_reading(
    choices: Choices, affinity: Affinity, reading: BranchingReading
) -> None:
    probs, alike = choices(len(ACTIVE)), affinity(4)
    got = active_loss(probs, alike, torch.tensor(ACTIVE), reading=reading)
    expected = [
        active_loss_as_printed(nu.tolist(), alike.tolist(), active, reading=reading)
        for nu, active in zip(probs, ACTIVE, strict=True)
    ]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-14)


def test_float32_agrees_with_float64(choices: Choices, affinity: Affinity) -> None:
    active, alike, probs = torch.tensor(ACTIVE), affinity(4), choices(len(ACTIVE))
    for exact, single in (
        (active_loss(probs, alike, active), active_loss(probs.float(), alike.float(), active)),
        (inactive_loss(probs, active), inactive_loss(probs.float(), active)),
    ):
        assert single.dtype == torch.float32
        torch.testing.assert_close(single.double(), exact, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
def test_agreement_costs_exactly_nothing(choices: Choices, affinity: Affinity, dtype: torch.dtype) -> None:
    row = choices(2, layers=5, tasks=6, dtype=dtype)[..., :1, :]
    probs = row.expand(2, 5, 6, 6).clone().requires_grad_()
    active = torch.tensor([[True] * 6, [True, False] * 3])
    alike = affinity(6).to(dtype)
    total = active_loss(probs, alike, active) + inactive_loss(probs, active)
    assert total.tolist() == [0.0, 0.0]
    (grad,) = torch.autograd.grad(total.sum(), probs)
    assert not grad.any()


def test_active_loss_needs_two_active_tasks(choices: Choices, affinity: Affinity) -> None:
    active = torch.tensor([[False, True, False, False], [False] * 4])
    assert active_loss(choices(2), affinity(4), active).tolist() == [0.0, 0.0]


def test_unlike_active_tasks_are_free_to_differ(choices: Choices) -> None:
    # N = 2 with row-wise scaling: each off-diagonal affinity is zero.
    active = torch.ones(3, 2, dtype=torch.bool)
    assert active_loss(choices(3, tasks=2), torch.eye(2, dtype=torch.float64), active).tolist() == [0.0] * 3


def test_only_active_rows_enter_the_active_loss(choices: Choices, affinity: Affinity) -> None:
    probs = one_hot_trees(1, layers=1, tasks=4, seed=3)  # one layer: all choosing nodes are heads and used
    active = torch.tensor([[True, True, False, False]])
    other = probs.clone()
    other[:, :, 2:] = choices(1, layers=1, seed=8)[:, :, 2:]
    torch.testing.assert_close(
        active_loss(other, affinity(4), active), active_loss(probs, affinity(4), active)
    )


def test_unused_nodes_are_free_to_differ(affinity: Affinity) -> None:
    probs = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
    probs[0, 1, :, 0] = 1  # all heads read node 0 of layer 1, so its nodes 1 and 2 are unused
    probs[0, 0] = torch.eye(3, dtype=torch.float64)  # and may disagree with it
    probs[0, 0, 0] = torch.tensor([0.5, 0.5, 0.0])
    active = torch.ones(1, 3, dtype=torch.bool)
    assert active_loss(probs, affinity(3), active).tolist() == [0.0]
    parent = changed(DEFAULT_READING, {"usage_of": "parent"})
    assert active_loss(probs, affinity(3), active, reading=parent).item() > 0


def test_disagreement_costs_most_in_the_first_layer() -> None:
    ones = torch.ones(2, 2, dtype=torch.float64)
    agree = torch.tensor([[1.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    differ = torch.eye(2, dtype=torch.float64)
    # Usage 1 of every choosing node, so that only the layer's factor is left: heads or separate streams.
    first = torch.stack([differ, differ, differ])
    last = torch.stack([agree, agree, differ])
    middle = torch.stack([agree, differ, differ])
    active = torch.ones(3, 2, dtype=torch.bool)
    loss = active_loss(torch.stack([first, middle, last]), ones, active)
    torch.testing.assert_close(
        loss, 4 * torch.tensor([1 + 2 / 3 + 1 / 3, 2 / 3 + 1 / 3, 1 / 3], dtype=torch.float64)
    )


def test_affinity_index_order_matters_once_the_pair_is_weighed_by_both(choices: Choices) -> None:
    # Both orders of a pair count, so a transposed affinity is the same loss; one-sided affinity halves it.
    probs, active = choices(2), torch.ones(2, 4, dtype=torch.bool)
    full = torch.ones(4, 4, dtype=torch.float64)
    torch.testing.assert_close(
        active_loss(probs, full.triu(1), active), 0.5 * active_loss(probs, full, active)
    )


def test_usage_gradient_is_off_unless_asked_for(choices: Choices, affinity: Affinity) -> None:
    probs, alike, active = choices(layers=2, tasks=3), affinity(3), (True, True, False)
    use = usage_as_printed(probs.tolist())
    for reading, frozen in (
        (DEFAULT_READING, use),
        (changed(DEFAULT_READING, {"usage_gradient": "attached"}), None),
    ):
        leaf = probs.clone().requires_grad_()
        (grad,) = torch.autograd.grad(active_loss(leaf, alike, torch.tensor(active), reading=reading), leaf)
        numeric = torch.zeros_like(probs)
        for index in itertools.product(*map(range, probs.shape)):
            sides = []
            for sign in (1, -1):
                moved = probs.clone()
                moved[index] += sign * 1e-6
                sides.append(active_loss_as_printed(moved.tolist(), alike.tolist(), active, use=frozen))
            numeric[index] = (sides[0] - sides[1]) / 2e-6
        torch.testing.assert_close(grad, numeric, rtol=1e-6, atol=1e-8)


# --- Eq. 5 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("target", ["attached", "detached"])
def test_inactive_loss_is_eq_5(choices: Choices, reduction: Any, target: Any) -> None:
    probs = choices(len(ACTIVE))
    reading = BranchingReading(reduction=reduction, inactive_target=target)
    got = inactive_loss(probs, torch.tensor(ACTIVE), reading=reading)
    expected = [
        inactive_loss_as_printed(nu.tolist(), active, reading=reading)
        for nu, active in zip(probs, ACTIVE, strict=True)
    ]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
@pytest.mark.parametrize("active", [False, True])
def test_inactive_loss_without_two_groups_is_exactly_zero(
    choices: Choices, reduction: Any, active: bool
) -> None:
    probs = choices(2, dtype=torch.float32).requires_grad_()
    reading = BranchingReading(reduction=reduction)
    loss = inactive_loss(probs, torch.full((2, 4), active), reading=reading)
    assert loss.tolist() == [0.0, 0.0]
    (grad,) = torch.autograd.grad(loss.sum(), probs)
    assert not grad.any()


def test_inactive_target_can_be_detached(choices: Choices) -> None:
    active = torch.tensor([[True, False, True, False]])
    grads = {}
    for target in ("attached", "detached"):
        leaf = choices(1).requires_grad_()
        loss = inactive_loss(leaf, active, reading=changed(DEFAULT_READING, {"inactive_target": target}))
        (grads[target],) = torch.autograd.grad(loss.sum(), leaf)
    assert not grads["detached"][:, :, active[0]].any()
    assert grads["attached"][:, :, active[0]].any()
    torch.testing.assert_close(grads["detached"][:, :, ~active[0]], grads["attached"][:, :, ~active[0]])


def test_inactive_rows_follow_the_nearest_active_row_in_each_layer() -> None:
    rows = torch.tensor(
        [
            [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.9, 0.1, 0.0]],
            [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.0, 0.7, 0.3]],
        ],
        dtype=torch.float64,
    )
    loss = inactive_loss(rows, torch.tensor([True, True, False]))
    assert loss.item() == pytest.approx(2 * 0.1**2 + 2 * 0.3**2)


# --- Eq. 6 ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["attached", "detached"])
def test_regularizer_is_eq_6(choices: Choices, affinity: Affinity, target: Any) -> None:
    probs, alike, active = choices(len(ACTIVE)), affinity(4), torch.tensor(ACTIVE)
    resource = torch.tensor([0.0, 0.25, 1.0, 0.5], dtype=torch.float64)
    reading = BranchingReading(inactive_target=target)
    leaf = probs.clone().requires_grad_()
    terms = branching_regularizer(
        leaf,
        alike,
        active,
        resource_preference_P=resource,
        active_weight=1.5,
        inactive_weight=0.1,
        reading=reading,
    )
    other = probs.clone().requires_grad_()
    parts = (
        active_loss(other, alike, active, reading=reading),
        inactive_loss(other, active, reading=reading),
    )
    total = resource * 1.5 * parts[0] + 0.1 * parts[1]
    torch.testing.assert_close(tuple(terms), (total, *parts))
    assert terms.total[0].item() == pytest.approx(
        0.1 * inactive_loss_as_printed(probs[0].tolist(), ACTIVE[0])
    )
    torch.testing.assert_close(
        torch.autograd.grad(terms.total.sum(), leaf)[0], torch.autograd.grad(total.sum(), other)[0]
    )


@pytest.mark.parametrize("seed", range(5))
def test_relabelling_tasks_changes_nothing(choices: Choices, affinity: Affinity, seed: int) -> None:
    order = torch.randperm(4, generator=torch.Generator().manual_seed(seed))
    probs, alike, active = choices(len(ACTIVE), seed=seed), affinity(4), torch.tensor(ACTIVE)

    def regularizer(probs: Tensor, alike: Tensor, active: Tensor) -> Tensor:
        return branching_regularizer(
            probs,
            alike,
            active,
            resource_preference_P=torch.ones(len(ACTIVE), dtype=torch.float64),
            active_weight=1.0,
            inactive_weight=0.1,
        ).total

    moved = regularizer(probs[..., order, :][..., order], alike[order][:, order], active[:, order])
    torch.testing.assert_close(moved, regularizer(probs, alike, active))
    torch.testing.assert_close(usage(probs[..., order, :][..., order]), usage(probs)[..., order])


@pytest.mark.parametrize("usage_of", ["child", "parent"])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_gradients_agree_with_finite_differences(
    choices: Choices, affinity: Affinity, usage_of: Any, reduction: Any
) -> None:
    reading = BranchingReading(usage_of=usage_of, reduction=reduction, usage_gradient="attached")
    logits = choices(len(ACTIVE), layers=2).log().requires_grad_()
    resource = torch.linspace(0.1, 1, len(ACTIVE), dtype=torch.float64)

    def regularizer(logits: Tensor) -> Tensor:
        return branching_regularizer(
            logits.softmax(dim=-1),
            affinity(4),
            torch.tensor(ACTIVE),
            resource_preference_P=resource,
            active_weight=1.0,
            inactive_weight=0.3,
            reading=reading,
        ).total

    assert torch.autograd.gradcheck(regularizer, logits)


@pytest.mark.parametrize("gradient", ["detached", "attached"])
def test_extreme_choices_stay_finite_in_float32(affinity: Affinity, gradient: Any) -> None:
    reading = BranchingReading(usage_gradient=gradient)
    spread = torch.tensor([0.0, 1.0, 80.0, 1e4, 1e30]).view(-1, 1, 1, 1)
    signs = torch.randn(5, 8, 6, 6, generator=torch.Generator().manual_seed(4))
    logits = (spread * signs).requires_grad_()
    noise = standard_gumbel(torch.tensor([0.0, 1.0, 0.5, 1e-30, 1 - 1e-7, 0.0]))
    active = torch.tensor([[True] * 6, [False] * 6, [True] + [False] * 5, [True, False] * 3, [True] * 6])
    for temperature in (1e-6, 0.1, 5.0):
        probs = gumbel_softmax(logits, noise.expand_as(logits), temperature)
        loss = branching_regularizer(
            probs,
            affinity(6).float(),
            active,
            resource_preference_P=torch.ones(5),
            active_weight=1.0,
            inactive_weight=0.1,
            reading=reading,
        ).total
        (grad,) = torch.autograd.grad(loss.sum(), logits)
        assert bool(probs.isfinite().all())
        assert bool(loss.isfinite().all())
        assert bool(grad.isfinite().all())


# --- Eq. 4 and the schedule ----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_gumbel_softmax_is_eq_4(choices: Choices, dtype: torch.dtype) -> None:
    alpha = choices(1, layers=1, dtype=dtype)[0, 0]
    uniform = torch.rand(4, 4, generator=torch.Generator().manual_seed(5), dtype=dtype)
    got = gumbel_softmax(alpha.log() + 7, standard_gumbel(uniform), 0.7)
    for i in range(4):
        terms = []
        for m in range(4):
            gumbel = -math.log(-math.log(uniform[i, m].item()))
            terms.append(math.exp((math.log(alpha[i, m].item()) + gumbel) / 0.7))
        expected = torch.tensor([term / sum(terms) for term in terms], dtype=dtype)
        torch.testing.assert_close(got[i], expected, rtol=1e-4, atol=1e-6)


def test_samples_have_the_frequencies_of_alpha() -> None:
    alpha = torch.tensor([0.5, 0.3, 0.2])
    uniform = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(6))
    picks = gumbel_softmax(alpha.log().expand(20_000, 3), standard_gumbel(uniform), 0.1).argmax(dim=-1)
    torch.testing.assert_close(picks.bincount() / 20_000, alpha, atol=0.015, rtol=0)


def test_low_temperature_makes_one_hot_and_high_temperature_uniform() -> None:
    logits, noise = torch.tensor([0.0, 1.0, 0.5]), torch.zeros(3)
    torch.testing.assert_close(gumbel_softmax(logits, noise, 1e-4), torch.tensor([0.0, 1.0, 0.0]))
    torch.testing.assert_close(gumbel_softmax(logits, noise, 1e6), torch.full((3,), 1 / 3), atol=1e-5, rtol=0)


def test_gumbel_softmax_gradient_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(7)
    logits = torch.randn(3, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    noise = standard_gumbel(torch.rand(3, 4, generator=generator, dtype=torch.float64))
    assert torch.autograd.gradcheck(lambda x: gumbel_softmax(x, noise, 0.5), logits)


@pytest.mark.parametrize("dtype", DTYPES)
def test_gumbel_noise_is_finite_at_the_ends_and_rises(dtype: torch.dtype) -> None:
    noise = standard_gumbel(torch.tensor([0.0, 1e-3, 0.5, 0.999, 1.0], dtype=dtype))
    assert bool(noise.isfinite().all())
    assert bool((noise.diff() > 0).all())


def test_temperature_follows_the_papers_schedule() -> None:
    def at(step: int) -> float:
        return temperature_at(step, start=5.0, decay=0.97, every=300, floor=0.1)

    assert [at(step) for step in (0, 299, 300)] == pytest.approx([5.0, 5.0, 4.85])
    assert at(30_000) == pytest.approx(5 * 0.97**100)
    assert at(10**6) == 0.1


# --- Active tasks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_task_at_the_threshold_is_active(dtype: torch.dtype) -> None:
    uniform = torch.full((1, 3), 1 / 3, dtype=dtype)
    assert active_tasks(uniform, 1 / 3).tolist() == [[True] * 3]
    assert active_tasks(torch.tensor([[0.2, 0.1, 0.7]], dtype=dtype), 0.2).tolist() == [[True, False, True]]


def test_threshold_zero_makes_all_active_and_one_only_the_sole_task() -> None:
    preferences = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]])
    assert active_tasks(preferences, 0.0).all()
    assert active_tasks(preferences, 1.0).tolist() == [[True, False, False], [False] * 3]


def test_readings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(SpecError, match="layer_weight"):
        BranchingReading(layer_weight="linear")  # type: ignore[arg-type]
