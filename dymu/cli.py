"""The command line: parses, calls, prints; nothing else.

Libraries that take seconds to load are imported by the commands that need them.
"""

import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.table import Table

from dymu import __version__
from dymu.artifacts.store import Store, default_root
from dymu.errors import CorruptArtifactError, DymuError, ReportError, StoreError

if TYPE_CHECKING:
    from dymu.artifacts.manifest import Manifest
    from dymu.run.plan import Plan

app = typer.Typer(
    name="dymu",
    help="Train controllable multi-task networks, take them apart in ablations, compare and report.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
cache = typer.Typer(help="Look after the store.", no_args_is_help=True)
app.add_typer(cache, name="cache")

INTERRUPTED = 130
_TABLES_OF_METHODS = (1, 2, 3, 4)  # the others are about parts of one method


class BackendName(StrEnum):
    """Where steps run."""

    RAY = "ray"
    LOCAL = "local"


class Device(StrEnum):
    """Where tensors live."""

    CPU = "cpu"
    CUDA = "cuda"


class Style(StrEnum):
    """How a table is written."""

    TERMINAL = "terminal"
    MARKDOWN = "markdown"
    CSV = "csv"
    LATEX = "latex"


TargetText = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A question (ablations.branching_regularizer), a study (studies.digits:ours) or all studies of "
        "a module (studies.digits).",
    ),
]
StoreDir = Annotated[
    Path | None,
    typer.Option("--store", metavar="DIR", help="Folder of results.  [default: $DYMU_STORE or .dymu]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Baseline = Annotated[
    str | None, typer.Option("--study", metavar="TARGET", help="Ask the question about this study instead.")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        "-o",
        metavar="PATH=VALUE",
        help="Change the baseline, as in method.edge.active_threshold=0.3; marked ad hoc, never in a table.",
    ),
]
Arms = Annotated[
    list[str] | None, typer.Option("--arm", metavar="NAME", help="Only this arm; may be repeated.")
]
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Seeds 0 to N - 1.  [default: 1]")]
SeedList = Annotated[str | None, typer.Option("--seed-list", metavar="0,4", help="These seeds.")]
StudyName = Annotated[
    str | None,
    typer.Option(
        "--study", metavar="STUDY", help="A study (studies.digits:ours), by default the one there is."
    ),
]
QuestionName = Annotated[
    str | None,
    typer.Option("--question", metavar="QUESTION", help="A question (ablations.branching_regularizer)."),
]
OutDir = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder for files.  [default: STORE/reports/NAME]")
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow server or database.  [default: SQLite in the store]",
    ),
]


