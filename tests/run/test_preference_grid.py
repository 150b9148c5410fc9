"""The grid is what the trained controller says at each of its points."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dymu.artifacts.config import changed
from dymu.artifacts.preference_grid import PreferenceGrid
from dymu.artifacts.record import Record, read_record
from dymu.artifacts.store import Store
from dymu.data.digits import Digits
from dymu.methods.controllable import Controllable
from dymu.methods.single_task import SingleTask
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.tree import paths
from dymu.product.published import published_step, read_controller
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.preference_grid import preference_grid
from dymu.run.provenance import CodeVersion
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation
from dymu.stages.predictors import ControllablePredictor

SHORT = Optimisation(num_steps=3, learning_rate=0.02)
ANCHOR = AnchorRecipe(
    backbone=SmallBackbone(channels=(2, 3), resolutions=("halve", "keep")), optimisation=SHORT, batch_size=8
)
STUDY = Study(
    name="tiny",
    dataset=Digits(num_train=40, num_val=20, num_test=20),
    method=Controllable(anchor=ANCHOR, edge=EdgeConfig(optimisation=SHORT, batch_size=4), weight=None),
    evaluation=EvaluationConfig(reference_point=(9.0, 9.0, 9.0), num_preferences=4, num_cost_preferences=8),
)
SINGLE = changed(STUDY, {"method": SingleTask(anchor=ANCHOR)})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(tmp_path_factory.mktemp("store"))
    place = Place(code=CodeVersion(revision=None, dirty=None, lock=None))
    for study in (STUDY, SINGLE):
        for step in study.evaluation_step(0).closure():
            execute_step(step, store, place, lambda: False)
    return store


def record_of(store: Store, study: Study) -> Record:
    return read_record(store.path(study.evaluation_step(0).address))


@pytest.fixture(scope="module")
def grid(store: Store) -> PreferenceGrid:
    found = preference_grid(store, record_of(store, STUDY))
    assert found is not None
    return found


def test_trees_and_costs_are_the_controllers(store: Store, grid: PreferenceGrid) -> None:
    step = published_step(store, STUDY.evaluation_step(0).address)
    predictor = ControllablePredictor(read_controller(store, step))
    preferences = np.array(grid.preferences, dtype=np.float64) / grid.unit
    for row, resource in enumerate(grid.resources):
        if resource not in (0.0, 0.5, 1.0):
            continue
        cost = predictor.cost(preferences, resource)
        found = paths(predictor.controller.parents(torch.from_numpy(preferences), resource)).tolist()
        numbers = grid.index[row]
        assert [grid.parameters[number] for number in numbers] == cost.parameters_S.tolist()
        assert [grid.macs[number] for number in numbers] == cost.macs_S.tolist()
        assert [[list(path) for path in grid.trees[number]] for number in numbers] == found


def test_trees_are_distinct_and_all_are_used(grid: PreferenceGrid) -> None:
    assert len(set(grid.trees)) == len(grid.trees)
    assert {number for row in grid.index for number in row} == set(range(len(grid.trees)))


def test_a_method_without_a_controller_has_no_grid(store: Store) -> None:
    assert preference_grid(store, record_of(store, SINGLE)) is None


def test_without_weights_there_is_no_grid(store: Store, tmp_path: Path) -> None:
    assert preference_grid(Store(tmp_path / "other"), record_of(store, STUDY)) is None
