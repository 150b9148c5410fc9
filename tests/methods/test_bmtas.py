"""BMTAS: a search, its tree retrained from the start, the anchor beside it."""

from collections.abc import Callable

import pytest

from dymu.artifacts.config import changed
from dymu.methods.bmtas import BMTAS
from dymu.methods.single_task import SingleTask
from dymu.spec.study import Method, Study, override
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.bmtas import BMTASRecipe
from dymu.stages.optimisation import Optimisation

StudyOf = Callable[[Method], Study]


@pytest.fixture
def study(study_of: StudyOf, recipe: AnchorRecipe, short: Optimisation) -> Study:
    return study_of(BMTAS(anchor=recipe, search=BMTASRecipe(optimisation=short)))


def test_the_tree_is_searched_then_retrained_from_the_start(study: Study) -> None:
    evaluation = study.evaluation_step(2)
    assert sorted(step.stage for step in evaluation.closure()) == sorted(
        ["bmtas", "retrain", "anchor", "evaluate"]
    )
    retrain = evaluation.inputs["retrain"]
    assert set(retrain.inputs) == {"tree"}
    assert retrain.config.start == "initial"
    assert [step.seed for step in evaluation.closure()] == [2, 2, 2, 2]
    assert evaluation.config.method == "static_tree"


def test_delta_t_compares_with_the_single_task_nets(
    study: Study, study_of: StudyOf, recipe: AnchorRecipe
) -> None:
    single_task = study_of(SingleTask(anchor=recipe)).evaluation_step(0)
    assert study.evaluation_step(0).inputs["anchor"] == single_task.inputs["anchor"]


def test_the_recipe_is_the_anchors_unless_another_is_given(study: Study, recipe: AnchorRecipe) -> None:
    assert study.evaluation_step(0).inputs["retrain"].config.recipe == recipe
    other = changed(recipe, {"batch_size": 9})
    given = override(study, "method.recipe", other).evaluation_step(0).inputs["retrain"]
    assert given.config.recipe == other
    assert given.inputs["tree"] == study.evaluation_step(0).inputs["retrain"].inputs["tree"]


def test_settings_of_the_search_reach_it(study: Study) -> None:
    other = override(study, "method.search.logit_rate", 0.5).evaluation_step(0).inputs["retrain"]
    assert other.inputs["tree"].config.recipe.logit_rate == 0.5
