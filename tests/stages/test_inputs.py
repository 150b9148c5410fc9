"""What a step's inputs have in common."""

from collections.abc import Mapping

import pytest

from dymu.artifacts.step import Step
from dymu.data.digits import Digits
from dymu.spec.study import Study, override
from dymu.stages.edge import edge_step
from dymu.stages.evaluate import controllable_evaluation
from dymu.stages.inputs import dataset_of


@pytest.mark.parametrize("name", ["anchor", "affinity", "edge", "weight", "evaluate", "frozen_phn_bn"])
def test_every_step_knows_its_dataset(name: str, steps: Mapping[str, Step], study: Study) -> None:
    assert dataset_of(steps[name]) == study.dataset


def test_inputs_of_different_datasets_do_not_go_together(steps: Mapping[str, Step], study: Study) -> None:
    other_study = override(study, "dataset", Digits(num_train=65))
    other = {below.stage: below for below in other_study.evaluation_step(0).closure()}
    mixed = edge_step(
        steps["edge"].config, anchor=other["anchor"], affinity=steps["affinity"], path_losses=None, seed=0
    )
    wrong = controllable_evaluation(study.evaluation, anchor=other["anchor"], edge=mixed, weight=None)
    with pytest.raises(AssertionError, match="depends on 2 datasets"):
        dataset_of(wrong)
