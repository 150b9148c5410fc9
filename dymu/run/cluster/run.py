"""Runs a queue of chains on Ray.

No ``Tuner.restore``: after a crash the same command makes its plan from the store and goes on.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from dymu.artifacts.store import Store
from dymu.errors import BackendError, DymuError
from dymu.run.cluster.admission import Admission
from dymu.run.cluster.cargo import Cargo, pack
from dymu.run.cluster.connect import connected
from dymu.run.cluster.head import GO_ON, patience, while_head_answers
from dymu.run.cluster.nodes import nodes_possible, remove_orphaned_groups
from dymu.run.cluster.trial import run_trial
from dymu.run.cluster.walker import Walk, make_searcher
from dymu.run.place import Place
from dymu.run.queue import Queue
from dymu.run.resources import check_feasible

_RETRIES = 2  # of a trial whose process or node died; a step that raises is reported and never repeated
_MOST_TRIALS = 512  # the walk admits what fits; Tune only needs some number
_SWEEP_S = 2.0


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Which cluster, and how much of it.

    Attributes:
        address: Of a running cluster; ``None`` starts one on this machine and stops it afterwards.
        concurrency: Most chains at once; ``None`` for as many as fit.
        stop: Name of the flag of the store that is raised when the run is to stop.
        stages: Stages that the queue may hand out; what they take is checked before anything starts.
    """

    address: str | None
    concurrency: int | None
    stop: str
    stages: tuple[str, ...]


def run_cluster(
    queue: Queue, store: Store, place: Place, options: ClusterOptions, *, stop_requested: Callable[[], bool]
) -> None:
    """Run all chains of a queue on Ray, until none is left or a stop is requested.

    Raises:
        BackendError: If Ray cannot be started or reached, if the cluster is too small for a stage, or if it
            goes away.
    """
    with connected(options.address, store.root / "logs") as scratch:
        from ray import tune

        nodes = nodes_possible()
        check_feasible({stage: place.resources_of(stage) for stage in options.stages}, nodes)
        cargo = Cargo(
            place=place,
            location=store.location,
            stop=options.stop,
            scratch=str(scratch),
            owned=options.address is None,
        )
        walk = Walk(queue, Admission(nodes, limit=options.concurrency), store, place, stop_requested)
        tuner = tune.Tuner(
            tune.with_resources(partial(run_trial, cargo=pack(cargo)), _request),
            tune_config=tune.TuneConfig(
                search_alg=make_searcher(walk, store, place, scratch),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=_MOST_TRIALS,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name="dymu",
                storage_path=str(scratch),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
            ),
        )
        threading.Thread(target=_sweep, args=(walk,), name="dymu-sweep", daemon=True).start()
        with _no_idle_trial():
            _fit(tuner, queue)


def _fit(tuner: Any, queue: Queue) -> None:
    import ray

    try:
        head = ray.get_runtime_context().gcs_address
        while_head_answers(tuner.fit, head=head, patience_s=patience())
    except DymuError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[-1]
        raise BackendError(f"Ray stopped before the end: {reason}. {GO_ON}") from error
    if not queue.exhausted:
        raise BackendError(f"Ray ended, but {len(queue.running)} chains of steps did not. {GO_ON}")


@contextmanager
def _no_idle_trial() -> Iterator[None]:
    """Keep Tune from keeping the process of an ended trial, and its CPU, for a trial that may come some day.

    Others would wait for that CPU: worker groups of this run, and other runs. The process is still used again
    when a trial is waiting for it (:class:`~dymu.run.cluster.admission.Admission`).
    """
    from ray.tune.execution import tune_controller

    module: Any = tune_controller  # the name is private
    cache = module._ObjectCache
    module._ObjectCache = lambda **_: cache(may_keep_one=False)
    try:
        yield
    finally:
        module._ObjectCache = cache


def _name(trial: Any) -> str:
    return str(trial.trial_id)  # Tune's own names hold the whole config


def _request(config: Mapping[str, Any]) -> Any:
    from ray import tune

    return tune.PlacementGroupFactory([dict(config["bundle"])])


def _sweep(walk: Walk) -> None:
    """Remove placement groups without a creator for as long as the run lasts."""
    while not walk.over:
        with suppress(Exception):  # a head that is away; that it stays away is told by somebody else
            remove_orphaned_groups()
        time.sleep(_SWEEP_S)
