"""The verbs ``cluster up``, ``cluster down`` and ``cluster status``."""

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dymu.commands.console import listing_of, make_console, print_json
from dymu.commands.options import Json, examples
from dymu.errors import BackendError, NothingToDoError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dymu.run.jobs.devcluster import DevCluster

app = typer.Typer(
    help="A cluster for development on this machine: Ray head and nodes, PostgreSQL, MLflow.",
    no_args_is_help=True,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Where all of it is kept.  \\[default: .dymu-cluster]",
        envvar="DYMU_CLUSTER",
    ),
]


@app.command(
    epilog=examples("dymu cluster up", "dymu cluster up --submit ablations.branching_regularizer --seeds 3")
)
def up(
    submit: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Have it run this target once it is up.")
    ] = None,
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Seeds of that target.")] = None,
    nodes: Annotated[int, typer.Option(metavar="N", min=1, help="Nodes beside the head.")] = 2,
    cpus: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="CPUs a node.  \\[default: this machine's, shared out]"),
    ] = None,
    folder: Folder = None,
) -> None:
    """Start what is not up: PostgreSQL, MLflow, a Ray head without CPUs, and nodes. All on 127.0.0.1.

    Ray asks for a token, which lies in the folder, for this user only.
    """
    cluster = _cluster(folder, nodes=nodes, cpus=cpus)
    say = _sayer()
    say("Started." if cluster.up(say) else "All of it is up already.")
    known = cluster.variables
    where = cluster.variables_file
    shown = where.relative_to(Path.cwd()) if where.is_relative_to(Path.cwd()) else where
    say(
        f"  Ray dashboard   {known['RAY_API_SERVER_ADDRESS']}   (its token: {known['RAY_AUTH_TOKEN_PATH']})\n"
        f"  MLflow          {known['MLFLOW_TRACKING_URI']}\n"
        f"  results         {known['DYMU_STORE']}\n"
        f"  source {shown}     then submit, status, logs, stop and doctor find this cluster"
    )
    if submit is not None:
        raise typer.Exit(_submit(submit, seeds, cluster, say))


@app.command(epilog=examples("dymu cluster down", "dymu cluster down --purge"))
def down(
    now: Annotated[
        bool, typer.Option("--now", metavar="", help="Do not let jobs write their checkpoints first.")
    ] = False,
    purge: Annotated[
        bool, typer.Option("--purge", metavar="", help="Also remove the folder, results included.")
    ] = False,
    folder: Folder = None,
) -> None:
    """End what `dymu cluster up` started, and nothing else; also what a crash left behind. Data are kept."""
    cluster = _cluster(folder)
    say = _sayer()
    if not now:
        cluster.drain(say)
    cluster.down(say, purge=purge)


@app.command(epilog=examples("dymu cluster status --json"))
def status(folder: Folder = None, as_json: Json = False) -> None:
    """Say which servers are up; exit code 3 unless all are."""
    cluster = _cluster(folder)
    services = cluster.services()
    if as_json:
        print_json([{**service.form(), "alive": service.alive} for service in services])
    else:
        listing = listing_of("server", "process", "", "log")
        for service in services:
            state = "[green]up[/]" if service.alive else "[red]gone[/]"
            listing.add_row(service.name, str(service.pid), state, escape(service.log))
        none = f"No cluster is kept in {cluster.folder}; `dymu cluster up` starts one."
        make_console().print(listing if services else none)
    up = bool(services) and all(service.alive for service in services)
    raise typer.Exit(0 if up else BackendError.exit_code)


def _sayer() -> "Callable[[str], None]":
    console = make_console()

    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)
        sys.stdout.flush()  # starting takes a while, and this may be a pipe

    return say


def _cluster(folder: Path | None, *, nodes: int = 2, cpus: int | None = None) -> "DevCluster":
    from dymu.run.jobs.devcluster import FOLDER, DevCluster

    return DevCluster(folder or Path(FOLDER), nodes=nodes, cpus=cpus)


def _submit(target: str, seeds: int | None, cluster: "DevCluster", say: "Callable[[str], None]") -> int:
    from dymu.run.jobs.client import connect
    from dymu.run.jobs.submission import job_named

    os.environ.update(cluster.variables)
    live = [job for job in connect(cluster.variables["RAY_API_SERVER_ADDRESS"]).all() if job.live]
    running = job_named(live, target)
    if running is not None:
        say(f"{target} runs already, as job {running.id}.")
        return 0
    words = [sys.executable, "-m", "dymu", "submit", target, "--yes"]
    if seeds is not None:
        words += ["--seeds", str(seeds)]
    code = subprocess.run(words, check=False).returncode
    return 0 if code == NothingToDoError.exit_code else code
