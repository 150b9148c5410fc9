"""The same answer for every image."""

from collections.abc import Callable

from dymu.methods.constant import Constant
from dymu.spec.study import Method, Study


def test_the_training_split_is_read_and_judged(study_of: Callable[[Method], Study]) -> None:
    steps = list(study_of(Constant()).evaluation_step(3).closure())
    assert [step.stage for step in steps] == ["constant", "evaluate"]
    assert [step.seed for step in steps] == [3, 3]
    assert steps[-1].config.method == "constant"
