import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dymu.artifacts.config import config
from dymu.data import decoded as module
from dymu.data.decoded import HEADER, load_decoded, root_state
from dymu.data.decoded_writer import DecodedWriter
from dymu.data.examples import DataPlace, Examples
from dymu.data.official import Scan, Tell, silent
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, DataError, StoreError
from dymu.spec.task import Task

calls: list[str] = []


@config
class Lines:
    """Decodes text files of numbers: one example a line."""

    scale: int = 1

    @property
    def revision(self) -> int:
        return 1

    def files(self, root: Path) -> Sequence[str]:
        return [path.name for path in root.glob("*.txt")]

    def decode(self, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        calls.append("decode")
        for done, split in enumerate((Split.TRAIN, Split.VAL)):
            for line in (root / f"{split.value}.txt").read_text().split():
                images = np.full((1, 1, 2, 2), int(line) * self.scale, dtype=np.int16)
                writer.append(split, {"images": images, "parity": np.array([int(line) % 2])})
            tell(done + 1, 2)


@config
class Numbers:
    """A dataset of such files."""

    task: str = "parity"
    source: Lines = Lines()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (Task(name=self.task, kind="classification", num_outputs=2),)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return 1, 2, 2

    @property
    def how_to_get(self) -> str:
        return "Write numbers into train.txt and val.txt."

    def scan(self, root: Path, tell: Tell) -> Scan:
        raise NotImplementedError

    def load(self, split: Any, place: Any) -> Examples:
        return load_decoded(self, split, place, source=self.source, preparation=None)


@pytest.fixture
def rooted(tmp_path: Path) -> DataPlace:
    root = tmp_path / "root"
    root.mkdir()
    (root / "train.txt").write_text("1 2 3 4")
    (root / "val.txt").write_text("5 6")
    calls.clear()
    return DataPlace(cache_dir=tmp_path / "cache", root=root)


def root_of(place: DataPlace) -> Path:
    assert place.root is not None
    return place.root


def only_folder(place: DataPlace) -> Path:
    (folder,) = [path for path in place.cache_dir.iterdir() if path.is_dir()]
    return folder


def touched(place: DataPlace, text: str) -> None:
    """Change the training file, at a time that surely differs."""
    path = root_of(place) / "train.txt"
    after = path.stat().st_mtime_ns + 1_000_000
    path.write_text(text)
    os.utime(path, ns=(after, after))


def test_what_was_decoded_comes_back(rooted: DataPlace) -> None:
    examples = Numbers().load(Split.TRAIN, rooted)
    assert examples.images.dtype == torch.int16
    assert examples.images.shape == (4, 1, 2, 2)
    assert examples.images[:, 0, 1, 1].tolist() == [1, 2, 3, 4]
    assert examples.targets["parity"].tolist() == [1, 0, 1, 0]
    assert Numbers().load(Split.VAL, rooted).images[:, 0, 0, 0].tolist() == [5, 6]


def test_all_splits_carry_one_digest(rooted: DataPlace) -> None:
    assert Numbers().load(Split.TRAIN, rooted).digest == Numbers().load(Split.VAL, rooted).digest


def test_it_is_decoded_once(rooted: DataPlace) -> None:
    for split in (Split.TRAIN, Split.VAL, Split.TRAIN):
        Numbers().load(split, rooted)
    assert calls == ["decode"]


def test_an_unchanged_root_is_not_read_again(rooted: DataPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    Numbers().load(Split.TRAIN, rooted)

    def refuse(path: Path) -> str:
        raise AssertionError(f"read {path} again")

    monkeypatch.setattr(module, "_file_digest", refuse)
    Numbers().load(Split.TRAIN, rooted)


def test_a_changed_root_is_decoded_again(rooted: DataPlace) -> None:
    before = Numbers().load(Split.TRAIN, rooted).digest
    touched(rooted, "7 7 7 7")
    after = Numbers().load(Split.TRAIN, rooted)
    assert after.images[:, 0, 0, 0].tolist() == [7, 7, 7, 7]
    assert after.digest != before
    assert calls == ["decode", "decode"]


def test_a_root_that_was_only_touched_is_not_decoded_again(rooted: DataPlace) -> None:
    before = Numbers().load(Split.TRAIN, rooted).digest
    touched(rooted, "1 2 3 4")
    assert Numbers().load(Split.TRAIN, rooted).digest == before
    assert calls == ["decode"]


def test_a_copy_of_the_root_shares_the_folder(rooted: DataPlace, tmp_path: Path) -> None:
    before = Numbers().load(Split.TRAIN, rooted).digest
    shutil.copytree(root_of(rooted), tmp_path / "copy")
    copy = DataPlace(cache_dir=rooted.cache_dir, root=tmp_path / "copy")
    assert Numbers().load(Split.TRAIN, copy).digest == before
    assert calls == ["decode"]


def test_another_config_of_the_source_has_another_folder(rooted: DataPlace) -> None:
    Numbers().load(Split.TRAIN, rooted)
    scaled = Numbers(source=Lines(scale=3)).load(Split.TRAIN, rooted)
    assert scaled.images[:, 0, 0, 0].tolist() == [3, 6, 9, 12]
    assert calls == ["decode", "decode"]


def test_a_new_revision_decodes_again(rooted: DataPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    Numbers().load(Split.TRAIN, rooted)
    monkeypatch.setattr(Lines, "revision", 2)
    Numbers().load(Split.TRAIN, rooted)
    assert calls == ["decode", "decode"]


def test_writing_to_a_map_leaves_the_file_as_it_is(rooted: DataPlace) -> None:
    Numbers().load(Split.TRAIN, rooted).images.zero_()
    assert Numbers().load(Split.TRAIN, rooted).images[:, 0, 0, 0].tolist() == [1, 2, 3, 4]


def test_progress_is_told(rooted: DataPlace) -> None:
    told: list[tuple[int, int]] = []
    load_decoded(
        Numbers(),
        Split.TRAIN,
        rooted,
        source=Lines(),
        preparation=None,
        tell=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2), (1, 2), (2, 2)], "two files read, two files decoded"


def test_no_root_says_how_to_name_one(rooted: DataPlace) -> None:
    with pytest.raises(DataError, match=r"--data-root DIR or DYMU_DATA. Write numbers"):
        Numbers().load(Split.TRAIN, DataPlace(cache_dir=rooted.cache_dir))


def test_a_file_that_decoding_misses_is_named(rooted: DataPlace) -> None:
    (root_of(rooted) / "val.txt").unlink()
    with pytest.raises(DataError, match=r"val\.txt cannot be read \(No such file"):
        Numbers().load(Split.TRAIN, rooted)
    assert not [path for path in rooted.cache_dir.iterdir() if path.is_dir()], "nothing half is left"


def test_a_task_without_an_array_is_refused(rooted: DataPlace) -> None:
    with pytest.raises(DataError, match="no targets for task 'colour'; the data has targets for: parity"):
        Numbers(task="colour").load(Split.TRAIN, rooted)


def test_a_cache_that_cannot_be_made_is_a_store_error(rooted: DataPlace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    place = DataPlace(cache_dir=tmp_path / "file" / "cache", root=rooted.root)
    with pytest.raises(StoreError, match="cannot decode data into"):
        Numbers().load(Split.TRAIN, place)


def test_a_root_that_changes_meanwhile_is_refused(rooted: DataPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    decode = Lines.decode

    def and_change(self: Lines, root: Path, writer: DecodedWriter, tell: Tell) -> None:
        decode(self, root, writer, tell)
        touched(rooted, "9 9 9 9")

    monkeypatch.setattr(Lines, "decode", and_change)
    with pytest.raises(DataError, match="changed while they were decoded"):
        Numbers().load(Split.TRAIN, rooted)


@pytest.mark.parametrize("file", [HEADER, "train-00.raw", "train-01.raw"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped"])
def test_damage_is_found_and_the_folder_is_named(rooted: DataPlace, file: str, damage: str) -> None:
    Numbers().load(Split.TRAIN, rooted)
    folder = only_folder(rooted)
    content = bytearray((folder / file).read_bytes())
    if damage == "missing":
        (folder / file).unlink()
    elif damage == "truncated":
        (folder / file).write_bytes(content[:-3])
    else:
        at = content.index(b'"shape"') + 1 if file == HEADER else 5
        content[at] ^= 1
        (folder / file).write_bytes(content)
    with pytest.raises(CorruptArtifactError, match="delete that folder") as caught:
        Numbers().load(Split.TRAIN, rooted)
    assert str(folder) in str(caught.value)


def test_a_header_of_another_format_is_refused(rooted: DataPlace) -> None:
    Numbers().load(Split.TRAIN, rooted)
    path = only_folder(rooted) / HEADER
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 9}))
    with pytest.raises(CorruptArtifactError, match="has format 9, not 1"):
        Numbers().load(Split.TRAIN, rooted)


def test_after_deleting_a_damaged_folder_the_data_is_back(rooted: DataPlace) -> None:
    before = Numbers().load(Split.TRAIN, rooted).digest
    shutil.rmtree(only_folder(rooted))
    assert Numbers().load(Split.TRAIN, rooted).digest == before


def test_a_damaged_memory_of_the_root_is_named(rooted: DataPlace) -> None:
    Numbers().load(Split.TRAIN, rooted)
    state = root_state(Lines(), root_of(rooted))
    (memory,) = rooted.cache_dir.glob(f"*.{state}.json")
    memory.write_text("{")
    with pytest.raises(CorruptArtifactError, match=rf"{state}\.json cannot be read .* delete it"):
        Numbers().load(Split.TRAIN, rooted)


def test_a_sample_of_blocks_has_first_and_last() -> None:
    assert module._sample(3) == [0, 1, 2]
    many = module._sample(1000)
    assert (many[0], many[-1], len(many)) == (0, 999, module.CHECKED_BLOCKS)


def test_threads_that_load_at_once_decode_once(rooted: DataPlace) -> None:
    digests: list[str] = []
    threads = [
        threading.Thread(target=lambda: digests.append(Numbers().load(Split.TRAIN, rooted).digest))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 4
    assert len(set(digests)) == 1
    assert calls == ["decode"]


def test_the_slower_of_two_that_cannot_lock_uses_the_folder_of_the_faster(rooted: DataPlace) -> None:
    folder = rooted.cache_dir / "lines-of-both"
    rooted.cache_dir.mkdir()
    for _ in range(2):
        module._write(folder, Lines(), root_of(rooted), silent)
    assert [path.name for path in rooted.cache_dir.iterdir()] == ["lines-of-both"]
    assert module._open(folder, Split.VAL).arrays["parity"].tolist() == [1, 0]


LOAD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_decoded import Numbers, calls
from dymu.data.examples import DataPlace
from dymu.data.splits import Split

place = DataPlace(cache_dir=Path(sys.argv[2]) / "cache", root=Path(sys.argv[2]) / "root")
print(Numbers().load(Split.TRAIN, place).digest, len(calls))
"""


def test_processes_that_load_at_once_share_one_folder(rooted: DataPlace) -> None:
    arguments = [str(Path(__file__).parent), str(root_of(rooted).parent)]
    environment = {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1", "HOME": arguments[1]}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, *arguments], stdout=subprocess.PIPE, text=True, env=environment
        )
        for _ in range(2)
    ]
    printed = [process.communicate()[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len({text for text, _ in printed}) == 1
    assert sum(int(count) for _, count in printed) == 1
    assert only_folder(rooted).name.startswith("lines-")
