import json
import pickle
from typing import Any

import pytest

from dymu.artifacts.config import config
from dymu.artifacts.fingerprint import DIGEST_LENGTH, digest_of_form
from dymu.artifacts.step import Step
from dymu.errors import SpecError


@config
class EdgeConfig:
    threshold: float = 0.2
    widths: tuple[int, ...] = (8, 16)


def run_edge(_step: Step, _context: Any) -> None:
    """Does nothing."""


def run_otherwise(_step: Step, _context: Any) -> None:
    """Does nothing, elsewhere."""


def edge(**fields: Any) -> Step:
    given = {"stage": "edge", "revision": 1, "config": EdgeConfig(), "run": run_edge, "seed": 0, **fields}
    return Step(**given)


def test_address_is_stage_and_digest_of_the_form() -> None:
    step = edge()
    stage, _, digest = step.address.partition("/")
    assert stage == "edge"
    assert len(digest) == DIGEST_LENGTH
    assert digest == digest_of_form(json.loads(json.dumps(step.form)))


def test_form_says_what_the_address_is_made_of() -> None:
    anchor = edge(stage="anchor")
    assert edge(inputs={"anchor": anchor}).form == {
        "stage": "edge",
        "revision": 1,
        "config": {"type": f"{__name__}.EdgeConfig", "threshold": 0.2, "widths": [8, 16]},
        "inputs": {"anchor": anchor.address},
        "seed": 0,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "weight"},
        {"revision": 2},
        {"config": EdgeConfig(threshold=0.3)},
        {"config": None},
        {"seed": 1},
        {"seed": None},
        {"inputs": {"anchor": edge(stage="anchor")}},
    ],
)
def test_each_part_of_identity_changes_the_address(change: dict[str, Any]) -> None:
    assert edge(**change).address != edge().address
    assert edge(**change) != edge()


def test_change_of_an_input_changes_all_that_follows() -> None:
    def last(threshold: float) -> Step:
        first = edge(stage="anchor", config=EdgeConfig(threshold=threshold))
        return edge(stage="weight", inputs={"edge": edge(inputs={"anchor": first})})

    assert last(0.2).address == last(0.2).address
    assert last(0.2).address != last(0.3).address


def test_role_of_an_input_matters_and_order_does_not() -> None:
    a, b = edge(stage="a"), edge(stage="b")
    assert edge(inputs={"x": a, "y": b}).address == edge(inputs={"y": b, "x": a}).address
    assert edge(inputs={"x": a, "y": b}).address != edge(inputs={"x": b, "y": a}).address


def test_function_that_runs_is_not_part_of_the_address() -> None:
    assert edge(run=run_otherwise).address == edge().address


def test_steps_of_one_address_are_one_in_a_set() -> None:
    assert len({edge(), edge(run=run_otherwise), edge(seed=1)}) == 2
    assert edge() != edge().address


def test_config_without_canonical_form_is_refused() -> None:
    with pytest.raises(SpecError, match="a list can change"):
        _ = edge(config=[1]).address


def test_function_that_cannot_travel_is_refused() -> None:
    def local(_step: Step, _context: Any) -> None:
        """Does nothing."""

    for function in (local, lambda _step, _context: None):
        with pytest.raises(SpecError, match="step edge: run must be a module-level function"):
            edge(run=function)


def test_step_keeps_its_address_in_another_process() -> None:
    step = edge(inputs={"anchor": edge(stage="anchor")})
    copy = pickle.loads(pickle.dumps(step))
    assert copy == step
    assert copy.form == step.form
    assert copy.run is run_edge


def test_closure_has_each_step_once_and_inputs_first() -> None:
    anchor = edge(stage="anchor")
    affinity = edge(stage="affinity", inputs={"anchor": anchor})
    middle = edge(inputs={"anchor": edge(stage="anchor"), "affinity": affinity})
    last = edge(stage="evaluate", inputs={"edge": middle, "anchor": anchor})
    order = list(last.closure())
    assert sorted(step.stage for step in order) == ["affinity", "anchor", "edge", "evaluate"]
    for position, step in enumerate(order):
        assert {below.address for below in step.inputs.values()} <= {s.address for s in order[:position]}
