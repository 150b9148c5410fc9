"""The real client against a job server that is a few lines of HTTP; a real Ray is in tests/cluster."""

import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from dymu.errors import BackendError
from dymu.run.jobs.client import Job, connect, patiently

JOBS = [
    {
        "type": "SUBMISSION",
        "submission_id": name,
        "status": status,
        "entrypoint": "python -m dymu run x",
        "start_time": start,
        "metadata": {"dymu.studies": "x"},
        "driver_exit_code": code,
    }
    for name, status, start, code in (("a-1", "FAILED", 1000, 1), ("a-2", "RUNNING", 2000, None))
]


class Handler(BaseHTTPRequestHandler):
    token = ""

    def do_GET(self) -> None:
        if self.token and self.headers.get("Authorization") != f"Bearer {self.token}":
            self.reply(401, "Unauthorized: Missing authentication token")
        elif self.path == "/api/version":
            self.reply(200, {"version": "4", "ray_version": "2.60.0", "ray_commit": "x", "session_name": "s"})
        elif self.path == "/api/jobs/":
            self.reply(200, [*JOBS, {"type": "DRIVER", "status": "RUNNING", "entrypoint": "x"}])
        elif self.path == "/api/jobs/a-1/logs":
            self.reply(200, {"logs": "said\n"})
        else:
            self.reply(500, "Traceback (most recent call last):\n  File x\nValueError: no such thing")

    def reply(self, status: int, body: Any) -> None:
        data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setattr(Handler, "token", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_jobs_are_listed_the_last_first(server: str) -> None:
    jobs = connect(server)
    assert [job.id for job in jobs.all()] == ["a-2", "a-1"]
    found = jobs.find("a-1")
    assert found == Job(
        id="a-1", status="FAILED", metadata={"dymu.studies": "x"}, began=1.0, ended=None, exit_code=1
    )
    assert not found.live
    assert jobs.find("a-3") is None
    assert jobs.log("a-1") == "said\n"


def test_the_environment_does_not_lead_elsewhere(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", "http://127.0.0.1:1")
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:1")
    assert connect(server).all()
    assert os.environ["RAY_API_SERVER_ADDRESS"] == "http://127.0.0.1:1"


def test_where_nobody_listens_is_told_at_once() -> None:
    with pytest.raises(BackendError, match=r"no cluster answers at http://127\.0\.0\.1:1: .*refused"):
        connect("http://127.0.0.1:1")


def test_a_token_that_is_missing_is_told(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Handler, "token", "secret")
    with pytest.raises(BackendError, match=r"refuses this token.*RAY_AUTH_TOKEN_PATH"):
        connect(server)


def test_what_the_cluster_says_last_is_what_went_wrong(server: str) -> None:
    with pytest.raises(BackendError, match="cannot do this: ValueError: no such thing"):
        connect(server).log("a-9")


def test_patience_has_an_end() -> None:
    pauses: list[float] = []

    def act() -> str:
        if len(pauses) < 3:
            raise BackendError("away")
        return "back"

    assert patiently(act, pauses.append, 4) == "back"
    assert pauses == sorted(pauses)
    pauses.clear()
    with pytest.raises(BackendError, match="away"):
        patiently(act, pauses.append, 3)
