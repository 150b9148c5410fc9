from pathlib import Path

import pytest
import torch

from dymu.data.dense_files import BadFilesError
from dymu.data.dense_source import held_out, picture_files, split_names
from dymu.data.examples import DataPlace
from dymu.data.nyuv2 import NYUv2
from dymu.data.splits import Split
from dymu.errors import DataError
from tests.data.nyud_tree import TEST, TRAIN, write_nyud

PICTURES = NYUv2(height=12, width=16, num_val=3).pictures


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_nyud(tmp_path)
    return tmp_path


def test_splits_are_disjoint_in_order_and_complete(root: Path) -> None:
    splits = split_names(PICTURES, root)
    assert set(splits[Split.TRAIN]).isdisjoint(splits[Split.VAL])
    assert sorted((*splits[Split.TRAIN], *splits[Split.VAL])) == list(TRAIN)
    assert list(splits[Split.TRAIN]) == sorted(splits[Split.TRAIN])
    assert splits[Split.TEST] == TEST


def test_what_is_held_out_is_fixed_and_grows_with_the_count() -> None:
    names = [f"{number:04d}" for number in range(1, 101)]
    assert sorted(held_out(names, 3)) == ["0004", "0033", "0092"]
    assert held_out(names, 3) < held_out(list(reversed(names)), 10)


def test_what_is_held_out_does_not_depend_on_caps(root: Path) -> None:
    capped = NYUv2(height=12, width=16, num_val=3, num_train=2).pictures
    assert split_names(capped, root)[Split.VAL] == split_names(PICTURES, root)[Split.VAL]


def test_a_picture_in_both_lists_is_refused(root: Path) -> None:
    (root / PICTURES.test_list).write_text("0101\n0001\n")
    with pytest.raises(BadFilesError, match="holds '0001' as"):
        split_names(PICTURES, root)


def test_holding_out_everything_is_refused(root: Path) -> None:
    with pytest.raises(BadFilesError, match="holds 8 names, expected more than the 8 of num_val"):
        split_names(NYUv2(num_val=8).pictures, root)


def test_files_are_the_lists_and_all_files_of_all_pictures(root: Path) -> None:
    files = picture_files(PICTURES, root)
    assert len(files) == 2 + 4 * (len(TRAIN) + len(TEST))
    assert all((root / file).is_file() for file in files)


def test_a_missing_folder_makes_all_its_files_missing(root: Path) -> None:
    (root / "NYUD_MT" / "depth").rename(root / "elsewhere")
    with pytest.raises(BadFilesError) as error:
        picture_files(PICTURES, root)
    assert len(error.value.findings) == len(TRAIN) + len(TEST)


def test_a_root_that_is_not_named_is_an_error_that_says_how(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--data-root"):
        NYUv2().load(Split.TRAIN, DataPlace(cache_dir=tmp_path))


def test_more_pictures_than_are_decoded_at_once_stay_in_order(tmp_path: Path) -> None:
    names = [f"{number:04d}" for number in range(1000, 1150)]
    write_nyud(tmp_path, size=(2, 3), train=names)
    dataset = NYUv2(height=2, width=3, num_val=3)
    place = DataPlace(cache_dir=tmp_path / "cache", root=tmp_path)
    examples = dataset.load(Split.TRAIN, place)
    for index, name in enumerate(split_names(dataset.pictures, tmp_path)[Split.TRAIN]):
        expected = torch.from_numpy(dataset.pictures.read(tmp_path, name)["depth"].copy())
        assert torch.equal(examples.targets["depth"][index], expected)
