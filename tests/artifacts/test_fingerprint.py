import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dymu.artifacts import fingerprint
from dymu.artifacts.config import absent_means, config
from dymu.artifacts.fingerprint import canonical, differences, digest, digest_of_form, rebuild
from dymu.errors import SpecError
from dymu.spec.ablation import Ablation, Claim
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.task import Task

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
KEYS = st.text(max_size=3).filter(lambda key: key != fingerprint.TYPE_KEY)
VALUES = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=3).map(tuple) | st.dictionaries(KEYS, below, max_size=3),
    max_leaves=8,
)
quickly = settings(max_examples=200, deadline=None)


@config
class Place:
    rate: float = 0.1


@config
class Grown:
    rate: float = 0.1
    added: int | None = absent_means(3)


@config
class Holder:
    value: Any = None


def same(left: Any, right: Any) -> bool:
    """Equal, and of equal types all the way down."""
    if type(left) is not type(right):
        return False
    if isinstance(left, tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def reversed_keys(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(reversed_keys(item) for item in value)
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(list(value))}
    return value


# --- properties ---------------------------------------------------------------------------------------


@given(VALUES)
@quickly
def test_rebuilding_gives_the_value_back(value: Any) -> None:
    assert same(rebuild(canonical(value)), value)


@given(VALUES)
@quickly
def test_form_survives_being_written_as_json(value: Any) -> None:
    form = json.loads(json.dumps(canonical(value)))
    assert list(differences(form, canonical(value))) == []
    assert digest_of_form(form) == digest(value)


@given(VALUES)
@quickly
def test_order_of_keys_does_not_matter(value: Any) -> None:
    assert digest(reversed_keys(value)) == digest(value)


@given(VALUES, VALUES)
@quickly
def test_digests_differ_exactly_where_forms_do(left: Any, right: Any) -> None:
    found = list(differences(canonical(left), canonical(right)))
    assert (digest(left) == digest(right)) == (found == [])


@given(LEAVES, LEAVES, st.lists(st.text("abc", min_size=1), min_size=1, max_size=4))
@quickly
def test_one_changed_leaf_is_found_at_its_path(left: Any, right: Any, keys: list[str]) -> None:
    assume(not same(left, right))
    expected = (".".join(keys), left, right)
    for key in reversed(keys):
        left, right = {"the same": 1, key: left}, {"the same": 1, key: right}
    assert list(differences(left, right)) == [expected]


@given(st.floats(allow_nan=False, allow_infinity=False))
@quickly
def test_float_field_keeps_every_digit(rate: float) -> None:
    rebuilt = rebuild(json.loads(json.dumps(canonical({"rate": rate}))))
    assert rebuilt == {"rate": rate}


@given(st.integers(-(2**53), 2**53))
@quickly
def test_whole_number_and_float_are_one_address_in_a_float_field(number: int) -> None:
    assert digest(Place(rate=number)) == digest(Place(rate=float(number)))


# --- canonical form -----------------------------------------------------------------------------------


def test_form_of_a_config_names_its_class_and_fields() -> None:
    assert canonical(Task(name="left", kind="classification", num_outputs=10)) == {
        "type": "dymu.spec.task.Task",
        "name": "left",
        "kind": "classification",
        "num_outputs": 10,
        "loss_weight": 1.0,
    }


def test_negative_zero_is_zero() -> None:
    assert digest(Place(rate=-0.0)) == digest(Place(rate=0.0))
    assert math.copysign(1.0, canonical(-0.0)) == 1.0


def test_same_fields_in_another_class_are_another_address() -> None:
    @config
    class Elsewhere:
        rate: float = 0.1

    assert digest(Elsewhere()) != digest(Place())


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (True, 1), (None, False), ("1", 1), ((), {})])
def test_values_of_different_types_are_different(left: object, right: object) -> None:
    assert digest(Holder(value=left)) != digest(Holder(value=right))


def test_added_field_keeps_the_address_while_it_means_absent() -> None:
    before = {name: item for name, item in canonical(Grown(added=4)).items() if name != "added"}
    assert canonical(Grown()) == before
    assert digest(Grown()) == digest_of_form(before)


def test_added_field_changes_the_address_when_it_says_something() -> None:
    assert digest(Grown(added=4)) != digest(Grown())
    assert list(differences(canonical(Grown()), canonical(Grown(added=None)))) == [("added", None, None)]


def test_digest_is_the_same_in_another_process_with_another_hash_seed(run_python: Callable[..., Any]) -> None:
    script = """
from dymu.artifacts.fingerprint import digest
from dymu.spec.evaluation import EvaluationConfig

config = EvaluationConfig(reference_point=(2, 2.5))
print(digest({"c": config, "a": (1, None, "é"), "b": {"y": 0.1, "x": -0.0}}))
"""
    value = {
        "b": {"x": 0.0, "y": 0.1},
        "a": (1, None, "é"),
        "c": EvaluationConfig(reference_point=(2.0, 2.5)),
    }
    for hash_seed in ("0", "1", "4711"):
        out, err = run_python(script, PYTHONHASHSEED=hash_seed).communicate(timeout=60)
        assert out.strip() == digest(value), err


