import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from dymu import __version__
from dymu.errors import SpecError
from dymu.run.provenance import (
    CODE_VARIABLE,
    DIFF_FILE,
    CodeVersion,
    code_diff,
    code_version,
    versions,
    write_provenance,
)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_a_repository_is_known_by_revision_and_changes(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "code.py").write_text("x = 1\n")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-q", "-m", "first")
    clean = code_version(tmp_path)
    assert clean == CodeVersion(revision=git(tmp_path, "rev-parse", "HEAD"), dirty=False, lock=None)
    (tmp_path / "code.py").write_text("x = 2\n")
    changed = code_version(tmp_path)
    assert changed.dirty is True
    assert changed.diff == hashlib.sha256(code_diff(tmp_path)).hexdigest()


def test_the_difference_can_be_applied_and_leaves_the_index_alone(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    git(here, "init", "-q")
    (here / "code.py").write_text("x = 1\n")
    (here / ".gitignore").write_text("ignored.py\n")
    git(here, "add", "code.py", ".gitignore")
    git(here, "commit", "-q", "-m", "first")
    git(tmp_path, "clone", "-q", str(here), str(there))
    (here / "code.py").write_text("x = 2\n")
    (here / "study.py").write_text("y = 1\n")  # a study that was never added is code too
    (here / "ignored.py").write_text("z = 1\n")
    (here / "data.bin").write_bytes(b"0" * 99)
    before = git(here, "status", "--porcelain")
    patch = tmp_path / "patch"
    patch.write_bytes(code_diff(here))
    assert git(here, "status", "--porcelain") == before
    git(there, "apply", str(patch))
    assert (there / "code.py").read_text() == "x = 2\n"
    assert (there / "study.py").read_text() == "y = 1\n"
    assert not (there / "ignored.py").exists()
    assert not (there / "data.bin").exists()


def test_where_a_study_was_submitted_the_submitter_is_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = CodeVersion(revision="abc", dirty=True, lock="l", diff="d")
    monkeypatch.setenv(CODE_VARIABLE, told.dumps())
    assert code_version(tmp_path) == told
    assert code_diff(tmp_path) == b""
    (tmp_path / DIFF_FILE).write_bytes(b"patch")
    assert code_diff(tmp_path) == b"patch"


@pytest.mark.parametrize("text", ["{", '{"revision": "a"}', '{"other": 1}', "[]"])
def test_a_variable_that_no_submitter_wrote_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(CODE_VARIABLE, text)
    with pytest.raises(SpecError, match="DYMU_CODE is not what"):
        code_version(tmp_path)


def test_a_folder_without_repository_has_no_revision(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("torch==2.13.0\n")
    found = code_version(tmp_path)
    assert (found.revision, found.dirty) == (None, None)
    assert found.lock == hashlib.sha256(lock.read_bytes()).hexdigest()


def test_provenance_says_what_ran_where_and_for_how_long(tmp_path: Path) -> None:
    code = CodeVersion(revision="abc", dirty=True, lock=None)
    write_provenance(
        tmp_path, code, spent={"wall_s": 2.0, "cpu_s": 1.5}, place={"device": "cpu", "threads": 1}
    )
    form = json.loads((tmp_path / "provenance.json").read_text())
    assert (form["git_revision"], form["git_dirty"]) == ("abc", True)
    assert (form["wall_s"], form["cpu_s"], form["device"], form["threads"]) == (2.0, 1.5, "cpu", 1)
    assert form["versions"] == versions()
    assert form["python"].count(".") == 2


def test_versions_name_dymu_and_torch() -> None:
    assert versions()["dymu"] == __version__
    assert versions()["torch"].startswith("2")
