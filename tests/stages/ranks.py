"""Runs steps of the tiny study with ranks that are real processes; a program, started by tests.

    python tests/stages/ranks.py JOBS.json

It imports everything once and forks each rank, so that twenty trainings take seconds. A job is
``{"step": name, "workers": W, "folder": path, ...}``; after it the folder has what the leader published, in
``out``, and what each rank ended with, in ``end-<rank>.json``.
"""

import importlib.util
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
import torch._dynamo  # what the first step of an optimiser loads: here once, not in every rank
from torch import Tensor, distributed

from dymu.artifacts.step import Step
from dymu.data.examples import DataPlace, Examples
from dymu.stages import affinity, edge, path_losses, preferences, shared, weight
from dymu.stages.context import RunContext
from dymu.stages.randomness import Randomness
from dymu.stages.world import ALONE, World

TIMEOUT = timedelta(seconds=120)


def main(jobs_file: Path) -> None:
    jobs = json.loads(jobs_file.read_text())
    conftest = _conftest()
    place = DataPlace(cache_dir=jobs_file.parent / "data")
    published = jobs_file.parent / "published"
    _in_child(lambda: _prepare(conftest, jobs, published, place))
    for job in jobs:
        for number, attempt in enumerate(job["attempts"]):
            _run(conftest, job | attempt | {"attempt": number}, published, place)


def _conftest() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toys", Path(__file__).parent / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _prepare(conftest: ModuleType, jobs: list[dict[str, Any]], published: Path, place: DataPlace) -> None:
    torch.set_num_threads(1)
    for job in jobs:
        for below in _step(conftest, job).inputs.values():
            conftest.run_steps_below(below, published, place)
    conftest.tiny_steps()["anchor"].config.dataset.load(conftest.Split.TRAIN, place)


def _step(conftest: ModuleType, job: dict[str, Any]) -> Step:
    step: Step = conftest.tiny_steps(num_steps=job.get("num_steps", conftest.NUM_STEPS))[job["step"]]
    return step


def _run(conftest: ModuleType, job: dict[str, Any], published: Path, place: DataPlace) -> None:
    """One attempt with all its ranks."""
    folder = Path(job["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    meeting = folder / f"meeting-{job['attempt']}"
    ranks = range(max(1, job["workers"]))
    children = [_fork(partial(_rank, conftest, job, rank, meeting, published, place)) for rank in ranks]
    for rank, child in enumerate(children):
        _, status = os.waitpid(child, 0)
        end = folder / f"end-{job['attempt']}-{rank}.json"
        if not end.exists():
            end.write_text(json.dumps({"died": os.waitstatus_to_exitcode(status)}))


def _rank(
    conftest: ModuleType, job: dict[str, Any], rank: int, meeting: Path, published: Path, place: DataPlace
) -> None:
    torch.set_num_threads(1)
    workers, folder = job["workers"], Path(job["folder"])
    world = ALONE
    if workers > 0:
        store = distributed.FileStore(  # type: ignore[attr-defined]
            str(meeting), workers
        )
        distributed.init_process_group("gloo", store=store, rank=rank, world_size=workers, timeout=TIMEOUT)
        world = World.of_process_group()
    if job.get("double"):
        _in_double_precision()
    if job.get("kill") is not None and job["kill"][0] == rank:
        _die_at(job["kill"][1])
    step = _step(conftest, job)
    inputs = {role: published / below.address / "out" for role, below in step.inputs.items()}
    context: RunContext = conftest.make_context(
        step,
        folder if world.leader else folder / f"rank-{rank}-{job['attempt']}",
        inputs,
        place,
        attempt="out" if job["attempt"] + 1 == len(job["attempts"]) else f"out-{job['attempt']}",
    )
    stop_at = job.get("stop", {}).get(str(rank))
    context = replace(
        context,
        world=world,
        checkpoint_steps=job.get("checkpoint_steps"),
        stop_requested=_after(stop_at) if stop_at is not None else lambda: False,
    )
    began = time.perf_counter()
    end: dict[str, Any] = {}
    try:
        step.run(step, context)
    except BaseException as error:  # noqa: BLE001 - tests compare how ranks end
        end = {"type": type(error).__name__, "message": str(error)}
    end["seconds"] = time.perf_counter() - began
    (folder / f"end-{job['attempt']}-{rank}.json").write_text(json.dumps(end))


def _in_child(work: Callable[[], None]) -> None:
    _, status = os.waitpid(_fork(work), 0)
    if status != 0:
        raise SystemExit("the inputs of the jobs could not be made; see above")


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)
    raise AssertionError


def _after(count: int) -> Callable[[], bool]:
    answers = iter([False] * count)
    return lambda: next(answers, True)


def _die_at(at: int) -> None:
    key = Randomness.key

    def key_or_death(self: Randomness, purpose: str, step: int = 0, index: int = 0) -> int:
        if step == at:
            os._exit(9)
        return key(self, purpose, step, index)

    Randomness.key = key_or_death  # type: ignore[method-assign]


def _in_double_precision() -> None:
    """Everything that stages compute in single precision is computed in double precision."""
    batch, draw = Examples.batch, preferences.draw_preferences
    load_affinity, load_path_losses = affinity.load_affinity, path_losses.load_path_losses
    torch.set_default_dtype(torch.float64)

    def wide_batch(
        self: Examples, index_B: Tensor, device: str = "cpu", draws_BK: Tensor | None = None
    ) -> Examples:
        found = batch(self, index_B, device, draws_BK)
        return replace(found, images=found.images.double())

    def wide_draw(*args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        task, resource = draw(*args, **kwargs)
        return task.double(), resource.double()

    Examples.batch = wide_batch  # type: ignore[method-assign]
    for stage in (edge, weight, shared):
        stage.draw_preferences = wide_draw  # type: ignore[attr-defined]
    edge.load_affinity = lambda context: load_affinity(context).double()  # type: ignore[attr-defined]
    edge.load_path_losses = lambda context: load_path_losses(context).double()  # type: ignore[attr-defined]


if __name__ == "__main__":
    warnings.simplefilter("error")
    main(Path(sys.argv[1]))