def test_digest_is_pinned() -> None:
    # Whoever changes this loses every store that exists.
    assert digest({"a": (1, 2.5, None, True, "é"), "b": {}}) == "8a1be0390abb9365"


# --- refusals -----------------------------------------------------------------------------------------


@dataclasses.dataclass
class Plain:
    rate: float = 0.1


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (Path("/data"), r"a path \(/data\) says where something is.*RunContext"),
        (print, r"a callable .*use a config class with a method instead"),
        (lambda: 1, "a callable"),
        (Place, "a callable"),
        ([1, 2], "a list can change; write a tuple"),
        ({1, 2}, "a set can change; write a tuple"),
        (Plain(), "Plain has no canonical form; devices, trackers and worker counts belong in RunContext"),
        (b"bytes", "bytes has no canonical form"),
        (float("nan"), "nan cannot be part of an address; use None"),
        (float("inf"), "inf cannot be part of an address"),
        ({1: 2}, "the key 1 of a mapping is int; write text"),
        ({"type": "os.system"}, "the key 'type' of a mapping is reserved"),
    ],
)
def test_value_without_canonical_form_is_refused_with_a_hint(value: object, hint: str) -> None:
    for wrapped in (value, (value,), {"key": value}, Holder(value=value)):
        with pytest.raises(SpecError, match=hint):
            canonical(wrapped)


def test_field_that_would_hide_the_class_is_a_mistake() -> None:
    @config
    class Hiding:
        type: str = "dymu.spec.task.Task"

    with pytest.raises(AssertionError, match=r"Hiding\.type would hide the name of its class"):
        canonical(Hiding())


# --- rebuilding ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        Task(name="left", kind="classification", num_outputs=10),
        EvaluationConfig(reference_point=(1, 2, 3.5), resource_preferences=(0,)),
        Ablation(
            name="a",
            label="b",
            starts_at="edge",
            changes={"method.edge.steps": 3, "method.edge.widths": (1, 2)},
            claims=(Claim(metric="uniformity", direction="down"),),
            paper={"uniformity": 1},
        ),
    ],
)
def test_config_is_rebuilt_from_its_written_form(value: Any) -> None:
    assert rebuild(json.loads(json.dumps(canonical(value)))) == value


def test_config_is_rebuilt_without_a_field_that_did_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Grown, "__module__", "dymu.spec.task")
    monkeypatch.setattr("dymu.spec.task.Grown", Grown, raising=False)
    assert rebuild({"type": "dymu.spec.task.Grown", "rate": 0.5}) == Grown(rate=0.5)


@pytest.mark.parametrize(
    "name",
    [
        "os.system",
        "subprocess.Popen",
        "Task",
        "",
        "pydantic.BaseModel",
        "dymus.spec.task.Task",
        "xdymu.task.Task",
    ],
)
def test_class_outside_dymu_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="is not a class of dymu"):
        rebuild({"type": name})


@pytest.mark.parametrize(
    "name",
    [
        "dymu.spec.task.Gone",
        "dymu.spec.gone.Task",
        "dymu.spec.task.TaskKind",
        "dymu.artifacts.config.pydantic",
        "dymu.artifacts.config.config",
        "dymu.spec.study.EvaluationConfig",
        "dymu.errors.SpecError",
        "dymu.spec.task.Task.__init__",
    ],
)
def test_what_is_no_config_class_of_dymu_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="is not a config class of this version of dymu"):
        rebuild({"type": name})


def test_config_of_a_loaded_module_is_rebuilt_and_its_other_names_are_not() -> None:
    assert rebuild(canonical(Grown(rate=0.5))) == Grown(rate=0.5)
    for name in ("Grown.__init__", "canonical", "Gone", "Task"):
        with pytest.raises(SpecError, match="is not a class of dymu, nor a config class of a module that is"):
            rebuild({"type": f"{__name__}.{name}"})


def test_form_with_a_field_that_is_gone_is_refused() -> None:
    form: Mapping[str, Any] = {"type": "dymu.spec.task.Task", "name": "a", "kind": "depth", "old": 1}
    with pytest.raises(SpecError, match="Task has no field 'old'"):
        rebuild({**form, "num_outputs": 1})


# --- differences --------------------------------------------------------------------------------------


def test_differences_name_the_path_and_both_values() -> None:
    left = {"a": {"b": [1, {"c": 2}]}, "same": 0}
    right = {"a": {"b": [1, {"c": 3}]}, "same": 0, "only": "right"}
    assert list(differences(left, right)) == [("a.b[1].c", 2, 3), ("only", None, "right")]


def test_lists_of_other_length_differ_as_a_whole() -> None:
    assert list(differences({"a": [1]}, {"a": [1, 2]})) == [("a", [1], [1, 2])]


def test_number_types_differ() -> None:
    assert list(differences([1, True], [1.0, 1])) == [("[0]", 1, 1.0), ("[1]", True, 1)]
