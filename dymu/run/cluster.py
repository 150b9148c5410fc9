"""Runs a plan on Ray: a Tune searcher walks it, one trial executes one chain in its own process.

The only file that imports Ray, and only once something has to run. No ``Tuner.restore``: after a crash the
same command makes its plan from the store and goes on.
"""

# typing.override, which this check asks for, needs a later Python than the oldest that dymu runs on.
# mypy: disable-error-code="explicit-override"

import logging
import os
import pickle
import secrets
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from dymu.artifacts.store import Store
from dymu.errors import BackendError, DymuError
from dymu.run.execute import Place, run_chain
from dymu.run.plan import Chain
from dymu.run.queue import ChainQueue
from dymu.run.resources import Resources, concurrency, for_stage, largest
from dymu.run.work import LOG, Failure, read_failure

if TYPE_CHECKING:
    from ray.tune.search import Searcher

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver asks the steps to stop and waits for their checkpoints
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing reads Tune's snapshots
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_OBJECT_STORE_BYTES = 128 * 1024**2  # only the plan and Tune's own small objects go through it
_RETRIES = 2  # of a trial whose process or node died; a step that raises is reported and never repeated
_STOP_LOOK_S = 0.2
_KNOCK_S = 10.0
_ALIVE = "alive.lock"  # locked in the scratch folder of a run that is not over
_GO_ON = "Finished steps and checkpoints are kept; run the same command again."


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """Which cluster, and how much of it.

    Attributes:
        address: Of a running cluster; ``None`` starts one on this machine and stops it afterwards.
        concurrency: Most chains at once; ``None`` for as many as fit.
        stop_file: Appears when the run is to stop; all nodes must see it.
    """

    address: str | None
    concurrency: int | None
    stop_file: Path


@dataclass(frozen=True, kw_only=True)
class Cargo:
    """What a worker needs to execute chains."""

    chains: Mapping[str, Chain]
    place: Place
    store: Path
    stop_file: Path


def run_cluster(
    queue: ChainQueue, chains: tuple[Chain, ...], store: Store, place: Place, options: ClusterOptions
) -> None:
    """Run all chains of a queue on Ray, until none is left or the stop file appears.

    Raises:
        BackendError: If Ray cannot be started or reached, or if no node is large enough for a step.
    """
    with _ray(options.address, store.root / "logs") as scratch:
        import ray
        from ray import tune

        needs = {chain.name: _need(chain, place) for chain in chains}
        listed = ray.nodes()  # type: ignore[no-untyped-call]
        nodes = [node["Resources"] for node in listed if node["Alive"]]
        fitting = min(concurrency(need, nodes) for need in set(needs.values()))
        cargo = Cargo(
            chains={chain.name: chain for chain in chains},
            place=place,
            store=store.root.resolve(),
            stop_file=options.stop_file.resolve(),
        )
        trainable = tune.with_parameters(_trial, cargo=pickle.dumps(cargo))
        tuner = tune.Tuner(
            tune.with_resources(trainable, lambda config: _request(needs[config["chain"]])),
            tune_config=tune.TuneConfig(
                search_alg=_searcher(queue, store, scratch),
                num_samples=-1,
                reuse_actors=True,
                max_concurrent_trials=min(fitting, options.concurrency or fitting, len(chains)),
            ),
            run_config=tune.RunConfig(
                name="dymu",
                storage_path=str(scratch),
                verbose=0,
                failure_config=tune.FailureConfig(max_failures=_RETRIES),
            ),
        )
        _fit(tuner, queue)


def _fit(tuner: Any, queue: ChainQueue) -> None:
    try:
        tuner.fit()
    except DymuError:
        raise
    except Exception as error:
        reason = str(error).strip().splitlines()[-1]
        raise BackendError(f"Ray stopped before the end: {reason}. {_GO_ON}") from error
    if not queue.exhausted:
        raise BackendError(f"Ray ended, but {len(queue.running)} chains of steps did not. {_GO_ON}")


def _trial(config: Mapping[str, Any], *, cargo: bytes) -> dict[str, float]:
    """Execute one chain in the process of the trial; tells Tune only whether it came to its end."""
    loaded: Cargo = pickle.loads(cargo)
    chain = loaded.chains[config["chain"]]
    end = run_chain(chain, Store(loaded.store), loaded.place, _stop_asked(loaded.stop_file))
    return {"ok": float(end.failure is None and not end.interrupted), "interrupted": float(end.interrupted)}


def _stop_asked(stop_file: Path) -> Callable[[], bool]:
    looked, there = 0.0, False

    def asked() -> bool:
        nonlocal looked, there
        if not there and time.monotonic() - looked >= _STOP_LOOK_S:
            looked, there = time.monotonic(), stop_file.exists()
        return there

    return asked


