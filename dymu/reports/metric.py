"""Record values as columns: what they are called, and with how many digits they are printed."""

from collections.abc import Callable
from dataclasses import dataclass

from dymu.metrics import cost, hypervolume, uniformity
from dymu.reports.table import count


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A record value as a column.

    Attributes:
        name: Record value name without its resource preference.
        title: As printed.
        text: Prints a mean.
        paper_text: Prints the paper's value, with the digits that the paper has.
        scale: What values are multiplied with before they are printed.
        bare: Whether the value has no resource preference in any method.
        higher_is_better: Direction where no record tells it.
    """

    name: str
    title: str
    text: Callable[[float], str]
    paper_text: Callable[[float], str]
    scale: float = 1.0
    bare: bool = False
    higher_is_better: bool | None = None

    def key(self, c: float | None) -> str:
        """Record value name at a resource preference."""
        return self.name if c is None or self.bare else f"{self.name}/c={c:g}"


def _volume(number: float) -> str:
    # Twenty dimensions make hypervolumes of a hundredth.
    return f"{number:.2f}" if abs(number) >= 0.1 or number == 0 else f"{number:.2g}"


def thousandths(number: float) -> str:
    """A number as 0.018."""
    return f"{number:.3f}"


def hundredths(number: float) -> str:
    """A number as 64.11."""
    return f"{number:.2f}"


def _tenths(number: float) -> str:
    return f"{number:.1f}"


HYPERVOLUME = Metric(
    name=hypervolume.HYPERVOLUME.name,
    title="HV",
    text=_volume,
    paper_text=_volume,
    higher_is_better=hypervolume.HYPERVOLUME.higher_is_better,
)
UNIFORMITY = Metric(
    name=uniformity.UNIFORMITY.name,
    title="Unif.",
    text=thousandths,
    paper_text=hundredths,
    higher_is_better=uniformity.UNIFORMITY.higher_is_better,
)
FRACTION = Metric(
    name=cost.ACTIVE_PARAMETER_FRACTION.name,
    title="Params",
    text=_tenths,
    paper_text=_tenths,
    scale=100.0,
    higher_is_better=cost.ACTIVE_PARAMETER_FRACTION.higher_is_better,
)
MACS = Metric(
    name=cost.ACTIVE_MACS.name,
    title="MACs",
    text=count,
    paper_text=count,
    higher_is_better=cost.ACTIVE_MACS.higher_is_better,
)
CONTROL = Metric(
    name=cost.CONTROL_PARAMETERS.name,
    title="Control",
    text=count,
    paper_text=count,
    bare=True,
    higher_is_better=cost.CONTROL_PARAMETERS.higher_is_better,
)
