"""Asking a trained controller for a network."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from dymu.artifacts.config import changed
from dymu.artifacts.record import read_record
from dymu.artifacts.store import Store
from dymu.data.digits import Digits
from dymu.errors import SpecError, StoreError
from dymu.methods.controllable import Controllable
from dymu.methods.single_task import SingleTask
from dymu.networks.backbones.small import SmallBackbone
from dymu.run.execute import execute_step
from dymu.run.place import Place
from dymu.run.predict import parse_preference, predict_network
from dymu.run.provenance import CodeVersion
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.edge import EdgeConfig
from dymu.stages.optimisation import Optimisation

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


@dataclass(frozen=True)
class Trained:
    """A store with the tiny study in it."""

    store: Store


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    store = Store(tmp_path_factory.mktemp("store"))
    place = Place(code=CodeVersion(revision=None, dirty=None, lock=None))
    for study in (STUDY, changed(STUDY, {"method": SingleTask(anchor=ANCHOR)})):
        for step in study.evaluation_step(0).closure():
            execute_step(step, store, place, lambda: False)
    return Trained(store)


def test_the_network_is_the_one_that_the_record_has(trained: Trained) -> None:
    address = STUDY.evaluation_step(0).address
    record = read_record(trained.store.path(address))
    for point in record.points:
        assert point.resource_preference is not None
        for number, preference in enumerate(point.preferences):
            found = predict_network(
                trained.store,
                STUDY,
                0,
                task_preference=preference,
                resource_preference=point.resource_preference,
            )
            assert found.address == address
            assert found.parameters == point.parameters[number]
            assert found.macs == point.macs[number]
            last_layer = [path[-1] for path in found.paths.values()]
            assert last_layer == point.parents[number][-1]


def test_the_fraction_is_of_the_whole_anchor(trained: Trained) -> None:
    found = predict_network(trained.store, STUDY, 0, task_preference=[1, 0, 0], resource_preference=1.0)
    record = read_record(trained.store.path(found.address))
    assert found.fraction == found.parameters / record.anchor_parameters


def test_a_wrong_preference_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="divide it by its sum"):
        predict_network(Store(tmp_path), STUDY, 0, task_preference=[1, 1, 0], resource_preference=0.0)


def test_an_untrained_study_says_so(trained: Trained) -> None:
    with pytest.raises(StoreError, match="tiny is not trained at seed 7"):
        predict_network(trained.store, STUDY, 7, task_preference=[1, 0, 0], resource_preference=0.0)


def test_a_method_without_controller_says_so(trained: Trained) -> None:
    static = changed(STUDY, {"method": SingleTask(anchor=ANCHOR)})
    with pytest.raises(SpecError, match="has no controller"):
        predict_network(trained.store, static, 0, task_preference=[1, 0, 0], resource_preference=0.0)


def test_a_preference_is_numbers_with_commas() -> None:
    assert parse_preference("0.2,0.3, 0.5") == [0.2, 0.3, 0.5]


def test_what_is_not_a_number_is_named() -> None:
    with pytest.raises(SpecError, match=r"'0\.2,half'"):
        parse_preference("0.2,half")
