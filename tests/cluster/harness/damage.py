"""What can happen to a store: files that vanish or change, and a disk without room or not to be written."""

import json
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

INPUTS = ("anchor", "edge")  # finished steps that later ones read


def delete(store: Path, choice: float) -> str:
    """Remove a finished step; says which."""
    attempt = _attempt(store, choice)
    shutil.rmtree(attempt.parent)
    return _name(attempt)


def flip(store: Path, choice: float) -> str:
    """Change one bit in the middle of a finished step's weights."""
    attempt = _attempt(store, choice)
    path = _weights(attempt)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    return f"{_name(attempt)}/{path.name}"


def cut(store: Path, choice: float) -> str:
    """Shorten a finished step's weights."""
    attempt = _attempt(store, choice)
    path = _weights(attempt)
    path.write_bytes(path.read_bytes()[:-100])
    return f"{_name(attempt)}/{path.name}"


class Disk:
    """A disk of a few megabytes in memory.

    Args:
        folder: Where it is mounted.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._protected = False

    def mount(self, megabytes: int = 64) -> None:
        """Mount it.

        Raises:
            subprocess.CalledProcessError: If this user may not mount.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(self.folder))

    def fill(self) -> None:
        """Leave no room."""
        with suppress(OSError), (self.folder / "ballast").open("wb") as file:
            while True:
                file.write(bytes(4096))
                file.flush()

    def protect(self) -> None:
        """Refuse whatever opens a file for writing, or makes, renames or removes one.

        As files are open, the disk itself cannot be made so; a view of it that can is laid over it.
        """
        _mount("--bind", str(self.folder), str(self.folder))
        self._protected = True
        _mount("-o", "remount,bind,ro", str(self.folder))

    def mend(self) -> None:
        """Undo what was done."""
        if self._protected:
            self.unmount()
            self._protected = False
        (self.folder / "ballast").unlink(missing_ok=True)

    def unmount(self) -> None:
        """Take the topmost view away."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True, capture_output=True)


def _attempt(store: Path, choice: float) -> Path:
    found = [done for stage in INPUTS for done in sorted(store.glob(f"artifacts/{stage}/*/DONE.json"))]
    done = found[int(choice * len(found))]
    return done.parent / str(json.loads(done.read_text())["attempt"])


def _weights(attempt: Path) -> Path:
    return next(attempt.glob("*.safetensors"))


def _name(attempt: Path) -> str:
    return f"{attempt.parents[1].name}/{attempt.parent.name}"
