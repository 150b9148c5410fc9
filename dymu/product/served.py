"""A controller as MLflow serves it: prepared images and a preference in, the predictions of all tasks out.

MLflow imports this module when it loads a logged model (``loader_module``) and hands it the folder that
:mod:`dymu.product.folder` wrote. Nothing is unpickled.
"""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dymu.networks.predicted_network import PredictedNetwork
from dymu.product.controller import TrainedController
from dymu.product.folder import read_folder

_KEPT = 8  # networks; recalibrating one takes a forward pass over the calibration images


class ServedController:
    """What MLflow calls for every request.

    Attributes:
        controller: The controller.
    """

    def __init__(self, controller: TrainedController) -> None:
        self.controller = controller
        self._networks: OrderedDict[tuple[Any, ...], PredictedNetwork] = OrderedDict()

    @torch.no_grad()
    def predict(
        self, model_input: NDArray[np.floating[Any]], params: Mapping[str, Any] | None = None
    ) -> dict[str, NDArray[np.float32]]:
        """Predictions by task name.

        Args:
            model_input: Images (B, C, H, W), prepared as the dataset prepares them, or (B, N, C, H, W) with
                one for each task.
            params: ``r``, one share per task (by default equal ones), ``c`` (0) and ``statistics``.

        Raises:
            SpecError: If the images or the preference are not such.
        """
        images = torch.from_numpy(np.ascontiguousarray(model_input, dtype=np.float32))
        predictions = self._network(params or {})(images)
        return {task: prediction.numpy() for task, prediction in predictions.items()}

    def _network(self, params: Mapping[str, Any]) -> PredictedNetwork:
        tasks = self.controller.tasks
        given = params.get("r")
        preference = [1.0 / len(tasks)] * len(tasks) if given is None else [float(share) for share in given]
        resource = float(params.get("c", 0.0))
        statistics = params.get("statistics", self.controller.statistics)
        key = (*preference, resource, statistics)
        if key not in self._networks:
            self._networks[key] = self.controller.network(preference, resource, statistics=statistics)
            if len(self._networks) > _KEPT:
                self._networks.popitem(last=False)
        self._networks.move_to_end(key)
        return self._networks[key]


def _load_pyfunc(data_path: str) -> ServedController:
    """Called by MLflow under this name."""
    return ServedController(read_folder(Path(data_path)))
