import errno
import os
from pathlib import Path
from typing import Any

import pytest

from dymu.artifacts.files import (
    disk_errors,
    flush_file,
    flush_folder,
    folders_in,
    remove_path,
    sha256,
    size_of,
    write_flushed,
    write_whole,
)
from dymu.errors import StoreError


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "Free some space"),
        (errno.EDQUOT, "Free some space"),
        (errno.EROFS, "choose one with --store or DYMU_STORE"),
        (errno.EACCES, "choose one with --store or DYMU_STORE"),
        (errno.EIO, "the same command goes on from there"),
    ],
)
def test_disk_error_says_what_where_why_and_what_to_do(tmp_path: Path, code: int, advice: str) -> None:
    with pytest.raises(StoreError) as caught, disk_errors(tmp_path, doing="write"):
        raise OSError(code, os.strerror(code))
    expected = f"cannot write {tmp_path}: {os.strerror(code)} ({errno.errorcode[code]}). "
    assert str(caught.value).startswith(expected)
    assert advice in str(caught.value)


def test_disk_error_names_the_file_that_the_system_names(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    with pytest.raises(StoreError, match=f"cannot read {missing}: No such file"):  # noqa: SIM117
        with disk_errors(tmp_path, doing="read"):
            missing.read_text()


def test_error_without_number_keeps_its_text(tmp_path: Path) -> None:
    with (
        pytest.raises(StoreError, match=r"cannot read .*: odd \(OSError\)"),
        disk_errors(tmp_path, doing="read"),
    ):
        raise OSError("odd")


def test_other_errors_pass(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="mine"), disk_errors(tmp_path, doing="read"):
        raise ValueError("mine")


@pytest.mark.parametrize("flush", [True, False])
def test_whole_file_replaces_the_old_one(tmp_path: Path, flush: bool) -> None:
    path = tmp_path / "a.json"
    path.write_text("old and longer")
    write_whole(path, "new", flush=flush)
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_failed_write_keeps_the_old_file(tmp_path: Path, fail_on: Any, function: str) -> None:
    path = tmp_path / "a.json"
    path.write_text("old")
    fail_on(function, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_flushing_reaches_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: flushed.append(os.fstat(descriptor).st_ino))
    path = tmp_path / "a"
    write_flushed(path, "text")
    flush_file(path)
    flush_folder(tmp_path)
    assert flushed == [path.stat().st_ino, path.stat().st_ino, tmp_path.stat().st_ino]


def test_sha256_of_known_text(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_size_counts_files_at_any_depth(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "a").write_text("123")
    (tmp_path / "deep" / "er" / "b").write_text("45")
    assert size_of(tmp_path) == 5
    assert size_of(tmp_path / "a") == 3
    assert size_of(tmp_path / "missing") == 0


def test_removed_folder_tells_the_bytes_freed(tmp_path: Path) -> None:
    (tmp_path / "x" / "y").mkdir(parents=True)
    (tmp_path / "x" / "y" / "a").write_text("123")
    assert remove_path(tmp_path / "x") == 3
    assert not (tmp_path / "x").exists()
    assert remove_path(tmp_path / "x") == 0


def test_removed_file_tells_the_bytes_freed(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("123")
    assert remove_path(tmp_path / "a", first="DONE.json") == 3
    assert list(tmp_path.iterdir()) == []


def test_folders_are_sorted_and_files_left_out(tmp_path: Path) -> None:
    for name in "cab":
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_text("")
    assert folders_in(tmp_path) == [tmp_path / "a", tmp_path / "b", tmp_path / "c"]
    assert folders_in(tmp_path / "missing") == []
