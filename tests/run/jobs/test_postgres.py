import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from dymu.errors import BackendError
from dymu.run.jobs import postgres
from dymu.run.jobs.postgres import Postgres, find_programs
from dymu.run.jobs.services import end, free_ports, wait_for


def installation(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb", "createdb"):
        (folder / name).touch(mode=0o755)
    return folder


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(postgres, "_PLACES", (str(tmp_path / "lib"),))
    return tmp_path


def test_programs_on_the_path_come_first(nowhere: Path) -> None:
    installation(nowhere / "lib" / "15" / "bin")
    assert find_programs() == nowhere / "lib" / "15" / "bin"
    installation(nowhere / "bin")
    assert find_programs() == nowhere / "bin"


def test_of_several_versions_the_last_is_used(nowhere: Path) -> None:
    for version in ("9.6", "15", "14"):
        installation(nowhere / "lib" / version / "bin")
    assert find_programs() == nowhere / "lib" / "15" / "bin"


def test_half_an_installation_is_none_and_the_packages_are_named(nowhere: Path) -> None:
    installation(nowhere / "lib" / "15" / "bin").joinpath("initdb").unlink()
    with pytest.raises(BackendError, match=r"(?s)apt-get install postgresql.*conda-forge postgresql"):
        find_programs()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that the user as whom the server runs can reach."""
    with tempfile.TemporaryDirectory(prefix="dymu-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.slow
def test_a_server_keeps_its_data_and_its_password(open_folder: Path) -> None:
    try:
        find_programs()
    except BackendError as missing:
        pytest.skip(str(missing))
    server = Postgres(open_folder / "postgres", free_ports({"postgres": 0})["postgres"])
    uris = []
    for _ in range(2):
        service = server.start()
        try:
            wait_for(service, server.ready, patience_s=60)
            uris.append(server.uri)
            assert (open_folder / "postgres" / "password").stat().st_mode & 0o077 == 0
            if os.geteuid() == 0:
                leader = service.leader()
                assert leader is not None
                assert leader.username() != "root"
        finally:
            end([service])
        assert service.members() == []
    assert uris[0] == uris[1]
    assert uris[0].startswith("postgresql+psycopg2://dymu:")


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root's server runs as another user")
def test_a_folder_that_the_server_cannot_reach_is_explained(open_folder: Path) -> None:
    if shutil.which("initdb") is None:
        pytest.skip("PostgreSQL is not installed")
    closed = open_folder / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(BackendError, match=r"(?s)cannot make.*runs as .* who must be able to reach"):
        Postgres(closed / "postgres", 1).start()
    assert not (closed / "postgres" / "data").exists()
