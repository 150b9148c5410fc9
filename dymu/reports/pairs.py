"""Losses of two tasks that share the preference while all others have none, from records that hold them."""

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
class Sample:
    """A point of a record as arrays.

    Attributes:
        preferences_SN: Evaluation preferences.
        losses_SN: Losses at them.
        pair_preferences_KN: Preferences that two tasks share; none if it was not evaluated on pairs.
        pair_losses_KN: Losses at them.
    """

    preferences_SN: Floats
    losses_SN: Floats
    pair_preferences_KN: Floats
    pair_losses_KN: Floats


@dataclass(frozen=True, kw_only=True)
class PairLosses:
    """Losses of a pair of tasks over what the second has of the preference.

    Attributes:
        parts_S: Of the preference, ascending; the first task has the rest.
        losses_S2: Scaled losses of both.
    """

    parts_S: Floats
    losses_S2: Floats


def sample_of(point: Point) -> Sample:
    """A point's preferences and losses as arrays, for many calls of :func:`losses_on`."""
    return Sample(
        preferences_SN=np.asarray(point.preferences, dtype=np.float64),
        losses_SN=np.asarray(point.losses, dtype=np.float64),
        pair_preferences_KN=np.asarray(point.pair_preferences, dtype=np.float64),
        pair_losses_KN=np.asarray(point.pair_losses, dtype=np.float64),
    )


def losses_on(sample: Sample, pair: Pair) -> PairLosses | None:
    """What was measured where two tasks share the preference; ``None`` if nothing was between them.

    Args:
        sample: Of a record. Its evaluation preferences are searched if it was not evaluated on pairs: those
            of two tasks are always of the pair.
        pair: Positions of the tasks.
    """
    on_pairs = len(sample.pair_losses_KN) > 0
    preference_SN = sample.pair_preferences_KN if on_pairs else sample.preferences_SN
    loss_SN = sample.pair_losses_KN if on_pairs else sample.losses_SN
    both_S2 = preference_SN[:, pair]
    found_S = both_S2.sum(axis=1) >= 1 - _OTHERS
    if not (found_S & (both_S2.min(axis=1) > 0)).any():
        return None
    part_S = both_S2[found_S, 1]
    order = np.argsort(part_S, kind="stable")
    return PairLosses(parts_S=part_S[order], losses_S2=loss_SN[found_S][:, pair][order])


def evaluated_pairs(sample: Sample) -> list[Pair]:
    """Pairs of tasks that a record was evaluated on, in order."""
    num_tasks = sample.preferences_SN.shape[1]
    return [pair for pair in combinations(range(num_tasks), 2) if losses_on(sample, pair) is not None]


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
