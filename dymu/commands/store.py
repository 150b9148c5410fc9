"""The verbs ``cache ls``, ``cache gc``, ``cache verify`` and ``cache relocate``."""

from typing import Annotated

import typer

from dymu.artifacts.location import open_store
from dymu.commands.console import complain, listing_of, make_console, print_json, reading, size_text
from dymu.commands.options import Json, StoreDir, examples
from dymu.errors import CorruptArtifactError, StoreError

cache = typer.Typer(help="Look after the store.", no_args_is_help=True)


@cache.command("ls", epilog=examples("dymu cache ls", "dymu cache ls edge --json"))
def cache_ls(
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="Only artifacts of this stage.")
    ] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """List what is in the store, and who needs it."""
    from dymu.run.status import users_of

    opened = reading(store)
    users = users_of(opened.manifests())
    sizes = {address: opened.size(address) for address in opened.addresses(stage)}
    if as_json:
        rows = sizes.items()
        print_json([{"address": a, "bytes": size, "needed_by": users.get(a, [])} for a, size in rows])
        return
    listing = listing_of("address", "size", "needed by")
    for address, size in sizes.items():
        listing.add_row(address, size_text(size), ", ".join(users.get(address, [])) or "nothing")
    console = make_console()
    console.print(listing)
    console.print(f"{len(sizes)} artifacts, {size_text(sum(sizes.values()))}", highlight=False)


@cache.command("gc", epilog=examples("dymu cache gc", "dymu cache gc --yes"))
def cache_gc(
    yes: Annotated[
        bool, typer.Option("--yes", metavar="", help="Remove; without it only say what would go.")
    ] = False,
    corrupt: Annotated[
        bool,
        typer.Option(
            "--corrupt", metavar="", help="Artifacts that do not match their checksums, and nothing else."
        ),
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no study refers to, abandoned attempts and stale scratch."""
    from dymu.artifacts.gc import collect, remove_damaged

    opened = open_store(reading(store).location)
    removed = remove_damaged(opened, dry_run=not yes) if corrupt else collect(opened, dry_run=not yes)
    if as_json:
        print_json(
            [{"kind": r.kind, "address": r.address, "path": r.where, "bytes": r.size} for r in removed]
        )
        return
    listing = listing_of("what", "address", "size")
    for item in removed:
        listing.add_row(item.kind, item.address, size_text(item.size))
    console = make_console()
    if removed:
        console.print(listing)
    verb = "removed" if yes else "would go; add --yes to remove them"
    console.print(
        f"{len(removed)} entries, {size_text(sum(item.size for item in removed))} {verb}", highlight=False
    )


@cache.command("verify", epilog=examples("dymu cache verify && echo sound"))
def cache_verify(store: StoreDir = None, as_json: Json = False) -> None:
    """Compare every artifact with its checksums; exit code 3 if one is damaged."""
    from dymu.artifacts.gc import verify_all

    checked = list(verify_all(reading(store)))
    damaged = [(address, str(error)) for address, error in checked if error is not None]
    if as_json:
        print_json({"checked": len(checked), "damaged": dict(damaged)})
    else:
        for _, error in damaged:
            complain(error)
        make_console().print(f"{len(checked)} artifacts checked, {len(damaged)} damaged", highlight=False)
    raise typer.Exit(CorruptArtifactError.exit_code if damaged else 0)


@cache.command("relocate", epilog=examples("dymu cache relocate --store COPY"))
def cache_relocate(store: StoreDir = None) -> None:
    """Have the MLflow database of a store that was copied or moved keep its files where the store is now."""
    from dymu.run.live import live_runs
    from dymu.tracking.relocation import relocate

    opened = open_store(reading(store).location)
    running = sorted({run.manifest for run in live_runs(opened)})
    if running:
        raise StoreError(f"{', '.join(running)} runs on {opened.location}. End it first, with `dymu stop`.")
    make_console().print(f"{relocate(opened)} entries of MLflow's database changed", highlight=False)
