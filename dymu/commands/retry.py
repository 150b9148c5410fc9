"""The verb ``retry``."""

import json
import os
import shlex
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dymu.commands.console import make_console, one_study, reading
from dymu.commands.forward import takes_run_flags
from dymu.commands.options import Address, BackendName, StoreDir, examples
from dymu.commands.planning import planned
from dymu.commands.run import run
from dymu.commands.submit import submit
from dymu.errors import NothingToDoError, SpecError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dymu.artifacts.manifest import Manifest
    from dymu.artifacts.store import Store
    from dymu.run.status import StageStatus

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu retry --failed digits-ours", "dymu retry --failed digits-ours --address http://localhost:8265"
    )
)
@partial(takes_run_flags, without=("study", "override", "arm", "seeds", "seed_list"))
def retry(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A study or question; by default the study there is."),
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", metavar="", help="The arms and seeds that failed.")
    ] = False,
    backend: Annotated[BackendName, typer.Option(help="Where to run without a cluster.")] = BackendName.RAY,
    address: Address = None,
    store: StoreDir = None,
    **flags: Any,
) -> None:
    """Run again just what failed: here or, if a cluster is named, there. Takes the flags of `dymu run`.

    Exit codes: those of `dymu run` or `dymu submit`; 4 if nothing failed.
    """
    from dymu.artifacts.location import open_store
    from dymu.run.jobs.address import known_job_server
    from dymu.run.status import study_status

    if not failed:
        raise SpecError("say what to repeat: --failed.")
    opened = reading(store)
    manifest = opened.manifest(one_study(opened, name))
    states = [state for state in study_status(opened, [manifest]) if state.state == "failed"]
    if not states:
        raise NothingToDoError(f"no step of {manifest.name} has failed.")
    asked = _asked(opened, manifest, states)
    _forget(open_store(opened.location), states)
    console = make_console()
    for state in {state.address: state for state in states}.values():
        console.print(f"Again: {state.arm} seed {state.seed} {state.stage} ({state.error})", markup=False)
    server = known_job_server(address, os.environ)
    if server is not None:
        submit(address=server, store=opened.location, **asked, **flags)
    else:
        ray = os.environ.get("RAY_ADDRESS")
        run(backend=backend, address=ray, store=opened.location, **asked, **flags)


def _asked(store: "Store", manifest: "Manifest", states: "Sequence[StageStatus]") -> dict[str, Any]:
    """The arms and seeds that failed, in words of `dymu run`."""
    target, *more = shlex.split(manifest.target)
    arms = [arm for arm in manifest.arms if arm.name in {state.arm for state in states}]
    ad_hoc = {path: value for arm in arms for path, value in arm.ad_hoc.items()}
    seeds = sorted({state.seed for state in states})
    asked: dict[str, Any] = {
        "target": target,
        "study": more[1] if more[:1] == ["--study"] else None,
        "override": [f"{path}={json.dumps(value)}" for path, value in ad_hoc.items()] or None,
        "arm": [arm.name for arm in arms] if len(manifest.arms) > 1 else None,
        "seeds": None,
        "seed_list": ",".join(str(seed) for seed in seeds),
    }
    found = [target.name for target in planned(store, **asked).targets]
    if manifest.name not in found:
        raise SpecError(
            f"{manifest.target} is {', '.join(found)} now, not {manifest.name}. Run it again as you did."
        )
    return asked


def _forget(store: "Store", states: "Sequence[StageStatus]") -> None:
    from dymu.run.work import ERROR

    for address in {state.address for state in states}:
        store.pull_work(address)
        (store.work_dir(address) / ERROR).unlink(missing_ok=True)
        store.push_work(address)
