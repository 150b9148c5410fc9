import pytest
import torch

from dymu.data.examples import Examples, draw_batch
from dymu.errors import DataError
from dymu.spec.task import Task

TASKS = (
    Task(name="left", kind="classification", num_outputs=10),
    Task(name="right", kind="classification", num_outputs=10),
)


def examples(count: int, **targets: int) -> Examples:
    return Examples(
        images=torch.arange(count, dtype=torch.float32).reshape(count, 1, 1, 1),
        targets={name: torch.arange(length) for name, length in targets.items()},
        digest="d",
    )


def test_length_is_the_number_of_images() -> None:
    assert len(examples(5, left=5)) == 5


def test_complete_targets_are_accepted() -> None:
    examples(4, left=4, right=4).require(TASKS)


def test_a_missing_target_is_named_with_what_there_is() -> None:
    with pytest.raises(DataError, match=r"no targets for task 'right'; the data has targets for: left\."):
        examples(4, left=4).require(TASKS)


def test_no_targets_at_all_is_said() -> None:
    with pytest.raises(DataError, match="targets for: none"):
        examples(4).require(TASKS)


def test_a_target_of_another_length_is_named() -> None:
    with pytest.raises(DataError, match="task 'right' has 3 targets for 4 images"):
        examples(4, left=4, right=3).require(TASKS)


def test_an_empty_split_is_refused() -> None:
    with pytest.raises(DataError, match="the split is empty; raise the number of examples"):
        examples(0, left=0, right=0).require(TASKS)


def test_a_batch_keeps_images_and_targets_together() -> None:
    batch = examples(6, left=6, right=6).batch(torch.tensor([4, 1]))
    assert batch.images.flatten().tolist() == [4, 1]
    assert batch.targets["left"].tolist() == batch.targets["right"].tolist() == [4, 1]
    assert batch.digest == "d"


def test_a_drawn_batch_has_no_example_twice() -> None:
    drawn = draw_batch(10, 10, torch.Generator().manual_seed(0))
    assert sorted(drawn.tolist()) == list(range(10))


def test_a_drawn_batch_depends_on_its_generator_only() -> None:
    first, again, other = (draw_batch(100, 8, torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
