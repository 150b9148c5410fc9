"""A cluster for development on this machine: Ray head, worker nodes, PostgreSQL and an MLflow server.

Everything listens on the loopback interface, and Ray asks for a token. One folder holds it all: which
processes there are, ports, token, logs, database, artifacts. What is up is left alone, what has ended is
started again on the same data, and nothing is ended that the folder does not know.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from dymu.artifacts.files import write_whole
from dymu.errors import BackendError
from dymu.run.jobs.auth import token_environment, token_file
from dymu.run.jobs.postgres import Postgres
from dymu.run.jobs.services import HOST, MARK, Service, answers, end, free_ports, start, wait_for

FOLDER = ".dymu-cluster"
_STATE = "state.json"
_FORMAT = 1
# Ray takes 127.0.0.1 for a mistake and listens on the address by which others reach the machine.
_RAY_HOST = "127.0.0.2" if sys.platform == "linux" else HOST
_PORTS = {"ray": 6379, "client": 10001, "agent": 52365, "dashboard": 8265, "mlflow": 5000, "postgres": 5433}
_START_S = 180.0
_OBJECT_STORE_BYTES = 80_000_000  # the least that Ray takes is 75 MiB
_POSTGRES, _MLFLOW, _HEAD = "PostgreSQL", "MLflow", "Ray head"
_UP = "Ray runtime started"
_MINE = 0o700
_DRAIN_S = 200.0
_LOOK_S = 0.5

Say = Callable[[str], None]


@dataclass(kw_only=True)
class State:
    """What was started, as the folder knows it.

    Attributes:
        ports: By name.
        services: In the order of their start.
    """

    ports: dict[str, int] = field(default_factory=dict)
    services: list[Service] = field(default_factory=list)

    def service(self, name: str) -> Service | None:
        """What was started under a name last, alive or not."""
        return next((service for service in self.services if service.name == name), None)

    def alive(self, name: str) -> bool:
        """Whether it is up."""
        service = self.service(name)
        return service is not None and service.alive


class DevCluster:
    """The cluster of one folder.

    Args:
        folder: Where everything is kept.
        nodes: Worker nodes beside the head, which has no CPUs.
        cpus: CPUs of each worker node.
    """

    def __init__(self, folder: Path, *, nodes: int = 2, cpus: int | None = None) -> None:
        self.folder = folder.absolute()
        self.nodes = nodes
        self.cpus = cpus or max(1, (os.cpu_count() or 1) // nodes)
        self._lock = FileLock(self.folder / "lock")

    @property
    def store(self) -> Path:
        """Where its studies keep their results."""
        return self.folder / "store"

    @property
    def variables(self) -> dict[str, str]:
        """What commands need in their environment to use this cluster.

        Raises:
            BackendError: If there is none.
        """
        state = self._known()
        return {
            **token_environment(self.folder / "auth_token"),
            "RAY_API_SERVER_ADDRESS": f"http://{HOST}:{state.ports['dashboard']}",
            "MLFLOW_TRACKING_URI": f"http://{HOST}:{state.ports['mlflow']}",
            "DYMU_STORE": str(self.store),
        }

    @property
    def variables_file(self) -> Path:
        """The same for a shell."""
        return self.folder / "env"

    def up(self, say: Say) -> bool:
        """Start what is not up.

        Args:
            say: Told what happens.

        Returns:
            Whether something had to be started.

        Raises:
            BackendError: If something does not start; what was started stays, and is known to the folder.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._alone():
            state = self._load() or State()
            if self._missing(state):
                self._start(state, say)
                self._write_variables()
                return True
        return False

    def down(self, say: Say, *, purge: bool = False) -> None:
        """End what was started, and nothing else.

        Args:
            say: Told what became of each server.
            purge: Also remove the folder, results included.
        """
        if not self.folder.is_dir():
            say(f"Nothing is kept in {self.folder}.")
            return
        with self._alone():
            state = self._load()
            if state is not None:
                for service in reversed(list(state.services)):
                    say(end([service])[0])
                    state.services.remove(service)
                    self._save(state)
        if purge:
            shutil.rmtree(_scratch(self.folder), ignore_errors=True)
            shutil.rmtree(self.folder)
            say(f"Removed {self.folder}.")

    def drain(self, say: Say, *, patience_s: float = _DRAIN_S) -> None:
        """Have jobs that run write their checkpoints and end, as far as the cluster still answers."""
        state = self._load()
        if state is None or not state.alive(_HEAD):
            return
        from dymu.run.jobs.client import connect

        os.environ |= self.variables
        try:
            jobs = connect(os.environ["RAY_API_SERVER_ADDRESS"])
            live = [job.id for job in jobs.all() if job.live]
            for job_id in live:
                say(f"Stopping job {job_id}: its steps write their checkpoints ...")
                jobs.stop(job_id)
            until = time.monotonic() + patience_s
            while live and time.monotonic() < until:
                time.sleep(_LOOK_S)
                live = [job.id for job in jobs.all() if job.live]
        except BackendError as error:
            say(f"Jobs could not be stopped first: {error}")

    def services(self) -> list[Service]:
        """What was started, alive or not; empty if nothing."""
        state = self._load()
        return [] if state is None else state.services

    # --- starting ------------------------------------------------------------------------------------------

    def _names(self) -> list[str]:
        return [_POSTGRES, _MLFLOW, _HEAD, *(f"Ray node {number}" for number in range(1, self.nodes + 1))]

    def _missing(self, state: State) -> list[str]:
        return [name for name in self._names() if not state.alive(name)]

    def _start(self, state: State, say: Say) -> None:
        if not state.alive(_HEAD):  # nodes cannot join another head than theirs
            self._end(state, [name for name in self._names() if name.startswith("Ray node")], say)
        self._end(state, self._missing(state), say)
        kept = {name: state.ports.get(name, port) for name, port in _PORTS.items()}
        owners = {"postgres": _POSTGRES, "mlflow": _MLFLOW}
        open_ports = {name: port for name, port in kept.items() if not state.alive(owners.get(name, _HEAD))}
        state.ports = {**kept, **free_ports(open_ports)}
        self._save(state)
        token_file(self.folder)
        for name in self._missing(state):
            say(f"Starting {name} ...")
            state.services.append(self._start_one(name, state))
            self._save(state)
            self._wait(state.services[-1], state)

    def _end(self, state: State, names: list[str], say: Say) -> None:
        for name in names:
            service = state.service(name)
            if service is not None:
                if service.members():
                    say(end([service])[0])
                state.services.remove(service)

    def _start_one(self, name: str, state: State) -> Service:
        match name:
            case "PostgreSQL":
                return self._postgres(state).start()
            case "MLflow":
                return self._start_mlflow(state)
            case "Ray head":
                return self._ray(
                    name,
                    "--head",
                    f"--port={state.ports['ray']}",
                    "--num-cpus=0",
                    "--include-dashboard=true",
                    f"--dashboard-host={HOST}",
                    f"--dashboard-port={state.ports['dashboard']}",
                    f"--ray-client-server-port={state.ports['client']}",
                    f"--dashboard-agent-listen-port={state.ports['agent']}",
                )
        # Jobs go through the agent of the head; those of nodes may listen where they like, but not there.
        agent = free_ports({"agent": 0})["agent"]
        return self._ray(
            name,
            f"--address={_RAY_HOST}:{state.ports['ray']}",
            f"--num-cpus={self.cpus}",
            f"--dashboard-agent-listen-port={agent}",
        )

    def _postgres(self, state: State) -> Postgres:
        return Postgres(self.folder / "postgres", state.ports["postgres"])

    def _start_mlflow(self, state: State) -> Service:
        words = [
            *(sys.executable, "-m", "mlflow", "server"),
            *("--host", HOST),
            *("--port", str(state.ports["mlflow"])),
            *("--workers", "1"),
            *("--artifacts-destination", str(self.folder / "mlflow-artifacts")),
        ]
        environment = {
            **os.environ,
            "MLFLOW_BACKEND_STORE_URI": self._postgres(state).uri,
            # One worker and no job runner: MLflow's defaults are a dozen processes.
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "PYTHONWARNINGS": "ignore",
        }
        log = self.folder / "logs" / "mlflow.log"
        return start(_MLFLOW, words, environment=environment, log=log)

    def _ray(self, name: str, *options: str) -> Service:
        scratch = _scratch(self.folder)
        scratch.mkdir(mode=_MINE, exist_ok=True)
        if scratch.stat().st_uid != os.geteuid():
            raise BackendError(f"{scratch} belongs to somebody else; remove it, or choose another --folder.")
        folder = name.lower().replace(" ", "-")
        words = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", *options),
            "--block",
            "--disable-usage-stats",
            f"--node-ip-address={_RAY_HOST}",
            f"--object-store-memory={_OBJECT_STORE_BYTES}",
            f"--temp-dir={scratch / folder.removeprefix('ray-')}",
            "--min-worker-port=0",
            "--max-worker-port=0",
        ]
        programs = str(Path(sys.executable).parent)  # jobs find this Python there
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("RAY_")},
            **token_environment(self.folder / "auth_token"),
            "PATH": os.pathsep.join([programs, os.environ.get("PATH", "")]),
        }
        log = self.folder / "logs" / f"{folder}.log"
        log.unlink(missing_ok=True)  # whether the node is up is read from it
        return start(name, words, environment=environment, log=log)

    def _wait(self, service: Service, state: State) -> None:
        def ready() -> bool:
            if service.name == _POSTGRES:
                return self._postgres(state).ready()
            if service.name == _MLFLOW:
                return _healthy(state.ports["mlflow"])
            if service.name == _HEAD and not (
                answers(state.ports["dashboard"]) and answers(state.ports["agent"], _RAY_HOST)
            ):
                return False  # without the agent it takes no jobs
            log = Path(service.log)
            return log.is_file() and _UP in log.read_text(encoding="utf-8", errors="replace")

        wait_for(service, ready, patience_s=_START_S)

    # --- the folder ----------------------------------------------------------------------------------------

    def _alone(self) -> Any:
        try:
            return self._lock.acquire(blocking=False)
        except Timeout:
            raise BackendError(
                f"another command is starting or ending the cluster in {self.folder}; wait for it."
            ) from None

    def _known(self) -> State:
        state = self._load()
        if state is None:
            raise BackendError(f"no cluster is kept in {self.folder}; start one with `dymu cluster up`.")
        return state

    def _load(self) -> State | None:
        path = self.folder / _STATE
        if not path.is_file():
            return None
        try:
            form = json.loads(path.read_text(encoding="utf-8"))
            if form["format"] == _FORMAT:
                services = [Service(**service) for service in form["services"]]
                return State(ports=form["ports"], services=services)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BackendError(
                f"{path} cannot be read ({error}). The processes that it knew have {MARK} in their "
                "environment; end them, then remove the file."
            ) from error
        raise BackendError(f"{path} was written by another dymu; end its cluster with that one.")

    def _save(self, state: State) -> None:
        form: Mapping[str, Any] = {
            "format": _FORMAT,
            "ports": state.ports,
            "services": [service.form() for service in state.services],
        }
        write_whole(self.folder / _STATE, json.dumps(form, indent=1) + "\n")

    def _write_variables(self) -> None:
        lines = [f"export {name}='{value}'\n" for name, value in self.variables.items()]
        write_whole(self.variables_file, "".join(lines))


def _scratch(folder: Path) -> Path:
    """Where Ray keeps its sockets, whose names must not be long."""
    parent = Path("/tmp" if Path("/tmp").is_dir() else tempfile.gettempdir())
    return parent / f"dymu-{hashlib.sha256(str(folder).encode()).hexdigest()[:8]}"


def _healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
