import copy
import json
from dataclasses import replace
from pathlib import Path

import pytest

from dymu.artifacts.record import (
    PROVENANCE,
    RECORD,
    Point,
    Record,
    Value,
    loads_record,
    read_provenance,
    read_record,
)
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


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_value_that_is_not_finite_is_no_record(number: str, tmp_path: Path) -> None:
    record().write(tmp_path)
    path = tmp_path / RECORD
    path.write_text(path.read_text().replace('"value": 150.0', f'"value": {number}'))
    with pytest.raises(StoreError, match=r"its value active_parameters/c=0 is (nan|inf), expected a finite"):
        read_record(tmp_path)


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


def test_provenance_is_what_stands_beside_a_record(tmp_path: Path) -> None:
    assert read_provenance(tmp_path) == {}
    (tmp_path / PROVENANCE).write_text('{"device": "cpu"}')
    assert read_provenance(tmp_path) == {"device": "cpu"}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "\x00"}'])
def test_damaged_provenance_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / PROVENANCE).write_text(text)
    with pytest.raises(StoreError, match=r"provenance\.json .*dymu cache verify"):
        read_provenance(tmp_path)


def test_unknown_field_is_refused(tmp_path: Path) -> None:
    record().write(tmp_path)
    form = json.loads((tmp_path / RECORD).read_text())
    (tmp_path / RECORD).write_text(json.dumps({**form, "more": 1}))
    with pytest.raises(StoreError, match="more"):
        read_record(tmp_path)


def test_missing_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=f"{tmp_path}/{RECORD} is not a readable record"):
        read_record(tmp_path)


def test_points_are_parsed_when_they_are_asked_for(tmp_path: Path) -> None:
    record().write(tmp_path)
    found = read_record(tmp_path)
    assert "points" not in vars(found)
    assert found.points == record().points
    assert found.points is found.points


@pytest.mark.parametrize("indent", [None, 0, 1, 2])
def test_the_layout_of_the_file_does_not_matter(tmp_path: Path, indent: int | None) -> None:
    record().write(tmp_path)
    form = json.loads((tmp_path / RECORD).read_text())
    turned = dict(reversed(form.items()))
    assert loads_record(json.dumps(turned, indent=indent).encode(), where="x") == record()


@pytest.mark.parametrize("text", ['\n "points": [\n', "\n ],\n"])
def test_text_that_looks_like_points_is_text(tmp_path: Path, text: str) -> None:
    odd = replace(record(), method=text, config={text: {"points": [1, 2], "z": [{"points": [[]]}]}})
    odd.write(tmp_path)
    assert read_record(tmp_path) == odd


def test_a_record_without_points_is_read(tmp_path: Path) -> None:
    replace(record(), points=()).write(tmp_path)
    assert read_record(tmp_path).points == ()


def test_a_record_that_was_read_can_be_changed_copied_and_written(tmp_path: Path) -> None:
    record().write(tmp_path)
    before = (tmp_path / RECORD).read_bytes()
    assert replace(read_record(tmp_path), seed=4) == replace(record(), seed=4)
    assert copy.deepcopy(read_record(tmp_path)) == record()
    read_record(tmp_path).write(tmp_path)
    assert (tmp_path / RECORD).read_bytes() == before


@pytest.mark.parametrize(("old", "new"), [(b"0.95", b"0.9.5"), (b'"preferences"', b'"preference_"')])
def test_damaged_points_are_refused_when_they_are_asked_for(tmp_path: Path, old: bytes, new: bytes) -> None:
    record().write(tmp_path)
    found = loads_record((tmp_path / RECORD).read_bytes().replace(old, new), where="x/record.json")
    with pytest.raises(StoreError, match=r"x/record\.json is not a readable record.*dymu cache verify"):
        found.points  # noqa: B018


def test_a_record_has_no_other_names(tmp_path: Path) -> None:
    record().write(tmp_path)
    assert not hasattr(read_record(tmp_path), "point")


def test_a_record_without_pairs_keeps_its_bytes_and_one_with_them_is_read(tmp_path: Path) -> None:
    record().write(tmp_path)
    assert b"pair_" not in (tmp_path / RECORD).read_bytes()
    first, second = record().points
    pairs = replace(first, pair_preferences=[[1.0, 0.0], [0.5, 0.5]], pair_losses=[[0.1, 2.0], [0.2, 0.3]])
    with_pairs = replace(record(), points=(pairs, second))
    with_pairs.write(tmp_path)
    assert read_record(tmp_path) == with_pairs
    assert with_pairs.points == (pairs, second)
