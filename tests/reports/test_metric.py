import pytest

from dymu.reports.metric import CONTROL, FRACTION, HYPERVOLUME, MACS, UNIFORMITY, Metric


@pytest.mark.parametrize(
    ("metric", "number", "text"),
    [
        (HYPERVOLUME, 13.434, "13.43"),
        (HYPERVOLUME, 0.0102, "0.01"),
        (HYPERVOLUME, 0.0, "0.00"),
        (UNIFORMITY, 0.7912, "0.791"),
        (FRACTION, 63.66, "63.7"),
        (MACS, 29.04e9, "29.04G"),
        (CONTROL, 5.72e6, "5.72M"),
    ],
)
def test_numbers_have_the_digits_that_they_need(metric: Metric, number: float, text: str) -> None:
    assert metric.text(number) == text


def test_what_has_no_resource_preference_has_one_name() -> None:
    assert (MACS.key(0.0), MACS.key(None), CONTROL.key(0.0)) == (
        "active_macs/c=0",
        "active_macs",
        "control_parameters",
    )


def test_directions_are_those_of_the_metrics() -> None:
    assert [metric.higher_is_better for metric in (HYPERVOLUME, UNIFORMITY, FRACTION, MACS, CONTROL)] == [
        True,
        True,
        False,
        False,
        False,
    ]
