import shutil
from pathlib import Path

import numpy as np
import pytest

from dymu.data.cifar100_files import (
    BINARY,
    COARSE_LABELS,
    PYTHON,
    RECORD_BYTES,
    CIFAR100Files,
    label_findings,
    layout_below,
    missing_files,
    read_records,
    scan_files,
    task_order,
)
from dymu.data.official import Scan, silent
from dymu.data.splits import Split
from dymu.errors import DataError
from tests.data.cifar100_tree import (
    COARSE_OF_FINE,
    python2_pickle,
    python3_pickle,
    records,
    write_binary,
    write_python,
)

TRAIN = BINARY[Split.TRAIN]


def problems(scan: Scan) -> dict[str, str]:
    return {finding.path: finding.problem for finding in scan.findings}


def test_both_layouts_hold_the_same_records(tmp_path: Path) -> None:
    write_binary(tmp_path)
    write_python(tmp_path)
    for split in BINARY:
        binary, python = (read_records(tmp_path, layout[split]) for layout in (BINARY, PYTHON))
        assert np.array_equal(binary, python)


def test_the_binary_layout_goes_first(tmp_path: Path) -> None:
    assert layout_below(tmp_path) is BINARY
    folder = write_python(tmp_path)
    assert layout_below(tmp_path) is PYTHON
    write_binary(tmp_path)
    assert layout_below(tmp_path) is BINARY
    shutil.rmtree(folder)
    assert CIFAR100Files().files(tmp_path) == ["cifar-100-binary/train.bin", "cifar-100-binary/test.bin"]


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_batch_that_python_3_wrote_is_read_too(tmp_path: Path, protocol: int) -> None:
    rows = records(per_class=1, seed=3)
    (write_python(tmp_path) / "train").write_bytes(python3_pickle(rows, protocol))
    assert np.array_equal(read_records(tmp_path, PYTHON[Split.TRAIN]), rows)


def test_the_order_of_a_task_has_every_picture_of_it_once() -> None:
    rows = records(per_class=7, seed=5)
    fine_PK, order_KP = task_order(rows[:, 0], rows[:, 1], np.random.default_rng(0))
    assert order_KP.shape == (35, 20)
    for task in range(20):
        assert sorted(order_KP[:, task]) == np.flatnonzero(rows[:, 0] == task).tolist()
        assert fine_PK[task].tolist() == np.flatnonzero(task == COARSE_OF_FINE).tolist()


def test_five_consecutive_pictures_are_of_five_classes() -> None:
    rows = records(per_class=7, seed=5)
    _, order_KP = task_order(rows[:, 0], rows[:, 1], np.random.default_rng(0))
    fives = np.sort(rows[order_KP, 1].reshape(7, 5, 20), axis=1)
    assert (fives == fives[:1]).all()


def test_the_order_of_classes_differs_between_fives_and_tasks() -> None:
    rows = records(per_class=7, seed=5)
    fine_PK, order_KP = task_order(rows[:, 0], rows[:, 1], np.random.default_rng(0))
    classes = np.stack([np.searchsorted(fine_PK[p], rows[order_KP[:, p], 1]) for p in range(20)], axis=1)
    fives = classes.reshape(7, 5, 20)
    assert len(np.unique(fives, axis=0)) > 1
    assert len(np.unique(classes, axis=1).T) == 20


def test_labels_out_of_range_are_found() -> None:
    rows = records(per_class=2, seed=0)
    rows[7, 0], rows[9, 1] = 20, 100
    coarse, fine = label_findings(TRAIN, rows)
    assert coarse.problem == "has coarse label 20 in record 7, expected 0 to 19"
    assert fine.problem == "has fine label 100 in record 9, expected 0 to 99"


def test_a_picture_less_is_found() -> None:
    rows = records(per_class=2, seed=0)
    (finding,) = label_findings(TRAIN, rows[:-1])
    assert finding.problem.startswith(f"has 1 pictures of class {rows[-1, 1]} and 2 of class")


def test_a_class_in_two_tasks_is_found() -> None:
    rows = records(per_class=2, seed=0)
    first = int(np.flatnonzero(rows[:, 1] == 0)[0])
    rows[first, 0] = 5
    (finding,) = label_findings(TRAIN, rows)
    assert finding.problem == f"has 6 classes of {COARSE_LABELS[5]}, not 5"


def test_sound_labels_have_no_findings() -> None:
    assert label_findings(TRAIN, records(per_class=2, seed=0)) == ()


