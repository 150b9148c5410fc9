from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.io import savemat

from dymu.data.dense_files import BadFilesError, read_matlab
from dymu.data.pascal_labels import (
    KNOWN_NORMALS,
    NUM_CONTEXT_CLASSES,
    PART_OF,
    known_normals,
    label_edges,
    part_classes,
    thinned,
)
from tests.data.pascal_tree import Parts, example_objects, write_parts

SIZE = (12, 16)


def parts_of(folder: Path, objects: list[tuple[int, Parts]]) -> NDArray[np.uint8]:
    write_parts(folder / "a.mat", objects)
    return part_classes("a.mat", read_matlab(folder, "a.mat", "anno"), SIZE)


def test_parts_of_people_become_six_classes(tmp_path: Path) -> None:
    parts = parts_of(tmp_path, example_objects(SIZE, person=True))
    assert (parts[:3, :4] == 1).all()
    assert (parts[5:7, 2:4] == 4).all()
    assert int((parts == 0).sum()) == 12 * 16 - 12 - 4


def test_six_classes_come_from_the_24_names_of_the_parts() -> None:
    assert len(PART_OF) == 24
    assert set(PART_OF.values()) == set(range(1, 7))
    for part in ("ear", "ebrow", "eye", "foot", "hand", "larm", "lleg", "uarm", "uleg"):
        assert PART_OF[f"l{part}"] == PART_OF[f"r{part}"]


def test_of_two_people_both_have_parts(tmp_path: Path) -> None:
    left, right = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    left[:, :3], right[:, 9:] = True, True
    parts = parts_of(tmp_path, [(15, {"torso": left}), (15, {"rfoot": right})])
    assert (parts[:, :3] == 2).all()
    assert (parts[:, 9:] == 6).all()


@pytest.mark.parametrize("objects", [example_objects(SIZE, person=False), [(15, {})]])
def test_a_picture_without_parts_of_people_is_unknown_everywhere(
    tmp_path: Path, objects: list[tuple[int, Parts]]
) -> None:
    assert (parts_of(tmp_path, objects) == 255).all()


def test_an_unknown_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFilesError, match="part 'wing' of a person"):
        parts_of(tmp_path, [(15, {"wing": np.ones(SIZE, bool)})])


def test_a_mask_of_another_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadFilesError, match=r"mask of shape \(3, 3\), expected \(12, 16\)"):
        parts_of(tmp_path, [(15, {"head": np.ones((3, 3), bool)})])


def test_another_structure_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"anno": {"other": 1}})
    with pytest.raises(BadFilesError, match="has no 'anno' of objects"):
        part_classes("a.mat", read_matlab(tmp_path, "a.mat", "anno"), SIZE)


def test_known_normals_are_classes_of_the_label_map_in_its_order() -> None:
    # The classes of PASCAL-Context are numbered by the alphabet, from 1 (accordion) to 459 (wool).
    numbers = [KNOWN_NORMALS[name] for name in sorted(KNOWN_NORMALS)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] > 1
    assert numbers[-1] < NUM_CONTEXT_CLASSES
    assert KNOWN_NORMALS["tvmonitor"] == 427
    assert "unknown" not in KNOWN_NORMALS


def test_normals_are_zero_outside_known_classes() -> None:
    colours = np.array([[[255, 0, 255], [255, 0, 255]]], np.uint8)
    vectors = known_normals(colours, np.array([[KNOWN_NORMALS["floor"], 114]]))
    assert vectors.tolist() == [[[1, -1, 1], [0, 0, 0]]]


def test_a_straight_border_is_one_line() -> None:
    labels = np.zeros((7, 9), np.int64)
    labels[:, 4:] = 3
    edges = label_edges(labels)
    assert (edges.sum(axis=1)[1:-1] == 1).all()
    assert set(np.flatnonzero(edges.any(axis=0))) <= {3, 4}


def test_a_constant_label_map_has_no_edges() -> None:
    assert not label_edges(np.full((5, 6), 200, np.uint16)).any()


def test_small_and_large_labels_do_not_wrap() -> None:
    labels = np.array([[0, 459], [0, 459]], np.uint16).repeat(4, axis=0).repeat(4, axis=1)
    assert label_edges(labels).any()


@pytest.mark.parametrize("seed", range(5))
def test_thinning_removes_pixels_but_no_piece_and_no_hole(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = np.kron(rng.random((9, 11)) < 0.5, np.ones((5, 5), bool)).astype(bool)
    thin = thinned(mask)
    assert thin.sum() < mask.sum()
    assert not (thin & ~mask).any()
    diagonal = np.ones((3, 3), int)
    assert ndimage.label(thin, diagonal)[1] == ndimage.label(mask, diagonal)[1]
    assert ndimage.label(~np.pad(thin, 1))[1] == ndimage.label(~np.pad(mask, 1))[1]
    assert np.array_equal(thinned(thin), thin)


def test_a_line_stays_and_a_bar_becomes_its_middle() -> None:
    line = np.zeros((5, 9), bool)
    line[2] = True
    assert np.array_equal(thinned(line), line)
    bar = np.zeros((5, 20), bool)
    bar[1:4, 1:19] = True
    thin = thinned(bar)
    assert thin[2, 4:16].all()
    assert not thin[[0, 1, 3, 4], 4:16].any()
