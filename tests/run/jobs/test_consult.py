import json
from pathlib import Path
from typing import Any

import pytest

from dymu.errors import BackendError
from dymu.run.jobs import consult as module
from dymu.run.jobs.client import Job, Node, Order
from dymu.run.jobs.consult import answers_anybody, consult
from dymu.run.jobs.examine import MARK


class Fake:
    """A cluster whose only job ends after three looks."""

    address = "http://127.0.0.1:8265"

    def __init__(self, said: str, status: str = "SUCCEEDED") -> None:
        self.said, self.status = said, status
        self.orders: list[Order] = []
        self.looks = 0
        self.stopped = False

    def nodes(self) -> list[Node]:
        return [Node(id="h", host="10.0.0.1", head=True, resources={"CPU": 2.0})]

    def submit(self, order: Order) -> None:
        self.orders.append(order)

    def find(self, job_id: str) -> Job:
        self.looks += 1
        return Job(id=job_id, status=self.status if self.looks > 3 else "RUNNING")

    def log(self, _: str) -> str:
        return self.said

    def stop(self, _: str) -> bool:
        self.stopped = True
        return True


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "answers_anybody", lambda _: False)


def run(fake: Fake) -> dict[str, Any]:
    jobs: Any = fake
    found = consult(
        jobs, store="/store", tracking_uri="http://m", data_root=None, exclude=[], pause=lambda _: None
    )
    return {check.name: check for check in found}


def test_a_job_looks_and_its_findings_are_judged() -> None:
    fake = Fake("noise\n" + MARK + json.dumps({"nodes": []}) + "\n")
    checks = run(fake)
    assert {"state api", "auth", "job", "nodes", "versions", "store", "clocks"} <= set(checks)
    (order,) = fake.orders
    assert order.entrypoint.startswith("python -m dymu look-around ")
    assert '"store": "/store"' in order.entrypoint


def test_a_job_that_breaks_tells_its_last_words() -> None:
    checks = run(Fake("Traceback\nModuleNotFoundError: No module named 'dymu'\n", "FAILED"))
    assert not checks["job"].ok
    assert "ended as FAILED" in checks["job"].found
    assert "No module named 'dymu'" in checks["job"].found


def test_a_job_that_does_not_end_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 1.0)
    fake = Fake("")
    assert "did not end in" in run(fake)["job"].found
    assert fake.stopped


def test_where_nobody_listens_is_told() -> None:
    with pytest.raises(BackendError, match="no cluster answers"):
        answers_anybody("http://127.0.0.1:1")
