"""Ranks of one training step: shards, what they exchange, and that their number changes rounding only."""

from collections.abc import Mapping

import pytest
import torch
from torch import nn

from dymu.artifacts.step import Step
from dymu.errors import SpecError, TrainingError
from dymu.stages.world import ALONE, TRAINING_STAGES, World, check_world


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_shards_are_the_batch_cut_in_order_and_in_even_parts(size: int) -> None:
    index_B = torch.randperm(7)
    shards = [World(rank=rank, size=size).shard(index_B) for rank in range(size)]
    assert torch.equal(torch.cat(shards), index_B)
    lengths = {len(shard) for shard in shards}
    assert max(lengths) - min(lengths) <= 1
    assert min(lengths) >= 1


def test_a_batch_smaller_than_the_world_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"a batch of 3 examples cannot be shared by 4 workers"):
        World(rank=0, size=4).shard(torch.arange(3))


def test_alone_there_is_nobody_to_exchange_with() -> None:
    module = nn.Linear(2, 2)
    numbers = torch.arange(3.0, requires_grad=True)
    assert ALONE.leader
    assert ALONE.wrap(module) is module
    assert ALONE.sum(numbers).tolist() == [0.0, 1.0, 2.0]
    assert ALONE.gather(numbers).shape == (1, 3)
    assert not ALONE.sum(numbers).requires_grad
    assert ALONE.broadcast(b"word") == b"word"
    assert ALONE.broadcast(None) is None


def test_only_rank_0_leads() -> None:
    assert [World(rank=rank, size=3).leader for rank in range(3)] == [True, False, False]


@pytest.mark.parametrize("name", ["anchor", "edge", "weight", "shared", "phn_bn", "frozen_phn_bn"])
def test_as_many_workers_as_a_batch_has_images_are_allowed(name: str, steps: Mapping[str, Step]) -> None:
    step = steps[name]
    assert step.stage in TRAINING_STAGES
    batch_size = getattr(step.config, "recipe", step.config).batch_size
    for workers in (0, 1, 2, batch_size):
        check_world(step, workers)
    with pytest.raises(SpecError) as caught:
        check_world(step, batch_size + 1)
    assert f"stage {step.stage} ({step.address}) has batch_size {batch_size}" in str(caught.value)
    assert f"{batch_size + 1} workers" in str(caught.value)


def test_a_stage_that_does_not_train_takes_one_worker(steps: Mapping[str, Step]) -> None:
    check_world(steps["affinity"], 1)
    with pytest.raises(SpecError, match="stage affinity does not train and cannot use 2 workers"):
        check_world(steps["affinity"], 2)