@app.command(
    epilog="Examples:  [bold]dymu plan ablations.branching_regularizer --seeds 3[/bold]   "
    "[bold]dymu plan studies.digits:ours -o method.edge.active_threshold=0.3[/bold]"
)
def plan(
    target: TargetText,
    study: Baseline = None,
    override: Overrides = None,
    arm: Arms = None,
    seeds: Seeds = None,
    seed_list: SeedList = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Show the steps of TARGET: what is cached, shared and new, and what it will cost."""
    from dymu.run.estimate import estimate
    from dymu.run.views import plan_form, plan_summary, plan_table

    opened = _existing(store)
    made = _plan(opened, target, study, override, arm, seeds, seed_list)
    cost = estimate(made.missing, opened)
    if as_json:
        _print_json(plan_form(made, cost))
        return
    console = _console()
    console.print(plan_table(made, cost))
    console.print(plan_summary(made, cost), soft_wrap=True, highlight=False)


@app.command(
    epilog="Examples:  [bold]dymu run ablations.branching_regularizer[/bold]   "
    "[bold]dymu run studies.digits:ours --seeds 3 --backend local[/bold]   "
    "Ctrl-C writes checkpoints; the same command goes on from there."
)
def run(
    target: TargetText,
    study: Baseline = None,
    override: Overrides = None,
    arm: Arms = None,
    seeds: Seeds = None,
    seed_list: SeedList = None,
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
        typer.Option(metavar="N", min=1, help="Most chains of steps at once.  [default: what fits]"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Cores a step; changes the last bits of results.")
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where tensors live; with cuda each step takes a GPU.")
    ] = Device.CPU,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="DYMU_DATA", help="Folder of data sets that are not generated."),
    ] = None,
    tracking_uri: TrackingUri = None,
    no_tracking: Annotated[bool, typer.Option("--no-tracking", help="Do not tell MLflow.")] = False,
    out: OutDir = None,
    store: StoreDir = None,
) -> None:
    """Run what TARGET still needs; print its table, draw its figures and tell MLflow.

    Exit codes: 0 all right, 1 some arms failed (the others finished), 2 bad input, 3 store, Ray or MLflow
    cannot be used, 4 records are missing, 130 interrupted.
    """
    from dymu.run.estimate import estimate
    from dymu.run.execute import Place
    from dymu.run.provenance import code_version
    from dymu.run.study import RunOptions, run_study
    from dymu.run.views import plan_summary

    opened = Store(store or default_root())
    made = _plan(opened, target, study, override, arm, seeds, seed_list)
    console = _console()
    _show_warnings(console)
    place = Place(
        data_root=data_root.absolute() if data_root is not None else None,
        device=device.value,
        cpus=threads,
        code=code_version(Path.cwd()),
        capture_output=backend is BackendName.RAY,
    )
    options = RunOptions(
        backend=backend.value,
        address=address,
        concurrency=concurrency,
        place=place,
        tracking=not no_tracking,
        tracking_uri=tracking_uri,
    )
    console.print(
        f"{_names(made)}: {plan_summary(made, estimate(made.missing, opened))}",
        soft_wrap=True,
        highlight=False,
    )
    outcome = run_study(
        made, opened, options, console, report=lambda manifest: _report(manifest, opened, out, console)
    )
    for use, failure in outcome.failures.items():
        _complain(f"arm {made.name_of(use)}, seed {use.seed}: {failure.text}")
    if outcome.tracking_error:
        _complain(outcome.tracking_error)
    if outcome.interrupted:
        console.print("Interrupted. Checkpoints are kept; the same command goes on from there.")
    for url in outcome.urls:
        console.print(f"MLflow: {url}  (`dymu ui` serves the database of the store)", soft_wrap=True)
    raise typer.Exit(outcome.exit_code)


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

    opened = _reading(store)
    states = study_status(opened, [opened.manifest(name) for name in names] if names else opened.manifests())
    if as_json:
        _print_json([state.form() for state in states])
        return
    console = _console()
    for shown in status_tables(states):
        console.print(shown, "")
    for state in states:
        if state.error:
            _complain(f"{state.address} failed: {state.error}\n  log: {state.log}")


@app.command(
    epilog="Examples:  [bold]dymu table 6[/bold]   "
    "[bold]dymu table 6 --study studies.digits:ours --style latex > table6.tex[/bold]"
)
def table(
    number: Annotated[
        int | None,
        typer.Argument(metavar="[NUMBER]", help="Of the paper's table; not needed with --question."),
    ] = None,
    study: StudyName = None,
    question: QuestionName = None,
    style: Annotated[Style, typer.Option(help="How to write it.")] = Style.TERMINAL,
    provenance: Annotated[
        bool, typer.Option("--provenance", help="Name the addresses behind each row.")
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Print a table of the paper with the measured values beside the printed ones, from records."""
    from dymu.reports import collect, render, tables
    from dymu.reports.table import form

    results = collect.find_results(
        _reading(store), number=number, kind="table", study=study, question=question
    )
    make = tables.study_table if number in _TABLES_OF_METHODS else tables.ablation_table
    made = make(results, provenance=provenance)
    if as_json:
        _print_json(form(made))
    elif style is Style.TERMINAL:
        _console().print(render.terminal(made))
    else:
        print(render.render(made, style.value), end="")


@app.command(
    epilog="Examples:  [bold]dymu figure 5 --study studies.digits:ours[/bold]   "
    "[bold]dymu figure curves --out figures[/bold]"
)
def figure(
    which: Annotated[
        str,
        typer.Argument(
            metavar="FIGURE",
            help="The number of the paper's figure (5 is the resource map), or curves for training curves.",
        ),
    ],
    study: StudyName = None,
    question: QuestionName = None,
    out: OutDir = None,
    store: StoreDir = None,
) -> None:
    """Draw a figure of the paper from records; prints the paths of the files."""
    from dymu.reports import collect, figures

    opened = _reading(store)
    number = int(which) if which.isdecimal() else None
    results = collect.find_results(opened, number=number, kind="figure", study=study, question=question)
    folder = out or opened.root / "reports" / results.manifest.name
    for path in figures.draw(which, results, opened, folder):
        print(path)


@app.command(epilog="Example:  [bold]dymu claims --question ablations.branching_regularizer[/bold]")
def claims(
    number: Annotated[int | None, typer.Argument(metavar="[NUMBER]", help="Of the paper's table.")] = None,
    study: StudyName = None,
    question: QuestionName = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Say which claims of the paper are reproduced, not reproduced, or undecided at this many seeds."""
    from dymu.reports import collect, render
    from dymu.reports.claims import check_claims, claims_table
    from dymu.reports.table import form

    results = collect.find_results(
        _reading(store), number=number, kind="table", study=study, question=question
    )
    made = claims_table(check_claims(results))
    if as_json:
        _print_json(form(made))
    else:
        _console().print(render.terminal(made))


@app.command(
    epilog="Example:  [bold]dymu predict studies.digits:ours --preference 0.2,0.3,0.5 --resource 0.5[/bold]"
)
def predict(
    target: Annotated[str, typer.Argument(metavar="STUDY", help="A trained study (studies.digits:ours).")],
    preference: Annotated[
        str, typer.Option(metavar="0.2,0.3,0.5", help="Task preference: one share per task, summing to one.")
    ],
    resource: Annotated[
        float, typer.Option(metavar="C", help="Resource preference from 0 to 1; larger is more frugal.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(metavar="SEED", help="Of the trained controller.")] = 0,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Say which network a trained controller gives for a preference, and what it costs."""
    from dymu.run.predict import parse_preference, predict_network
    from dymu.run.target import load_study

    study = load_study(target, folder=Path.cwd())
    found = predict_network(
        _reading(store),
        study,
        seed,
        task_preference=parse_preference(preference),
        resource_preference=resource,
    )
    if as_json:
        _print_json(found.form())
        return
    listing = _listing("task", "preference", "streams, layer 0 first")
    for task, path in found.paths.items():
        listing.add_row(task, f"{found.task_preference[task]:.3g}", " ".join(str(stream) for stream in path))
    console = _console()
    console.print(listing)
    console.print(
        f"{found.parameters:,.0f} parameters ({found.fraction:.1%} of the anchor net), "
        f"{found.macs:,.0f} multiply-accumulates an image."
    )


@app.command(
    epilog="Examples:  [bold]dymu explain edge/0a1b2c3d4e5f6071 edge/18293a4b5c6d7e8f[/bold]   "
    "[bold]dymu explain studies.digits:ours studies.scenes:ours[/bold]"
)
def explain(
    left: Annotated[
        str, typer.Argument(metavar="A", help="An address, or a study such as studies.digits:ours.")
    ],
    right: Annotated[str, typer.Argument(metavar="B", help="What to compare it with.")],
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Say field by field why two addresses, or the evaluations of two studies, differ."""
    from dymu.artifacts.explain import explain as differences
    from dymu.run.target import load_study

    opened = _existing(store)
    steps = {
        text: load_study(text, folder=Path.cwd()).evaluation_step(0)
        for text in (left, right)
        if "/" not in text
    }
    planned = {step.address: step.form for final in steps.values() for step in final.closure()}
    addresses = [steps[text].address if text in steps else text for text in (left, right)]
    found = differences(opened if opened is not None else {}, *addresses, planned=planned)
    if as_json:
        _print_json([{"path": d.path, "left": d.left, "right": d.right, "steps": d.addresses} for d in found])
        return
    console = _console()
    for difference in found:
        console.print(difference.text, markup=False, soft_wrap=True)
    if not found:
        console.print(f"{left} and {right} are the same: {addresses[0]}", soft_wrap=True)


@cache.command("ls", epilog="Examples:  [bold]dymu cache ls[/bold]   [bold]dymu cache ls edge --json[/bold]")
def cache_ls(
    stage: Annotated[
        str | None, typer.Argument(metavar="[STAGE]", help="Only artifacts of this stage.")
    ] = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """List what is in the store, and who needs it."""
    from dymu.run.status import users_of

    opened = _reading(store)
    users = users_of(opened.manifests())
    sizes = {address: opened.size(address) for address in opened.addresses(stage)}
    if as_json:
        rows = sizes.items()
        _print_json([{"address": a, "bytes": size, "needed_by": users.get(a, [])} for a, size in rows])
        return
    listing = _listing("address", "size", "needed by")
    for address, size in sizes.items():
        listing.add_row(address, _size(size), ", ".join(users.get(address, [])) or "nothing")
    console = _console()
    console.print(listing)
    console.print(f"{len(sizes)} artifacts, {_size(sum(sizes.values()))}", highlight=False)


@cache.command("gc", epilog="Examples:  [bold]dymu cache gc[/bold]   [bold]dymu cache gc --yes[/bold]")
def cache_gc(
    yes: Annotated[bool, typer.Option("--yes", help="Remove; without it only say what would go.")] = False,
    corrupt: Annotated[
        bool, typer.Option("--corrupt", help="Artifacts that do not match their checksums, and nothing else.")
    ] = False,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Remove artifacts that no study refers to, abandoned attempts and stale scratch."""
    from dymu.artifacts.gc import collect, remove_damaged

    opened = Store(_reading(store).root)
    removed = remove_damaged(opened, dry_run=not yes) if corrupt else collect(opened, dry_run=not yes)
    if as_json:
        _print_json(
            [{"kind": r.kind, "address": r.address, "path": str(r.path), "bytes": r.size} for r in removed]
        )
        return
    listing = _listing("what", "address", "size")
    for item in removed:
        listing.add_row(item.kind, item.address, _size(item.size))
    console = _console()
    if removed:
        console.print(listing)
    verb = "removed" if yes else "would go; add --yes to remove them"
    console.print(
        f"{len(removed)} entries, {_size(sum(item.size for item in removed))} {verb}", highlight=False
    )


@cache.command("verify", epilog="Example:  [bold]dymu cache verify && echo sound[/bold]")
def cache_verify(store: StoreDir = None, as_json: Json = False) -> None:
    """Compare every artifact with its checksums; exit code 3 if one is damaged."""
    from dymu.artifacts.gc import verify_all

    checked = list(verify_all(_reading(store)))
    damaged = [(address, str(error)) for address, error in checked if error is not None]
    if as_json:
        _print_json({"checked": len(checked), "damaged": dict(damaged)})
    else:
        for _, error in damaged:
            _complain(error)
        _console().print(f"{len(checked)} artifacts checked, {len(damaged)} damaged", highlight=False)
    raise typer.Exit(CorruptArtifactError.exit_code if damaged else 0)


@app.command(epilog="Example:  [bold]dymu ui --port 5001[/bold]")
def ui(
    port: Annotated[int, typer.Option(metavar="PORT", help="On 127.0.0.1.")] = 5000,
    store: StoreDir = None,
) -> None:
    """Serve the MLflow pages of the store on this machine until Ctrl-C."""
    database = _reading(store).mlflow_dir / "mlflow.db"
    if not database.exists():
        raise StoreError(f"{database} does not exist; run a study first, without --no-tracking.")
    _console().print(f"MLflow on http://127.0.0.1:{port} (Ctrl-C ends it)", highlight=False)
    sys.stdout.flush()
    # One worker and no job runner: MLflow's defaults are a dozen processes.
    os.environ |= {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONWARNINGS": "ignore",
    }
    server = ["-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments = [sys.executable, *server, "--backend-store-uri", f"sqlite:///{database}"]
    os.execv(sys.executable, arguments)  # signals then reach the server itself


@app.command(epilog="Example:  [bold]dymu doctor --json[/bold]")
def doctor(tracking_uri: TrackingUri = None, store: StoreDir = None, as_json: Json = False) -> None:
    """Check versions, store, disk, torch, Ray, MLflow and git; exit code 3 if something is missing."""
    from dymu.run.doctor import examine

    checks = examine(store or default_root(), tracking_uri=tracking_uri, folder=Path.cwd())
    if as_json:
        _print_json([{"name": check.name, "ok": check.ok, "found": check.found} for check in checks])
    else:
        listing = _listing("", "", "")
        for check in checks:
            listing.add_row(check.name, "[green]ok[/]" if check.ok else "[red]fails[/]", escape(check.found))
        _console().print(listing)
    raise typer.Exit(0 if all(check.ok for check in checks) else StoreError.exit_code)


@app.command()
def version() -> None:
    """Print the version of dymu."""
    print(__version__)


def main() -> None:
    """Entry point; an error that a user can act upon is one message, without a traceback."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # for developers: `python -W default -m dymu`
    try:
        app()
    except DymuError as error:
        if os.environ.get("DYMU_DEBUG"):
            raise
        _complain(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _plan(
    store: Store | None,
    target: str,
    study: str | None,
    override: list[str] | None,
    arm: list[str] | None,
    seeds: int | None,
    seed_list: str | None,
) -> "Plan":
    from dymu.run.plan import make_plan
    from dymu.run.target import Request, parse_seeds, resolve

    request = Request(text=target, study=study, overrides=tuple(override or ()), arms=tuple(arm or ()))
    numbers = parse_seeds(seeds, seed_list)
    targets = resolve(request, folder=Path.cwd())
    return make_plan(targets, numbers, has=store.has if store is not None else lambda _: False)


def _report(manifest: "Manifest", store: Store, out: Path | None, console: Console) -> Sequence[Path]:
    """Print the table of a target and draw its figures, as far as records allow; the files."""
    from dymu.reports import collect, figures, render, tables

    if any(arm.ad_hoc for arm in manifest.arms):
        console.print("Ad hoc overrides: no table or figure; `dymu status` shows the steps.", soft_wrap=True)
        return []
    folder = out or store.root / "reports" / manifest.name
    try:
        results = collect.results_of(store, manifest)
        made = tables.ablation_table(results)
        console.print(render.terminal(made))
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / "table.md", folder / "table.csv", folder / "table.tex"]
        for path, style in zip(files, ("markdown", "csv", "latex"), strict=True):
            path.write_text(render.render(made, style), encoding="utf-8")
        for name in figures.for_run(results):
            files += figures.draw(name, results, store, folder)
    except ReportError as error:
        console.print(f"No report yet: {error}", soft_wrap=True, highlight=False)
        return []
    console.print(f"Tables and figures: {folder}", soft_wrap=True, highlight=False)
    return files


def _reading(store: Path | None) -> Store:
    return Store(store or default_root(), read_only=True)


def _existing(store: Path | None) -> Store | None:
    """The store if there is one; looking must not make one."""
    root = store or default_root()
    return Store(root, read_only=True) if root.exists() and any(root.iterdir()) else None


def _names(made: "Plan") -> str:
    return ", ".join(target.name for target in made.targets)


def _console() -> Console:
    # The stream is named, because backends send what libraries print elsewhere while they run.
    return Console(file=sys.stdout)


def _listing(*titles: str) -> Table:
    listing = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", show_header=any(titles))
    for title in titles:
        listing.add_column(title, overflow="fold")
    return listing


def _print_json(form: Any) -> None:
    print(json.dumps(form, indent=1))


def _complain(message: str) -> None:
    Console(stderr=True).print(f"[bold red]Error:[/] {escape(message)}", soft_wrap=True, highlight=False)


def _size(count: int) -> str:
    return f"{count / 1024:.0f} KiB" if count < 1024**2 else f"{count / 1024**2:.1f} MiB"


def _show_warnings(console: Console) -> None:
    """Show dymu's warnings above the progress table instead of through it."""
    logger = logging.getLogger("dymu")
    logger.handlers = [RichHandler(console=console, show_time=False, show_path=False, level=logging.WARNING)]
    logger.propagate = False
