"""Training batches as functions of their number: which examples, and how they are augmented.

Batches that have to be prepared are, in a background thread, while the trainer computes: the same batches,
because nothing that they depend on changes.
"""

from dataclasses import dataclass
from functools import cached_property, partial

import torch

from dymu.data.examples import Examples, draw_batch
from dymu.stages.ahead import Ahead
from dymu.stages.context import RunContext
from dymu.stages.randomness import Randomness


@dataclass(frozen=True, kw_only=True)
class Batches:
    """The training batches of a stage.

    Attributes:
        examples: The training split.
        size: Examples of a whole batch, over all ranks.
        context: Device and ranks.
        random: Where numbers come from.
    """

    examples: Examples
    size: int
    context: RunContext
    random: Randomness

    def at(self, number: int) -> Examples:
        """This rank's share of a batch, on the device.

        Examples and augmentation are drawn for the whole batch and then shared out, so that every example is
        changed alike however many ranks there are.
        """
        # What lies in memory as networks want it costs less than to hand it over between threads.
        return self.make(number) if self.examples.preparation is None else self._ahead.at(number)

    def make(self, number: int) -> Examples:
        """The same, made now and in the thread that asks."""
        return self._made(number, self.context.device)

    @cached_property
    def _ahead(self) -> Ahead[Examples]:
        device = self.context.device
        if device == "cuda":  # which one that is, is a matter of the thread that asks
            device = f"cuda:{torch.cuda.current_device()}"
        ahead = Ahead(partial(self._made, device=device))
        self.context.closing.callback(ahead.close)
        return ahead

    def _made(self, number: int, device: str) -> Examples:
        index_B = draw_batch(len(self.examples), self.size, self.random.torch("batch", number))
        world, num_draws = self.context.world, self.examples.num_draws
        draws_BK = None
        if num_draws > 0:
            generator = self.random.torch("augmentation", number)
            draws_BK = world.shard(torch.rand(len(index_B), num_draws, generator=generator))
        return self.examples.batch(world.shard(index_B), device, draws_BK)


def training_batches(examples: Examples, size: int, context: RunContext) -> Batches:
    """The batches of a stage that draws its own numbers."""
    return Batches(examples=examples, size=size, context=context, random=context.random)
