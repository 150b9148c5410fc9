"""What MLflow calls for every request."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.product.controller import TrainedController
from dymu.product.folder import save_controller
from dymu.product.served import ServedController, _load_pyfunc

R = [0.2, 0.3, 0.5]


@pytest.fixture
def served(untrained: TrainedController) -> ServedController:
    return ServedController(untrained)


def test_predictions_are_those_of_the_network(
    served: ServedController, untrained: TrainedController, images: Tensor
) -> None:
    expected = untrained.network(R, 0.4, statistics="running")(images)
    found = served.predict(images.numpy(), {"r": np.array(R), "c": 0.4, "statistics": "running"})
    for task, prediction in expected.items():
        np.testing.assert_array_equal(found[task], prediction.numpy())


def test_without_params_tasks_are_equal_and_c_is_zero(
    served: ServedController, untrained: TrainedController, images: Tensor
) -> None:
    expected = untrained.network([1 / 3] * 3, 0.0)(images)
    found = served.predict(images.numpy())
    np.testing.assert_array_equal(found["depth"], expected["depth"].numpy())


def test_numbers_of_another_precision_are_taken(served: ServedController, images: Tensor) -> None:
    single, double = images.numpy(), images.numpy().astype(np.float64)
    np.testing.assert_array_equal(served.predict(double)["digit"], served.predict(single)["digit"])


def test_a_preference_that_is_none_is_refused(served: ServedController, images: Tensor) -> None:
    with pytest.raises(SpecError, match="divide it by its sum"):
        served.predict(images.numpy(), {"r": [1.0, 1.0, 1.0]})


def test_only_so_many_networks_are_kept(served: ServedController, images: Tensor) -> None:
    for step in range(20):
        served.predict(images.numpy(), {"c": step / 20})
    assert len(served._networks) == 8


def test_a_network_that_is_asked_for_again_is_the_same(served: ServedController, images: Tensor) -> None:
    served.predict(images.numpy(), {"c": 0.5})
    (network,) = served._networks.values()
    served.predict(images.numpy(), {"c": 0.5})
    assert list(served._networks.values()) == [network]


def test_it_is_loaded_from_a_folder(untrained: TrainedController, images: Tensor, tmp_path: Path) -> None:
    save_controller(untrained, tmp_path)
    found = _load_pyfunc(str(tmp_path)).predict(images.numpy(), {"r": R})
    torch.testing.assert_close(torch.from_numpy(found["rooms"]), untrained.network(R)(images)["rooms"])
