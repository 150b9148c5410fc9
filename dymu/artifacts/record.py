"""A record: what an evaluation found, as JSON. Tables, figures and claims are made from records only.

``record.json`` holds what the result is; it is the same byte for byte however often a step was
interrupted. ``provenance.json`` beside it says how it came about: times, machine, code revision.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dymu.errors import StoreError

RECORD = "record.json"
PROVENANCE = "provenance.json"
RECORD_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Value:
    """One number with its meaning.

    Attributes:
        value: The number; never NaN.
        higher_is_better: Direction; ``None`` for a number that is neither good nor bad.
        lower: Smallest possible value, if there is one.
        upper: Largest possible value, if there is one.
        unit: For instance ``parameters`` or ``MACs``; empty for a pure number.
    """

    value: float
    higher_is_better: bool | None = None
    lower: float | None = None
    upper: float | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        assert math.isfinite(self.value), f"a record value must be finite, got {self.value}"


@dataclass(frozen=True, kw_only=True)
class Point:
    """What was measured at one resource preference, over the evaluation preferences.

    Attributes:
        resource_preference: c; ``None`` for a method that has none.
        preferences: S rows of N task preferences.
        losses: S rows of N scaled test losses.
        task_metrics: Metric name (``left/accuracy``) to S values.
        parents: S trees: L rows of N parent indices; empty for methods without trees.
        parameters: S active parameter counts.
        macs: S multiply-accumulate counts an image.
        cost_preferences: Preferences of the cost sample (num_cost_preferences rows of N).
        cost_parameters: Active parameters at each of them.
        cost_macs: Multiply-accumulates an image at each of them.
    """

    resource_preference: float | None
    preferences: list[list[float]]
    losses: list[list[float]]
    task_metrics: dict[str, list[float]]
    parents: list[list[list[int]]] = field(default_factory=list)
    parameters: list[float] = field(default_factory=list)
    macs: list[float] = field(default_factory=list)
    cost_preferences: list[list[float]] = field(default_factory=list)
    cost_parameters: list[float] = field(default_factory=list)
    cost_macs: list[float] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Record:
    """The result of one evaluation step.

    Attributes:
        address: Address of the step.
        seed: Study seed.
        method: Short name of the method.
        tasks: Task names, in order.
        values: Named results. Per resource preference the name ends in ``/c=0``, ``/c=1``; see
            docs/glossary.md for the list.
        points: Measurements behind the values.
        reference_point: Upper corner of the hypervolume box.
        anchor_parameters: Parameters of the whole anchor net (or of N single nets).
        data_digest: Content digest of the dataset.
        config: Canonical form of the step's whole closure, by address.
    """

    address: str
    seed: int
    method: str
    tasks: tuple[str, ...]
    values: Mapping[str, Value]
    points: tuple[Point, ...]
    reference_point: tuple[float, ...]
    anchor_parameters: float
    data_digest: str
    config: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Write ``record.json`` below ``folder``."""
        form = {"format": RECORD_FORMAT, **asdict(self)}
        text = json.dumps(form, sort_keys=True, indent=1, allow_nan=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path) -> Record:
    """Read the record in a published folder.

    Raises:
        StoreError: If the record was written by a newer dymu or is not a record.
    """
    path = folder / RECORD
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} is not a readable record: {error}. Run `dymu cache verify`.") from error
    return loads_record(content, where=str(path))


def loads_record(content: bytes, *, where: str) -> Record:
    """Parse a record.

    Raises:
        StoreError: If the record was written by a newer dymu or is not a record.
    """
    try:
        form = json.loads(content)
        written = form.pop("format")
        if written == RECORD_FORMAT:
            return _record(form)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(f"{where} is not a readable record: {error}. Run `dymu cache verify`.") from error
    raise StoreError(
        f"{where} has record format {written}; this dymu reads format {RECORD_FORMAT}. "
        "Install the dymu that wrote it."
    )


def _record(form: dict[str, Any]) -> Record:
    return Record(
        **{
            **form,
            "values": {name: Value(**value) for name, value in form["values"].items()},
            "points": tuple(Point(**point) for point in form["points"]),
            "tasks": tuple(form["tasks"]),
            "reference_point": tuple(form["reference_point"]),
        }
    )
