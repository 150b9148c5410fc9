"""Retrained: the predicted tree of the uniform preference, trained by itself."""

from collections.abc import Callable

import pytest

from dymu.artifacts.config import changed
from dymu.methods.controllable import Controllable
from dymu.methods.retrained import Retrained
from dymu.spec.study import Method, Study, override
from dymu.stages.anchor import AnchorRecipe

StudyOf = Callable[[Method], Study]


@pytest.fixture
def study(study_of: StudyOf, recipe: AnchorRecipe) -> Study:
    return study_of(Retrained(anchor=recipe))


def test_the_tree_is_predicted_then_retrained_then_judged_beside_the_anchor(study: Study) -> None:
    evaluation = study.evaluation_step(2)
    assert [step.stage for step in evaluation.closure()] == [
        *("anchor", "affinity", "edge", "tree", "retrain", "evaluate")
    ]
    retrain = evaluation.inputs["retrain"]
    assert set(evaluation.inputs) == {"retrain", "anchor"}
    assert set(retrain.inputs) == {"tree", "anchor"}
    assert retrain.inputs["anchor"] == evaluation.inputs["anchor"]
    assert retrain.inputs["tree"].config.task_preference is None
    assert evaluation.config.method == "static_tree"
    assert evaluation.seed == 2


def test_the_edge_hypernet_is_shared_with_the_controllable_study(
    study: Study, study_of: StudyOf, recipe: AnchorRecipe
) -> None:
    ours = study_of(Controllable(anchor=recipe)).evaluation_step(0)
    tree = study.evaluation_step(0).inputs["retrain"].inputs["tree"]
    assert tree.inputs["edge"] == ours.inputs["edge"]


def test_other_resource_preferences_and_starts_share_what_comes_before(study: Study) -> None:
    frugal = override(study, "method.resource_preference", 1.0)
    retrain, other = (one.evaluation_step(0).inputs["retrain"] for one in (study, frugal))
    assert retrain.inputs["tree"] != other.inputs["tree"]
    assert retrain.inputs["tree"].inputs == other.inputs["tree"].inputs
    initial = override(study, "method.start", "initial").evaluation_step(0).inputs["retrain"]
    assert dict(initial.inputs) == {"tree": retrain.inputs["tree"]}


def test_the_recipe_is_the_anchors_unless_another_is_given(study: Study, recipe: AnchorRecipe) -> None:
    assert study.evaluation_step(0).inputs["retrain"].config.recipe == recipe
    other = changed(recipe, {"batch_size": 9})
    given = override(study, "method.recipe", other).evaluation_step(0)
    assert given.inputs["retrain"].config.recipe == other
    assert given.inputs["anchor"].config.recipe == recipe


def test_a_table_of_path_losses_comes_before_the_tabulated_objective(study: Study) -> None:
    tabulated = override(study, "method.edge.objective", "tabulated").evaluation_step(0)
    assert "path_losses" in [step.stage for step in tabulated.closure()]
