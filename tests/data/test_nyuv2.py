import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dymu.data.dense_files import BadFilesError
from dymu.data.examples import DataPlace
from dymu.data.nyuv2 import NYUv2, stored_classes, stored_depth
from dymu.data.official import Official, silent
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from tests.data.nyud_tree import TEST, TRAIN, write_nyud

SMALL = NYUv2(height=12, width=16, num_val=3)


@pytest.fixture
def place(tmp_path: Path) -> DataPlace:
    write_nyud(tmp_path / "root")
    return DataPlace(cache_dir=tmp_path / "cache", root=tmp_path / "root")


def folder(place: DataPlace) -> Path:
    assert place.root is not None
    return place.root / "NYUD_MT"


def problems(place: DataPlace, dataset: NYUv2 = SMALL) -> dict[str, str]:
    assert place.root is not None
    return {finding.path: finding.problem for finding in dataset.scan(place.root, silent).findings}


def test_tasks_and_weights_are_those_of_the_paper() -> None:
    found = [(task.name, task.num_outputs, task.loss_weight) for task in NYUv2().tasks]
    assert found == [("segmentation", 40, 1), ("normals", 3, 10), ("depth", 1, 3)]
    assert NYUv2(num_classes=13).tasks[0].num_outputs == 13
    assert NYUv2().input_shape == (3, 448, 576)


def test_it_is_official() -> None:
    assert isinstance(NYUv2(), Official)


def test_the_list_of_papers_is_the_test_split_and_validation_is_held_out(place: DataPlace) -> None:
    counts = {split: len(SMALL.load(split, place)) for split in Split}
    assert counts == {Split.TRAIN: len(TRAIN) - 3, Split.VAL: 3, Split.TEST: len(TEST)}


def test_targets_are_those_of_the_files(place: DataPlace) -> None:
    examples = SMALL.load(Split.TEST, place).batch(torch.arange(len(TEST)))
    for index, name in enumerate(TEST):
        raw = np.asarray(Image.open(folder(place) / "segmentation" / f"{name}.png")).astype(int)
        expected = torch.from_numpy(np.where(raw == 0, 255, raw - 1))
        assert torch.equal(examples.targets["segmentation"][index], expected)
        metres = torch.from_numpy(np.load(folder(place) / "depth" / f"{name}.npy"))
        torch.testing.assert_close(examples.targets["depth"][index, 0], metres, rtol=2**-11, atol=0)
        vectors = torch.from_numpy(np.load(folder(place) / "normals" / f"{name}.npy"))
        torch.testing.assert_close(
            examples.targets["normals"][index].permute(1, 2, 0), vectors, rtol=0, atol=0.007
        )


def test_images_are_normalised_pixels_of_the_files(place: DataPlace) -> None:
    dataset = NYUv2(height=12, width=16, num_val=3, normalisation="symmetric")
    images = dataset.load(Split.TEST, place).batch(torch.arange(len(TEST))).images
    pixels = np.asarray(Image.open(folder(place) / "images" / f"{TEST[0]}.jpg"))
    expected = torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(images[0], expected)


def test_unknown_pixels_are_those_without_direction_or_depth(place: DataPlace) -> None:
    targets = SMALL.load(Split.TRAIN, place).batch(torch.arange(4)).targets
    zero = (targets["normals"] == 0).all(dim=1)
    assert zero.sum() == 4
    assert zero[:, 0, 0].all()
    assert (targets["depth"] == 0).sum() == 4
    assert (targets["depth"][:, 0, 0, 1] == 0).all()


def test_files_of_another_size_are_resized(place: DataPlace) -> None:
    examples = NYUv2(height=8, width=8, num_val=3).load(Split.TEST, place).batch(torch.arange(3))
    assert examples.images.shape == (3, 3, 8, 8)
    assert examples.targets["depth"].shape == (3, 1, 8, 8)
    lengths = examples.targets["normals"].norm(dim=1)
    torch.testing.assert_close(lengths[lengths > 0], torch.ones(int((lengths > 0).sum())))


def test_caps_take_the_first_of_the_lists(place: DataPlace) -> None:
    capped = NYUv2(height=12, width=16, num_val=3, num_train=2, num_test=1)
    for split in (Split.TRAIN, Split.TEST):
        few, all_of_them = capped.load(split, place), SMALL.load(split, place)
        assert torch.equal(few.images, all_of_them.images[: len(few)])
        assert len(few) == {Split.TRAIN: 2, Split.TEST: 1}[split]


def test_augmentation_and_normalisation_share_what_is_decoded(place: DataPlace) -> None:
    SMALL.load(Split.VAL, place)
    before = sorted(place.cache_dir.iterdir())
    other = NYUv2(height=12, width=16, num_val=3, scales=(1.0,), flip=False, normalisation="symmetric")
    examples = other.load(Split.VAL, place)
    assert sorted(place.cache_dir.iterdir()) == before
    assert examples.num_draws == 0


