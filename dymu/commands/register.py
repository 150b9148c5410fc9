"""The verb ``register``: a trained controller as a model that MLflow serves."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dymu.commands.console import make_console, print_json
from dymu.commands.options import Json, StoreDir, TrackingUri, examples

if TYPE_CHECKING:
    from dymu.artifacts.step import Step
    from dymu.artifacts.store import Store

app = typer.Typer()


@app.command(
    epilog=examples(
        "dymu register studies.digits:ours --name digits",
        "dymu register evaluate/0a1b2c3d4e5f6071 --name digits --tracking-uri http://HOST:5000",
    )
)
def register(
    target: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|ADDRESS",
            help="A trained study (studies.digits:ours), or the address of an evaluation.",
        ),
    ],
    name: Annotated[str, typer.Option(metavar="NAME", help="Of the model in MLflow's registry.")],
    seed: Annotated[int, typer.Option(metavar="SEED", help="Of a study's trained controller.")] = 0,
    calibration: Annotated[
        int,
        typer.Option(
            metavar="BATCHES",
            min=0,
            help="Batches of training images that go with it, so that it predicts each image by itself; "
            "with 0, predictions depend on the images of one request, as in the evaluation.",
        ),
    ] = 4,
    data_root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", envvar="DYMU_DATA", help="Folder of data sets that are not generated."),
    ] = None,
    tracking_uri: TrackingUri = None,
    store: StoreDir = None,
    as_json: Json = False,
) -> None:
    """Register a trained controller in MLflow as a version of a model, with its code and pinned packages."""
    from dymu.artifacts.location import open_store
    from dymu.data.examples import DataPlace
    from dymu.product import registering
    from dymu.product.loading import database_uri

    opened = open_store(store)
    step, experiment = _found(opened, target, seed)
    controller = registering.controller_with_images(
        opened,
        step,
        data=DataPlace(
            cache_dir=opened.data_cache, root=data_root.absolute() if data_root is not None else None
        ),
        num_batches=calibration,
    )
    version = registering.register(
        controller, name=name, experiment=experiment, store=opened, tracking_uri=tracking_uri
    )
    uri = tracking_uri or database_uri(opened)
    if as_json:
        print_json(
            {
                "name": version.name,
                "version": version.version,
                "uri": version.uri,
                "address": step.address,
                "tracking_uri": uri,
            }
        )
        return
    console = make_console()
    console.print(f"{version.uri} is {step.address}", highlight=False, soft_wrap=True)
    console.print(
        f"MLFLOW_TRACKING_URI={uri} mlflow models serve -m {version.uri} --env-manager local -p 5001",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _found(store: "Store", target: str, seed: int) -> "tuple[Step, str]":
    """The step that is meant and the experiment of its study."""
    from dymu.artifacts.store import ADDRESS
    from dymu.product.published import published_step
    from dymu.run.target import load_study

    if ADDRESS.fullmatch(target) is None:
        study = load_study(target, folder=Path.cwd())
        return published_step(store, study.evaluation_step(seed).address), study.name
    told = (
        manifest.study
        for manifest in store.manifests()
        for arm in manifest.arms
        for steps in arm.steps.values()
        if target in steps.values()
    )
    return published_step(store, target), next(told, "controllers")
