import os
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from dymu.errors import BackendError
from dymu.run.cluster.connect import _ALIVE, _environment_of_workers, _scratch, connected, ray_version


def test_scratch_of_killed_runs_is_removed_and_that_of_others_stays(tmp_path: Path) -> None:
    alive, dead, foreign = (tmp_path / f"dymu-{name}" for name in ("alive", "dead", "foreign"))
    for folder in (alive, dead, foreign):
        folder.mkdir()
    (dead / _ALIVE).touch()
    with FileLock(alive / _ALIVE):
        made = _scratch(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"dymu-alive", "dymu-foreign", made.name}


def test_folders_that_only_another_user_may_open_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dymu-theirs").mkdir()
    (tmp_path / "dymu-theirs" / _ALIVE).touch()
    stat = os.stat

    def refuse(path: Any, **options: Any) -> os.stat_result:
        if "dymu-theirs" in str(path) and str(path).endswith(_ALIVE):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    made = _scratch(tmp_path)
    monkeypatch.undo()
    assert {path.name for path in tmp_path.iterdir()} == {"dymu-theirs", made.name}


def test_an_address_where_nothing_is_fails_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(BackendError, match=r"Ray at 127.0.0.1:1 cannot be used: .*Connection refused"),
        connected("127.0.0.1:1", tmp_path),
    ):
        pytest.fail("there is no cluster")
    assert [path.name for path in tmp_path.iterdir()] == ["ray.log"]


def test_workers_find_modules_where_this_process_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "before")
    monkeypatch.syspath_prepend("relative")
    with _environment_of_workers():
        assert str(Path("relative").absolute()) in os.environ["PYTHONPATH"].split(os.pathsep)
    assert os.environ["PYTHONPATH"] == "before"


def test_ray_has_a_version() -> None:
    assert ray_version().split(".")[0].isdigit()
