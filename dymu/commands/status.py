"""The verb ``status``."""

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.commands.console import complain, make_console, print_json, reading, studies_named
from dymu.commands.options import Address, Json, StoreDir, examples
from dymu.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from dymu.run.jobs.client import Job
    from dymu.run.overview import StudyOverview

_LOOK_S = 2.0

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu status",
        "dymu status digits-ours --watch",
        "dymu status digits-ours --address http://localhost:8265 --json",
    )
)
def status(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Studies or questions; all by default.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", metavar="", help="Go on until nothing runs.")
    ] = False,
    address: Address = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Show what is done, running, failed or waiting, per arm, seed and stage; also when the cluster is gone.

    The store says what is done and who lives, MLflow's account what it was told, and the cluster, if one is
    named, which jobs there are.
    """
    from dymu.run.overview import overview

    opened = reading(store)
    told = ""
    while True:
        jobs, trouble = _jobs(address)
        if trouble and trouble != told:
            complain(f"{trouble}\n  What follows is from the store.")
        told = trouble
        named = [manifest for name in names or () for manifest in studies_named(opened, name)]
        manifests = named if names else opened.manifests()
        found = overview(opened, manifests, jobs)
        if as_json:
            print_json({"cluster": trouble, "studies": [study.form() for study in found]})
        else:
            _show(make_console(), found, clear=watch)
        if not watch or not any(study.state == "running" for study in found):
            return
        time.sleep(_LOOK_S)


def _jobs(address: str | None) -> "tuple[Sequence[Job], str]":
    """The jobs of the cluster that is named, if one is, and why they are not known."""
    from dymu.run.jobs.address import known_job_server

    server = known_job_server(address, os.environ)
    if server is None:
        return [], ""
    from dymu.run.jobs.client import connect

    try:
        return connect(server).all(), ""
    except BackendError as error:
        return [], str(error)


def _show(console: "Console", found: "Sequence[StudyOverview]", *, clear: bool) -> None:
    from dymu.run.views import status_tables

    if clear and console.is_terminal:
        console.clear()
    for study in found:
        for shown in status_tables(study.stages, width=console.width):
            console.print(shown)
        console.print(study.line, "", sep="\n", soft_wrap=True, highlight=False, markup=False)
        for stage in study.stages:
            if stage.error:
                complain(f"{stage.address} failed: {stage.error}\n  log: {stage.log}")
