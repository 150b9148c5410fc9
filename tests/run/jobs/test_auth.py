from pathlib import Path

import pytest

from dymu.errors import BackendError
from dymu.run.jobs.auth import MODE, TOKEN_FILE, token_environment, token_file, use_known_token


def test_a_token_is_long_and_for_its_owner_only(tmp_path: Path) -> None:
    path = token_file(tmp_path / "cluster")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_text()) == 64


def test_the_token_of_a_folder_stays(tmp_path: Path) -> None:
    assert token_file(tmp_path).read_text() == token_file(tmp_path).read_text()
    assert token_file(tmp_path / "other").read_text() != token_file(tmp_path).read_text()


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    token_file(tmp_path).chmod(0o644)
    with pytest.raises(BackendError, match="has mode 644; expected 600"):
        token_file(tmp_path)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BackendError, match="no token can be kept"):
        token_file(tmp_path / "file")


def test_the_environment_names_the_file_absolutely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = token_environment(token_file(Path()))
    assert found == {MODE: "token", TOKEN_FILE: str(tmp_path / "auth_token")}


def test_a_token_that_the_user_has_is_used(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    use_known_token(home)
    assert MODE not in home
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("x")
    use_known_token(home)
    assert home[MODE] == "token"
    chosen = {"HOME": str(tmp_path), MODE: "disabled"}
    use_known_token(chosen)
    assert chosen[MODE] == "disabled"
    named = {"HOME": "/nowhere", TOKEN_FILE: "/run/secrets/token"}
    use_known_token(named)
    assert named[MODE] == "token"
