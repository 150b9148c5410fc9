"""Draws have names and no past."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from dymu.stages.randomness import Randomness

Draw = Callable[[Randomness, str, int, int], list[float]]


def by_torch(random: Randomness, purpose: str, step: int, index: int) -> list[float]:
    values: list[float] = torch.rand(5, generator=random.torch(purpose, step, index)).tolist()
    return values


def by_numpy(random: Randomness, purpose: str, step: int, index: int) -> list[float]:
    values: list[float] = random.numpy(purpose, step, index).uniform(size=5).tolist()
    return values


@pytest.fixture(params=[by_torch, by_numpy])
def draw(request: pytest.FixtureRequest) -> Draw:
    function: Draw = request.param
    return function


def test_the_same_name_gives_the_same_draw(draw: Draw) -> None:
    assert draw(Randomness(1, "edge"), "batch", 2, 3) == draw(Randomness(1, "edge"), "batch", 2, 3)


def test_what_was_drawn_before_does_not_matter(draw: Draw) -> None:
    random = Randomness(1, "edge")
    first = draw(random, "batch", 2, 0)
    draw(random, "batch", 3, 0)
    assert draw(random, "batch", 2, 0) == first


@pytest.mark.parametrize(
    ("random", "purpose", "step", "index"),
    [
        (Randomness(2, "edge"), "batch", 2, 3),
        (Randomness(1, "weight"), "batch", 2, 3),
        (Randomness(1, "edge"), "preferences", 2, 3),
        (Randomness(1, "edge"), "batch", 3, 3),
        (Randomness(1, "edge"), "batch", 2, 4),
        (Randomness(1, "edge"), "batch", 3, 2),
    ],
    ids=["seed", "stage", "purpose", "step", "index", "step and index swapped"],
)
def test_another_name_gives_another_draw(
    draw: Draw, random: Randomness, purpose: str, step: int, index: int
) -> None:
    assert draw(random, purpose, step, index) != draw(Randomness(1, "edge"), "batch", 2, 3)


def test_keys_do_not_collide_and_fit_both_generators() -> None:
    keys = {
        Randomness(seed, stage).key(purpose, step, index)
        for seed in (0, 1, 11)
        for stage in ("anchor", "edge")
        for purpose in ("batch", "gumbel")
        for step in range(20)
        for index in range(20)
    }
    assert len(keys) == 3 * 2 * 2 * 20 * 20
    assert all(0 <= key < 2**63 for key in keys)


def test_keys_are_the_same_on_every_machine() -> None:
    assert Randomness(1, "edge").key("batch", 2, 3) == 668_161_540_257_488_893


def test_drawing_leaves_the_global_generators_alone(draw: Draw) -> None:
    before, before_numpy = torch.get_rng_state(), np.random.get_state(legacy=False)  # noqa: NPY002
    draw(Randomness(1, "edge"), "batch", 2, 3)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_equal(np.random.get_state(legacy=False), before_numpy)  # noqa: NPY002


def test_torch_draws_on_the_cpu_whatever_the_device() -> None:
    assert Randomness(1, "edge").torch("batch").device.type == "cpu"
