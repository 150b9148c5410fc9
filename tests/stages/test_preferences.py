"""Training preferences: on the simplex, of the asked concentration, from the generator alone."""

import numpy as np
import pytest
import torch
from torch import Tensor

from dymu.stages.preferences import draw_preferences


def draw(count: int = 4000, *, concentration: float = 0.2, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    return draw_preferences(count, num_tasks=3, concentration=concentration, rng=rng)


def test_rows_lie_on_the_simplex() -> None:
    task_preference, _ = draw()
    assert task_preference.shape == (4000, 3)
    assert (task_preference >= 0).all()
    torch.testing.assert_close(task_preference.sum(dim=1), torch.ones(4000))


def test_resource_preferences_fill_the_unit_interval() -> None:
    _, resource = draw()
    assert resource.shape == (4000,)
    assert ((resource >= 0) & (resource <= 1)).all()
    assert resource.mean().item() == pytest.approx(0.5, abs=0.02)


def test_numbers_are_single_precision() -> None:
    assert [part.dtype for part in draw(2)] == [torch.float32, torch.float32]


def test_tasks_are_preferred_alike() -> None:
    assert draw()[0].mean(dim=0).tolist() == pytest.approx([1 / 3] * 3, abs=0.02)


def test_variance_is_that_of_the_dirichlet_distribution() -> None:
    for concentration in (0.2, 1.0, 5.0):
        found = draw(concentration=concentration)[0].var(dim=0).mean().item()
        assert found == pytest.approx((1 / 3) * (2 / 3) / (3 * concentration + 1), rel=0.05)


def test_tiny_concentrations_give_finite_corners() -> None:
    task_preference, _ = draw(500, concentration=0.005)
    assert task_preference.isfinite().all()
    assert (task_preference.max(dim=1).values > 0.99).float().mean() > 0.9


def test_the_generator_decides() -> None:
    assert torch.equal(draw(5)[0], draw(5)[0])
    assert not torch.equal(draw(5)[0], draw(5, seed=1)[0])
