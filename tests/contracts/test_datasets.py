"""Every dataset: a frozen config with tasks that its examples have targets for."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from dymu.artifacts.fingerprint import canonical, rebuild
from dymu.data.examples import DataPlace
from dymu.data.official import Official
from dymu.data.splits import Split
from dymu.spec.dataset import Dataset


@pytest.fixture
def small(dataset_class: Callable[..., Dataset]) -> Dataset:
    """The dataset with a handful of examples, if it is generated."""
    counts = {"num_train": 12, "num_val": 6, "num_test": 6}
    has_counts = set(counts) <= set(inspect.signature(dataset_class).parameters)
    if isinstance(dataset_class(), Official) or not has_counts:
        pytest.skip("reads files; has its own tests, marked data")
    return dataset_class(**counts)


def test_it_is_a_dataset(dataset_class: Callable[..., Dataset]) -> None:
    assert isinstance(dataset_class(), Dataset)


def test_its_tasks_have_different_names(dataset_class: Callable[..., Dataset]) -> None:
    names = [task.name for task in dataset_class().tasks]
    assert len(names) >= 2
    assert len(set(names)) == len(names)


def test_it_survives_a_record(dataset_class: Callable[..., Any]) -> None:
    assert rebuild(canonical(dataset_class())) == dataset_class()


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL, Split.TEST])
def test_a_split_has_images_of_the_stated_shape_and_all_targets(
    small: Dataset, split: Split, tmp_path: Path
) -> None:
    examples = small.load(split, DataPlace(cache_dir=tmp_path))
    examples.require(small.tasks)
    assert examples.images.shape[1:] == small.input_shape
    assert examples.images.dtype == torch.float32
    assert torch.isfinite(examples.images).all()
    for task in small.tasks:
        assert len(examples.targets[task.name]) == len(examples.images)


def test_it_is_the_same_every_time(small: Dataset, tmp_path: Path) -> None:
    first, second = (small.load(Split.VAL, DataPlace(cache_dir=tmp_path / name)) for name in "ab")
    assert first.digest == second.digest
    assert torch.equal(first.images, second.images)


def test_no_image_is_in_two_splits(small: Dataset, tmp_path: Path) -> None:
    parts = [
        small.load(split, DataPlace(cache_dir=tmp_path)).images
        for split in (Split.TRAIN, Split.VAL, Split.TEST)
    ]
    images = torch.cat(parts).flatten(1)
    assert len(images.unique(dim=0)) == len(images)
