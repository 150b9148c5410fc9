"""What may not stand side by side: records of other data, another protocol, revision or number of steps.

A difference that an arm declares among its changes is what the arm is about; all others are found here.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dymu.artifacts.manifest import ManifestArm
from dymu.artifacts.record import Record

TASKS = "the list of tasks"

_PROTOCOL_TYPE = "dymu.spec.evaluation.EvaluationConfig"
# What the protocol means where its form leaves a field out. Pairs are not among these: they enter no value.
_IMPLIED = {"order": "as_listed"}
_STEPS = "num_steps"


@dataclass(frozen=True, kw_only=True)
class Mixture:
    """One thing that is not the same in all records.

    Attributes:
        what: In words.
        sides: Its values, each with the (arm, seed) of the records that have it; at least two.
    """

    what: str
    sides: tuple[tuple[Any, tuple[tuple[str, int], ...]], ...]


def mixtures(records: Mapping[tuple[str, int], Record], arms: Mapping[str, ManifestArm]) -> list[Mixture]:
    """What differs between records although no arm declares it.

    Args:
        records: By arm and seed.
        arms: Arms by name.
    """
    sides: dict[str, dict[str, tuple[Any, list[tuple[str, int]]]]] = {}
    # Seeds and arms share steps, and each step is looked at once.
    known: dict[str, list[tuple[str, int]]] = {}
    for cell in sorted(records):
        for what, value in _told(records[cell], arms[cell[0]], known):
            found = sides.setdefault(what, {})
            found.setdefault(json.dumps(value, sort_keys=True), (value, []))[1].append(cell)
    return [
        Mixture(what=what, sides=tuple((value, tuple(cells)) for value, cells in found.values()))
        for what, found in sides.items()
        if len(found) > 1
    ]


def budgets(record: Record) -> dict[str, int]:
    """Stage and field to its number of training steps: ``edge: optimisation.num_steps``, 900."""
    return {
        f"{_stage(address)}: {path}": steps
        for address, form in record.config.items()
        for path, steps in _steps_in(form.get("config"))
    }


def protocol_of(record: Record) -> Mapping[str, Any]:
    """The evaluation protocol in a record's config, as canonical form."""

    def search(form: Any) -> Iterator[Mapping[str, Any]]:
        if isinstance(form, Mapping):
            if form.get("type") == _PROTOCOL_TYPE:
                yield form
            for below in form.values():
                yield from search(below)
        elif isinstance(form, list):
            for below in form:
                yield from search(below)

    return next(search(record.config.get(record.address)), {})


def _told(
    record: Record, arm: ManifestArm, known: dict[str, list[tuple[str, int]]]
) -> Iterator[tuple[str, Any]]:
    """What a record says of how it was made, without what its arm declares."""
    yield "the digest of the data", record.data_digest
    yield TASKS, record.tasks
    yield from _told_of_judging(record, arm.changes)
    if "evaluation.reference_point" not in arm.changes:
        yield "the reference point", record.reference_point
    for address, form in record.config.items():
        stage = _stage(address)
        if "revision" in form:
            yield f"the revision of stage {stage}", form["revision"]
        if not _declares_steps(arm.changes, stage):
            if address not in known:
                known[address] = list(_steps_in(form.get("config")))
            for path, steps in known[address]:
                # Methods have recipes of their own, also for a stage that they have in common.
                yield f"the number of training steps of {record.method}, {stage}: {path}", steps


def _told_of_judging(record: Record, changes: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Fields of the dataset and of the protocol that an arm does not declare."""
    # The digest is of images and targets; the dataset's config also has what scales losses.
    fields = {f"dataset.{name}": value for name, value in _dataset_of(record).items()}
    protocol = _IMPLIED | dict(protocol_of(record))
    fields |= {f"evaluation.{name}": value for name, value in protocol.items()}
    yield from ((path, value) for path, value in fields.items() if not _declares(changes, path))


def _dataset_of(record: Record) -> Mapping[str, Any]:
    """The config of the data in the first step that names one; all steps of a study share it."""
    configs = (form.get("config") for form in record.config.values())
    found = (config["dataset"] for config in configs if isinstance(config, Mapping) and "dataset" in config)
    return next((dataset for dataset in found if isinstance(dataset, Mapping)), {})


def _declares(changes: Iterable[str], path: str) -> bool:
    """Whether a changed field is this one, within it, or around it."""
    return any(
        f"{path}.".startswith(f"{each}.") or each.startswith((f"{path}.", f"{path}[")) for each in changes
    )


def _stage(address: str) -> str:
    return address.partition("/")[0]


def _declares_steps(changes: Iterable[str], stage: str) -> bool:
    """Whether one of the changed fields holds the number of steps of a stage."""
    return any(
        path in ("method", f"method.{stage}") or {"optimisation", _STEPS} & set(path.split("."))
        for path in changes
    )


def _steps_in(form: Any) -> Iterator[tuple[str, int]]:
    if isinstance(form, Mapping):
        for name, below in form.items():
            if name == _STEPS:
                yield name, below
            else:
                yield from ((f"{name}.{path}", steps) for path, steps in _steps_in(below))
