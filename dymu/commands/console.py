"""What every verb needs to answer: the store it reads, and how tables, JSON and errors are printed."""

import gc
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from dymu.artifacts.location import find_store, open_store
from dymu.artifacts.manifest import Manifest, unknown_manifest
from dymu.artifacts.store import Store
from dymu.errors import NothingToDoError


def reading(store: str | None) -> Store:
    """The store that a flag or the environment names, to be read only."""
    return open_store(store, read_only=True)


def existing(store: str | None) -> Store | None:
    """The store if there is one; looking must not make one."""
    return find_store(store)


def studies_named(store: Store, name: str) -> list[Manifest]:
    """The studies and questions of a store that a name means.

    Args:
        store: Where they are.
        name: As `dymu status` prints it (``digits-ours.adaptation``), or as `dymu run` takes it: a question
            (``ablations.adaptation``, or ``adaptation``), a study (``studies.digits:ours``) or a module of
            studies.

    Raises:
        StoreError: If there is none; names those that there are.
    """
    known = store.manifests()
    for fits in (
        lambda manifest: name == manifest.name,
        lambda manifest: name == manifest.target,
        lambda manifest: name in _shorter(manifest.target),
    ):
        found = [manifest for manifest in known if fits(manifest)]
        if found:
            return found
    raise unknown_manifest(store.location, name, [manifest.name for manifest in known])


def _shorter(target: str) -> tuple[str, str, str]:
    """A target without the study that its question is asked about, its module, and its last part."""
    question = target.partition(" ")[0]
    return question, question.partition(":")[0], question.rpartition(".")[2]


def one_study(store: Store, name: str | None) -> str:
    """Name of the one study or question that a name means, by default of the only one that there is.

    Raises:
        StoreError: If there is none of this name.
        NothingToDoError: If there are several, or none and no name is given; names them.
    """
    names = [each.name for each in (studies_named(store, name) if name else store.manifests())]
    if len(names) != 1:
        what = f"{name} is" if name else f"{store.location} has"
        listed = ", ".join(names) or "none"
        raise NothingToDoError(f"{what} {len(names)} studies; name one of: {listed}.")
    return names[0]


def make_console() -> Console:
    """A console on standard output."""
    # The stream is named, because backends send what libraries print elsewhere while they run.
    return Console(file=sys.stdout)


def listing_of(*titles: str) -> Table:
    """An empty table with these columns; empty titles make no heading."""
    listing = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=any(titles))
    for title in titles:
        listing.add_column(title, overflow="fold")
    return listing


def print_json(form: Any) -> None:
    """Print a JSON value."""
    print(json.dumps(form, indent=1))


def complain(message: str) -> None:
    """Print an error to standard error."""
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)


def size_text(count: int) -> str:
    """A number of bytes as people read it."""
    return f"{count / 1024:.0f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


@contextmanager
def garbage_left() -> Iterator[None]:
    """For verbs that are the last of their process: nobody looks for cycles among what they have made.

    Looking for them while a figure is made and when Python ends takes a fifth of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


def show_warnings(console: Console) -> None:
    """Show dymu's warnings above the progress table instead of through it."""
    logger = logging.getLogger("dymu")
    logger.handlers = [RichHandler(console=console, show_time=False, show_path=False, level=logging.WARNING)]
    logger.propagate = False
