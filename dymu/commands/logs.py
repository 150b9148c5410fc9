"""The verb ``logs``."""

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.commands.console import complain, one_study, reading
from dymu.commands.options import Address, StoreDir, examples
from dymu.errors import BackendError, NothingToDoError, SpecError

if TYPE_CHECKING:
    from dymu.artifacts.store import Store
    from dymu.run.jobs.client import Job, Jobs
    from dymu.run.status import StageStatus

_LOOK_S = 1.0
_PATIENCE = 8  # tries to reach a cluster again, which takes about a minute

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu logs -f digits-ours",
        "dymu logs digits-ours --stage edge",
        "dymu logs studies-digits-ours-1a2b3c4d-1",
    )
)
def logs(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A study, question or job; by default the study there is."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", metavar="", help="Go on to its end; Ctrl-C leaves.")
    ] = False,
    arm: Annotated[str | None, typer.Option("--arm", help="Logs of the steps of this arm.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Logs of the steps at this seed.")] = None,
    stage: Annotated[str | None, typer.Option("--stage", help="Logs of the steps of this stage.")] = None,
    address: Address = None,
    store: StoreDir = None,
) -> None:
    """Print what the driver of a study says or, with --arm, --seed or --stage, what its steps say.

    Asks the cluster if one is named, and else the store, where drivers keep their log too. A step has a log
    of its own until it is published.

    Exit codes: that of the study if it was followed to its end; 4 if there is no log.
    """
    from dymu.run.jobs.address import known_job_server
    from dymu.run.jobs.client import connect
    from dymu.run.jobs.submission import job_named

    if arm is not None or seed is not None or stage is not None:
        _show_steps(reading(store), name, follow=follow, wanted=(arm, seed, stage))
        return
    server = known_job_server(address, os.environ)
    if server is not None:
        try:
            jobs = connect(server)
            found = job_named(jobs.all(), name)
        except BackendError as error:
            complain(f"{error}\n  What follows is from the store.")
        else:
            if found is not None:
                raise typer.Exit(show_job(jobs, found.id, follow=follow))
    _show_study(reading(store), name, follow=follow)


def show_job(jobs: "Jobs", job_id: str, *, follow: bool) -> int:
    """Print the log of a job; the exit code of its driver, or 0 if it was not followed to its end.

    A connection that breaks is made again; what was printed before is not printed twice.

    Raises:
        BackendError: If the cluster stays away or knows no such job.
    """
    from dymu.run.jobs.client import patiently

    if not follow:
        _say(jobs.log(job_id))
        return 0
    shown = 0
    while True:
        at = 0
        try:
            for text in jobs.follow(job_id):
                _say(text[max(0, shown - at) :])
                at += len(text)
                shown = max(shown, at)
        except BackendError as error:
            complain(f"{error}\n  Trying again; the study goes on without this connection.")
        job = patiently(lambda: jobs.find(job_id), time.sleep, _PATIENCE)
        if job is None:
            raise BackendError(f"{jobs.address} knows no job {job_id} any more; `dymu logs` reads the store.")
        if not job.live:
            return _exit_code(job)
        time.sleep(_LOOK_S)


def _exit_code(job: "Job") -> int:
    if job.status == "SUCCEEDED":
        return 0
    return job.exit_code or (130 if job.status == "STOPPED" else BackendError.exit_code)


def _show_study(store: "Store", name: str | None, *, follow: bool) -> None:
    from dymu.run.live import live_runs
    from dymu.run.studylog import read_study_log

    study = name if name and _has_log(store, name) else one_study(store, name)
    shown = 0
    while True:
        lives = follow and bool(live_runs(store, [study]))
        text = read_study_log(store, study)
        if text is None:
            raise NothingToDoError(f"{store.location} has no log of {study}: none of its drivers kept one.")
        _say(text[shown:])
        shown = len(text)
        if not lives:
            return
        time.sleep(_LOOK_S)


def _has_log(store: "Store", name: str) -> bool:
    """Whether there is a log of this name; a driver that failed early left one and no manifest."""
    from dymu.run.studylog import read_study_log

    try:
        return read_study_log(store, name) is not None
    except SpecError:  # no name of a file, but perhaps what `dymu run` takes
        return False


def _show_steps(
    store: "Store", name: str | None, *, follow: bool, wanted: tuple[str | None, int | None, str | None]
) -> None:
    from dymu.run.status import study_status

    study = one_study(store, name)
    shown: dict[str, int] = {}
    while True:
        states = [s for s in study_status(store, [store.manifest(study)]) if _is(s, wanted)]
        for address, title, text in _new_text(store, states, shown):
            if len(shown) > 1 or not follow:
                print(f"--- {title}  {address}")
            _say(text)
        running = any(state.state in ("running", "waiting") for state in states)
        if not shown and not (follow and running):
            raise NothingToDoError(
                f"no step of {study} that was asked for has a log; published steps keep none, and "
                "`dymu status` shows which there are."
            )
        if not follow or not running:
            return
        time.sleep(_LOOK_S)


def _new_text(
    store: "Store", states: Sequence["StageStatus"], shown: dict[str, int]
) -> Iterator[tuple[str, str, str]]:
    """What steps have said since the last look: address, title and text; each step once."""
    from dymu.run.work import LOG

    for state in {state.address: state for state in states}.values():
        path = store.look_work(state.address) / LOG
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue  # not begun, or published meanwhile
        if len(text) > shown.get(state.address, -1):
            title = f"{state.arm} seed {state.seed} {state.stage}"
            yield state.address, title, text[shown.get(state.address, 0) :]
            shown[state.address] = len(text)


def _is(state: "StageStatus", wanted: tuple[str | None, int | None, str | None]) -> bool:
    told = (state.arm, state.seed, state.stage.partition("#")[0])
    return all(want is None or want == have for want, have in zip(wanted, told, strict=True))


def _say(text: str) -> None:
    print(text, end="", flush=True)
