"""Starts groups of workers by Ray Train for a trial, and processes for the single steps between them.

The trial holds the lease of the step and no CPU. Ray Train starts the processes, restarts all of them when
one dies, and gives up after a finite number of restarts. Checkpoints, metrics and results are the store's
business (ADR 0012), so nothing is reported to Train but how it ended.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import BackendError
from dymu.run.cluster.cargo import Cargo, Work, pack
from dymu.run.cluster.gate import START_TIMEOUT_S, make_gate
from dymu.run.cluster.workers import DONE, FAILED, INTERRUPTED, SUPERSEDED, task, train_worker
from dymu.run.resources import Resources
from dymu.run.work import read_failure
from dymu.stages.context import Interrupted, Superseded

RETRIES = 3
"""How often a step begins again from its checkpoint because a process or node that computed it has died."""
_START_ATTEMPTS = 120  # half an hour in all; then the cluster is looked at anew
_LOOK_S = 0.5
_CANCEL_S = 20.0
_TRAIN_ENVIRONMENT = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # how soon a dead worker is seen, and the end of training
    "RAY_TRAIN_WORKER_HEALTH_CHECK_TIMEOUT_S": "120",
    "RAY_TRAIN_METRICS_ENABLED": "0",
}


class Launcher:
    """Computes steps in other processes, on behalf of leases that this process holds."""

    def __init__(self, cargo: Cargo, store: Store, stop_requested: Callable[[], bool]) -> None:
        self._cargo = cargo
        self._store = store
        self._stop_requested = stop_requested
        for name, value in _TRAIN_ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        # Nobody takes nodes of a cluster away that this run has started; else the watcher is worth a process.
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", str(int(not cargo.owned)))
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = f"{START_TIMEOUT_S:g}"

    def __call__(self, step: Step, token: str) -> None:
        """Compute a step; returns when it is published.

        Raises:
            Interrupted: If a stop was requested.
            Superseded: If another process has taken the lease over.
            BackendError: If the stage failed (``error.json`` then says how), or if processes died too often.
        """
        work = Work(step=step, token=token, cargo=self._cargo)
        need = self._cargo.place.resources_of(step.stage)
        end = self._group(work, need) if need.workers else self._task(work, need)
        if end == INTERRUPTED:
            raise Interrupted(step.address)
        if end == SUPERSEDED:
            raise Superseded(step.address)
        if end == FAILED:
            self._store.pull_work(step.address)
            failure = read_failure(self._store, step.address)
            raise BackendError(failure.message if failure is not None else f"{step.address} failed")
        assert end == DONE, end

    def _task(self, work: Work, need: Resources) -> str:
        import ray
        from ray.exceptions import RayError

        bundle = dict(need.bundle)
        remote = ray.remote(task).options(
            num_cpus=bundle.get("CPU", 0),
            num_gpus=bundle.get("GPU", 0),
            memory=bundle["memory"],
            max_retries=RETRIES,
            scheduling_strategy="DEFAULT",  # not inside the placement group of this trial, which has no CPU
            name=f"dymu-{work.step.stage}",
        )
        reference = remote.remote(pack(work))
        asked_for_s = 0.0
        while not ray.wait([reference], timeout=_LOOK_S)[0]:
            asked_for_s += _LOOK_S if self._stop_requested() else 0.0
            if asked_for_s > _CANCEL_S:
                ray.cancel(reference, force=True)
                return INTERRUPTED
        try:
            return str(ray.get(reference))
        except RayError as error:
            raise BackendError(
                f"{work.step.address}: the process that computed it died: {_reason(error)}"
            ) from error

    def _group(self, work: Work, need: Resources) -> str:
        from ray.train.torch import TorchConfig
        from ray.train.v2.api.config import FailureConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.exceptions import ControllerError, TrainingFailedError

        gpu = need.gpus > 0
        # Train's own account of the run; only this process and the controller beside it look at it.
        scratch = self._cargo.scratch if Path(self._cargo.scratch).is_dir() else None
        folder = tempfile.mkdtemp(prefix="train-", dir=scratch)
        trainer = make_trainer(
            train_worker,
            train_loop_config={"work": pack(work), "gpu": gpu},
            torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=need.workers, use_gpu=gpu, resources_per_worker=dict(need.bundle)
            ),
            run_config=RunConfig(
                name=work.step.address.replace("/", "-"),
                storage_path=folder,
                failure_config=FailureConfig(max_failures=RETRIES, controller_failure_limit=_START_ATTEMPTS),
                callbacks=[make_gate(self._cargo, need)],
            ),
        )
        try:
            return str(trainer.fit().return_value)
        except ControllerError as error:
            if self._stop_requested():
                return INTERRUPTED
            raise BackendError(
                f"{work.step.address}: its workers could not be started: {_reason(error)}"
            ) from error
        except TrainingFailedError as error:
            raise BackendError(
                f"{work.step.address}: its workers died {RETRIES + 1} times: {_reason(error)}"
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def make_trainer(train_fn: Any, **options: Any) -> Any:
    """A TorchTrainer without the actor that Ray Train starts to remove placement groups.

    That actor asks the State API, which a cluster without dashboard does not have; then it neither removes
    anything nor ends. The driver removes what is left behind (:mod:`dymu.run.cluster.nodes`).
    """
    from ray.train.v2._internal.callbacks.placement_group_callback import PlacementGroupCleanerCallback
    from ray.train.v2.torch.torch_trainer import TorchTrainer

    class Trainer(TorchTrainer):
        def _create_default_callbacks(self) -> list[Any]:
            listed = super()._create_default_callbacks()
            return [each for each in listed if not isinstance(each, PlacementGroupCleanerCallback)]

    return Trainer(train_fn, **options)


def _reason(error: BaseException) -> str:
    """The last line of an error of Ray, or of what caused it."""
    text = str(error).strip() or str(error.__cause__ or "")
    return text.strip().splitlines()[-1] if text.strip() else type(error).__name__
