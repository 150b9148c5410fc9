from typing import Any

import pytest

from dymu.errors import SpecError
from dymu.spec.space import (
    Choice,
    Float,
    Int,
    Space,
    When,
    active,
    check_space,
    corners,
    own_params,
    points,
    proposed,
    value_at,
)
from dymu.spec.study import Study

TAU = Float(path="method.edge.active_threshold", low=0.1, high=0.5)
STEPS = Int(path="method.edge.steps", low=50, high=150, step=50)
MODE = Choice(path="method.edge.mode", options={"mini": "minibatch", "table": "tabulated"})
LIMIT = Float(
    path="method.edge.limit", low=0.5, high=1.0, step=0.25, only_when=When(path=MODE.path, equals=("table",))
)
SPACE: Space = (MODE, LIMIT, STEPS)


def test_a_proposal_is_the_study_with_its_values(study: Study) -> None:
    other = proposed(study, SPACE, {MODE.path: "table", LIMIT.path: 0.75, STEPS.path: 150})
    edge = other.method.edge  # type: ignore[attr-defined]
    assert (edge.mode, edge.limit, edge.steps) == ("tabulated", 0.75, 150)
    assert study.method.edge.steps == 100  # type: ignore[attr-defined]


def test_what_the_study_has_already_may_be_proposed(study: Study) -> None:
    params = own_params(study, SPACE)
    assert params == {MODE.path: "mini", STEPS.path: 100}
    assert proposed(study, SPACE, params) == study


def test_an_entry_whose_condition_does_not_hold_changes_nothing(study: Study) -> None:
    other = proposed(study, SPACE, {MODE.path: "mini", LIMIT.path: 0.75, STEPS.path: 100})
    assert other == study
    assert not active(LIMIT, {MODE.path: "mini"})
    assert active(LIMIT, {MODE.path: "table"})


@pytest.mark.parametrize(
    ("entry", "real", "expected"),
    [
        (TAU, 0.3, 0.3),
        (TAU, 0.6, None),
        (TAU, True, None),
        (LIMIT, 0.75, 0.75),
        (LIMIT, 0.8, None),
        (STEPS, 100, 100),
        (STEPS, 120, None),
        (STEPS, 100.0, None),
        (MODE, "tabulated", "table"),
        (MODE, "other", None),
    ],
)
def test_a_value_outside_of_the_space_has_no_proposal(entry: Any, real: Any, expected: Any) -> None:
    assert entry.proposal(real) == expected


def test_a_study_outside_of_the_space_is_no_proposal(study: Study) -> None:
    high = Float(path=TAU.path, low=0.3, high=0.5)
    assert own_params(study, (high,)) is None


def test_points_leave_out_what_is_not_in_use() -> None:
    found = points(SPACE)
    assert len(found) == 3 + 3 * 3
    assert len({tuple(sorted(point.items())) for point in found}) == len(found)
    assert all((LIMIT.path in point) == (point[MODE.path] == "table") for point in found)


def test_a_continuum_has_no_points() -> None:
    with pytest.raises(SpecError, match=r"active_threshold is a continuum; give it a step, or list"):
        points((STEPS, TAU))


def test_steps_do_not_lose_the_end_to_rounding() -> None:
    assert Float(path="a", low=0.0, high=0.3, step=0.1).values() == pytest.approx((0.0, 0.1, 0.2, 0.3))
    assert Float(path="a", low=0.0, high=0.35, step=0.1).values() == pytest.approx((0.0, 0.1, 0.2, 0.3))


def test_corners_reach_both_ends_of_everything() -> None:
    found = list(corners(SPACE))
    assert {point.get(LIMIT.path) for point in found} == {None, 0.5, 1.0}
    assert {point.get(STEPS.path) for point in found} == {None, 50, 150}
    assert {point[MODE.path] for point in found if LIMIT.path in point} == {"table"}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ((Float(path="method.edge.actve", low=0.1, high=0.2),), "EdgeConfig has no field 'actve'; it has"),
        ((Float(path=TAU.path, low=0.1, high=1.5),), r"active_threshold = 1\.5: .*expected a number between"),
        ((Float(path=STEPS.path, low=1.0, high=2.0),), r"steps = 1\.0: EdgeConfig\.steps is 1\.0 \(float\)"),
        ((Choice(path=MODE.path, options={"a": "minibatch", "b": "typo"}),), r"mode = 'b'.*'typo'"),
        ((TAU, TAU), "two entries for method.edge.active_threshold"),
        ((LIMIT, MODE), r"only_when names 'method.edge.mode', which is no entry before it \(there is none\)"),
        (
            (MODE, Float(path=TAU.path, low=0.1, high=0.2, only_when=When(path=MODE.path, equals=("tab",)))),
            "waits for method.edge.mode = 'tab', which that entry never has",
        ),
        (
            (TAU, Int(path=STEPS.path, low=1, high=2, only_when=When(path=TAU.path, equals=(1,)))),
            "conditions take numbers of an Int or keys of a Choice",
        ),
        ((Choice(path="name", options={"a": "x", "b": "y"}),), "the name of a study changes no result"),
    ],
)
def test_a_space_that_does_not_fit_is_refused(study: Study, space: Space, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        check_space(study, space)


def test_a_field_of_an_option_needs_its_condition(study: Study) -> None:
    edge = study.method.edge  # type: ignore[attr-defined]
    weight = Choice(path="method.weight", options={"none": None, "some": edge})
    steps = Int(path="method.weight.steps", low=1, high=3)
    with pytest.raises(SpecError, match=r"'steps' cannot be set below None"):
        check_space(study, (weight, steps))
    conditional = Int(
        path="method.weight.steps", low=1, high=3, only_when=When(path="method.weight", equals=("some",))
    )
    check_space(study, (weight, conditional))
    other = proposed(study, (weight, conditional), {"method.weight": "some", "method.weight.steps": 3})
    assert value_at(other, "method.weight.steps") == 3


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (Float, {"low": 1.0, "high": 1.0}, r"Float\.low is 1\.0; expected less than high"),
        (Float, {"low": 0.0, "high": 1.0, "log": True}, "a positive number, because log is set"),
        (Float, {"low": 0.1, "high": 1.0, "log": True, "step": 0.1}, r"Float\.step"),
        (Int, {"low": 1, "high": 8, "log": True, "step": 2}, r"Int\.step is 2; expected 1"),
        (Choice, {"options": {"a": 1}}, "expected at least two"),
        (Choice, {"options": {"a": 1, "b": [1]}}, "write a tuple"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(cls: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        cls(path="a", **fields)


def test_entries_say_their_values_in_words() -> None:
    texts = [entry.text for entry in (TAU, LIMIT, STEPS, MODE, Int(path="a", low=1, high=9, log=True))]
    assert texts == ["0.1 to 0.5", "0.5 to 1, step 0.25", "50 to 150, step 50", "mini, table", "1 to 9, log"]
