"""The verb ``stop``."""

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.commands.console import complain, make_console, one_study, reading, studies_named
from dymu.commands.options import Address, StoreDir, examples
from dymu.errors import BackendError, NothingToDoError, StoreError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dymu.artifacts.store import Store
    from dymu.run.jobs.client import Job, Jobs

_LOOK_S = 0.5
_MARGIN_S = 30.0

app = typer.Typer()


@app.command(epilog=examples("dymu stop digits-ours", "dymu stop digits-ours --now"))
def stop(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A study, question or job; by default the one that runs."),
    ] = None,
    now: Annotated[
        bool,
        typer.Option("--now", metavar="", help="Do not wait for checkpoints; work since the last is lost."),
    ] = False,
    address: Address = None,
    store: StoreDir = None,
) -> None:
    """Have a study write its checkpoints, close its MLflow runs and end; wait for it.

    Asks the cluster if one is named. A study that runs elsewhere is asked through the store.

    Exit codes: 0 it ended, 3 it did not end or cannot be reached, 4 it does not run.
    """
    from dymu.run.jobs.submission import STORE, STUDIES

    console = make_console()
    jobs, job = _find_job(address, name)
    if job is not None and store is None:
        store = job.metadata.get(STORE)
    try:
        opened: Store | None = reading(store)
    except StoreError:
        if job is None:
            raise
        opened = None
    studies = job.metadata[STUDIES].split(",") if job is not None else _live_studies(opened, name)
    began = time.monotonic()
    if now or job is None:
        _raise_flags(opened, studies, now=now)
    if jobs is not None and job is not None:
        jobs.stop(job.id)
    where = f"job {job.id}" if job is not None else ", ".join(studies)
    console.print(f"Stopping {where}{' at once' if now else ': its steps write their checkpoints'}.")
    _wait(jobs, job, opened, studies)
    console.print(f"Ended after {time.monotonic() - began:.0f} s.", highlight=False)
    if opened is not None:
        _show_rest(console, opened, studies)


def _find_job(address: str | None, name: str | None) -> "tuple[Jobs | None, Job | None]":
    from dymu.run.jobs.address import known_job_server
    from dymu.run.jobs.client import connect
    from dymu.run.jobs.submission import job_named

    server = known_job_server(address, os.environ)
    if server is None:
        return None, None
    try:
        jobs = connect(server)
        return jobs, job_named([job for job in jobs.all() if job.live], name)
    except BackendError as error:
        complain(f"{error}\n  Asking through the store instead.")
        return None, None


def _live_studies(store: "Store | None", name: str | None) -> list[str]:
    """What a name stands for, by the drivers that live: a study, or all that a job runs."""
    from dymu.run.live import live_runs

    assert store is not None
    runs = live_runs(store)
    if name is not None:
        lives = sorted({run.manifest for run in runs if name in (run.job, run.manifest)})
        return lives or [manifest.name for manifest in studies_named(store, name)]
    names = sorted({run.manifest for run in runs})
    if len(names) > 1:
        raise NothingToDoError(f"{len(names)} studies run; name one of: {', '.join(names)}.")
    return names or [one_study(store, None)]


def _raise_flags(store: "Store | None", studies: "Sequence[str]", *, now: bool) -> None:
    from dymu.artifacts.location import open_store
    from dymu.run.live import drain_flag, live_runs, stop_now_flag

    if store is None:
        complain("the store cannot be seen from here; the driver gets a signal only.")
        return
    if not live_runs(store, studies):
        raise NothingToDoError(f"{', '.join(studies)} does not run, as far as {store.location} knows.")
    writable = open_store(store.location)
    for study in studies:
        writable.flag(stop_now_flag(study) if now else drain_flag(study)).raise_()


def _wait(jobs: "Jobs | None", job: "Job | None", store: "Store | None", studies: "Sequence[str]") -> None:
    from dymu.run.jobs.submission import STOP_WAIT_S
    from dymu.run.live import live_runs

    until = time.monotonic() + STOP_WAIT_S + _MARGIN_S
    while time.monotonic() < until:
        if jobs is not None and job is not None:
            seen = jobs.find(job.id)
            lives = seen is not None and seen.live
        else:
            assert store is not None
            lives = bool(live_runs(store, studies))
        if not lives:
            return
        time.sleep(_LOOK_S)
    raise BackendError(
        f"{', '.join(studies)} did not end within {STOP_WAIT_S + _MARGIN_S:.0f} s. `dymu logs` tells what it "
        "does; `dymu stop --now` does not wait for it."
    )


def _show_rest(console: "Console", store: "Store", studies: "Sequence[str]") -> None:
    """Say what is left to do, and from where it will go on."""
    from dymu.run.status import study_status

    known = {manifest.name: manifest for manifest in store.manifests()}
    states = study_status(store, [known[study] for study in studies if study in known])
    steps = {state.address: state for state in states}.values()
    done = sum(state.state == "done" for state in steps)
    console.print(f"{done} of {len(steps)} steps are done.", highlight=False)
    for state in steps:
        if state.state == "interrupted":
            where = f"{state.arm} seed {state.seed} {state.stage}"
            console.print(f"  {where} goes on at step {state.step} of {state.total}.", highlight=False)
    if done < len(steps):
        console.print("The same `dymu run` or `dymu submit` goes on from there.")
