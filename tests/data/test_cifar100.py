import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dymu.data.cifar100 import CIFAR100, PIXELS
from dymu.data.cifar100_files import COARSE_LABELS
from dymu.data.examples import DataPlace, Examples
from dymu.data.official import Official, silent
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from tests.data.cifar100_tree import COARSE_OF_FINE, records, write_binary, write_python

TINY = CIFAR100(num_val=10)


@pytest.fixture(scope="module")
def binary(tmp_path_factory: pytest.TempPathFactory) -> DataPlace:
    """Six training and two test pictures per class: 30 and 10 per task."""
    folder = tmp_path_factory.mktemp("cifar100")
    write_binary(folder / "root")
    return DataPlace(cache_dir=folder / "cache", root=folder / "root")


@pytest.fixture
def python(tmp_path: Path) -> DataPlace:
    write_python(tmp_path / "root")
    return DataPlace(cache_dir=tmp_path / "cache", root=tmp_path / "root")


def fine_labels_of(images_KPCHW: torch.Tensor, rows: np.ndarray) -> np.ndarray:
    """Fine labels of joint examples, found by comparing pixels with the records."""
    label = {row[2:].tobytes(): row[1] for row in rows}
    pixels = images_KPCHW.numpy().reshape(*images_KPCHW.shape[:2], -1)
    return np.array([[label[picture.tobytes()] for picture in example] for example in pixels])


def test_it_is_in_an_official_layout() -> None:
    assert isinstance(CIFAR100(), Official)


def test_tasks_are_the_coarse_labels_in_their_order() -> None:
    assert tuple(task.name for task in CIFAR100().tasks) == COARSE_LABELS
    assert len(set(COARSE_LABELS)) == 20
    assert list(COARSE_LABELS) == sorted(COARSE_LABELS)
    assert {(task.kind, task.num_outputs, task.loss_weight) for task in CIFAR100().tasks} == {
        ("classification", 5, 1.0)
    }


