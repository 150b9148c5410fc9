import hashlib
import json
import subprocess
from pathlib import Path

from dymu import __version__
from dymu.run.provenance import CodeVersion, code_version, versions, write_provenance


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
    assert code_version(tmp_path).dirty is True


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
