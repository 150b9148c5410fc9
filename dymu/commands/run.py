"""The verb ``run``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from dymu.artifacts.location import open_store
from dymu.artifacts.store import Store
from dymu.commands.console import complain, make_console, show_warnings
from dymu.commands.options import (
    Arms,
    BackendName,
    Baseline,
    CheckpointSeconds,
    CheckpointSteps,
    Device,
    OutDir,
    Overrides,
    ResourceSettings,
    SeedList,
    Seeds,
    StoreDir,
    TargetText,
    TrackingUri,
    Workers,
    examples,
)
from dymu.commands.planning import names_of, planned
from dymu.commands.search import OptunaStorage, Trials, check_flags, run_search
from dymu.errors import ReportError

if TYPE_CHECKING:
    from dymu.artifacts.manifest import Manifest
    from dymu.run.plan import Plan
    from dymu.run.study import RunOptions
    from dymu.run.studylog import StudyConsole

# Of figures: MLflow's description of a run embeds the first, which has the size of print; the other is for
# whoever opens the files.
_SHOWN = ("svg", "png")

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu run ablations.branching_regularizer",
        "dymu run studies.digits:ours --seeds 3 --backend local",
        note="Ctrl-C writes checkpoints; the same command goes on from there.",
    )
)
def run(
    target: TargetText,
    study: Baseline = None,
    override: Overrides = None,
    arm: Arms = None,
    seeds: Seeds = None,
    seed_list: SeedList = None,
    trials: Trials = None,
    optuna_storage: OptunaStorage = None,
    backend: Annotated[
        BackendName,
        typer.Option(help="Ray (a local cluster that the command starts and stops), or this process."),
    ] = BackendName.RAY,
    address: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            envvar="RAY_ADDRESS",
            help="A running Ray cluster whose nodes all see the store and this folder.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Most chains of steps at once.  \\[default: what fits]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Cores a step; changes the last bits of results.")
    ] = None,
    workers: Workers = None,
    resource: ResourceSettings = None,
    device: Annotated[
        Device, typer.Option(help="Where tensors live; with cuda each step takes a GPU.")
    ] = Device.CPU,
    checkpoint_seconds: CheckpointSeconds = 10.0,
    checkpoint_steps: CheckpointSteps = None,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="DYMU_DATA", help="Folder of data sets that are not generated."),
    ] = None,
    tracking_uri: TrackingUri = None,
    no_tracking: Annotated[
        bool, typer.Option("--no-tracking", metavar="", help="Do not tell MLflow.")
    ] = False,
    out: OutDir = None,
    store: StoreDir = None,
) -> None:
    """Run what TARGET still needs; print its table, draw its figures and tell MLflow.

    Exit codes: 0 all right, 1 some arms failed (the others finished), 2 bad input, 3 store, Ray or MLflow
    cannot be used, 4 records are missing, 130 interrupted.
    """
    from dymu.run.place import Place
    from dymu.run.provenance import code_diff, code_version
    from dymu.run.resources import resource_table
    from dymu.run.search.target import find_search, stages_of
    from dymu.run.study import RunOptions
    from dymu.run.studylog import study_log
    from dymu.stages.world import TRAINING_STAGES

    opened = open_store(store)
    folder = Path.cwd()
    found = find_search(target, folder=folder, trials=trials)
    made: Plan | None = None
    wanted: tuple[int, ...] = ()
    if found is None:
        made = planned(opened, target, study, override, arm, seeds, seed_list)
        names, stages = [each.name for each in made.targets], {step.stage for step in made.steps}
    else:
        wanted = check_flags(found, seeds=seeds, seed_list=seed_list, study=study, override=override, arm=arm)
        names, stages = [found.name], stages_of(found, folder=folder)
    place = Place(
        data_root=data_root.absolute() if data_root is not None else None,
        device=device.value,
        resources=resource_table(
            resource or (),
            workers=workers,
            threads=threads,
            trained=TRAINING_STAGES,
            known={*TRAINING_STAGES, *stages},
        ),
        checkpoint_seconds=checkpoint_seconds,
        checkpoint_steps=checkpoint_steps,
        code=code_version(folder),
        capture_output=backend is BackendName.RAY,
    )
    if made is not None and place.resources.apart:
        made = planned(opened, target, study, override, arm, seeds, seed_list, apart=True)
    options = RunOptions(
        backend=backend.value,
        address=address,
        concurrency=concurrency,
        place=place,
        tracking=not no_tracking,
        tracking_uri=tracking_uri,
    )
    with study_log(opened, names, make_console(), code_diff(folder)) as console:
        show_warnings(console)
        if found is not None:
            code = run_search(
                found,
                opened,
                options,
                console,
                text=target,
                seeds=wanted,
                storage=optuna_storage,
                out=out,
            )
        else:
            assert made is not None
            code = _carry_out(made, opened, options, console, out)
    raise typer.Exit(code)


def _carry_out(
    made: "Plan", store: Store, options: "RunOptions", console: "StudyConsole", out: Path | None
) -> int:
    """Run a plan and say what came of it; the exit code."""
    from dymu.run.estimate import estimate
    from dymu.run.study import run_study
    from dymu.run.views import plan_summary

    summary = plan_summary(made, estimate(made.missing, store))
    console.print(f"{names_of(made)}: {summary}", soft_wrap=True, highlight=False)
    outcome = run_study(
        made, store, options, console, report=lambda manifest: report_of(manifest, store, out, console)
    )
    errors = [f"arm {made.name_of(use)}, seed {use.seed}: {f.text}" for use, f in outcome.failures.items()]
    for error in [*errors, outcome.tracking_error]:
        if error:
            complain(error)
            console.note(f"Error: {error}")
    if outcome.interrupted:
        console.print("Interrupted. Checkpoints are kept; the same command goes on from there.")
    served = "" if options.tracking_uri else "  (`dymu ui` serves the database of the store)"
    for url in outcome.urls:
        console.print(f"MLflow: {url}{served}", soft_wrap=True)
    return outcome.exit_code


def report_of(manifest: "Manifest", store: Store, out: Path | None, console: Console) -> Sequence[Path]:
    """Print the table of a target and draw its figures, as far as records allow; the files.

    Figures are in the formats that MLflow shows; `dymu figure` writes PDF as well.
    """
    from dymu.reports import collect, figures, render
    from dymu.reports.metric_table import table_of

    if any(arm.ad_hoc for arm in manifest.arms):
        console.print("Ad hoc overrides: no table or figure; `dymu status` shows the steps.", soft_wrap=True)
        return []
    folder = out or store.root / "reports" / manifest.name
    try:
        results = collect.results_of(store, manifest)
        made = table_of(results)
        console.print(render.terminal(made))
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "table.md", folder / "table.csv", folder / "table.tex"]
        for path, style in zip(files, ("markdown", "csv", "latex"), strict=True):
            path.write_text(render.render(made, style), encoding="utf-8")
        for name in figures.for_run(results, store):
            files += figures.draw(name, results, store, folder, formats=_SHOWN)
    except ReportError as error:
        console.print(f"No report yet: {error}", soft_wrap=True, highlight=False)
        return []
    console.print(f"Tables and figures: {folder}", soft_wrap=True, highlight=False)
    return files
