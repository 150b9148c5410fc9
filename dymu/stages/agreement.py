"""What all ranks know alike after a training step: the losses of the whole batch, and whether to go on.

One small exchange a step carries both. So a loss that is not finite, a request to stop, a full disk of the
leader or a lost claim ends all ranks at the same training step; none waits for one that has left.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from dymu.errors import DymuError, TrainingError
from dymu.networks.batch_statistics import in_order
from dymu.stages.context import RunContext, Superseded

_GO_ON, _STOP, _SUPERSEDED, _FAILED = 0, 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one training step computed.

    With several ranks every value is such that the mean over the ranks is that of the whole batch.

    Attributes:
        objective: Scalar that is minimised.
        task_losses_N: Scaled loss per task; checked to be finite and logged as ``loss/<task>``.
        metrics: Further scalars to log, averaged between log lines. Tensors are averaged over the ranks;
            numbers are the same on all of them.
    """

    objective: Tensor
    task_losses_N: Tensor
    metrics: Mapping[str, Tensor | float] = field(default_factory=dict)


class Agreement:
    """The exchange of one training.

    Attributes:
        stop: Whether some rank was asked to stop.
    """

    def __init__(self, context: RunContext) -> None:
        self.context, self.world = context, context.world
        self.stop = False
        self._trouble: BaseException | None = None

    def settle(self) -> None:
        """Agree at the beginning and at the end of a training.

        Raises:
            Superseded: On all ranks, if the leader lost its claim.
            DymuError: On all ranks, if the leader cannot write.
        """
        if self.world.size == 1:
            self.stop = self.context.stop_requested()
        else:
            self._heed(self.world.gather(torch.tensor([self._word()], dtype=torch.float64))[:, 0])

    def on(self, outcome: Outcome) -> Outcome:
        """The outcome of the whole batch, without gradients if there are several ranks.

        Raises:
            Superseded: As :meth:`settle`.
            DymuError: As :meth:`settle`.
        """
        if self.world.size == 1:
            self.stop = self.context.stop_requested()
            return outcome
        tensors = {name: value for name, value in outcome.metrics.items() if isinstance(value, Tensor)}
        values = [outcome.objective, *outcome.task_losses_N, *tensors.values()]
        mine = torch.stack([value.detach().to(torch.float64) for value in values])
        word = mine.new_tensor([self._word()])
        told_WK = self.world.gather(torch.cat([word, mine])).cpu()
        self._heed(told_WK[:, 0])
        mean_K = in_order(told_WK[:, 1:]) / self.world.size
        num_tasks = len(outcome.task_losses_N)
        told = dict(zip(tensors, mean_K[1 + num_tasks :], strict=True))
        return replace(
            outcome,
            objective=mean_K[0],
            task_losses_N=mean_K[1 : 1 + num_tasks],
            metrics={name: told.get(name, value) for name, value in outcome.metrics.items()},
        )

    def write(self, work: Callable[[], None]) -> None:
        """Let the leader write; where others wait for it, what goes wrong is raised when all know it.

        Raises:
            Superseded: Alone, if the claim is lost.
            DymuError: Alone, if writing fails.
        """
        if not self.world.leader or self._trouble is not None:
            return
        try:
            work()
        except (DymuError, Superseded) as error:
            if self.world.size == 1:
                raise
            self._trouble = error

    def _word(self) -> int:
        if self._trouble is not None:
            return _SUPERSEDED if isinstance(self._trouble, Superseded) else _FAILED
        return _STOP if self.context.stop_requested() else _GO_ON

    def _heed(self, words_W: Tensor) -> None:
        word = int(words_W.max().item())
        self.stop = word == _STOP
        if self._trouble is not None and word == _FAILED:
            self.world.broadcast(str(self._trouble).encode())
            raise self._trouble
        if word == _FAILED:
            raise TrainingError((self.world.broadcast(None) or b"").decode())
        if word == _SUPERSEDED:
            raise Superseded(self.context.step.address)
