"""PHN: one trained stage and its evaluation."""

from collections.abc import Callable
from typing import Any

import pytest

from dymu.errors import SpecError
from dymu.methods.phn import PHN
from dymu.networks.backbones.small import SmallBackbone
from dymu.networks.phn_hypernet import PHNHypernetConfig
from dymu.spec.study import Method, Study, override
from dymu.stages.optimisation import Optimisation

StudyOf = Callable[[Method], Study]


@pytest.fixture
def study(study_of: StudyOf, backbone: SmallBackbone, short: Optimisation) -> Study:
    return study_of(PHN(backbone=backbone, optimisation=short))


def test_it_is_trained_and_evaluated(study: Study) -> None:
    trained, evaluate = study.evaluation_step(2).closure()
    assert [step.stage for step in (trained, evaluate)] == ["phn", "evaluate"]
    assert (trained.seed, evaluate.seed) == (2, 2)
    assert evaluate.inputs == {"phn": trained}
    assert evaluate.config.method == "phn"
    assert trained.config.dataset == study.dataset


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backbone", SmallBackbone()),
        ("optimisation", Optimisation(num_steps=8)),
        ("hypernet", PHNHypernetConfig(num_matrices=21)),
        ("preferences_per_step", 3),
        ("batch_size", 5),
        ("concentration", 0.5),
    ],
)
def test_every_setting_reaches_the_training(study: Study, field: str, value: Any) -> None:
    step = override(study, f"method.{field}", value).evaluation_step(0).inputs["phn"]
    assert getattr(step.config, field) == value


def test_running_statistics_are_refused_before_anything_runs(study: Study) -> None:
    with pytest.raises(SpecError, match="nets that PHN generates keep no running"):
        override(study, "evaluation.statistics", "running").evaluation_step(0)


def test_recalibrated_statistics_are_not(study: Study) -> None:
    assert override(study, "evaluation.statistics", "recalibrated").evaluation_step(0).stage == "evaluate"