@pytest.mark.parametrize(("split", "count"), [(Split.TRAIN, 20), (Split.VAL, 10), (Split.TEST, 10)])
def test_joint_examples_hold_a_picture_of_every_task(binary: DataPlace, split: Split, count: int) -> None:
    examples = TINY.load(split, binary)
    assert examples.images.shape == (count, 20, 3, 32, 32)
    assert examples.images.dtype == torch.uint8
    for task in TINY.tasks:
        assert examples.targets[task.name].shape == (count,)
        assert examples.targets[task.name].dtype == torch.int64


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL, Split.TEST])
def test_picture_and_class_belong_to_the_task(binary: DataPlace, split: Split) -> None:
    examples = TINY.load(split, binary)
    rows = records(2, seed=2) if split is Split.TEST else records(6, seed=1)
    fine_KP = fine_labels_of(examples.images, rows)
    assert (COARSE_OF_FINE[fine_KP] == np.arange(20)).all()
    for index, name in enumerate(COARSE_LABELS):
        own = np.flatnonzero(index == COARSE_OF_FINE)
        assert (own[examples.targets[name].numpy()] == fine_KP[:, index]).all()


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VAL, Split.TEST])
def test_classes_are_equally_frequent(binary: DataPlace, split: Split) -> None:
    examples = TINY.load(split, binary)
    for target in examples.targets.values():
        assert torch.bincount(target, minlength=5).tolist() == [len(examples) // 5] * 5


def test_fewer_pictures_are_the_first_ones_and_equally_many_of_each_class(binary: DataPlace) -> None:
    whole = TINY.load(Split.TRAIN, binary)
    fewer = CIFAR100(num_val=10, num_train=10, num_test=5).load(Split.TRAIN, binary)
    assert torch.equal(fewer.images, whole.images[:10])
    assert all(torch.bincount(target).tolist() == [2] * 5 for target in fewer.targets.values())
    test = CIFAR100(num_val=10, num_test=5).load(Split.TEST, binary)
    assert len(test) == 5


def test_the_hold_out_does_not_depend_on_the_number_of_training_pictures(binary: DataPlace) -> None:
    one, other = (CIFAR100(num_val=10, num_train=n).load(Split.VAL, binary) for n in (None, 5))
    assert torch.equal(one.images, other.images)
    assert one.digest != other.digest


def test_no_picture_is_in_two_splits(binary: DataPlace) -> None:
    parts = [TINY.load(split, binary).images.flatten(0, 1) for split in (Split.TRAIN, Split.VAL, Split.TEST)]
    pictures = torch.cat(parts).flatten(1)
    assert len(pictures) == 800
    assert len(pictures.unique(dim=0)) == 800


def test_splits_of_one_dataset_carry_one_digest(binary: DataPlace) -> None:
    assert len({TINY.load(split, binary).digest for split in (Split.TRAIN, Split.VAL, Split.TEST)}) == 1


def test_another_seed_holds_out_other_pictures(binary: DataPlace) -> None:
    one, other = TINY.load(Split.VAL, binary), CIFAR100(num_val=10, seed=1).load(Split.VAL, binary)
    assert not torch.equal(one.images, other.images)
    assert one.digest != other.digest


def test_both_layouts_give_the_same_examples(binary: DataPlace, python: DataPlace) -> None:
    for split in (Split.TRAIN, Split.VAL, Split.TEST):
        one, other = TINY.load(split, binary), TINY.load(split, python)
        assert torch.equal(one.images, other.images)
        assert one.digest == other.digest


def test_a_batch_is_ready_for_a_network(binary: DataPlace) -> None:
    examples = TINY.load(Split.TRAIN, binary)
    batch = examples.batch(torch.tensor([3, 1]))
    assert batch.images.dtype == torch.float32
    assert batch.preparation is None
    expected = (examples.images[3, 4, 2].float() - PIXELS.mean[2]) / PIXELS.deviation[2]
    assert torch.allclose(batch.images[0, 4, 2], expected)


def test_augmentation_takes_three_draws_per_picture(binary: DataPlace) -> None:
    examples = TINY.load(Split.TRAIN, binary)
    assert examples.num_draws == 60
    index, middle = torch.tensor([0]), torch.full((1, 60), 0.5)
    plain, same = examples.batch(index), examples.batch(index, draws_BK=middle)
    assert torch.equal(plain.images, same.images)
    middle[0, 3 * 7 + 2] = 0.1
    mirrored = examples.batch(index, draws_BK=middle)
    assert torch.equal(mirrored.images[:, 7], plain.images[:, 7].flip(-1))
    assert torch.equal(mirrored.images[:, 8:], plain.images[:, 8:])


def test_augmentation_can_be_left_out(binary: DataPlace) -> None:
    examples = CIFAR100(num_val=10, augmentation=False).load(Split.TRAIN, binary)
    assert examples.num_draws == 0
    assert torch.equal(
        examples.batch(torch.arange(2)).images, TINY.load(Split.TRAIN, binary).batch(torch.arange(2)).images
    )


def test_reduced_settings_share_the_decoded_data(binary: DataPlace, tmp_path: Path) -> None:
    place = DataPlace(cache_dir=tmp_path / "cache", root=binary.root)
    for dataset in (TINY, CIFAR100(num_val=10, num_train=5), CIFAR100(num_val=5, augmentation=False)):
        dataset.load(Split.TRAIN, place)
    (folder,) = [path.name for path in place.cache_dir.iterdir() if path.is_dir()]
    assert folder.startswith("cifar100files-")


def test_missing_files_are_one_error_with_what_to_do(tmp_path: Path) -> None:
    place = DataPlace(cache_dir=tmp_path / "cache", root=tmp_path)
    with pytest.raises(DataError) as caught:
        CIFAR100().load(Split.TRAIN, place)
    message = str(caught.value)
    assert "train.bin: is missing" in message
    assert "test.bin: is missing" in message
    assert "dymu data fetch cifar100" in message


def test_no_root_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"--data-root DIR or DYMU_DATA"):
        CIFAR100().load(Split.TRAIN, DataPlace(cache_dir=tmp_path))


