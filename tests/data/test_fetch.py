import gzip
import hashlib
import io
import tarfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from dymu.data.download import RemoteFile
from dymu.data.fetch import Archive, Member, Recipe, fetch
from dymu.data.official import silent
from dymu.errors import DataError, SpecError

TRAIN, NAMES = b"pixels" * 5000, b"robin\nwren\n"


def member(name: str, content: bytes, inside: str = "") -> Member:
    return Member(name=name, inside=inside, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def remote(name: str, content: bytes) -> RemoteFile:
    return RemoteFile(name=name, size=len(content), sha256=hashlib.sha256(content).hexdigest())


def tar_of(**members: bytes | tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                info = tarfile.TarInfo(f"birds/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


MEMBERS = (member("train", TRAIN, "birds/train"), member("names", NAMES, "birds/names"))


def served(server: Any, content: bytes) -> Recipe:
    """The recipe of an archive that the server has."""
    server.files["/birds.tar.gz"] = content
    archive = Archive(remote=remote("birds.tar.gz", content), members=MEMBERS)
    return Recipe(folder="birds", source=f"{server.url}/", archives=(archive,))


@pytest.fixture
def birds(file_server: Any) -> Recipe:
    return served(file_server, tar_of(train=TRAIN, names=NAMES))


def test_an_archive_is_downloaded_and_unpacked(birds: Recipe, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    assert fetch(birds, tmp_path / "data", url=None, tell=lambda *now: told.append(now))
    folder = tmp_path / "data" / "birds"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {"train": TRAIN, "names": NAMES}
    assert told[-1][0] == told[-1][1] == birds.archives[0].remote.size
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["birds"]


def test_data_that_is_there_is_left_alone(birds: Recipe, file_server: Any, tmp_path: Path) -> None:
    fetch(birds, tmp_path, url=None, tell=silent)
    (tmp_path / "birds" / "notes").write_text("mine")
    before = (tmp_path / "birds" / "train").stat().st_mtime_ns
    assert not fetch(birds, tmp_path, url=None, tell=silent)
    assert len(file_server.asked) == 1
    assert (tmp_path / "birds" / "train").stat().st_mtime_ns == before
    assert (tmp_path / "birds" / "notes").read_text() == "mine"


def test_a_folder_with_other_content_is_refused_and_kept(
    birds: Recipe, file_server: Any, tmp_path: Path
) -> None:
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "train").write_bytes(TRAIN[:-1] + b"!")
    with pytest.raises(DataError, match="train, names in it are missing or not the official files"):
        fetch(birds, tmp_path, url=None, tell=silent)
    assert (tmp_path / "birds" / "train").read_bytes() == TRAIN[:-1] + b"!"
    assert file_server.asked == []


def test_a_fetch_that_was_cut_off_goes_on(birds: Recipe, file_server: Any, tmp_path: Path) -> None:
    content = file_server.files["/birds.tar.gz"]
    (tmp_path / ".birds.tar.gz.part").write_bytes(content[:20])
    assert fetch(birds, tmp_path, url=None, tell=silent)
    assert file_server.asked == [("/birds.tar.gz", "bytes=20-")]


def test_another_source_can_be_an_archive_or_a_folder(
    birds: Recipe, file_server: Any, tmp_path: Path
) -> None:
    content = file_server.files.pop("/birds.tar.gz")
    file_server.files |= {"/mirror/birds.tar.gz": content, "/b.tgz": content}
    assert fetch(birds, tmp_path / "a", url=f"{file_server.url}/mirror/", tell=silent)
    assert fetch(birds, tmp_path / "b", url=f"{file_server.url}/b.tgz", tell=silent)


def test_a_failed_fetch_leaves_no_folder(birds: Recipe, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="404"):
        fetch(birds, tmp_path, url=birds.source + "none", tell=silent)
    assert list(tmp_path.iterdir()) == []


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (tar_of(train=TRAIN), "cannot be unpacked .*birds/names"),
        (tar_of(train=TRAIN, names=NAMES[:-1]), "names in birds.tar.gz is no file of the expected size"),
        (tar_of(train=TRAIN, names=NAMES.upper()), "names in birds.tar.gz has SHA-256"),
        (tar_of(train=TRAIN, names=link("birds/names", "/etc/hostname")), "is no file of the expected size"),
        (b"no archive at all", "cannot be unpacked"),
        (tar_of(train=TRAIN, names=NAMES)[:-40], "cannot be unpacked"),
    ],
    ids=["member missing", "member short", "member changed", "link", "garbage", "cut"],
)
def test_an_archive_with_other_content_unpacks_to_nothing(
    file_server: Any, tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(DataError, match=problem):
        fetch(served(file_server, content), tmp_path, url=None, tell=silent)
    assert [path.name for path in tmp_path.iterdir()] == [".birds.tar.gz.part"]


def test_members_that_were_not_expected_stay_in_the_archive(file_server: Any, tmp_path: Path) -> None:
    evil = tarfile.TarInfo("../evil")
    content = tar_of(train=TRAIN, names=NAMES, more=b"more", evil=evil, link=link("birds/out", "/etc"))
    assert fetch(served(file_server, content), tmp_path / "data", url=None, tell=silent)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["birds", "data", "names", "train"]


@pytest.fixture
def loose(file_server: Any) -> Recipe:
    """A data set of two files, each packed by itself."""
    packed = {"a": gzip.compress(TRAIN), "b": gzip.compress(NAMES)}
    file_server.files |= {f"/{name}.gz": content for name, content in packed.items()}
    archives = tuple(
        Archive(remote=remote(f"{name}.gz", packed[name]), members=(member(name, content),))
        for name, content in (("a", TRAIN), ("b", NAMES))
    )
    return Recipe(folder="loose", source=f"{file_server.url}/", archives=archives)


def test_files_that_are_packed_one_by_one(loose: Recipe, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    assert fetch(loose, tmp_path, url=None, tell=lambda *now: told.append(now))
    assert (tmp_path / "loose" / "a").read_bytes() == TRAIN
    assert (tmp_path / "loose" / "b").read_bytes() == NAMES
    assert told == sorted(told)
    assert len({total for _, total in told}) == 1


def test_one_of_several_files_missing_leaves_no_folder(
    loose: Recipe, file_server: Any, tmp_path: Path
) -> None:
    del file_server.files["/b.gz"]
    with pytest.raises(DataError, match=r"b\.gz answered 404"):
        fetch(loose, tmp_path, url=None, tell=silent)
    assert [path.name for path in tmp_path.iterdir()] == [".a.gz.part"]


def test_a_bomb_is_not_unpacked(loose: Recipe, tmp_path: Path) -> None:
    small = replace(loose.archives[0], members=(member("a", TRAIN[:10]),))
    with pytest.raises(DataError, match="has more than 10 bytes"):
        fetch(replace(loose, archives=(small,)), tmp_path, url=None, tell=silent)


def test_several_files_come_from_a_folder(loose: Recipe, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"expected a folder, ending in '/', that holds a\.gz, b\.gz"):
        fetch(loose, tmp_path, url="http://127.0.0.1/a.gz", tell=silent)


def test_one_process_at_a_time(birds: Recipe, file_server: Any, tmp_path: Path) -> None:
    with (
        FileLock(tmp_path / ".birds.lock"),
        pytest.raises(DataError, match="another process is fetching birds"),
    ):
        fetch(birds, tmp_path, url=None, tell=silent)
    assert file_server.asked == []


def test_what_a_killed_process_unpacked_is_removed(birds: Recipe, tmp_path: Path) -> None:
    (tmp_path / ".birds.unpacking-1").mkdir()
    (tmp_path / ".birds.unpacking-1" / "train").write_text("half")
    fetch(birds, tmp_path, url=None, tell=silent)
    assert [path.name for path in tmp_path.iterdir()] == ["birds"]


def test_a_full_disk_is_told_before_anything_comes(
    birds: Recipe, file_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(9, 0, 9))
    with pytest.raises(DataError, match=r"birds takes \d+ bytes while it is unpacked, .* has 9 free"):
        fetch(birds, tmp_path, url=None, tell=silent)
    assert file_server.asked == []


def test_a_place_that_cannot_be_written_is_told(birds: Recipe, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="birds cannot be written below"):
        fetch(birds, tmp_path / "file" / "data", url=None, tell=silent)
