"""Verbs beside the studies: ``ui``, ``doctor`` and ``version``."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from dymu import __version__
from dymu.artifacts.store import default_root
from dymu.commands.console import listing_of, make_console, print_json, reading
from dymu.commands.options import Json, StoreDir, TrackingUri
from dymu.errors import StoreError

app = typer.Typer()


@app.command(epilog="Example:  [bold]dymu ui --port 5001[/bold]")
def ui(
    port: Annotated[int, typer.Option(metavar="PORT", help="On 127.0.0.1.")] = 5000,
    store: StoreDir = None,
) -> None:
    """Serve the MLflow pages of the store on this machine until Ctrl-C."""
    database = reading(store).mlflow_dir / "mlflow.db"
    if not database.exists():
        raise StoreError(f"{database} does not exist; run a study first, without --no-tracking.")
    make_console().print(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)", highlight=False)
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


@app.command(epilog="Example:  [bold]dymu doctor --json[/bold]")
def doctor(tracking_uri: TrackingUri = None, store: StoreDir = None, as_json: Json = False) -> None:
    """Check versions, store, disk, torch, Ray, MLflow and git; exit code 3 if something is missing."""
    from dymu.run.doctor import examine

    checks = examine(store or default_root(), tracking_uri=tracking_uri, folder=Path.cwd())
    if as_json:
        print_json([{"name": check.name, "ok": check.ok, "found": check.found} for check in checks])
    else:
        listing = listing_of("", "", "")
        for check in checks:
            listing.add_row(check.name, "[green]ok[/]" if check.ok else "[red]fails[/]", escape(check.found))
        make_console().print(listing)
    raise typer.Exit(0 if all(check.ok for check in checks) else StoreError.exit_code)


@app.command()
def version() -> None:
    """Print the version of dymu."""
    print(__version__)
