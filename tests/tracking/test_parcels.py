import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dymu.tracking.parcels import MAX_CHARACTERS, MAX_ITEMS, MAX_PARAMS, MAX_TAGS, Metric, Parcel, parcels


def group(step: int, size: int) -> list[Metric]:
    return [(f"edge/m{index}", 0.5, 1000 + step, step) for index in range(size)]


def texts(count: int, length: int = 3) -> dict[str, str]:
    return {f"k{index}": "x" * length for index in range(count)}


@given(
    st.lists(st.integers(min_value=0, max_value=700), max_size=20),
    st.integers(min_value=0, max_value=250),
    st.integers(min_value=0, max_value=250),
)
def test_everything_arrives_once_in_order_and_within_the_limits(
    sizes: list[int], params: int, tags: int
) -> None:
    groups = [group(step, size) for step, size in enumerate(sizes)]
    found = list(parcels(groups, params=texts(params), tags=texts(tags)))
    assert [metric for parcel in found for metric in parcel.metrics] == [m for g in groups for m in g]
    assert {key: value for parcel in found for key, value in parcel.params.items()} == texts(params)
    assert {key: value for parcel in found for key, value in parcel.tags.items()} == texts(tags)
    assert all(0 < parcel.size <= MAX_ITEMS for parcel in found)
    assert all(len(parcel.params) <= MAX_PARAMS and len(parcel.tags) <= MAX_TAGS for parcel in found)


@given(st.lists(st.integers(min_value=1, max_value=MAX_ITEMS), max_size=20))
def test_a_group_that_fits_a_request_is_never_split(sizes: list[int]) -> None:
    groups = [group(step, size) for step, size in enumerate(sizes)]
    where: dict[int, set[int]] = {}
    for number, parcel in enumerate(parcels(groups, params={}, tags={})):
        for _, _, _, step in parcel.metrics:
            where.setdefault(step, set()).add(number)
    assert all(len(numbers) == 1 for numbers in where.values())


def test_what_fits_one_request_is_one_request() -> None:
    (parcel,) = parcels([group(0, 400), group(1, 400)], params=texts(100), tags=texts(100))
    assert parcel.size == MAX_ITEMS


def test_a_group_that_no_request_can_hold_is_split() -> None:
    assert [parcel.size for parcel in parcels([group(0, 2300)], params={}, tags={})] == [1000, 1000, 300]


@pytest.mark.parametrize("letter", ["x", "\u00e9"])
def test_long_values_are_spread_over_requests_of_less_than_a_megabyte(letter: str) -> None:
    params = {f"k{index}": letter * 6000 for index in range(100)}
    found = list(parcels([group(0, 800)], params=params, tags=texts(50, 5000)))
    assert len(found) > 1
    for parcel in found:
        assert parcel.characters <= MAX_CHARACTERS
        assert len(json.dumps(request(parcel))) < 1_000_000


def request(parcel: Parcel) -> dict[str, object]:
    """What travels, as MLflow's client spells it."""
    return {
        "run_id": "0" * 32,
        "metrics": [
            {"key": key, "value": 0.12345678901234567, "timestamp": 1_800_000_000_000 + time, "step": step}
            for key, _, time, step in parcel.metrics
        ],
        "params": [{"key": key, "value": value} for key, value in parcel.params.items()],
        "tags": [{"key": key, "value": value} for key, value in parcel.tags.items()],
    }


def test_nothing_makes_no_request() -> None:
    assert list(parcels([], params={}, tags={})) == []
