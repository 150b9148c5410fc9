"""The verb ``manifest kuberay``."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from dymu.commands.console import complain
from dymu.commands.forward import takes_run_flags, words_of
from dymu.commands.options import StoreDir, TargetText, examples
from dymu.commands.planning import planned
from dymu.commands.search import check_flags
from dymu.errors import SpecError

app = typer.Typer(help="Write what other schedulers take.", no_args_is_help=True)


@app.callback()
def manifest() -> None:
    """Write what other schedulers take."""


@app.command(
    epilog=examples(
        "dymu manifest kuberay studies.digits:ours --image registry/dymu:1.0 "
        "--store s3://bucket/dymu --tracking-uri http://mlflow:5000 | kubectl apply -f -"
    )
)
@takes_run_flags
def kuberay(
    target: TargetText,
    image: Annotated[str, typer.Option(metavar="IMAGE", help="With Ray, dymu and the studies.")],
    store: StoreDir = None,
    claim: Annotated[
        str, typer.Option(metavar="NAME", help="PersistentVolumeClaim that is mounted at the store.")
    ] = "",
    secret: Annotated[
        str, typer.Option(metavar="NAME", help="Secret that becomes environment variables of all pods.")
    ] = "",
    namespace: Annotated[str, typer.Option(metavar="NAME", help="Of Kubernetes.")] = "",
    pods: Annotated[int, typer.Option(metavar="N", min=1, help="Most worker pods.")] = 2,
    pod_cpus: Annotated[int, typer.Option(metavar="N", min=1, help="CPUs of a worker pod.")] = 8,
    pod_gpus: Annotated[int, typer.Option(metavar="N", min=0, help="GPUs of a worker pod.")] = 0,
    pod_memory: Annotated[str, typer.Option(metavar="AMOUNT", help="Memory of a worker pod.")] = "32Gi",
    **flags: Any,
) -> None:
    """Write a RayJob for KubeRay that runs TARGET on pods of its own. Takes the flags of `dymu run`.

    Nothing is sent: the image holds the code. The job asks for a token, which KubeRay makes.
    """
    from dymu.run.jobs.kuberay import Pods, ray_job
    from dymu.run.jobs.submission import Asked, location_of, tracking_of
    from dymu.run.jobs.yaml import to_yaml
    from dymu.run.provenance import code_version, versions
    from dymu.run.search.target import find_search

    place, _ = location_of(store, os.environ)
    what = {name: flags[name] for name in ("study", "override", "arm", "seeds", "seed_list")}
    found = find_search(target, folder=Path.cwd(), trials=flags["trials"])
    if found is not None:
        check_flags(found, **what)
        names: tuple[str, ...] = (found.name,)
    else:
        names = tuple(each.name for each in planned(None, target, *what.values()).targets)
    for name in ("data_root", "out"):
        if flags[name] is not None and not flags[name].is_absolute():
            flag = "--" + name.replace("_", "-")
            raise SpecError(f"{flag} {flags[name]} is relative; expected a path in the pods.")
    if not flags["no_tracking"]:
        flags["tracking_uri"], remark = tracking_of(flags["tracking_uri"], place, [], "http://head:8265")
        if flags["tracking_uri"] is None or flags["tracking_uri"].startswith("sqlite:"):
            raise SpecError(
                "MLflow's database would go with the pods. Name a server with --tracking-uri "
                "http://SERVER:5000, or leave MLflow out with --no-tracking."
            )
        if remark:
            complain(remark)
    code = code_version(Path.cwd())
    if code.dirty:
        complain("the code has changes that are not committed; the image must have them too.")
    asked = Asked(
        target=target,
        words=tuple(words_of(flags)),
        studies=names,
        store=place,
    )
    wanted = Pods(
        image=image,
        workers=pods,
        cpus=pod_cpus,
        gpus=pod_gpus,
        memory=pod_memory,
        claim=claim,
        secret=secret,
        namespace=namespace,
    )
    print(to_yaml(ray_job(asked, wanted, code, versions()["ray"])), end="")
