"""The verbs ``data check`` and ``data fetch``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from dymu.commands.console import listing_of, make_console, print_json
from dymu.commands.options import Json, examples
from dymu.errors import DataError, SpecError

if TYPE_CHECKING:
    from dymu.data.official import Official, Tell

app = typer.Typer(help="Look after datasets that are not generated.", no_args_is_help=True)

Root = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="DYMU_DATA", help="Folder that holds the data, each set in its own layout."
    ),
]


@app.command(
    epilog=examples("dymu data check cifar100 --root ~/data", "dymu data check studies.nyuv2:small --json")
)
def check(
    dataset: Annotated[
        str,
        typer.Argument(
            metavar="DATASET",
            help="A dataset in an official layout, such as cifar100 or nyuv2, or a study "
            "(studies.cifar100:ours), whose dataset is taken.",
        ),
    ],
    root: Root,
    as_json: Json = False,
) -> None:
    """Read every file of DATASET; one error (exit code 2) lists what is missing or damaged."""
    from dymu.data.official import refuse, require_root

    found = _find(dataset)
    require_root(root, found)
    with _progress(f"checking {dataset}", shown=not as_json) as tell:
        try:
            scan = found.scan(root, tell)
        except OSError as error:
            raise DataError(f"{dataset} below {root} cannot be read: {error}.") from error
    if as_json:
        findings = [{"path": finding.path, "problem": finding.problem} for finding in scan.findings]
        print_json(
            {
                "dataset": dataset,
                "root": str(root),
                "counts": dict(scan.counts),
                "findings": findings,
                "how_to_get": found.how_to_get,
            }
        )
        raise typer.Exit(DataError.exit_code if scan.findings else 0)
    console = make_console()
    listing = listing_of("", "")
    for name, count in scan.counts.items():
        listing.add_row(escape(name), str(count))
    console.print(listing)
    refuse(scan, found, root)
    console.print(f"{dataset} below {root} is whole", highlight=False, markup=False, soft_wrap=True)


@app.command(
    epilog=examples(
        "dymu data fetch cifar100 --root ~/data", "dymu data fetch mnist --url https://mirror.example/mnist/"
    )
)
def fetch(
    dataset: Annotated[
        str, typer.Argument(metavar="DATASET", help="A dataset with a free download, such as cifar100.")
    ],
    root: Root,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another source: the archive, or the folder (ending in /) that holds the archives.",
        ),
    ] = None,
) -> None:
    """Download DATASET, compare it with its checksums and unpack it; a fetch that was cut off goes on."""
    from dymu.data.fetch import fetch as fetch_recipe
    from dymu.data.known import KNOWN

    known = KNOWN.get(dataset)
    if known is None:
        raise SpecError(f"there is no dataset {dataset!r} to fetch; there is {_fetchable()}.")
    if known.recipe is None:
        raise SpecError(
            f"{dataset} has no free download, so dymu fetches {_fetchable()} only. {known.dataset.how_to_get}"
        )
    with _progress(f"fetching {dataset}", shown=True, binary=True) as tell:
        fetched = fetch_recipe(known.recipe, root, url=url, tell=tell)
    verb = "is now" if fetched else "was already"
    make_console().print(
        f"{dataset} {verb} in {root / known.recipe.folder}", highlight=False, markup=False, soft_wrap=True
    )


def _find(text: str) -> "Official":
    """The dataset with a name, or that of a study."""
    from dymu.data.known import KNOWN
    from dymu.data.official import Official
    from dymu.run.target import load_study

    if text in KNOWN:
        return KNOWN[text].dataset
    if "." not in text and ":" not in text:
        raise SpecError(
            f"there is no dataset {text!r}; there is {', '.join(KNOWN)}. Name a study "
            "(studies.MODULE:NAME) to check the dataset that it uses."
        )
    dataset = load_study(text, folder=Path.cwd()).dataset
    if not isinstance(dataset, Official):
        raise SpecError(
            f"{text} uses {type(dataset).__name__}, which is generated: there are no files to check."
        )
    return dataset


def _fetchable() -> str:
    from dymu.data.known import KNOWN

    return ", ".join(name for name, known in KNOWN.items() if known.recipe is not None)


@contextmanager
def _progress(title: str, *, shown: bool, binary: bool = False) -> "Iterator[Tell]":
    """A bar on standard error while the work lasts, if somebody looks."""
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    columns = (DownloadColumn(), TransferSpeedColumn()) if binary else (MofNCompleteColumn(),)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not (shown and console.is_terminal),
    )
    with bar:
        task = bar.add_task(escape(title), total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
