"""Ray's job server, with the errors of dymu; the protocol lets tests and other schedulers stand in for it."""

import asyncio
import logging
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

from dymu.errors import BackendError
from dymu.run.jobs.address import JOB_SERVER
from dymu.run.jobs.auth import use_known_token

Found = TypeVar("Found")

_KNOCK_S = 10.0
FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 15.0
_QUIET_S = 20.0  # so long without a word, and whoever follows a log looks whether the job still runs
_ENDED = frozenset({"SUCCEEDED", "FAILED", "STOPPED"})


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job of a cluster.

    Attributes:
        id: Its submission id.
        status: ``PENDING``, ``RUNNING``, ``SUCCEEDED``, ``FAILED`` or ``STOPPED``.
        message: What Ray says about it.
        metadata: What its submitter said about it.
        began: Seconds since the epoch; ``None`` before it began.
        ended: The same for its end.
        exit_code: Of its driver; ``None`` while it runs and if it was killed.
    """

    id: str
    status: str
    message: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    exit_code: int | None = None

    @property
    def live(self) -> bool:
        """Whether it has not ended."""
        return self.status not in _ENDED


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a job is to do.

    Attributes:
        id: Its submission id; a cluster takes each once.
        entrypoint: Shell command of the driver.
        archive: What the driver finds in its working directory.
        environment: Variables of the driver and of all that it starts.
        metadata: Kept with the job, for those who look for it.
    """

    id: str
    entrypoint: str
    archive: Path
    environment: Mapping[str, str]
    metadata: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Node:
    """One machine of a cluster that is up.

    Attributes:
        id: Ray's name for it.
        host: Its address.
        head: Whether it is the head.
        resources: Amounts by Ray's names, such as ``CPU``.
    """

    id: str
    host: str
    head: bool
    resources: Mapping[str, float]


class Jobs(Protocol):
    """A job server.

    Attributes:
        address: Of its dashboard, http://HEAD:8265.
    """

    address: str

    def submit(self, order: Order) -> None:
        """Start a job.

        Raises:
            BackendError: If the cluster refuses it, for instance because it has a job of this id.
        """

    def find(self, job_id: str) -> Job | None:
        """A job, or ``None`` if the cluster has none of this id."""

    def all(self) -> list[Job]:
        """All jobs that the cluster remembers, the last first."""

    def log(self, job_id: str) -> str:
        """All that the driver of a job has printed."""

    def follow(self, job_id: str) -> Iterator[str]:
        """What the driver printed and goes on to print, from its beginning; empty text if it is silent."""

    def stop(self, job_id: str) -> bool:
        """Send the driver SIGTERM and, when it had its time, SIGKILL; whether it ran. Returns at once."""

    def nodes(self) -> list[Node]:
        """The nodes that are up, the head first."""


def connect(address: str) -> Jobs:
    """Ray's job server at an address.

    Raises:
        BackendError: If nobody answers there, the token is wrong, or its Ray is too old.
    """
    use_known_token(os.environ)
    return _Ray(address)


class _Ray:
    def __init__(self, address: str) -> None:
        self.address = address
        with self._told():
            _knock(address)
            from ray.job_submission import JobSubmissionClient

            for name in ("dashboard_sdk", "job.sdk"):  # they tell of each upload and each closed connection
                logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
            with _only(address):
                self._client = JobSubmissionClient(address)

    def submit(self, order: Order) -> None:
        runtime = {"working_dir": str(order.archive), "env_vars": dict(order.environment)}
        with self._told():
            self._client.submit_job(
                entrypoint=order.entrypoint,
                submission_id=order.id,
                runtime_env=runtime,
                metadata=dict(order.metadata),
                entrypoint_num_cpus=0,
            )

    def find(self, job_id: str) -> Job | None:
        return next((job for job in self.all() if job.id == job_id), None)

    def all(self) -> list[Job]:
        with self._told():
            listed = self._client.list_jobs()
        jobs = [_job(details) for details in listed if details.submission_id]
        return sorted(jobs, key=lambda job: -(job.began or 0.0))

    def log(self, job_id: str) -> str:
        with self._told():
            return str(self._client.get_job_logs(job_id))

    def follow(self, job_id: str) -> Iterator[str]:
        loop = asyncio.new_event_loop()
        stream = self._client.tail_job_logs(job_id)
        try:
            while True:
                coming: asyncio.Future[str] = asyncio.ensure_future(_next(stream), loop=loop)
                with self._told():
                    while not loop.run_until_complete(asyncio.wait({coming}, timeout=_QUIET_S))[0]:
                        yield ""
                    text = coming.result()
                if not text:
                    return
                yield text
        finally:
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def stop(self, job_id: str) -> bool:
        with self._told():
            return bool(self._client.stop_job(job_id))

    def nodes(self) -> list[Node]:
        from ray.util.state import list_nodes

        with self._told(), _only(self.address):
            listed = list_nodes(address=self.address, detail=True)
        nodes = [
            Node(id=n.node_id, host=n.node_ip, head=bool(n.is_head_node), resources=n.resources_total or {})
            for n in listed
            if n.state == "ALIVE"
        ]
        return sorted(nodes, key=lambda node: not node.head)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except BackendError:
            raise
        except Exception as error:
            raise BackendError(_explain(self.address, error)) from error


async def _next(stream: Any) -> str:
    """The next part of a stream; empty at its end."""
    while True:
        try:
            text = str(await anext(stream))
        except StopAsyncIteration:
            return ""
        if text:
            return text


def _job(details: Any) -> Job:
    return Job(
        id=str(details.submission_id),
        status=str(getattr(details.status, "value", details.status)),
        message=details.message or "",
        metadata=details.metadata or {},
        began=_seconds(details.start_time),
        ended=_seconds(details.end_time),
        exit_code=details.driver_exit_code,
    )


def _seconds(milliseconds: int | None) -> float | None:
    return milliseconds / 1000 if milliseconds else None


def _knock(address: str) -> None:
    """Fail at once where nobody listens; Ray has no limit of time."""
    parts = urlsplit(address)
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    socket.create_connection((parts.hostname or "", port), timeout=_KNOCK_S).close()


@contextmanager
def _only(address: str) -> Iterator[None]:
    """For Ray, the environment comes before an argument."""
    before = os.environ.get(JOB_SERVER)
    os.environ[JOB_SERVER] = address
    try:
        yield
    finally:
        if before is None:
            del os.environ[JOB_SERVER]
        else:
            os.environ[JOB_SERVER] = before


def _explain(address: str, error: Exception) -> str:
    lines = (str(error).strip().rstrip(".").strip() or type(error).__name__).splitlines()
    # The server sends its own traceback, of which the last line says what it is about.
    reason = (lines[-1] if "Traceback" in lines[0] else lines[0])[:500]
    if type(error).__name__ == "AuthenticationError":
        return (
            f"the cluster at {address} refuses this token: {reason}. Set RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN_PATH to a file with the token of the cluster."
        )
    if isinstance(error, OSError):
        return (
            f"no cluster answers at {address}: {reason}. Look whether it is up and whether this machine "
            "reaches its dashboard, for instance through `ray dashboard cluster.yaml`."
        )
    return f"the cluster at {address} cannot do this: {reason}"


def patiently(act: Callable[[], Found], pause: Callable[[float], None], tries: int) -> Found:
    """Call again, with longer and longer pauses, while the cluster does not answer.

    Raises:
        BackendError: Of the last try.
    """
    wait = FIRST_WAIT_S
    for _ in range(tries - 1):
        try:
            return act()
        except BackendError:
            pause(wait)
            wait = min(2 * wait, _LONGEST_WAIT_S)
    return act()
