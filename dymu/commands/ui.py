"""Verb ``ui``: the MLflow pages of a store."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Annotated

import typer

from dymu.artifacts.store import Store
from dymu.commands.console import make_console, reading
from dymu.commands.options import StoreDir, examples
from dymu.errors import StoreError, TrackingError

app = typer.Typer()

_POLL_S = 0.1
_PATIENCE_S = 10.0
_ENVIRONMENT = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PYTHONWARNINGS": "ignore",
}


@app.command(epilog=examples("dymu ui --port 5001"))
def ui(
    port: Annotated[int, typer.Option(metavar="PORT", min=1, max=65535, help="On 127.0.0.1.")] = 5000,
    store: StoreDir = None,
) -> None:
    """Serve the MLflow pages of the store on this machine until Ctrl-C."""
    opened = reading(store)
    root = f"http://127.0.0.1:{port}/"
    views = _views(opened, root)
    _refuse_a_taken_port(port)
    console = make_console()
    console.print("MLflow starts, which takes some seconds ...", highlight=False)
    sys.stdout.flush()
    with _ended_by_signals():
        server = subprocess.Popen(
            _command(port, f"sqlite:///{opened.mlflow_dir / 'mlflow.db'}"),
            env=os.environ | _ENVIRONMENT,
            start_new_session=True,  # so that it can be ended with all that it starts
        )
        try:
            _wait_for(server, port)
            console.print(f"MLflow on {root} (Ctrl-C ends it); the arms of", highlight=False)
            for name, url in views.items():
                console.print(f"  {name}: {url}", highlight=False, markup=False, soft_wrap=True)
            sys.stdout.flush()
            server.wait()
            raise TrackingError(f"MLflow ended by itself (exit code {server.returncode}); it says why above.")
        except KeyboardInterrupt:
            console.print("MLflow ends.")
        finally:
            _end(server)


def _views(store: Store, root: str) -> Mapping[str, str]:
    """Study or question to where its arms are compared."""
    from dymu.tracking.relocation import check_place
    from dymu.tracking.saved_view import view_path
    from dymu.tracking.told import told_to_mlflow

    told = {manifest.name: told_to_mlflow(store, manifest.name) for manifest in store.manifests()}
    database = store.mlflow_dir / "mlflow.db"
    if not database.exists():
        servers = sorted({each.uri for each in told.values() if each.uri.startswith("http")})
        where = f"What ran in this store was told to {', '.join(servers)}: open that. " if servers else ""
        raise StoreError(f"{database} does not exist. {where}Else run a study first, without --no-tracking.")
    check_place(store)
    return {
        name: f"{root}{view_path(each.experiment_id, name)}"
        for name, each in told.items()
        if each.uri.startswith("sqlite") and each.experiment_id
    }


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


def _command(port: int, database: str) -> list[str]:
    """One worker, where MLflow's default is four, and no line for each request."""
    place = ["--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", database]
    words = ["-m", "mlflow", "server", *place, "--workers", "1", "--uvicorn-opts", "--no-access-log"]
    return [sys.executable, *words]


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    """Wait until a server takes connections, or ends."""
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(_POLL_S)
    raise TrackingError(f"MLflow could not start (exit code {server.returncode}); it says why above.")


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Within, a request to end or a closed terminal is what Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(server: subprocess.Popen[bytes]) -> None:
    """End a server and what it started, at first politely."""
    with suppress(ProcessLookupError):  # all of them have ended
        os.killpg(server.pid, signal.SIGTERM)
        for number in (0, signal.SIGKILL):  # 0 asks whether some of them still run
            end = time.monotonic() + _PATIENCE_S
            while time.monotonic() < end:
                server.poll()
                os.killpg(server.pid, number)
                time.sleep(_POLL_S)
    server.wait()
