import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dymu import __version__
from dymu.artifacts.location import open_store
from dymu.run.jobs.examine import look_around, reach_mlflow


@pytest.fixture
def asked(tmp_path: Path) -> dict[str, Any]:
    location = str(tmp_path / "store")
    open_store(location).flag("probe/1").raise_()
    return {"store": location, "tracking_uri": None, "data_root": None, "probe": "probe/1"}


def test_a_sound_node_has_nothing_to_complain_about(asked: dict[str, Any]) -> None:
    found = look_around(asked)
    assert (found["store"], found["mlflow"], found["data_root"]) == ("", "", "")
    assert found["versions"]["dymu"] == __version__
    assert found["gpus"].keys() == {"listed", "cuda", "nccl"}
    assert open_store(asked["store"]).flag(found["answer"]).raised()  # which the driver sees and lowers


def test_another_disk_under_the_same_path_is_noticed(asked: dict[str, Any], tmp_path: Path) -> None:
    found = look_around({**asked, "store": str(tmp_path / "other")})
    assert "is here another place than on the head" in found["store"]


def test_a_store_that_the_driver_could_not_write_is_told(asked: dict[str, Any]) -> None:
    assert look_around({**asked, "driver_error": "read-only"})["store"] == "read-only"


def test_data_that_is_not_there_is_told(asked: dict[str, Any], tmp_path: Path) -> None:
    assert "is not there" in look_around({**asked, "data_root": str(tmp_path / "none")})["data_root"]
    assert look_around({**asked, "data_root": str(tmp_path)})["data_root"] == ""


class Handler(BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [200, 401])
def test_a_server_that_answers_is_reached(server: str, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr(Handler, "status", status)
    reach_mlflow(server)


def test_a_server_that_does_not_know_its_name_gets_advice(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "status", 403)
    with pytest.raises(OSError, match="status 403; start it with --allowed-hosts"):
        reach_mlflow(server)


@pytest.mark.parametrize("uri", ["http://127.0.0.1:1", "postgresql+psycopg2://u@127.0.0.1:1/m"])
def test_where_nobody_listens_is_told(uri: str) -> None:
    with pytest.raises(OSError, match="refused"):
        reach_mlflow(uri)


@pytest.mark.parametrize("uri", [None, "sqlite:////m.db"])
def test_a_file_is_not_asked(uri: str | None) -> None:
    reach_mlflow(uri)
