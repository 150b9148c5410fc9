import hashlib
from pathlib import Path

import numpy as np
import pytest

from dymu.data import decoded_writer
from dymu.data.decoded_writer import DecodedWriter, block_digests
from dymu.data.splits import Split
from dymu.errors import DataError, StoreError


def test_examples_that_come_one_by_one_make_the_same_files_as_all_at_once(tmp_path: Path) -> None:
    images = np.arange(60, dtype=np.int16).reshape(5, 3, 4)
    described = []
    for name, size in (("single", 1), ("all", 5)):
        (tmp_path / name).mkdir()
        with DecodedWriter(tmp_path / name) as writer:
            for start in range(0, 5, size):
                writer.append(Split.TRAIN, {"images": images[start : start + size]})
            described.append(writer.finish())
    assert described[0] == described[1]
    assert described[0]["train"]["images"]["shape"] == [5, 3, 4]
    assert (tmp_path / "single" / "train-00.raw").read_bytes() == images.tobytes()


def test_checksums_are_those_of_consecutive_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded_writer, "BLOCK_BYTES", 7)
    content = np.arange(24, dtype=np.uint8).reshape(6, 4)
    with DecodedWriter(tmp_path) as writer:
        writer.append(Split.VAL, {"images": content[:1]})
        writer.append(Split.VAL, {"images": content[1:]})
        blocks = writer.finish()["val"]["images"]["blocks"]
    raw = content.tobytes()
    assert blocks == [hashlib.sha256(raw[start : start + 7]).hexdigest()[:32] for start in range(0, 24, 7)]
    assert blocks == block_digests(raw)


def test_an_array_that_is_not_contiguous_is_written_in_its_order(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float32).reshape(3, 4)[:, ::-2]
    with DecodedWriter(tmp_path) as writer:
        writer.append(Split.TRAIN, {"images": array})
        writer.finish()
    assert (tmp_path / "train-00.raw").read_bytes() == array.copy().tobytes()


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (
            {"images": np.zeros((1, 2), np.uint8)},
            r"has \['images'\], but the first had \['edges', 'images'\]",
        ),
        (
            {"images": np.zeros((1, 3), np.uint8), "edges": np.zeros(1, np.uint8)},
            r"example 2 of split 'train' has 'images' of type uint8 and shape \(3,\), but .* \(2,\)",
        ),
        (
            {"images": np.zeros((1, 2), np.float32), "edges": np.zeros(1, np.uint8)},
            "type float32 .* but the first had uint8",
        ),
        ({"images": np.zeros((1, 2), np.uint8), "edges": np.zeros(2, np.uint8)}, "differ in their number"),
    ],
)
def test_an_example_unlike_the_first_is_refused(
    tmp_path: Path, second: dict[str, np.ndarray], message: str
) -> None:
    with DecodedWriter(tmp_path) as writer:
        writer.append(Split.TRAIN, {"images": np.zeros((2, 2), np.uint8), "edges": np.zeros(2, np.uint8)})
        with pytest.raises(DataError, match=message):
            writer.append(Split.TRAIN, second)


def test_splits_may_differ_in_shape(tmp_path: Path) -> None:
    with DecodedWriter(tmp_path) as writer:
        writer.append(Split.TRAIN, {"images": np.zeros((2, 2), np.uint8)})
        writer.append(Split.VAL, {"images": np.zeros((1, 5), np.uint8)})
        described = writer.finish()
    assert [described[name]["images"]["shape"] for name in ("train", "val")] == [[2, 2], [1, 5]]


def test_a_source_without_examples_is_refused(tmp_path: Path) -> None:
    with DecodedWriter(tmp_path) as writer, pytest.raises(DataError, match="no examples in any split"):
        writer.finish()


def test_a_folder_that_is_gone_is_a_store_error(tmp_path: Path) -> None:
    with (
        DecodedWriter(tmp_path / "gone") as writer,
        pytest.raises(StoreError, match="cannot decode data into"),
    ):
        writer.append(Split.TRAIN, {"images": np.zeros((1, 2), np.uint8)})
