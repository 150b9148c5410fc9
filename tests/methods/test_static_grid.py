"""Static nets: one for each evaluation preference, or for the first of them."""

from collections.abc import Callable

import pytest

from dymu.artifacts.fingerprint import canonical
from dymu.artifacts.step import Step
from dymu.errors import SpecError
from dymu.methods.static_grid import StaticGrid
from dymu.networks.backbones.small import SmallBackbone
from dymu.spec.study import Method, Study, override
from dymu.stages.evaluation_preferences import evaluation_preferences
from dymu.stages.optimisation import Optimisation

StudyOf = Callable[[Method], Study]


@pytest.fixture
def study(study_of: StudyOf, backbone: SmallBackbone, short: Optimisation) -> Study:
    return study_of(StaticGrid(backbone=backbone, optimisation=short))


def nets(step: Step) -> list[Step]:
    return [net for _, net in sorted(step.inputs.items())]


def test_there_is_a_net_for_each_evaluation_preference_in_order(study: Study) -> None:
    step = study.evaluation_step(0)
    rows = evaluation_preferences(study.evaluation, num_tasks=3).tolist()
    assert [net.stage for net in nets(step)] == ["shared"] * 4
    assert [list(net.config.preference) for net in nets(step)] == rows
    assert step.config.method == "static_grid"


def test_nets_differ_by_their_preference_only(study: Study) -> None:
    trained = nets(study.evaluation_step(0))
    assert len({net.address for net in trained}) == 4
    assert len({(net.seed, net.config.batch_size, net.config.optimisation.num_steps) for net in trained}) == 1


def test_more_preferences_add_nets_and_keep_those_that_are_trained(study: Study) -> None:
    more = override(study, "evaluation.num_preferences", 6)
    trained = nets(more.evaluation_step(0))
    assert len(trained) == 6
    assert trained[:4] == nets(study.evaluation_step(0))


def test_seeds_train_their_own_nets_for_the_same_preferences(study: Study) -> None:
    one, other = nets(study.evaluation_step(0)), nets(study.evaluation_step(1))
    assert [net.config.preference for net in one] == [net.config.preference for net in other]
    assert not {net.address for net in one} & {net.address for net in other}


def test_other_protocols_share_the_nets(study: Study) -> None:
    other = override(study, "evaluation.statistics", "running")
    assert nets(other.evaluation_step(0)) == nets(study.evaluation_step(0))


def test_a_smaller_grid_is_trained_for_the_first_preferences_and_judged_at_all(study: Study) -> None:
    few = override(study, "method.num_preferences", 3)
    assert nets(few.evaluation_step(0)) == nets(study.evaluation_step(0))[:3]
    assert few.evaluation_step(0).config == study.evaluation_step(0).config


def test_a_grid_of_all_preferences_keeps_the_identity_it_had_before_its_size_could_be_set(
    study: Study,
) -> None:
    assert "num_preferences" not in canonical(study.method)
    sized = override(study, "method.num_preferences", 4)
    assert sized.evaluation_step(0).address == study.evaluation_step(0).address


def test_more_nets_than_preferences_are_refused(study: Study) -> None:
    many = override(study, "method.num_preferences", 5)
    with pytest.raises(SpecError, match=r"num_preferences is 5, .* at 4 preferences .* to at least 5"):
        many.evaluation_step(0)


def test_a_grid_of_no_nets_is_refused(study: Study) -> None:
    with pytest.raises(SpecError, match=r"num_preferences is 0; expected None or at least 1"):
        override(study, "method.num_preferences", 0)
