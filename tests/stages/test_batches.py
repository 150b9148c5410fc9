import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dymu.data.examples import Examples, draw_batch
from dymu.errors import TrainingError
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


Make = Callable[..., Batches]


@pytest.fixture
def batches() -> Iterator[Make]:
    """Makes batches of a stage that ends with the test."""
    with ExitStack() as closing:

        def make(preparation: Shifted | None = None, world: World = ALONE) -> Batches:
            examples = Examples(
                images=torch.arange(10, dtype=torch.uint8).reshape(10, 1, 1, 1),
                targets={"digit": torch.arange(10)},
                digest="d",
                preparation=preparation,
            )
            context: Any = SimpleNamespace(world=world, device="cpu", closing=closing)
            return Batches(examples=examples, size=5, context=context, random=RANDOM)

        yield make


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("dymu-ahead")}


def here() -> bool:
    return threading.current_thread() is threading.main_thread()


def test_a_batch_is_a_function_of_its_number(batches: Make) -> None:
    again = batches(Shifted())
    for number in (4, 0, 4):
        assert torch.equal(again.at(number).images, batches(Shifted()).at(number).images)
    assert not torch.equal(again.at(0).images, again.at(1).images)


def test_examples_are_those_that_the_stage_draws(batches: Make) -> None:
    expected = draw_batch(10, 5, RANDOM.torch("batch", 2))
    assert torch.equal(batches().at(2).targets["digit"], expected)


def test_a_batch_without_preparation_is_as_stored(batches: Make) -> None:
    assert batches().at(0).images.dtype == torch.uint8


def test_augmentation_changes_a_batch_that_is_otherwise_the_same(batches: Make) -> None:
    plain = batches(Shifted(num_draws=0)).at(0)
    changed = batches(Shifted()).at(0)
    assert torch.equal(plain.targets["digit"], changed.targets["digit"])
    moved = (changed.images - plain.images).flatten()
    assert bool((moved > 0).all())
    assert len(set(moved.tolist())) == 5


@pytest.mark.parametrize("size", [2, 3])
def test_an_example_is_changed_alike_however_many_ranks_there_are(batches: Make, size: int) -> None:
    whole = batches(Shifted()).at(1).images
    parts = [batches(Shifted(), World(rank=rank, size=size)).at(1).images for rank in range(size)]
    assert torch.equal(torch.cat(parts), whole)


def test_what_comes_out_needs_no_preparation_any_more(batches: Make) -> None:
    assert batches(Shifted()).at(0).preparation is None


def test_prepared_ahead_or_not_the_bits_are_the_same(batches: Make) -> None:
    running = batches(Shifted())
    for number in range(6):
        alone = batches(Shifted()).at(number)
        assert torch.equal(running.at(number).images, alone.images)


def test_the_thread_of_prepared_batches_ends_with_the_stage() -> None:
    before = threads()
    with ExitStack() as closing:
        examples = Examples(
            images=torch.zeros(10, 1, 1, 1), targets={}, digest="d", preparation=Shifted(num_draws=0)
        )
        context: Any = SimpleNamespace(world=ALONE, device="cpu", closing=closing)
        Batches(examples=examples, size=5, context=context, random=RANDOM).at(0)
        assert len(threads() - before) == 1
    assert threads() == before


def test_batches_that_need_no_preparation_need_no_thread(batches: Make) -> None:
    before = threads()
    batches().at(0)
    assert threads() == before


def test_what_fails_while_a_batch_is_prepared_reaches_the_trainer(batches: Make) -> None:
    running = batches(Shifted(), World(rank=0, size=6))
    with pytest.raises(TrainingError, match="cannot be shared by 6 workers"):
        running.at(0)
    with pytest.raises(TrainingError, match="cannot be shared by 6 workers"):
        running.at(1)


def test_preparation_uses_as_many_threads_as_the_trainer(batches: Make) -> None:
    seen: list[int] = []

    class Counting(Shifted):
        def augmented(
            self, images: Tensor, targets: Mapping[str, Tensor], draws_BK: Tensor
        ) -> tuple[Tensor, Mapping[str, Tensor]]:
            seen.append(torch.get_num_threads())
            return super().augmented(images, targets, draws_BK)

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        running = batches(Counting())
        running.at(0)
        running.at(1)
    finally:
        torch.set_num_threads(before)
    assert set(seen) == {1}


def test_the_thread_uses_the_gpu_of_the_trainer(batches: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 3 if here() else 0)
    monkeypatch.setattr(Examples, "batch", lambda _, *asked: devices.append(asked[1]))
    running = batches(Shifted())
    running.context.device = "cuda"
    for number in range(3):
        running.at(number)
    assert set(devices) == {"cuda:3"}


@pytest.mark.gpu
def test_batches_on_a_gpu_are_those_of_the_cpu(batches: Make) -> None:
    running, there = batches(Shifted()), batches(Shifted())
    there.context.device = "cuda"
    for number in range(4):
        assert torch.equal(there.at(number).images.cpu(), running.at(number).images)
