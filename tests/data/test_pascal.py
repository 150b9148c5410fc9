import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dymu.data.examples import DataPlace, Examples
from dymu.data.official import Official, silent
from dymu.data.pascal import PASCAL, fitted
from dymu.data.splits import Split
from dymu.errors import DataError, SpecError
from tests.data.pascal_tree import SIZES_OF, TEST, TRAIN, blocks, write_context, write_parts, write_pascal

SMALL = PASCAL(height=16, width=16, num_val=2)
NAMES = (*TRAIN, *TEST)


@pytest.fixture
def place(tmp_path: Path) -> DataPlace:
    write_pascal(tmp_path / "root")
    return DataPlace(cache_dir=tmp_path / "cache", root=tmp_path / "root")


def folder(place: DataPlace) -> Path:
    assert place.root is not None
    return place.root / "PASCAL_MT"


def prepared(place: DataPlace, dataset: PASCAL = SMALL) -> Examples:
    examples = dataset.load(Split.TEST, place)
    return examples.batch(torch.arange(len(examples)))


def problems(place: DataPlace, dataset: PASCAL = SMALL) -> dict[str, str]:
    assert place.root is not None
    return {finding.path: finding.problem for finding in dataset.scan(place.root, silent).findings}


def test_five_tasks_in_the_order_and_with_the_weights_of_the_paper() -> None:
    found = [(task.name, task.kind, task.num_outputs, task.loss_weight) for task in PASCAL().tasks]
    assert found == [
        ("segmentation", "segmentation", 21, 1),
        ("parts", "segmentation", 7, 2),
        ("saliency", "saliency", 1, 5),
        ("normals", "normals", 3, 10),
        ("edges", "edges", 1, 50),
    ]
    assert PASCAL().tasks[-1].positive_weight == 0.95
    assert PASCAL().input_shape == (3, 512, 512)


def test_three_tasks_are_the_first_three() -> None:
    assert PASCAL(num_tasks=3).tasks == PASCAL().tasks[:3]


def test_it_is_official() -> None:
    assert isinstance(PASCAL(), Official)


def test_the_list_of_papers_is_the_test_split_and_validation_is_held_out(place: DataPlace) -> None:
    counts = {split: len(SMALL.load(split, place)) for split in Split}
    assert counts == {Split.TRAIN: len(TRAIN) - 2, Split.VAL: 2, Split.TEST: len(TEST)}


@pytest.mark.parametrize("num_tasks", [3, 5])
def test_prepared_batches_have_the_form_of_the_tasks(place: DataPlace, num_tasks: int) -> None:
    dataset = PASCAL(num_tasks=num_tasks, height=16, width=16, num_val=2)  # type: ignore[arg-type]
    examples = dataset.load(Split.TRAIN, place)
    generator = torch.Generator().manual_seed(0)
    draws = torch.rand(len(examples), examples.num_draws, generator=generator)
    for batch in (examples.batch(torch.arange(5)), examples.batch(torch.arange(5), draws_BK=draws)):
        batch.require(dataset.tasks)
        assert batch.images.shape == (5, 3, 16, 16)
        assert torch.isfinite(batch.images).all()
        assert list(batch.targets) == [task.name for task in dataset.tasks]
        for task in dataset.tasks:
            channels = () if task.kind == "segmentation" else (task.num_outputs,)
            assert batch.targets[task.name].shape == (5, *channels, 16, 16)


def test_targets_are_those_of_the_files_and_unknown_beyond_the_picture(place: DataPlace) -> None:
    targets = prepared(place).targets
    for index, name in enumerate(TEST):
        height, width = SIZES_OF[NAMES.index(name) % len(SIZES_OF)]
        source = "pascal-context" if NAMES.index(name) % 3 == 2 else "VOC12"
        classes = np.asarray(Image.open(folder(place) / f"semseg/{source}/{name}.png")).astype(np.int64)
        found = targets["segmentation"][index]
        assert torch.equal(found[:height, :width], torch.from_numpy(classes))
        salient = np.asarray(Image.open(folder(place) / f"sal_distill/{name}.png")) > 127
        assert np.array_equal(targets["saliency"][index, 0, :height, :width], salient)
        outside = torch.ones(16, 16, dtype=torch.bool)
        outside[:height, :width] = False
        for task in ("segmentation", "parts", "saliency", "edges"):
            assert (targets[task][index][..., outside] == 255).all()
        assert (targets["normals"][index][..., outside] == 0).all()


def test_parts_are_known_where_there_is_a_person_alone(place: DataPlace) -> None:
    parts = prepared(place).targets["parts"]
    for index, name in enumerate(TEST):
        person = NAMES.index(name) % 2 == 0
        assert set(parts[index].unique().tolist()) <= ({0, 1, 4, 255} if person else {255})
        assert bool((parts[index] == 1).any()) == person


