"""One step, from its address to its published artifact. Both backends end here."""

import errno
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dymu.artifacts.files import write_whole
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.data.examples import DataPlace
from dymu.errors import StoreError
from dymu.run.plan import Chain
from dymu.run.provenance import CodeVersion, write_provenance
from dymu.run.resources import for_stage
from dymu.run.work import ERROR, LOG, SPENT, Failure, read_failure, read_json
from dymu.stages.context import Interrupted, RunContext
from dymu.tracking.spool import METRICS, PROGRESS, Spool

_LEASE_WAIT_S = 0.5

StopRequested = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where and how steps run; the part of a run that no address knows.

    Attributes:
        data_root: Folder of datasets that are not generated.
        device: Torch device.
        cpus: Cores and torch threads a step; ``None`` for the table of :mod:`dymu.run.resources`.
        checkpoint_seconds: Least time between checkpoints.
        code: What the driver found out about the code.
        capture_output: Send what a stage and its libraries print to the log in its work folder.
    """

    data_root: Path | None = None
    device: str = "cpu"
    cpus: int | None = None
    checkpoint_seconds: float = 10.0
    code: CodeVersion
    capture_output: bool = False


@dataclass(frozen=True, kw_only=True)
class ChainEnd:
    """How a chain ended: published, failed, or stopped on request."""

    name: str
    failure: Failure | None = None
    interrupted: bool = False


def run_chain(
    chain: Chain,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    cpu_clock: Callable[[], float] = time.process_time,
) -> ChainEnd:
    """Execute the steps of a chain in order; a failure or an interruption ends the chain, not the process."""
    for step in chain.steps:
        try:
            execute_step(step, store, place, stop_requested, cpu_clock=cpu_clock)
        except Interrupted:
            return ChainEnd(name=chain.name, interrupted=True)
        except Exception as error:  # noqa: BLE001 - an arm fails alone; the error is told at the end
            return ChainEnd(
                name=chain.name, failure=read_failure(store, step.address) or failure_of(step, error)
            )
    return ChainEnd(name=chain.name)


def execute_step(
    step: Step,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    *,
    cpu_clock: Callable[[], float] = time.process_time,
) -> bool:
    """Publish the artifact of a step unless the store has it.

    While somebody else computes the same step this waits, and looks again when they are done.

    Args:
        step: The step; the artifacts of its inputs must exist.
        store: Where artifacts are.
        place: How to run.
        stop_requested: Asked by the stage between training steps, and here while waiting.
        cpu_clock: CPU-seconds of the process that are to be charged to the step.

    Returns:
        Whether the stage function ran here.

    Raises:
        Interrupted: If a stop was requested; the checkpoint stays.
        Exception: Whatever the stage raised, after it was written to ``error.json`` in the work folder.
    """
    lease = store.lease(step.address)
    while not store.has(step.address):
        if stop_requested():
            raise Interrupted(step.address)
        if not lease.try_acquire():
            time.sleep(_LEASE_WAIT_S)
            continue
        try:
            if not store.has(step.address):
                _compute(step, store, place, stop_requested, cpu_clock)
                return True
        finally:
            lease.release()
    return False


def failure_of(step: Step, error: BaseException) -> Failure:
    """A failure that could not even be written down, for instance because the disk is full."""
    return Failure(address=step.address, kind=type(error).__name__, message=str(error), step=None, log="")


def _compute(
    step: Step, store: Store, place: Place, stop_requested: StopRequested, cpu_clock: Callable[[], float]
) -> None:
    work_dir = store.work_dir(step.address)
    (work_dir / ERROR).unlink(missing_ok=True)
    _write_json(work_dir / STEP, step.form)
    tell = Spool(work_dir, address=step.address)
    tell.progress(0, 0)
    threads = for_stage(step.stage, cpus=place.cpus, device=place.device).cpus
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    began, began_cpu = time.perf_counter(), cpu_clock()
    attempt = store.new_attempt(step.address)
    try:
        context = RunContext(
            step=step,
            out_dir=attempt,
            work_dir=work_dir,
            input_dirs={role: store.path(below.address) for role, below in step.inputs.items()},
            data=DataPlace(cache_dir=store.data_cache, root=place.data_root),
            device=place.device,
            checkpoint_seconds=place.checkpoint_seconds,
            stop_requested=stop_requested,
        )
        with _full_disk_told(step), _output_to(work_dir / LOG if place.capture_output else None):
            step.run(step, context)
        _write_json(attempt / STEP, step.form)
        metrics = work_dir / METRICS
        if metrics.exists():  # copied, so that a crash before publication loses nothing
            shutil.copyfile(metrics, attempt / METRICS)
        spent = _spent(work_dir, wall_s=time.perf_counter() - began, cpu_s=max(0.0, cpu_clock() - began_cpu))
        write_provenance(attempt, place.code, spent=spent, place={"device": place.device, "threads": threads})
        store.publish(step.address, attempt, info={"stage": step.stage})
    except BaseException as error:
        store.discard(attempt)
        spent = _spent(work_dir, wall_s=time.perf_counter() - began, cpu_s=max(0.0, cpu_clock() - began_cpu))
        _leave_word(step, tell, error, spent)
        raise
    store.clear_work(step.address)


def _leave_word(step: Step, tell: Spool, error: BaseException, spent: Mapping[str, float]) -> None:
    """Write into the work folder how far the step came and, if it failed, why."""
    reached = read_json(tell.folder / PROGRESS)
    try:
        _write_json(tell.folder / SPENT, spent)
        state = "failed" if isinstance(error, Exception) else "interrupted"
        tell.progress(reached.get("step", 0), reached.get("total", 0), state=state)
        if isinstance(error, Exception):
            told = "".join(traceback.format_exception(error))
            form = {
                "stage": step.stage,
                "address": step.address,
                "type": type(error).__name__,
                "message": str(error),
                "traceback": told,
                "step": reached.get("step") or None,
            }
            with (tell.folder / LOG).open("a", encoding="utf-8") as log:
                log.write(told)
            _write_json(tell.folder / ERROR, form)
    except OSError as unwritable:  # a full disk must not hide what went wrong before
        error.add_note(f"{tell.folder} could not be written: {unwritable}")


@contextmanager
def _full_disk_told(step: Step) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StoreError(
            f"the disk is full ({error}) while {step.address} ran. Free some space (`dymu cache gc`) or "
            "choose another disk with --store; finished steps are kept and the same command goes on."
        ) from error


@contextmanager
def _output_to(log: Path | None) -> Iterator[None]:
    """Standard output and error of this process, also of code that is not Python, go to a file."""
    if log is None:
        yield
        return
    streams = (sys.stdout, sys.stderr)
    with log.open("a", encoding="utf-8") as file, ExitStack() as undo:
        for number, stream in enumerate(streams, start=1):
            stream.flush()
            saved = os.dup(number)
            undo.callback(os.close, saved)
            undo.callback(os.dup2, saved, number)
            undo.callback(stream.flush)
            os.dup2(file.fileno(), number)
        yield


def _spent(work_dir: Path, *, wall_s: float, cpu_s: float) -> dict[str, float]:
    """Seconds of this attempt and of those before it that were interrupted or failed."""
    before = read_json(work_dir / SPENT)
    return {"wall_s": wall_s + before.get("wall_s", 0.0), "cpu_s": cpu_s + before.get("cpu_s", 0.0)}


def _write_json(path: Path, form: Mapping[str, Any]) -> None:
    write_whole(path, json.dumps(form, sort_keys=True, indent=1) + "\n")