def test_thirteen_classes_refuse_the_others(place: DataPlace) -> None:
    with pytest.raises(DataError, match=r"expected 0 \(unknown\) or a class from 1 to 13"):
        NYUv2(height=12, width=16, num_val=3, num_classes=13).load(Split.TRAIN, place)


def test_thirteen_classes_are_read(tmp_path: Path) -> None:
    write_nyud(tmp_path, num_classes=13)
    place = DataPlace(cache_dir=tmp_path / "cache", root=tmp_path)
    classes = (
        NYUv2(height=12, width=16, num_val=3, num_classes=13).load(Split.TRAIN, place).targets["segmentation"]
    )
    assert set(classes.unique().tolist()) == {*range(13), 255}


def test_a_sound_tree_has_no_findings_and_is_counted(place: DataPlace) -> None:
    told: list[tuple[int, int]] = []
    assert place.root is not None
    scan = SMALL.scan(place.root, lambda done, total: told.append((done, total)))
    assert scan.findings == ()
    assert scan.counts == {"train": 5, "val": 3, "test": 3}
    assert told == [(done, 11) for done in range(1, 12)]


def test_all_missing_files_are_one_error_that_says_how_to_get_them(place: DataPlace) -> None:
    (folder(place) / "depth" / "0001.npy").unlink()
    (folder(place) / "images" / "0102.jpg").unlink()
    with pytest.raises(DataError) as error:
        SMALL.load(Split.TRAIN, place)
    text = str(error.value)
    assert "depth/0001.npy: is missing" in text
    assert "images/0102.jpg: is missing" in text
    assert "NYUD_MT.tgz" in text


@pytest.mark.parametrize(
    "name", ["images/0001.jpg", "segmentation/0002.png", "normals/0003.npy", "depth/0004.npy"]
)
def test_a_truncated_file_is_found(place: DataPlace, name: str) -> None:
    file = folder(place) / name
    os.truncate(file, file.stat().st_size // 2)
    assert list(problems(place)) == [f"NYUD_MT/{name}"]
    with pytest.raises(DataError, match=name):
        SMALL.load(Split.TRAIN, place)


def test_a_wrong_shape_is_found(place: DataPlace) -> None:
    np.save(folder(place) / "depth" / "0001.npy", np.ones((16, 12), np.float32))
    problem = problems(place)["NYUD_MT/depth/0001.npy"]
    assert problem == "has shape (16, 12), expected (12, 16) as its picture has"


def test_a_class_out_of_range_is_found(place: DataPlace) -> None:
    Image.fromarray(np.full((12, 16), 41, np.uint8)).save(folder(place) / "segmentation" / "0001.png")
    assert "holds 41" in problems(place)["NYUD_MT/segmentation/0001.png"]


def test_depth_in_millimetres_is_found(place: DataPlace) -> None:
    np.save(folder(place) / "depth" / "0101.npy", np.full((12, 16), 2300, np.uint16))
    assert "expected metres" in problems(place)["NYUD_MT/depth/0101.npy"]


def test_an_empty_list_is_found(place: DataPlace) -> None:
    (folder(place) / "gt_sets" / "val.txt").write_text("\n")
    assert problems(place) == {"NYUD_MT/gt_sets/val.txt": "holds no names"}


def test_both_lists_of_an_empty_root_are_missing(tmp_path: Path) -> None:
    scan = SMALL.scan(tmp_path, silent)
    assert [(finding.path, finding.problem) for finding in scan.findings] == [
        ("NYUD_MT/gt_sets/train.txt", "is missing"),
        ("NYUD_MT/gt_sets/val.txt", "is missing"),
    ]


@pytest.mark.parametrize(
    ("field", "value"), [("height", 0), ("num_val", 0), ("num_test", 0), ("scales", ()), ("scales", (0.0,))]
)
def test_senseless_fields_are_refused(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        NYUv2(**{field: value})  # type: ignore[arg-type]


def test_void_is_unknown_and_classes_begin_at_zero() -> None:
    assert stored_classes("x", np.array([[0, 1, 40]], np.uint8), 40).tolist() == [[255, 0, 39]]


def test_negative_depth_is_refused() -> None:
    with pytest.raises(BadFilesError, match="depth of -1"):
        stored_depth("x", np.array([[-1.0, 2.0]]))


@pytest.mark.data
def test_the_official_data_is_whole_and_its_targets_are_plausible(tmp_path: Path) -> None:
    root = Path(os.environ["DYMU_DATA"])
    dataset = NYUv2(height=60, width=80, num_test=24, num_train=40)
    scan = dataset.scan(root, silent)
    assert scan.findings == ()
    assert scan.counts == {"train": 40, "val": 95, "test": 24}
    examples = dataset.load(Split.TRAIN, DataPlace(cache_dir=tmp_path, root=root)).batch(torch.arange(40))
    assert 0.3 < float(examples.targets["depth"].mean()) < 6
    # The camera looks ahead in every scene: most of what it sees faces it.
    assert examples.targets["normals"][:, 2].abs().mean() > 0.3
    known = examples.targets["segmentation"] != 255
    assert 0.6 < float(known.float().mean()) < 1
