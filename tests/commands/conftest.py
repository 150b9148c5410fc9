"""A cluster that takes jobs and never runs them."""

import gc
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import pytest

from dymu.errors import BackendError
from dymu.run.jobs.client import Job, Node, Order


class FakeCluster:
    """A job server of which tests say what becomes of its jobs.

    Attributes:
        jobs: The last first.
        orders: What was submitted.
        files: What the archives of the orders held.
        logs: What drivers printed, by job.
        down: Whether nobody answers.
        breaks: After how many parts connections that follow a log break, one after another.
        stopped: Jobs that were asked to stop.
        hosts: Addresses of the nodes; the first is the head.
    """

    def __init__(self) -> None:
        self.address = "http://127.0.0.1:8265"
        self.jobs: list[Job] = []
        self.orders: list[Order] = []
        self.files: list[dict[str, bytes]] = []
        self.logs: dict[str, list[str]] = {}
        self.down = False
        self.breaks: list[int] = []
        self.stopped: list[str] = []
        self.hosts = ["10.0.0.1"]

    def connect(self, address: str) -> "FakeCluster":
        self.address = address
        self._answer()
        return self

    def submit(self, order: Order) -> None:
        self._answer()
        if any(job.id == order.id for job in self.jobs):
            raise BackendError(f"{order.id} exists")
        with zipfile.ZipFile(order.archive) as archive:
            self.files.append({name: archive.read(name) for name in archive.namelist()})
        self.orders.append(order)
        self.jobs.insert(0, Job(id=order.id, status="RUNNING", metadata=order.metadata))

    def end(self, status: str, exit_code: int | None = None) -> None:
        self.jobs[0] = replace(self.jobs[0], status=status, exit_code=exit_code)

    def find(self, job_id: str) -> Job | None:
        self._answer()
        return next((job for job in self.jobs if job.id == job_id), None)

    def all(self) -> list[Job]:
        self._answer()
        return list(self.jobs)

    def log(self, job_id: str) -> str:
        self._answer()
        return "".join(self.logs.get(job_id, []))

    def follow(self, job_id: str) -> Iterator[str]:
        self._answer()
        ends = self.breaks.pop(0) if self.breaks else None
        yield ""
        for number, text in enumerate(self.logs.get(job_id, [])):
            if number == ends:
                raise BackendError("the connection broke")
            yield text

    def stop(self, job_id: str) -> bool:
        self._answer()
        self.stopped.append(job_id)
        self.end("STOPPED")
        return True

    def nodes(self) -> list[Node]:
        self._answer()
        return [
            Node(id=host, host=host, head=number == 0, resources={"CPU": 2.0})
            for number, host in enumerate(self.hosts)
        ]

    def _answer(self) -> None:
        if self.down:
            raise BackendError(f"no cluster answers at {self.address}")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    """A cluster behind every address, and nobody who waits for it."""
    fake = FakeCluster()
    monkeypatch.setattr("dymu.run.jobs.client.connect", fake.connect)
    for verb in ("logs", "stop", "status"):
        monkeypatch.setattr(f"dymu.commands.{verb}._LOOK_S", 0.01)
    monkeypatch.setattr("dymu.run.jobs.client.FIRST_WAIT_S", 0.0)
    return fake


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Cycles that a verb left to the end of its process are those of a test here."""
    yield
    gc.unfreeze()
