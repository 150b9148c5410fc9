from dataclasses import dataclass
from pathlib import Path

import pytest

from dymu.data.official import (
    LISTED,
    Finding,
    Official,
    Scan,
    Tell,
    file_findings,
    folder_findings,
    refuse,
    refuse_one,
    require_root,
)
from dymu.errors import DataError

SOUND = Scan(counts={"train": 3}, findings=())


@dataclass(frozen=True)
class Birds:
    result: Scan = SOUND

    def scan(self, root: Path, tell: Tell) -> Scan:
        assert root.is_dir()
        tell(1, 1)
        return self.result

    @property
    def how_to_get(self) -> str:
        return "Ask the ornithologist."


def test_a_config_with_a_scan_and_a_hint_is_official() -> None:
    assert isinstance(Birds(), Official)
    assert not isinstance(SOUND, Official)


def test_sound_data_passes(tmp_path: Path) -> None:
    refuse(SOUND, Birds(), tmp_path)


def test_one_error_lists_all_findings_and_how_to_get_the_data(tmp_path: Path) -> None:
    scan = Scan(
        {}, (Finding("birds/train.bin", "is missing"), Finding("birds/test.bin", "has 3 bytes, not 4"))
    )
    with pytest.raises(DataError) as caught:
        refuse(scan, Birds(), tmp_path)
    assert str(caught.value) == (
        f"birds below {tmp_path} is not whole, 2 findings:\n"
        "  birds/train.bin: is missing\n"
        "  birds/test.bin: has 3 bytes, not 4\n"
        "Ask the ornithologist."
    )


def test_a_long_list_is_cut_and_counted(tmp_path: Path) -> None:
    scan = Scan({}, tuple(Finding(f"{i}.png", "is missing") for i in range(LISTED + 7)))
    with pytest.raises(DataError) as caught:
        refuse(scan, Birds(), tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith(f"{LISTED + 7} findings:")
    assert lines[LISTED] == f"  {LISTED - 1}.png: is missing"
    assert lines[LISTED + 1] == "  and 7 more"
    assert len(lines) == LISTED + 3


def test_exactly_as_many_as_are_listed_hide_none(tmp_path: Path) -> None:
    scan = Scan({}, tuple(Finding(f"{i}.png", "is missing") for i in range(LISTED)))
    with pytest.raises(DataError) as caught:
        refuse(scan, Birds(), tmp_path)
    assert "more" not in str(caught.value)


def test_a_loader_refuses_one_file_in_the_same_form(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 finding:\n  a\.bin: is cut off\nAsk"):
        refuse_one("a.bin", "is cut off", Birds(), tmp_path)


def test_without_a_root_the_error_says_how_to_name_it() -> None:
    with pytest.raises(DataError, match=r"--data-root DIR or DYMU_DATA. Ask the ornithologist"):
        require_root(None, Birds())


def test_a_root_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere does not exist. Ask"):
        require_root(tmp_path / "nowhere", Birds())


def test_a_root_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="is not a folder"):
        require_root(tmp_path / "file", Birds())


def test_a_root_that_is_a_folder_is_returned(tmp_path: Path) -> None:
    assert require_root(tmp_path, Birds()) == tmp_path


@pytest.mark.parametrize(
    ("content", "size", "problem"),
    [
        (None, None, "is missing"),
        (b"", None, "is empty"),
        (b"abc", 4, "has 3 bytes, not 4"),
        (b"", 4, "has 0"),
    ],
)
def test_a_file_is_found_wanting(
    tmp_path: Path, content: bytes | None, size: int | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / "f").write_bytes(content)
    (finding,) = file_findings(tmp_path, "f", size=size)
    assert finding.path == "f"
    assert finding.problem.startswith(problem)


def test_a_file_of_the_right_size_has_no_finding(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert file_findings(tmp_path, "f", size=3) == file_findings(tmp_path, "f") == ()


def test_a_folder_in_place_of_a_file_is_found(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    assert file_findings(tmp_path, "f") == (Finding("f", "is not a file"),)
    assert folder_findings(tmp_path, "f") == ()


def test_a_folder_is_found_wanting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert folder_findings(tmp_path, "none") == (Finding("none", "is missing"),)
    assert folder_findings(tmp_path, "file") == (Finding("file", "is not a folder"),)
