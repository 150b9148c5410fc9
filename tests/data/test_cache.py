import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dymu.artifacts.config import config
from dymu.data.cache import IMAGES, Arrays, cache_path, content_digest, load_generated
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import CorruptArtifactError, DataError, StoreError
from dymu.spec.task import Task


@config
class Ramps:
    """Three images per split that count up."""

    seed: int = 0
    task: str = "parity"

    @property
    def tasks(self) -> tuple[Task, ...]:
        return (Task(name=self.task, kind="classification", num_outputs=2),)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return 1, 2, 2

    def load(self, split: Any, place: Any) -> Examples:
        return load_generated(self, split, place, generate=self.generate)

    def generate(self) -> Mapping[Split, Arrays]:
        return {split: self._part(10 * index + self.seed) for index, split in enumerate(Split)}

    def _part(self, start: int) -> Arrays:
        images = np.arange(start, start + 12, dtype=np.float32).reshape(3, 1, 2, 2)
        return {IMAGES: images, "parity": np.arange(3, dtype=np.int64) % 2}


def refuse() -> Mapping[Split, Arrays]:
    raise AssertionError("generated although cached")


@pytest.fixture
def cached(place: DataPlace) -> Path:
    Ramps().load(Split.TRAIN, place)
    return cache_path(Ramps(), place)


def test_what_was_generated_comes_back(place: DataPlace) -> None:
    examples = Ramps().load(Split.VAL, place)
    assert examples.images[:, 0, 0, 0].tolist() == [10, 14, 18]
    assert examples.targets["parity"].tolist() == [0, 1, 0]
    assert examples.targets["parity"].dtype == torch.int64


@pytest.mark.usefixtures("cached")
def test_a_cached_dataset_is_not_generated_again(place: DataPlace) -> None:
    examples = load_generated(Ramps(), Split.TEST, place, generate=refuse)
    assert examples.images[0, 0, 0, 0] == 20


def test_all_splits_carry_the_digest_of_the_whole(place: DataPlace) -> None:
    assert len({Ramps().load(split, place).digest for split in Split}) == 1


def test_other_content_has_another_digest(place: DataPlace) -> None:
    assert Ramps().load(Split.TRAIN, place).digest != Ramps(seed=1).load(Split.TRAIN, place).digest


def test_the_file_is_named_after_the_config(place: DataPlace) -> None:
    first, other = cache_path(Ramps(), place), cache_path(Ramps(seed=1), place)
    assert first != other
    assert first.name.startswith("ramps-")
    assert first == cache_path(Ramps(seed=0), place)


@pytest.mark.usefixtures("cached")
def test_nothing_else_is_left_in_the_folder(place: DataPlace) -> None:
    assert list(place.cache_dir.iterdir()) == [cache_path(Ramps(), place)]


def test_content_digest_sees_name_type_shape_and_value() -> None:
    base = torch.arange(6, dtype=torch.int32)
    variants = [
        {"a": base},
        {"b": base},
        {"a": base.float()},
        {"a": base.reshape(2, 3)},
        {"a": base + 1},
        {"a": base, "b": base},
    ]
    assert len({content_digest(variant) for variant in variants}) == len(variants)


def test_content_digest_does_not_depend_on_order_or_layout() -> None:
    a, b = torch.arange(6).reshape(2, 3), torch.ones(2)
    assert content_digest({"a": a, "b": b}) == content_digest({"b": b, "a": a.t().contiguous().t()})


@pytest.mark.parametrize("size", [0, 5, 200])
def test_a_truncated_file_is_named_with_what_to_do(cached: Path, place: DataPlace, size: int) -> None:
    cached.write_bytes(cached.read_bytes()[:size])
    with pytest.raises(
        CorruptArtifactError, match=r"ramps-\w+\.safetensors cannot be read .*delete that file"
    ):
        Ramps().load(Split.TRAIN, place)


def test_a_flipped_bit_is_found(cached: Path, place: DataPlace) -> None:
    content = bytearray(cached.read_bytes())
    content[-3] ^= 1
    cached.write_bytes(content)
    messages = []
    for split in Split:
        try:
            Ramps().load(split, place)
        except CorruptArtifactError as error:
            messages.append(str(error))
    assert len(messages) == 1, "the split with the flipped bit is refused, the others are whole"
    assert "delete that file" in messages[0]
    assert str(cached) in messages[0]


def test_a_file_without_digests_is_refused(cached: Path, place: DataPlace) -> None:
    save_file(load_file(cached), cached)
    with pytest.raises(CorruptArtifactError, match="delete that file"):
        Ramps().load(Split.TRAIN, place)


def test_a_file_of_another_format_is_refused(cached: Path, place: DataPlace) -> None:
    save_file(load_file(cached), cached, metadata={"format": "99", "digests": "{}"})
    with pytest.raises(CorruptArtifactError, match="has format 99, not 1"):
        Ramps().load(Split.TRAIN, place)


def test_after_deleting_a_corrupt_file_the_data_is_back(cached: Path, place: DataPlace) -> None:
    before = Ramps().load(Split.TRAIN, place).digest
    cached.write_bytes(b"nonsense")
    cached.unlink()
    assert Ramps().load(Split.TRAIN, place).digest == before


def test_a_task_without_targets_is_refused(place: DataPlace) -> None:
    with pytest.raises(DataError, match=r"no targets for task 'colour'; the data has targets for: parity"):
        Ramps(task="colour").load(Split.TRAIN, place)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"generated data cannot be written to .*file.*choose a store"):
        Ramps().load(Split.TRAIN, DataPlace(cache_dir=tmp_path / "file" / "data"))


def test_a_full_disk_leaves_no_half_file(place: DataPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    def half(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", half)
    with pytest.raises(StoreError, match="No space left on device"):
        Ramps().load(Split.TRAIN, place)
    assert list(place.cache_dir.iterdir()) == []


def test_generating_at_once_in_threads_is_safe(place: DataPlace) -> None:
    together = threading.Barrier(4)
    digests: list[str] = []

    def generate() -> Mapping[Split, Arrays]:
        together.wait(timeout=120)  # all four have seen that there is no file
        return Ramps().generate()

    def load() -> None:
        digests.append(load_generated(Ramps(), Split.TRAIN, place, generate=generate).digest)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 4
    assert set(digests) == {Ramps().load(Split.TRAIN, place).digest}
    assert list(place.cache_dir.iterdir()) == [cache_path(Ramps(), place)]


def test_two_processes_that_generate_at_once_share_one_file(elsewhere: Any) -> None:
    first, second = elsewhere.digests
    assert first == second
    names = sorted(path.name.partition("-")[0] for path in elsewhere.place.cache_dir.iterdir())
    assert names == ["digits", "scenes"]
    dataset = Digits(num_train=70, num_val=20, num_test=30)
    read = load_generated(dataset, Split.VAL, elsewhere.place, generate=refuse)
    assert read.digest == first["Digits"]
