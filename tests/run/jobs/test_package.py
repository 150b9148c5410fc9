import os
import zipfile
from pathlib import Path

import pytest
from ray._private.runtime_env.packaging import create_package

from dymu.errors import BackendError
from dymu.run.jobs import package
from dymu.run.jobs.package import pack, survey

TREE = {
    "study.py": "x = 1\n",
    ".gitignore": "*.log\n/data/\n!/data/keep.txt\nbuild\nsub/*.tmp\n",
    ".rayignore": "notes/\n",
    "run.log": "l",
    "data/big.bin": "b",
    "data/keep.txt": "k",
    "build/lib.py": "b",
    "notes/todo.txt": "n",
    "notes/deep/er.txt": "n",
    "sub/a.tmp": "t",
    "sub/a.py": "p",
    "sub/.gitignore": "local.*\n",
    "sub/local.py": "l",
    "sub/inner/local.txt": "l",
    "sub/inner/other.txt": "o",
    "other/local.py": "l",
    ".git/config": "g",
    ".venv/lib/x.py": "v",
    "pkg/__pycache__/x.pyc": "c",
    "pkg/venv/y.py": "y",
    "results/run.txt": "r",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "work"
    for name, text in TREE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def sent_by_ray(folder: Path, target: Path, exclude: list[str]) -> set[str]:
    defaults = [".git", ".venv", "venv", "__pycache__"]
    create_package(str(folder), target, include_gitignore=True, excludes=[*defaults, *exclude])
    with zipfile.ZipFile(target) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


@pytest.mark.parametrize("exclude", [[], ["results"], ["*.py", "sub/inner/"]])
def test_what_is_sent_is_what_ray_would_send(folder: Path, tmp_path: Path, exclude: list[str]) -> None:
    expected = sent_by_ray(folder, tmp_path / "ray.zip", exclude)
    assert set(survey(folder, exclude).sizes) == expected
    assert "sub/inner/other.txt" in expected or exclude
    assert not expected & {"run.log", "sub/local.py", ".git/config", "pkg/venv/y.py"}


def test_gitignore_can_be_switched_off_as_in_ray(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_RUNTIME_ENV_IGNORE_GITIGNORE", "1")
    found = set(survey(folder).sizes)
    assert "run.log" in found
    assert "notes/todo.txt" not in found


def test_the_archive_holds_the_files_and_what_is_added(folder: Path, tmp_path: Path) -> None:
    (folder / "study.py").chmod(0o755)
    target = pack(survey(folder), tmp_path / "a.zip", {".dymu-code.diff": b"patch"})
    with zipfile.ZipFile(target) as archive:
        assert archive.read("study.py") == b"x = 1\n"
        assert archive.read(".dymu-code.diff") == b"patch"
        assert archive.getinfo("study.py").external_attr >> 16 == 0o755


def test_equal_content_makes_equal_archives(folder: Path, tmp_path: Path) -> None:
    first = pack(survey(folder), tmp_path / "a.zip", {"b": b"1"}).read_bytes()
    os.utime(folder / "study.py", (1, 1))
    assert pack(survey(folder), tmp_path / "b.zip", {"b": b"1"}).read_bytes() == first


@pytest.mark.parametrize("limit", [100, 2000])  # so small that nothing is packed first, and hardly too small
def test_too_much_names_the_largest_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(package, "LIMIT", limit)
    (folder / "weights.bin").write_bytes(os.urandom(4000))
    with pytest.raises(BackendError, match=r"to send; Ray's job server accepts .*\n.*weights\.bin\n"):
        pack(survey(folder), tmp_path / "a.zip", {})


def test_a_link_that_leads_back_is_told(folder: Path) -> None:
    (folder / "sub" / "up").symlink_to(folder)
    with pytest.raises(BackendError, match=r"sub/up leads back to .*work"):
        survey(folder)
    assert "sub/up/study.py" not in survey(folder, ["up"]).sizes
