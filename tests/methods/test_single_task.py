"""Single-task nets: the anchor, judged as it is."""

from collections.abc import Callable

from dymu.artifacts.config import changed
from dymu.methods.controllable import Controllable
from dymu.methods.single_task import SingleTask
from dymu.spec.study import Method, Study
from dymu.stages.anchor import AnchorRecipe

StudyOf = Callable[[Method], Study]


def test_the_anchor_is_trained_and_judged(study_of: StudyOf, recipe: AnchorRecipe) -> None:
    steps = list(study_of(SingleTask(anchor=recipe)).evaluation_step(3).closure())
    assert [step.stage for step in steps] == ["anchor", "evaluate"]
    assert [step.seed for step in steps] == [3, 3]
    assert steps[-1].config.method == "single_task"


def test_the_anchor_of_an_equal_recipe_is_shared(study_of: StudyOf, recipe: AnchorRecipe) -> None:
    single = next(study_of(SingleTask(anchor=recipe)).evaluation_step(0).closure())
    ours = next(study_of(Controllable(anchor=recipe)).evaluation_step(0).closure())
    assert single.stage == "anchor"
    assert single == ours


def test_the_anchor_of_another_recipe_is_not(study_of: StudyOf, recipe: AnchorRecipe) -> None:
    other = changed(recipe, {"batch_size": 9})
    single = next(study_of(SingleTask(anchor=other)).evaluation_step(0).closure())
    ours = next(study_of(Controllable(anchor=recipe)).evaluation_step(0).closure())
    assert single != ours
