"""Values that the paper prints and several questions have beside their own. A name with ``_`` is no question.

Keys are record value names (docs/glossary.md); parameters and multiply-accumulates are absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class MainTable:
    """One of Tables 1 to 4: the controller beside methods with a fixed architecture."""

    source: str
    ours: Row
    without_adaptation: Row
    single_task: Row
    phn: Row
    phn_bn: Row


def _controlled(
    hypervolume: tuple[float, float],
    uniformity: tuple[float, float],
    millions: tuple[float, float],
    billions: tuple[float, float],
    control: float,
) -> dict[str, float]:
    """Two columns: hypervolume, uniformity, millions of parameters, billions of MACs, millions of control."""
    row: dict[str, float] = {"control_parameters": control * 1e6}
    for c in (0, 1):
        row |= {
            f"hypervolume/c={c}": hypervolume[c],
            f"uniformity/c={c}": uniformity[c],
            f"active_parameters/c={c}": millions[c] * 1e6,
            f"active_macs/c={c}": billions[c] * 1e9,
        }
    return row


def _fixed(hypervolume: float, millions: float, billions: float, **more: Any) -> dict[str, float]:
    row = {
        "hypervolume": hypervolume,
        "active_parameters": millions * 1e6,
        "active_macs": billions * 1e9,
    }
    if "uniformity" in more:
        row["uniformity"] = more["uniformity"]
    if "control" in more:
        row["control_parameters"] = more["control"] * 1e6
    return row


PASCAL5 = MainTable(
    source="Table 1",
    ours=_controlled((75.52, 73.20), (0.76, 0.79), (3.34, 2.75), (7.21, 6.81), 15.32),
    without_adaptation=_controlled((47.73, 30.91), (0.84, 0.86), (3.34, 2.75), (7.21, 6.81), 0.06),
    single_task=_fixed(81.56, 9.84, 16.17),
    phn=_fixed(42.61, 2.15, 6.28, uniformity=0.72, control=21.50),
    phn_bn=_fixed(72.27, 2.15, 6.28, uniformity=0.69, control=3.63),
)
PASCAL3 = MainTable(
    source="Table 2",
    ours=_controlled((4.26, 4.25), (0.82, 0.82), (3.15, 2.86), (5.52, 5.07), 9.25),
    without_adaptation=_controlled((3.56, 3.35), (0.92, 0.91), (3.15, 2.86), (5.52, 5.07), 0.03),
    single_task=_fixed(4.31, 5.91, 9.75),
    phn=_fixed(1.97, 2.06, 4.81, uniformity=0.74, control=21.10),
    phn_bn=_fixed(3.92, 2.06, 4.81, uniformity=0.79, control=3.32),
)
NYU = MainTable(
    source="Table 3",
    ours=_controlled((13.43, 13.08), (0.76, 0.78), (41.06, 34.68), (29.04, 25.98), 5.72),
    without_adaptation=_controlled((12.42, 9.53), (0.82, 0.84), (41.06, 34.68), (29.04, 25.98), 0.03),
    single_task=_fixed(12.83, 64.47, 58.78),
    phn=_fixed(2.36, 21.59, 21.02, uniformity=0.75, control=21.04),
    phn_bn=_fixed(11.72, 21.59, 21.02, uniformity=0.73, control=2.23),
)
CIFAR100 = MainTable(
    source="Table 4",
    ours=_controlled((0.010, 0.009), (0.54, 0.49), (31.86, 31.37), (174.36, 129.23), 3.10),
    without_adaptation=_controlled((0.003, 0.001), (0.58, 0.53), (31.86, 31.37), (174.36, 129.23), 0.34),
    single_task=_fixed(0.009, 36.18, 348.79),
    phn=_fixed(0.002, 16.35, 73.13, uniformity=0.54, control=11.03),
    phn_bn=_fixed(0.007, 16.35, 73.13, uniformity=0.49, control=0.31),
)
