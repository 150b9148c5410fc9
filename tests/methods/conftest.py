from collections.abc import Callable

import pytest

from dymu.data.digits import Digits
from dymu.networks.backbones.small import SmallBackbone
from dymu.spec.evaluation import EvaluationConfig
from dymu.spec.study import Method, Study
from dymu.stages.anchor import AnchorRecipe
from dymu.stages.optimisation import Optimisation


@pytest.fixture
def backbone() -> SmallBackbone:
    """Of three layers."""
    return SmallBackbone(channels=(2, 3, 3), resolutions=("halve", "halve", "keep"))


@pytest.fixture
def short() -> Optimisation:
    """Six steps."""
    return Optimisation(num_steps=6)


@pytest.fixture
def recipe(backbone: SmallBackbone, short: Optimisation) -> AnchorRecipe:
    """How the anchor is trained."""
    return AnchorRecipe(backbone=backbone, optimisation=short)


@pytest.fixture
def study_of() -> Callable[[Method], Study]:
    """A tiny study with a method; nothing of it runs here."""

    def make(method: Method) -> Study:
        return Study(
            name="tiny",
            dataset=Digits(num_train=64, num_val=32, num_test=40),
            method=method,
            evaluation=EvaluationConfig(reference_point=(4.0, 4.0, 4.0), num_preferences=4),
        )

    return make
