"""The connection to a Ray cluster: one that is there, or one that this process starts and stops."""

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dymu.errors import BackendError
from dymu.run.cluster.head import HeadLostError

_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # the driver asks the steps to stop and waits for their checkpoints
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # nothing reads Tune's snapshots
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}
_OBJECT_STORE_BYTES = 128 * 1024**2  # only the plan and Tune's own small objects go through it
_KNOCK_S = 10.0
_ALIVE = "alive.lock"  # locked in the scratch folder of a run that is not over


@contextmanager
def connected(address: str | None, logs: Path) -> Iterator[Path]:
    """A connection to Ray, and a scratch folder that stays only if Ray itself failed.

    Args:
        address: Of a running cluster; ``None`` starts one on this machine and stops it afterwards.
        logs: Folder for what Ray prints.

    Raises:
        BackendError: If Ray cannot be started or reached.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if address is None and "RAY_AUTH_MODE" not in os.environ:
        # Only processes of this run know the token, and no file in the home folder holds it.
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    logs.mkdir(parents=True, exist_ok=True)
    scratch = _scratch(logs if address is not None else None)
    keep = False
    try:
        with ExitStack() as quiet:
            quiet.enter_context(FileLock(scratch / _ALIVE))
            file = quiet.enter_context((logs / "ray.log").open("w", encoding="utf-8"))
            quiet.enter_context(redirect_stdout(file))
            quiet.enter_context(redirect_stderr(file))
            quiet.enter_context(warnings.catch_warnings())
            warnings.simplefilter("ignore")
            import ray

            with _handlers_kept():
                _connect(ray, address, scratch)
            logging.getLogger("ray").setLevel(logging.CRITICAL)  # errors are told by the steps themselves
            with _disconnected(ray):
                yield scratch
    except BackendError:
        keep = address is None  # the error names the logs in it
        raise
    finally:
        if not keep:
            shutil.rmtree(scratch, ignore_errors=True)


def _scratch(shared: Path | None) -> Path:
    """A folder that all nodes see; those that a killed run left behind are removed.

    The sockets of a local cluster lie in it, and their names must not be long.
    """
    parent = shared or Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())
    for other in parent.glob("dymu-*"):
        alive = other / _ALIVE
        try:
            mine = alive.stat().st_uid == os.getuid()
        except OSError:  # it has none, is removed just now, or nobody but another user may look into it
            continue
        if not mine:
            continue
        lock = FileLock(alive)
        with suppress(Timeout), lock.acquire(blocking=False):
            shutil.rmtree(other, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix="dymu-", dir=parent))


def _connect(ray: Any, address: str | None, scratch: Path) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    try:
        if address is not None:
            _knock(address)
            ray.init(address=address, **quiet)
            return
        with _environment_of_workers():
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=str(scratch),
                **quiet,
            )
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if address is not None:
            advice = "Look whether the cluster is up and can be reached from here."
            raise BackendError(f"Ray at {address} cannot be used: {reason}. {advice}") from error
        advice = f"Its logs are below {scratch}; `--backend local` does without Ray."
        raise BackendError(f"Ray on this machine cannot be used: {reason}. {advice}") from error


@contextmanager
def _disconnected(ray: Any) -> Iterator[None]:
    """End the connection after the block, unless there is nobody to tell: Ray would wait, then end us."""
    try:
        yield
    except HeadLostError:
        raise
    except BaseException:
        ray.shutdown()
        raise
    ray.shutdown()


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Ray installs a handler that ends the driver at once on SIGTERM; take it away again."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _knock(address: str) -> None:
    """Fail at once where nobody listens; Ray would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdecimal():
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()


@contextmanager
def _environment_of_workers() -> Iterator[None]:
    """What the processes of a local cluster inherit."""
    before = os.environ.get("PYTHONPATH")
    # Workers find modules where this process does, whatever their working directory is.
    os.environ["PYTHONPATH"] = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def ray_version() -> str:
    """Version of Ray.

    Raises:
        ImportError: If it cannot be imported.
    """
    import ray

    return str(ray.__version__)
