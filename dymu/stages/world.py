"""The ranks that train one step together, and what they say to each other.

A stage draws the global batch of a training step on every rank and works on its shard. Whatever the ranks
exchange is taken in the order of the ranks, so that the same number of ranks gives the same bits.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from dymu.artifacts.step import Step
from dymu.errors import SpecError, TrainingError
from dymu.networks.batch_statistics import in_order

TRAINING_STAGES = (
    "anchor",
    "anchor_stream",
    "edge",
    "weight",
    "shared",
    "phn_bn",
    "phn",
    "ltb",
    "bmtas",
    "retrain",
)


@dataclass(frozen=True, kw_only=True)
class World:
    """The ranks of one training step; a world of one exchanges nothing and starts no process group.

    Attributes:
        rank: This process among them, from 0.
        size: How many there are (W).
        device: Where tensors that are exchanged lie; NCCL takes none from the CPU.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

    @classmethod
    def of_process_group(cls, device: str = "cpu") -> "World":
        """The world of torch's default process group, which the caller has initialised."""
        return cls(rank=distributed.get_rank(), size=distributed.get_world_size(), device=device)

    @property
    def leader(self) -> bool:
        """Whether this is rank 0, the only one that writes files."""
        return self.rank == 0

    def shard(self, index_B: Tensor) -> Tensor:
        """This rank's part of a global batch; parts differ in length by one at most and none is empty.

        Raises:
            TrainingError: If there are more ranks than examples.
        """
        if len(index_B) < self.size:
            raise TrainingError(
                f"a batch of {len(index_B)} examples cannot be shared by {self.size} workers; lower "
                "--workers or raise the number of examples in the dataset's config."
            )
        return index_B.tensor_split(self.size)[self.rank]

    def gather(self, tensor: Tensor) -> Tensor:
        """(W, ...) the tensor of every rank, in their order; not differentiable."""
        if self.size == 1:
            return tensor.detach().unsqueeze(0)
        mine = tensor.detach().to(self.device).contiguous()
        parts = [torch.empty_like(mine) for _ in range(self.size)]
        distributed.all_gather(parts, mine)
        return torch.stack(parts).to(tensor.device)

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over the ranks, added in their order; not differentiable."""
        return in_order(self.gather(tensor))

    def broadcast(self, data: bytes | None) -> bytes | None:
        """The leader's bytes, or ``None`` if it has none; what other ranks pass does not count."""
        if self.size == 1:
            return data
        length = torch.tensor([-1 if data is None else len(data)], device=self.device)
        distributed.broadcast(length, src=0)
        if length.item() < 0:
            return None
        content = torch.empty(int(length.item()), dtype=torch.uint8, device=self.device)
        if self.leader and data:
            content.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        if len(content) > 0:
            distributed.broadcast(content, src=0)
        return content.cpu().numpy().tobytes()

    def wrap(self, module: nn.Module) -> nn.Module:
        """A module whose gradients are means over the ranks; alone, the module itself.

        Looking for unused parameters keeps torch from arranging its buckets anew after the first step: a
        resumed training would otherwise add in another order than an uninterrupted one (ADR 0010).
        """
        if self.size == 1:
            return module
        return DistributedDataParallel(module, find_unused_parameters=True)


ALONE = World()


def check_world(step: Step, workers: int) -> None:
    """Refuse a number of workers that a step cannot use, before anything starts.

    Raises:
        SpecError: If the stage does not train, or if the workers are more than the images of a batch.
    """
    if workers <= 1:
        return
    if step.stage not in TRAINING_STAGES:
        raise SpecError(
            f"stage {step.stage} does not train and cannot use {workers} workers; give it at most 1. "
            f"Stages that train are {', '.join(TRAINING_STAGES)}."
        )
    recipe = getattr(step.config, "recipe", step.config)
    if recipe.batch_size < workers:
        raise SpecError(
            f"stage {step.stage} ({step.address}) has batch_size {recipe.batch_size}, fewer images than "
            f"{workers} workers; give it at most {recipe.batch_size} workers or a larger batch_size."
        )
