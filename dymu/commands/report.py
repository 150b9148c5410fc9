"""The verb ``report``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.artifacts.location import open_store
from dymu.commands.console import make_console, reading, size_text
from dymu.commands.options import StoreDir, TrackingUri, examples
from dymu.commands.targets import can_run
from dymu.errors import ReportError, StoreError

if TYPE_CHECKING:
    from dymu.artifacts.preference_grid import PreferenceGrid
    from dymu.artifacts.store import Store
    from dymu.reports.collect import Results

app = typer.Typer()


@app.command(
    epilog=examples("dymu report studies.digits:ours", "dymu report ablations.branching_regularizer -o out")
)
def report(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY",
            help="A study (studies.digits:ours), a question (ablations.branching_regularizer), or a name "
            "that `dymu status` lists.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Folder for the file.  \\[default: STORE/reports/NAME]"
        ),
    ] = None,
    allow_mixed: Annotated[
        bool,
        typer.Option(
            "--allow-mixed",
            metavar="",
            help="Note in the report what other data, protocols, revisions or step budgets there are, "
            "instead of refusing.",
        ),
    ] = False,
    no_tracking: Annotated[
        bool, typer.Option("--no-tracking", metavar="", help="Do not tell MLflow.")
    ] = False,
    tracking_uri: TrackingUri = None,
    store: StoreDir = None,
) -> None:
    """Write one HTML file with all that records say: tables, charts, claims, costs, a preference explorer.

    It opens from disk and needs no network. Where a trained controller is in the store, the explorer shows
    what it predicts for any preference; otherwise, what was recorded. A study that MLflow knows keeps the
    file there, too.
    """
    from dymu.artifacts.files import write_whole
    from dymu.reports.html.document import report_page

    opened = reading(store)
    results = _results(opened, study, allow_mixed=allow_mixed)
    folder = out or opened.root / "reports" / results.manifest.name
    path = folder / "report.html"
    try:
        grids = _grids(opened, results, folder / "grids")
        page = report_page(results, opened, grids, exists=can_run)
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(path, page)
    except OSError as error:
        raise ReportError(
            f"the report cannot be written to {folder}: {error.strerror or error}. Name another with -o."
        ) from error
    console = make_console()
    console.print(f"{path} ({size_text(len(page.encode()))})", soft_wrap=True, highlight=False)
    if not no_tracking:
        try:
            url = _keep(open_store(store), results, path, tracking_uri)
        except StoreError as error:
            raise StoreError(f"{error} The report is written; --no-tracking leaves MLflow out.") from error
        if url:
            served = "" if tracking_uri else "  (`dymu ui` serves the database of the store)"
            console.print(f"MLflow: {url}{served}", soft_wrap=True, highlight=False)


def _results(store: "Store", text: str, *, allow_mixed: bool) -> "Results":
    from dymu.reports.collect import find_results, results_of
    from dymu.reports.evidence import study_itself

    manifests = store.manifests()
    named = next((manifest for manifest in manifests if manifest.name == text), None)
    if named is None and (":" in text or text in {manifest.study for manifest in manifests}):
        # A study that only questions were asked about is more than what any one of them shows.
        named = study_itself(store, text)
        if named is not None:
            others = ", ".join(
                f"`dymu report {each.name}`" for each in manifests if each.study == named.study
            )
            found = results_of(store, named, allow_mixed=allow_mixed)
            return replace(found, note=f"Questions about this study have reports of their own: {others}.")
    if named is not None:
        return results_of(store, named, allow_mixed=allow_mixed)
    asked = text.startswith("ablations.")
    return find_results(
        store,
        number=None,
        kind="table",
        study=None if asked else text,
        question=text if asked else None,
        allow_mixed=allow_mixed,
    )


def _grids(store: "Store", results: "Results", cache: Path) -> "dict[tuple[str, int], PreferenceGrid | None]":
    """What the controllers of all arms and seeds predict; torch is loaded only for what is not kept."""
    from dymu.artifacts.preference_grid import kept_grid, save_grid, weights_behind

    found: dict[tuple[str, int], PreferenceGrid | None] = {}
    for cell, record in results.records.items():
        if not weights_behind(record):
            continue
        found[cell] = kept_grid(cache, record)
        if found[cell] is None:
            from dymu.run.preference_grid import preference_grid

            made = found[cell] = preference_grid(store, record)
            if made is not None:
                save_grid(cache, record, made)
    return found


def _keep(store: "Store", results: "Results", path: Path, tracking_uri: str | None) -> str | None:
    """Put the file to the study's parent run; where it is then, or ``None`` if MLflow has no such run."""
    from dymu.tracking.writer import StudyWriter

    writer = StudyWriter(store, results.manifest, tracking_uri=tracking_uri)
    return writer.url() if writer.keep([path]) else None