def test_a_label_out_of_range_is_refused(tmp_path: Path) -> None:
    path = write_binary(tmp_path) / "train.bin"
    content = bytearray(path.read_bytes())
    content[1] = 200
    path.write_bytes(content)
    place = DataPlace(cache_dir=tmp_path / "cache", root=tmp_path)
    with pytest.raises(DataError, match=r"train\.bin has fine label 200 in record 0, expected 0 to 99"):
        TINY.load(Split.TRAIN, place)


@pytest.mark.parametrize(
    "dataset", [CIFAR100(), CIFAR100(num_val=30), CIFAR100(num_val=10, num_train=21)], ids=str
)
def test_data_with_too_few_pictures_is_refused(binary: DataPlace, dataset: CIFAR100) -> None:
    with pytest.raises(DataError, match=r"the data has 30 pictures per task .* too few for CIFAR100"):
        dataset.load(Split.TRAIN, binary)


def test_too_few_test_pictures_are_refused(binary: DataPlace) -> None:
    with pytest.raises(DataError, match="the data has 10 pictures per task where test pictures come from"):
        CIFAR100(num_val=10, num_test=11).load(Split.TEST, binary)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_train", 0),
        ("num_train", 2251),
        ("num_val", 0),
        ("num_val", 2500),
        ("num_test", 501),
        ("seed", -1),
    ],
)
def test_counts_without_sense_are_refused(field: str, value: Any) -> None:
    with pytest.raises(SpecError, match=rf"CIFAR100\.{field} is {value}; expected"):
        CIFAR100(**{field: value})


@pytest.fixture(scope="module")
def real(official_root: Path, tmp_path_factory: pytest.TempPathFactory) -> DataPlace:
    if not list(official_root.glob("cifar-100-*")):
        pytest.skip("the data root has no CIFAR-100")
    return DataPlace(cache_dir=tmp_path_factory.mktemp("real"), root=official_root)


@pytest.mark.data
def test_the_official_data_is_whole(real: DataPlace) -> None:
    assert real.root is not None
    scan = CIFAR100().scan(real.root, silent)
    assert scan.findings == ()
    assert scan.counts == {"train": 50000, "test": 10000}


@pytest.mark.data
@pytest.mark.parametrize(("split", "count"), [(Split.TRAIN, 2250), (Split.VAL, 250), (Split.TEST, 500)])
def test_the_official_data_has_the_official_counts(real: DataPlace, split: Split, count: int) -> None:
    examples: Examples = CIFAR100().load(split, real)
    assert examples.images.shape == (count, 20, 3, 32, 32)
    for target in examples.targets.values():
        assert torch.bincount(target).tolist() == [count // 5] * 5


@pytest.mark.data
def test_the_mean_and_deviation_are_those_of_the_official_training_part(real: DataPlace) -> None:
    whole = [CIFAR100().load(split, real).images for split in (Split.TRAIN, Split.VAL)]
    for channel in range(3):
        pixels = torch.cat([images[:, :, channel].flatten() for images in whole])
        histogram = torch.bincount(pixels, minlength=256).double()
        levels = torch.arange(256).double()
        mean = (histogram * levels).sum() / histogram.sum()
        deviation = ((histogram * (levels - mean) ** 2).sum() / histogram.sum()).sqrt()
        assert abs(mean - PIXELS.mean[channel]) < 1e-3
        assert abs(deviation - PIXELS.deviation[channel]) < 1e-3


def test_a_folder_that_was_removed_is_decoded_again(binary: DataPlace, tmp_path: Path) -> None:
    place = DataPlace(cache_dir=tmp_path / "cache", root=binary.root)
    before = TINY.load(Split.VAL, place).digest
    shutil.rmtree(place.cache_dir)
    assert TINY.load(Split.VAL, place).digest == before
