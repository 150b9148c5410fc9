"""Verbs beside the studies: ``ui``, ``doctor`` and ``version``."""

import json
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from dymu import __version__
from dymu.commands.console import listing_of, make_console, print_json, reading
from dymu.commands.options import Address, Json, StoreDir, TrackingUri, examples
from dymu.errors import BackendError, StoreError, TrackingError

if TYPE_CHECKING:
    from dymu.run.verdict import Check

app = typer.Typer()


@app.command(epilog=examples("dymu ui --port 5001"))
def ui(
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="On 127.0.0.1.")] = 5000,
    store: StoreDir = None,
) -> None:
    """Serve the MLflow pages of the store on this machine until Ctrl-C."""
    from dymu.tracking.saved_view import view_path
    from dymu.tracking.told import told_to_mlflow

    opened = reading(store)
    database = opened.mlflow_dir / "mlflow.db"
    told = {manifest.name: told_to_mlflow(opened, manifest.name) for manifest in opened.manifests()}
    if not database.exists():
        servers = sorted({each.uri for each in told.values() if each.uri.startswith("http")})
        where = f"What ran in this store was told to {', '.join(servers)}: open that. " if servers else ""
        raise StoreError(f"{database} does not exist. {where}Else run a study first, without --no-tracking.")
    _refuse_a_taken_port(port)
    root = f"http://127.0.0.1:{port}/"
    console = make_console()
    console.print(f"MLflow on {root} (Ctrl-C ends it); the arms of", highlight=False)
    for name, each in told.items():
        if each.uri.startswith("sqlite") and each.experiment_id:
            url = f"{root}{view_path(each.experiment_id, name)}"
            console.print(f"  {name}: {url}", highlight=False, markup=False, soft_wrap=True)
    sys.stdout.flush()
    # One worker and no job runner: MLflow's defaults are a dozen processes.
    os.environ |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    server = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments = [sys.executable, *server, "--backend-store-uri", f"sqlite:///{database}"]
    os.execv(sys.executable, arguments)  # signals then reach the server itself


def _refuse_a_taken_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TrackingError(
                f"port {port} of 127.0.0.1 cannot be had: {error.strerror}. If MLflow runs there already, "
                f"open http://127.0.0.1:{port}; else choose another port with --port {port + 1}."
            ) from error


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
