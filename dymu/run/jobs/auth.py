"""Tokens for clusters: whoever reaches a Ray dashboard without one can run any code on the cluster."""

import os
import secrets
from collections.abc import MutableMapping
from pathlib import Path

from dymu.errors import BackendError

MODE = "RAY_AUTH_MODE"
TOKEN = "RAY_AUTH_TOKEN"
TOKEN_FILE = "RAY_AUTH_TOKEN_PATH"
_NAME = "auth_token"
_OWNER_ONLY = 0o600


def token_file(folder: Path) -> Path:
    """A token that only this user can read: the one in the folder, or else one made there now.

    Raises:
        BackendError: If others can read the file, or it cannot be written.
    """
    path = folder / _NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        except FileExistsError:
            mode = path.stat().st_mode & 0o777
            if mode & 0o077:
                raise BackendError(
                    f"{path} has mode {mode:o}; expected 600, as it opens a cluster. Run "
                    f"`chmod 600 {path}`, or remove it if somebody else may have read it."
                ) from None
            return path
        with os.fdopen(made, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(32))
    except OSError as error:
        raise BackendError(f"no token can be kept at {path}: {error}. Choose another folder.") from error
    return path


def token_environment(file: Path) -> dict[str, str]:
    """What ``ray start``, jobs and clients need in their environment to use a token."""
    return {MODE: "token", TOKEN_FILE: str(file.absolute())}


def use_known_token(environment: MutableMapping[str, str]) -> None:
    """Send the token that this user has, as Ray's own commands do, unless the mode was chosen.

    Args:
        environment: Of this process; must be changed before Ray is imported.
    """
    known = environment.get(TOKEN) or environment.get(TOKEN_FILE)
    kept = Path(environment.get("HOME") or "~").expanduser() / ".ray" / "auth_token"
    if MODE not in environment and (known or kept.is_file()):
        environment[MODE] = "token"
