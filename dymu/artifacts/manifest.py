"""A manifest: which addresses a study expects, so that reports need neither torch nor the study's code."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock

from dymu.artifacts.files import disk_errors, write_whole
from dymu.errors import SpecError, StoreError, did_you_mean

MANIFEST_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")


@dataclass(frozen=True, kw_only=True)
class ManifestArm:
    """One arm of a study.

    Attributes:
        name: Stable identifier; the baseline's is ``baseline``.
        label: As printed.
        source: Where the paper prints the row.
        paper: The paper's values by record value name.
        changes: Canonical forms of the changes against the baseline, by dotted path.
        claims: Canonical forms of the claims (``dymu.spec.ablation.Claim``).
        ad_hoc: Overrides given on the command line; such an arm never enters a table.
        steps: Seed (as text) to stage to address, the final evaluation under ``evaluate``.
        identity: Address of the arm's evaluation at seed 0. It stands for all that the arm's seeds share;
            seeds of an arm whose study has changed since are not seeds of the same arm.
    """

    name: str
    label: str
    source: str = ""
    paper: Mapping[str, float] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)
    claims: tuple[Mapping[str, Any], ...] = ()
    ad_hoc: Mapping[str, Any] = field(default_factory=dict)
    steps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    identity: str = ""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a run of a target expects of the store.

    Attributes:
        name: ``<study>`` or ``<study>.<question>``; the file name in the store.
        study: Name of the baseline study.
        target: What ``dymu run`` takes: ``ablations.branching_regularizer``, perhaps with ``--study`` behind.
        title: The question, or the study's name.
        source: The paper's table or figure.
        tasks: Task names.
        arms: Baseline first.
    """

    name: str
    study: str
    target: str
    title: str
    source: str
    tasks: tuple[str, ...]
    arms: tuple[ManifestArm, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds of all arms, ascending."""
        return tuple(sorted({int(seed) for arm in self.arms for seed in arm.steps}))

    def merged(self, older: "Manifest") -> "Manifest":
        """This manifest with the seeds that ``older`` has and this one lacks, for arms that are the same.

        An arm is the same when its identity, changes and ad hoc overrides are.
        """
        known = {_same_arm(arm): arm.steps for arm in older.arms}
        arms = (replace(arm, steps={**known.get(_same_arm(arm), {}), **arm.steps}) for arm in self.arms)
        return replace(self, arms=tuple(arms))

    def dumps(self) -> str:
        """JSON text."""
        return json.dumps({"format": MANIFEST_FORMAT, **asdict(self)}, sort_keys=True, indent=1) + "\n"


def loads_manifest(text: str, *, where: str) -> Manifest:
    """Parse a manifest.

    Raises:
        StoreError: If the text was written by a newer dymu or is not a manifest.
    """
    try:
        form = json.loads(text)
        written = form.pop("format")
        if written == MANIFEST_FORMAT:
            arms = tuple(ManifestArm(**{**arm, "claims": tuple(arm["claims"])}) for arm in form.pop("arms"))
            return Manifest(**{**form, "tasks": tuple(form["tasks"]), "arms": arms})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{where} is not a manifest: {error}. Run the study again to write it anew."
        ) from error
    raise StoreError(
        f"{where} has manifest format {written}; this dymu reads format {MANIFEST_FORMAT}. "
        "Install the dymu that wrote it."
    )


def save_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest below a folder, with the seeds that the one of this name has beyond it.

    Raises:
        StoreError: If the disk refuses, or the older manifest cannot be read; it is then unchanged.
    """
    path = folder / manifest_file(manifest.name)
    with disk_errors(path, doing="write"):
        folder.mkdir(parents=True, exist_ok=True)
        # Two runs of one study with different seeds must not lose each other's.
        with FileLock(folder / ".lock"):
            merged = manifest.merged(read_manifest(folder, manifest.name)) if path.exists() else manifest
            write_whole(path, merged.dumps())


def read_manifest(folder: Path, name: str) -> Manifest:
    """Read a manifest below a folder.

    Raises:
        StoreError: If there is none (names those that exist), or it cannot be read.
    """
    path = folder / manifest_file(name)
    if not path.exists():
        raise unknown_manifest(str(folder.parent), name, manifest_names(folder))
    with disk_errors(path, doing="read"):
        return loads_manifest(path.read_text(encoding="utf-8"), where=str(path))


def manifest_names(folder: Path) -> list[str]:
    """Names of the manifests below a folder, sorted; none if it does not exist."""
    return sorted(path.stem for path in folder.glob("[!.]*.json"))


def manifest_file(name: str) -> str:
    """File name of a manifest.

    Raises:
        SpecError: If the name is none.
    """
    if _NAME.fullmatch(name) is None:
        raise SpecError(f"{name!r} does not name a study; expected letters, digits, '-', '_' and '.'.")
    return f"{name}.json"


def unknown_manifest(where: str, name: str, known: Sequence[str]) -> StoreError:
    """The error that a store has no manifest of a name."""
    listed = ", ".join(known) or "none"
    return StoreError(
        f"{where} knows no study {name!r}{did_you_mean(name, known)}; it has: {listed}. Run it first."
    )


def _same_arm(arm: ManifestArm) -> str:
    return json.dumps([arm.name, arm.identity, arm.changes, arm.ad_hoc], sort_keys=True)
