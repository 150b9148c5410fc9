"""A PostgreSQL server of one's own below one folder, on this machine only."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dymu.errors import BackendError
from dymu.run.jobs.services import HOST, Service, start

USER = "dymu"
DATABASE = "mlflow"
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/opt")
_WITHOUT_RIGHTS = ("postgres", "nobody")
_OWNER_ONLY = 0o600


def find_programs() -> Path:
    """Folder with ``postgres``, ``initdb`` and ``createdb``.

    Raises:
        BackendError: If there is none.
    """
    candidates = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    asked = shutil.which("pg_config")
    if asked is not None:
        told = subprocess.run([asked, "--bindir"], capture_output=True, text=True, check=False).stdout.strip()
        candidates.append(Path(told))
    for place in _PLACES:
        candidates += sorted(Path(place).glob("*/bin"), key=_version, reverse=True)
    for folder in candidates:
        if all((folder / name).is_file() for name in ("postgres", "initdb", "createdb")):
            return folder
    raise BackendError(
        "PostgreSQL is not installed: no postgres, initdb and createdb on PATH or below /usr/lib/postgresql. "
        "Install it (Debian: `apt-get install postgresql`, conda: `conda install -c conda-forge postgresql`, "
        "macOS: `brew install postgresql`); nothing of it needs to be configured or running."
    )


class Postgres:
    """A database server whose data lie in a folder.

    Args:
        folder: For data, password and log.
        port: Of this machine.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._data = folder / "data"
        self._password = folder / "password"
        self._user = _unprivileged() if os.geteuid() == 0 else None

    @property
    def uri(self) -> str:
        """For SQLAlchemy; holds the password, so it belongs into environments and not on command lines."""
        return f"postgresql+psycopg2://{USER}:{self._secret()}@{HOST}:{self.port}/{DATABASE}"

    def start(self) -> Service:
        """Start the server, at its first start with an empty folder for data; returns at once.

        Raises:
            BackendError: If it is not installed or does not start.
        """
        programs = find_programs()
        self._initialise(programs)
        words = [
            str(programs / "postgres"),
            *("-D", str(self._data)),
            *("-p", str(self.port)),
            *("-c", f"listen_addresses={HOST}"),
            *("-c", "unix_socket_directories="),
        ]
        log = self._data.parent / "postgres.log"
        return start(
            "PostgreSQL",
            words,
            environment=_environment(),
            log=log,
            user=self._user,
            gentle=signal.SIGINT,  # ends connections, and then itself in an orderly way
        )

    def ready(self) -> bool:
        """Whether it answers and has the database, which is made if need be."""
        programs = find_programs()
        words = [str(programs / "createdb"), "-h", HOST, "-p", str(self.port), "-U", USER, "-w", DATABASE]
        environment = {**_environment(), "PGPASSWORD": self._secret(), "PGCONNECT_TIMEOUT": "5"}
        done = subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, check=False)
        return done.returncode == 0 or "already exists" in done.stderr

    def _initialise(self, programs: Path) -> None:
        if (self._data / "PG_VERSION").is_file():
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        secret = os.open(self._password, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY)
        with os.fdopen(secret, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(16))
        if self._user is not None:
            shutil.chown(self.folder, self._user)
            shutil.chown(self._password, self._user)
        words = [
            str(programs / "initdb"),
            *("-D", str(self._data)),
            *("-U", USER),
            *("-A", "scram-sha-256"),
            f"--pwfile={self._password}",
            "--encoding=UTF8",
            "--no-locale",
        ]
        try:
            done = subprocess.run(
                words,
                env=_environment(),
                cwd="/",
                capture_output=True,
                text=True,
                check=False,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
            )
        except OSError as error:
            raise BackendError(f"{words[0]} cannot be run: {error}.") from error
        if done.returncode != 0:
            shutil.rmtree(self._data, ignore_errors=True)
            raise BackendError(f"PostgreSQL cannot make {self._data}: {done.stderr.strip()}{self._remark()}")

    def _remark(self) -> str:
        if self._user is None:
            return ""
        return (
            f"\n  As PostgreSQL refuses to run as root, it runs as {self._user}, who must be able to reach "
            "that folder. Choose another with --folder, or run this as another user."
        )

    def _secret(self) -> str:
        return self._password.read_text(encoding="utf-8")


def _unprivileged() -> str:
    for name in _WITHOUT_RIGHTS:
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise BackendError("PostgreSQL refuses to run as root, and there is no user postgres or nobody.")


def _environment() -> Mapping[str, str]:
    # Messages are compared, so they are to be in English; PG* variables of the user are about other servers.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def _version(folder: Path) -> tuple[int, ...]:
    digits = "".join(letter if letter.isdecimal() else " " for letter in folder.parent.name)
    return tuple(int(part) for part in digits.split())
