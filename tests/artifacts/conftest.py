import contextlib
import errno
import functools
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest

from dymu.artifacts.bucket import Bucket
from dymu.artifacts.connect import memory_bucket, open_bucket
from dymu.artifacts.location import open_store
from dymu.artifacts.register import FileRegister
from dymu.artifacts.remote import ObjectStore
from dymu.artifacts.store import Store

REPOSITORY = Path(__file__).parents[2]

Runner = Callable[..., "subprocess.Popen[str]"]


class Publish(Protocol):
    def __call__(self, address: str, files: Mapping[str, str] = ...) -> Path: ...


class FailOn(Protocol):
    def __call__(self, function: str, code: int, *, call: int = ...) -> None: ...


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def publish(store: Store) -> Publish:
    return functools.partial(put, store)


@pytest.fixture
def run_python() -> Iterator[Runner]:
    """Starts Python with a script and arguments; what still runs at the end is killed."""
    started = []

    def run(script: str, *arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", script, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def fail_on(monkeypatch: pytest.MonkeyPatch) -> FailOn:
    """Makes one call, counted from 0, of a function of ``os`` fail with an error number, in this thread."""

    def fail_on(function: str, code: int, *, call: int = 0) -> None:
        real = getattr(os, function)
        here, calls = threading.get_ident(), iter(range(10**6))

        def failing(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() == here and next(calls) == call:
                raise OSError(code, os.strerror(code), str(args[0]) if isinstance(args[0], Path) else None)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, function, failing)

    return fail_on


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 256 KiB; skips where it cannot be mounted."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the right to mount a file system; the same is tested with failing calls")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder for thousands of files, in memory where possible: a disk may take long to delete them."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else tmp_path
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        yield Path(folder)


@pytest.fixture
def tree() -> Callable[[Path], dict[str, bytes]]:
    """All files below a folder with their contents, to see that nothing changed."""

    def tree(folder: Path) -> dict[str, bytes]:
        return {
            str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()
        }

    return tree


@pytest.fixture(params=[errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def disk_error(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def file_register(tmp_path: Path) -> FileRegister:
    return FileRegister(tmp_path / "leases" / "edge" / "00000000000000aa.json")


@pytest.fixture(params=["s3", "memory"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    """A bucket on a real server, and one in memory."""
    if request.param == "memory":
        return memory_bucket()
    location, _ = request.getfixturevalue("s3")
    return open_bucket(location)


@pytest.fixture
def remote(s3: tuple[str, dict[str, str]]) -> ObjectStore:
    """A store on a real S3 server."""
    store = open_store(s3[0])
    assert isinstance(store, ObjectStore)
    return store


@pytest.fixture(params=["folder", "s3", "memory"])
def any_store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A store of each kind."""
    match request.param:
        case "folder":
            return Store(tmp_path / "store")
        case "s3":
            return request.getfixturevalue("remote")
        case _:
            return ObjectStore(memory_bucket(), tmp_path / "mirror")


def put(store: Store, address: str, files: Mapping[str, str] = {"a.txt": "a"}) -> Path:
    """Publish files."""
    attempt = store.new_attempt(address)
    for name, text in files.items():
        (attempt / name).parent.mkdir(parents=True, exist_ok=True)
        (attempt / name).write_text(text, encoding="utf-8")
    return store.publish(address, attempt, info={})


@pytest.fixture
def put_into() -> Callable[..., Path]:
    """Publishes files into a store."""
    return put


class Line:
    """A network line to a server on loopback, which can be cut and mended."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    def cut(self) -> None:
        """Refuse connections, and end those that there are."""
        for end in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open.clear()
        self._listener = socket.socket()  # keeps the port from others, and refuses
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))

    def mend(self) -> None:
        """Accept connections again, at the same address."""
        self._listener.listen()
        self._listen()

    def close(self) -> None:
        """Give the port back, after a cut."""
        self._listener.close()

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
                far = socket.create_connection(self._server)
            except OSError:
                return
            self._open += [near, far]
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, target), daemon=True).start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(65536):
                target.sendall(content)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def line(s3: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """A line to the S3 server, which this process uses from now on."""
    server = urlsplit(s3[1]["AWS_ENDPOINT_URL"])
    assert server.hostname is not None
    assert server.port is not None
    found = Line(server.hostname, server.port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{found.port}")
    yield found
    found.cut()
    found.close()
