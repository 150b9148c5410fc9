"""Tags of the runs of a study: who they are, where they come from, what the page shows as description."""

import os
from collections.abc import Mapping
from typing import Any

from dymu.artifacts.manifest import Manifest, ManifestArm
from dymu.tracking.news import EVALUATE, Cell

KEY_TAG = "dymu.key"
ROLE_TAG = "dymu.role"
MANIFEST_TAG = "dymu.manifest"


def parent_tags(manifest: Manifest) -> dict[str, str]:
    """Of the run that stands for the whole manifest."""
    return {
        **_source_tags(manifest),
        ROLE_TAG: "parent",
        "mlflow.note.content": "\n\n".join(text for text in (manifest.title, manifest.source) if text),
    }


def arm_tags(manifest: Manifest, arm: ManifestArm, *, role: str, parent_id: str) -> dict[str, str]:
    """Of all runs of an arm."""
    changes = "\n".join(f"- `{path}` = `{value}`" for path, value in arm.changes.items())
    tags = {
        **_source_tags(manifest),
        ROLE_TAG: role,
        "mlflow.parentRunId": parent_id,
        "mlflow.note.content": "\n\n".join(text for text in (arm.label, arm.source, changes) if text),
        "dymu.arm": arm.name,
    }
    if arm.ad_hoc:
        tags["dymu.ad_hoc"] = ", ".join(f"{path}={value}" for path, value in arm.ad_hoc.items())
    return tags


def cell_tags(cell: Cell) -> dict[str, str]:
    """What the run of one arm and seed has besides those of its arm."""
    steps = {f"dymu.step.{stage.replace('#', '.')}": address for stage, address in cell.steps.items()}
    return {"dymu.seed": str(cell.seed), "dymu.evaluation": cell.steps[EVALUATE], **steps}


def origin_tags(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Which code made a result."""
    tags = {}
    if provenance.get("git_revision"):
        tags["mlflow.source.git.commit"] = str(provenance["git_revision"])
    if provenance.get("git_dirty") is not None:
        tags["dymu.git_dirty"] = str(provenance["git_dirty"]).lower()
    return tags


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
