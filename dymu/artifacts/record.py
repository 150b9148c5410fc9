"""A record: what an evaluation found, as JSON. Tables, figures and claims are made from records only.

``record.json`` holds what the result is; it is the same byte for byte however often a step was
interrupted. ``provenance.json`` beside it says how it came about: times, machine, code revision.
"""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic_core import from_json

from dymu.errors import StoreError

RECORD = "record.json"
PROVENANCE = "provenance.json"
RECORD_FORMAT = 1
# Points are nearly all bytes of a record, and tables do not need them. In what :meth:`Record.write` makes, a
# line that begins with one space belongs to the outermost object: no string of JSON holds a line break.
# pydantic's parser reads lists of numbers three times as fast as Python's own.
_POINTS, _POINTS_END = b'\n "points": [\n', b'\n ],\n "reference_point": '

# Fields that were added after records existed: a record without them keeps its bytes.
_LEFT_OUT_IF_EMPTY = ("pair_preferences", "pair_losses")


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
        pair_preferences: K preferences that two tasks share while all others have 0 (rows of N), which no
            value is made of; empty where the protocol has none or the method ignores task preferences.
        pair_losses: Scaled test losses at them.
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
    pair_preferences: list[list[float]] = field(default_factory=list)
    pair_losses: list[list[float]] = field(default_factory=list)


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

    A record that was read parses its points when they are first asked for.
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

    if not TYPE_CHECKING:  # a checker that knew of it would accept every name

        def __getattr__(self, name: str) -> Any:
            """Points that were not read yet; Python asks here for what it does not find."""
            if name != "points" or "_read_points" not in self.__dict__:
                raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", obj=self)
            self.__dict__["points"] = self.__dict__["_read_points"]()
            return self.__dict__["points"]

    def write(self, folder: Path) -> None:
        """Write ``record.json`` below ``folder``."""
        form = {"format": RECORD_FORMAT, **asdict(self)}
        for point in form["points"]:
            for name in _LEFT_OUT_IF_EMPTY:
                if not point[name]:
                    del point[name]
        text = json.dumps(form, sort_keys=True, indent=1, allow_nan=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def read_record(folder: Path) -> Record:
    """Read the record in a published folder.

    Raises:
        StoreError: If the record was written by a newer dymu or is not a record.
    """
    path = folder / RECORD

    def content() -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise _unreadable(str(path), error) from error

    # Thousands of records are read for one table: the points are read again rather than kept.
    return _loads(content(), where=str(path), again=content)


def read_provenance(folder: Path) -> Mapping[str, Any]:
    """How what is in a published folder came about; empty where nothing says so.

    Raises:
        StoreError: If it is no JSON object.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return {}
    try:
        form = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}. Run `dymu cache verify`.") from error
    if not isinstance(form, dict):
        raise StoreError(f"{path} is no JSON object. Run `dymu cache verify`.")
    return form


def loads_record(content: bytes, *, where: str) -> Record:
    """Parse a record.

    Raises:
        StoreError: If the record was written by a newer dymu or is not a record; also, when they are first
            asked for, if its points are none.
    """
    return _loads(content, where=where, again=lambda: content)


def _loads(content: bytes, *, where: str, again: Callable[[], bytes]) -> Record:
    place = _place_of_points(content)
    rest = content if place is None else b"%b[]%b" % (content[: place[0]], content[place[1] :])
    try:
        form = from_json(rest)
        written = form.pop("format")
        if written == RECORD_FORMAT:
            record = _record(form)
            if place is not None:
                del record.__dict__["points"]
                record.__dict__["_read_points"] = lambda: _points(again(), where=where)
            return record
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(where, error) from error
    raise StoreError(
        f"{where} has record format {written}; this dymu reads format {RECORD_FORMAT}. "
        "Install the dymu that wrote it."
    )


def _place_of_points(content: bytes) -> tuple[int, int] | None:
    """Where the list of points begins and ends; ``None`` if it is not laid out as by :meth:`Record.write`."""
    start = content.find(_POINTS)
    end = content.rfind(_POINTS_END, start)  # little stands behind it
    if start < 0 or end < start:
        return None
    return start + _POINTS.index(b"["), end + _POINTS_END.index(b"]") + 1


def _points(content: bytes, *, where: str) -> tuple[Point, ...]:
    place = _place_of_points(content)
    try:
        if place is None:
            raise ValueError("its points are gone")
        return tuple(Point(**point) for point in from_json(content[slice(*place)]))
    except (ValueError, TypeError) as error:
        raise _unreadable(where, error) from error


def _unreadable(where: str, error: Exception) -> StoreError:
    return StoreError(f"{where} is not a readable record: {error}. Run `dymu cache verify`.")


def _record(form: dict[str, Any]) -> Record:
    return Record(
        **{
            **form,
            "values": {name: _value(name, value) for name, value in form["values"].items()},
            "points": tuple(Point(**point) for point in form["points"]),
            "tasks": tuple(form["tasks"]),
            "reference_point": tuple(form["reference_point"]),
        }
    )


def _value(name: str, form: dict[str, Any]) -> Value:
    if not math.isfinite(form["value"]):
        raise ValueError(f"its value {name} is {form['value']}, expected a finite number")
    return Value(**form)