def _searcher(queue: ChainQueue, store: Store, scratch: Path) -> "Searcher":
    from ray.tune.search import Searcher

    class PlanWalker(Searcher):
        """Suggests chains whose inputs are ready, waits for the rest and ends with the plan."""

        def __init__(self) -> None:
            super().__init__()
            self._taken: dict[str, Chain] = {}

        def suggest(self, trial_id: str) -> Any:
            chain = queue.take()
            if chain is None:
                return Searcher.FINISHED if queue.exhausted else None
            self._taken[trial_id] = chain
            return {"chain": chain.name}

        def on_trial_complete(
            self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
        ) -> None:
            chain = self._taken.pop(trial_id)
            told = result or {}
            if not error and told.get("ok"):
                queue.finish(chain.name)
            elif not error and told.get("interrupted"):
                queue.stop()
                queue.interrupt(chain.name)
            else:
                queue.finish(chain.name, _failure(chain, store) or _crash(chain, store, scratch, trial_id))

        def __reduce__(self) -> tuple[type[dict[str, str]], tuple[()]]:
            return (
                dict,
                (),
            )  # Tune pickles its searcher for a restore that never happens; the store has it all

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()

        def restore(self, checkpoint_path: str) -> None:
            raise BackendError(f"{checkpoint_path} holds no state; run the same dymu command again.")

    return PlanWalker()


def _failure(chain: Chain, store: Store) -> Failure | None:
    told = (read_failure(store, step.address) for step in chain.steps)
    return next((failure for failure in told if failure is not None), None)


def _crash(chain: Chain, store: Store, scratch: Path, trial_id: str) -> Failure:
    """What is known about a trial that ended without a word from its step."""
    step = next((step for step in chain.steps if not store.has(step.address)), chain.steps[-1])
    log = store.work_dir(step.address) / LOG
    lines = ["the worker process ended without an error of its own; was it killed, or out of memory?"]
    for report in scratch.glob(f"dymu/*{trial_id}*/error.txt"):
        lines = report.read_text(encoding="utf-8").strip().splitlines()
    with log.open("a", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return Failure(address=step.address, kind="BackendError", message=lines[-1], step=None, log=str(log))


def _need(chain: Chain, place: Place) -> Resources:
    return largest(for_stage(step.stage, cpus=place.cpus, device=place.device) for step in chain.steps)


def _request(need: Resources) -> Any:
    from ray import tune

    bundle = {"CPU": float(need.cpus), "GPU": need.gpus, "memory": float(need.memory)}
    return tune.PlacementGroupFactory([{name: amount for name, amount in bundle.items() if amount > 0}])


@contextmanager
def _ray(address: str | None, logs: Path) -> Iterator[Path]:
    """A connection to Ray, and a scratch folder that stays only if Ray itself failed."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        # Only processes of this run know the token, and no file in the home folder holds it.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    logs.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(logs if address is not None else None)
    keep = False
    try:
        with ExitStack() as quiet:
            quiet.enter_context(FileLock(scratch / _ALIVE))
            file = quiet.enter_context((logs / "ray.log").open("w", encoding="utf-8"))
            quiet.enter_context(redirect_stdout(file))
            quiet.enter_context(redirect_stderr(file))
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            import ray

            _connect(ray, address, scratch)
            logging.getLogger("ray").setLevel(logging.CRITICAL)  # errors are told by the steps themselves
            quiet.callback(ray.shutdown)
            yield scratch
    except BackendError:
        keep = address is None  # the error names the logs in it
        raise
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch(shared: Path | None) -> Path:
    """A folder that all nodes see; those that a killed run left behind are removed.

    The sockets of a local cluster lie in it, and their names must not be long.
    """
    parent = shared or Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())
    for other in parent.glob("dymu-*"):
        alive = other / _ALIVE
        if not alive.exists() or alive.stat().st_uid != os.getuid():
            continue
        lock = FileLock(alive)
        with suppress(Timeout), lock.acquire(blocking=False):
            shutil.rmtree(other, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="dymu-", dir=parent))


def _connect(ray: Any, address: str | None, scratch: Path) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is not None:
            _knock(address)
            ray.init(address=address, **quiet)
            return
        with _environment_of_workers():
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=str(scratch),
                **quiet,
            )
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if address is not None:
            advice = "Look whether the cluster is up and can be reached from here."
            raise BackendError(f"Ray at {address} cannot be used: {reason}. {advice}") from error
        advice = f"Its logs are below {scratch}; `--backend local` does without Ray."
        raise BackendError(f"Ray on this machine cannot be used: {reason}. {advice}") from error


def _knock(address: str) -> None:
    """Fail at once where nobody listens; Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """What the processes of a local cluster inherit."""
    before = os.environ.get("PYTHONPATH")
    # Workers find modules where this process does, whatever their working directory is.
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def ray_version() -> str:
    """Version of Ray.

    Raises:
        ImportError: If it cannot be imported.
    """
    import ray

    return str(ray.__version__)
