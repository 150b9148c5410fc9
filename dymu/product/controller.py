"""A trained controller: architectures, networks and costs by preference."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dymu.errors import SpecError
from dymu.metrics.cost import reachable
from dymu.networks.controller import Controller
from dymu.networks.costs import node_costs
from dymu.networks.node_heads import NodeHeads
from dymu.networks.predicted_network import PredictedNetwork
from dymu.networks.shared_nodes import SharedNodes
from dymu.networks.tree import check_preference
from dymu.product.architecture import Architecture, architecture_of
from dymu.spec.evaluation import Statistics
from dymu.stages.tree_cost import tree_costs

TaskPreference = Sequence[float] | Mapping[str, float]

_RESOURCE_STEPS = 1000  # of c, when a budget is looked for


@dataclass(frozen=True, kw_only=True)
class NetworkCost:
    """What a predicted network costs.

    Attributes:
        parameters: Of the used nodes, all heads and the stem.
        macs: Multiply-accumulates of one image that all tasks share.
        fraction: Parameters as a part of the whole anchor net's.
    """

    parameters: int
    macs: int
    fraction: float


@dataclass(frozen=True, kw_only=True)
class Fit:
    """The least frugal network within a budget.

    Attributes:
        resource_preference: The smallest c, in thousandths, whose network fits.
        cost: Of that network.
        architecture: Its tree.
    """

    resource_preference: float
    cost: NetworkCost
    architecture: Architecture


class TrainedController:
    """What :func:`dymu.load` gives.

    A task preference r is one share per task, in order or by name, that sum to one; a resource preference c
    is a number from 0 to 1, larger for smaller networks.

    Args:
        controller: Anchor net and hypernets, frozen.
        source: Where it comes from.
        statistics: What :meth:`network` uses unless told otherwise: those of the evaluation.
        calibration: Batches of images for recalibrated statistics.

    Attributes:
        tasks: Names of the tasks in order.
        image_shape: (C, H, W) of an image, prepared as the dataset prepares it.
        source: As given.
        statistics: As given.
        calibration: As given.
    """

    def __init__(
        self,
        controller: Controller,
        *,
        source: str,
        statistics: Statistics = "batch",
        calibration: Sequence[Tensor] = (),
    ) -> None:
        self._controller = controller
        self._nodes = SharedNodes(controller.net)
        self._heads = None
        if controller.weight is not None:
            self._heads = NodeHeads(controller.weight, controller.net)
        self._costs = node_costs(controller.net)
        self.tasks = tuple(task.name for task in controller.net.tasks)
        self.image_shape = controller.net.image_shape
        self.source, self.statistics, self.calibration = source, statistics, tuple(calibration)

    def __repr__(self) -> str:
        return f"TrainedController({self.source!r}, tasks={self.tasks}, statistics={self.statistics!r})"

    @property
    def parts(self) -> Controller:
        """Anchor net, edge hypernet and weight hypernet."""
        return self._controller

    def architecture(self, task_preference: TaskPreference, resource_preference: float = 0.0) -> Architecture:
        """The tree that a preference asks for.

        Raises:
            SpecError: If it is no preference.
        """
        shares, resource = self._shares(task_preference), _resource(resource_preference)
        parents_LN = self._controller.parents(_rows(shares), resource)[0]
        return self._architecture(parents_LN, shares, resource)

    def network(
        self,
        task_preference: TaskPreference,
        resource_preference: float = 0.0,
        *,
        statistics: Statistics | None = None,
        calibration: Tensor | Iterable[Tensor] | None = None,
    ) -> PredictedNetwork:
        """The network that a preference asks for: a module of the used nodes, with adapted normalisation.

        Its convolutions are shared with this controller, so that switching costs milliseconds;
        ``copy.deepcopy`` makes one that can be moved or trained.

        Args:
            task_preference: r.
            resource_preference: c.
            statistics: Whose normalisation statistics it uses; ``None`` for :attr:`statistics`. ``batch``:
                those of the images that are predicted together, as in training, so that a prediction depends
                on the images beside it. ``running``: the anchor's own, which are not those of mixed trees.
                ``recalibrated``: those that this very network has on calibration images, which takes a
                forward pass; then a prediction depends on its own image alone.
            calibration: Batches of images (B, C, H, W), or (B, N, C, H, W) if every task has one of its own;
                ``None`` for :attr:`calibration`.

        Raises:
            SpecError: If it is no preference, or statistics are to be recalibrated and there are no images.
        """
        chosen = self.statistics if statistics is None else statistics
        if chosen not in ("batch", "running", "recalibrated"):
            raise SpecError(f"statistics is {chosen!r}; expected 'batch', 'running' or 'recalibrated'.")
        preference_1N, resource = _rows(self._shares(task_preference)), _resource(resource_preference)
        used = self._nodes.used(self._controller.parents(preference_1N, resource)[0])
        adaptations = {}
        if self._heads is not None:
            adaptations = self._heads.adaptations(preference_1N, resource, used.numbers)
        network = PredictedNetwork(
            self._nodes, used, adaptations, statistics="running" if chosen == "running" else "batch"
        )
        if chosen == "recalibrated":
            batches = self.calibration if calibration is None else calibration
            listed = [batches] if isinstance(batches, Tensor) else list(batches)
            if not listed:
                raise SpecError(
                    "statistics are to be recalibrated, but there are no images to do it with; give "
                    "calibration=, batches of training images, or choose statistics='batch'."
                )
            network.recalibrate(listed)
        return network

    def cost(self, task_preference: TaskPreference, resource_preference: float = 0.0) -> NetworkCost:
        """What the network of a preference costs.

        Raises:
            SpecError: If it is no preference.
        """
        preference_1N = _rows(self._shares(task_preference))
        parents_1LN = self._controller.parents(preference_1N, _resource(resource_preference))
        return self._cost_of(parents_1LN)[0]

    def within(
        self, task_preference: TaskPreference, *, parameters: float | None = None, macs: float | None = None
    ) -> Fit:
        """The least frugal network of a task preference within a budget.

        Cost need not fall with c, so every thousandth of c is looked at, in one call of the hypernet.

        Args:
            task_preference: r.
            parameters: Most parameters; ``None`` for any number.
            macs: Most multiply-accumulates an image; ``None`` for any number.

        Raises:
            SpecError: If no c fits (names the cheapest networks), or there is no budget or no preference.
        """
        if parameters is None and macs is None:
            raise SpecError("there is no budget; give parameters=, macs= or both.")
        parameters, macs = _budget("parameters", parameters), _budget("macs", macs)
        shares = self._shares(task_preference)
        resource_S = torch.arange(_RESOURCE_STEPS + 1, dtype=torch.float64) / _RESOURCE_STEPS
        parents_SLN = self._controller.parents(_rows(shares).expand(len(resource_S), -1), resource_S)
        cost = tree_costs(reachable(parents_SLN.numpy()), self._costs)
        fits_S = np.ones(len(resource_S), dtype=bool)
        if parameters is not None:
            fits_S &= cost.parameters_S <= parameters
        if macs is not None:
            fits_S &= cost.macs_S <= macs
        if not fits_S.any():
            asked = [f"{parameters:,.0f} parameters"] if parameters is not None else []
            asked += [f"{macs:,.0f} MACs"] if macs is not None else []
            fewest, least = int(cost.parameters_S.argmin()), int(cost.macs_S.argmin())
            raise SpecError(
                f"no c gives a network of at most {' and '.join(asked)} for the task preference {shares}. "
                f"The fewest parameters are {cost.parameters_S[fewest]:,.0f} (c = {resource_S[fewest]:g}), "
                f"the fewest MACs {cost.macs_S[least]:,.0f} (c = {resource_S[least]:g}); raise the budget or "
                "change the preference."
            )
        first = int(fits_S.argmax())
        chosen = float(resource_S[first])
        return Fit(
            resource_preference=chosen,
            cost=self._cost_of(parents_SLN[first : first + 1])[0],
            architecture=self._architecture(parents_SLN[first], shares, chosen),
        )

    def _architecture(self, parents_LN: Tensor, shares: list[float], resource: float) -> Architecture:
        return architecture_of(parents_LN.tolist(), dict(zip(self.tasks, shares, strict=True)), resource)

    def _cost_of(self, parents_SLN: Tensor) -> list[NetworkCost]:
        cost = tree_costs(reachable(parents_SLN.numpy()), self._costs)
        whole = self._controller.net.num_parameters()
        return [
            NetworkCost(parameters=int(parameters), macs=int(macs), fraction=float(parameters) / whole)
            for parameters, macs in zip(cost.parameters_S, cost.macs_S, strict=True)
        ]

    def _shares(self, task_preference: TaskPreference) -> list[float]:
        """The shares r in the order of the tasks."""
        tasks = ", ".join(self.tasks)
        if isinstance(task_preference, Mapping):
            if set(task_preference) != set(self.tasks):
                named = ", ".join(map(str, task_preference))
                raise SpecError(f"the task preference names {named}; expected each of {tasks}.")
            task_preference = [task_preference[task] for task in self.tasks]
        try:
            shares = [float(share) for share in task_preference]
        except (TypeError, ValueError):
            raise SpecError(
                f"the task preference is {task_preference!r}; expected one number for each of {tasks}, in "
                "this order or by name."
            ) from None
        check_preference(shares, 0.0, num_tasks=len(self.tasks))
        return shares


def _resource(given: float) -> float:
    try:
        return float(given)
    except (TypeError, ValueError):
        raise SpecError(f"resource preference is {given!r}; expected a number in [0, 1].") from None


def _budget(name: str, given: float | None) -> float | None:
    if given is None:
        return None
    try:
        most = float(given)
    except (TypeError, ValueError):
        most = math.nan
    if not most > 0:
        raise SpecError(f"{name} is {given!r}; expected a positive number.")
    return most


def _rows(shares: Sequence[float]) -> Tensor:
    return torch.tensor([list(shares)], dtype=torch.float64)
