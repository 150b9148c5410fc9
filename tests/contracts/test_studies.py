"""Every study: named after its place, plannable, and made of steps that travel to a worker."""

import pickle

from dymu.artifacts.fingerprint import canonical, rebuild
from dymu.spec.study import Study

Entry = tuple[str, str, Study]


def test_its_name_says_where_it_is(study_entry: Entry) -> None:
    module, attribute, study = study_entry
    assert study.name == f"{module.rpartition('.')[2]}-{attribute.replace('_', '-')}"


def test_it_ends_in_an_evaluation(study_entry: Entry) -> None:
    step = study_entry[2].evaluation_step(0)
    assert step.stage == "evaluate"
    assert step.config.protocol == study_entry[2].evaluation


def test_its_steps_pickle(study_entry: Entry) -> None:
    for step in study_entry[2].evaluation_step(0).closure():
        copy = pickle.loads(pickle.dumps(step))
        assert copy.address == step.address
        assert copy.run is step.run


def test_its_configs_survive_a_record(study_entry: Entry) -> None:
    for step in study_entry[2].evaluation_step(0).closure():
        assert rebuild(canonical(step.config)) == step.config


def test_a_seed_is_part_of_every_address(study_entry: Entry) -> None:
    study = study_entry[2]
    first, second = ({step.address for step in study.evaluation_step(seed).closure()} for seed in (0, 1))
    assert not first & second


def test_planning_twice_gives_the_same_addresses(study_entry: Entry) -> None:
    study = study_entry[2]
    assert study.evaluation_step(3).address == study.evaluation_step(3).address
