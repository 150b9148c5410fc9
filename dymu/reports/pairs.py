"""Losses of two tasks that share the preference while all others have none, from records that hold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from dymu.artifacts.manifest import Manifest
from dymu.artifacts.record import Point

Floats = NDArray[np.float64]
Pair = tuple[int, int]

QUESTION = "ablations.trade_off"
"""What evaluates methods on pairs of tasks: of digits, and with a name behind it of other data."""

_COMPARED = "ablations.baselines"
_OWN_STUDY = "digits-ours"
_OTHERS = 1e-5  # preference of all other tasks together, beyond what rounding leaves


@dataclass(frozen=True, kw_only=True)
class PairLosses:
    """Losses of a pair of tasks over what the second has of the preference.

    Attributes:
        parts_S: Of the preference, ascending; the first task has the rest.
        losses_S2: Scaled losses of both.
    """

    parts_S: Floats
    losses_S2: Floats


def has_pairs(points: Iterable[Point]) -> bool:
    """Whether any was evaluated on pairs of tasks."""
    return any(point.pair_losses for point in points)


def losses_on(point: Point, pair: Pair) -> PairLosses | None:
    """What was measured where two tasks share the preference; ``None`` if nothing was between them.

    Args:
        point: Of a record. Its evaluation preferences are searched if it was not evaluated on pairs: those of
            two tasks are always of the pair.
        pair: Positions of the tasks.
    """
    measured = bool(point.pair_losses)
    preference_SN = np.asarray(point.pair_preferences if measured else point.preferences, dtype=np.float64)
    loss_SN = np.asarray(point.pair_losses if measured else point.losses, dtype=np.float64)
    both_S2 = preference_SN[:, pair]
    found_S = both_S2.sum(axis=1) >= 1 - _OTHERS
    if not (found_S & (both_S2.min(axis=1) > 0)).any():
        return None
    part_S = both_S2[found_S, 1]
    order = np.argsort(part_S, kind="stable")
    return PairLosses(parts_S=part_S[order], losses_S2=loss_SN[found_S][:, pair][order])


def evaluated_pairs(point: Point, num_tasks: int) -> list[Pair]:
    """Pairs of tasks that a record was evaluated on, in order."""
    return [pair for pair in combinations(range(num_tasks), 2) if losses_on(point, pair) is not None]


def question_for(manifest: Manifest) -> tuple[str, str]:
    """The question that evaluates the study of a manifest on pairs, and the study if it is not its own."""
    target, _, study = manifest.target.partition(" --study ")
    for asked in (_COMPARED, QUESTION):
        if not study and target.startswith(f"{asked}_"):
            return f"{QUESTION}{target.removeprefix(asked)}", ""
    if not study and target.startswith("studies."):
        study = target
    if not study and manifest.study != _OWN_STUDY:
        module, _, attribute = manifest.study.partition("-")
        study = f"studies.{module}:{attribute.replace('-', '_')}"
    return QUESTION, "" if study == "studies.digits:ours" else study


def command_for(manifest: Manifest) -> str:
    """What to type to evaluate the study of a manifest on pairs."""
    question, study = question_for(manifest)
    return f"dymu run {question}" + (f" --study {study}" if study else "")