def test_normals_are_known_on_the_floor_alone_and_edges_lie_between(place: DataPlace) -> None:
    targets = prepared(place).targets
    for index, name in enumerate(TEST):
        height, width = SIZES_OF[NAMES.index(name) % len(SIZES_OF)]
        known = (targets["normals"][index] != 0).any(dim=0)
        assert known[:height, : width // 2].all()
        assert not known[:, width // 2 :].any()
        columns = torch.nonzero(targets["edges"][index, 0] == 1)[:, 1]
        assert set(columns.tolist()) <= {width // 2 - 1, width // 2}
        assert len(columns) >= height - 2


def test_normals_have_the_direction_of_the_colour(place: DataPlace) -> None:
    targets = prepared(place).targets
    colours = np.asarray(Image.open(folder(place) / f"normals_distill/{TEST[0]}.png")).astype(np.float64)
    vectors = torch.from_numpy(colours[:, :3] * 2 / 255 - 1).permute(2, 0, 1)
    found = targets["normals"][0, :, : vectors.shape[1], :3].double()
    assert torch.nn.functional.cosine_similarity(vectors, found, dim=0).min() > 0.9999


def test_larger_pictures_are_shrunk_in_proportion() -> None:
    assert fitted((375, 500), (512, 512)) == (375, 500)
    assert fitted((375, 500), (256, 256)) == (192, 256)
    assert fitted((500, 100), (256, 256)) == (256, 51)
    assert fitted((1, 500), (100, 100)) == (1, 100)


def test_shrunk_pictures_fill_their_part_of_the_input(place: DataPlace) -> None:
    batch = prepared(place, PASCAL(height=8, width=8, num_val=2))
    assert batch.images.shape == (3, 3, 8, 8)
    # The first test picture is 16x10 and becomes 8x5.
    assert SIZES_OF[NAMES.index(TEST[0]) % len(SIZES_OF)] == (16, 10)
    assert (batch.targets["saliency"][0, :, :, 5:] == 255).all()
    assert (batch.targets["saliency"][0, :, :, :5] != 255).all()
    assert (batch.targets["edges"][0, 0, :, :5] == 1).any()


def test_three_tasks_need_neither_normals_nor_label_maps(place: DataPlace) -> None:
    (folder(place) / "normals_distill").rename(folder(place) / "elsewhere")
    (folder(place) / "pascal-context").rename(folder(place) / "nowhere")
    assert problems(place, PASCAL(num_tasks=3, height=16, width=16, num_val=2)) == {}


def test_a_sound_tree_has_no_findings_and_is_counted(place: DataPlace) -> None:
    assert place.root is not None
    scan = SMALL.scan(place.root, silent)
    assert scan.findings == ()
    assert scan.counts == {"train": 5, "val": 2, "test": 3}


def test_missing_classes_are_named_and_the_error_says_how_to_get_them(place: DataPlace) -> None:
    (folder(place) / f"semseg/VOC12/{TRAIN[0]}.png").unlink()
    with pytest.raises(DataError, match=rf"{TRAIN[0]}.png: is missing[\s\S]*PASCAL_MT.tgz"):
        SMALL.load(Split.TRAIN, place)


@pytest.mark.parametrize(
    "path",
    [
        "JPEGImages/{}.jpg",
        "semseg/VOC12/{}.png",
        "human_parts/{}.mat",
        "sal_distill/{}.png",
        "normals_distill/{}.png",
        "pascal-context/trainval/{}.mat",
    ],
)
def test_a_truncated_file_is_found(place: DataPlace, path: str) -> None:
    file = folder(place) / path.format(TRAIN[0])
    os.truncate(file, file.stat().st_size // 2)
    assert list(problems(place)) == [f"PASCAL_MT/{path.format(TRAIN[0])}"]


@pytest.mark.parametrize("path", ["semseg/VOC12/{}.png", "sal_distill/{}.png", "normals_distill/{}.png"])
def test_a_picture_of_another_shape_is_found(place: DataPlace, path: str) -> None:
    channels = (3,) if "normals" in path else ()
    Image.fromarray(np.zeros((4, 4, *channels), np.uint8)).save(folder(place) / path.format(TRAIN[0]))
    assert "has shape (4, 4" in problems(place)[f"PASCAL_MT/{path.format(TRAIN[0])}"]


def test_a_label_map_of_another_shape_or_class_is_found(place: DataPlace) -> None:
    maps = folder(place) / "pascal-context/trainval"
    write_context(maps / f"{TRAIN[0]}.mat", blocks((4, 4)))
    write_context(maps / f"{TRAIN[1]}.mat", np.full((16, 10), 460, np.uint16))
    found = list(problems(place).values())
    assert found[0].startswith("has shape (4, 4)")
    assert found[1] == "holds class 460, expected one from 0 to 459"


def test_a_class_out_of_range_is_found(place: DataPlace) -> None:
    Image.fromarray(np.full((12, 16), 21, np.uint8)).save(folder(place) / f"semseg/VOC12/{TRAIN[0]}.png")
    assert list(problems(place).values()) == ["holds class 21, expected one from 0 to 20"]


def test_an_unknown_part_is_found(place: DataPlace) -> None:
    objects = [(15, {"wheel": np.ones((12, 16), bool)})]
    write_parts(folder(place) / f"human_parts/{TRAIN[0]}.mat", objects)
    assert "part 'wheel'" in problems(place)[f"PASCAL_MT/human_parts/{TRAIN[0]}.mat"]


def test_an_empty_list_is_found(place: DataPlace) -> None:
    (folder(place) / "ImageSets/Context/train.txt").write_text("")
    assert problems(place) == {"PASCAL_MT/ImageSets/Context/train.txt": "is empty"}


@pytest.mark.parametrize(("field", "value"), [("num_tasks", 4), ("width", 0), ("scales", (-1.0,))])
def test_senseless_fields_are_refused(field: str, value: object) -> None:
    with pytest.raises(SpecError, match=field):
        PASCAL(**{field: value})  # type: ignore[arg-type]
