"""Verbs beside the studies: ``doctor`` and ``version``."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dymu import __version__
from dymu.commands.console import listing_of, make_console, print_json
from dymu.commands.options import Address, Json, StoreDir, TrackingUri, examples
from dymu.errors import BackendError, StoreError

if TYPE_CHECKING:
    from dymu.run.verdict import Check

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu doctor --json", "dymu doctor --address http://localhost:8265 --store s3://bucket/dymu"
    )
)
def doctor(
    tracking_uri: TrackingUri = None,
    address: Address = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="DYMU_DATA", help="Folder of data sets that nodes must see."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="Do not send these files to the cluster."),
    ] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Check this machine and, if a cluster is named, every node of it; exit code 3 if something is wrong.

    Here: versions, store, disk, torch, Ray, MLflow and git. There, by a job of a few seconds: equal versions,
    State API, store written and MLflow reached from every node, GPUs, clocks, token, data roots.
    """
    from dymu.run.doctor import examine
    from dymu.run.jobs.address import known_job_server

    place = store or os.environ.get("DYMU_STORE") or ".dymu"
    checks = examine(place, tracking_uri=tracking_uri, folder=Path.cwd())
    server = known_job_server(address, os.environ)
    if server is not None:
        checks += _cluster(server, place, tracking_uri, data_root, exclude or [])
    if as_json:
        print_json([{"name": check.name, "ok": check.ok, "found": check.found} for check in checks])
    else:
        listing = listing_of("", "", "")
        for check in checks:
            listing.add_row(check.name, "[green]ok[/]" if check.ok else "[red]fails[/]", escape(check.found))
        make_console().print(listing)
    raise typer.Exit(0 if all(check.ok for check in checks) else StoreError.exit_code)


def _cluster(
    server: str, place: str, tracking_uri: str | None, data_root: Path | None, exclude: list[str]
) -> "list[Check]":
    from dymu.run.jobs.client import connect
    from dymu.run.jobs.consult import consult
    from dymu.run.jobs.submission import inside, location_of
    from dymu.run.verdict import Check

    location, _ = location_of(place, os.environ)
    try:
        return consult(
            connect(server),
            store=location,
            tracking_uri=tracking_uri,
            data_root=str(data_root.absolute()) if data_root is not None else None,
            exclude=[*exclude, *inside(location, Path.cwd())],
        )
    except BackendError as error:
        return [Check(name="cluster", ok=False, found=str(error))]


@app.command(
    "look-around",
    hidden=True,
    epilog=examples("dymu doctor --address http://localhost:8265", note="which sends it there"),
)
def look_around(
    asked: Annotated[str, typer.Argument(metavar="JSON", help="What to look at: written by `dymu doctor`.")],
) -> None:
    """Look at every node of the cluster that this process runs on, for `dymu doctor`."""
    from dymu.run.jobs.examine import MARK, examine_nodes

    print(MARK + json.dumps(examine_nodes(**json.loads(asked))))


@app.command()
def version() -> None:
    """Print the version of dymu."""
    print(__version__)
