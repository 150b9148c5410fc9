import hashlib
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from dymu.data.download import RemoteFile, download, sha256_of
from dymu.data.official import silent
from dymu.errors import DataError, SpecError

CONTENT = bytes(range(256)) * 1200  # several pieces of a read
FILE = RemoteFile(name="birds.gz", size=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def server(file_server: Any) -> Any:
    file_server.files["/birds.gz"] = CONTENT
    return file_server


def get(server: Any, part: Path, waits: tuple[float, ...] = ()) -> None:
    download(f"{server.url}/birds.gz", FILE, part, tell=silent, waits=waits)


def test_a_file_arrives_whole_and_progress_is_told(server: Any, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    download(f"{server.url}/birds.gz", FILE, tmp_path / "p", tell=lambda *now: told.append(now), waits=())
    assert (tmp_path / "p").read_bytes() == CONTENT
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_a_beginning_that_is_there_is_not_taken_again(server: Any, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(CONTENT[:1000])
    get(server, tmp_path / "p")
    assert server.asked == [("/birds.gz", "bytes=1000-")]
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_whole_file_that_is_there_asks_for_nothing(server: Any, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(CONTENT)
    get(server, tmp_path / "p")
    assert server.asked == []


def test_a_connection_that_is_cut_goes_on_where_it_was(server: Any, tmp_path: Path) -> None:
    server.cuts = [1000, 2000]
    get(server, tmp_path / "p", waits=(0.0,))
    assert [wanted for _, wanted in server.asked] == [None, "bytes=1000-", "bytes=3000-"]
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_cut_without_a_length_is_noticed(server: Any, tmp_path: Path) -> None:
    server.lengths, server.cuts = False, [1000]
    get(server, tmp_path / "p", waits=(0.0,))
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_progress_renews_the_patience(server: Any, tmp_path: Path) -> None:
    server.cuts = [500] * 5
    get(server, tmp_path / "p", waits=(0.0,))  # one attempt without gain would be allowed
    assert len(server.asked) == 6


def test_what_was_received_stays_when_patience_ends(server: Any, tmp_path: Path) -> None:
    server.cuts = [1000, 0]
    with pytest.raises(DataError, match=rf"1000 of {FILE.size} bytes are there; the same command goes on"):
        get(server, tmp_path / "p", waits=(0.0,))
    assert (tmp_path / "p").read_bytes() == CONTENT[:1000]
    get(server, tmp_path / "p")
    assert server.asked[-1] == ("/birds.gz", "bytes=1000-")
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_sends_all_and_all_is_right(server: Any, tmp_path: Path) -> None:
    server.ranges = False
    (tmp_path / "p").write_bytes(b"x" * 1000)
    get(server, tmp_path / "p")
    assert len(server.asked) == 1
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_another_range_than_asked_for_is_not_pasted_in(server: Any, tmp_path: Path) -> None:
    server.shift = 5
    (tmp_path / "p").write_bytes(CONTENT[:1000])
    get(server, tmp_path / "p", waits=(0.0,))
    assert [wanted for _, wanted in server.asked] == ["bytes=1000-", None]
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_beginning_of_something_else_is_dropped(server: Any, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(b"x" * 1000)
    get(server, tmp_path / "p")
    assert [wanted for _, wanted in server.asked] == ["bytes=1000-", None]
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_beginning_that_is_too_long_is_dropped(server: Any, tmp_path: Path) -> None:
    (tmp_path / "p").write_bytes(CONTENT + b"x")
    get(server, tmp_path / "p")
    assert server.asked == [("/birds.gz", None)]
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_wrong_file_of_the_right_size_is_not_kept(server: Any, tmp_path: Path) -> None:
    server.files["/birds.gz"] = b"x" * len(CONTENT)
    with pytest.raises(DataError, match=rf"SHA-256 \w+, but birds\.gz has {FILE.sha256}; nothing was kept"):
        get(server, tmp_path / "p")
    assert not (tmp_path / "p").exists()


@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_that_is_too_long_is_refused(server: Any, tmp_path: Path, lengths: bool) -> None:
    server.lengths = lengths
    server.files["/birds.gz"] = CONTENT + CONTENT
    with pytest.raises(DataError, match="it is another file, or a page about it"):
        get(server, tmp_path / "p")


def test_a_page_in_place_of_the_file_is_refused_before_it_is_read(server: Any, tmp_path: Path) -> None:
    server.files["/birds.gz"] = b"<html>"
    with pytest.raises(DataError, match=rf"offers 6 bytes, but birds\.gz has {FILE.size}"):
        get(server, tmp_path / "p", waits=(9.0,))
    assert not (tmp_path / "p").exists()


def test_a_range_of_a_longer_file_is_refused(server: Any, tmp_path: Path) -> None:
    server.files["/birds.gz"] = CONTENT + b"x"
    (tmp_path / "p").write_bytes(CONTENT[:1000])
    with pytest.raises(DataError, match=f"offers {FILE.size + 1} bytes"):
        get(server, tmp_path / "p")


def test_a_file_that_is_not_there_is_an_error_at_once(server: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fish\.gz answered 404 Not Found; name another source with --url"):
        download(f"{server.url}/fish.gz", FILE, tmp_path / "p", tell=silent, waits=(9.0,))
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again(server: Any, tmp_path: Path, status: int) -> None:
    server.statuses = [status]
    get(server, tmp_path / "p", waits=(0.0,))
    assert (tmp_path / "p").read_bytes() == CONTENT


def test_a_range_that_cannot_be_had_starts_anew(server: Any, tmp_path: Path) -> None:
    server.statuses = [416]
    (tmp_path / "p").write_bytes(CONTENT[:1000])
    get(server, tmp_path / "p", waits=(0.0,))
    assert [wanted for _, wanted in server.asked] == ["bytes=1000-", None]


def test_nobody_there_is_an_error_that_says_so(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/birds.gz"
    with pytest.raises(DataError, match=re.escape(url) + r" cannot be had: .*refused"):
        download(url, FILE, tmp_path / "p", tell=silent, waits=(0.0,))


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://host/file", "birds.gz"])
def test_only_http_is_spoken(url: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no address of a file"):
        download(url, FILE, tmp_path / "p", tell=silent, waits=())


def test_sha256_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    assert sha256_of(tmp_path / "f") == FILE.sha256
