"""What the driver of a study says, kept in the store: it outlives the cluster on which the driver ran."""

import hashlib
import os
import platform
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from rich.console import Console
from rich.control import Control

from dymu.artifacts.files import disk_errors
from dymu.artifacts.store import Store
from dymu.errors import DymuError
from dymu.run.background import Background
from dymu.run.work import LOG

# Beside the scratch folders of steps: what lies there reaches every node, on whatever storage.
_STAGE = "study"
_SEND_S = 15.0
_WIDTH = 160


def study_address(study: str) -> str:
    """Under what the store keeps the log of a study or question."""
    return f"{_STAGE}/{study.replace('.', '--')}"


def read_study_log(store: Store, study: str) -> str | None:
    """All that drivers of a study have said, the oldest first; ``None`` if none has ever run."""
    address = study_address(study)
    path = store.look_work(address) / LOG
    with disk_errors(path, doing="read"):
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


@contextmanager
def study_log(store: Store, studies: Sequence[str], shown: Console, diff: bytes) -> Iterator["StudyConsole"]:
    """Keep what a driver says while the block runs, and what its code differs by from its revision.

    Args:
        store: Where results are.
        studies: Names of the manifests that the driver runs.
        shown: Where the driver says it.
        diff: The difference, if there is one.

    Yields:
        A console that shows and keeps. What is drawn again and again in a terminal is shown only.

    Raises:
        StoreError: If the store cannot be written.
    """
    addresses = [study_address(study) for study in studies]
    with ExitStack() as open_:
        files = [open_.enter_context(_opened(store, address, diff)) for address in addresses]
        console = StudyConsole(shown, [Console(file=file, width=_WIDTH, no_color=True) for file in files])
        job = os.environ.get("DYMU_SUBMISSION")
        console.note(
            f"--- {time.strftime('%Y-%m-%d %H:%M:%S %Z')}  {platform.node()} process {os.getpid()}"
            f"{f'  job {job}' if job else ''}\n    {shlex.join(sys.argv)}"
        )

        def send() -> None:
            for address in addresses:
                store.push_work(address)

        open_.enter_context(Background(send, period_s=_SEND_S))
        try:
            yield console
        except DymuError as error:
            console.note(f"Error: {error}")
            raise
        except BaseException as error:
            console.note(f"Ended by {type(error).__name__}: {error}")
            raise


class StudyConsole(Console):
    """Prints where another console prints, and into files."""

    def __init__(self, shown: Console, kept: Sequence[Console]) -> None:
        super().__init__(file=shown.file, force_terminal=shown.is_terminal)
        self._kept = kept

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like :meth:`rich.console.Console.print`, and keep it."""
        super().print(*objects, **options)
        if not any(isinstance(each, Control) for each in objects):
            for console in self._kept:
                console.print(*objects, **options)

    def note(self, text: str) -> None:
        """Write into the files only."""
        for console in self._kept:
            console.print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def _opened(store: Store, address: str, diff: bytes) -> Iterator[IO[str]]:
    store.pull_work(address)
    folder = store.work_dir(address)
    with disk_errors(folder, doing="write"):
        if diff:
            (folder / f"code-{hashlib.sha256(diff).hexdigest()}.diff").write_bytes(diff)
        log: Path = folder / LOG
        file = log.open("a", encoding="utf-8", buffering=1)
    with file:
        yield file
