"""The work of one step: its surroundings, its stage function, its publication, what errors leave."""

import errno
import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dymu.artifacts.files import write_whole
from dymu.artifacts.record import PROVENANCE
from dymu.artifacts.step import Step
from dymu.artifacts.store import STEP, Store
from dymu.data.examples import DataPlace
from dymu.errors import StoreError
from dymu.run.place import Place
from dymu.run.provenance import write_provenance
from dymu.run.work import ERROR, LOG, SPENT, read_json
from dymu.stages.checkpoint import read_attempts
from dymu.stages.context import RunContext, Superseded
from dymu.stages.world import ALONE, World
from dymu.tracking.spool import METRICS, PROGRESS, Spool

StopRequested = Callable[[], bool]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """On whose behalf a step is computed.

    Attributes:
        token: Of the lease on the step.
        world: The ranks that work on the step together.
    """

    token: str
    world: World = ALONE


def compute_step(
    step: Step,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    claim: Claim,
    *,
    cpu_clock: Callable[[], float] = time.process_time,
) -> None:
    """Run a stage function and publish what it wrote, on behalf of whoever holds the lease of the step.

    Every rank of a world calls it. The leader alone writes into the store; the others get folders that are
    thrown away.

    Args:
        step: The step; the artifacts of its inputs must exist.
        store: Where artifacts are.
        place: How to run.
        stop_requested: Asked by the stage between training steps.
        claim: Who computes.
        cpu_clock: CPU-seconds of the process that are to be charged to the step.

    Raises:
        Interrupted: If a stop was requested; the checkpoint stays.
        Superseded: If another process has taken the lease over; nothing of theirs is touched.
        Exception: Whatever the stage raised; :func:`leave_error` writes it down.
    """
    threads = place.resources_of(step.stage).cpus
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)
    began = cpu_clock()

    def spent() -> float:
        return max(0.0, cpu_clock() - began)

    if claim.world.leader:
        _lead(step, store, place, stop_requested, claim, spent)
        return
    with tempfile.TemporaryDirectory(prefix="dymu-rank-") as folder:
        out_dir, work_dir = Path(folder) / "out", Path(folder) / "work"
        out_dir.mkdir()
        work_dir.mkdir()
        context = _context(step, store, place, stop_requested, claim, out_dir=out_dir, work_dir=work_dir)
        with context.closing:
            step.run(step, context)
        _of_all(claim.world, spent())


def leave_error(step: Step, store: Store, error: Exception, *, token: str) -> None:
    """Write into the work folder why a step failed, unless that was done on behalf of the same lease."""
    folder = store.work_dir(step.address)
    if read_json(folder / ERROR).get("token") == token:
        return
    told = "".join(traceback.format_exception(error))
    form = {
        "stage": step.stage,
        "address": step.address,
        "type": type(error).__name__,
        "message": str(error),
        "traceback": told,
        "step": read_json(folder / PROGRESS).get("step") or None,
        "token": token,
    }
    try:
        with (folder / LOG).open("a", encoding="utf-8") as log:
            log.write(told)
        write_json(folder / ERROR, form)
        store.push_work(step.address)
    except (OSError, StoreError) as unwritable:  # a full disk must not hide what went wrong before
        error.add_note(f"{folder} could not be written: {unwritable}")


def write_json(path: Path, form: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    write_whole(path, json.dumps(form, sort_keys=True, indent=1) + "\n")


def _lead(
    step: Step,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    claim: Claim,
    spent: Callable[[], float],
) -> None:
    work_dir = store.work_dir(step.address)
    write_json(work_dir / STEP, step.form)
    tell = Spool(work_dir, address=step.address)
    tell.progress(0, 0)
    began = time.perf_counter()
    attempt = store.new_attempt(step.address)
    try:
        context = _context(step, store, place, stop_requested, claim, out_dir=attempt, work_dir=work_dir)
        output = _output_to(work_dir / LOG if place.capture_output else None)
        with _full_disk_told(step), output, context.closing:
            step.run(step, context)
        cpu_s = _of_all(claim.world, spent())
        write_json(attempt / STEP, step.form)
        metrics = work_dir / METRICS
        if metrics.exists():  # copied, so that a crash before publication loses nothing
            shutil.copyfile(metrics, attempt / METRICS)
        taken = _spent(work_dir, wall_s=time.perf_counter() - began, cpu_s=cpu_s)
        where = {
            **_whereabouts(step, place, claim.world),
            "parts": _times_of(context.parts),
            "attempts": read_attempts(work_dir),
        }
        write_provenance(attempt, place.code, spent=taken, place=where)
        context.fence()
        store.publish(step.address, attempt, info={"stage": step.stage})
    except Superseded:
        store.discard(attempt)
        raise
    except BaseException as error:
        store.discard(attempt)
        taken = _spent(work_dir, wall_s=time.perf_counter() - began, cpu_s=spent())
        _leave_word(step, store, tell, error, taken)
        raise
    store.clear_work(step.address)


def _context(
    step: Step,
    store: Store,
    place: Place,
    stop_requested: StopRequested,
    claim: Claim,
    *,
    out_dir: Path,
    work_dir: Path,
) -> RunContext:
    parts = {part.address: part for part in step.parts}
    whole = all(store.has(address) for address in parts)
    return RunContext(
        step=step,
        out_dir=out_dir,
        work_dir=work_dir,
        input_dirs={role: store.path(below.address) for role, below in step.inputs.items()},
        data=DataPlace(cache_dir=store.data_cache, root=place.data_root),
        device=place.device_of(step.stage) if claim.world is ALONE else claim.world.device,
        checkpoint_seconds=place.checkpoint_seconds,
        checkpoint_steps=place.checkpoint_steps,
        world=claim.world,
        fence=_fence(step, store, claim.token),
        saved=lambda: store.push_work(step.address),
        parts={address: store.path(address) for address in parts} if whole else {},
        stop_requested=stop_requested,
    )


def _fence(step: Step, store: Store, token: str) -> Callable[[], None]:
    def ask() -> None:
        if not store.claimed_by(step.address, token):
            raise Superseded(step.address)

    return ask


def _of_all(world: World, cpu_s: float) -> float:
    return float(world.sum(torch.tensor(cpu_s, dtype=torch.float64)))


def _whereabouts(step: Step, place: Place, world: World) -> dict[str, Any]:
    need = place.resources_of(step.stage)
    device = place.device_of(step.stage) if world is ALONE else world.device
    return {"device": device, "threads": need.cpus, "workers": 0 if world is ALONE else world.size}


def _times_of(parts: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """What the parts took that a step was assembled from: its own time does not contain theirs."""
    told = {address: read_json(folder / PROVENANCE) for address, folder in sorted(parts.items())}
    names = ("wall_s", "cpu_s", "device")
    return {address: {name: form[name] for name in names if name in form} for address, form in told.items()}


def _leave_word(
    step: Step, store: Store, tell: Spool, error: BaseException, spent: Mapping[str, float]
) -> None:
    """Write into the work folder how far the step came and what it took."""
    reached = read_json(tell.folder / PROGRESS)
    try:
        write_json(tell.folder / SPENT, spent)
        state = "failed" if isinstance(error, Exception) else "interrupted"
        tell.progress(reached.get("step", 0), reached.get("total", 0), state=state)
        store.push_work(step.address)
    except (OSError, StoreError) as unwritable:  # a full disk must not hide what went wrong before
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
