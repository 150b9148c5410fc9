"""The paper's method as a chain of steps; what its steps do is tested with the stages."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.artifacts.config import config
from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.data.examples import DataPlace, Examples
from dymu.data.splits import Split
from dymu.errors import SpecError
from dymu.methods.controllable import Controllable
from dymu.networks.backbones.small import SmallBackbone
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Method, Study, override
from dymu.spec.task import Task
from dymu.stages.anchor import AnchorRecipe

StudyOf = Callable[[Method], Study]


@config
class TwoDigits:
    """The digits without their parity: a dataset of two tasks."""

    digits: Digits = Digits(num_train=64, num_val=32, num_test=40)

    @property
    def tasks(self) -> tuple[Task, ...]:
        return self.digits.tasks[:2]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        return self.digits.input_shape

    def load(self, split: Split, place: DataPlace) -> Examples:
        return self.digits.load(split, place)


@pytest.fixture
def study(study_of: StudyOf, recipe: AnchorRecipe) -> Study:
    return study_of(Controllable(anchor=recipe))


def chain(study: Study, *, seed: int = 0) -> dict[str, Step]:
    return {below.stage: below for below in study.evaluation_step(seed).closure()}


def roles(step: Step) -> dict[str, str]:
    return {role: below.stage for role, below in step.inputs.items()}


def test_stages_run_in_the_papers_order(study: Study) -> None:
    assert list(chain(study)) == ["anchor", "affinity", "edge", "weight", "evaluate"]


def test_every_stage_reads_what_it_needs(study: Study) -> None:
    steps = chain(study)
    assert roles(steps["affinity"]) == {"anchor": "anchor"}
    assert roles(steps["edge"]) == {"anchor": "anchor", "affinity": "affinity"}
    assert roles(steps["weight"]) == {"anchor": "anchor", "edge": "edge"}
    assert roles(steps["evaluate"]) == {"anchor": "anchor", "edge": "edge", "weight": "weight"}


def test_all_steps_read_the_same_anchor(study: Study) -> None:
    steps = chain(study)
    anchors = [step.inputs["anchor"] for step in steps.values() if "anchor" in step.inputs]
    assert len(anchors) == 4
    assert set(anchors) == {steps["anchor"]}


def test_the_tabulated_objective_adds_the_table(study: Study) -> None:
    steps = chain(override(study, "method.edge.objective", "tabulated"))
    assert list(steps) == ["anchor", "affinity", "path_losses", "edge", "weight", "evaluate"]
    assert roles(steps["edge"]) == {"anchor": "anchor", "affinity": "affinity", "path_losses": "path_losses"}


def test_settings_of_the_table_do_not_touch_the_minibatch_objective(study: Study) -> None:
    other = override(study, "method.path_losses.num_images", 7)
    assert other.evaluation_step(0).address == study.evaluation_step(0).address


def test_without_adaptation_there_is_no_weight_stage(study: Study) -> None:
    steps = chain(override(study, "method.weight", None))
    assert list(steps) == ["anchor", "affinity", "edge", "evaluate"]
    assert roles(steps["evaluate"]) == {"anchor": "anchor", "edge": "edge"}
    assert steps["edge"] == chain(study)["edge"]


@pytest.mark.parametrize(
    ("path", "value", "first"),
    [
        ("dataset.num_train", 65, "anchor"),
        ("method.anchor.batch_size", 9, "anchor"),
        ("method.affinity.scale", "global", "affinity"),
        ("method.edge.active_threshold", 0.0, "edge"),
        ("method.edge.reading.layer_weight", "none", "edge"),
        ("method.weight.architecture", "sampled", "weight"),
        ("evaluation.statistics", "running", "evaluate"),
    ],
)
def test_a_change_reaches_its_stage_and_what_follows(study: Study, path: str, value: Any, first: str) -> None:
    one, other = chain(study), chain(override(study, path, value))
    changed = [stage for stage in one if one[stage].address != other[stage].address]
    assert changed == list(one)[list(one).index(first) :]


def test_the_seed_reaches_every_stage(study: Study) -> None:
    one, other = chain(study), chain(study, seed=1)
    assert {step.seed for step in one.values()} == {0}
    assert {step.seed for step in other.values()} == {1}
    assert all(one[stage].address != other[stage].address for stage in one)


def test_names_of_studies_do_not_matter(study: Study) -> None:
    assert override(study, "name", "other").evaluation_step(0) == study.evaluation_step(0)


def test_two_tasks_with_affinity_are_refused_before_anything_runs(recipe: AnchorRecipe) -> None:
    two = Study(
        name="two",
        dataset=TwoDigits(),
        method=Controllable(anchor=recipe),
        evaluation=EvaluationConfig(reference_point=(4.0, 4.0)),
    )
    with pytest.raises(SpecError) as caught:
        two.evaluation_step(0)
    message = str(caught.value)
    assert "EdgeConfig.use_affinity is True with 2 tasks" in message
    assert "the resource preference has no effect" in message
    assert "method.edge.use_affinity=false" in message
    assert list(chain(override(two, "method.edge.use_affinity", False)))[-1] == "evaluate", "the advice helps"


def test_a_threshold_of_zero_makes_all_tasks_active_and_is_accepted(study: Study) -> None:
    assert chain(override(study, "method.edge.active_threshold", 0.0))["edge"].config.active_threshold == 0.0


@pytest.mark.parametrize("threshold", [1.0, 2.0])
def test_a_threshold_from_one_on_is_refused(study: Study, threshold: float) -> None:
    with pytest.raises(SpecError, match=r"from 1 on no task could ever be active"):
        override(study, "method.edge.active_threshold", threshold)


def test_too_many_paths_for_the_table_are_refused_before_anything_runs(study: Study) -> None:
    deep = SmallBackbone(channels=(2,) * 11, resolutions=tuple("keep" for _ in range(11)))
    tabulated = override(study, "method.edge.objective", "tabulated")
    with pytest.raises(SpecError, match=r"needs 3\^11 paths"):
        override(tabulated, "method.anchor.backbone", deep).evaluation_step(0)
