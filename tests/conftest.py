"""Fixtures for tests about the repository as a whole, and the command line in this process."""

import importlib.util
import io
import json
import logging
import os
import shutil
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from dymu import cli

# The same commit gets the same verdict every time; --hypothesis-profile=explore looks for new examples.
# How long an example takes depends on what else the machine does.
_PATIENT: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("repeatable", derandomize=True, **_PATIENT)
settings.register_profile("explore", max_examples=2000, **_PATIENT)
settings.load_profile("repeatable")

# Nor does it depend on the stores, servers, clusters, buckets and terminal of whoever runs the tests.
_FOREIGN = ("DYMU_", "MLFLOW_", "OPTUNA_", "RAY_", "AWS_", "AZURE_", "GOOGLE_", "XDG_")
_WANTED = {"DYMU_DATA", "RAY_AUTH_MODE"}  # the root for tests marked ``data``; what the Makefile sets
_TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR")
for _name in {name for name in os.environ if name.startswith((*_FOREIGN, *_TERMINAL))} - _WANTED:
    del os.environ[_name]
os.environ["TERM"] = "xterm"
os.environ.setdefault("RAY_AUTH_MODE", "disabled")  # else Ray makes a token below HOME
for _name in ("no_proxy", "NO_PROXY"):  # servers of tests are on loopback
    os.environ[_name] = ",".join(filter(None, (os.environ.get(_name), "127.0.0.1", "localhost")))

TOYS = Path(__file__).parent / "run" / "toys"
HERE = ("--backend", "local", "--no-tracking")


class Said(NamedTuple):
    """How a command ended and what it printed; errors have no line breaks."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What was printed, as a JSON value."""
        return json.loads(self.out)

    @property
    def flat(self) -> str:
        """What was printed, without line breaks."""
        return _flat(self.out)


Dymu = Callable[..., Said]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).parents[1]


@pytest.fixture(scope="session")
def golden(root: Path) -> Path:
    """The folder of golden files."""
    return root / "tests" / "golden"


@pytest.fixture(scope="session")
def update(golden: Path) -> ModuleType:
    """``tests/golden/update.py``: discovery, and what the golden files should hold."""
    spec = importlib.util.spec_from_file_location("golden_update", golden / "update.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def eventually() -> Callable[[Callable[[], object]], None]:
    """Waits until something is true; for two minutes, as other work may hold up this machine."""

    def wait(condition: Callable[[], object]) -> None:
        end = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < end, "this should be true by now"
            time.sleep(0.01)

    return wait


@pytest.fixture
def dymu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Dymu:
    """The command in this process, in the folder of the toys, with a store of its own."""
    _prepare(monkeypatch)
    monkeypatch.setenv("DYMU_STORE", str(tmp_path / "store"))
    for name in ("DYMU_DEBUG", "DYMU_DATA", "MLFLOW_TRACKING_URI", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("dymu.reports.figures.for_run", lambda *_: ())  # drawing takes seconds

    def call(*arguments: str) -> Said:
        code = _call(monkeypatch, *arguments)
        out, err = capsys.readouterr()
        return Said(code, out, _flat(err))

    return call


@pytest.fixture
def run_here(dymu: Dymu) -> Dymu:
    """``dymu run`` in this process, telling MLflow nothing."""
    return lambda *arguments: dymu("run", *arguments, *HERE)


@pytest.fixture(scope="session")
def question(tmp_path_factory: pytest.TempPathFactory) -> tuple[Said, Path]:
    """A question that was run once, one of its arms in vain, with figures; and its store."""
    store = tmp_path_factory.mktemp("question") / "store"
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        _prepare(patch)
        code = _call(patch, "run", "toy_question", *HERE, "--store", str(store))
    return Said(code, out.getvalue(), _flat(err.getvalue())), store


@pytest.fixture
def finished(dymu: Dymu, question: tuple[Said, Path], tmp_path: Path) -> Dymu:
    """The command with a copy of that store."""
    shutil.copytree(question[1], tmp_path / "store")
    return dymu


def _prepare(patch: pytest.MonkeyPatch) -> None:
    patch.chdir(TOYS)
    patch.setattr(sys, "path", list(sys.path))
    patch.setenv("COLUMNS", "200")
    logger = logging.getLogger("dymu")
    patch.setattr(logger, "handlers", [])
    patch.setattr(logger, "propagate", True)


def _call(patch: pytest.MonkeyPatch, *arguments: str) -> int:
    patch.setattr(sys, "argv", ["dymu", *arguments])
    with pytest.raises(SystemExit) as end:
        cli.main()
    return int(end.value.code or 0)


def _flat(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="session")
def s3_server() -> Iterator[dict[str, str]]:
    """The environment of an S3 server on loopback, with the bucket ``dymu``."""
    import boto3  # noqa: PLC0415 - takes seconds
    from moto.s3.responses import S3Response  # noqa: PLC0415 - takes seconds
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes seconds

    put, writing = S3Response.put_object, threading.Lock()

    def put_alone(response: Any) -> Any:
        with writing:
            return put(response)

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client(
        "s3",
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id="tests",
        aws_secret_access_key="tests",
    )
    client.create_bucket(Bucket="dymu")
    client.close()
    with pytest.MonkeyPatch.context() as patch:
        # Moto looks whether the condition of a write holds and then writes, also for two requests at once.
        patch.setattr(S3Response, "put_object", put_alone)
        yield environment
    server.stop()


@pytest.fixture
def s3(
    s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[str, dict[str, str]]:
    """A location below a prefix of its own, and the environment for it, which this process has, too."""
    environment = {**s3_server, "DYMU_CACHE": str(tmp_path / "mirrors")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return f"s3://dymu/{uuid.uuid4().hex}", environment


class FileServer(ThreadingHTTPServer):
    """Files over HTTP on loopback, with the troubles that a test asks for.

    Attributes:
        files: Content by path.
        ranges: Whether it knows the header ``Range``.
        lengths: Whether it says how long an answer is.
        shift: Added to the start of every range that it is asked for.
        statuses: What it answers first, one request after another.
        cuts: After how many bytes of an answer it closes the connection, one request after another.
        asked: Per request the path and the range that it asked for, if any.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _FileHandler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.lengths = True
        self.shift = 0
        self.statuses: list[int] = []
        self.cuts: list[int] = []
        self.asked: list[tuple[str, str | None]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class _FileHandler(BaseHTTPRequestHandler):
    server: FileServer

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        server.asked.append((self.path, wanted))
        content = server.files.get(self.path)
        if server.statuses or content is None:
            self.send_error(server.statuses.pop(0) if server.statuses else 404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else None
        if start is not None and start >= len(content):
            self.send_error(416)
            return
        if start is not None:
            start += server.shift
        body = content[start or 0 :]
        self.send_response(200 if start is None else 206)
        if start is not None:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.lengths:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.cuts.pop(0)] if server.cuts else body)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server of files on loopback, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with FileServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
