import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from dymu.data.dense_files import (
    BadFilesError,
    read_array,
    read_image,
    read_labels,
    read_matlab,
    read_names,
    require_shape,
    resized_image,
    resized_nearest,
)
from dymu.data.official import Finding

COLOURS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def test_names_are_read_in_order_without_blanks(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("b \n\na\n")
    assert read_names(tmp_path, "list.txt") == ("b", "a")


@pytest.mark.parametrize(
    ("text", "problem"), [("\n", "holds no names"), ("a\nb\na\n", "holds 'a' twice"), ("", "is empty")]
)
def test_senseless_lists_are_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(BadFilesError) as error:
        read_names(tmp_path, "list.txt")
    assert error.value.findings == (Finding("list.txt", problem),)


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadFilesError, match="cannot be read"):
        read_names(tmp_path, "list.txt")


def test_grey_pictures_become_colours(tmp_path: Path) -> None:
    Image.fromarray(COLOURS[..., 0]).save(tmp_path / "a.png")
    assert np.array_equal(read_image(tmp_path, "a.png"), np.repeat(COLOURS[..., :1], 3, axis=2))


def test_labels_of_a_palette_are_its_indices(tmp_path: Path) -> None:
    picture = Image.fromarray(COLOURS[..., 0]).convert("P")
    picture.putpalette([255 - value for value in range(256) for _ in range(3)])
    expected = np.asarray(picture)
    picture.save(tmp_path / "a.png")
    assert np.array_equal(read_labels(tmp_path, "a.png"), expected)


def test_labels_with_several_channels_are_refused(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    with pytest.raises(BadFilesError, match="mode RGB, expected one channel"):
        read_labels(tmp_path, "a.png")


@pytest.mark.parametrize("end", [".png", ".jpg"])
def test_truncated_pictures_are_refused(tmp_path: Path, end: str) -> None:
    file = tmp_path / f"a{end}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(file)
    for size in (file.stat().st_size - 40, 30, 3):
        os.truncate(file, size)
        with pytest.raises(BadFilesError, match="cannot be read"):
            read_image(tmp_path, file.name)


def test_arrays_with_objects_are_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(BadFilesError, match="cannot be read"):
        read_array(tmp_path, "a.npy")


def test_arrays_of_text_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["a"]))
    with pytest.raises(BadFilesError, match="no array of numbers"):
        read_array(tmp_path, "a.npy")


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([1.0, np.nan]))
    with pytest.raises(BadFilesError, match="not finite"):
        read_array(tmp_path, "a.npy")


def test_matlab_variables_are_read_by_name(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"LabelMap": COLOURS[..., 0]}, do_compression=True)
    assert np.array_equal(read_matlab(tmp_path, "a.mat", "LabelMap"), COLOURS[..., 0])
    with pytest.raises(BadFilesError, match="has no variable 'anno'"):
        read_matlab(tmp_path, "a.mat", "anno")


@pytest.mark.parametrize("compressed", [True, False])
def test_truncated_matlab_files_are_refused(tmp_path: Path, compressed: bool) -> None:
    file = tmp_path / "a.mat"
    values = np.random.default_rng(0).integers(0, 256, (40, 40))
    savemat(file, {"LabelMap": values}, do_compression=compressed)
    size = file.stat().st_size
    for part in (size - 20, size // 2, 140, 50):
        os.truncate(file, part)
        with pytest.raises(BadFilesError):
            read_matlab(tmp_path, "a.mat", "LabelMap")


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadFilesError, match=r"^x/a\.npy: is missing$"):
        read_array(tmp_path, "x/a.npy")


def test_a_shape_that_differs_is_refused() -> None:
    with pytest.raises(BadFilesError, match=r"a: has shape \(2, 3\), expected \(3, 2\)"):
        require_shape("a", np.zeros((2, 3)), (3, 2))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    assert np.array_equal(resized_image(COLOURS, (4, 6)), COLOURS)
    assert np.array_equal(resized_nearest(COLOURS, (4, 6)), COLOURS)


def test_a_shrunk_picture_has_the_mean_of_a_constant_and_the_wanted_shape() -> None:
    image = np.full((40, 60, 3), 77, np.uint8)
    assert np.array_equal(resized_image(image, (10, 20)), np.full((10, 20, 3), 77))


def test_nearest_takes_the_pixel_at_the_centre() -> None:
    row = np.arange(6)[None]
    assert resized_nearest(row, (1, 2)).tolist() == [[1, 4]]
    assert resized_nearest(row, (2, 12)).tolist() == [np.repeat(np.arange(6), 2).tolist()] * 2
