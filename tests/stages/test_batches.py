from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.data.examples import Examples, draw_batch
from dymu.stages.batches import Batches
from dymu.stages.randomness import Randomness
from dymu.stages.world import ALONE, World

RANDOM = Randomness(3, "anchor")


@dataclass(frozen=True)
class Shifted:
    """Adds each example's draws to its pixels; stored bytes become floats."""

    num_draws: int = 2

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        return images.float(), targets

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        return images.float() + draws_BK.sum(dim=1)[:, None, None, None], targets


def batches(preparation: Shifted | None = None, world: World = ALONE) -> Batches:
    examples = Examples(
        images=torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1),
        targets={"digit": torch.arange(10)},
        digest="d",
        preparation=preparation,
    )
    context: Any = SimpleNamespace(world=world, device="cpu")
    return Batches(examples=examples, size=5, context=context, random=RANDOM)


def test_a_batch_is_a_function_of_its_number() -> None:
    again = batches(Shifted())
    for number in (4, 0, 4):
        assert torch.equal(again.at(number).images, batches(Shifted()).at(number).images)
    assert not torch.equal(again.at(0).images, again.at(1).images)


def test_examples_are_those_that_the_stage_draws() -> None:
    expected = draw_batch(10, 5, RANDOM.torch("batch", 2))
    assert torch.equal(batches().at(2).targets["digit"], expected)


def test_a_batch_without_preparation_is_as_stored() -> None:
    assert batches().at(0).images.dtype == torch.uint8


def test_augmentation_changes_a_batch_that_is_otherwise_the_same() -> None:
    plain = batches(Shifted(num_draws=0)).at(0)
    changed = batches(Shifted()).at(0)
    assert torch.equal(plain.targets["digit"], changed.targets["digit"])
    moved = (changed.images - plain.images).flatten()
    assert bool((moved > 0).all())
    assert len(set(moved.tolist())) == 5


@pytest.mark.parametrize("size", [2, 3])
def test_an_example_is_changed_alike_however_many_ranks_there_are(size: int) -> None:
    whole = batches(Shifted()).at(1).images
    parts = [batches(Shifted(), World(rank=rank, size=size)).at(1).images for rank in range(size)]
    assert torch.equal(torch.cat(parts), whole)


def test_what_comes_out_needs_no_preparation_any_more() -> None:
    assert batches(Shifted()).at(0).preparation is None
