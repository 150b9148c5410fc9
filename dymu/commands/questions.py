"""Verbs that answer a question about what was trained: ``predict`` and ``explain``."""

from pathlib import Path
from typing import Annotated

import typer

from dymu.commands.console import existing, listing_of, make_console, print_json, reading
from dymu.commands.options import Json, StoreDir, examples

app = typer.Typer()


@app.command(epilog=examples("dymu predict studies.digits:ours --preference 0.2,0.3,0.5 --resource 0.5"))
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
        reading(store),
        study,
        seed,
        task_preference=parse_preference(preference),
        resource_preference=resource,
    )
    if as_json:
        print_json(found.form())
        return
    listing = listing_of("task", "preference", "streams, layer 0 first")
    for task, path in found.paths.items():
        listing.add_row(task, f"{found.task_preference[task]:.3g}", " ".join(str(stream) for stream in path))
    console = make_console()
    console.print(listing)
    console.print(
        f"{found.parameters:,.0f} parameters ({found.fraction:.1%} of the anchor net), "
        f"{found.macs:,.0f} multiply-accumulates an image.",
        soft_wrap=True,
    )


@app.command(
    epilog=examples(
        "dymu explain edge/0a1b2c3d4e5f6071 edge/18293a4b5c6d7e8f",
        "dymu explain studies.digits:ours studies.scenes:ours",
    )
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

    opened = existing(store)
    steps = {
        text: load_study(text, folder=Path.cwd()).evaluation_step(0)
        for text in (left, right)
        if "/" not in text
    }
    planned = {step.address: step.form for final in steps.values() for step in final.closure()}
    addresses = [steps[text].address if text in steps else text for text in (left, right)]
    found = differences(opened if opened is not None else {}, *addresses, planned=planned)
    if as_json:
        print_json([{"path": d.path, "left": d.left, "right": d.right, "steps": d.addresses} for d in found])
        return
    console = make_console()
    for difference in found:
        console.print(difference.text, markup=False, soft_wrap=True)
    if not found:
        console.print(f"{left} and {right} are the same: {addresses[0]}", soft_wrap=True)
