"""What a metric's number means: name, unit, direction and range, as data.

Every module of ``dymu.metrics`` declares its metrics as :class:`MetricInfo` constants; a test finds them.
Ranges that depend on the study (number of tasks, reference point) come from a function beside the constant.
"""

import math
from dataclasses import dataclass

from dymu.artifacts.record import Value

# A mean of float64 numbers may leave the range of its terms by rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """The meaning of a metric.

    Attributes:
        name: As in the record, without task and resource preference.
        unit: For instance ``parameters``; empty for a pure number.
        higher_is_better: Direction; ``None`` for a number that is neither good nor bad.
        lower: Smallest possible value, if there is one.
        upper: Largest possible value, if there is one.
    """

    name: str
    unit: str = ""
    higher_is_better: bool | None
    lower: float | None = None
    upper: float | None = None

    def value(self, number: float) -> Value:
        """A record value that carries this meaning; a number outside the range is a mistake of dymu."""
        slack = _ROUNDING * max(1.0, abs(number))
        reaches_lower = self.lower is None or number >= self.lower - slack
        reaches_upper = self.upper is None or number <= self.upper + slack
        sound = math.isfinite(number) and reaches_lower and reaches_upper
        assert sound, f"{self.name} is {number}, which is not within [{self.lower}, {self.upper}]"
        return Value(
            value=float(number),
            higher_is_better=self.higher_is_better,
            lower=self.lower,
            upper=self.upper,
            unit=self.unit,
        )
