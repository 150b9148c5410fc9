"""How each method turns preferences into networks."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dymu.metrics.cost import reachable
from dymu.networks.anchor_net import AnchorNet
from dymu.networks.controller import Controller
from dymu.networks.costs import node_costs
from dymu.networks.phn_hypernet import PHNHypernet, named_weights
from dymu.networks.tree import separate_streams, shared_stream
from dymu.networks.weight_hypernet import WeightHypernet
from dymu.spec.task import Task
from dymu.stages.constant import constant_predictions
from dymu.stages.measure import Bench, Measurement, measure, measure_once
from dymu.stages.tree_cost import Cost, tree_costs

Floats = NDArray[np.float64]


class Predictor(Protocol):
    """A trained method.

    Attributes:
        follows_resource: Whether c changes anything.
        follows_task: Whether the task preference does.
    """

    follows_resource: bool
    follows_task: bool

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:
        """Losses and metrics at S preferences."""

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:
        """Cost at S preferences."""

    def trees(self, preferences_SN: Floats, resource: float) -> list[list[list[int]]]:
        """Predicted trees, S times L rows of N parents; empty for a method without trees."""

    def reference(self, bench: Bench) -> Measurement | None:
        """Single-task nets that Delta_T compares with; ``None`` for a method that is not judged by it."""

    def anchor_parameters(self) -> float:
        """Parameters of all networks that are stored."""

    def control_parameters(self) -> float:
        """Parameters of the hypernets."""


class ControllablePredictor:
    """The paper's method: a tree from the edge hypernet, normalisation from the weight hypernet."""

    follows_resource = True
    follows_task = True

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.costs = node_costs(controller.net)

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:
        """One tree per preference, adapted if there is a weight hypernet."""
        preferences = torch.from_numpy(preferences_SN)
        parents = self.controller.parents(preferences, resource)
        return measure(self.controller.net, parents, self.controller.adaptation(preferences, resource), bench)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:
        """One batched call of the edge hypernet and a table of node costs."""
        used = reachable(self.controller.parents(torch.from_numpy(preferences_SN), resource).numpy())
        return tree_costs(used, self.costs)

    def trees(self, preferences_SN: Floats, resource: float) -> list[list[list[int]]]:
        """The most likely trees."""
        trees: list[list[list[int]]] = self.controller.parents(
            torch.from_numpy(preferences_SN), resource
        ).tolist()
        return trees

    def reference(self, bench: Bench) -> None:
        """None."""

    def anchor_parameters(self) -> float:
        """All streams and heads."""
        return float(self.controller.net.num_parameters())

    def control_parameters(self) -> float:
        """Edge and weight hypernet."""
        return float(self.controller.num_control_parameters())


class _Static:
    """What methods without trees and without c have in common."""

    follows_resource = False
    follows_task = False

    def trees(self, preferences_SN: Floats, resource: float) -> list[list[list[int]]]:  # noqa: ARG002
        """None."""
        return []

    def reference(self, bench: Bench) -> Measurement | None:  # noqa: ARG002
        """None."""
        return None


class SingleTaskPredictor(_Static):
    """N single-task nets: the same point for every preference."""

    def __init__(self, net: AnchorNet) -> None:
        self.net = net

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:  # noqa: ARG002
        """The nets as they are."""
        tree = separate_streams(self.net.num_layers, len(self.net.tasks))
        return measure(self.net, tree.expand(len(preferences_SN), -1, -1), None, bench)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """All nets, always."""
        return _whole_net(self.net, len(preferences_SN))

    def anchor_parameters(self) -> float:
        """All nets."""
        return float(self.net.num_parameters())

    def control_parameters(self) -> float:
        """None."""
        return 0.0


class ConstantPredictor(_Static):
    """The same answer for every image and every preference."""

    def __init__(self, answers: Sequence[Tensor], tasks: Sequence[Task]) -> None:
        self.answers, self.tasks = answers, tasks

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:  # noqa: ARG002
        """Measured once, the same for all."""
        once = measure_once(lambda images: constant_predictions(self.answers, self.tasks, images), bench)
        size_S = len(preferences_SN)
        return Measurement(
            once.losses_SN.expand(size_S, -1), {name: v.expand(size_S) for name, v in once.metrics.items()}
        )

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """The answers, and nothing to compute."""
        size_S = len(preferences_SN)
        return Cost(np.full(size_S, self.anchor_parameters()), np.zeros(size_S))

    def anchor_parameters(self) -> float:
        """The numbers of all answers."""
        return float(sum(answer.numel() for answer in self.answers))

    def control_parameters(self) -> float:
        """None."""
        return 0.0


class PHNBNPredictor(_Static):
    """One shared backbone whose normalisation follows the task preference."""

    follows_task = True

    def __init__(self, net: AnchorNet, hypernet: WeightHypernet) -> None:
        self.net, self.hypernet = net, hypernet

    @torch.no_grad()
    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:
        """The shared tree, adapted."""
        device = next(self.hypernet.parameters()).device
        preference = torch.from_numpy(preferences_SN).to(device, torch.float32)
        adaptation = self.hypernet(preference, torch.full((len(preference),), resource, device=device))
        tree = shared_stream(self.net.num_layers, len(self.net.tasks))
        return measure(self.net, tree.expand(len(preference), -1, -1), adaptation, bench)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """The shared net, always."""
        return _whole_net(self.net, len(preferences_SN))

    def anchor_parameters(self) -> float:
        """The shared net."""
        return float(self.net.num_parameters())

    def control_parameters(self) -> float:
        """The hypernet."""
        return float(sum(parameter.numel() for parameter in self.hypernet.parameters()))


