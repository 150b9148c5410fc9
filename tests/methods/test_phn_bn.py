"""PHN-BN: trained jointly, or on the frozen convolutions of a static net."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.errors import SpecError
from dymu.methods.phn_bn import PHNBN
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.preference_embedding import HypernetConfig
from dymu.spec.study import Method, Study, override
from dymu.stages.optimisation import Optimisation

StudyOf = Callable[[Method], Study]


@pytest.fixture
def joint(study_of: StudyOf, backbone: SmallBackbone, short: Optimisation) -> Study:
    static = Optimisation(num_steps=7)
    return study_of(PHNBN(backbone=backbone, optimisation=short, static=static, static_batch_size=12))


@pytest.fixture
def frozen(joint: Study) -> Study:
    return override(joint, "method.convolutions", "frozen")


def test_joint_training_needs_no_other_net(joint: Study) -> None:
    steps = list(joint.evaluation_step(2).closure())
    assert [step.stage for step in steps] == ["phn_bn", "evaluate"]
    assert [step.seed for step in steps] == [2, 2]
    assert steps[-1].config.method == "phn_bn"


def test_frozen_convolutions_come_from_a_static_net_of_the_uniform_preference(frozen: Study) -> None:
    shared, phn_bn, evaluate = frozen.evaluation_step(0).closure()
    assert [step.stage for step in (shared, phn_bn, evaluate)] == ["shared", "phn_bn", "evaluate"]
    assert phn_bn.inputs == {"shared": shared}
    assert evaluate.inputs == {"phn_bn": phn_bn}
    assert shared.config.preference is None
    assert (shared.config.optimisation.num_steps, shared.config.batch_size) == (7, 12)


@pytest.mark.parametrize(("path", "value"), [("method.static.num_steps", 9), ("method.static_batch_size", 5)])
def test_settings_of_the_static_net_matter_where_it_is_used(
    joint: Study, frozen: Study, path: str, value: Any
) -> None:
    assert override(joint, path, value).evaluation_step(0) == joint.evaluation_step(0)
    assert override(frozen, path, value).evaluation_step(0) != frozen.evaluation_step(0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("preferences_per_step", 3),
        ("batch_size", 5),
        ("concentration", 0.5),
        ("hypernet", HypernetConfig(hidden_dim=9)),
        ("optimisation", Optimisation(num_steps=8)),
    ],
)
def test_every_setting_reaches_the_training(joint: Study, field: str, value: Any) -> None:
    step = override(joint, f"method.{field}", value).evaluation_step(0).inputs["phn_bn"]
    assert getattr(step.config, field) == value


def test_running_statistics_of_a_joint_training_are_refused_before_anything_runs(
    joint: Study, frozen: Study
) -> None:
    with pytest.raises(SpecError, match="keeps no running statistics"):
        override(joint, "evaluation.statistics", "running").evaluation_step(0)
    assert override(frozen, "evaluation.statistics", "running").evaluation_step(0).stage == "evaluate"
