"""The verb ``status``."""

from typing import Annotated

import typer

from dymu.commands.console import complain, make_console, print_json, reading
from dymu.commands.options import Json, StoreDir

app = typer.Typer()


@app.command(epilog="Examples:  [bold]dymu status[/bold]   [bold]dymu status digits-ours --json[/bold]")
def status(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Studies or questions; all by default.")
    ] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Show what is done, running, failed or waiting, per arm, seed and stage."""
    from dymu.run.status import study_status
    from dymu.run.views import status_tables

    opened = reading(store)
    states = study_status(opened, [opened.manifest(name) for name in names] if names else opened.manifests())
    if as_json:
        print_json([state.form() for state in states])
        return
    console = make_console()
    for shown in status_tables(states):
        console.print(shown, "")
    for state in states:
        if state.error:
            complain(f"{state.address} failed: {state.error}\n  log: {state.log}")
