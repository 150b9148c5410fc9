import pytest

from dymu.artifacts.config import changed
from dymu.artifacts.fingerprint import canonical, digest
from dymu.errors import SpecError
from dymu.spec.evaluation import EvaluationConfig


def test_defaults_are_the_papers() -> None:
    protocol = EvaluationConfig(reference_point=(2.0, 2.0))
    assert (protocol.num_preferences, protocol.num_cost_preferences) == (20, 1000)
    assert protocol.resource_preferences == (0.0, 1.0)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("reference_point", (2.0,), "at least two"),
        ("reference_point", (2.0, 0.0), "positive coordinates"),
        ("reference_point", (2.0, float("nan")), "positive coordinates"),
        ("num_preferences", 0, "at least 1"),
        ("num_cost_preferences", 0, "at least 1"),
        ("batch_size", 1, "at least 2"),
        ("recalibration_batches", 0, "at least 1"),
        ("resource_preferences", (), "at least one value"),
        ("resource_preferences", (0.0, 1.1), r"each in \[0, 1\]"),
        ("resource_preferences", (-0.1,), r"each in \[0, 1\]"),
        ("resource_preferences", (float("nan"),), r"each in \[0, 1\]"),
        ("resource_preferences", (0.5, 0.50000001), "differ in their first six digits"),
        ("pair_preferences", 2, "0, or at least 3"),
        ("pair_preferences", -3, "0, or at least 3"),
        ("pairs", (("a", "b"),), "no pairs while pair_preferences is 0"),
    ],
)
def test_senseless_protocol_is_refused(field: str, value: object, expected: str) -> None:
    with pytest.raises(SpecError, match=rf"EvaluationConfig\.{field} is .*; expected .*{expected}"):
        EvaluationConfig(**{"reference_point": (2.0, 2.0), field: value})  # type: ignore[arg-type]


def test_unknown_statistics_are_refused() -> None:
    with pytest.raises(
        SpecError, match=r"EvaluationConfig\.statistics is 'test'.*'batch', 'running' or 'recalibrated'"
    ):
        EvaluationConfig(reference_point=(2.0, 2.0), statistics="test")  # type: ignore[arg-type]


@pytest.mark.parametrize("pairs", [(("a", "a"),), (("a", "b"), ("b", "a")), (("a", "b"), ("a", "b"))])
def test_pairs_that_are_none_or_come_twice_are_refused(pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(SpecError, match=r"EvaluationConfig\.pairs is .*two different tasks in each pair"):
        EvaluationConfig(reference_point=(2.0, 2.0), pair_preferences=5, pairs=pairs)


def test_a_protocol_without_pairs_is_the_one_from_before_there_were_any() -> None:
    protocol = EvaluationConfig(reference_point=(2.0, 2.0))
    assert not {"pair_preferences", "pairs"} & set(canonical(protocol))
    assert digest(changed(protocol, {"pair_preferences": 5})) != digest(protocol)
