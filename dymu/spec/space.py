"""What a search may change: fields of a study with the values that they may take, as frozen data."""

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dymu.artifacts.config import check, config, is_config
from dymu.artifacts.fingerprint import canonical
from dymu.errors import SpecError
from dymu.spec.study import Study, override

Params = Mapping[str, Any]
"""Path of an entry to a number, or to the key of an option: what a sampler proposes."""


@config
class When:
    """A condition: the entry is in use only where another one has certain values.

    Attributes:
        path: Of an entry that stands before this one.
        equals: Numbers, or keys of options; any of them will do.
    """

    path: str
    equals: tuple[int | str, ...]

    def __post_init__(self) -> None:
        check(len(self.equals) > 0, self, "equals", "at least one value")


@config
class Float:
    """A real number.

    Attributes:
        path: Dotted path of the study's field.
        low: Smallest value.
        high: Largest value.
        log: Whether ratios count rather than differences.
        step: Distance of neighbouring values; ``None`` for a continuum.
        only_when: Condition; ``None`` for always.
    """

    path: str
    low: float
    high: float
    log: bool = False
    step: float | None = None
    only_when: When | None = None

    def __post_init__(self) -> None:
        check(self.low < self.high, self, "low", f"less than high ({self.high!r})")
        check(not self.log or self.low > 0, self, "low", "a positive number, because log is set")
        check(self.step is None or not self.log, self, "step", "None, because log is set")
        check(self.step is None or self.step > 0, self, "step", "a positive number, or None")

    def values(self) -> tuple[float, ...] | None:
        """All values, or ``None`` for a continuum."""
        if self.step is None:
            return None
        count = math.floor((self.high - self.low) / self.step * (1 + 1e-12) + 1e-9) + 1
        return tuple(self.low + self.step * number for number in range(count))

    def ends(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return self.low, self.high

    def real(self, value: Any) -> Any:
        """What a proposed value means to the study."""
        return float(value)

    def proposal(self, real: Any) -> Any:
        """The proposal that means this value; ``None`` if there is none."""
        if not isinstance(real, int | float) or isinstance(real, bool) or not self.low <= real <= self.high:
            return None
        on_grid = self.values()
        return float(real) if on_grid is None or real in on_grid else None

    @property
    def text(self) -> str:
        """The values in words."""
        how = ", log" if self.log else f", step {self.step:g}" if self.step is not None else ""
        return f"{self.low:g} to {self.high:g}{how}"


@config
class Int:
    """A whole number.

    Attributes:
        path: Dotted path of the study's field.
        low: Smallest value.
        high: Largest value.
        log: Whether ratios count rather than differences.
        step: Distance of neighbouring values.
        only_when: Condition; ``None`` for always.
    """

    path: str
    low: int
    high: int
    log: bool = False
    step: int = 1
    only_when: When | None = None

    def __post_init__(self) -> None:
        check(self.low < self.high, self, "low", f"less than high ({self.high!r})")
        check(not self.log or self.low > 0, self, "low", "a positive number, because log is set")
        check(self.step >= 1, self, "step", "at least 1")
        check(self.step == 1 or not self.log, self, "step", "1, because log is set")

    def values(self) -> tuple[int, ...]:
        """All values."""
        return tuple(range(self.low, self.high + 1, self.step))

    def ends(self) -> tuple[int, int]:
        """Smallest and largest value."""
        return self.low, self.values()[-1]

    def real(self, value: Any) -> Any:
        """What a proposed value means to the study."""
        return int(value)

    def proposal(self, real: Any) -> Any:
        """The proposal that means this value; ``None`` if there is none."""
        whole = isinstance(real, int) and not isinstance(real, bool)
        return real if whole and real in self.values() else None

    @property
    def text(self) -> str:
        """The values in words."""
        how = ", log" if self.log else f", step {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}{how}"


@config
class Choice:
    """One of several values that have no order, for instance whole configs.

    Attributes:
        path: Dotted path of the study's field.
        options: Key to value; storages and tables hold the key.
        only_when: Condition; ``None`` for always.
    """

    path: str
    options: Mapping[str, Any]
    only_when: When | None = None

    def __post_init__(self) -> None:
        check(len(self.options) >= 2, self, "options", "at least two")
        canonical(self.options)

    def values(self) -> tuple[str, ...]:
        """All keys."""
        return tuple(self.options)

    def ends(self) -> tuple[str, ...]:
        """All keys: any option may be the one that does not fit."""
        return self.values()

    def real(self, value: Any) -> Any:
        """What a key means to the study."""
        return self.options[value]

    def proposal(self, real: Any) -> Any:
        """The key of this value; ``None`` if there is none."""
        form = canonical(real)
        return next((key for key, option in self.options.items() if canonical(option) == form), None)

    @property
    def text(self) -> str:
        """The keys."""
        return ", ".join(self.options)


Entry = Float | Int | Choice
Space = tuple[Entry, ...]


def value_at(value: Any, path: str) -> Any:
    """The field at a dotted path of a frozen value.

    Raises:
        SpecError: If there is none.
    """
    for name in path.split("."):
        if not is_config(value) or name not in {field.name for field in dataclasses.fields(value)}:
            raise SpecError(f"{path!r} leads nowhere: {type(value).__name__} has no field {name!r}.")
        value = getattr(value, name)
    return value


def active(entry: Entry, params: Params) -> bool:
    """Whether an entry is in use, given the entries before it."""
    condition = entry.only_when
    return condition is None or params.get(condition.path) in condition.equals


def proposed(study: Study, space: Space, params: Params) -> Study:
    """The study that a proposal means; entries that are not in use keep the study's value.

    Raises:
        SpecError: If the study refuses a value, or a path is a typo; names the entry.
    """
    for entry in space:
        if entry.path in params and active(entry, params):
            study = _with(study, entry, params[entry.path])
    return study


def own_params(study: Study, space: Space) -> Params | None:
    """The proposal that means the study as it is; ``None`` if the space does not hold it."""
    found: dict[str, Any] = {}
    for entry in space:
        if active(entry, found):
            proposal = entry.proposal(value_at(study, entry.path))
            if proposal is None:
                return None
            found[entry.path] = proposal
    return found


def corners(space: Space) -> Iterator[dict[str, Any]]:
    """Proposals that reach both ends, or every option, of each entry, the others being as they are."""
    for entry in space:
        for value in entry.ends():
            yield {**_witness(space, entry), entry.path: value}


def points(space: Space) -> tuple[dict[str, Any], ...]:
    """All proposals of a finite space.

    Raises:
        SpecError: If an entry is a continuum; names it.
    """
    found: list[dict[str, Any]] = [{}]
    for entry in space:
        values = entry.values()
        if values is None:
            raise SpecError(
                f"the grid needs a finite space, but {entry.path} is a continuum; give it a step, or list "
                "its values as a Choice."
            )
        found = [
            {**point, **part}
            for point in found
            for part in ([{entry.path: value} for value in values] if active(entry, point) else [{}])
        ]
    return tuple(found)


def check_space(study: Study, space: Space) -> None:
    """Refuse a space that the study does not understand, before anything starts.

    Raises:
        SpecError: Names the entry and says what is wrong with it.
    """
    for number, entry in enumerate(space):
        before = {other.path: other for other in space[:number]}
        if entry.path in before:
            raise SpecError(f"the space has two entries for {entry.path}; one path is one entry.")
        if entry.only_when is not None:
            _check_condition(entry, entry.only_when, before)
        for value in entry.ends():
            proposed(study, space, {**_witness(space, entry), entry.path: value})


def _check_condition(entry: Entry, condition: When, before: Mapping[str, Entry]) -> None:
    if condition.path not in before:
        there = ", ".join(before) or "none"
        raise SpecError(
            f"space entry {entry.path}: only_when names {condition.path!r}, which is no entry before it "
            f"(there is {there})."
        )
    values: Sequence[Any] = before[condition.path].values() or ()
    for value in condition.equals:
        if value not in values:
            raise SpecError(
                f"space entry {entry.path}: only_when waits for {condition.path} = {value!r}, which that "
                "entry never has; conditions take numbers of an Int or keys of a Choice."
            )


def _witness(space: Space, entry: Entry) -> dict[str, Any]:
    """A proposal that brings an entry into use."""
    found: dict[str, Any] = {}
    by_path = {other.path: other for other in space}
    condition = entry.only_when
    while condition is not None:
        found = {condition.path: condition.equals[0], **found}
        condition = by_path[condition.path].only_when
    return found


def _with(study: Study, entry: Entry, value: Any) -> Study:
    real = entry.real(value)
    try:
        if entry.path == "name":
            raise SpecError("the name of a study changes no result.")
        # A proposal may well be what the study has already.
        if _there(study, entry.path) and canonical(value_at(study, entry.path)) == canonical(real):
            return study
        return override(study, entry.path, real)
    except SpecError as error:
        raise SpecError(f"space entry {entry.path} = {value!r}: {error}") from None


def _there(study: Study, path: str) -> bool:
    try:
        value_at(study, path)
    except SpecError:
        return False
    return True
