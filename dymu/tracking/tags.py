"""Tags of the runs of a study: who they are, where they come from, what the page shows as description."""

import os
import re
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.tracking.naming import MAX_TAG
from dymu.tracking.news import EVALUATE, Cell

KEY_TAG = "dymu.key"
ROLE_TAG = "dymu.role"
MANIFEST_TAG = "dymu.manifest"
PARENT_TAG = "mlflow.parentRunId"
# And the name of a file of the parent run; the value is its SHA-256. What begins with mlflow. is not shown.
FILE_TAG = "mlflow.dymu.file."
NOTE_TAG = "mlflow.note.content"

_TOGETHER = re.compile(r"(?<=±) (?=\d)|(?<=\(g) (?=[+-])|(?<= c) (?== )|(?<= c =) (?=\d)|(?<=\d) (?=[↑↓])")


def parent_tags(manifest: Manifest) -> dict[str, str]:
    """Of the run that stands for the whole manifest."""
    return {
        **_source_tags(manifest),
        ROLE_TAG: "parent",
        NOTE_TAG: "\n\n".join(text for text in (manifest.title, manifest.source) if text),
    }


def note_with_files(manifest: Manifest, files: Iterable[Path], *, run_id: str) -> dict[str, str]:
    """The description of the parent run with its tables, and figures as far as it may be that long.

    Args:
        manifest: What the run stands for.
        files: Files that the run keeps; tables are those in Markdown, figures those in SVG, which have the
            size of print. Pictures of more pixels than the page is wide would push its other parts away.
        run_id: The run, from which the page takes the figures.

    Returns:
        The tag; empty if there is nothing to add.
    """
    ordered = list(files)
    tables = [_roomy(path.read_text(encoding="utf-8")) for path in ordered if path.suffix == ".md"]
    # The address is relative, so that it holds wherever the page is served from.
    figures = [
        f"![{path.stem}](get-artifact?path={folder_of(path)}/{quote(path.name)}&run_uuid={run_id})"
        for path in ordered
        if path.suffix == ".svg"
    ]
    # The page shows the first lines of a description. Those of a table, which has a title, say most.
    about = parent_tags(manifest)[NOTE_TAG]
    text = "\n\n".join(tables)
    if not text or len(text) > MAX_TAG:
        text = about
    notes = accumulate(figures, "{} {}".format)
    fitting = [text, *(note for row in notes if len(note := f"{text}\n\n{row}") <= MAX_TAG)]
    return {NOTE_TAG: fitting[-1]} if fitting[-1] != about else {}


def _roomy(table: str) -> str:
    """A table in Markdown with room between its columns, which the page does not make, and fewer line breaks.

    The page breaks the lines of a cell wherever there is a space, also within ``± 2.5`` and ``c = 0``.
    """
    return "\n".join(
        _TOGETHER.sub("\u00a0", line).replace(" | ", "&ensp; | ")
        if line.startswith("|") and not set(line) <= set("|:- ")
        else line
        for line in table.splitlines()
    )


def folder_of(path: Path) -> str:
    """The folder of the parent run that keeps a file."""
    if path.suffix == ".html":
        return "report"
    return "figures" if path.suffix in (".svg", ".pdf", ".png") else "tables"


def arm_tags(manifest: Manifest, arm: ManifestArm, *, role: str, parent_id: str) -> dict[str, str]:
    """Of all runs of an arm."""
    changes = "\n".join(f"- `{path}` = `{value}`" for path, value in arm.changes.items())
    tags = {
        **_source_tags(manifest),
        ROLE_TAG: role,
        PARENT_TAG: parent_id,
        NOTE_TAG: "\n\n".join(text for text in (arm.label, arm.source, changes) if text),
        "dymu.arm": arm.name,
    }
    if arm.ad_hoc:
        tags["dymu.ad_hoc"] = ", ".join(f"{path}={value}" for path, value in arm.ad_hoc.items())
    return tags


def cell_tags(cell: Cell) -> dict[str, str]:
    """What the run of one arm and seed has besides those of its arm."""
    steps = {f"dymu.step.{_tag_name(stage)}": address for stage, address in cell.steps.items()}
    return {"dymu.seed": str(cell.seed), "dymu.evaluation": cell.steps[EVALUATE], **steps}


def origin_tags(provenance: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Which code made a result, and where each stage of it ran.

    Args:
        provenance: Stage to its provenance; the code is that of the evaluation.
    """
    tags = {}
    code = provenance.get(EVALUATE, {})
    if code.get("git_revision"):
        tags["mlflow.source.git.commit"] = str(code["git_revision"])
    if code.get("git_dirty") is not None:
        tags["dymu.git_dirty"] = str(code["git_dirty"]).lower()
    for stage, form in provenance.items():
        for fact in ("device", "workers"):
            if form.get(fact) is not None:
                tags[f"dymu.{fact}.{_tag_name(stage)}"] = str(form[fact])
    return tags


def cost_values(provenance: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Seconds that the stages of an arm at one seed took: by the clock, of CPU, of GPUs if there are any.

    A stage that arms share counts in each of them, as in a run of that arm alone.

    Args:
        provenance: Stage to its provenance.
    """
    values: dict[str, float] = {}
    for stage, form in provenance.items():
        spent = {"wall": float(form.get("wall_s", 0.0)), "cpu": float(form.get("cpu_s", 0.0))}
        if str(form.get("device", "")).startswith("cuda"):
            spent["device"] = spent["wall"] * max(1, int(form.get("workers") or 1))
        for kind, seconds in spent.items():
            values[f"seconds/{kind}/{stage}"] = seconds
            values[f"seconds/{kind}"] = values.get(f"seconds/{kind}", 0.0) + seconds
    return values


def _source_tags(manifest: Manifest) -> dict[str, str]:
    tags = {
        MANIFEST_TAG: manifest.name,
        "dymu.study": manifest.study,
        "dymu.question": manifest.title,
        "mlflow.source.name": manifest.target,
        "mlflow.source.type": "LOCAL",
    }
    user = os.environ.get("USER", "")
    return {**tags, "mlflow.user": user} if user else tags


def _tag_name(stage: str) -> str:
    return stage.replace("#", ".")
