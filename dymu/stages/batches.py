"""Training batches as functions of their number: which examples, and how they are augmented."""

from dataclasses import dataclass

import torch

from dymu.data.examples import Examples, draw_batch
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
        index_B = draw_batch(len(self.examples), self.size, self.random.torch("batch", number))
        world, num_draws = self.context.world, self.examples.num_draws
        draws_BK = None
        if num_draws > 0:
            generator = self.random.torch("augmentation", number)
            draws_BK = world.shard(torch.rand(len(index_B), num_draws, generator=generator))
        return self.examples.batch(world.shard(index_B), self.context.device, draws_BK)


def training_batches(examples: Examples, size: int, context: RunContext) -> Batches:
    """The batches of a stage that draws its own numbers."""
    return Batches(examples=examples, size=size, context=context, random=context.random)
