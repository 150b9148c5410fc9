"""A part of a split has the examples at its positions, and no copies of them."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from dymu.data.examples import Examples
from dymu.data.part import Part


class AddDraws:
    num_draws = 1

    def plain(self, images: Tensor, targets: Mapping[str, Tensor]) -> tuple[Tensor, Mapping[str, Tensor]]:
        return images.float(), targets

    def augmented(
        self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
    ) -> tuple[Tensor, Mapping[str, Tensor]]:
        return images + draws_BK[:, :, None, None], targets


@pytest.fixture
def examples() -> Examples:
    images = torch.arange(6.0).reshape(6, 1, 1, 1)
    return Examples(
        images=images, targets={"digit": torch.arange(6) * 10}, digest="d", preparation=AddDraws()
    )


def test_its_batches_are_those_of_its_positions(examples: Examples) -> None:
    part = Part.of(examples, torch.tensor([4, 1, 5]))
    batch = part.batch(torch.tensor([2, 0]))
    assert len(part) == 3
    assert batch.images.flatten().tolist() == [5.0, 4.0]
    assert batch.targets["digit"].tolist() == [50, 40]


def test_it_is_prepared_and_augmented_as_the_whole(examples: Examples) -> None:
    part = Part.of(examples, torch.tensor([4, 1, 5]))
    batch = part.batch(torch.tensor([1]), draws_BK=torch.tensor([[0.5]]))
    assert part.num_draws == 1
    assert batch.images.item() == 1.5
    assert part.digest == examples.digest


def test_nothing_is_copied(examples: Examples) -> None:
    part = Part.of(examples, torch.tensor([0]))
    assert part.images is examples.images
    assert part.targets is examples.targets