def test_a_scan_counts_and_compares_with_the_publisher(tmp_path: Path) -> None:
    write_binary(tmp_path)
    told: list[tuple[int, int]] = []
    scan = scan_files(tmp_path, lambda done, total: told.append((done, total)))
    assert scan.counts == {"train": 600, "test": 200}
    assert problems(scan) == {
        "cifar-100-binary/train.bin": f"has {600 * RECORD_BYTES} bytes, not 153700000",
        "cifar-100-binary/test.bin": f"has {200 * RECORD_BYTES} bytes, not 30740000",
    }
    assert told == [(1, 2), (2, 2)]


def test_a_scan_of_the_python_layout_compares_checksums(tmp_path: Path) -> None:
    write_python(tmp_path)
    scan = scan_files(tmp_path, silent)
    assert scan.counts == {"train": 600, "test": 200}
    assert "not the publisher's f0ef6b0ae62326f3e7ffdfab6717acfc" in problems(scan)["cifar-100-python/test"]


def test_a_changed_pixel_is_found_by_its_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_binary(tmp_path)
    content = (tmp_path / TRAIN.path).read_bytes()
    monkeypatch.setitem(BINARY, Split.TRAIN, type(TRAIN)(TRAIN.path, 600, len(content), "sha1", "0" * 40))
    assert problems(scan_files(tmp_path, silent))[TRAIN.path].endswith(f"not the publisher's {'0' * 40}")


@pytest.mark.parametrize("size", [0, 1, RECORD_BYTES - 1, RECORD_BYTES * 600 - 1])
def test_a_truncated_file_is_one_finding(tmp_path: Path, size: int) -> None:
    write_binary(tmp_path)
    path = tmp_path / TRAIN.path
    path.write_bytes(path.read_bytes()[:size])
    scan = scan_files(tmp_path, silent)
    assert problems(scan)[TRAIN.path] == f"has {size} bytes, not 153700000"
    assert "train" not in scan.counts
    with pytest.raises(DataError, match=r"no whole records of 3074 bytes.*dymu data fetch cifar100"):
        read_records(tmp_path, TRAIN)


def test_missing_files_are_listed_together(tmp_path: Path) -> None:
    expected = {"cifar-100-binary/train.bin": "is missing", "cifar-100-binary/test.bin": "is missing"}
    assert problems(missing_files(tmp_path)) == expected
    assert problems(scan_files(tmp_path, silent)) == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, r"has data NoneType, not uint8 \(n, 3072\)"),
        ({"data": np.zeros((100, 3072), np.int32)}, r"has data int32 \(100, 3072\)"),
        ({"data": np.zeros((100, 3071), np.uint8)}, r"has data uint8 \(100, 3071\)"),
        ({"data": np.zeros((99, 3072), np.uint8)}, "no list of 99 numbers"),
        ({"fine_labels": [0] * 99}, "no list of 100 numbers"),
        ({"fine_labels": ["0"] * 100}, "no list of 100 numbers"),
        ({"coarse_labels": [256] * 100}, "from 0 to 255"),
        ({"coarse_labels": 3}, "no list of 100 numbers"),
    ],
)
def test_a_batch_of_another_form_is_refused(
    tmp_path: Path, change: dict[str, object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = records(per_class=1, seed=0)
    batch = {"fine_labels": rows[:, 1].tolist(), "coarse_labels": rows[:, 0].tolist(), "data": rows[:, 2:]}
    monkeypatch.setattr("dymu.data.cifar100_files.read_plain_pickle", lambda _: {**batch, **change})
    with pytest.raises(DataError, match=message):
        read_records(tmp_path, PYTHON[Split.TRAIN])


def test_a_batch_without_labels_or_that_is_no_dict_is_refused(tmp_path: Path) -> None:
    folder = write_python(tmp_path)
    (folder / "train").write_bytes(b"\x80\x02}.")
    with pytest.raises(DataError, match="lacks coarse_labels, data, fine_labels"):
        read_records(tmp_path, PYTHON[Split.TRAIN])
    (folder / "train").write_bytes(b"\x80\x02].")
    with pytest.raises(DataError, match="holds a list, not a dict"):
        read_records(tmp_path, PYTHON[Split.TRAIN])


def test_a_malicious_batch_is_a_finding_and_runs_nothing(tmp_path: Path) -> None:
    folder = write_python(tmp_path)
    made = tmp_path / "made"
    (folder / "train").write_bytes(f"cos\nsystem\n(S'touch {made}'\ntR.".encode())
    found = problems(scan_files(tmp_path, silent))["cifar-100-python/train"]
    assert "it names os.system" in found
    assert not made.exists()


def test_the_hand_made_pickle_has_the_official_keys() -> None:
    content = python2_pickle(records(per_class=1, seed=0), "test")
    for key in (b"filenames", b"batch_label", b"fine_labels", b"coarse_labels", b"data"):
        assert key in content
