"""The verb ``run``: a plan, a backend, a view of it, and what came of it."""

import _thread
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Protocol

from rich.console import Console

from dymu.artifacts.flag import Flag
from dymu.artifacts.manifest import Manifest
from dymu.artifacts.step import Step
from dymu.artifacts.store import Store
from dymu.errors import BackendError, DymuError, StoreError, TrackingError
from dymu.run.background import Background
from dymu.run.cluster.run import ClusterOptions, run_cluster
from dymu.run.facts import driver_facts
from dymu.run.live import announce, drain_flag, stop_now_flag
from dymu.run.local import run_local
from dymu.run.place import Place
from dymu.run.plan import Plan, Use
from dymu.run.progress import Display
from dymu.run.queue import ChainQueue, Queue
from dymu.run.sound import without_damage
from dymu.run.watch import Watch
from dymu.run.work import Failure
from dymu.stages.world import check_world
from dymu.tracking.writer import StudyWriter

Backend = Literal["ray", "local"]

SHOW_S = 1.0
TELL_S = 5.0
PATIENCE_S = 30.0  # how long steps may take to write their checkpoints after a stop was requested

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """How to run; no address depends on it.

    Attributes:
        backend: Ray, or this process.
        address: Of a running Ray cluster; ``None`` starts a local one.
        concurrency: Most chains at once on Ray.
        place: Where and how steps run.
        tracking: Whether MLflow is told.
        tracking_uri: Where MLflow is; ``None`` for the database in the store.
    """

    backend: Backend
    address: str | None = None
    concurrency: int | None = None
    place: Place
    tracking: bool = True
    tracking_uri: str | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a run.

    Attributes:
        failures: Per arm and seed what went wrong.
        interrupted: Whether it was stopped before its end.
        urls: Where MLflow shows each study.
        tracking_error: What MLflow refused; empty if nothing.
    """

    failures: Mapping[Use, Failure]
    interrupted: bool
    urls: Sequence[str]
    tracking_error: str

    @property
    def exit_code(self) -> int:
        """0 all right, 1 some arms failed, 3 tracking refused, 130 interrupted."""
        if self.interrupted:
            return 130
        if self.failures:
            return 1
        return TrackingError.exit_code if self.tracking_error else 0


def run_study(
    plan: Plan,
    store: Store,
    options: RunOptions,
    console: Console,
    *,
    report: Callable[[Manifest], Sequence[Path]],
) -> Outcome:
    """Execute what a plan still needs, while showing it and telling MLflow.

    Args:
        plan: A plan in which every arm is right.
        store: Where artifacts are.
        options: How to run.
        console: Where progress is shown.
        report: Called for each target at its end; returns files that MLflow is to have.

    Raises:
        BackendError: If Ray cannot do what was asked.
        StoreError: If the store cannot be written.
    """
    check_workers(plan.missing, options)
    plan, damaged = without_damage(plan, store)
    for damage in damaged.values():
        _LOGGER.warning("%s", damage)
    manifests = [plan.manifest(target) for target in plan.targets]
    for manifest in manifests:
        store.save_manifest(manifest)
    known = [store.manifest(manifest.name) for manifest in manifests]  # with the seeds of earlier runs
    tracking = Tracking(store, known if options.tracking else [], options)
    queue = ChainQueue(plan)
    interrupted = False
    names = [manifest.name for manifest in manifests]
    with stop_on_request(store, names) as stop, announce(store, names):  # MLflow's runs are closed within
        if plan.chains:
            try:
                interrupted = _execute(plan, queue, store, options, console, stop=stop, tracking=tracking)
            except DymuError:
                tracking.finish(queue.failures, {})
                raise
        artifacts = {} if interrupted else {manifest.name: report(manifest) for manifest in known}
        failures = queue.failures
        tracking.finish(failures, artifacts)
    return Outcome(
        failures=failures,
        interrupted=interrupted,
        urls=tracking.urls,
        tracking_error=tracking.error,
    )


class Tracking:
    """The writers of all targets; a server that refuses ends the telling, not the study.

    Attributes:
        error: What was refused; empty if nothing.
    """

    def __init__(self, store: Store, manifests: Sequence[Manifest], options: RunOptions) -> None:
        facts = driver_facts(
            backend=options.backend, address=options.address, code=options.place.code, environment=os.environ
        )
        self._writers = [
            StudyWriter(store, m, tracking_uri=options.tracking_uri, facts=facts) for m in manifests
        ]
        self.error = ""

    @property
    def urls(self) -> tuple[str, ...]:
        """Where a browser shows each study."""
        return tuple(writer.url() for writer in self._writers)

    def sync(self) -> None:
        """Tell what is new."""
        self._each(lambda writer: writer.sync())

    def finish(self, failures: Mapping[Use, Failure], artifacts: Mapping[str, Sequence[Path]]) -> None:
        """Tell the rest and close the runs."""

        def close(writer: StudyWriter) -> None:
            name = writer.manifest.name
            failed = {(use.arm, use.seed): f.text for use, f in failures.items() if use.target == name}
            writer.finish(failed=failed, artifacts=list(artifacts.get(name, ())))

        self._each(close)

    def _each(self, act: Callable[[StudyWriter], None]) -> None:
        try:
            for writer in self._writers:
                act(writer)
        except TrackingError as error:
            self.error = str(error)
            self._writers = []


class Stop:
    """Whether the run is to stop, for this process and, by a flag of the store, for all others.

    The first signal asks; the second, or patience at its end, insists. Flags of the store do the same from
    any machine: ``drain/<study>`` asks, ``stop-now/<study>`` insists.

    Args:
        store: The store.
        names: Names of the manifests that are run.
    """

    def __init__(self, store: Store, names: Sequence[str]) -> None:
        self.name = f"stop/{uuid.uuid4().hex}"
        self._flag = store.flag(self.name)
        self._drain = [store.flag(drain_flag(name)) for name in names]
        self._now = [store.flag(stop_now_flag(name)) for name in names]
        self._event = threading.Event()
        self._since = 0.0

    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what a signal handler gets
        """Handle a signal."""
        if self._event.is_set():
            raise KeyboardInterrupt
        self._ask()

    def look(self) -> None:
        """Heed the flags; interrupt the main thread if steps have had their time to write checkpoints."""
        if not self._event.is_set() and _raised(self._drain):
            self._ask()
        overdue = self._event.is_set() and time.monotonic() - self._since > PATIENCE_S
        if overdue or _raised(self._now):
            self._ask()
            self._since = float("inf")
            _lower(self._now)
            _thread.interrupt_main(signal.SIGINT)

    def begin(self) -> None:
        """Lower what was raised to stop an earlier run."""
        _lower([*self._drain, *self._now])

    def end(self) -> None:
        """Lower what this run has raised and what was raised for it."""
        _lower([self._flag, *self._drain, *self._now])

    def _ask(self) -> None:
        if not self._event.is_set():
            self._since = time.monotonic()
            self._event.set()
            self._flag.raise_()


def _execute(
    plan: Plan,
    queue: ChainQueue,
    store: Store,
    options: RunOptions,
    console: Console,
    *,
    stop: Stop,
    tracking: Tracking,
) -> bool:
    """Run the queue on the backend; whether it was interrupted."""
    display = Display(Watch(plan, queue, store), console, where=store.location)
    stages = tuple(sorted({step.stage for step in plan.missing}))
    return drive(queue, store, options, stop=stop, display=display, sync=tracking.sync, stages=stages)


class Shown(Protocol):
    """What is drawn while a queue runs."""

    def __enter__(self) -> Any:
        """Begin to draw."""

    def __exit__(self, *error: Any) -> None:
        """End it."""

    def show(self, *, stopping: bool = False) -> None:
        """Look again and draw what there is."""


def drive(
    queue: Queue,
    store: Store,
    options: RunOptions,
    *,
    stop: "Stop",
    display: Shown,
    sync: Callable[[], None],
    stages: tuple[str, ...],
) -> bool:
    """Run a queue on the backend, while showing it and telling MLflow; whether it was interrupted.

    Args:
        queue: What runs.
        store: Where artifacts are.
        options: How to run.
        stop: Whether somebody asked for an end.
        display: What is drawn.
        sync: Tells MLflow what is known since the last call.
        stages: Names of all stages that may run.

    Raises:
        BackendError: If Ray cannot do what was asked.
    """

    def tick() -> None:
        stop.look()
        if stop.requested():
            queue.stop()
        display.show(stopping=stop.requested())

    showing = Background(tick, period_s=SHOW_S)
    telling = Background(sync, period_s=TELL_S)  # a slow server must not stop the display

    def stage_clock() -> float:
        return time.process_time() - showing.cpu_seconds - telling.cpu_seconds

    try:
        with display, telling, showing:
            if options.backend == "local":
                run_local(queue, store, options.place, stop.requested, cpu_clock=stage_clock)
            else:
                cluster = ClusterOptions(
                    address=options.address,
                    concurrency=options.concurrency,
                    stop=stop.name,
                    stages=stages,
                )
                run_cluster(queue, store, options.place, cluster, stop_requested=stop.requested)
    except KeyboardInterrupt:
        return True
    return stop.requested()


@contextmanager
def stop_on_request(store: Store, names: Sequence[str]) -> Iterator[Stop]:
    """While the block runs, SIGINT, SIGTERM and flags ask for a stop instead of ending the process."""
    stop = Stop(store, names)
    stop.begin()
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.end()


def check_workers(steps: Iterable[Step], options: RunOptions) -> None:
    """Refuse numbers of workers that a step or the backend cannot have.

    Raises:
        BackendError: If this process is to start workers.
        SpecError: If a step cannot be done by so many.
    """
    for step in steps:
        workers = options.place.resources_of(step.stage).workers
        if workers > 0 and options.backend == "local":
            raise BackendError(
                f"stage {step.stage} is to have {workers} workers, which only Ray can start; expected "
                "--backend ray, or no --workers."
            )
        check_world(step, workers)


def _raised(flags: Sequence[Flag]) -> bool:
    try:
        return any(flag.raised() for flag in flags)
    except StoreError:
        return False  # a storage that is away for a moment


def _lower(flags: Sequence[Flag]) -> None:
    for flag in flags:
        with suppress(StoreError):  # the same
            flag.lower()