class PHNPredictor(_Static):
    """One shared net whose weights all come from the task preference."""

    follows_task = True

    def __init__(self, net: AnchorNet, hypernet: PHNHypernet) -> None:
        self.net, self.hypernet = net, hypernet

    @torch.no_grad()
    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:  # noqa: ARG002
        """The net of each preference, one after another."""
        device = next(self.hypernet.parameters()).device
        tree = shared_stream(self.net.num_layers, len(self.net.tasks))
        parts = []
        for preference_N in torch.from_numpy(preferences_SN).to(device, torch.float32):
            weights = named_weights(self.net, self.hypernet(preference_N))
            self.net.load_state_dict({**self.net.state_dict(), **weights})
            parts.append(measure(self.net, tree, None, bench))
        metrics = {name: torch.cat([part.metrics[name] for part in parts]) for name in parts[0].metrics}
        return Measurement(torch.cat([part.losses_SN for part in parts]), metrics)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """The generated net, always."""
        return _whole_net(self.net, len(preferences_SN))

    def anchor_parameters(self) -> float:
        """The generated net: what runs, though the hypernet alone is stored."""
        return float(self.net.num_parameters())

    def control_parameters(self) -> float:
        """The hypernet."""
        return float(sum(parameter.numel() for parameter in self.hypernet.parameters()))


class StaticGridPredictor(_Static):
    """Static nets, each trained for one preference; a preference is served by the net of the nearest one."""

    follows_task = True

    def __init__(self, nets: list[AnchorNet], trained_for_KN: Floats) -> None:
        assert len(nets) == len(trained_for_KN), "each net has the preference that it was trained for"
        self.nets, self.trained_for_KN = nets, trained_for_KN
        self._measured: tuple[Bench, list[Measurement]] | None = None

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:  # noqa: ARG002
        """Every net once on a bench, and for each preference the measurement of its net."""
        if self._measured is None or self._measured[0] is not bench:
            tree = shared_stream(self.nets[0].num_layers, len(self.nets[0].tasks))
            self._measured = bench, [measure(net, tree, None, bench) for net in self.nets]
        _, parts = self._measured
        net_S = torch.from_numpy(self.nearest(preferences_SN))
        losses_KN = torch.cat([part.losses_SN for part in parts])
        metrics = {
            name: torch.cat([part.metrics[name] for part in parts])[net_S] for name in parts[0].metrics
        }
        return Measurement(losses_KN[net_S], metrics)

    def nearest(self, preferences_SN: Floats) -> NDArray[np.intp]:
        """(S,) number of the net whose preference is nearest; the first of several."""
        distance_SK = np.linalg.norm(preferences_SN[:, None] - self.trained_for_KN[None], axis=2)
        return distance_SK.argmin(axis=1)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """One of the nets."""
        return _whole_net(self.nets[0], len(preferences_SN))

    def anchor_parameters(self) -> float:
        """All nets together."""
        return float(sum(net.num_parameters() for net in self.nets))

    def control_parameters(self) -> float:
        """None."""
        return 0.0


class StaticTreePredictor(_Static):
    """One tree trained by itself: the same point for every preference (Tables 5 and 7)."""

    def __init__(self, net: AnchorNet, parents_LN: Tensor, single_task: AnchorNet) -> None:
        self.net, self.parents_LN, self.single_task = net, parents_LN, single_task

    def measure(self, preferences_SN: Floats, resource: float, bench: Bench) -> Measurement:  # noqa: ARG002
        """The tree's net as it is."""
        return measure(self.net, self.parents_LN.expand(len(preferences_SN), -1, -1), None, bench)

    def cost(self, preferences_SN: Floats, resource: float) -> Cost:  # noqa: ARG002
        """The nodes of the tree, always."""
        costs, used = node_costs(self.net), reachable(self.parents_LN.unsqueeze(0).numpy())
        cost = tree_costs(used, costs)
        size_S = len(preferences_SN)
        return Cost(cost.parameters_S.repeat(size_S), cost.macs_S.repeat(size_S))

    def trees(self, preferences_SN: Floats, resource: float) -> list[list[list[int]]]:  # noqa: ARG002
        """The tree, for every preference."""
        tree: list[list[int]] = self.parents_LN.tolist()
        return [tree] * len(preferences_SN)

    def reference(self, bench: Bench) -> Measurement:
        """The anchor's nets as they are."""
        tree = separate_streams(self.single_task.num_layers, len(self.single_task.tasks))
        return measure(self.single_task, tree, None, bench)

    def anchor_parameters(self) -> float:
        """Those of the tree."""
        return float(self.cost(np.zeros((1, 1)), 0.0).parameters_S[0])

    def control_parameters(self) -> float:
        """None."""
        return 0.0


def _whole_net(net: AnchorNet, count: int) -> Cost:
    costs = node_costs(net)
    macs = costs.stem_macs + costs.macs_LS.sum() + costs.head_macs_N.sum()
    return Cost(np.full(count, float(net.num_parameters())), np.full(count, float(macs)))
