"""Arguments and flags that more than one verb takes, so that they mean the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape


def examples(*commands: str, note: str = "") -> str:
    """The end of a verb's help: a command a line, as it is typed, and perhaps a sentence."""
    lines = (f"[bold]{escape(command)}[/bold]" for command in commands)
    return "\n".join(("Examples:" if len(commands) > 1 else "Example:", *lines, *([note] if note else [])))


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
    HTML = "html"
    JSON = "json"


class FigureFormat(StrEnum):
    """What a figure is written as."""

    SVG = "svg"
    PDF = "pdf"
    PNG = "png"


TargetText = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="A question (ablations.branching_regularizer), a study (studies.digits:ours) or all studies of "
        "a module (studies.digits).",
    ),
]
StoreDir = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="PLACE",
        help="Where results are: a folder, or s3://, gs:// or az:// with bucket and prefix.  "
        "\\[default: $DYMU_STORE or .dymu]",
    ),
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="URL",
        help="Dashboard of a cluster (http://HEAD:8265).  "
        "\\[default: $RAY_API_SERVER_ADDRESS, then $RAY_ADDRESS]",
    ),
]
Json = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON instead of a table.")]
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
Seeds = Annotated[int | None, typer.Option("--seeds", metavar="N", help="Seeds 0 to N - 1.  \\[default: 1]")]
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
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder for files.  \\[default: STORE/reports/NAME]"),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        help="Processes that train a step together; 0 trains in the process that has the step.  "
        "\\[default: 0]",
    ),
]
ResourceSettings = Annotated[
    list[str] | None,
    typer.Option(
        "--resource",
        metavar="STAGE.FIELD=VALUE",
        help="What a stage takes: workers, cpus, gpus, memory, parts; as in edge.gpus=0.5. May be repeated.",
    ),
]
CheckpointSeconds = Annotated[
    float,
    typer.Option(
        "--checkpoint-seconds",
        metavar="S",
        min=0.0,
        help="Least time between two checkpoints of a training: what a killed process loses at most.",
    ),
]
CheckpointSteps = Annotated[
    int | None,
    typer.Option(
        "--checkpoint-steps",
        metavar="N",
        min=1,
        help="Write a checkpoint after N training steps even before that time.  \\[default: by time alone]",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri",
        metavar="URI",
        envvar="MLFLOW_TRACKING_URI",
        help="MLflow server or database.  \\[default: SQLite in the store]",
    ),
]
