"""The verb ``run``: a plan, a backend, a view of it, and what came of it."""

import _thread
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

from rich.console import Console

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.store import Store
from dymu.errors import DymuError, TrackingError
from dymu.run.background import Background
from dymu.run.cluster import ClusterOptions, run_cluster
from dymu.run.execute import Place
from dymu.run.local import run_local
from dymu.run.plan import Plan, Use
from dymu.run.progress import Display
from dymu.run.queue import ChainQueue
from dymu.run.watch import Watch
from dymu.run.work import Failure
from dymu.tracking.writer import StudyWriter

Backend = Literal["ray", "local"]

SHOW_S = 1.0
TELL_S = 5.0
PATIENCE_S = 30.0  # how long steps may take to write their checkpoints after a stop was requested


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
    manifests = [plan.manifest(target) for target in plan.targets]
    for manifest in manifests:
        store.save_manifest(manifest)
    known = [store.manifest(manifest.name) for manifest in manifests]  # with the seeds of earlier runs
    tracking = Tracking(store, known if options.tracking else [], options)
    queue = ChainQueue(plan)
    interrupted = False
    if plan.chains:
        with _stop_on_signal(store) as stop:
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
        self._writers = [StudyWriter(store, m, tracking_uri=options.tracking_uri) for m in manifests]
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
    """Whether the run is to stop, for this process and, by a file, for all others.

    The first signal asks; the second, or patience at its end, insists.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._event = threading.Event()
        self._since = 0.0

    def requested(self) -> bool:
        """Whether somebody asked."""
        return self._event.is_set()

    def ask(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what a signal handler gets
        """Handle a signal."""
        if self._event.is_set():
            raise KeyboardInterrupt
        self._since = time.monotonic()
        self._event.set()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.touch()

    def insist_when_overdue(self) -> None:
        """Interrupt the main thread if steps have had their time to write checkpoints."""
        if self._event.is_set() and time.monotonic() - self._since > PATIENCE_S:
            self._since = float("inf")
            _thread.interrupt_main(signal.SIGINT)


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
    display = Display(Watch(plan, queue, store), console, where=str(store.root))

    def tick() -> None:
        if stop.requested():
            queue.stop()
        stop.insist_when_overdue()
        display.show(stopping=stop.requested())

    showing = Background(tick, period_s=SHOW_S)
    telling = Background(tracking.sync, period_s=TELL_S)  # a slow server must not stop the display

    def stage_clock() -> float:
        return time.process_time() - showing.cpu_seconds - telling.cpu_seconds

    try:
        with display, telling, showing:
            if options.backend == "local":
                run_local(queue, store, options.place, stop.requested, cpu_clock=stage_clock)
            else:
                cluster = ClusterOptions(
                    address=options.address, concurrency=options.concurrency, stop_file=stop.file
                )
                run_cluster(queue, plan.chains, store, options.place, cluster)
    except KeyboardInterrupt:
        return True
    return stop.requested()


@contextmanager
def _stop_on_signal(store: Store) -> Iterator[Stop]:
    """While the block runs, SIGINT and SIGTERM ask for a stop instead of ending the process."""
    stop = Stop(store.root / "stop" / uuid.uuid4().hex)
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        stop.file.unlink(missing_ok=True)
