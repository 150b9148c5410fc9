"""The verb ``submit``."""

import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dymu.artifacts.location import open_store
from dymu.commands.console import complain, existing, make_console
from dymu.commands.forward import takes_run_flags, words_of
from dymu.commands.options import Address, Device, StoreDir, TargetText, examples
from dymu.commands.planning import planned
from dymu.commands.search import budgets_of, check_flags, show_budgets
from dymu.errors import NothingToDoError, SpecError, TrackingError

if TYPE_CHECKING:
    from rich.console import Console

    from dymu.artifacts.store import Store
    from dymu.run.estimate import Estimate
    from dymu.run.plan import Plan
    from dymu.run.search.target import AnySearch

INTERRUPTED = 130

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu submit ablations.branching_regularizer --seeds 6 --device cuda",
        "dymu submit studies.digits:ours --address http://localhost:8265 --dry-run",
    )
)
@takes_run_flags
def submit(
    target: TargetText,
    address: Address = None,
    store: StoreDir = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", metavar="PATTERN", help="Do not send these files, as in .gitignore; may be repeated."
        ),
    ] = None,
    env: Annotated[
        list[str] | None,
        typer.Option("--env", metavar="NAME=VALUE", help="Set a variable on the cluster; may be repeated."),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(metavar="HOURS", min=0, help="Ask before more than so many core- or GPU-hours."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", metavar="", help="Do not ask.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", metavar="", help="Say what would be sent; send nothing.")
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", metavar="", help="Show its log to its end; Ctrl-C leaves it running."),
    ] = False,
    **flags: Any,
) -> None:
    """Have a Ray cluster run what TARGET still needs. Takes the flags of `dymu run`.

    The working directory is sent along, without .git and what .gitignore and .rayignore name. A study that
    is live already is refused; one that ended goes on from its checkpoints.

    Exit codes: 0 submitted, 2 bad input, 3 the store or the cluster cannot be used, 4 nothing to run.
    """
    from dymu.run.jobs.address import job_server
    from dymu.run.jobs.client import connect
    from dymu.run.jobs.package import mib, pack, survey
    from dymu.run.jobs.submission import Asked, inside, location_of, next_id, order_of, tracking_of
    from dymu.run.provenance import DIFF_FILE, code_diff, code_version

    console = make_console()
    server = job_server(address, os.environ)
    variables = _variables(env)
    place, remark = location_of(store, os.environ)
    opened = existing(place)
    device = Device(flags["device"])
    made, names, cost = _shown(target, opened, flags, device, console)
    console.print(_hours(cost, device), highlight=False)
    for text in (remark, "" if opened is not None else f"No store is seen at {place} from here."):
        if text:
            console.print(text, soft_wrap=True, highlight=False)
    _absolute(flags, console)
    folder = Path.cwd()
    code, diff = code_version(folder), code_diff(folder)
    cargo = survey(folder, [*(exclude or ()), *inside(place, folder)])
    revision = code.revision[:12] if code.revision else "no git revision"
    dirty = ", with changes that are not committed" if code.dirty else ""
    console.print(f"Code: {revision}{dirty}; {len(cargo.sizes)} files, {mib(cargo.size)}.", highlight=False)
    if not dry_run:
        _confirm(cost, budget, yes)
    jobs = None if dry_run else connect(server)
    nodes = jobs.nodes() if jobs is not None else []
    if not flags["no_tracking"]:
        uri, remark = tracking_of(flags["tracking_uri"], place, nodes, server)
        flags["tracking_uri"] = uri
        if remark:
            console.print(remark, soft_wrap=True, highlight=False)
    asked = Asked(
        target=target,
        words=tuple(words_of(flags)),
        studies=names,
        store=place,
    )
    if jobs is None:
        console.print(f"Would be {asked.prefix}-N at {server}: {' '.join(asked.command)}", soft_wrap=True)
        return
    job_id = next_id(asked, jobs.all())
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        archive = pack(cargo, Path(scratch) / "code.zip", {DIFF_FILE: diff} if diff else {})
        size = archive.stat().st_size
        jobs.submit(order_of(asked, job_id, archive, code, server=server, environment=variables))
    console.print(
        f"Submitted as {job_id} ({mib(size)} sent, {time.monotonic() - began:.1f} s).\n"
        f"  dymu logs -f {job_id}      what it says\n"
        f"  dymu status {' '.join(asked.studies)}      how far it is\n"
        f"  dymu stop {job_id}      write checkpoints and end",
        highlight=False,
        soft_wrap=True,
    )
    if not flags["no_tracking"] and made is not None:
        console.print(f"MLflow: {_link(made, place, flags['tracking_uri'], server)}", soft_wrap=True)
    if follow:
        from dymu.commands.logs import show_job

        raise typer.Exit(show_job(jobs, job_id, follow=True))


