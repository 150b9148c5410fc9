import json
from pathlib import Path

import pytest

from dymu.artifacts.record import RECORD, Point, Record, Value, read_record
from dymu.errors import StoreError


def record() -> Record:
    point = Point(
        resource_preference=0.0,
        preferences=[[0.25, 0.75], [0.5, 0.5]],
        losses=[[0.1, 0.2], [0.3, 1e-17]],
        task_metrics={"left/accuracy": [0.9, 0.95]},
        parents=[[[0, 0], [0, 1]], [[1, 1], [0, 0]]],
        parameters=[100.0, 200.0],
    )
    return Record(
        address="evaluate/00",
        seed=3,
        method="ours",
        tasks=("left", "right"),
        values={
            "hypervolume/c=0": Value(value=0.5, higher_is_better=True, lower=0.0, upper=4.0),
            "active_parameters/c=0": Value(value=150.0, higher_is_better=False, unit="parameters"),
        },
        points=(point, Point(resource_preference=None, preferences=[], losses=[], task_metrics={})),
        reference_point=(2.0, 2.0),
        anchor_parameters=1000.0,
        data_digest="abc",
        config={"evaluate/00": {"stage": "evaluate"}},
    )


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record().write(tmp_path)
    assert read_record(tmp_path) == record()


def test_equal_records_are_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
        record().write(tmp_path / name)
    assert (tmp_path / "a" / RECORD).read_bytes() == (tmp_path / "b" / RECORD).read_bytes()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_value_that_is_not_finite_is_a_mistake(number: float) -> None:
    with pytest.raises(AssertionError, match="must be finite"):
        Value(value=number)


def test_loss_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    broken = record()
    broken.points[0].losses[0][0] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        broken.write(tmp_path)
    assert not (tmp_path / RECORD).exists()


def test_record_of_a_newer_dymu_is_refused(tmp_path: Path) -> None:
    record().write(tmp_path)
    form = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**form, "format": 2, "values": "otherwise"}))
    with pytest.raises(StoreError, match=r"record\.json has record format 2; this dymu reads format 1\."):
        read_record(tmp_path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "3", "{}", '{"format": 1}', '{"format": 1, "values": 3}', "\x00"]
)
def test_what_is_no_record_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / RECORD).write_text(text)
    with pytest.raises(StoreError, match=r"record\.json is not a readable record.*dymu cache verify"):
        read_record(tmp_path)


def test_unknown_field_is_refused(tmp_path: Path) -> None:
    record().write(tmp_path)
    form = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**form, "more": 1}))
    with pytest.raises(StoreError, match="more"):
        read_record(tmp_path)


def test_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}/{RECORD} is not a readable record"):
        read_record(tmp_path)
