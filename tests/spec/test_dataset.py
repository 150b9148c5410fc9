from typing import Any

from dymu.artifacts.config import config
from dymu.spec.dataset import Dataset
from dymu.spec.study import Study


def test_config_with_tasks_shape_and_load_is_a_dataset(study: Study) -> None:
    assert isinstance(study.dataset, Dataset)
    assert [task.name for task in study.dataset.tasks] == ["left", "right"]


def test_config_that_lacks_one_of_them_is_none() -> None:
    @config
    class Shapeless:
        @property
        def tasks(self) -> tuple[()]:
            return ()

        def load(self, split: Any, place: Any) -> Any:
            raise NotImplementedError(f"{split} {place}")

    assert not isinstance(Shapeless(), Dataset)
