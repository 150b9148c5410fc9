"""Steps rebuilt from a store."""

import json
import shutil
from pathlib import Path

import pytest

from dymu.artifacts.store import STEP, Store
from dymu.errors import SpecError, StoreError
from dymu.product.published import controller_steps, evaluated_statistics, published_step, read_controller
from dymu.spec.study import Study


def test_a_rebuilt_step_is_the_one_that_was_published(trained: Store, study: Study) -> None:
    step = study.evaluation_step(0)
    rebuilt = published_step(trained, step.address)
    assert rebuilt.form == step.form
    assert [below.address for below in rebuilt.closure()] == [below.address for below in step.closure()]
    assert rebuilt.inputs["anchor"].config == step.inputs["anchor"].config


def test_what_the_store_lacks_is_named(trained: Store) -> None:
    with pytest.raises(StoreError, match="evaluate/0123456789abcdef"):
        published_step(trained, "evaluate/0123456789abcdef")


def test_a_configuration_with_another_address_now_is_refused(
    trained: Store, study: Study, tmp_path: Path
) -> None:
    address = study.evaluation_step(0).address
    shutil.copytree(trained.root, tmp_path / "store")
    store = Store(tmp_path / "store")
    path = store.path(address) / STEP
    form = json.loads(path.read_text())
    path.write_text(json.dumps({**form, "revision": 99}))
    with pytest.raises(SpecError, match=f"{address} cannot be rebuilt.*Install the dymu"):
        published_step(store, address)


@pytest.mark.parametrize("stage", ["evaluate", "weight", "edge"])
def test_a_controller_is_found_from_each_of_its_steps(trained: Store, study: Study, stage: str) -> None:
    steps = {below.stage: below for below in study.evaluation_step(0).closure()}
    expected = {"anchor": steps["anchor"], "edge": steps["edge"]}
    if stage != "edge":
        expected["weight"] = steps["weight"]
    assert controller_steps(steps[stage]) == expected
    assert (read_controller(trained, steps[stage]).weight is None) == (stage == "edge")


def test_a_method_without_a_controller_is_refused(single_task: Study) -> None:
    with pytest.raises(SpecError, match="of method single_task has no controller; expected the evaluation"):
        controller_steps(single_task.evaluation_step(0))


def test_statistics_are_those_of_the_evaluation(study: Study) -> None:
    step = study.evaluation_step(0)
    assert evaluated_statistics(step) == "batch"
    assert evaluated_statistics(step.inputs["edge"]) == "batch"


def test_a_rebuilt_step_does_not_run(trained: Store, study: Study) -> None:
    rebuilt = published_step(trained, study.evaluation_step(0).address)
    with pytest.raises(AssertionError, match="to be read, not to be run"):
        rebuilt.run(rebuilt, None)
