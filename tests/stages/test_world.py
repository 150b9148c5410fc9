"""Ranks of one training step: shards, what they exchange, and that their number changes rounding only."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load
from torch import Tensor, nn

from dymu.artifacts.step import Step
from dymu.errors import SpecError, TrainingError
from dymu.stages.checkpoint import read_attempts
from dymu.stages.world import ALONE, TRAINING_STAGES, World, check_world
from dymu.tracking.spool import METRICS


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


@pytest.mark.parametrize(
    "name", ["anchor", "edge", "weight", "shared", "phn_bn", "frozen_phn_bn", "retrain", "ltb", "bmtas"]
)
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


# --- ranks that are processes -----------------------------------------------------------------------------

# Bounds of the relative distance of tensors and logged numbers after six steps. Only the order of sums
# differs: single precision rounds at 6e-8 and training amplifies that (4e-6 was measured), double precision
# rounds at 1e-16 (5e-14 was measured). A term that is missing or counted twice shows at 1e-2.
SINGLE, DOUBLE = 1e-4, 1e-10

STAGES = ["anchor", "anchor_stream", "edge", "tabulated_edge", "weight", "shared", "phn_bn", "frozen_phn_bn"]
STAGES += ["retrain", "ltb", "bmtas"]

ONCE = ["anchor", "edge", "weight", "shared", "phn_bn", "own_images_shared"]

Job = dict[str, Any]

UNDISTURBED: Job = {"attempts": [{}]}
STOPPED: Job = {"attempts": [{"stop": {"1": 3}}, {}]}
KILLED: Job = {"attempts": [{"kill": [1, 5], "checkpoint_steps": 2}, {}]}
LEADER_KILLED: Job = {"attempts": [{"kill": [0, 5], "checkpoint_steps": 2}, {}]}
DISTURBED: Job = {"attempts": [{"stop": {"1": 2}}, {"kill": [1, 5], "checkpoint_steps": 2}, {}]}
SPREAD: Job = {"attempts": [{"stop": {"0": 2}, "workers": 4}, {"stop": {"0": 1}, "workers": 1}, {}]}


class Ranks:
    """Runs jobs in one process that forks every rank, and reads what they left."""

    def __init__(self, folder: Path, repository: Path) -> None:
        self.folder, self.repository = folder, repository

    def run(self, jobs: Mapping[str, Job]) -> None:
        folders = [job | {"folder": str(self.folder / name)} for name, job in jobs.items()]
        jobs_file = self.folder / "jobs.json"
        jobs_file.write_text(json.dumps(folders))
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": str(self.repository),
            "OMP_NUM_THREADS": "1",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
        }
        program = self.repository / "tests" / "stages" / "ranks.py"
        ended = subprocess.run(
            [sys.executable, str(program), str(jobs_file)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    def ends(self, name: str, attempt: int = 0) -> list[dict[str, Any]]:
        """How each rank ended."""
        return [
            json.loads(path.read_text()) for path in sorted((self.folder / name).glob(f"end-{attempt}-*"))
        ]

    def files(self, name: str) -> dict[str, bytes]:
        """What the leader published, and its metrics."""
        last = [end.get("message") for end in self.ends(name, attempt=self._last(name))]
        assert set(last) == {None}, last
        folder = self.folder / name
        found = {path.name: path.read_bytes() for path in (folder / "out").iterdir()}
        return found | {METRICS: (folder / "work" / METRICS).read_bytes()}

    def numbers(self, name: str) -> dict[str, Tensor]:
        """Every tensor and every logged number."""
        found: dict[str, Tensor] = {}
        for file, content in self.files(name).items():
            if file == METRICS:
                lines = [json.loads(line) for line in content.decode().splitlines()]
                found |= {
                    f"{line['step']} {key}": torch.tensor(value, dtype=torch.float64)
                    for line in lines
                    for key, value in line["metrics"].items()
                }
            else:
                found |= {f"{file} {key}": tensor.double() for key, tensor in load(content).items()}
        return found

    def distance(self, name: str, other: str) -> float:
        """Largest relative distance of a tensor or a logged number."""
        mine, theirs = self.numbers(name), self.numbers(other)
        assert mine.keys() == theirs.keys()
        return max(
            float((theirs[key] - mine[key]).norm() / mine[key].norm().clamp(min=1e-30)) for key in mine
        )

    def _last(self, name: str) -> int:
        return max(int(path.name.split("-")[1]) for path in (self.folder / name).glob("end-*"))


def some_jobs() -> dict[str, Job]:
    """A few of the pairs that must be equal: every stage once, and every kind of equality once."""
    jobs: dict[str, Job] = {}
    for stage in ONCE:
        jobs |= {f"{stage}-double-{w}": {"step": stage, "workers": w, "double": True} for w in (0, 2)}
    jobs |= {f"anchor-{w}": {"step": "anchor", "workers": w} for w in (0, 1, 4)}
    jobs["anchor-4-disturbed"] = {"step": "anchor", "workers": 4} | DISTURBED
    jobs["shared-heavy"] = {"step": "heavy_shared", "workers": 2}
    return {name: UNDISTURBED | job for name, job in jobs.items()}


def all_jobs() -> dict[str, Job]:
    """Every stage with every number of ranks and every history."""
    jobs: dict[str, Job] = {}
    for stage in STAGES:
        jobs |= {f"{stage}-{w}": {"step": stage, "workers": w} for w in (0, 1, 2, 3, 4)}
        jobs |= {f"{stage}-double-{w}": {"step": stage, "workers": w, "double": True} for w in (0, 3, 4)}
        for w in (2, 4):
            for name, history in {"stopped": STOPPED, "killed": KILLED, "leader": LEADER_KILLED}.items():
                jobs[f"{stage}-{w}-{name}"] = {"step": stage, "workers": w} | history
        jobs[f"{stage}-spread"] = {"step": stage, "workers": 2} | SPREAD
    return {name: UNDISTURBED | job for name, job in jobs.items()}


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Ranks:
    """The jobs of every test run."""
    ranks = Ranks(tmp_path_factory.mktemp("some"), root)
    ranks.run(some_jobs())
    return ranks


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory, root: Path) -> Ranks:
    """All jobs; minutes."""
    ranks = Ranks(tmp_path_factory.mktemp("every"), root)
    ranks.run(all_jobs())
    return ranks


@pytest.mark.parametrize("stage", ONCE)
def test_two_ranks_differ_from_one_process_in_the_order_of_sums_only(some: Ranks, stage: str) -> None:
    assert some.distance(f"{stage}-double-0", f"{stage}-double-2") < DOUBLE


def test_a_world_of_one_has_the_bits_of_no_world(some: Ranks) -> None:
    assert some.files("anchor-1") == some.files("anchor-0")


def test_four_ranks_differ_from_one_process_by_rounding(some: Ranks) -> None:
    assert 0 < some.distance("anchor-0", "anchor-4") < SINGLE


def test_four_ranks_that_were_disturbed_have_the_bits_of_four_that_were_not(some: Ranks) -> None:
    assert some.files("anchor-4-disturbed") == some.files("anchor-4")
    attempts = read_attempts(some.folder / "anchor-4-disturbed" / "work")
    assert [(line["resumed_at"], line["workers"]) for line in attempts] == [(0, 4), (2, 4), (4, 4)]


def test_a_stop_that_one_rank_is_asked_for_ends_all(some: Ranks) -> None:
    assert [end["type"] for end in some.ends("anchor-4-disturbed", attempt=0)] == ["Interrupted"] * 4


def test_a_rank_that_is_killed_leaves_no_other_rank_waiting(some: Ranks) -> None:
    ends = some.ends("anchor-4-disturbed", attempt=1)
    assert ends[1] == {"died": 9}
    assert all(end["type"] == "RuntimeError" for end in (ends[0], *ends[2:]))


def test_a_loss_that_is_not_finite_ends_all_ranks_with_the_same_words(some: Ranks) -> None:
    first, second = some.ends("shared-heavy")
    assert first["type"] == second["type"] == "TrainingError"
    assert first["message"] == second["message"]
    assert "the loss of task parity (inf) is not finite at step 0" in first["message"]


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_any_number_of_ranks_trains_the_same(every: Ranks, stage: str) -> None:
    assert every.files(f"{stage}-1") == every.files(f"{stage}-0")
    for workers in (2, 3, 4):
        assert every.distance(f"{stage}-0", f"{stage}-{workers}") < SINGLE
    for workers in (3, 4):
        assert every.distance(f"{stage}-double-0", f"{stage}-double-{workers}") < DOUBLE


@pytest.mark.slow
@pytest.mark.parametrize("workers", [2, 4])
@pytest.mark.parametrize("history", ["stopped", "killed", "leader"])
@pytest.mark.parametrize("stage", STAGES)
def test_ranks_that_were_disturbed_have_the_bits_of_those_that_were_not(
    every: Ranks, stage: str, history: str, workers: int
) -> None:
    assert every.files(f"{stage}-{workers}-{history}") == every.files(f"{stage}-{workers}")


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_a_checkpoint_of_some_ranks_serves_another_number(every: Ranks, stage: str) -> None:
    assert every.distance(f"{stage}-0", f"{stage}-spread") < SINGLE
    attempts = read_attempts(every.folder / f"{stage}-spread" / "work")
    assert [(line["resumed_at"], line["workers"]) for line in attempts] == [(0, 4), (2, 1), (3, 2)]
