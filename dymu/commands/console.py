"""What every verb needs to answer: the store it reads, and how tables, JSON and errors are printed."""

import json
import logging
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from dymu.artifacts.location import find_store, open_store
from dymu.artifacts.store import Store
from dymu.errors import NothingToDoError


def reading(store: str | None) -> Store:
    """The store that a flag or the environment names, to be read only."""
    return open_store(store, read_only=True)


def existing(store: str | None) -> Store | None:
    """The store if there is one; looking must not make one."""
    return find_store(store)


def only_study(store: Store) -> str:
    """The study or question of a store that has just one.

    Raises:
        NothingToDoError: If it has none or several; names them.
    """
    names = [manifest.name for manifest in store.manifests()]
    if len(names) != 1:
        listed = ", ".join(names) or "none"
        raise NothingToDoError(f"{store.location} has {len(names)} studies; name one of: {listed}.")
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


def show_warnings(console: Console) -> None:
    """Show dymu's warnings above the progress table instead of through it."""
    logger = logging.getLogger("dymu")
    logger.handlers = [RichHandler(console=console, show_time=False, show_path=False, level=logging.WARNING)]
    logger.propagate = False