def _shown(
    target: str, store: "Store | None", flags: dict[str, Any], device: Device, console: "Console"
) -> "tuple[Plan | None, tuple[str, ...], Estimate]":
    """Show what TARGET still needs; its plan unless it is a search, names of its studies, and its cost."""
    from dymu.run.estimate import estimate
    from dymu.run.search.target import find_search
    from dymu.run.views import plan_summary, plan_table

    what = {name: flags[name] for name in ("study", "override", "arm", "seeds", "seed_list")}
    found = find_search(target, folder=Path.cwd(), trials=flags["trials"])
    if found is not None:
        check_flags(found, **what)
        return None, (found.name,), _searched(found, store, device, console)
    made = planned(store, target, *what.values())
    cost = estimate(made.missing, store, device=device.value)
    console.print(plan_table(made, cost))
    console.print(plan_summary(made, cost), soft_wrap=True, highlight=False)
    if not made.missing:
        raise typer.Exit(NothingToDoError.exit_code)
    return made, tuple(each.name for each in made.targets), cost


def _searched(found: "AnySearch", store: "Store | None", device: Device, console: "Console") -> "Estimate":
    """Show what a search will take."""
    from dymu.run.estimate import Estimate

    budgets = budgets_of(found, store, device=device.value)
    show_budgets(budgets, console)
    return Estimate(
        cpu_s=sum(budget.cpu_s for budget in budgets),
        by_address={budget.search.name: budget.cpu_s for budget in budgets if budget.cpu_s},
        unknown=tuple(sorted({stage for budget in budgets for stage in budget.unknown})),
    )


def _variables(given: list[str] | None) -> dict[str, str]:
    pairs = [text.partition("=") for text in given or ()]
    for name, equals, _ in pairs:
        if not name.isidentifier() or not equals:
            raise SpecError(f"--env {name!r} sets nothing; expected NAME=VALUE.")
    return {name: value for name, _, value in pairs}


def _absolute(flags: dict[str, Any], console: "Console") -> None:
    """Make the folders that go along absolute; the driver's working directory is another one."""
    for name in ("data_root", "out"):
        path = flags.get(name)
        if path is not None and not path.is_absolute():
            flags[name] = path.absolute()
            flag = "--" + name.replace("_", "-")
            console.print(f"{flag} is {flags[name]}; every node must see that folder.", soft_wrap=True)


def _hours(cost: "Estimate", device: Device) -> str:
    unit = "core-hours" if device is Device.CPU else "GPU-hours"
    if not cost.by_address:
        return f"No estimate of {unit}: nothing like it ran before."
    missing = f", not counting {', '.join(cost.unknown)}, which never ran" if cost.unknown else ""
    return f"About {cost.hours:.3g} {unit}, judged by earlier steps{missing}."


def _confirm(cost: "Estimate", budget: float | None, yes: bool) -> None:
    if budget is None or yes or (cost.hours <= budget and not cost.unknown):
        return
    known = f"about {cost.hours:.3g} hours" if cost.by_address else "no estimate"
    more = f" and no estimate for {', '.join(cost.unknown)}" if cost.by_address and cost.unknown else ""
    asked = f"The budget is {budget:g} hours; there is {known}{more}."
    if not sys.stdin.isatty():
        raise SpecError(f"{asked} Add --yes to submit all the same.")
    if not typer.confirm(f"{asked} Submit all the same?"):
        raise typer.Exit(INTERRUPTED)


def _link(made: "Plan", place: str, uri: str | None, server: str) -> str:
    """Where MLflow shows the study; a server that both sides reach is told now, so that there is a page."""
    from dymu.run.jobs.address import is_loopback
    from dymu.tracking.writer import StudyWriter

    shared = existing(place) is not None or "://" in place or is_loopback(server)
    if uri is None or not uri.startswith("http"):
        return "`dymu ui` where the store is serves its database"
    if not shared or (is_loopback(uri) and not is_loopback(server)):
        return uri
    opened = open_store(place)
    urls = []
    for each in made.targets:
        writer = StudyWriter(opened, made.manifest(each), tracking_uri=uri)
        try:
            writer.announce()
        except TrackingError as error:
            complain(f"{error}\n  The study was submitted all the same.")
        urls.append(writer.url())
    return ", ".join(dict.fromkeys(urls))
