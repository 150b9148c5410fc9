import gzip
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dymu.data.download import RemoteFile
from dymu.data.fetch import Archive, Member, Recipe
from dymu.data.known import Known
from dymu.data.official import Finding, Scan, Tell

Dymu = Callable[..., Any]

SONGS = b"tweet" * 1000


@dataclass(frozen=True)
class Birds:
    """Whole if its file is there."""

    def scan(self, root: Path, tell: Tell) -> Scan:
        tell(1, 2)
        tell(2, 2)
        there = (root / "birds" / "songs").exists()
        findings = () if there else (Finding("birds/songs", "is missing"),)
        return Scan({"train": 3 * there, "test": 2}, findings)

    @property
    def how_to_get(self) -> str:
        return "Ask the [old] ornithologist."


class Guarded(Birds):
    def scan(self, root: Path, tell: Tell) -> Scan:
        raise PermissionError(13, f"Permission denied: {root}, {tell}")


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, file_server: Any) -> None:
    packed = gzip.compress(SONGS)
    file_server.files |= {"/songs.gz": packed, "/mirror.gz": packed}
    remote = RemoteFile(name="songs.gz", size=len(packed), sha256=hashlib.sha256(packed).hexdigest())
    member = Member(name="songs", size=len(SONGS), sha256=hashlib.sha256(SONGS).hexdigest())
    archive = Archive(remote=remote, members=(member,))
    recipe = Recipe(folder="birds", source=f"{file_server.url}/", archives=(archive,))
    listed = {"birds": Known(Birds(), recipe), "eggs": Known(Birds()), "guarded": Known(Guarded())}
    monkeypatch.setattr("dymu.data.known.KNOWN", listed)


def test_data_that_is_whole_is_counted(dymu: Dymu, tmp_path: Path) -> None:
    (tmp_path / "birds").mkdir()
    (tmp_path / "birds" / "songs").touch()
    said = dymu("data", "check", "birds", "--root", str(tmp_path))
    assert said.code == 0
    assert said.flat == f"train 3 test 2 birds below {tmp_path} is whole"


def test_damaged_data_is_one_error_with_code_2(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "birds", "--root", str(tmp_path))
    assert said.code == 2
    assert "1 finding: birds/songs: is missing Ask the [old] ornithologist." in said.err
    assert said.flat == "train 0 test 2"


def test_the_root_can_come_from_the_environment(
    dymu: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYMU_DATA", str(tmp_path))
    assert "birds/songs: is missing" in dymu("data", "check", "birds").err


def test_without_a_root_the_flag_is_named(dymu: Dymu) -> None:
    said = dymu("data", "check", "birds")
    assert said.code == 2
    assert "--root" in said.err


def test_a_root_that_does_not_exist_is_named(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "birds", "--root", str(tmp_path / "none"))
    assert said.code == 2
    assert "none does not exist. Ask the [old]" in said.err


def test_findings_as_json(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "birds", "--root", str(tmp_path), "--json")
    assert said.code == 2
    assert said.json == {
        "dataset": "birds",
        "root": str(tmp_path),
        "counts": {"train": 0, "test": 2},
        "findings": [{"path": "birds/songs", "problem": "is missing"}],
        "how_to_get": "Ask the [old] ornithologist.",
    }
    assert said.err == ""


def test_a_file_that_cannot_be_read_is_no_traceback(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "guarded", "--root", str(tmp_path))
    assert said.code == 2
    assert "guarded below" in said.err
    assert "Permission denied" in said.err


def test_a_name_that_is_none_lists_those_there_are(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "fish", "--root", str(tmp_path))
    assert said.code == 2
    assert "no dataset 'fish'; there is birds, eggs, guarded. Name a study" in said.err


def test_a_study_stands_for_its_dataset(dymu: Dymu, tmp_path: Path) -> None:
    said = dymu("data", "check", "toy_studies:ours", "--root", str(tmp_path))
    assert said.code == 2
    assert "toy_studies:ours uses" in said.err
    assert "which is generated: there are no files to check" in said.err


def test_a_study_with_official_data_is_scanned(
    dymu: Dymu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def load(text: str, *, folder: Path) -> Any:
        assert folder == Path.cwd()
        asked.append(text)
        return Known(Birds())

    monkeypatch.setattr("dymu.run.target.load_study", load)
    said = dymu("data", "check", "studies.birds:ours", "--root", str(tmp_path))
    assert asked == ["studies.birds:ours"]
    assert "birds/songs: is missing" in said.err


def test_fetched_data_is_there_and_stays(dymu: Dymu, file_server: Any, tmp_path: Path) -> None:
    said = dymu("data", "fetch", "birds", "--root", str(tmp_path))
    assert said.code == 0, said.err
    assert said.flat == f"birds is now in {tmp_path}/birds"
    assert (tmp_path / "birds" / "songs").read_bytes() == SONGS
    assert dymu("data", "check", "birds", "--root", str(tmp_path)).code == 0
    said = dymu("data", "fetch", "birds", "--root", str(tmp_path))
    assert said.flat == f"birds was already in {tmp_path}/birds"
    assert len(file_server.asked) == 1


def test_another_source_can_be_named(dymu: Dymu, file_server: Any, tmp_path: Path) -> None:
    url = f"{file_server.url}/mirror.gz"
    assert dymu("data", "fetch", "birds", "--root", str(tmp_path), "--url", url).code == 0
    assert file_server.asked == [("/mirror.gz", None)]


def test_a_source_without_the_file_is_one_error(dymu: Dymu, file_server: Any, tmp_path: Path) -> None:
    url = f"{file_server.url}/none.gz"
    said = dymu("data", "fetch", "birds", "--root", str(tmp_path), "--url", url)
    assert said.code == 2
    assert f"{url} answered 404 Not Found" in said.err


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("fish", "no dataset 'fish' to fetch; there is birds."),
        ("eggs", "eggs has no free download, so dymu fetches birds only. Ask the [old] ornithologist."),
    ],
)
def test_what_cannot_be_fetched_is_told(dymu: Dymu, tmp_path: Path, name: str, words: str) -> None:
    said = dymu("data", "fetch", name, "--root", str(tmp_path))
    assert said.code == 2
    assert words in said.err
